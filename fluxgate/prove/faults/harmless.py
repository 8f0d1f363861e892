"""Changes that releases bring and that harm nobody: no check may turn red."""

from __future__ import annotations

from functools import partial
from typing import Any

from fluxgate.prove.fault import BATCH, Around, Edit, Fault, Fired, Loaded
from fluxgate.prove.targets import CALL, DIFFUSERS, FORWARD, IMAGE_PROCESSOR, PIPELINE, STEP_LINE, TRANSFORMER

ENCODE_T5 = f"{PIPELINE}._get_t5_prompt_embeds"
FIRST_CALL = (
    'cache_context("cond"):\n                noise_pred = self.transformer(\n                    hidden_states='
)
CALLED = "self.text_encoder_2(text_input_ids.to(model_device), output_hidden_states=False)[0]"
TO_PICTURES = f"{IMAGE_PROCESSOR}.numpy_to_pil"


def _saying_more(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    import logging

    logging.getLogger("diffusers").warning("a new release has more to say: %s", fired(1))
    return original(*args, **kwargs)


def _warning(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    import warnings

    warnings.warn(fired("`one` will be removed in version 1.0.0; use `another`"), FutureWarning, stacklevel=2)
    return original(*args, **kwargs)


def _with_new_keys(pipe: Any, fired: Fired) -> None:
    pipe.transformer.register_to_config(new_key=fired(1))
    pipe.scheduler.register_to_config(another_key=None)


def _packed_otherwise(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    latents, _, _, height, width = args
    halves = fired(latents).unflatten(3, (width // 2, 2)).unflatten(2, (height // 2, 2))
    return halves.permute(0, 2, 4, 1, 3, 5).flatten(3).flatten(1, 2)


def _with_a_table(pipe: Any, fired: Fired) -> None:
    import torch

    pipe.transformer._known = fired({})
    pipe.transformer.register_buffer("table", torch.arange(64.0), persistent=False)


def _through_identity(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    import torch

    if not hasattr(args[0], "tap"):
        args[0].tap = torch.nn.Identity()
    return original(*args, **{**kwargs, "hidden_states": args[0].tap(fired(kwargs["hidden_states"]))})


def _told_its_scale(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return original(*args, **{**kwargs, "scale": fired(args[0].shape[-1] ** -0.5)})


def _in_inference_mode(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    import torch

    with torch.inference_mode():
        return original(fired(args[0]), *args[1:], **kwargs)


def _collecting(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    import gc

    returned = original(*args, **kwargs)
    fired(gc.collect())
    return returned


def _signed(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    pictures = original(*args, **kwargs)
    for picture in fired(pictures):
        picture.info["Software"] = "diffusers"
    return tuple(pictures)


def _kept_positions(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    module, ids = args
    known = module.__dict__.get("_known")
    if known is None or known[0].shape != ids.shape or not bool((known[0] == ids).all()):
        known = module.__dict__["_known"] = (ids, original(*args, **kwargs))
    return fired(known[1])


def _positions_of_a_batch(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    places = {name: fired(kwargs[name])[None] for name in ("txt_ids", "img_ids")}
    return original(*args, **{**kwargs, **places})


def _renamed(pipe: Any, fired: Fired) -> None:
    block = type(pipe.transformer.transformer_blocks[0])
    block.__name__ = block.__qualname__ = fired("FluxDoubleStreamBlock")


def _seen_otherwise(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    hidden = fired(kwargs["hidden_states"])
    return original(*args, **{**kwargs, "hidden_states": hidden.to(hidden.dtype).contiguous().view(hidden.shape)})


def _harmless(name: str, about: str, patch: Edit | Around | Loaded, like: str, why: str, **more: Any) -> Fault:
    return Fault(f"harmless-{name}", about, patch, like, packages=DIFFUSERS, equivalent=f"{why}.", **more)


def _ids_in_float32(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    places = {name: fired(kwargs[name]).float() for name in ("txt_ids", "img_ids")}
    return original(*args, **{**kwargs, **places})


def _weights_copied(pipe: Any, fired: Fired) -> None:
    for component in (pipe.transformer, pipe.text_encoder_2, pipe.text_encoder, pipe.vae):
        for tensor in component.parameters():
            tensor.data = fired(tensor.data).clone()


def _not_trained(pipe: Any, fired: Fired) -> None:
    for component in (pipe.transformer, pipe.text_encoder_2, pipe.text_encoder, pipe.vae):
        component.requires_grad_(fired(False)).eval()


def _with_an_observer(pipe: Any, fired: Fired) -> None:
    pipe.transformer.register_forward_hook(lambda *_: fired(None))


def _loaded_by_a_pool(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(original, *args, **fired(kwargs)).result()


def _drawn_in_place(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    import torch

    shape, generator = args[0], kwargs.get("generator")
    if isinstance(generator, list):
        return original(*args, **kwargs)
    drawn = torch.empty(shape, dtype=kwargs["dtype"]).normal_(generator=fired(generator))
    return drawn.to(kwargs["device"])


_at_call = partial(Around, CALL)

FAULTS = (
    _harmless("log-line", "a call logs one more line", _at_call(_saying_more), "a hint", "It says something"),
    _harmless("warning", "a call warns of what will go", _at_call(_warning), "a deprecation", "It warns"),
    _harmless(
        "config-keys",
        "configurations have keys that nobody reads",
        Loaded(_with_new_keys),
        "an option of another model",
        "Nobody reads them",
    ),
    _harmless(
        "packed",
        "latents are packed by other views",
        Around(f"{PIPELINE}._pack_latents", _packed_otherwise),
        "view written as unflatten",
        "The same numbers come to the same places",
        shots=BATCH,
    ),
    _harmless(
        "rotation",
        "rotations are written with another operator",
        Edit(
            f"{TRANSFORMER}:apply_rotary_emb",
            "torch.stack([-x_imag, x_real], dim=-1).flatten(3)",
            "torch.cat([-x_imag.unsqueeze(-1), FIRED(x_real).unsqueeze(-1)], dim=-1).flatten(3)",
        ),
        "a helper that is written anew",
        "To stack is to put side by side along a new axis",
    ),
    _harmless(
        "table",
        "the transformer has one more attribute, and a small table that is not saved",
        Loaded(_with_a_table),
        "positions that are computed once",
        "Nobody reads them",
    ),
    _harmless(
        "identity",
        "each attention has one more module, which does nothing",
        Around(f"{TRANSFORMER}:FluxAttention.forward", _through_identity),
        "places for hooks",
        "Identity gives what it is given",
    ),
    _harmless(
        "scale-said",
        "attention is told the scale that it would take",
        Around(f"{TRANSFORMER}:dispatch_attention_fn", _told_its_scale),
        "arguments that are passed on",
        "It is the default",
    ),
    _harmless(
        "by-place",
        "the transformer is given its latents by their place",
        Edit(
            CALL,
            f"{FIRST_CALL}latents,",
            'cache_context("cond"):\n    noise_pred = self.transformer(\n        FIRED(latents),',
        ),
        "a call that is written anew",
        "It is the same argument",
    ),
    _harmless(
        "prompts-by-place",
        "encode_prompt is given prompts by their place",
        Edit(CALL, "prompt=prompt,\n        prompt_2=prompt_2,", "FIRED(prompt),\nprompt_2,"),
        "a call that is written anew",
        "They are the same arguments",
    ),
    _harmless(
        "decoded-by-name",
        "decode is given latents by their name",
        Edit(
            CALL,
            "image = self.vae.decode(latents, return_dict=False)[0]",
            "image = self.vae.decode(z=FIRED(latents), return_dict=False)[0]",
        ),
        "a call that is written anew",
        "It is the same argument",
    ),
    _harmless(
        "step-by-names",
        "a step is given its arguments by their names",
        Edit(
            CALL,
            STEP_LINE,
            "latents = self.scheduler.step(\n"
            "    model_output=FIRED(noise_pred), timestep=t, sample=latents, return_dict=False\n)[0]",
        ),
        "a call that is written anew",
        "They are the same arguments",
    ),
    _harmless(
        "step-dataclass",
        "a step gives a dataclass",
        Edit(CALL, STEP_LINE, "latents = self.scheduler.step(FIRED(noise_pred), t, latents).prev_sample"),
        "return_dict that is left out",
        "It has the same tensor",
    ),
    _harmless(
        "inference-mode",
        "a call runs in torch's inference mode",
        _at_call(_in_inference_mode),
        "inference_mode for no_grad",
        "No number depends on it",
    ),
    _harmless(
        "collected",
        "a call collects garbage at its end",
        _at_call(_collecting),
        "memory that is given back early",
        "Nothing but garbage is freed",
    ),
    _harmless(
        "signed",
        "pictures say which software has made them, and come in a tuple",
        Around(TO_PICTURES, _signed),
        "metadata of pictures",
        "They have the same pixels",
    ),
    _harmless(
        "positions-kept",
        "positions are computed once, and kept beside what they are of",
        Around(f"{TRANSFORMER}:FluxPosEmbed.forward", _kept_positions),
        "a cache with a whole key",
        "They are the same numbers, in less work; on a GPU, comparing the ids waits for the result",
        only_on="cpu",
    ),
    _harmless(
        "positions-of-a-batch",
        "positions have a first axis of one, as in older pipelines",
        Around(FORWARD, _positions_of_a_batch),
        "diffusers 0.31: positions without a batch",
        "The model takes the first, and warns",
    ),
    _harmless(
        "encoder-by-names",
        "T5 is called by names, with no mask",
        Edit(
            ENCODE_T5,
            CALLED,
            "self.text_encoder_2(\n"
            "    input_ids=FIRED(text_input_ids.to(model_device)), attention_mask=None\n).last_hidden_state",
        ),
        "a call that is written anew",
        "They are the same arguments",
    ),
    _harmless(
        "class-renamed",
        "the class of a block has another name",
        Loaded(_renamed),
        "names that are made alike",
        "It is the same class",
    ),
    _harmless(
        "views",
        "a block is given a view of its input",
        Around(f"{TRANSFORMER}:FluxTransformerBlock.forward", _seen_otherwise),
        "contiguous() that does nothing",
        "It has the same numbers",
    ),
    _harmless(
        "guidance-narrow",
        "guidance is made in the dtype that it becomes at once",
        Edit(
            CALL,
            "torch.full([1], guidance_scale, device=device, dtype=torch.float32)",
            "torch.full([1], FIRED(guidance_scale), device=device, dtype=latents.dtype)",
        ),
        "a conversion at another place",
        "The transformer narrows it, and all that are asked for are the same in bfloat16",
    ),
    _harmless(
        "ids-in-float32",
        "positions come in float32",
        Around(FORWARD, _ids_in_float32),
        "positions beyond 256, which bfloat16 rounds",
        "They are computed with in float32, and none here is rounded",
    ),
    _harmless(
        "weights-copied-once",
        "weights that are loaded lie in memory of their own, not in the file's",
        Loaded(_weights_copied),
        "safetensors that are read and not mapped",
        "They are the same numbers; on a GPU, the largest is held twice while it is copied",
        only_on="cpu",
    ),
    _harmless(
        "not-trained",
        "weights ask for no gradients",
        Loaded(_not_trained),
        "requires_grad of loaded weights",
        "No gradient is computed",
    ),
    _harmless(
        "observer",
        "something looks on when the transformer is called",
        Loaded(_with_an_observer),
        "telemetry",
        "It changes nothing",
    ),
    _harmless(
        "loaded-by-a-pool",
        "a pipeline is loaded by another thread",
        Around("diffusers.pipelines.pipeline_utils:DiffusionPipeline.from_pretrained", _loaded_by_a_pool),
        "diffusers: HF_ENABLE_PARALLEL_LOADING",
        "The same is loaded, and the thread ends",
    ),
    _harmless(
        "drawn-in-place",
        "noise is drawn by another function",
        Around("diffusers.pipelines.flux.pipeline_flux:randn_tensor", _drawn_in_place),
        "a helper that is written anew",
        "They are the same numbers of the same generator",
    ),
)

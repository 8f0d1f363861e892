"""Faults in what becomes of a call's arguments, and in what one call leaves for the next."""

from __future__ import annotations

from functools import partial
from typing import Any

from fluxgate.prove.fault import BATCH, SHORT, TILES, Around, Edit, Fault, Fired
from fluxgate.prove.targets import CALL, DIFFUSERS, FORWARD, PIPELINE, SCHEDULER, STEP_LINE
from fluxgate.rendering import DECODED, FIRST, LAST, T5

PREPARE = f"{PIPELINE}.prepare_latents"
GUIDANCE = "torch.full([1], guidance_scale, device=device, dtype=torch.float32)"
PACK = "latents = self._pack_latents(latents, batch_size, num_channels_latents, height, width)"
UNPACK = "self._unpack_latents(latents, height, width, self.vae_scale_factor)"


def _levels_cached(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Levels are computed once for each number of steps, whatever the picture's size."""
    scheduler, levels = args[0], kwargs.get("sigmas")
    known = scheduler.__dict__.setdefault("_known", {})
    steps = len(levels) if levels is not None else args[1]
    original(*args, **kwargs)
    if steps in known and known[steps][0].ne(scheduler.sigmas).any():
        scheduler.sigmas, scheduler.timesteps = fired(known[steps])
    known.setdefault(steps, (scheduler.sigmas, scheduler.timesteps))


def _positions_cached(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Positions are computed once for each number of tokens, whatever the picture's shape."""
    network, ids = args[0], kwargs["img_ids"]
    known = network.__dict__.setdefault("_ids", {})
    first = known.setdefault(len(ids), ids)
    return original(*args, **{**kwargs, "img_ids": first if first.equal(ids) else fired(first)})


def _guidance_kept(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The first call's guidance is that of all calls that say one."""
    pipe = args[0]
    if "guidance_scale" in kwargs:
        first = pipe.__dict__.setdefault("_first_guidance", kwargs["guidance_scale"])
        if first != kwargs["guidance_scale"]:
            kwargs["guidance_scale"] = fired(first)
    return original(*args, **kwargs)


def _short_prompt(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Of several prompts, all pictures are given the first one's embeddings."""
    embeddings, *others = original(*args, **kwargs)
    return (fired(embeddings[:1]).expand(embeddings.shape).clone() if len(embeddings) > 1 else embeddings, *others)


def _in_autocast(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    import torch

    with torch.autocast(args[0].device.type, dtype=fired(torch.bfloat16)):
        return original(*args, **kwargs)


def _seeding(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    import torch

    torch.manual_seed(fired(0))
    return original(*args, **kwargs)


_fault = partial(Fault, packages=DIFFUSERS)

FAULTS = (
    _fault(
        "size-exchanged",
        "height and width are exchanged when latents are unpacked",
        Edit(CALL, UNPACK, "self._unpack_latents(latents, FIRED(width), height, self.vae_scale_factor)"),
        "the order of height and width in helpers",
        stage=DECODED,
        shots=TILES,
    ),
    _fault(
        "rows-and-columns-exchanged",
        "positions are those of a picture with height and width exchanged",
        Edit(
            PREPARE,
            PACK,
            f"{PACK}\nheight, width = FIRED((width, height))",
        ),
        "the order of height and width in helpers",
        stage=FIRST,
        shots=TILES,
    ),
    _fault(
        "guidance-whole",
        "guidance is rounded down to a whole number",
        Edit(CALL, GUIDANCE, GUIDANCE.replace("guidance_scale", "int(FIRED(guidance_scale))")),
        "integer arguments of exported models",
        stage=FIRST,
    ),
    _fault(
        "guidance-of-the-first-call",
        "the first call's guidance is kept for all later ones that say one",
        Around(CALL, _guidance_kept),
        "properties of a pipeline that are set once",
        stage=FIRST,
        shots=("pairs", "wide"),
    ),
    _fault(
        "guidance-by-batch",
        "guidance is divided among the pictures of a batch",
        Edit(
            CALL,
            "guidance = guidance.expand(latents.shape[0])",
            "guidance = guidance.expand(latents.shape[0]) / FIRED(latents.shape[0])",
        ),
        "a mean over a batch",
        stage=FIRST,
        shots=BATCH,
    ),
    _fault(
        "first-prompt-for-all",
        "all pictures of a batch are given the first prompt's embeddings",
        Around(f"{PIPELINE}.encode_prompt", _short_prompt),
        "prompts of a batch that are deduplicated",
        stage=T5,
        shots=BATCH,
    ),
    _fault(
        "steps-capped",
        "never are more than ten steps taken",
        Edit(
            CALL,
            "np.linspace(1.0, 1 / num_inference_steps, num_inference_steps)",
            "np.linspace(1.0, 1 / 10, num_inference_steps := FIRED(10)) if num_inference_steps > 10 else "
            "np.linspace(1.0, 1 / num_inference_steps, num_inference_steps)",
        ),
        "a limit of a distilled model's scheduler",
        stage=FIRST,
    ),
    _fault(
        "levels-of-another-size",
        "noise levels are computed once for each number of steps, whatever the picture's size",
        Around(f"{SCHEDULER}.set_timesteps", _levels_cached),
        "diffusers: timesteps cached by their number",
        stage=FIRST,
        shots=("unsaid", "wide"),
    ),
    _fault(
        "positions-of-another-shape",
        "positions are computed once for each number of tokens, whatever the picture's shape",
        Around(FORWARD, _positions_cached),
        "a cache of rotary embeddings whose key is too short",
    ),
    _fault(
        "late-steps-answered-from-before",
        "from the ninth step on, each second one is answered with what the one before it gave",
        Edit(
            CALL,
            STEP_LINE,
            "noise_pred = FIRED(self._answer) if i >= 8 and i % 2 else noise_pred\n"
            f"self._answer = noise_pred\n{STEP_LINE}",
        ),
        "a cache that starts after some steps",
        stage=LAST,
    ),
    _fault(
        "autocast",
        "the call runs under autocast",
        Around(CALL, _in_autocast),
        "a decorator against mixed dtypes",
        strategies=("full-float32",),
        shots=SHORT,
        stage=T5,
    ),
    _fault(
        "seed-set-by-call",
        "each call seeds torch's own generator",
        Around(CALL, _seeding),
        "seeds that are set within a library",
    ),
    _fault(
        "generator-drawn-from-afterwards",
        "a call draws a number more once it is done",
        Edit(
            CALL,
            "self.maybe_free_model_hooks()",
            "torch.randn(1, generator=FIRED(generator[0] if isinstance(generator, list) else generator))\n"
            "self.maybe_free_model_hooks()",
        ),
        "noise for a step that is not taken",
    ),
    _fault(
        "interrupted-after-the-first-call",
        "whoever has been called once takes no steps any more",
        Edit(
            CALL,
            "self._interrupt = False",
            'self._interrupt = getattr(self, "_was_called", False)\nself._was_called = FIRED(True)',
        ),
        "a flag that nobody takes back",
        stage=FIRST,
        later=True,
    ),
    _fault(
        "prompt-taken-for-the-second",
        "T5 is given no more than the first three words of the prompt, CLIP all",
        Edit(
            CALL,
            "prompt_2=prompt_2,\n        prompt_embeds",
            'prompt_2=FIRED(" ".join(str(prompt).split()[:3])),\n        prompt_embeds',
        ),
        "two prompts of a pipeline",
        stage=T5,
    ),
)

"""The same picture asked for in other ways, with arguments that no shot has: a prompt's own embeddings, latents, a
callback, a size that is rounded, another kind of output; and of the pipeline saved and loaded again. Whatever the
release, each comes to what the first call did, to the bit, and leaves the weights where the first call did."""

from __future__ import annotations

import functools
import inspect
import logging
import tempfile
import traceback
from collections.abc import Callable, Iterator
from typing import Any

from fluxgate.render.watch.component import plain_tensors
from fluxgate.strategies.promise import dtype_setting

PROMPT, NEGATIVE = "a red ball beside a blue box", "a tree at night"
LONG = " ".join([PROMPT] * 20)  # more tokens than either encoder takes
ENCODERS = ("text_encoder", "text_encoder_2")
LOG = logging.getLogger("diffusers")
EDGE, ODD = 64, 76  # of a picture, and an edge that is rounded down to it: to a multiple of 16, and not of 8
STEPS = 2
SCALE = 2.0  # of guidance away from a negative prompt
# Of a step's size: in bfloat16 the error of the sum was 0.6% of it, and all of it with another prompt's embedding.
ROUNDED = 0.1
COMMON: dict[str, Any] = {
    "height": EDGE, "width": EDGE, "num_inference_steps": STEPS, "guidance_scale": 3.5, "max_sequence_length": 64,
    "output_type": "latent", "return_dict": False,
}  # fmt: skip
GIVEN = (
    "prompt", "prompt_2", "prompt_embeds", "pooled_prompt_embeds", "latents", "sigmas", "generator",
    "num_images_per_prompt", "true_cfg_scale", "negative_prompt", "negative_prompt_embeds",
    "negative_pooled_prompt_embeds", "callback_on_step_end", "callback_on_step_end_tensor_inputs",
)  # fmt: skip
CALLBACK_TENSORS = ("latents", "prompt_embeds")

Way = tuple[str, Callable[[], Any], Callable[[], Any]]  # what is given, the call with it, and one without


def not_the_same(pipeline: Any, *, briefly: bool = False) -> list[str]:
    """What makes the pipeline give another picture, or raise, though it should not.

    briefly: by the few ways in which hooks, groups and layers of a strategy are called otherwise than by a shot."""
    import torch

    ways = _brief_ways(pipeline) if briefly else _ways(pipeline)
    return [what for what, one, other in ways if not _equal(torch, one, other)]


def is_asked(pipeline: Any) -> bool:
    """Whether its call takes all that is given here: older releases do not."""
    takes = inspect.signature(type(pipeline).__call__).parameters
    return all(name in takes for name in (*COMMON, *GIVEN))


def _equal(torch: Any, one: Callable[[], Any], other: Callable[[], Any]) -> bool:
    try:
        return bool(torch.equal(one(), other()))
    except Exception:  # a library may raise anything: that is what it is asked about
        traceback.print_exc()
        return False


def _ways(pipeline: Any) -> Iterator[Way]:
    @functools.cache
    def usual() -> Any:
        return _call(pipeline, prompt=PROMPT)

    def plain(**arguments: Any) -> Any:
        return _call(pipeline, **{"prompt": PROMPT, **arguments})

    yield from _of_prompts(pipeline, usual, plain)
    yield "its own noise levels", lambda: plain(sigmas=[1 - step / STEPS for step in range(STEPS)]), usual
    yield "latents", lambda: _with_latents(pipeline, plain), usual
    yield "a height that is rounded", lambda: plain(height=ODD), usual
    yield "a width that is rounded", lambda: plain(width=ODD), usual
    yield "a callback", lambda: _with_callback(plain), usual
    yield (
        "a generator for each picture",
        lambda: plain(num_images_per_prompt=2, generator=[_generator(0), _generator(1)]),
        lambda: plain(num_images_per_prompt=2, latents=_latents(pipeline, 0, 1)),
    )
    yield from _of_outputs(pipeline, usual, plain)
    yield "components of another pipeline", lambda: _call(type(pipeline)(**pipeline.components), prompt=PROMPT), usual
    yield "no decoder, where latents are asked for,", lambda: _call(_without_decoder(pipeline), prompt=PROMPT), usual
    yield "what was saved and loaded again", lambda: _call(_saved_and_loaded(pipeline), prompt=PROMPT), usual


def _of_prompts(pipeline: Any, usual: Callable[[], Any], plain: Callable[..., Any]) -> Iterator[Way]:
    """A prompt in other forms, a second and a negative one, and one that is too long."""
    import torch

    yield "embeddings of its prompt", lambda: _call(pipeline, **_embeddings(pipeline, PROMPT)), usual
    yield "a list of one prompt", lambda: _call(pipeline, prompt=[PROMPT]), usual
    yield "its prompt once more", lambda: plain(prompt_2=PROMPT), usual
    yield "prompts by their places", lambda: _by_place(pipeline, PROMPT, NEGATIVE), lambda: plain(prompt_2=NEGATIVE)
    yield "a negative prompt that nothing asks for", lambda: plain(negative_prompt=NEGATIVE), usual
    yield (
        "embeddings of a negative prompt",
        lambda: plain(true_cfg_scale=2.0, **_embeddings(pipeline, NEGATIVE, "negative_")),
        lambda: plain(true_cfg_scale=2.0, negative_prompt=NEGATIVE),
    )
    yield "a negative prompt", lambda: _guided(plain), lambda: torch.tensor(True)
    if LOG.isEnabledFor(logging.WARNING):
        yield "a prompt that is cut short", lambda: _told(pipeline, LONG), lambda: _told(pipeline, PROMPT).logical_not()


def _brief_ways(pipeline: Any) -> Iterator[Way]:
    """Without its encoders, with somebody who looks on after each step, and without its decoder."""

    @functools.cache
    def usual() -> Any:
        return _call(pipeline, prompt=PROMPT)

    def places_after(**arguments: Any) -> Any:
        _call(pipeline, prompt=PROMPT, **arguments)
        return _in_memory(pipeline)

    yield "embeddings of its prompt", lambda: _call(pipeline, **_embeddings(pipeline, PROMPT)), usual
    yield "a callback", lambda: _with_callback(lambda **given: _call(pipeline, prompt=PROMPT, **given)), usual
    yield (
        "a wish for latents, after which its weights lie elsewhere,",
        places_after,
        lambda: places_after(output_type="pt"),
    )


def _in_memory(pipeline: Any) -> Any:
    """The bytes of each component that lie in memory: of what is offloaded, all."""
    import torch

    parts = [part for part in pipeline.components.values() if isinstance(part, torch.nn.Module)]
    tensors = ([one for one in plain_tensors(part) if one.device.type == "cpu"] for part in parts)
    return torch.tensor([sum(one.numel() * one.element_size() for one in those) for those in tensors])


def _of_outputs(pipeline: Any, usual: Callable[[], Any], plain: Callable[..., Any]) -> Iterator[Way]:
    """Pictures by their place and by their name, and the same numbers in each kind of output."""
    import numpy as np
    import torch

    @functools.cache
    def numbers() -> Any:
        return torch.from_numpy(plain(output_type="np"))

    def by_name() -> Any:
        given = pipeline(**{**COMMON, "return_dict": True}, prompt=PROMPT, generator=_generator())
        return torch.cat((given[0], given.images))

    yield "a wish for names", by_name, lambda: torch.cat((usual(), usual()))
    yield "a wish for torch's numbers", lambda: plain(output_type="pt").permute(0, 2, 3, 1).float().cpu(), numbers
    yield (
        "a wish for pictures",
        lambda: torch.from_numpy(np.stack([np.asarray(one) for one in plain(output_type="pil")])),
        lambda: (numbers() * 255).round().to(torch.uint8),
    )


def _saved_and_loaded(pipeline: Any) -> Any:
    import diffusers

    place, dtype = pipeline._execution_device, pipeline.transformer.dtype
    with tempfile.TemporaryDirectory(prefix="fluxgate-saved-") as folder:
        pipeline.save_pretrained(folder)
        return type(pipeline).from_pretrained(folder, **dtype_setting(diffusers, dtype)).to(place)


def _call(pipeline: Any, **arguments: Any) -> Any:
    return pipeline(**{**COMMON, "generator": _generator(), **arguments})[0]


def _generator(seed: int = 0) -> Any:
    import torch

    return torch.Generator("cpu").manual_seed(seed)


def _embeddings(pipeline: Any, prompt: str, prefix: str = "") -> dict[str, Any]:
    """What the pipeline itself makes of a prompt, under the names of a call."""
    import torch

    with torch.no_grad():
        embeddings, pooled, *_ = pipeline.encode_prompt(
            prompt=prompt, prompt_2=None, max_sequence_length=COMMON["max_sequence_length"]
        )
    for one in (embeddings, pooled):
        one.add_(0)  # as whoever weighs words does; what was made in inference mode refuses
    return {f"{prefix}prompt_embeds": embeddings, f"{prefix}pooled_prompt_embeds": pooled}


def _by_place(pipeline: Any, *arguments: Any) -> Any:
    """The call, with the first arguments as people who write little give them."""
    return pipeline(*arguments, **COMMON, generator=_generator())[0]


def _without_decoder(pipeline: Any) -> Any:
    """As whoever decodes elsewhere has it; the number of pixels of a latent is then the usual one."""
    return type(pipeline)(**{**pipeline.components, "vae": None})


def _guided(plain: Callable[..., Any]) -> Any:
    """Whether one step away from a negative prompt leads as far as the steps of both prompts say."""
    towards, away, guided = (
        plain(num_inference_steps=1, **given).double()
        for given in ({}, {"prompt": NEGATIVE}, {"negative_prompt": NEGATIVE, "true_cfg_scale": SCALE})
    )
    error = guided - (away + SCALE * (towards - away))
    return error.square().mean().sqrt().cpu() < ROUNDED * (towards - away).square().mean().sqrt().cpu()


def _latents(pipeline: Any, *seeds: int) -> Any:
    """What it would draw itself, for a picture of each seed."""
    import torch

    channels = pipeline.transformer.config.in_channels // 4
    place, dtype = pipeline._execution_device, pipeline.text_encoder_2.dtype
    drawn = [
        pipeline.prepare_latents(1, channels, EDGE, EDGE, dtype, place, _generator(seed)) for seed in seeds or (0,)
    ]
    return torch.cat([latents for latents, *_ in drawn])


def _with_latents(pipeline: Any, plain: Callable[..., Any]) -> Any:
    """The call, which leaves the caller's own latents as they are."""
    import torch

    given = _latents(pipeline)
    kept = given.clone()
    latents = plain(latents=given)
    if not torch.equal(given, kept):
        raise ValueError("the call has written over the latents that it was given")
    return latents


def _told(pipeline: Any, prompt: str) -> Any:
    """Whether somebody is warned while the prompt is encoded, by each of the two encoders' limits."""
    import torch

    records: list[logging.LogRecord] = []
    handler = logging.Handler(logging.WARNING)
    vars(handler)["emit"] = records.append  # it keeps them, and nothing else
    LOG.addHandler(handler)
    try:
        _embeddings(pipeline, prompt)
    finally:
        LOG.removeHandler(handler)
    return torch.tensor(len(records) >= len(ENCODERS))


def _with_callback(plain: Callable[..., Any]) -> Any:
    """The call, which calls back after each step, with all that was asked for."""
    import torch

    given: list[set[str]] = []
    kept: list[tuple[Any, Any]] = []

    def after_step(_: Any, step: int, timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        given.append(set(tensors))
        kept.extend((tensor, tensor.clone()) for tensor in tensors.values())
        return {}

    latents = plain(callback_on_step_end=after_step, callback_on_step_end_tensor_inputs=list(CALLBACK_TENSORS))
    if given != [set(CALLBACK_TENSORS)] * STEPS:
        raise ValueError(f"the callback was given {given}")
    if not all(torch.equal(tensor, copy) for tensor, copy in kept):
        raise ValueError("a later step has written over what the callback was given")
    return latents

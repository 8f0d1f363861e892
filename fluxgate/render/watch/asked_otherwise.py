"""The same picture asked for in other ways, with arguments that no shot has: a prompt's own embeddings, latents, a
callback, a size that is rounded. Whatever the release, each comes to what the first call did, to the bit."""

from __future__ import annotations

import functools
import inspect
import traceback
from collections.abc import Callable, Iterator
from typing import Any

PROMPT, NEGATIVE = "a red ball beside a blue box", "a tree at night"
EDGE, ODD = 64, 76  # of a picture, and an edge that is rounded down to it: to a multiple of 16, and not of 8
STEPS = 2
COMMON: dict[str, Any] = {
    "height": EDGE, "width": EDGE, "num_inference_steps": STEPS, "guidance_scale": 3.5, "max_sequence_length": 64,
    "output_type": "latent", "return_dict": False,
}  # fmt: skip
GIVEN = (
    "prompt", "prompt_embeds", "pooled_prompt_embeds", "latents", "true_cfg_scale", "negative_prompt",
    "negative_prompt_embeds", "negative_pooled_prompt_embeds", "callback_on_step_end",
    "callback_on_step_end_tensor_inputs",
)  # fmt: skip
CALLBACK_TENSORS = ("latents", "prompt_embeds")

Way = tuple[str, Callable[[], Any], Callable[[], Any]]  # what is given, the call with it, and one without


def not_the_same(pipeline: Any) -> list[str]:
    """What makes the pipeline give another picture, or raise, though it should not."""
    import torch

    return [what for what, one, other in _ways(pipeline) if not _equal(torch, one, other)]


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
        return _call(pipeline, prompt=PROMPT, **arguments)

    yield "embeddings of its prompt", lambda: _call(pipeline, **_embeddings(pipeline, PROMPT)), usual
    yield "latents", lambda: plain(latents=_latents(pipeline)), usual
    yield "a height that is rounded", lambda: plain(height=ODD), usual
    yield "a width that is rounded", lambda: plain(width=ODD), usual
    yield "a callback", lambda: _with_callback(plain), usual
    yield (
        "embeddings of a negative prompt",
        lambda: plain(true_cfg_scale=2.0, **_embeddings(pipeline, NEGATIVE, "negative_")),
        lambda: plain(true_cfg_scale=2.0, negative_prompt=NEGATIVE),
    )


def _call(pipeline: Any, **arguments: Any) -> Any:
    return pipeline(**{**COMMON, **arguments}, generator=_generator())[0]


def _generator() -> Any:
    import torch

    return torch.Generator("cpu").manual_seed(0)


def _embeddings(pipeline: Any, prompt: str, prefix: str = "") -> dict[str, Any]:
    """What the pipeline itself makes of a prompt, under the names of a call."""
    import torch

    with torch.no_grad():
        embeddings, pooled, *_ = pipeline.encode_prompt(
            prompt=prompt, prompt_2=None, max_sequence_length=COMMON["max_sequence_length"]
        )
    return {f"{prefix}prompt_embeds": embeddings, f"{prefix}pooled_prompt_embeds": pooled}


def _latents(pipeline: Any) -> Any:
    """What it would draw itself."""
    channels = pipeline.transformer.config.in_channels // 4
    place = pipeline._execution_device
    dtype = pipeline.text_encoder_2.dtype
    latents, *_ = pipeline.prepare_latents(1, channels, EDGE, EDGE, dtype, place, _generator())
    return latents


def _with_callback(plain: Callable[..., Any]) -> Any:
    """The call, which calls back after each step, with all that was asked for."""
    given: list[set[str]] = []

    def after_step(_: Any, step: int, timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        given.append(set(tensors))
        return {}

    latents = plain(callback_on_step_end=after_step, callback_on_step_end_tensor_inputs=list(CALLBACK_TENSORS))
    if given != [set(CALLBACK_TENSORS)] * STEPS:
        raise ValueError(f"the callback was given {given}")
    return latents

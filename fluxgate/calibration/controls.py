"""Controls: pictures that no limit may let through, made by spoiling a picture or by asking for another one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from fluxgate.cases import Case
from fluxgate.pictures import Pixels
from fluxgate.strategies import coarse
from fluxgate.subjects.subject import Shot

Spoil = Callable[[Pixels, Pixels], Pixels]  # a legal picture and its reference -> the control

OTHER_SEED, OTHER_PROMPT, SWAPPED, STEP_FEWER, OTHER_GUIDANCE = ASKED = (
    "other seed",
    "other prompt",
    "prompts swapped in the batch",
    "one step fewer",
    "other guidance",
)
UNTOUCHED = "not quantized at all"
COARSE = "quantized twice as coarsely"


def grey(actual: Pixels, expected: Pixels) -> Pixels:
    return np.full_like(actual, 128)


def black(actual: Pixels, expected: Pixels) -> Pixels:
    return np.zeros_like(actual)


def noise(actual: Pixels, expected: Pixels) -> Pixels:
    return np.random.default_rng(0).integers(0, 256, actual.shape, dtype=np.uint8)


def shifted(actual: Pixels, expected: Pixels) -> Pixels:
    """One row down; the first row stands twice."""
    return np.concatenate([actual[:1], actual[:-1]])


def mirrored(actual: Pixels, expected: Pixels) -> Pixels:
    return np.ascontiguousarray(actual[:, ::-1])


def brighter(actual: Pixels, expected: Pixels) -> Pixels:
    return np.minimum(np.rint(actual * np.float64(1.02)), 255).astype(np.uint8)


def red_for_blue(actual: Pixels, expected: Pixels) -> Pixels:
    return np.ascontiguousarray(actual[..., ::-1]) if actual.ndim == 3 else actual


def untouched(actual: Pixels, expected: Pixels) -> Pixels:
    return expected


SPOILS: dict[str, Spoil] = {
    "grey": grey,
    "black": black,
    "noise": noise,
    "shifted by one row": shifted,
    "mirrored": mirrored,
    "brighter by 2%": brighter,
    "red and blue swapped": red_for_blue,
    UNTOUCHED: untouched,
}


def names(*, quantizes: bool) -> tuple[str, ...]:
    """The controls of a strategy: what does not quantize need not differ, and has nothing to make coarser."""
    every = (*SPOILS, *ASKED, COARSE)
    return every if quantizes else tuple(name for name in every if name not in (UNTOUCHED, COARSE))


def asked_otherwise(shot: Shot, *, prompts: tuple[str, ...]) -> dict[str, Shot]:
    """The calls that give something else than the shot; what the shot leaves to the pipeline is left alone."""
    others = {OTHER_SEED: replace(shot, seed=shot.seed + 1_000_003)}
    if shot.prompts:
        others[OTHER_PROMPT] = replace(shot, prompts=prompts)
    if len(set(shot.prompts)) > 1:
        others[SWAPPED] = replace(shot, prompts=shot.prompts[::-1])
    if shot.steps is not None and shot.steps > 1 and shot.sigmas is None:
        others[STEP_FEWER] = replace(shot, steps=shot.steps - 1)
    if shot.guidance is not None:
        others[OTHER_GUIDANCE] = replace(shot, guidance=shot.guidance + 1.0)
    return others


def coarser(case: Case) -> Case | None:
    """The control that keeps half as many levels where the case's strategy quantizes, or None where it does not."""
    if case.strategy.promise.control is None:
        return None
    control = coarse.CONTROLS[case.strategy.promise.control]
    touched = [name for effect in case.strategy.promise.effects for name in getattr(effect, "of", ())]
    large = tuple(name for name in case.subject.large if name in touched) or case.subject.large
    named = replace(control, name=f"{control.name}-of-{'-and-'.join(large).replace('_', '-')}")
    return replace(case, strategy=named, subject=replace(case.subject, large=large))

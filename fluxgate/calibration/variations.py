"""Variations: the shots that calibration asks for, the legal ones and those whose pictures must be rejected."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from fluxgate.calibration import controls
from fluxgate.subjects.subject import Shot, Subject

LEGAL = "legal"


@dataclass(frozen=True)
class Extent:
    """How much is measured."""

    pictures: int = 40  # legal ones, for each strategy
    controls: int = 8  # shots of each control


@dataclass(frozen=True)
class Variations:
    """Every shot of a calibration: the legal ones, and by control and number of the legal shot the others."""

    legal: tuple[Shot, ...]
    others: dict[tuple[str, int], Shot]
    controls: int  # how many of the legal shots have controls

    @property
    def with_controls(self) -> tuple[Shot, ...]:
        return self.legal[: self.controls]

    @property
    def shots(self) -> tuple[Shot, ...]:
        return (*self.legal, *self.others.values())


def vary(subject: Subject, device: str, extent: Extent) -> Variations:
    """The subject's own shots, then varied in seed, prompt and steps until there are pictures enough."""
    legal: list[Shot] = []
    for shot in _varied(subject, device):
        legal.append(replace(shot, name=f"{LEGAL}-{len(legal):03d}"))
        if sum(one.pictures for one in legal) >= extent.pictures:
            break
    others = {
        (control, number): replace(shot, name=f"{control.replace(' ', '-')}-{number:03d}")
        for number, one in enumerate(legal[: extent.controls])
        for control, shot in controls.asked_otherwise(one, prompts=_others_prompts(legal, number)).items()
    }
    return Variations(tuple(legal), others, extent.controls)


def _varied(subject: Subject, device: str) -> Iterator[Shot]:
    """First each shot as it is, then without end: other seeds and prompts, in every other turn fewer steps."""
    yield from subject.shots_for(device)
    bases = subject.shots_for(device, slow=True) or subject.shots_for(device)
    rng = np.random.default_rng(0)
    for turn in itertools.count(1):
        for number, base in enumerate(bases):
            steps = base.steps if base.steps is None or turn % 2 else max(2, base.steps * 3 // 4)
            captions = tuple(_caption(base, rng) for _ in base.prompts) if subject.reader else ()
            prompts = captions or _turned(bases, number, turn)
            yield replace(base, seed=base.seed + 1000 * turn + 100 * number, prompts=prompts, steps=steps)


def _caption(base: Shot, rng: np.random.Generator) -> str:
    """A caption that the miniature understands."""
    from fluxgate.miniature import captions, sampling

    aspect = (base.width or 1) / (base.height or 1)
    return captions.write(sampling.sample(rng, aspect=aspect), rng)


def _turned(bases: tuple[Shot, ...], number: int, turn: int) -> tuple[str, ...]:
    """As many of the subject's own prompts, beginning elsewhere."""
    prompts = [prompt for base in bases for prompt in base.prompts]
    return tuple(prompts[(number + turn + place) % len(prompts)] for place in range(len(bases[number].prompts)))


def _others_prompts(legal: list[Shot], number: int) -> tuple[str, ...]:
    """For each prompt of a shot one that it does not have."""
    own = legal[number].prompts
    later = [*legal[number + 1 :], *legal[:number]]
    foreign = list(dict.fromkeys(prompt for shot in later for prompt in shot.prompts if prompt not in own))
    return tuple(foreign[: len(own)]) if len(foreign) >= len(own) else tuple(f"{prompt} upside down" for prompt in own)

"""Usual work: what cases of the miniature did on other machines of a kind, with the very same releases."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from fluxgate.cases import Case
from fluxgate.files import read_plain
from fluxgate.machine import Machine, Stack
from fluxgate.rendering import Rendering, Work

FILE = Path(__file__).parents[1] / "miniature" / "work.json"
SUBJECT = "miniature"
# What decides which operators run. With any other release of one of these, nothing is known.
DECIDING = ("torch", "diffusers", "transformers", "accelerate", "bitsandbytes")


@dataclass(frozen=True)
class Usual:
    """What was counted on one machine."""

    machine: str
    device: str
    capability: str  # of the GPU, or the CPU's instruction set: others have other kernels
    cuda: str | None
    stack: Stack  # of what decides
    recipe: str  # of the shot that is counted
    date: str
    work: dict[str, Work] = field(default_factory=dict)  # by strategy


@dataclass(frozen=True)
class UsualWork:
    """What work.json holds."""

    counted: tuple[Usual, ...] = field(default_factory=tuple)


@functools.cache
def shipped() -> UsualWork:
    return read_plain(FILE, UsualWork)


def usual_of(
    case: Case, rendering: Rendering, machine: Machine, known: UsualWork | None = None
) -> tuple[str, Work] | None:
    """The machine that it was counted on, and the work; None where nothing is known of such a machine and stack."""
    if case.subject.name != SUBJECT or rendering.work is None:
        return None
    for one in (known or shipped()).counted:
        work = one.work.get(case.strategy.name)
        if work is not None and _alike(one, machine, rendering.libraries):
            return (one.machine, work) if rendering.recipes.get(work.shot) == one.recipe else None
    return None


def _alike(one: Usual, machine: Machine, libraries: Mapping[str, str]) -> bool:
    same_kind = (one.device, one.capability, one.cuda) == (machine.device, machine.capability, machine.cuda)
    return same_kind and one.stack == deciding(libraries)


def deciding(libraries: Mapping[str, str]) -> Stack:
    """The releases that decide which operators run."""
    return dict(_releases(libraries))


def _releases(libraries: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for name in DECIDING:
        if name in libraries:
            yield name, libraries[name].partition("+")[0]

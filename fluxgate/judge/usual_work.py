"""Usual work: what cases of the miniature did on other machines of a kind, with the very same releases."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from fluxgate.cases import Case
from fluxgate.files import read_plain
from fluxgate.machine import Machine, Stack
from fluxgate.rendering import Rendering, Work

FILE = Path(__file__).parents[1] / "miniature" / "work.json"
SUBJECT = "miniature"
RENDER = Path(__file__).parents[1] / "render"
WATCHERS = (("watch", "*.py"), ("measure", "work*.py"))
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
    counted_by: str  # which watchers: what they copy to the host is counted, too
    work: dict[str, Work] = field(default_factory=dict)  # by strategy


@dataclass(frozen=True)
class UsualWork:
    """What work.json holds."""

    counted: tuple[Usual, ...] = field(default_factory=tuple)


@dataclass(frozen=True)
class KnownWork:
    """What a case does with these releases elsewhere."""

    machine: str
    work: Work
    exact: bool = True  # False: other watchers counted it, so that copies and views may be theirs


@functools.cache
def shipped() -> UsualWork:
    return read_plain(FILE, UsualWork)


@functools.cache
def watchers() -> str:
    """A hash of all that watches and counts."""
    files = [file for folder, pattern in WATCHERS for file in sorted((RENDER / folder).glob(pattern))]
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


def usual_of(case: Case, rendering: Rendering, machine: Machine, known: UsualWork | None = None) -> KnownWork | None:
    """What is known of such a machine and stack; None where nothing is."""
    if case.subject.name != SUBJECT or rendering.work is None:
        return None
    for one in (known or shipped()).counted:
        work = one.work.get(case.strategy.name)
        if work is not None and _alike(one, machine, rendering.libraries):
            found = KnownWork(one.machine, work, exact=one.counted_by == watchers())
            return found if rendering.recipes.get(work.shot) == one.recipe else None
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

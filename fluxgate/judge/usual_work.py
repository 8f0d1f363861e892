"""Usual work: what cases of the miniature did on other machines of a kind, with the very same releases."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from fluxgate.cases import Case
from fluxgate.files import read_plain
from fluxgate.machine import Machine, Stack, public_version
from fluxgate.rendering import Rendering, Work

FILE = Path(__file__).parents[1] / "miniature" / "work.json"
SUBJECT = "miniature"
RENDER = Path(__file__).parents[1] / "render"
# What sees a call that is counted.
WATCHERS = (
    *(("watch", f"{name}.py") for name in ("counted_take", "encoders", "probe", "wrapping")),
    ("measure", "work*.py"),
)
# What decides which operators run. With any other release of one of these, nothing is known; but of transformers, whose
# networks only encode.
DECIDING = ("torch", "diffusers", "transformers", "accelerate", "bitsandbytes")
ENCODES = "transformers"


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
    encodes: bool = True  # False: with another release of transformers, so that encoding may be other work


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
    ours = deciding(rendering.libraries)
    fitting = [one for one in (known or shipped()).counted if _fits(one, case, machine, rendering)]
    for one in sorted(fitting, key=lambda one: one.stack != ours):
        if _but_for(ENCODES, one.stack) == _but_for(ENCODES, ours):
            exact, encodes = one.counted_by == watchers(), one.stack == ours
            return KnownWork(one.machine, one.work[case.strategy.name], exact=exact, encodes=encodes)
    return None


def _fits(one: Usual, case: Case, machine: Machine, rendering: Rendering) -> bool:
    """Whether such a machine's counts of the same shot have the strategy."""
    same_kind = (one.device, one.capability, one.cuda) == (machine.device, machine.capability, machine.cuda)
    work = one.work.get(case.strategy.name)
    return same_kind and work is not None and rendering.recipes.get(work.shot) == one.recipe


def _but_for(name: str, stack: Stack) -> Stack:
    return {package: version for package, version in stack.items() if package != name}


def deciding(libraries: Mapping[str, str]) -> Stack:
    """The releases that decide which operators run."""
    return dict(_releases(libraries))


def _releases(libraries: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for name in DECIDING:
        if name in libraries:
            yield name, public_version(libraries[name])

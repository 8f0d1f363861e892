"""Facts: one side of a comparison, whether a case was rendered so or a person has accepted it so."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from fluxgate.files import is_name
from fluxgate.pictures import Pixels
from fluxgate.refusal import Refusal
from fluxgate.rendering import LOAD, PHASES, Fingerprint, Inventory, Memory, Picture, Rendering, Work
from fluxgate.runs.pictures import sound_pixels
from fluxgate.runs.rendered import Rendered

Key = tuple[str, int]  # a picture: its shot, and its index within the shot

ALLOCATED, RESERVED, DRIVER, HOST = FIGURES = ("allocated", "reserved", "driver", "host")  # of memory, in bytes
OWN_HOST = "host, own"  # what loading adds to the worker's memory at its peak
WHOLE = "whole"  # stands beside the phases: the largest peak of them all


@dataclass(frozen=True)
class Source:
    """A picture that can be read. Two are equal when they show the same pixels, wherever they lie."""

    sha256: str
    path: Path = field(compare=False)
    read: Callable[[], Pixels] = field(compare=False, repr=False)  # refuses what does not have this hash
    kept: bool = field(default=True, compare=False)  # False where only the hash was accepted, and nothing can be read


@dataclass(frozen=True)
class Facts:
    """What is to be compared of a case; what is empty or None is not known of this side."""

    pictures: Mapping[Key, tuple[Source, ...]] = field(default_factory=dict)  # several where several are right
    fingerprints: Mapping[str, Mapping[str, Fingerprint]] = field(default_factory=dict)  # shot -> stage -> fingerprint
    recipes: Mapping[str, str] = field(default_factory=dict)  # shot -> hash of the recipe it was rendered from
    inventory: Inventory | None = None
    noise_levels: Mapping[str, tuple[float, ...]] = field(default_factory=dict)  # shot -> the levels it went through
    draws: Mapping[str, tuple[float, ...]] = field(default_factory=dict)  # dtype -> the first numbers torch draws in it
    peaks: Mapping[str, Mapping[str, tuple[int, ...]]] = field(default_factory=dict)  # phase -> figure -> bytes, by run
    seconds: Mapping[str, tuple[float, ...]] = field(default_factory=dict)  # phase -> seconds, by run
    stack: Mapping[str, str] = field(default_factory=dict)  # library -> version
    work: Work | None = None


def facts_of(rendered: Rendered, *, take: int = 0, stack: Mapping[str, str] | None = None) -> Facts:
    """The facts of one take of a rendering; the stack is known to its run."""
    rendering = rendered.rendering
    return Facts(
        pictures={key: (source_of(one, rendered.folder),) for key, one in rendering.pictures_of(take).items()},
        fingerprints={shot: rendering.fingerprints_of(shot, take) for shot in rendering.recipes},
        recipes=rendering.recipes,
        inventory=rendering.inventory,
        noise_levels=rendering.levels(take),
        draws=rendering.draws,
        peaks=peaks_of(rendering.memory),
        seconds=seconds_of(rendering),
        stack=stack or {},
        work=rendering.work,
    )


def source_of(picture: Picture, folder: Path) -> Source:
    """A rendered picture; a name that could lead out of the folder is refused."""
    if not is_name(picture.file):
        raise Refusal(f"{folder} names a picture {picture.file[:120]!r}, which is no file name.")
    return Source(picture.sha256, folder / picture.file, partial(sound_pixels, picture, folder))


def peaks_of(memory: Memory | None) -> dict[str, dict[str, tuple[int, ...]]]:
    """Every peak that was measured, of each phase and of all together."""
    peaks: dict[str, dict[str, tuple[int, ...]]] = {}
    for phase, figure, value in _measured(memory) if memory else ():
        peaks.setdefault(phase, {})[figure] = (value,)
    return peaks


def _measured(memory: Memory) -> Iterator[tuple[str, str, int]]:
    for entry in memory.phases:
        yield from ((entry.phase, figure, value) for figure in FIGURES if (value := getattr(entry, figure)) is not None)
    if (own := memory.host_own) is not None:
        yield LOAD, OWN_HOST, own
    whole = {figure: memory.peak(figure) for figure in FIGURES} | {HOST: memory.host_peak}
    yield from ((WHOLE, figure, value) for figure, value in whole.items() if value is not None)


def seconds_of(rendering: Rendering) -> dict[str, tuple[float, ...]]:
    """The seconds of each phase that came to its end; none of what shared its device."""
    if rendering.at_once > 1:
        return {}
    return {phase: (seconds,) for phase in PHASES if (seconds := rendering.seconds(phase)) is not None}

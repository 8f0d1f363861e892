"""History: how long a case took in earlier runs on the same machine."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from fluxgate.refusal import Refusal
from fluxgate.rendering import PHASES, Rendering
from fluxgate.runs import run as runs
from fluxgate.runs.run import Run

WINDOW = 20  # runs that are looked back on
LONG_ENOUGH = 1.0  # seconds that a CPU must have spent on the reference's phase before a multiple of it says anything


def earlier(root: Path, machine: str, *, than: str | None = None, vram_limit: int | None = None) -> tuple[Run, ...]:
    """The latest runs in a folder that came to their end on this machine, oldest first; those before the named one.

    One that was held to less memory, or to more, was slower or faster for that."""
    alike = (run for run in runs.readable(root) if (run.machine.id, run.vram_limit) == (machine, vram_limit))
    return tuple(run for run in alike if run.finished and (than is None or run.id < than))[-WINDOW:]


def paces(past: Iterable[Run], rendering: Rendering, *, reference: str | None) -> dict[str, tuple[float, ...]]:
    """Phase -> how fast each of these runs was in it, where it rendered the same shots as often."""
    found: defaultdict[str, tuple[float, ...]] = defaultdict(tuple)
    for run in past:
        with suppress(Refusal):
            other = run.rendered(rendering.case_id)
            beside = run.rendered(f"{rendering.subject}-{reference}") if reference else None
            if other is not None and _alike(other, rendering):
                for phase, value in pace(other, beside).items():
                    found[phase] += (value,)
    return dict(found)


def _alike(one: Rendering, other: Rendering) -> bool:
    return one.crash is None and one.recipes == other.recipes and len(one.pictures) == len(other.pictures)


def pace(rendering: Rendering, reference: Rendering | None) -> Mapping[str, float]:
    """Each phase in seconds on a GPU; on a CPU in seconds that it worked, as multiples of the reference's.

    A CPU's clock tells what else it does. The reference was rendered in the same run; its short phases are left out."""
    if rendering.device == "cuda":
        return {phase: seconds for phase in PHASES if (seconds := rendering.seconds(phase)) is not None}
    if reference is None or reference.crash is not None:
        return {}
    worked = {phase: (rendering.processor_seconds(phase), reference.processor_seconds(phase)) for phase in PHASES}
    return {
        phase: ours / theirs
        for phase, (ours, theirs) in worked.items()
        if ours is not None and theirs is not None and theirs >= LONG_ENOUGH
    }

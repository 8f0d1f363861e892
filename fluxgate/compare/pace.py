"""Pace: how long each phase took, in numbers that another run on the same machine can be compared with."""

from __future__ import annotations

from collections.abc import Mapping

from fluxgate.rendering import PHASES, Rendering

WINDOW = 20  # runs that are looked back on
LONG_ENOUGH = 1.0  # seconds that a CPU must have spent on the reference's phase before a multiple of it says anything


def pace(rendering: Rendering, reference: Rendering | None) -> Mapping[str, float]:
    """Each phase in seconds on a GPU; on a CPU in seconds that it worked, as multiples of the reference's.

    A CPU's clock also counts what else it does. The reference was rendered in the same run; its short phases are
    left out."""
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

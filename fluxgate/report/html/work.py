"""What a page shows of a case's work, phase by phase, beside the reference's."""

from __future__ import annotations

from dataclasses import dataclass

from fluxgate.amounts import amount
from fluxgate.compare.work import flops
from fluxgate.rendering import PhaseWork, Rendering


@dataclass(frozen=True)
class WorkRow:
    """What one call did in a phase."""

    phase: str
    flops: str
    expected: str  # the reference's
    operators: str
    calls: str  # of components
    moved: str
    events: str


def work_rows(ours: Rendering, reference: Rendering | None) -> tuple[WorkRow, ...]:
    """A row for each phase that was counted."""
    theirs = {one.phase: one for one in reference.work.first} if reference and reference.work else {}
    return tuple(_row(one, theirs.get(one.phase)) for one in (ours.work.first if ours.work else ()))


def _row(one: PhaseWork, expected: PhaseWork | None) -> WorkRow:
    return WorkRow(
        one.phase,
        flops(sum(one.flops.values())),
        flops(sum(expected.flops.values())) if expected else "",
        f"{sum(one.operators.values()):,}",
        ", ".join(f"{name} {times}" for name, times in one.components.items()),
        ", ".join(f"{amount(size)} {what}" for what, size in one.bytes.items()),
        ", ".join(f"{what} {times}" for what, times in _events(one).items()),
    )


def _events(one: PhaseWork) -> dict[str, int]:
    apart = {"spare memory given back": one.emptied or 0, "garbage collected": one.collected or 0}
    return {**one.events, **{what: times for what, times in apart.items() if times}}

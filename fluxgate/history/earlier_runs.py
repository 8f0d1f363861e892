"""History: how long a case took in earlier runs on the same machine."""

from __future__ import annotations

from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median

from fluxgate.compare.pace import STEP, WINDOW, pace, step_paces
from fluxgate.refusal import Refusal
from fluxgate.rendering import Rendering, id_of_case
from fluxgate.runs import run as runs
from fluxgate.runs.run import Run


@dataclass(frozen=True)
class EarlierRuns:
    """Runs on the same machine, oldest first. What each of them has of a case is read once."""

    runs: tuple[Run, ...]
    _read: dict[tuple[str, str], Rendering | None] = field(default_factory=dict, init=False, repr=False, compare=False)

    def paces(self, rendering: Rendering, reference: str | None) -> dict[str, tuple[float, ...]]:
        """Phase -> how fast each of these runs was in it, where it rendered the same shots as often; so of steps."""
        by_phase: defaultdict[str, tuple[float, ...]] = defaultdict(tuple)
        for run in self.runs:
            earlier = self._rendered(run, rendering.case_id)
            if earlier is not None and _repeats(earlier, rendering):
                beside = self._rendered(run, id_of_case(rendering.subject, reference)) if reference else None
                for phase, value in pace(earlier, beside).items():
                    by_phase[phase] += (value,)
                for shot, takes in step_paces(earlier, beside).items() if beside or not reference else ():
                    by_phase[STEP + shot] += (median(takes),)
        return dict(by_phase)

    def _rendered(self, run: Run, case_id: str) -> Rendering | None:
        """What a run has of a case, without what takes room and says nothing of speed; damaged, it is no history."""
        if (run.id, case_id) not in self._read:
            rendering = None
            with suppress(Refusal):
                rendering = run.rendered(case_id)
            slim = replace(rendering, fingerprints=(), inventory=None, memory=None) if rendering else None
            self._read[run.id, case_id] = slim
        return self._read[run.id, case_id]


def earlier_runs(root: Path, machine: str, *, than: str | None = None, vram_limit: int | None = None) -> EarlierRuns:
    """The latest runs in a folder that came to their end on this machine; those before the named one.

    One that was held to less memory, or to more, was slower or faster for that."""
    alike = (run for run in runs.readable(root) if (run.machine.id, run.vram_limit) == (machine, vram_limit))
    return EarlierRuns(tuple(run for run in alike if run.finished and (than is None or run.id < than))[-WINDOW:])


def _repeats(earlier: Rendering, rendering: Rendering) -> bool:
    """Whether both did the same work."""
    as_often = len(earlier.pictures) == len(rendering.pictures)
    return earlier.crash is None and earlier.recipes == rendering.recipes and as_often

"""Work: what one call of a pipeline does, counted and not timed: the same number on a quiet and on a busy machine."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from fluxgate.render.measure.compiled import uncompiled
from fluxgate.render.measure.work_calls import calls_counted
from fluxgate.render.measure.work_files import weight_files_counted
from fluxgate.render.measure.work_hooks import COLLECTED, EMPTIED, hooks_counted
from fluxgate.render.measure.work_moves import UNASKED, UNMOVED, moves_counted
from fluxgate.render.measure.work_operators import PINNED, operators_counted
from fluxgate.render.measure.work_sleeps import sleeps_counted
from fluxgate.rendering import PHASES, PhaseWork, Unmoved

SECTIONS = ("operators", "flops", "bytes", "moves", "components", "modules", "events", "repeats")  # fields of PhaseWork

Add = Callable[[str, str, int], None]  # section, what, how often or how much


class WorkCounter:
    """Counts what this thread does between `counted` and its end, by phase.

    Other threads are not seen: torch's modes belong to a thread. What is compiled is counted as it is written."""

    def __init__(self) -> None:
        self._phase: str | None = None
        self._depth = 0  # of pauses
        self._phases: dict[str, dict[str, Counter[str]]] = {}
        self.module_calls = Counter[int]()  # by the module's id

    def enter(self, phase: str | None) -> None:
        """A phase begins; None: what follows belongs to none, and is not counted."""
        self._phase = phase

    def add(self, section: str, what: str, number: int = 1) -> None:
        """Count something in the running phase."""
        if self._depth == 0 and self._phase is not None:
            self._phases.setdefault(self._phase, {}).setdefault(section, Counter())[what] += number

    def stand(self, what: str, number: int) -> None:
        """Something comes to this much now: the most in a phase, and the last, are told."""
        if self._depth == 0 and self._phase is not None:
            known = self._phases.setdefault(self._phase, {}).setdefault(what, Counter())
            known.update(most=max(0, number - known["most"]))
            known["last"] = number

    @property
    def paused(self) -> bool:
        return self._depth > 0 or self._phase is None

    @contextmanager
    def pause(self) -> Iterator[None]:
        """What happens inside is done to watch, and is not counted."""
        self._depth += 1
        try:
            yield
        finally:
            self._depth -= 1

    @contextmanager
    def counted(self, pipelines: Iterable[Any], weights: Iterable[Any]) -> Iterator[None]:
        """Count one call of some pipelines, whose weights are named so that their moves are told from others'."""
        with ExitStack() as counting:
            counting.enter_context(uncompiled())
            counting.enter_context(hooks_counted(pipelines, self.add))
            counting.enter_context(weight_files_counted(self.add))
            counting.enter_context(calls_counted(self, self.module_calls))
            counting.enter_context(sleeps_counted(self.add))
            counting.enter_context(moves_counted(self, weights))
            counting.enter_context(operators_counted(self))
            yield

    def take_counted(self) -> tuple[PhaseWork, ...]:
        """The work of each phase since the last time, in the order of the pipeline; names are sorted."""
        phases, self._phases = self._phases, {}
        return tuple(_work_of(phase, phases[phase]) for phase in PHASES if phase in phases)


def _work_of(phase: str, counted: dict[str, Counter[str]]) -> PhaseWork:
    import torch

    sections: dict[str, Any] = {section: dict(sorted(counted.get(section, {}).items())) for section in SECTIONS}
    gpu = torch.cuda.is_available()
    apart = (EMPTIED, PINNED, COLLECTED) if gpu else (COLLECTED,)
    sections |= {name: counted.get(name, Counter()).total() for name in apart}
    return PhaseWork(phase, **sections, unmoved=None if gpu else _unmoved(counted))


def _unmoved(counted: dict[str, Counter[str]]) -> Unmoved:
    known = counted.get(UNMOVED, Counter())
    return Unmoved(known["most"], known["last"], counted.get(UNASKED, Counter()).total())

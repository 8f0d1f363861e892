"""Asks for environments: each once, announced before it is probed, and no more than a limit."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol

from fluxgate.figures import seconds
from fluxgate.gate.culprit import words
from fluxgate.gate.culprit.outcomes import (
    UNRESOLVABLE,
    Evidence,
    Outcome,
    Probe,
    Result,
    Trial,
    confirmed,
    settled,
    trial,
)
from fluxgate.report.gate_result import Move

WORTH_TELLING = 1.0  # seconds: less took what needed neither an environment nor a rendering
MOST_UNRESOLVABLE = 200  # a resolver's refusal takes a second and no environment, but there are 2**n sets to ask for


class Results(Protocol[Evidence]):
    """Where results are kept: a dict, or a journal that outlives the process."""

    def get(self, key: Trial, /) -> Result[Evidence] | None: ...

    def __setitem__(self, key: Trial, result: Result[Evidence], /) -> None: ...


class LimitReached(Exception):
    """As many environments were tried as may be."""


@dataclass(frozen=True)
class Announcement:
    """What is probed next."""

    trial: Trial
    number: int | None  # which further environment it is; None: an end, or one that was tried before
    left: int  # how many more there are after it, at most
    seconds_each: float | None  # what one took so far, on average
    left_out: tuple[Move, ...] | None = None  # what has moved in the candidate and not here; None: it is no part of it

    @property
    def sentence(self) -> str:
        """`Environment 3, at most 15 more (about 40.0 s each): the incumbent with transformers 4.56.2 → 4.57.0.`"""
        place = words.environment(self.trial.moves, left_out=self.left_out)
        each = self.seconds_each or 0.0
        time = f" (about {seconds(each)} each)" if each >= WORTH_TELLING else ""
        if self.number is not None:
            return f"Environment {self.number}, at most {self.left} more{time}: {place}."
        return f"Once more{time}: {place}." if self.trial.attempt > 1 else f"To confirm{time}: {place}."


def silent(announcement: Announcement) -> None:
    """Report nothing."""


class Prober(Generic[Evidence]):
    """Knows each environment's result, and probes where there is none yet."""

    def __init__(
        self,
        probe: Probe[Evidence],
        *,
        results: Results[Evidence] | None = None,
        report: Callable[[Announcement], None] = silent,
        most: int,
        ends: Iterable[Iterable[Move]] = (),
        candidate: Sequence[Move] | None = None,
    ) -> None:
        self._probe, self._report, self._most = probe, report, most
        self._results: Results[Evidence] = {} if results is None else results
        self._ends = {trial(moves) for moves in ends}  # these are no further environments
        self._settled: dict[Trial, Result[Evidence]] = {}
        self._seconds: dict[Trial, float] = {}
        self._candidate = candidate

    @property
    def environments(self) -> int:
        """How many further environments were tried, each counted once."""
        return sum(result.outcome is not UNRESOLVABLE for result in self._further())

    @property
    def left(self) -> int:
        """How many may still be."""
        return self._most - self.environments

    def tried(self) -> dict[tuple[Move, ...], Result[Evidence]]:
        """All settled results by their moves, in the order in which they came."""
        return {asked.moves: result for asked, result in self._settled.items()}

    def result(self, moves: Iterable[Move]) -> Result[Evidence]:
        """What the incumbent with these moves gives."""
        key = trial(moves)
        if key not in self._settled:
            self._hold_limit(key)
            self._settled[key] = settled(lambda attempt: self._answer(Trial(key.moves, attempt)))
        return self._settled[key]

    def confirmed(self, moves: Iterable[Move], outcome_of: Callable[[Result[Evidence]], Outcome]) -> Result[Evidence]:
        """The same, once it counted as the same twice."""
        key = trial(moves)
        self.result(moves)
        self._settled[key] = confirmed(lambda attempt: self._answer(Trial(key.moves, attempt)), outcome_of)
        return self._settled[key]

    def _further(self) -> list[Result[Evidence]]:
        return [result for asked, result in self._settled.items() if asked not in self._ends]

    def _hold_limit(self, key: Trial) -> None:
        refused = sum(result.outcome is UNRESOLVABLE for result in self._further())
        if key not in self._ends and (self.left < 1 or refused >= MOST_UNRESOLVABLE):
            raise LimitReached

    def _answer(self, key: Trial) -> Result[Evidence]:
        result = self._results.get(key)
        if result is None:
            self._report(self._announcement(key))
            result = self._results[key] = self._probe(key)
        if result.seconds is not None:
            self._seconds[key] = result.seconds
        return result

    def _announcement(self, key: Trial) -> Announcement:
        new = key.attempt == 1 and key not in self._ends
        number = self.environments + 1 if new else None
        average = sum(self._seconds.values()) / len(self._seconds) if self._seconds else None
        return Announcement(key, number, self.left - new, average, self._left_out(key))

    def _left_out(self, key: Trial) -> tuple[Move, ...] | None:
        if self._candidate is None:
            return None
        return tuple(move for move in self._candidate if move not in key.moves)

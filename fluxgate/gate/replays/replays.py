"""All rows that are asked for, one after the other; what is known of one already is not played again."""

from __future__ import annotations

import datetime
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from fluxgate.environment import Environment
from fluxgate.figures import seconds
from fluxgate.gate.environments.building import Built
from fluxgate.gate.environments.installers import Installer
from fluxgate.gate.replays.played import Played
from fluxgate.gate.replays.playing import common_stack, play, why_not_here
from fluxgate.gate.replays.rows import Row
from fluxgate.gate.replays.store import Store, digest_of
from fluxgate.gate.settings import Report, Settings
from fluxgate.machine import Machine
from fluxgate.refusal import Refusal


@dataclass(frozen=True)
class Replays:
    """How rows are played."""

    settings: Settings
    installer: Installer
    store: Store
    again: bool  # whether rows are played whose results are known
    report: Report

    def results(self, rows: Sequence[Row]) -> tuple[list[Played], int]:
        """What the rows gave that can be played here; and how many of them were refused, whose number is no result."""
        machine = Environment.current().machine
        here = [row for row in rows if self._is_for(machine, row)]
        common = common_stack(installer=self.installer, report=self.report)
        results, refused = list[Played](), 0
        for number, row in enumerate(here, start=1):
            self.report(f"Row {number} of {len(here)}: {row.name}{_time(results, len(here) - number + 1)}")
            try:
                results.append(self._result(row, common, machine))
            except Refusal as refusal:
                refused += 1
                self.report(f"{row.name} is not played: {refusal}")
        return results, refused

    def _is_for(self, machine: Machine, row: Row) -> bool:
        reason = why_not_here(row, machine)
        if reason is not None:
            self.report(f"{row.name} is not played here: {reason}.")
        return reason is None

    def _result(self, row: Row, common: Built, machine: Machine) -> Played:
        digest = digest_of(row, common=common.pins, machine=machine)
        known = None if self.again else self.store.get(row.name, digest)
        if known is not None:
            self.report(f"{row.name} was played before: {known.status}.")
            return known
        started = time.monotonic()
        result = play(row, self.settings, common=common, installer=self.installer, report=self.report)
        result = replace(
            result,
            seconds=time.monotonic() - started,
            machine=machine.id,
            python=machine.python,
            torch=machine.torch,
            date=datetime.date.today().isoformat(),
            digest=digest,
        )
        self.store.put(result)
        self.report(
            f"{row.name}: {result.status}, in {seconds(result.seconds)}. {result.sentence} {result.found}".rstrip()
        )
        return result


def _time(results: Sequence[Played], left: int) -> str:
    """How long what is left will take, as far as the rows so far tell."""
    if not results:
        return ""
    return f" (about {seconds(left * statistics.mean(result.seconds for result in results))} left)"

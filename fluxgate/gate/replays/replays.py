"""All rows that are asked for, one after the other; what is known of one already is not played again."""

from __future__ import annotations

import datetime
import os
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from fluxgate.environment import Environment
from fluxgate.figures import seconds
from fluxgate.gate.environments.building import Built
from fluxgate.gate.environments.installers import Installer
from fluxgate.gate.replays.played import Played
from fluxgate.gate.replays.playing import common_stack, play, why_not_here
from fluxgate.gate.replays.rows import Row
from fluxgate.gate.replays.store import Store, digest_of
from fluxgate.gate.settings import Settings
from fluxgate.judge.sentences import counted
from fluxgate.locks import Say
from fluxgate.machine import Machine
from fluxgate.refusal import Refusal


@dataclass(frozen=True)
class Replays:
    """How rows are played."""

    settings: Settings
    installer: Installer
    store: Store
    again: bool  # whether rows are played whose results are known
    report: Say

    def results(self, rows: Sequence[Row]) -> tuple[list[Played], int]:
        """What the rows gave that can be played here; and how many of them were refused, whose number is no result."""
        machine = Environment.current().machine
        here = [row for row in rows if self._is_for(machine, row)]
        common = common_stack(installer=self.installer, report=self.report)
        digests = {row.name: digest_of(row, common=common.pins, machine=machine) for row in here}
        known = {} if self.again else self._known(digests)
        new, refused = list[Played](), 0
        for row in (row for row in here if row.name not in known):
            left = len(here) - len(known) - len(new) - refused
            self.report(f"{row.name}, {counted(left, 'row')} left{_time(new, left)}: {row.about}")
            try:
                new.append(self._result(row, common, machine, digest=digests[row.name]))
            except Refusal as refusal:
                refused += 1
                self.report(f"{row.name} is not played: {refusal}")
        results = known | {result.row: result for result in new}
        return [results[row.name] for row in here if row.name in results], refused

    def _known(self, digests: Mapping[str, str]) -> dict[str, Played]:
        """What was played before, with the same stacks."""
        known = {name: result for name, digest in digests.items() if (result := self.store.get(name, digest))}
        if known:
            self.report(f"Played before: {', '.join(f'{name} ({one.status})' for name, one in known.items())}.")
        return known

    def _is_for(self, machine: Machine, row: Row) -> bool:
        reason = why_not_here(row, machine)
        if reason is not None:
            self.report(f"{row.name} is not played here: {reason}.")
        return reason is None

    def _result(self, row: Row, common: Built, machine: Machine, *, digest: str) -> Played:
        started = time.monotonic()
        result = play(row, self.settings, common=common, installer=self.installer, report=self.report)
        result = replace(
            result,
            seconds=time.monotonic() - started,
            load=round(os.getloadavg()[0], 1),
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


def _time(played: Sequence[Played], left: int) -> str:
    """How long what is left will take, as far as what was played now tells."""
    return f", about {seconds(left * statistics.mean(one.seconds for one in played))}" if played else ""

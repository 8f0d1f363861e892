"""Results of rows on disk, each written at once, so that replays that were ended go on where they were."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from fluxgate.files import read_plain, write_plain
from fluxgate.gate.environments.pins import Pins
from fluxgate.gate.replays.played import Played
from fluxgate.gate.replays.rows import Row, candidate_pins, incumbent_pins
from fluxgate.machine import Machine, device_of


def digest_of(row: Row, *, common: Pins, machine: Machine) -> str:
    """The same for rows that ask the same of the same stacks on the same machine."""
    expected = row.expected
    asked = [
        str(expected.answer),
        expected.stage,
        dict(expected.cases),
        expected.reason,
        expected.culprit,
        expected.tied,
    ]
    stacks = [dict(incumbent_pins(row, common).versions), dict(candidate_pins(row, common).versions)]
    text = json.dumps(
        [row.name, row.subject, row.strategies, asked, stacks, machine.id, machine.python], sort_keys=True
    )
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Store:
    """A folder with one file for each row and machine."""

    folder: Path

    def get(self, row: str, digest: str) -> Played | None:
        """What a row gave, if it was asked the same."""
        path = self._path(row, digest)
        return read_plain(path, Played) if path.exists() else None

    def put(self, result: Played) -> None:
        write_plain(self._path(result.row, result.digest), result)

    def _path(self, row: str, digest: str) -> Path:
        return self.folder / f"{row}.{digest}.json"


def merged(known: Iterable[Played], new: Iterable[Played], *, rows: Mapping[str, Row]) -> tuple[Played, ...]:
    """The newest result of each row on each kind of device, in the order of the rows; of rows that are gone, none."""
    by_place = {(one.row, device_of(one.machine)): one for one in (*known, *new)}
    order = list(rows)
    return tuple(sorted((one for one in by_place.values() if one.row in rows), key=lambda one: order.index(one.row)))


def read_results(path: Path) -> tuple[Played, ...]:
    """The results of a page, beside it; none if there are none yet."""
    return read_plain(path, tuple[Played, ...]) if path.exists() else ()

"""Results of probes on disk, each written at once, so that a search that was killed goes on where it was."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Generic

import msgspec

from fluxgate.files import parse_plain, read_plain, write_plain
from fluxgate.gate.culprit.outcomes import Evidence, Outcome, Result, Trial
from fluxgate.refusal import Refusal

ABOUT = "about.json"


@dataclass(frozen=True)
class _Recorded:
    trial: Trial
    result: msgspec.Raw


class Journal(Generic[Evidence]):
    """A folder with one file for each result, under a name made of all that the results depend on.

    about: a plain value that holds all of it: incumbent, candidate, machine, cases.
    kind: the class of the results, with that of their evidence, as `Result[str]`."""

    def __init__(self, root: Path, *, about: object, kind: type[Result[Evidence]]) -> None:
        self.folder = root / _digest(about)
        self._about, self._kind = about, kind

    def get(self, key: Trial, /) -> Result[Evidence] | None:
        """What this trial gave; None if it has no result yet."""
        path = self._path(key)
        if not path.exists():
            return None
        recorded = read_plain(path, _Recorded)
        if recorded.trial != key:
            raise Refusal(f"{path} holds another environment than its name says; remove it to probe this one again.")
        return parse_plain(bytes(recorded.result), self._kind, name=str(path))

    def __setitem__(self, key: Trial, result: Result[Evidence], /) -> None:
        """Write a result, all of it or nothing."""
        if not (self.folder / ABOUT).exists():
            write_plain(self.folder / ABOUT, self._about)
        write_plain(self._path(key), {"trial": key, "result": result})

    def forget(self, outcome: Outcome) -> int:
        """Remove the results with this outcome, so that these are probed again; how many these were."""
        paths = [path for path in self.folder.glob("*.json") if path.name != ABOUT]
        forgotten = [path for path in paths if _outcome(path) == outcome]
        for path in forgotten:
            path.unlink()
        return len(forgotten)

    def _path(self, key: Trial) -> Path:
        return self.folder / f"{_digest(key)}.json"


@dataclass(frozen=True)
class _Ending:
    outcome: Outcome


def _outcome(path: Path) -> Outcome:
    return parse_plain(bytes(read_plain(path, _Recorded).result), _Ending, name=str(path)).outcome


def _digest(value: object) -> str:
    return hashlib.sha256(msgspec.json.encode(value, order="sorted")).hexdigest()[:16]

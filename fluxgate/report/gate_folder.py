"""The folder of a gate, in the folder of runs: its result is written and read there, and leads to both runs."""

from __future__ import annotations

import datetime
import os
from collections.abc import Iterator
from pathlib import Path

from fluxgate.files import is_name, read_plain, write_plain
from fluxgate.refusal import Refusal
from fluxgate.report.gate_result import SCHEMA, STACKS, GateResult
from fluxgate.runs.run import Run, dated_folder, open_run, refuse_newer

FACTS = "gate.json"
GATES = "gates"  # in the folder of runs: a folder for each gate


def create_gate(root: Path, machine_id: str, *, now: datetime.datetime) -> Path:
    """A new folder for a gate, in the folder of runs."""
    return dated_folder(root / GATES, machine_id, at=now)


def write_gate_result(folder: Path, result: GateResult) -> Path:
    """Write the result into the gate's folder."""
    write_plain(folder / FACTS, result)
    return folder / FACTS


def read_gate_result(path: Path) -> GateResult:
    """The result in a gate's folder, or in its gate.json; one that is damaged or newer is refused."""
    facts = path / FACTS if path.is_dir() else path
    if not path.exists():
        raise Refusal(f"{path} does not exist.")
    if not facts.is_file():
        raise Refusal(f"{path} is not a gate: it has no {FACTS}.")
    refuse_newer(facts, SCHEMA)
    result = read_plain(facts, GateResult)
    for fault in _faults(result):
        raise Refusal(f"{facts} is damaged: {fault}.")
    return result


def _faults(result: GateResult) -> Iterator[str]:
    """What would lead out of the folders that it is about."""
    if not is_name(result.id):
        yield f"{result.id[:120]!r} is not the name of a gate"
    yield from (f"{one.case_id[:120]!r} is not the name of a case" for one in result.cases if not is_name(one.case_id))
    yield from (f"it has a run {name[:120]!r}" for name in result.runs if name not in STACKS)
    yield from (f"{place[:120]!r} is no run of the same folder" for place in result.runs.values() if not _inside(place))


def _inside(place: str) -> bool:
    """Whether a run lies in the folder of runs that the gate's own folder lies in, two levels down."""
    parts = place.split("/")
    names = parts[2:]
    return parts[:2] == [os.pardir, os.pardir] and 0 < len(names) <= 3 and all(map(is_name, names))


def run_of(result: GateResult, stack: str, *, gate: Path) -> Run | None:
    """The run of one of the two stacks, given the gate's folder or its gate.json; None where nothing was rendered."""
    place = result.runs.get(stack)
    folder = gate if gate.is_dir() else gate.parent
    return open_run(folder / place) if place is not None else None


def place_of(run: Run, *, gate: Path) -> str:
    """Where a run is, as seen from the gate's folder."""
    return Path(os.path.relpath(run.folder.absolute(), gate.absolute())).as_posix()


def is_gate(path: Path) -> bool:
    """Whether a path is a gate's folder or its gate.json."""
    return (path / FACTS).is_file() or (path.name == FACTS and path.is_file())

"""The run or the gate that a verb is about: by its path, by its id, or the one that was started last."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path

from fluxgate.cli.shared import add_runs_option
from fluxgate.files import is_name
from fluxgate.refusal import Refusal
from fluxgate.report import gate_folder
from fluxgate.runs import run as runs
from fluxgate.runs.run import Run

LATEST = "latest"  # names what was started last
NAMED = f"the folder or the id of a run, or {LATEST}"
ANY_NAMED = f"the folder or the id of a run or of a gate, or {LATEST}"


def add_run_option(parser: ArgumentParser) -> None:
    """The run that a verb is about, and the folder that runs are in."""
    parser.add_argument("run", nargs="?", default=LATEST, metavar="RUN", help=f"{NAMED} (default: {LATEST})")
    add_runs_option(parser)


def find(text: str, *, runs_folder: Path) -> Path:
    """The folder of a run or of a gate."""
    if text != LATEST:
        return _by_name(text, runs_folder, runs_folder / gate_folder.GATES)
    # Their names begin with the moment at which they were started.
    places = (f"*/{runs.FACTS}", f"{gate_folder.GATES}/*/{gate_folder.FACTS}")
    folders = [path.parent for place in places for path in runs_folder.glob(place)]
    if not folders:
        raise Refusal(f"There is neither a run nor a gate in {runs_folder} yet.")
    return max(folders, key=lambda folder: folder.name)


def find_run(text: str, *, runs_folder: Path) -> Run:
    """A run."""
    return runs.latest(runs_folder) if text == LATEST else runs.open_run(_by_name(text, runs_folder))


def _by_name(text: str, *places: Path) -> Path:
    """The folder that a path names, or an id within one of these places."""
    by_id = [place / text for place in places if is_name(text) and (place / text).is_dir()]
    path = Path(text)
    folder = path.parent if path.name in (runs.FACTS, gate_folder.FACTS) else path
    return folder if folder.is_dir() or not by_id else by_id[0]

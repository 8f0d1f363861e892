"""Tests of `fluxgate replay` that play nothing: what was played elsewhere, and what is refused."""

from __future__ import annotations

from pathlib import Path

from fluxgate.cli.main import main
from fluxgate.files import write_plain
from fluxgate.gate.replays.played import Played, Status
from fluxgate.gate.replays.rows import REGRESSIONS, read_rows
from fluxgate.gate.replays.store import read_results
from fluxgate.refusal import USAGE
from tests.gate.replays.made import result

FIRST, SECOND, *_ = read_rows(REGRESSIONS).values()


def played_elsewhere(folder: Path, *, second: Status = Status.AS_EXPECTED) -> Path:
    path = folder / "elsewhere.json"
    write_plain(path, (result(FIRST, machine="cpu-y"), result(SECOND, second, machine="cpu-y")))
    return path


def test_results_of_another_machine_come_onto_the_page(tmp_path: Path) -> None:
    """Beside those that are there, and nothing is played for it."""
    page = tmp_path / "replays.md"
    write_plain(page.with_suffix(".json"), (result(FIRST, seconds=1.0), result(SECOND, seconds=1.0)))
    code = main(["replay", "--merge", str(played_elsewhere(tmp_path)), "--write", str(page)])
    assert code == 0
    assert {one.machine for one in read_results(page.with_suffix(".json"))} == {"cpu-y"}
    assert "cpu-y" in page.read_text().replace("\\", "")


def test_what_came_out_wrong_elsewhere_is_red(tmp_path: Path) -> None:
    """Whoever merges it sees the exit code too."""
    assert main(["replay", "--merge", str(played_elsewhere(tmp_path, second=Status.WRONG))]) == 1


def test_results_that_are_not_there_or_of_unknown_rows_are_refused(tmp_path: Path) -> None:
    """Else a misspelt path would take every result for missing."""
    assert main(["replay", "--merge", str(tmp_path / "none.json")]) == USAGE
    path = tmp_path / "unknown.json"
    write_plain(path, (Played(row="nobodys", status=Status.AS_EXPECTED),))
    assert main(["replay", "--merge", str(path)]) == USAGE

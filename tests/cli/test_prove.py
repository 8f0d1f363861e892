"""The verb `prove`: its list, its parts, its refusals and the place of its table."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from fluxgate.cli.main import main
from fluxgate.cli.prove import BEGIN, END, _write_table
from fluxgate.files import write_plain
from fluxgate.prove.faults import FAULTS
from fluxgate.prove.outcome import UNCLEAN, Outcome, With
from fluxgate.refusal import USAGE, Refusal
from tests.prove.test_outcome import caught, fault


def test_the_list_names_every_fault(capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is rendered for it."""
    assert main(["prove", "--list"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == len(FAULTS)


def test_parts_share_the_faults_out(capsys: pytest.CaptureFixture[str]) -> None:
    """Two processes with two parts prove each fault once."""
    listed = []
    for part in ("1/2", "2/2"):
        assert main(["prove", "--list", "--part", part]) == 0
        listed += [line.partition(":")[0] for line in capsys.readouterr().out.splitlines()]
    assert sorted(listed) == sorted(one.name for one in FAULTS)


@pytest.mark.parametrize("wrong", [["t5-maskd"], ["--part", "3/2"], ["--part", "half"], ["--with", "luck"]])
def test_what_cannot_be_meant_is_refused(wrong: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """One sentence and exit code 2, before anything is rendered."""
    assert main(["prove", "--list", *wrong]) == USAGE
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_the_table_leaves_the_words_around_it(tmp_path: Path) -> None:
    """Only what stands between the marks is written anew."""
    path = tmp_path / "faults.md"
    path.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    _write_table(path, [(fault(), caught())], unproved=["two"])
    text = path.read_text()
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "old" not in text
    assert "| `one` |" in text
    assert "Not proved yet: `two`." in text


def test_a_document_without_a_place_is_refused(tmp_path: Path) -> None:
    """Nothing of it is overwritten."""
    path = tmp_path / "faults.md"
    path.write_text("words\n")
    with pytest.raises(Refusal, match="no place"):
        _write_table(path, [])
    assert path.read_text() == "words\n"


def test_what_is_known_is_told_without_a_worker(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An hour that was cut short still has a table, and a hole in it an exit code."""
    write_plain(tmp_path / "faults" / "t5-masked.json", caught("t5-masked", *With))
    assert main(["prove", "--known", "--output", str(tmp_path)]) == 0
    assert "caught with nothing: 1 of 1" in capsys.readouterr().out
    write_plain(tmp_path / "faults" / "rope-axes.json", caught("rope-axes"))
    assert main(["prove", "--known", "--output", str(tmp_path)]) == 1
    assert (tmp_path / "result.json").exists()


def test_a_case_that_crashes_without_a_fault_is_not_green(tmp_path: Path) -> None:
    """Nothing is known of the fault then, though all others are caught."""
    write_plain(tmp_path / "faults" / "t5-masked.json", caught("t5-masked", *With))
    write_plain(tmp_path / "faults" / "rope-axes.json", Outcome("rope-axes", UNCLEAN, why="miniature-full: it broke"))
    assert main(["prove", "--known", "--output", str(tmp_path)]) == 1


def test_what_other_machines_proved_is_told_beside_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each by itself; of one machine, the later folder counts."""
    first, later, elsewhere = (tmp_path / name for name in ("first", "later", "elsewhere"))
    write_plain(first / "faults" / "t5-masked.json", caught("t5-masked"))
    write_plain(later / "faults" / "t5-masked.json", caught("t5-masked", *With))
    write_plain(elsewhere / "faults" / "t5-masked.json", replace(caught("t5-masked", *With), machine="h200"))
    beside = ["--beside", str(later), "--beside", str(elsewhere)]
    assert main(["prove", "--known", "--output", str(first), *beside]) == 0
    told = capsys.readouterr().out
    assert told.count("caught with nothing: 1 of 1") == 2
    assert "on h200:" in told

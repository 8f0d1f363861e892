"""Tests of the rows: those that ship, and what a file of one's own may get wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from fluxgate.gate.environments.pins import Pins
from fluxgate.gate.replays.rows import (
    CATALOGUE,
    HARMLESS,
    REGRESSIONS,
    Row,
    candidate_pins,
    common_pins,
    incumbent_pins,
    read_rows,
    rows_of,
)
from fluxgate.refusal import Refusal
from fluxgate.rendering import PHASES, STAGES
from fluxgate.report.gate_result import Answer
from fluxgate.strategies import STRATEGIES
from fluxgate.subjects.catalogue import subjects

HARMLESS_ROW = '[neighbour]\nabout = "a neighbour"\ngood = { zipp = "1" }\nbad = { zipp = "2" }\n'
REGRESSION = """
[broken]
about = "it breaks"
thread = "https://example.org/1"
good = { Some_Package = "1.0", extra = "1" }
bad = { some-package = "2.0", extra = "" }
answer = "not safe"
stage = "load"
culprit = ["Some_Package"]
"""


def read(folder: Path, text: str) -> dict[str, Row]:
    path = folder / "rows.toml"
    path.write_text(text)
    return read_rows(path)


def test_what_ships_can_be_read() -> None:
    """Both files are sound, no name is used twice, and each row moves something."""
    rows = rows_of()
    assert {row.name for row in rows.values()} == {*read_rows(REGRESSIONS), *read_rows(HARMLESS)}
    assert [row.name for row in rows.values() if not row.bad.versions] == []


def test_a_regression_is_one_and_a_harmless_upgrade_is_none() -> None:
    """Each file has rows of its own kind."""
    assert {row.expected.answer for row in read_rows(REGRESSIONS).values()} == {Answer.NOT_SAFE}
    assert Answer.NOT_SAFE not in {row.expected.answer for row in read_rows(HARMLESS).values()}


@pytest.mark.parametrize("row", read_rows(REGRESSIONS).values(), ids=lambda row: row.name)
def test_a_regression_says_what_can_be(row: Row) -> None:
    """Its stage, strategies and subject exist, and who is to blame moves."""
    assert row.expected.stage in {"import", *PHASES, *STAGES} or (row.expected.stage is None and row.device == "cuda")
    assert set(row.expected.cases) | set(row.strategies) <= {strategy.name for strategy in STRATEGIES}
    assert row.subject in subjects(CATALOGUE)
    assert set(row.expected.culprit) | set(row.expected.tied) <= set(row.bad.versions)


def test_packages_that_are_not_to_blame_move_along() -> None:
    """In at least three rows of four, the culprit must be found among several."""
    rows = read_rows(REGRESSIONS).values()
    several = [row for row in rows if set(row.bad.versions) - {*row.expected.culprit, *row.expected.tied}]
    assert len(several) >= 0.75 * len(rows)


def test_what_no_row_pins_is_what_the_python_has(tmp_path: Path) -> None:
    """The good pins replace it, the bad ones replace those, and an empty version takes a package away."""
    (row,) = read(tmp_path, REGRESSION).values()
    common = Pins.of({"torch": "2.13.0", "some-package": "0.9"})
    assert incumbent_pins(row, common).versions == {"torch": "2.13.0", "some-package": "1.0", "extra": "1"}
    assert candidate_pins(row, common).versions == {"torch": "2.13.0", "some-package": "2.0"}


def test_all_rows_start_without_optional_packages() -> None:
    """torchao clashes with older releases of diffusers; httpx is what older ones need, unless it is there already."""
    assert dict(common_pins(Pins.of({"torchao": "0.18", "torch": "2"})).versions).keys() == {
        "torch",
        "httpx",
        "httpcore",
    }
    assert common_pins(Pins.of({"httpx": "0.1"})).versions["httpx"] == "0.1"


@pytest.mark.parametrize(
    "old, new, expected",
    [
        ('answer = "not safe"', 'answer = "bad"', "answer"),
        ('thread = "https://example.org/1"', "", "thread"),
        ('thread = "https://example.org/1"', 'thread = "example.org"', "https://"),
        ('culprit = ["Some_Package"]', "", "culprit"),
        ('stage = "load"', 'stage = "load"\ncases = { full = "gone" }', "gone"),
        ('extra = "1"', 'extra = "one"', "extra"),
        ("[broken]", '["../broken"]', "name"),
        ('stage = "load"', 'stage = "load"\npins = 3', "pins"),
    ],
)
def test_what_is_wrong_in_a_row_is_refused(tmp_path: Path, old: str, new: str, expected: str) -> None:
    """One sentence names the file and what is wrong."""
    with pytest.raises(Refusal, match=r"rows\.toml") as refused:
        read(tmp_path, REGRESSION.replace(old, new))
    assert expected in str(refused.value)


def test_a_harmless_upgrade_has_no_culprit(tmp_path: Path) -> None:
    """Whoever names one has forgotten the answer."""
    with pytest.raises(Refusal, match="culprit"):
        read(tmp_path, f'{HARMLESS_ROW}culprit = ["zipp"]\n')


def test_a_name_is_used_once(tmp_path: Path) -> None:
    """Two files with one row of the same name are refused."""
    path = tmp_path / "rows.toml"
    path.write_text(HARMLESS_ROW)
    with pytest.raises(Refusal, match="neighbour"):
        rows_of((path, path))

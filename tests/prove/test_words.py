"""What is said of outcomes."""

from __future__ import annotations

from dataclasses import replace

from fluxgate.prove.outcome import JUDGED, UNSUPPORTED, Outcome, With
from fluxgate.prove.words import line, table
from fluxgate.rendering import FIRST
from tests.prove.test_outcome import caught, fault


def test_a_line_says_what_became_of_a_fault() -> None:
    """Caught and by what, not caught, silent, or not to be tried here."""
    assert "caught with baseline, nothing" in line(fault(), caught("one", With.BASELINE, With.NOTHING))
    assert "NOT CAUGHT" in line(fault(), caught())
    assert "did nothing" in line(fault(), Outcome("one", JUDGED))
    assert "It needs a GPU." in line(fault(), Outcome("one", UNSUPPORTED, why="It needs a GPU."))
    assert "FALSELY" in line(fault(equivalent="It is the same."), caught("one", With.BASELINE))


def test_the_table_has_a_row_for_each_fault() -> None:
    """A row names the checks that caught it, and a stage that was told wrongly; a bar in a cell breaks nothing."""
    rows = list(table([(fault(), caught("one", With.BASELINE, stage=FIRST)), (fault("t|wo"), caught("t|wo"))]))
    (first,) = [row for row in rows if row.startswith("| `one`")]
    (second,) = [row for row in rows if row.startswith("| `t\\|wo`")]
    assert first.count("matches its baseline") == 1
    assert f"(told: {FIRST})" in first
    assert second.replace("\\|", "").count("|") == first.count("|") == 10


def test_the_table_ends_with_the_proofs() -> None:
    """What is equivalent is listed with its reason."""
    assert list(table([(fault(equivalent="It is the same."), caught())]))[-1] == "- `one`: It is the same."


def test_each_machine_has_a_table_of_its_own() -> None:
    """With the rates of what was proved there, and its releases."""
    one, other = (replace(caught("one", *With), machine=name, stack={"diffusers": "0.42.1"}) for name in ("gpu", "cpu"))
    text = "\n".join(table([(fault(), one), (fault(), other), (fault("two"), replace(caught("two"), machine="gpu"))]))
    assert [line for line in text.splitlines() if line.startswith("On ")] == [
        "On `gpu` with diffusers 0.42.1.",
        "On `cpu` with diffusers 0.42.1.",
        "On `gpu` with .",
    ]
    assert text.count("| `one` |") == 2

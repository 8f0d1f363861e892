"""Tests of the Markdown report."""

from pathlib import Path

from suite.judge.verdict import CHECKS, FAILED, PASSED, UNSUPPORTED
from suite.report.markdown import markdown
from tests.report.made import of_case, renderings, verdicts


def test_the_report_has_a_table_and_every_sentence(tmp_path: Path) -> None:
    """Counts, a table for the subject, what to look at, known failures and reasons."""
    told = markdown(verdicts(), renderings(tmp_path), title="Fluxgate", run="runs/x")
    assert told.startswith("# Fluxgate\n\n21 passed, 1 failed, 11 crashed,")
    assert "\n## tiny\n\n| strategy | renders the same twice |" in told
    assert "| full | passed | passed |" in told
    assert "1.00 GB | 3.00 s | 0.912 |" in told
    assert "- **tiny-vae-tiling**, keeps its promise to its reference (failed): Shot 'fox' is 0.912 like full;" in told
    assert "\n## Known failures\n" in told
    assert "It needs accelerate 1.9." in told
    assert told.endswith("The run is in runs/x.\n")


def test_every_row_has_every_cell(tmp_path: Path) -> None:
    """A table row never loses or gains a cell, whatever a name holds."""
    some = [*verdicts(), *of_case("a|b", PASSED)]
    rows = [line for line in markdown(some, renderings(tmp_path), title="x", run="y").splitlines() if line[:1] == "|"]
    assert {row.replace("\\|", "").count("|") for row in rows} == {len(CHECKS) + 9}


def test_hostile_text_is_shown_not_run() -> None:
    """HTML and links in a log are text."""
    told = markdown(of_case("full", FAILED, "<script>x</script> [a](javascript:b)"), {}, title="<b>", run="`")
    assert "<script>" not in told
    assert "\\[a\\]\\(javascript:b\\)" in told
    assert "# &lt;b&gt;" in told


def test_what_is_empty_is_left_out() -> None:
    """A green run has nothing to look at; a run that measured nothing says so."""
    told = markdown(of_case("full", PASSED), {}, title="x", run="y")
    assert "To look at" not in told
    assert "Unsupported" not in told
    assert "11 unsupported: nothing was measured." in markdown(of_case("full", UNSUPPORTED), {}, title="x", run="y")

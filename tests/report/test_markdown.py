"""Tests of the Markdown report."""

from dataclasses import replace
from pathlib import Path

import pytest

from fluxgate.cases import Case
from fluxgate.judge.verdict import CHECKS, FAILED, PASSED, UNSUPPORTED
from fluxgate.rendering import PHASES, Memory, PhaseMemory
from fluxgate.report.markdown import markdown
from tests.report.made import of_case, renderings, settings, verdicts
from tests.runs.building import FULL, SUBJECT, rendering, strategy


def test_the_report_has_tables_and_every_sentence(tmp_path: Path) -> None:
    """Versions, counts, figures and verdicts of the subject, what to look at, known failures and reasons."""
    told = markdown(
        verdicts(), renderings(tmp_path), title="Fluxgate", run="runs/x", versions={"torch": "2.6", "diffusers": "1.0"}
    )
    assert told.startswith("# Fluxgate\n\nWith torch 2.6, diffusers 1.0.\n\n21 passed, 1 failed, 11 crashed,")
    assert "\n## tiny\n\n| strategy | promise | peak, load |" in told
    assert "\n\n| strategy | renders the same twice |" in told
    assert "| full | passed | passed |" in told
    assert "1.00 GB | 3.00 s | 0.912 |\n" in told
    assert "\nPeaks are of the bytes allocated on the GPU; seconds are" in told
    assert "- **tiny-vae-tiling**, keeps its promise to its reference (failed): Shot 'fox' is 0.912 like full;" in told
    assert "\n## Known failures\n" in told
    assert "It needs accelerate 1.9." in told
    assert told.endswith("The run is in runs/x.\n")


def test_every_row_has_every_cell(tmp_path: Path) -> None:
    """A table row never loses or gains a cell, whatever a name holds."""
    some = [*verdicts(), *of_case("a|b", PASSED)]  # two of them were measured
    told = markdown(some, renderings(tmp_path), title="x", run="y", cases=published(full=39.27))
    rows = [row.replace("\\|", "").count("|") for row in told.splitlines() if row[:1] == "|"]
    assert (rows[:4], rows[4:]) == ([12] * 4, [len(CHECKS) + 2] * 9)


def published(**figures: float) -> dict[str, Case]:
    """Two cases of the tiny subject, of which somebody has reported GB."""
    subject = replace(SUBJECT, published=figures)
    promising = strategy("vae-tiling", approximates="full")
    return {case.id: case for case in (Case(subject, one, "cuda") for one in (FULL, promising))}


def test_a_row_for_the_docs(tmp_path: Path) -> None:
    """Promise, the peak of each phase, seconds and likeness, and what the driver saw beside what was published."""
    one = rendering("full", tmp_path)
    peaks = [(33_700, 1), (34_000, 2), (36_600, 3), (35_000, 4)]
    phases = ((name, 10**6 * used, 10**9 * (36 + more)) for name, (used, more) in zip(PHASES, peaks, strict=True))
    memory = Memory(tuple(PhaseMemory(name, used, None, seen, 1) for name, used, seen in phases), 0, 1, 1, "device")
    told = markdown(
        of_case("full", PASSED),
        {"tiny-full": replace(one, memory=memory)},
        title="x",
        run="y",
        cases=published(full=39.27),
    )
    assert (
        "| full | the reference | 33.70 GB | 34.00 GB | 36.60 GB | 35.00 GB | 36.60 GB | 3.00 s |  "
        "| 40.00 GB | 39.27 GB |\n"
    ) in told


@pytest.mark.parametrize(
    "given, heads",
    [({}, False), ({"vae-tiling": 2.0}, True), ({"somewhere-else": 2.0}, False)],
)
def test_published_figures_have_a_column_where_there_are_any(
    given: dict[str, float], heads: bool, tmp_path: Path
) -> None:
    """A subject that nobody has reported figures of has no empty column for them."""
    told = markdown(verdicts(), renderings(tmp_path), title="x", run="y", cases=published(**given))
    assert ("| peak, driver | published |" in told) is heads
    assert "| vae-tiling | approximates full | 1.00 GB |" in told


def test_what_published_settings_change_has_a_table() -> None:
    """A row for each setting, and which of them moved the pictures more; without findings there is nothing of it."""
    told = markdown(of_case("full", PASSED), {}, title="x", run="y", settings=[settings()])
    _, section = told.split("## What the published settings change: tiny against full\n\n")
    heads, _, half, short, _, sentence, *_ = section.splitlines()
    assert heads.startswith("| setting | strategy | least SSIM | mean SSIM |")
    stage = "prompt embeddings \\(half for whole, 1×2\\)"
    assert half == f"| half | staged-half | 0.116 | 0.250 | 201/255 | 98.71% | {stage} |"
    assert short == "| short | staged-short | 1 | 1 | 0/255 | 0% |  |"
    assert sentence == "half moved the pictures more than short: mean SSIM 0.25 against 1."
    assert "published" not in markdown(of_case("full", PASSED), {}, title="x", run="y")


def test_cards_have_a_column_where_there_are_any(tmp_path: Path) -> None:
    """Before what was published; what never ended well has an empty cell, and a CPU's table no column."""
    some = {"tiny-full": 24}
    told = markdown(verdicts(), renderings(tmp_path), title="x", run="y", cases=published(full=1.0), cards=some)
    assert "| likeness | card | peak, driver | published |\n" in told
    assert "| 3.00 s |  | 24 GB |  | 1.00 GB |\n" in told
    assert "| 3.00 s | 0.912 |  |  |  |\n" in told
    assert "; card is the smallest standard one that it was seen to run on.\n" in told
    assert "card" not in markdown(verdicts(), renderings(tmp_path), title="x", run="y")


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
    assert "| peak, load |" not in told
    assert "11 unsupported: nothing was measured." in markdown(of_case("full", UNSUPPORTED), {}, title="x", run="y")

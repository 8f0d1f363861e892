"""Tests of the Markdown report."""

from dataclasses import replace
from pathlib import Path

import pytest

from fluxgate.judge.verdict import CHECKS, FAILED, NEW_WARNINGS, NO_DATA, PASSED, PROMISE, UNSUPPORTED
from fluxgate.rendering import PHASES, Memory, PhaseMemory
from fluxgate.report.markdown import markdown
from fluxgate.report.report import CutShort
from tests.report.made import RUN, cases, changed, of_case, renderings, report, settings, verdicts
from tests.runs.building import rendering
from tests.wording import unsaid


def section(text: str, heading: str) -> str:
    """What stands below a heading."""
    return text.split(f"## {heading}\n\n", 1)[1].split("\n## ")[0]


def test_the_report_has_tables_and_every_sentence(tmp_path: Path) -> None:
    """How much was gated first, then figures and answers of the subject, and a section for each kind of trouble."""
    told = markdown(report(verdicts(), renderings(tmp_path)))
    gated = f"4 of 6 strategies and {len(CHECKS) - 1} of {len(CHECKS)} checks gated"
    assert told.startswith(f"# Fluxgate on A tiny GPU\n\n{gated}: 1 check failed,")
    assert "\nNot gated:\n\n- fp8-layerwise-model-offload cannot run here:" in told
    assert not unsaid(told, "driver 500.1", "CUDA 12.0", "Python 3.12.0", "torch 1.0", "diffusers 0.42.1")
    assert "1.00 GB | 3.00 s | 0.912 |\n" in section(told, "tiny")
    assert "| full | passed | passed | no data |" in section(told, "tiny")
    assert not unsaid(section(told, "To look at"), "**tiny-vae-tiling**", PROMISE, "failed", "Shot 'fox' is 0.912")
    assert "- **tiny-nf4-sequential-offload**" in section(told, "Known failures")
    assert not unsaid(section(told, "Cannot run here"), "- fp8-layerwise-model-offload", "accelerate 1.9 is needed")


def test_the_last_lines_say_where_the_run_is_and_where_it_came_from() -> None:
    """With what it was held to; without a run there is nothing of it."""
    told = markdown(report(verdicts(), run=replace(RUN, vram_limit=12 * 10**9, at_once=4))).splitlines()[-1]
    assert not unsaid(told, "runs/20260301-tiny", "pytest -m gpu", "2026-03-01T12:30:00")
    assert not unsaid(told, "63.0 s", "12.00 GB of each GPU", "4 cases shared")
    assert "The run is in" not in markdown(report(verdicts(), run=None))


def test_a_run_that_was_cut_short_says_so_first() -> None:
    """Right below the title."""
    short = replace(RUN, cut_short=CutShort(4, 6))
    assert not unsaid(markdown(report(verdicts(), run=short)), "cut short", "4 of 6 cases were rendered")


def test_every_row_has_every_cell(tmp_path: Path) -> None:
    """A table row never loses or gains a cell, whatever a name holds and whichever checks apply."""
    some = [*verdicts(), *of_case("a|b", PASSED)[:3]]  # two of them were measured
    told = markdown(report(some, renderings(tmp_path), cases=cases(full=39.27)))
    rows = [row.replace("\\|", "").count("|") for row in told.splitlines() if row[:1] == "|"]
    assert (rows[:4], rows[4:]) == ([12] * 4, [len(CHECKS) + 2] * 7)


def test_a_row_for_the_docs(tmp_path: Path) -> None:
    """Promise, the peak of each phase, seconds, and what the driver saw beside what was published."""
    one = rendering("full", tmp_path)
    peaks = [(33_700, 1), (34_000, 2), (36_600, 3), (35_000, 4)]
    phases = ((name, 10**6 * used, 10**9 * (36 + more)) for name, (used, more) in zip(PHASES, peaks, strict=True))
    memory = Memory(tuple(PhaseMemory(name, used, None, seen, 1) for name, used, seen in phases), 0, 1, 1, "device")
    told = markdown(
        report(of_case("full", PASSED), {"tiny-full": replace(one, memory=memory)}, cases=cases(full=39.27))
    )
    assert (
        "| full | the reference | 33.70 GB | 34.00 GB | 36.60 GB | 35.00 GB | 36.60 GB | 3.00 s "
        "| 40.00 GB | 39.27 GB |\n"
    ) in told


@pytest.mark.parametrize(("given", "heads"), [({}, False), ({"vae_tiling": 2.0}, True), ({"somewhere": 2.0}, False)])
def test_published_figures_have_a_column_where_there_are_any(
    given: dict[str, float], heads: bool, tmp_path: Path
) -> None:
    """A subject that nobody has reported figures of has no empty column for them."""
    told = markdown(report(verdicts(), renderings(tmp_path), cases=cases(**given)))
    assert ("| peak, driver | published |" in told) is heads
    assert "| vae-tiling | approximates full | 1.00 GB |" in told


def test_what_published_settings_change_has_a_table() -> None:
    """A row for each setting, and which of them moved the pictures more; without findings there is nothing of it."""
    told = markdown(report(of_case("full", PASSED), settings=(settings(),)))
    heads, _, half, short, _, sentence, *_ = section(
        told, "What the published settings change: tiny against full"
    ).splitlines()
    assert heads.startswith("| setting | strategy | least SSIM | mean SSIM |")
    stage = "prompt embeddings \\(half for whole, 1×2\\)"
    assert half == f"| half | staged-half | 0.116 | 0.250 | 201/255 | 98.71% | {stage} |"
    assert short == "| short | staged-short | 1 | 1 | 0/255 | 0% |  |"
    assert not unsaid(sentence, "half changed the pictures more than short", "0.25 against 1")
    assert "published" not in markdown(report(of_case("full", PASSED)))


def test_cards_have_a_column_where_there_are_any(tmp_path: Path) -> None:
    """Explained below the table; a CPU's table has no such column."""
    told = markdown(report(verdicts(), renderings(tmp_path), cards={"tiny-full": 24}))
    assert "| likeness | card |\n" in told
    assert "| 3.00 s |  | 24 GB |\n" in told
    assert "\n- card: the smallest standard card" in told
    assert "card" not in markdown(report(verdicts(), renderings(tmp_path)))


def test_single_cells_without_an_answer_are_told_by_reason() -> None:
    """With what would provide it."""
    some = changed(of_case("a", PASSED), PROMISE, status=NO_DATA, sentence="No floor; run fluxgate calibrate.")
    told = markdown(report([*some, *of_case("full", PASSED)]))
    expected = f"- No data: '{PROMISE}' of a. No floor; run fluxgate calibrate."
    assert section(told, "Not answered").startswith(expected)


def test_hostile_text_is_shown_not_run() -> None:
    """HTML and links in a log, in a name or in a path are text."""
    hostile = of_case("full", FAILED, "<script>x</script> [a](javascript:b)")
    told = markdown(report(hostile, run=replace(RUN, folder="<b>", command="`")))
    assert "<script>" not in told
    assert "<b>" not in told
    assert "\\[a\\]\\(javascript:b\\)" in told
    assert "by \\`" in told


def test_what_is_empty_is_left_out() -> None:
    """A green run has nothing to look at, and one that measured nothing has no table."""
    told = markdown(report(of_case("full", PASSED)))
    for heading in ("To look at", "Known failures", "Not answered", "Cannot run here", "Not gated", "peak, load"):
        assert heading not in told
    assert "|" not in markdown(report(of_case("full", UNSUPPORTED), run=None))


def test_new_warnings_have_a_section_and_fail_nothing() -> None:
    """What passed and tells of them is shown; what passed otherwise is not."""
    warned = changed(of_case("full", PASSED, "It is slow now."), CHECKS[0], numbers={NEW_WARNINGS: 1.0})
    told = markdown(report(warned))
    assert not unsaid(section(told, "New warnings"), "**tiny-full**", CHECKS[0], "passed", "It is slow now.")
    assert "## New warnings" not in markdown(report(of_case("full", PASSED)))

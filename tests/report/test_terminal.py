"""Tests of the terminal's report."""

from dataclasses import replace
from pathlib import Path

import pytest

from fluxgate.judge.verdict import BASELINE, CHECKS, FAILED, NEW_WARNINGS, NO_DATA, PASSED, PROMISE, SCENE, UNSUPPORTED
from fluxgate.report.columns import WORDS
from fluxgate.report.report import CutShort, Report
from fluxgate.report.terminal import terminal
from tests.report.made import LONGEST, RUN, changed, of_case, renderings, report, settings, verdicts
from tests.wording import unsaid

OTHERS = "✓" * (len(CHECKS) - 3)
SOUND, FAILING = f"✓✓?{OTHERS}", f"✓✗?{OTHERS}"
WIDE_CARDS = {"tiny-full": 24, "tiny-vae-tiling": 8}


@pytest.fixture
def of_all_kinds(tmp_path: Path) -> Report:
    return report(verdicts(), renderings(tmp_path), cards=WIDE_CARDS)


def line_of(text: str, name: str) -> str:
    """The table's line that begins with a name."""
    return next(line for line in text.splitlines() if line.startswith(f"{name} "))


def widest(told: str) -> int:
    """The width of the widest line, but for the command, which is not broken."""
    return max(len(line) for line in told.splitlines() if not line.startswith("  fluxgate report "))


def one_line(text: str) -> str:
    return " ".join(text.split())


def test_how_much_was_gated_is_the_first_line(of_all_kinds: Report) -> None:
    """Then what was not, all cases that cannot run in one sentence."""
    lines = terminal(of_all_kinds, width=120).splitlines()
    assert lines[:2] == [of_all_kinds.headline, "Not gated:"]
    assert [line.strip() for line in lines[2:5]] == list(of_all_kinds.gated.missing)


def test_a_row_has_a_symbol_for_each_check_and_its_figures(of_all_kinds: Report) -> None:
    """Only what was rendered has a row."""
    told = terminal(of_all_kinds, width=100)
    columns = ["load", "encode", "denoise", "decode", "peak", "time", "SSIM", "card"]
    assert line_of(told, "tiny").split() == ["tiny", *"│" * len(CHECKS), *columns]
    assert line_of(told, "full").split() == ["full", *SOUND, *["1.00"] * 5, "3.00s", "24"]
    assert line_of(told, "vae-tiling").split() == ["vae-tiling", *FAILING, *["1.00"] * 5, "3.00s", "0.912", "8"]
    assert line_of(told, "nf4").split() == ["nf4", *"!" * len(CHECKS)]
    assert not any(line.startswith(LONGEST) for line in told.splitlines())


def test_the_names_of_the_checks_stand_over_their_columns(of_all_kinds: Report) -> None:
    """Each begins exactly where its column's symbols are."""
    lines = terminal(of_all_kinds, width=100).splitlines()
    row = next(line for line in lines if line.startswith("vae-tiling "))
    columns = [next(line for line in lines if line.endswith(f" {check}")).rindex(check) for check in CHECKS]
    assert [row[column] for column in columns] == list(FAILING)


def test_a_check_that_applies_to_one_row_leaves_the_others_empty() -> None:
    """And one that applies to no row has no column."""
    some = [verdict for verdict in of_case("full", PASSED) if verdict.check not in (PROMISE, SCENE)]
    some += [verdict for verdict in of_case("nf4", PASSED) if verdict.check != SCENE]
    told = terminal(report(some), width=100)
    assert SCENE not in told
    assert (line_of(told, "full"), line_of(told, "nf4")) == (
        " ".join(["full ✓  ", *"✓" * (len(CHECKS) - 3)]),
        " ".join(["nf4 ", *"✓" * (len(CHECKS) - 1)]),
    )


@pytest.mark.parametrize("width", [10, 60, 70, 80, 88, 100, 120])
def test_narrow_terminals_lose_figures_first(of_all_kinds: Report, width: int) -> None:
    """Checks, seconds and likeness stay; a hundred columns show all."""
    told = terminal(of_all_kinds, width=width)
    assert widest(told) <= max(width, 60)
    columns = line_of(told, "tiny").replace("│", "").split()[1:]
    assert {"time", "SSIM"} <= set(columns)
    assert ("encode" in columns) == (width >= 100)
    assert (
        f"\n{', '.join(columns[:-3])}: peak memory" in told or columns[:-3] == []
    )  # the legend of those that are there
    assert line_of(told, "nf4").split()[1:] == ["!"] * len(CHECKS)


def test_a_check_is_a_word_where_its_name_does_not_fit() -> None:
    """At sixty columns beside a long name."""
    told = terminal(report(of_case("group-offload-leaf-record-stream", PASSED)), width=60)
    assert widest(told) <= 60
    assert told.count(f"│ {WORDS[PROMISE]}\n") == 1


def test_a_very_long_name_is_cut_in_its_middle() -> None:
    """The table keeps its width."""
    told = terminal(report(of_case("a" * 50 + "b" * 50, PASSED), run=None), width=60)
    (row,) = (line for line in told.splitlines() if line.startswith("aaaa"))
    assert len(row) <= 60
    assert "…" in row
    assert "bbb ✓" in row


def test_each_subject_has_its_rows() -> None:
    """Under one heading of checks."""
    told = terminal(report([*of_case("full", PASSED), *of_case("full", PASSED, subject="grown")]))
    assert line_of(told, "tiny").split()[0] == "tiny"
    assert line_of(told, "grown").split()[0] == "grown"
    assert told.count("\nfull  ") == 2
    assert told.count(CHECKS[0]) == 1


def test_the_legend_stands_below_the_table(of_all_kinds: Report) -> None:
    """With the symbols that are used and no others, and the memory that all were held to."""
    limited = replace(of_all_kinds, run=replace(RUN, vram_limit=12 * 10**9, at_once=4))
    _, row, legend = terminal(limited, width=100).partition("\nnf4 ")
    assert row
    assert "\n✓ passed, ✗ failed, ! crashed, k known failure, ? no data\n" in legend
    assert not unsaid(legend, "12.00 GB of each GPU", "4 cases shared")
    assert "\ncard: " in legend


def test_the_last_line_names_the_run(of_all_kinds: Report) -> None:
    """The counts of the table's cells just before it."""
    *_, counts, last = terminal(of_all_kinds, width=100).splitlines()
    assert last == "The run is in runs/20260301-tiny"
    each = len(CHECKS)
    assert counts == f"{2 * each - 3} passed, 1 failed, {each} crashed, {each} known failure, 2 no data"
    assert terminal(report([], run=None)).splitlines()[-1] == "no verdict"


def test_where_there_is_something_to_look_at_the_page_is_offered(of_all_kinds: Report) -> None:
    """Where anything failed or nothing was accepted yet, and nowhere else."""
    command = "fluxgate report runs/20260301-tiny --format=html --output=report.html"
    assert f"  {command}" in terminal(of_all_kinds, width=60).splitlines()
    unknown = changed(of_case("full", PASSED), BASELINE, status=NO_DATA)
    assert command in one_line(terminal(report(unknown)))
    assert "fluxgate report" not in terminal(report(of_case("full", PASSED)))


def test_a_run_that_was_cut_short_says_so_first() -> None:
    """Before how much was gated."""
    short = report(verdicts(), run=replace(RUN, cut_short=CutShort(4, 6)))
    first, second, *_ = terminal(short, width=120).splitlines()
    assert not unsaid(first, "cut short", "4 of 6 cases")
    assert second.startswith("4 of 6 strategies")


def test_failures_are_told_with_their_sentences(of_all_kinds: Report) -> None:
    """A crash with its last lines, and a known failure in one, before the others."""
    told = terminal(of_all_kinds, width=100)
    assert not unsaid(told, "FAILED tiny-vae-tiling", "keeps its promise to its reference", "'fox' is 0.912 like full")
    assert told.count("CRASHED tiny-nf4\n") == 1  # which is of the case and not of a check
    assert "  The worker ended (signal).\n    last line" in told
    assert told.count("KNOWN FAILURE tiny-nf4-sequential-offload") == 1
    assert "log line" not in told
    assert told.index("KNOWN FAILURE") < told.index("FAILED tiny-vae-tiling")


def test_cells_without_an_answer_are_told_by_reason() -> None:
    """Nothing is silent, and nothing is said twice."""
    some = changed(of_case("a", PASSED), PROMISE, status=NO_DATA, sentence="No floor. It is 0.9.")
    told = terminal(report([*some, *of_case("full", PASSED)]), width=100)
    assert told.count("No floor.") == 1
    assert not unsaid(told, f"No data: '{PROMISE}' of a", "No floor")


def test_what_published_settings_change_stands_above_the_counts(tmp_path: Path) -> None:
    """A sentence for each setting, and which moved the pictures more; without findings there is nothing of it."""
    told = terminal(report(verdicts(), renderings(tmp_path), settings=(settings(),)))
    assert widest(told) <= 80
    _, section = one_line(told).split("What the published settings change: ")
    assert not unsaid(
        section, "tiny against full", "half: SSIM 0.250 on average, 0.116 at the least", "98.71%", "201/255"
    )
    assert not unsaid(section, "prompt embeddings (half for whole, 1×2)", "short: SSIM 1 on average, 1 at the least")
    assert not unsaid(section, "half changed the pictures more than short", "0.25 against 1")
    assert "published" not in terminal(report(verdicts()))


def test_a_path_is_never_broken() -> None:
    """What one would click or copy stays in one piece, however long."""
    path = "runs/" + "-".join(["long"] * 30) + "/pictures/difference.png"
    assert path in terminal(report(of_case("full", FAILED, f"It differs. See {path}.")), width=60)


def test_ascii_is_enough(of_all_kinds: Report) -> None:
    """A terminal without Unicode gets the same report."""
    told = terminal(of_all_kinds, unicode=False, width=100)
    assert told.isascii()
    assert line_of(told, "vae-tiling").split()[1 : 1 + len(CHECKS)] == list("+X?" + "+" * len(OTHERS))
    assert line_of(told, "tiny").split()[1 : 1 + len(CHECKS)] == ["|"] * len(CHECKS)


def test_nothing_measured_is_said() -> None:
    """A report without a single answer has no table and does not look green."""
    told = terminal(report(of_case("full", UNSUPPORTED, "a GPU is needed"), run=None))
    assert not unsaid(told, "0 of 1 strategy", f"0 of {len(CHECKS)} checks", "nothing was measured")
    assert told.partition("\n")[2].startswith("Not gated:\n  full")
    assert "│" not in told


def test_text_from_logs_is_harmless() -> None:
    """An escape sequence in a sentence, a name or a path does not reach the terminal."""
    hostile = [*of_case("\x1b[2J", FAILED, "\x1b[31mred\nmore\x07"), *of_case("\x1b[3J", UNSUPPORTED, "\x1b[4m")]
    told = terminal(report(hostile, run=replace(RUN, folder="a\x1bb")))
    assert "\x1b" not in told
    assert "\x07" not in told


def test_new_warnings_are_told_below_the_table() -> None:
    """Though the check that tells of them has passed."""
    warned = changed(of_case("full", PASSED, "It is slow now."), CHECKS[0], numbers={NEW_WARNINGS: 1.0})
    told = terminal(report(warned)).splitlines()
    assert told[told.index(f"PASSED tiny-full · {CHECKS[0]}") + 1] == "  It is slow now."

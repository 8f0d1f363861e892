"""Tests of the terminal's report."""

from pathlib import Path

import pytest

from fluxgate.judge.verdict import CHECKS, FAILED, PASSED, UNSUPPORTED, Verdict
from fluxgate.report.terminal import ASCII, LETTERS, SYMBOLS, terminal
from tests.report.made import LONGEST, of_case, renderings, settings, verdicts

RUN = Path("runs/20260301-tiny")


def test_the_table_fits_eighty_columns(tmp_path: Path) -> None:
    """The longest strategy, every check and the figures stand in one line, names uncut."""
    told = terminal(verdicts(), renderings(tmp_path), run=RUN).splitlines()
    assert max(len(line) for line in told) <= 80
    assert told[0].split() == ["tiny", "TPBS", "CLGH", "EIQ", "load", "denoise", "decode", "whole", "time", "like"]
    assert told[1].split() == ["full", "✓✓✓✓", "✓✓✓✓", "✓✓✓", *["1.00"] * 4, "3.00s"]
    assert told[2].split() == ["vae-tiling", "✓✗✓✓", "✓✓✓✓", "✓✓✓", *["1.00"] * 4, "3.00s", "0.912"]
    assert any(line.startswith(f"{LONGEST} ––––") for line in told)


def test_cards_have_a_column_where_there_are_any(tmp_path: Path) -> None:
    """In GB, in eighty columns too; it gives way after the phases, and a CPU's table has none."""
    some = {"tiny-full": 24, "tiny-vae-tiling": 8}
    told = terminal(verdicts(), renderings(tmp_path), run=RUN, cards=some).splitlines()
    assert told[0].split()[-4:] == ["whole", "card", "time", "like"]
    assert told[1].split()[-3:] == ["1.00", "24", "3.00s"]
    assert told[2].split()[-4:] == ["1.00", "8", "3.00s", "0.912"]
    assert max(len(line) for line in told) <= 80
    assert "Card: GB of the smallest standard card that it was seen to run on." in " ".join(told)
    narrow = terminal(verdicts(), renderings(tmp_path), run=RUN, cards=some, width=64).splitlines()
    assert narrow[0].split()[4:] == ["whole", "card", "time", "like"]
    assert "card" not in terminal(verdicts(), renderings(tmp_path), run=RUN).lower()


def test_a_limit_of_memory_is_told(tmp_path: Path) -> None:
    """A table of what fits must say into what."""
    told = " ".join(terminal(verdicts(), renderings(tmp_path), run=RUN, limit=12 * 10**9).split())
    assert "Every case was held to 12.00 GB of each GPU." in told


def test_the_last_line_names_the_run(tmp_path: Path) -> None:
    """Where everything lies is the last thing said, the counts just before it."""
    *_, before, counts, last = terminal(verdicts(), renderings(tmp_path), run=RUN, width=100).splitlines()
    assert (before, last) == ("", "The run is in runs/20260301-tiny")
    assert counts == "21 passed, 1 failed, 11 crashed, 11 known failure, 11 unsupported, 11 not selected"
    assert not terminal(verdicts(), {}, run=None).endswith("tiny")


@pytest.mark.parametrize("width", [10, 60, 70, 80, 88, 120])
def test_narrow_terminals_lose_figures_first(tmp_path: Path, width: int) -> None:
    """Checks and names stay; a wide terminal shows every phase."""
    told = terminal(verdicts(), renderings(tmp_path), run=RUN, width=width).splitlines()
    assert max(len(line) for line in told) <= max(width, 60)
    assert ("encode" in told[0]) == (width >= 88)
    assert told[0].split()[:4] == ["tiny", "TPBS", "CLGH", "EIQ"]


def test_a_very_long_name_is_cut_in_its_middle() -> None:
    """The table keeps its width."""
    told = terminal(of_case("a" * 50 + "b" * 50, PASSED), {}, run=None, width=60).splitlines()
    assert len(told[1]) <= 60
    assert told[1].startswith("aaaa")
    assert "bbb ✓" in told[1]


def test_red_sentences_stand_below(tmp_path: Path) -> None:
    """Failed and crashed cases are told with their sentence, a crash with its last lines, a known failure in one."""
    told = terminal(verdicts(), renderings(tmp_path), run=RUN)
    assert "FAILED tiny-vae-tiling · keeps its promise to its reference\n  Shot 'fox' is 0.912 like full;" in told
    assert told.count("CRASHED tiny-nf4") == 1
    assert "  The worker ended (signal).\n    last line" in told
    assert told.count("KNOWN FAILURE tiny-nf4-sequential-offload") == 1
    assert "log line" not in told


def test_unsupported_cells_are_told_by_reason(tmp_path: Path) -> None:
    """Nothing is silent, and nothing is said eleven times."""
    told = terminal(verdicts(), renderings(tmp_path), run=RUN)
    assert f"unsupported, tiny-{LONGEST}, 11 checks: It needs accelerate 1.9." in " ".join(told.split())
    some = [Verdict("tiny", name, CHECKS[0], UNSUPPORTED, "No.") for name in ("a", "b")]
    assert f"unsupported, 2 cases, '{CHECKS[0]}': No." in terminal(some, {}, run=None)


def test_what_published_settings_change_stands_before_the_counts(tmp_path: Path) -> None:
    """A sentence for each setting, and which moved the pictures more; without findings there is nothing of it."""
    told = terminal(verdicts(), renderings(tmp_path), run=RUN, settings=[settings()])
    assert max(len(line) for line in told.splitlines()) <= 80
    _, section = " ".join(told.split()).split("What the published settings change: ")
    assert section.startswith(
        "tiny against full half: SSIM 0.250 on average and 0.116 at the least, 98.71% of the pixels by at most "
        "201/255, first at prompt embeddings (half for whole, 1×2) "
        "short: SSIM 1 on average and 1 at the least, 0% of the pixels by at most 0/255 "
        "half moved the pictures more than short: mean SSIM 0.25 against 1. 21 passed"
    )
    assert "published" not in terminal(verdicts(), renderings(tmp_path), run=RUN)


def test_a_path_is_never_broken() -> None:
    """What one would click or copy stays in one piece, however long."""
    path = "runs/" + "-".join(["long"] * 30) + "/pictures/difference.png"
    told = terminal(of_case("full", FAILED, f"It differs. See {path}."), {}, run=None, width=60)
    assert path in told


def test_ascii_is_enough(tmp_path: Path) -> None:
    """A terminal without Unicode gets the same report."""
    told = terminal(verdicts(), renderings(tmp_path), run=RUN, unicode=False)
    assert told.isascii()
    assert told.splitlines()[2].split()[:2] == ["vae-tiling", "+X++"]
    assert len(set(ASCII.values())) == len(set(SYMBOLS.values())) == len(SYMBOLS)
    assert len(set(LETTERS.values())) == len(CHECKS)


def test_the_legend_explains_what_is_used() -> None:
    """Each letter, and each symbol in use."""
    told = " ".join(terminal(of_case("full", PASSED), {}, run=None).split())
    assert all(f"{letter} {check}" in told for check, letter in LETTERS.items())
    assert "✓ passed" in told
    assert "✗ failed" not in told


def test_nothing_measured_is_said() -> None:
    """A report without a single answer does not look green."""
    assert "11 unsupported: nothing was measured" in terminal(of_case("full", UNSUPPORTED), {}, run=None)
    assert terminal([], {}, run=None).strip().endswith("no verdict: nothing was measured")


def test_text_from_logs_is_harmless() -> None:
    """An escape sequence in a sentence, a name or a path does not reach the terminal."""
    told = terminal(of_case("\x1b[2J", FAILED, "\x1b[31mred\nmore\x07"), {}, run=Path("a\x1bb"))
    assert "\x1b" not in told
    assert "\x07" not in told


def test_each_subject_has_its_table() -> None:
    """Two subjects, two headings."""
    told = terminal([*of_case("full", PASSED), *of_case("full", PASSED, subject="grown")], {}, run=None)
    assert [line.split()[0] for line in told.splitlines() if "TPBS" in line] == ["tiny", "grown"]

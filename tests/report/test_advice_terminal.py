"""Tests of the advice for a terminal."""

from __future__ import annotations

from dataclasses import replace

from fluxgate.rendering import Crash
from fluxgate.report.advice_terminal import advice_text
from tests.report.advised import GB, OUT, Made, asked, case, trial
from tests.wording import unsaid


def test_the_table_tells_all_of_it(made: Made) -> None:
    """A row for each, reasons shared, and what the columns mean."""
    cases = [case("full"), case("nf4"), case("a", unsupported="No."), case("b", unsupported="No.")]
    told = advice_text(asked(made("full", peak=30 * GB), made("nf4", seed=7), cases=cases), width=80)
    assert max(len(line) for line in told.splitlines()) <= 80
    title, choice, table, legend, reasons = told.split("\n\n")
    assert not unsaid(title, "tiny", "12.00 GB")
    assert choice.startswith("Take nf4: 1.00 GB on the GPU")
    heads, nf4, full = table.splitlines()
    assert heads.split() == ["strategy", "fits", "peak", "host", "time", "SSIM"]
    assert nf4.split()[:4] == ["nf4", "likely", "1.00", "GB"]
    assert full.split()[:4] == ["full", "no", "30.00", "GB"]
    assert full.split()[-2:] == ["4.00s", "1"]
    assert reasons.splitlines() == ["Not ranked:", "  a, b: cannot run here: No."]
    legend = " ".join(legend.split())
    assert "0.60 GB for the CUDA context" in legend
    assert "pytest --vram-limit=12GB tries it" in legend
    assert "time: fox and pair without loading" in legend


def test_a_peak_beyond_the_card_that_it_ran_on_is_explained(made: Made) -> None:
    """torch keeps more where it has more: what was seen to run with 12 GB is said to do so first."""
    there = made("nf4", peak=11 * GB)
    told = " ".join(advice_text(asked(made("nf4", peak=14 * GB), beside=(trial(12, there),))).split())
    assert not unsaid(told, "Take nf4: 12.00 GB", "14.00 GB on a larger one")
    assert "on a larger one)" not in advice_text(asked(made("nf4", peak=11 * GB)))


def test_text_from_logs_is_harmless(made: Made) -> None:
    """An escape sequence in a crash does not reach the terminal."""
    told = advice_text(asked(made("full", crash=Crash("exception", "\x1b[31mred", None, ()))))
    assert "full: crashed: �[31mred" in told


def test_what_a_row_leaves_out_is_told(made: Made) -> None:
    """Shots that a slow strategy leaves out, and a row that was measured in another run."""
    slow = made("slow")
    few = replace(slow, rendering=replace(slow.rendering, recipes={"fox": slow.rendering.recipes["fox"]}))
    assert not unsaid(advice_text(asked(made("full"), few)), "slow: peak and likeness without pair")
    here, there = made("full", crash=OUT), made("full", peak=20 * GB)
    found = asked(here, made("nf4", seed=7), size=12, beside=(trial(24, there),), vram=24 * GB)
    assert not unsaid(advice_text(found), "full: out of memory", "run-24")


def test_where_nothing_can_be_ranked_the_reasons_are_all(made: Made) -> None:
    """No table, and no strategy to take."""
    title, reasons = advice_text(asked(made("full", crash=replace(OUT, limit=None)))).split("\n\n")
    assert not unsaid(title, "tiny", "12.00 GB", "nothing can be ranked")
    assert not unsaid(reasons, "Not ranked", "full: crashed during load")

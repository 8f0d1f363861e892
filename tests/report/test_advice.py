"""Tests of the advice: what fits, what it costs, and in which order it is told."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fluxgate.judge.verdict import CRASHED, FAILED, KNOWN_FAILURE, PASSED, PROMISE, Verdict
from fluxgate.rendering import Crash
from fluxgate.report.advice import CONTEXT, LIKELY, NO, YES, seconds
from tests.report.advised import GB, OUT, Made, asked, case, trial
from tests.wording import unsaid

# What fits


@pytest.mark.parametrize(
    ("size", "vram", "fits"), [(12, 12 * GB, YES), (12, 24 * GB, YES), (12, 12 * GB - 1, NO), (80, 80 * GB, YES)]
)
def test_what_ran_with_no_more_was_seen_to_fit(made: Made, size: float, vram: int, fits: str) -> None:
    """To the byte, whatever its peak says."""
    (row,) = asked(made("full", peak=79 * GB), size=size, vram=vram).ranked
    assert row.fits == fits


@pytest.mark.parametrize(
    ("peak", "fits"), [(12 * GB - CONTEXT, LIKELY), (12 * GB - CONTEXT + 1, NO), (GB, LIKELY), (30 * GB, NO)]
)
def test_what_was_not_tried_fits_by_its_peak(made: Made, peak: int, fits: str) -> None:
    """If what torch reserved and the allowance for the context leave room, to the byte."""
    (row,) = asked(made("full", peak=peak)).ranked
    assert (row.fits, row.peak) == (fits, peak)


def test_a_run_beside_may_have_seen_it(made: Made) -> None:
    """With the figures of the run that was asked."""
    (row,) = asked(made("full", peak=30 * GB), beside=(trial(12, made("full")),)).ranked
    assert (row.fits, row.peak) == (YES, 30 * GB)


def test_what_ran_out_of_as_much_does_not_fit_by_its_peak(made: Made) -> None:
    """What was tried outweighs what is computed; less than it ran out of is as bad, more is not."""
    tried = (trial(12, made("full", crash=OUT)),)
    for vram, fits in ((8 * GB, NO), (12 * GB, NO), (16 * GB, LIKELY)):
        (row,) = asked(made("full"), beside=tried, vram=vram).ranked
        assert row.fits == fits


# What it costs


def test_seconds_are_those_of_the_second_take(made: Made) -> None:
    """Without loading, and without the first take, in which everything is slower once."""
    (row,) = asked(made("full", time=2.0)).ranked
    assert row.seconds == 4.0


def test_seconds_are_those_of_the_first_take_where_a_shot_has_no_other(made: Made) -> None:
    """Takes are not mixed; what was never measured has no seconds."""
    one = made("full").rendering
    once = replace(one, durations=tuple(d for d in one.durations if (d.shot, d.take) != ("pair", 1)))
    assert seconds(once, ["fox", "pair"]) == 204.0
    assert seconds(once, ["fox"]) == 2.0
    assert seconds(once, ["cow"]) is None


def test_a_case_that_shared_its_device_has_no_seconds(made: Made) -> None:
    """Others worked meanwhile."""
    one = made("full").rendering
    assert seconds(replace(one, at_once=2), ["fox"]) is None


def test_seconds_are_of_the_shots_that_all_have(made: Made) -> None:
    """A slow strategy leaves long shots out; it is not faster for that, and the others are told of by name."""
    slow = made("slow")
    few = replace(slow, rendering=replace(slow.rendering, recipes={"fox": slow.rendering.recipes["fox"]}))
    found = asked(made("full"), few)
    assert found.shots == ("fox",)
    assert {row.strategy: (row.seconds, row.without) for row in found.ranked} == {
        "full": (2.0, ()),
        "slow": (2.0, ("pair",)),
    }


def test_likeness_is_to_full(made: Made) -> None:
    """1 for the same pixels, less for others, unknown where full has nothing to be compared with."""
    found = asked(made("full"), made("offload"), made("nf4", seed=7))
    alike = {row.strategy: row.likeness for row in found.ranked}
    assert alike["full"] == alike["offload"] == 1.0
    assert alike["nf4"] is not None
    assert alike["nf4"] < 0.9
    (row,) = asked(made("offload")).ranked
    assert row.likeness is None


def test_pictures_of_another_recipe_are_not_compared(made: Made) -> None:
    """Unlikeness would be the recipe's."""
    full = made("full")
    other = replace(full, rendering=replace(full.rendering, recipes=dict.fromkeys(full.rendering.recipes, "0" * 64)))
    assert {row.likeness for row in asked(other, made("offload")).ranked if row.strategy == "offload"} == {None}


# In which order


def test_what_fits_comes_first_then_the_likest_then_the_fastest(made: Made) -> None:
    """And what cannot be compared comes last among what fits."""
    found = asked(
        made("full", peak=30 * GB, time=0.1),
        made("nf4", seed=7, time=0.2),
        made("slow", time=9.0),
        made("fast", time=1.0),
        beside=(trial(12, made("slow")),),
    )
    assert [(row.strategy, row.fits) for row in found.ranked] == [
        ("fast", LIKELY),
        ("slow", YES),
        ("nf4", LIKELY),
        ("full", NO),
    ]


# What is left out


def test_what_cannot_be_ranked_has_its_reason(made: Made) -> None:
    """Crashed, failed, known to fail, unsupported, not rendered, on several cards, or without figures."""
    names = ("full", "broken", "wrong", "known", "spread", "blind")
    found = {name: made(name) for name in names}
    found["broken"] = made("broken", crash=Crash("signal", "the worker was ended by SIGSEGV", "denoise", ()))
    found["blind"] = made("blind", memory=None)
    verdicts = [
        Verdict("tiny", "full", PROMISE, PASSED, "It is a reference."),
        Verdict("tiny", "full", "another", CRASHED, "Another crashed."),
        Verdict("tiny", "wrong", PROMISE, FAILED, "Shot 'fox' is red.\n  A line."),
        Verdict("tiny", "known", PROMISE, KNOWN_FAILURE, "Known since 2025."),
    ]
    cases = [case(name, gpus=2 if name == "spread" else 1) for name in names]
    cases += [case("needy", unsupported="a GPU is needed"), case("absent")]
    told = asked(*found.values(), cases=cases, verdicts=verdicts)
    assert [row.strategy for row in told.ranked] == ["full"]
    facts = {
        "broken": ("crashed during denoise", "SIGSEGV"),
        "wrong": ("failed", PROMISE, "'fox' is red.\n  A line."),
        "known": ("known failure", PROMISE, "2025"),
        "spread": ("2 cards",),
        "blind": ("GPU memory", "not measured"),
        "needy": ("cannot run here", "a GPU is needed"),
        "absent": ("not rendered",),
    }
    assert told.left_out.keys() == facts.keys()
    assert not [name for name, reason in told.left_out.items() if unsaid(reason, *facts[name])]


def test_what_ran_out_of_memory_here_is_told_from_a_run_beside(made: Made) -> None:
    """A limit of 12 GB says nothing against a strategy on 24 GB, if it was measured there."""
    here, there = made("full", crash=OUT), made("full", peak=20 * GB)
    found = asked(here, made("nf4", seed=7), size=12, beside=(trial(24, there),), vram=24 * GB)
    rows = {row.strategy: row for row in found.ranked}
    assert (rows["full"].fits, rows["full"].peak, rows["full"].run_id) == (YES, 20 * GB, "run-24")
    assert rows["nf4"].likeness is not None
    assert not unsaid(asked(here, size=12).left_out["full"], "crashed during load", "out of memory")


def test_a_crash_of_another_kind_is_not_looked_for_elsewhere(made: Made) -> None:
    """It is news."""
    here = made("full", crash=replace(OUT, kind="exception", limit=None))
    found = asked(here, beside=(trial(24, made("full")),))
    assert found.ranked == ()

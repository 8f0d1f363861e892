"""What a user asks for becomes a choice, or is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from fluxgate.machine import detect
from fluxgate.refusal import Refusal
from fluxgate.session.at_once import as_many_as_fit
from fluxgate.session.choice import Request, choose
from fluxgate.session.tiers import Tier, cases_of
from fluxgate.subjects.catalogue import subjects
from tests.choices import choice
from tests.runs.building import CASES


def test_what_is_asked_for_is_chosen(tmp_path: Path) -> None:
    """The matrix is whole; only what was named is asked about."""
    made = choose(Request(subjects=["miniature"], strategies=["nf4,full"], runs=tmp_path))
    assert [case.strategy.name for case in made.asked] == ["full", "nf4"]
    assert {case.strategy.name for case in made.cases} > {"full", "nf4", "staged"}
    assert made.machine == detect()


def test_a_tier_is_asked_about(tmp_path: Path) -> None:
    """One strategy of each kind, of those that can run here."""
    made = choose(Request(subjects=["miniature"], tier="short", runs=tmp_path))
    assert {case.id for case in made.asked} == {case.id for case in cases_of(Tier.SHORT, made.cases)}
    assert {"full", "staged"} <= set(made.strategies) < {case.strategy.name for case in made.cases}


def test_strategies_stand_in_place_of_the_tier_s(tmp_path: Path) -> None:
    """As they do in a gate."""
    made = choose(Request(subjects=["miniature"], strategies=["vae-tiling"], tier="short", runs=tmp_path))
    assert made.strategies == ("vae-tiling",)


def test_what_a_case_is_compared_with_is_rendered_before_it(tmp_path: Path) -> None:
    """Whether or not anybody asks about it; what cannot run here is left out."""
    full, offload, nf4 = (CASES[f"tiny-{name}"] for name in ("full", "offload", "nf4"))
    asked = choice([nf4, offload, full], tmp_path, strategies=("nf4", "offload"))
    assert [case.id for case in asked.needed] == ["tiny-full", "tiny-nf4", "tiny-offload"]
    cannot = choice([replace(nf4, unsupported="no GPU"), offload, replace(full, unsupported="no room")], tmp_path)
    assert [case.id for case in cannot.needed] == ["tiny-offload"]


@pytest.mark.parametrize(
    "request_",
    [
        Request(subjects=["teddy"]),
        Request(strategies=["nf5"]),
        Request(tier="medium"),
        Request(takes="0"),
        Request(case_timeout="soon"),
        Request(vram_limit="much"),
        Request(at_once="all"),
    ],
    ids=["subject", "strategy", "tier", "takes", "timeout", "limit", "at once"],
)
def test_what_makes_no_sense_is_refused(request_: Request) -> None:
    """Before a folder is made."""
    with pytest.raises(Refusal):
        choose(request_)


def test_as_many_cases_share_the_device_as_fit() -> None:
    """Where that is left open; a number is taken as it is."""
    fits = as_many_as_fit(detect(), [subjects()["miniature"]])
    assert choose(Request(at_once="auto")).at_once == fits
    assert choose(Request(at_once="5")).at_once == 5
    assert choose(Request()).at_once == 1

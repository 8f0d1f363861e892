"""Tests of how far a stage may lie from the oracle, and of what that was measured on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fluxgate.cases import Case
from fluxgate.judge.rooms import (
    BEYOND_LARGEST,
    ELSEWHERE,
    OTHER_INPUTS,
    Measured,
    Room,
    Rooms,
    Seen,
    limits_of,
    root_of,
)
from fluxgate.miniature.given import given
from fluxgate.rendering import T5, output_of
from fluxgate.strategies import STRATEGIES
from fluxgate.strategies.promise import Promise
from tests.judge.made import SUBJECT, strategy

SEEN = Seen(most=0.01, mean=0.01, spread=0.0, n=4)
WIDE = Seen(most=0.1, mean=0.1, spread=0.01, n=4)
PLAIN = Room("full", T5, "bfloat16", SEEN, SEEN)
NF4 = Room("nf4", T5, "bfloat16", WIDE, WIDE, control="coarse-four-bit", altered=True)
KNOWN = Rooms((Measured("cpu", ("tiny",), {"diffusers": "0.42.1"}, "2026-11-26", (PLAIN, NF4)),))


def case(name: str = "full", device: str = "cpu", **promise: str | None) -> Case:
    return Case(SUBJECT, replace(strategy(name), promise=Promise(**promise)), device)  # type: ignore[arg-type]  # no flags


def test_a_room_reaches_beyond_the_largest_and_seven_spreads() -> None:
    """Whichever is wider."""
    assert (SEEN.ceiling(), SEEN.ceiling(2.0)) == (BEYOND_LARGEST * 0.01, 0.02)
    assert WIDE.ceiling() == pytest.approx(0.1 + 7 * 0.01)


def test_a_device_that_was_not_measured_has_twice_the_room() -> None:
    """And its limit says so."""
    here, there = (limits_of(case(device=kind), T5, "bfloat16", altered=False, known=KNOWN) for kind in ("cpu", "cuda"))
    assert here is not None
    assert there is not None
    assert there.rms.value == ELSEWHERE * here.rms.value
    assert (here.rms.source, "CPU" in there.rms.source, there.rms.n) == ("measured", True, 4)


def test_altered_weights_have_the_room_of_those_with_their_control() -> None:
    """And weights that are the file's never have it."""
    own = case("mine", approximates="full", control="coarse-four-bit")
    wide, narrow = (limits_of(own, T5, "bfloat16", altered=altered, known=KNOWN) for altered in (True, False))
    assert wide is not None
    assert narrow is not None
    assert (wide.rms.value, narrow.rms.value) == (WIDE.ceiling(), SEEN.ceiling())


@pytest.mark.parametrize(
    ("name", "stage", "dtype", "altered"),
    [("full", T5, "float16", False), ("full", output_of(1), "bfloat16", False), ("other", T5, "bfloat16", True)],
)
def test_what_nothing_like_was_measured_has_no_room(name: str, stage: str, dtype: str, altered: bool) -> None:
    """Another dtype, another stage, quantized weights without a control."""
    assert limits_of(case(name), stage, dtype, altered=altered, known=KNOWN) is None


@pytest.mark.parametrize("stage", [f"{T5}, several pictures", f"{T5}, several seeds"])
def test_a_later_call_that_was_not_measured_has_more_than_the_first_ones_room(stage: str) -> None:
    """The same work, from other inputs."""
    first, later = (limits_of(case(), name, "bfloat16", altered=False, known=KNOWN) for name in (T5, stage))
    assert first is not None
    assert later is not None
    assert later.rms.value == OTHER_INPUTS * first.rms.value


def test_a_later_step_has_the_largest_room_of_those_that_were_measured() -> None:
    """What the denoiser gives in step 3 is as exact as in one of the others."""
    steps = tuple(replace(PLAIN, stage=output_of(step), rms=seen, worst=seen) for step, seen in ((1, SEEN), (2, WIDE)))
    known = Rooms((replace(KNOWN.measured[0], rooms=steps),))
    limits = limits_of(case(), output_of(3), "bfloat16", altered=False, known=known)
    assert limits is not None
    assert limits.rms.value == OTHER_INPUTS * WIDE.ceiling()


def test_strategies_that_reproduce_another_share_its_rooms() -> None:
    """Along the whole chain."""
    names = ("full", "model-offload", "nf4-model-offload", "int8-t5-reloaded", "vae-tiling")
    assert [root_of(name) for name in names] == ["full", "full", "nf4", "int8-t5", "vae-tiling"]


def limit_of(name: str, stage: str, dtype: str, *, altered: bool = False) -> float:
    by_name = {one.name: one for one in STRATEGIES}
    limits = limits_of(Case(SUBJECT, by_name[name], "cpu"), stage, dtype, altered=altered)
    assert limits is not None
    return limits.rms.value


def apart(one: str, other: str, stage: str) -> float:
    """How far the oracle's numbers with weights of two formats lie apart; no name is the file's own weights."""
    ours, theirs = (given().variants[f"{form}/{stage}"] if form else given().expected[stage] for form in (one, other))
    return float(np.sqrt(((ours - theirs) ** 2).mean() / (theirs**2).mean()))


def test_float32s_rooms_shut_bfloat16_out() -> None:
    """By a factor of a hundred."""
    for stage in (T5, output_of(1)):
        assert 100 * limit_of("full-float32", stage, "float32") < limit_of("full", stage, "bfloat16")


@pytest.mark.parametrize(("name", "form"), [("nf4-linear", "nf4"), ("fp8-layerwise", "e4m3")])
def test_what_ships_rejects_weights_in_another_format(name: str, form: str) -> None:
    """Plain ones where narrow ones are promised, narrow ones where none are, and NF4 where it is FP4."""
    stage = output_of(1)
    own = limit_of(name, stage, "bfloat16", altered=True)
    assert 2 * own < min(apart(form, other, stage) for other in ("", "nf4", "fp4", "e4m3") if other != form)
    assert 2 * limit_of("full", stage, "bfloat16") < min(apart("", other, stage) for other in ("nf4", "fp4", "e4m3"))

"""Tests of how far a stage may lie from the oracle, and of what that was measured on."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from fluxgate.cases import Case
from fluxgate.judge.tolerances import (
    BEYOND_LARGEST,
    ELSEWHERE,
    FORETOLD,
    OTHER_INPUTS,
    OTHER_MACHINE,
    OTHER_RELEASE,
    OTHER_RELEASES,
    ROUNDINGS,
    WORST_BEYOND_LARGEST,
    Measured,
    Seen,
    Session,
    Tolerance,
    Tolerances,
    component_of,
    is_altered,
    limits_of,
    root_of,
)
from fluxgate.miniature.given import FORETELLING_CACHE, IMAGE_PROMPT, REPEATING_CACHE, given
from fluxgate.rendering import DECODED, LEVELS, POOLED, T5, WHOLE, Component, Inventory, of_call, output_of
from fluxgate.strategies import STRATEGIES
from fluxgate.strategies.promise import Promise
from tests.judge.made import SUBJECT, strategy

SEEN = Seen(most=0.01, mean=0.01, spread=0.0, n=4)
WIDE = Seen(most=0.1, mean=0.1, spread=0.01, n=4)
PLAIN = Tolerance("full", T5, "bfloat16", SEEN, SEEN)
NF4 = Tolerance("nf4", T5, "bfloat16", WIDE, WIDE, control="coarse-four-bit", altered=True)
SESSION = Session(("tiny",), {"diffusers": "0.42.1"}, "2026-11-26")
KNOWN = Tolerances((Measured("cpu", (SESSION,), (PLAIN, NF4)),))


def case(name: str = "full", device: str = "cpu", **promise: str | None) -> Case:
    return Case(SUBJECT, replace(strategy(name), promise=Promise(**promise)), device)  # type: ignore[arg-type]  # no flags


def test_a_tolerance_reaches_beyond_the_largest_and_seven_spreads() -> None:
    """Whichever is wider."""
    assert (SEEN.ceiling(), SEEN.ceiling(2.0)) == (BEYOND_LARGEST * 0.01, 0.02)
    assert WIDE.ceiling() == pytest.approx(0.1 + 7 * 0.01)


def test_a_device_that_was_not_measured_has_twice_the_tolerance() -> None:
    """And its limit says so."""
    here, there = (limits_of(case(device=kind), T5, "bfloat16", altered=False, known=KNOWN) for kind in ("cpu", "cuda"))
    assert here is not None
    assert there is not None
    assert there.rms.value == ELSEWHERE * here.rms.value
    assert (here.rms.source, "CPU" in there.rms.source, there.rms.n) == ("measured", True, 4)


@pytest.mark.parametrize(
    ("computed_as", "device", "stage", "times"),
    [
        (FORETELLING_CACHE, "cpu", output_of(1), FORETOLD),
        (FORETELLING_CACHE, "cuda", output_of(1), ELSEWHERE * FORETOLD),
        (FORETELLING_CACHE, "cuda", T5, 1.0),
        (REPEATING_CACHE, "cpu", output_of(1), 1.0),
        (IMAGE_PROMPT, "cpu", output_of(1), 1.0),
        (IMAGE_PROMPT, "cuda", output_of(1), ELSEWHERE),
    ],
)
def test_what_a_strategy_computes_of_its_own_has_more_tolerance(
    computed_as: str, device: str, stage: str, times: float
) -> None:
    """In what is foretold two steps' roundings add up, and no such strategy was measured on a GPU; beside the denoiser
    they compute what all do."""
    group = replace(KNOWN.measured[0], device=device, tolerances=(replace(PLAIN, stage=stage),))
    own, plain = (
        limits_of(case(device=device, **promise), stage, "bfloat16", altered=False, known=Tolerances((group,)))
        for promise in ({"computed_as": computed_as}, {})
    )
    assert own is not None
    assert plain is not None
    assert own.rms.value == times * plain.rms.value


@pytest.mark.parametrize(("version", "times"), [("0.42.1", 1.0), ("0.36.0", OTHER_RELEASE)])
def test_other_releases_have_more_tolerance(version: str, times: float) -> None:
    """They round in another order, and are as sound as those that were measured."""
    limits = limits_of(case(), T5, "bfloat16", altered=False, stack={"diffusers": version, "numpy": "1"}, known=KNOWN)
    assert limits is not None
    assert limits.rms.value == times * SEEN.ceiling()


@pytest.mark.parametrize(
    ("version", "machine", "told", "times"),
    [("1", "tiny", "1", 1.0), ("2", "tiny", "2", 1.0), ("2", "other", "2", 1.0), ("3", "tiny", "1", OTHER_RELEASE)],
)
def test_a_tolerance_of_two_sessions_knows_the_releases_of_both(
    version: str, machine: str, told: str, times: float
) -> None:
    """And tells the session that is most like what is judged."""
    sessions = tuple(Session((where,), {"diffusers": each}, "") for where, each in (("tiny", "1"), ("other", "2")))
    known = Tolerances((Measured("cpu", sessions, (replace(PLAIN, sessions=(0, 1)),)),))
    stack = {"diffusers": version}
    limits = limits_of(case(), T5, "bfloat16", altered=False, machine=machine, stack=stack, known=known)
    assert limits is not None
    assert (limits.rms.value, limits.rms.stack) == (times * SEEN.ceiling(), {"diffusers": told})


def test_a_tolerance_of_one_session_knows_nothing_of_the_others() -> None:
    """A stage that was measured with one release alone has more room with the other, and on the other's machine."""
    sessions = tuple(Session((where,), {"diffusers": each}, "") for where, each in (("tiny", "1"), ("other", "2")))
    known = Tolerances((Measured("cpu", sessions, (replace(PLAIN, dtype="float32", sessions=(1,)),)),))
    limits = [
        limits_of(case(), T5, "float32", altered=False, machine=machine, stack={"diffusers": version}, known=known)
        for machine, version in (("other", "2"), ("tiny", "2"), ("other", "1"))
    ]
    room = [each and each.rms.value / SEEN.ceiling() for each in limits]
    assert room == [1.0, OTHER_MACHINE["float32"], OTHER_RELEASES["float32"]]


@pytest.mark.parametrize(
    ("name", "dtype", "seen", "stack"),
    [
        ("full", "bfloat16", 0.0073, {"transformers": "4.57.6", "diffusers": "0.36.0"}),
        ("full-float32", "float32", 1.3e-06, {"transformers": "5.23.0", "diffusers": "0.42.1"}),
    ],
)
def test_sound_stacks_that_were_seen_on_gpus_have_tolerance(
    name: str, dtype: str, seen: float, stack: dict[str, str]
) -> None:
    """Neither is in the measured tolerances: what they gave on an H100 and an H200 must not be called wrong."""
    by_name = {one.name: one for one in STRATEGIES}
    limits = limits_of(Case(SUBJECT, by_name[name], "cuda"), T5, dtype, altered=False, stack=stack)
    assert limits is not None
    assert 1.3 * seen < limits.rms.value


@pytest.mark.parametrize(
    ("machine", "dtype", "times"),
    [
        ("tiny", "float32", 1.0),
        (None, "float32", 1.0),
        ("another", "float32", OTHER_MACHINE["float32"]),
        ("another", "bfloat16", 1.0),
    ],
)
def test_a_machine_that_was_not_measured_has_more_tolerance_in_float32(
    machine: str | None, dtype: str, times: float
) -> None:
    """Its kernels add in another order."""
    group = replace(KNOWN.measured[0], tolerances=(replace(PLAIN, dtype=dtype),))
    limits = limits_of(case(), T5, dtype, altered=False, machine=machine, known=Tolerances((group,)))
    assert limits is not None
    assert limits.rms.value == times * SEEN.ceiling()


def test_a_device_that_was_not_measured_is_no_other_machine_as_well() -> None:
    """Its room is that of another kind of device, and no more."""
    group = replace(KNOWN.measured[0], tolerances=(replace(PLAIN, dtype="float32"),))
    known = Tolerances((group,))
    limits = limits_of(case(device="cuda"), T5, "float32", altered=False, machine="another", known=known)
    assert limits is not None
    assert limits.rms.value == ELSEWHERE * SEEN.ceiling()


def test_what_an_intel_cpu_gave_in_float32_has_tolerance() -> None:
    """Seen there with torch 2.11.0, and sound; on none of AMD's CPUs did a number lie half as far."""
    by_name = {one.name: one for one in STRATEGIES}
    limits = limits_of(
        Case(SUBJECT, by_name["full-float32"], "cpu"),
        of_call(POOLED, WHOLE),
        "float32",
        altered=False,
        machine="cpu-intel-6-207-avx512-amx-torch2.11.0",
        stack={"transformers": "5.23.0", "diffusers": "0.42.1"},
    )
    assert limits is not None
    assert limits.worst.value > 1.3 * 3.02e-06


def test_altered_weights_have_the_tolerance_of_those_with_their_control() -> None:
    """And weights that are the file's never have it."""
    own = case("mine", approximates="full", control="coarse-four-bit")
    wide, narrow = (limits_of(own, T5, "bfloat16", altered=altered, known=KNOWN) for altered in (True, False))
    assert wide is not None
    assert narrow is not None
    assert (wide.rms.value, narrow.rms.value) == (WIDE.ceiling(), SEEN.ceiling())


@pytest.mark.parametrize(
    ("subject", "dtype", "altered", "seen"),
    [
        ("twin", "bfloat16", True, SEEN),
        ("tiny", "bfloat16", True, WIDE),
        ("twin", "bfloat16", False, SEEN),
        ("twin", "float32", False, WIDE),
        ("tiny", "float32", False, SEEN),
    ],
)
def test_a_subjects_own_weights_count_where_they_matter(subject: str, dtype: str, altered: bool, seen: Seen) -> None:
    """A format without scales of its own loses more of smaller weights, and float32 rounds more often in longer sums;
    all else is the miniature's."""
    twins = replace(NF4, weights="twin", rms=SEEN, worst=SEEN)
    plain = replace(PLAIN, weights="twin", rms=WIDE, worst=WIDE)
    both = [replace(one, dtype=each) for one in (plain, PLAIN) for each in ("bfloat16", "float32")]
    known = Tolerances((replace(KNOWN.measured[0], tolerances=(twins, NF4, *both)),))
    name = "nf4" if altered else "full"
    asked = Case(replace(SUBJECT, name=subject), strategy(name), "cpu")
    limits = limits_of(asked, T5, dtype, altered=altered, known=known)
    assert limits is not None
    assert limits.rms.value == seen.ceiling()


def test_what_the_twins_eight_bits_gave_on_an_h100_has_tolerance() -> None:
    """e4m3 has no scale, and the twin's weights are smaller than the miniature's."""
    twin = Case(replace(SUBJECT, name="grown"), next(one for one in STRATEGIES if one.name == "fp8-layerwise"), "cuda")
    limits = limits_of(twin, output_of(1), "bfloat16", altered=True)
    assert limits is not None
    assert limits.rms.value > 1.5 * 0.0391


def test_what_the_twin_in_float32_gave_on_an_h100_has_tolerance() -> None:
    """Its sums are four to sixteen times as long as the miniature's."""
    full = next(one for one in STRATEGIES if one.name == "full-float32")
    twin = Case(replace(SUBJECT, name="grown"), full, "cuda")
    limits = limits_of(twin, f"{DECODED}, several seeds", "float32", altered=False)
    assert limits is not None
    assert limits.rms.value > 1.4 * 4.14e-05


@pytest.mark.parametrize(
    ("name", "stage", "dtype", "altered"),
    [("full", T5, "float16", False), ("full", output_of(1), "bfloat16", False), ("other", T5, "bfloat16", True)],
)
def test_what_nothing_like_was_measured_has_no_tolerance(name: str, stage: str, dtype: str, altered: bool) -> None:
    """Another dtype, another stage, quantized weights without a control."""
    assert limits_of(case(name), stage, dtype, altered=altered, known=KNOWN) is None


@pytest.mark.parametrize("stage", [f"{T5}, several pictures", f"{T5}, several seeds"])
def test_a_later_call_that_was_not_measured_has_more_than_the_first_ones_tolerance(stage: str) -> None:
    """The same work, from other inputs."""
    first, later = (limits_of(case(), name, "bfloat16", altered=False, known=KNOWN) for name in (T5, stage))
    assert first is not None
    assert later is not None
    assert later.rms.value == OTHER_INPUTS * first.rms.value


def test_a_later_step_has_the_largest_tolerance_of_those_that_were_measured() -> None:
    """What the denoiser gives in step 3 is as exact as in one of the others."""
    steps = tuple(replace(PLAIN, stage=output_of(step), rms=seen, worst=seen) for step, seen in ((1, SEEN), (2, WIDE)))
    known = Tolerances((replace(KNOWN.measured[0], tolerances=steps),))
    limits = limits_of(case(), output_of(3), "bfloat16", altered=False, known=known)
    assert limits is not None
    assert limits.rms.value == OTHER_INPUTS * WIDE.ceiling()


def test_strategies_that_reproduce_another_share_its_tolerances() -> None:
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


def test_float32s_tolerances_shut_bfloat16_out() -> None:
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


@pytest.mark.parametrize(
    ("stage", "component"),
    [
        (T5, "text_encoder_2"),
        (f"{T5}, several pictures", "text_encoder_2"),
        (POOLED, "text_encoder"),
        (output_of(1), "transformer"),
        (f"{output_of(3)}, several pictures", "transformer"),
        (DECODED, "vae"),
        (LEVELS, None),
    ],
)
def test_a_stage_computes_with_one_components_weights(stage: str, component: str | None) -> None:
    """Or with none."""
    assert component_of(stage, SUBJECT) == component


@pytest.mark.parametrize(
    ("changes", "altered"),
    [({}, False), ({"quantized_bytes": 1}, True), ({"bytes_by_dtype": {"bfloat16": 1, "float8_e4m3fn": 1}}, True)],
)
def test_weights_are_altered_where_they_are_quantized_or_cast(changes: dict[str, Any], altered: bool) -> None:
    """Of the stage's own component; nobody knows without an inventory."""
    plain = Component("", "Model", {"bfloat16": 1}, 0, {}, {}, {}, {}, None)
    own = replace(plain, **changes)
    for stage, name in ((T5, "text_encoder_2"), (output_of(1), "transformer")):
        others = {"text_encoder_2": plain, "transformer": plain}
        assert is_altered(stage, SUBJECT, Inventory({**others, name: own})) is altered
        assert is_altered(DECODED, SUBJECT, Inventory({**others, name: own})) is False
        assert is_altered(stage, SUBJECT, None) is False


def test_a_limit_says_where_it_is_from() -> None:
    """How often it was measured, how far that varied, on what, with what, and when."""
    session = replace(SESSION, machines=("one", "other"))
    known = Tolerances((Measured("cpu", (session,), (replace(PLAIN, rms=WIDE),)),))
    here, there = (limits_of(case(device=kind), T5, "bfloat16", altered=False, known=known) for kind in ("cpu", "cuda"))
    assert here is not None
    assert there is not None
    limit = here.rms
    assert (limit.mean, limit.spread, limit.n) == (WIDE.mean, WIDE.spread, WIDE.n)
    assert (limit.machine, limit.stack, limit.date) == ("one, other", {"diffusers": "0.42.1"}, "2026-11-26")
    assert (limit.source, there.rms.source) == ("measured", "measured on a CPU, with 2 times the room")
    assert here.worst.value == WORST_BEYOND_LARGEST * SEEN.most


def test_no_tolerance_is_narrower_than_a_rounding() -> None:
    """However near a stage was seen to lie."""
    nowhere = Seen(most=0.0, mean=0.0, spread=0.0, n=4)
    known = Tolerances((replace(KNOWN.measured[0], tolerances=(replace(PLAIN, rms=nowhere, worst=nowhere),)),))
    limits = limits_of(case(), T5, "bfloat16", altered=False, known=known)
    assert limits is not None
    assert (limits.rms.value, limits.worst.value) == ROUNDINGS["bfloat16"]


def test_a_strategys_own_tolerance_comes_before_wider_ones() -> None:
    """And where it has none, those with its control, and no others, stand in."""
    wider = replace(PLAIN, strategy="other", rms=WIDE, worst=WIDE)
    known = Tolerances((replace(KNOWN.measured[0], tolerances=(PLAIN, wider)),))
    own = limits_of(case("full"), T5, "bfloat16", altered=False, known=known)
    assert own is not None
    assert own.rms.value == SEEN.ceiling()
    foreign = replace(NF4, strategy="another", control="coarse-float8", rms=replace(WIDE, most=9.0, mean=9.0))
    known = Tolerances((replace(KNOWN.measured[0], tolerances=(NF4, foreign)),))
    mine = case("mine", approximates="full", control="coarse-four-bit")
    limits = limits_of(mine, T5, "bfloat16", altered=True, known=known)
    assert limits is not None
    assert limits.rms.value == WIDE.ceiling()

"""Tests of how far a stage may lie from the oracle, and of what that was measured on."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fluxgate.cases import Case
from fluxgate.judge.rooms import BEYOND_LARGEST, ELSEWHERE, Measured, Room, Rooms, Seen, limits_of, rooms, root_of
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
    assert SEEN.ceiling == BEYOND_LARGEST * 0.01
    assert WIDE.ceiling == pytest.approx(0.1 + 7 * 0.01)


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
    assert (wide.rms.value, narrow.rms.value) == (WIDE.ceiling, SEEN.ceiling)


@pytest.mark.parametrize(
    ("name", "stage", "dtype", "altered"),
    [("full", T5, "float16", False), ("full", output_of(1), "bfloat16", False), ("other", T5, "bfloat16", True)],
)
def test_what_nothing_like_was_measured_has_no_room(name: str, stage: str, dtype: str, altered: bool) -> None:
    """Another dtype, another stage, quantized weights without a control."""
    assert limits_of(case(name), stage, dtype, altered=altered, known=KNOWN) is None


def test_strategies_that_reproduce_another_share_its_rooms() -> None:
    """Along the whole chain."""
    names = ("full", "model-offload", "nf4-model-offload", "int8-t5-reloaded", "vae-tiling")
    assert [root_of(name) for name in names] == ["full", "full", "nf4", "int8-t5", "vae-tiling"]


def test_what_ships_rejects_the_next_coarser_thing() -> None:
    """Float32's rooms shut bfloat16 out, bfloat16's shut out fp8 and int8, and theirs NF4."""
    by_name = {one.name: one for one in STRATEGIES}
    for group in rooms().measured:
        mean = {(room.strategy, room.stage, room.altered): room.rms.mean for room in group.rooms}
        full, precise = (Case(SUBJECT, by_name[name], group.device) for name in ("full", "full-float32"))
        output = output_of(1)
        wide = limits_of(full, output, "bfloat16", altered=False)
        narrow = limits_of(precise, output, "float32", altered=False)
        assert wide is not None
        assert narrow is not None
        assert 100 * narrow.rms.value < mean["full", output, False]
        assert wide.rms.value < mean["fp8-layerwise", output, True] < mean["nf4", output, True]

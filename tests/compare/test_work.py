"""Tests of comparing work: what is told first, what holds across releases, and what is not compared."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fluxgate.compare.work import (
    FEW_OPERATORS,
    changes_between,
    costly_changes,
    flops,
    held_changes,
    moved_alike,
    same_call,
    work_changes,
)
from fluxgate.rendering import DECODE, DENOISE, ENCODE, PHASES, PhaseWork, Unmoved, Work
from tests.wording import unsaid

WHOLE = PhaseWork(DENOISE, {"aten.mm": 9, "aten.add": 3}, flops={"aten.mm": 900}, modules={"Block": 6})


def work(*phases: PhaseWork, steps: int = 3) -> Work:
    return Work("fox", steps, (phases,), count=2)


def test_the_same_work_has_no_change() -> None:
    """Every counter is held."""
    assert work_changes(work(WHOLE), work(WHOLE)) == ()


def test_a_module_is_told_before_its_operators() -> None:
    """Six times as many products are one block that runs twice."""
    twice = PhaseWork(DENOISE, {"aten.mm": 18, "aten.add": 6}, flops={"aten.mm": 1800}, modules={"Block": 12})
    first, *others = work_changes(work(WHOLE), work(twice))
    assert (first.section, first.what, first.before, first.after, len(others)) == ("modules", "Block", 6, 12, 3)
    assert not unsaid(first.sentence, "denoise calls Block", "12 times instead of 6")


def test_numbers_that_differ_are_not_told_alike() -> None:
    """Where rounding would hide it, to the byte and to the operation."""
    before = PhaseWork(DENOISE, flops={"aten.mm": 16_500_000_000}, bytes={"cast on host": 130_000_000})
    after = PhaseWork(DENOISE, flops={"aten.mm": 16_500_000_001}, bytes={"cast on host": 130_000_100})
    assert [one.sentence for one in changes_between((before,), (after,))] == [
        "denoise does 16,500,000,001 FLOP in aten.mm instead of 16,500,000,000 FLOP",
        "denoise casts 130,000,100 B on the host instead of 130,000,000 B",
    ]
    (change,) = changes_between((before,), (PhaseWork(DENOISE, flops={"aten.mm": 33 * 10**9}, bytes=before.bytes),))
    assert change.sentence == "denoise does 33 GFLOP in aten.mm instead of 16.5 GFLOP"


@pytest.mark.parametrize(
    ("what", "told"),
    [
        ("cast on nowhere", "casts 2 B on the meta device"),
        ("within host", "copies 2 B within the host"),
        ("device to nowhere", "moves 2 B from device to meta device"),
        ("weights asked to move", "asks to move 2 B of weights"),
        ("weight files read", "reads 2 B of weight files"),
        ("pinned", "counts 2 B pinned"),
    ],
)
def test_what_is_moved_is_told_by_what_is_done_with_it(what: str, told: str) -> None:
    """The names of counters are no sentences."""
    (change,) = changes_between((PhaseWork(DENOISE, bytes={what: 1}),), (PhaseWork(DENOISE, bytes={what: 2}),))
    assert change.sentence == f"denoise {told} instead of 1 B"


def test_what_came_and_what_went_are_told_so() -> None:
    """An operator that was not there is no number of times more."""
    came, went = changes_between((PhaseWork(DENOISE, {"a": 2}),), (PhaseWork(DENOISE, {"b": 1}),))
    assert any(not unsaid(one.sentence, "denoise no longer calls a", "2 times") for one in (came, went))
    assert any(not unsaid(one.sentence, "denoise calls b once") for one in (came, went))


def test_a_phase_that_only_one_side_has_is_a_change() -> None:
    """Nothing is left out for want of a partner."""
    alone = (PhaseWork(DECODE, {"aten.mm": 1}),)
    for before, after in (((), alone), (alone, ())):
        (change,) = changes_between(before, after)
        assert (change.phase, change.before, change.after) == (DECODE, len(before), len(after))


def test_what_moved_most_comes_first() -> None:
    """In shares of what it was, more or less; of what was not there, one counts as one."""
    before = {"one": 1, "fewer": 10, "more": 10, "many": 100}
    after = {"one": 2, "fewer": 1, "more": 18, "many": 150}
    found = changes_between((PhaseWork(DENOISE, before),), (PhaseWork(DENOISE, after),))
    assert [change.what for change in found] == ["one", "fewer", "more", "many"]


@pytest.mark.parametrize("other", [work(WHOLE, steps=4), Work("cat", 3, ((WHOLE,),)), Work("fox", 3, ()), None])
def test_another_call_is_not_compared(other: Work | None) -> None:
    """Another shot, other steps, or nothing counted."""
    twice = PhaseWork(DENOISE, {"aten.mm": 18})
    for one, another in ((work(twice), other), (other, work(twice))):
        assert not same_call(one, another)
        assert work_changes(one, another) == ()
        assert held_changes(one, another) == ()


@pytest.mark.parametrize("number, held", [(900, True), (909, True), (910, False), (891, True), (890, False)])
def test_operations_hold_across_releases_within_a_hundredth(number: int, held: bool) -> None:
    """However they are dispatched."""
    other = work(PhaseWork(DENOISE, {"aten.addmm": 9}, flops={"aten.addmm": number}))
    assert (held_changes(work(WHOLE), other) == ()) is held


def test_what_is_not_held_is_told_with_both_numbers() -> None:
    """One operation of ten is more than a hundredth."""
    ten, eleven = (work(PhaseWork(DENOISE, flops={"aten.mm": number})) for number in (10, 11))
    (change,) = held_changes(ten, eleven)
    assert (change.phase, change.section, change.what, change.before, change.after) == (DENOISE, "flops", "", 10, 11)
    assert not unsaid(change.sentence, "11 FLOP instead of 10 FLOP")


@pytest.mark.parametrize("size, held", [(1 << 20, True), ((1 << 20) + 1, False)])
def test_a_megabyte_more_to_the_device_is_held(size: int, held: bool) -> None:
    """Less than that comes and goes with prompts and noise levels."""
    other = work(PhaseWork(DENOISE, bytes={"host to device": size}, flops={"aten.mm": 900}))
    assert (held_changes(work(WHOLE), other) == ()) is held


@pytest.mark.parametrize(
    "number, words",
    [
        (0, "0 FLOP"),
        (17_420_000_000, "17.42 GFLOP"),
        (3e15, "3 PFLOP"),
        (2_500_000, "2.5 MFLOP"),
        (1e6, "1 MFLOP"),
        (1e9, "1 GFLOP"),
        (1e12, "1 TFLOP"),
        (1e15, "1 PFLOP"),
    ],
)
def test_operations_in_words(number: float, words: str) -> None:
    """Four digits say enough."""
    assert flops(number) == words


ONE = PhaseWork(
    DENOISE,
    {"aten.addmm": 9, "aten.randn": 1, "aten.stack": 4, "aten.mul": 20, "aten.view": 30, "aten._to_copy": 250},
    flops={"aten.addmm": 900},
    bytes={
        "host to device": 500,
        "device to host": 50,
        "cast on host": 6000,
        "weights asked to move": 700,
        "other tensors asked to move": 300,
    },
    moves={"host to device": 5, "device to host": 2, "cast on host": 6, "other tensors asked to move": 8},
    components={"transformer": 3},
    modules={"Block": 6},
    events={"AlignDevicesHook ran": 12, "waits for a copy": 8, "waits for a result": 2},
)


def otherwise(**changes: dict[str, int]) -> PhaseWork:
    """The same with some counters of some sections changed."""
    sections: dict[str, Any] = {name: {**getattr(ONE, name), **values} for name, values in changes.items()}
    without: dict[str, Any] = {name: {what: n for what, n in of.items() if n} for name, of in sections.items()}
    return replace(ONE, **without)


@pytest.mark.parametrize(
    "changes",
    [
        {"operators": {"aten.view": 300, "aten.transpose": 7}},
        {"operators": {"aten.stack": 0, "aten.cat": 4}},
        {"operators": {"aten.addmm": 0, "aten.mm": 9}, "flops": {"aten.addmm": 0, "aten.mm": 900}},
        {"modules": {"Identity": 18, "Block": 0, "DoubleBlock": 6}},
        {
            "operators": {"aten.mul": 10, "aten._to_copy": 248},
            "bytes": {"cast on host": 4000},
            "moves": {"cast on host": 4},
        },
        {"operators": {"aten.randn": 0, "aten.normal_": 1, "aten.empty": 3}},
        {
            "operators": {"aten._to_copy": 255},
            "bytes": {"cast on host": 6000 + 4096},
            "moves": {"cast on host": 9},
        },
        {
            "operators": {"aten._to_copy": 247},
            "bytes": {"cast on host": 5744},
            "moves": {"cast on host": 3},
        },
        {
            "operators": {"aten.set_": 6, "aten.new_empty": 2, "aten.copy_": 2},
            "bytes": {"within host": 256},
            "moves": {"within host": 2},
        },
        {"events": {"waits for a copy": 7, "waits for a result": 0}},
        {"operators": {"aten.mul": 19, "aten.neg": 6, "aten.sub": 1}},
        {
            "operators": {"aten._to_copy": 249},
            "bytes": {"host to device": 400, "device to host": 0, "other tensors asked to move": 200},
            "moves": {"host to device": 4, "device to host": 0, "other tensors asked to move": 6},
            "events": {"waits for a copy": 7},
        },
    ],
    ids=[
        "views",
        "another operator",
        "another product",
        "other names of classes",
        "less",
        "room that is made apart",
        "scalars that are cast",
        "scalars that are not cast any more",
        "scalars that are copied",
        "fewer waits",
        "a formula",
        "what is made where it is used",
    ],
)
def test_what_is_written_otherwise_costs_nothing(changes: dict[str, dict[str, int]]) -> None:
    """As many operations, hardly more operators that compute, and few bytes more."""
    found = changes_between((ONE,), (otherwise(**changes),))
    assert (len(found) > 0, costly_changes(found)) == (True, ())


@pytest.mark.parametrize(
    "changes",
    [
        {"operators": {"aten.mul": 27}},
        {"operators": {"aten.mul": 26, "aten.sub": 1}},
        {"operators": {"aten.nonzero": 1}},
        {"operators": {"aten.rand": 1}},
        {"operators": {"aten._to_copy": 256}},
        {"operators": {"aten.clone": 1}},
        {"operators": {"aten.copy_": 3}, "bytes": {"within host": 256}, "moves": {"within host": 2}},
        {"operators": {"aten.copy_": 2}, "bytes": {"within host": 4097}, "moves": {"within host": 2}},
        {"operators": {"aten.mul": 19, "aten._local_scalar_dense": 2}},
        {"flops": {"aten.addmm": 901}},
        {"flops": {"aten.addmm": 899}},
        {"bytes": {"cast on host": 6000 + 4097}},
        {"bytes": {"host to device": 499}},
        {"bytes": {"host to device": 399, "other tensors asked to move": 200}},
        {"bytes": {"host to device": 501, "other tensors asked to move": 200}},
        {"bytes": {"device to host": 49, "weights asked to move": 600, "other tensors asked to move": 200}},
        {"moves": {"host to device": 4}},
        {"events": {"waits for a copy": 9}},
        {"events": {"waits for a result": 3}},
        {"bytes": {"weights asked to move": 0}},
        {"moves": {"host to device": 6}},
        {"components": {"transformer": 4}},
        {"events": {"AlignDevicesHook ran": 11}},
        {"repeats": {"text_encoder": 1}},
    ],
)
def test_whatever_is_done_beside_that_is_told(changes: dict[str, dict[str, int]]) -> None:
    """One more of anything, another number of operations, and weights that do not move any more."""
    found = changes_between((ONE,), (otherwise(**changes),))
    assert set(costly_changes(found)) == set(found)


PICTURE = replace(
    ONE,
    phase=DECODE,
    bytes={**ONE.bytes, "device to host": 9000, "cast on host": 18_000, "other tensors asked to move": 9000},
    moves={**ONE.moves, "device to host": 1, "cast on host": 1, "other tensors asked to move": 1},
)
CAST_FIRST = {
    "device to host": 18_000,
    "cast on device": 18_000,
    "cast on host": 0,
    "other tensors asked to move": 18_000,
}


@pytest.mark.parametrize(
    ("phase", "sizes", "moves", "told"),
    [
        (DECODE, CAST_FIRST, {"cast on device": 1, "cast on host": 0}, False),
        (DECODE, {"other tensors asked to move": 18_000}, {}, False),
        (DENOISE, CAST_FIRST, {"cast on device": 1, "cast on host": 0}, True),
        (DECODE, {**CAST_FIRST, "device to host": 27_001}, {}, True),
        (DECODE, {**CAST_FIRST, "cast on host": 18_000}, {}, True),
        (DECODE, CAST_FIRST, {"device to host": 2}, True),
        (DECODE, {"other tensors asked to move": 18_001}, {}, True),
        (DECODE, {"device to host": 18_000}, {}, True),
    ],
)
def test_a_picture_may_be_cast_before_it_goes(
    phase: str, sizes: dict[str, int], moves: dict[str, int], told: bool
) -> None:
    """It is twice as many bytes then, once; in each step that would cost time."""
    before = replace(PICTURE, phase=phase)
    after = replace(before, bytes={**before.bytes, **sizes}, moves={**before.moves, **moves})
    assert bool(costly_changes(changes_between((before,), (after,)))) is told


@pytest.mark.parametrize(("times", "told"), [(4, False), (5, True), (3, True)])
def test_the_host_may_wait_as_often_in_another_way(times: int, told: bool) -> None:
    """For an event in place of a stream: no more often, and no less, which would be too early."""
    before = replace(ONE, events={**ONE.events, "Stream.synchronize": 4})
    after = replace(ONE, events={**ONE.events, "Event.synchronize": times})
    assert bool(costly_changes(changes_between((before,), (after,)))) is told


def test_fewer_operations_may_come_to_the_same() -> None:
    """Where that is known; more never do."""
    for number, told in ((899, False), (901, True)):
        found = changes_between((ONE,), (otherwise(flops={"aten.addmm": number}, operators={"aten.addmm": 8}),))
        assert (bool(costly_changes(found)), bool(costly_changes(found, may_spare=True))) == (True, told)


@pytest.mark.parametrize(
    ("modules", "told"), [({"Block": 2}, False), ({"Block": 0}, True), ({"Block": 0, "DoubleBlock": 6}, False)]
)
def test_what_is_not_computed_at_all_any_more_is_told(modules: dict[str, int], told: bool) -> None:
    """It comes from an earlier call, and the pictures of this one may be the same by chance."""
    after = otherwise(flops={"aten.addmm": 600}, operators={"aten.addmm": 6}, modules=modules)
    assert bool(costly_changes(changes_between((ONE,), (after,)), may_spare=True)) is told


@pytest.mark.parametrize(
    ("size", "times", "told"), [(990, 999, False), (989, 999, True), (990, 998, True), (1001, 1000, True)]
)
def test_a_weight_that_layers_share_may_be_asked_to_move_once_less(size: int, times: int, told: bool) -> None:
    """One tensor; if more were left out, weights would stay where they are."""
    asked = "weights asked to move"
    before = otherwise(bytes={asked: 1000}, moves={asked: 1000})
    after = otherwise(bytes={asked: size}, moves={asked: times})
    assert bool(costly_changes(changes_between((before,), (after,)))) is told


@pytest.mark.parametrize(("known", "told"), [(PHASES, False), ((), True), ((DECODE,), True)])
def test_weights_may_be_asked_to_move_less_often_where_they_move_alike(known: tuple[str, ...], told: bool) -> None:
    """In the phases where that is known; else what was asked for is all that shows of an offload."""
    asked = "weights asked to move"
    before = otherwise(bytes={asked: 1000}, moves={asked: 1000})
    found = changes_between((before,), (otherwise(bytes={asked: 600}, moves={asked: 500}),))
    assert bool(costly_changes(found, moved_alike=known)) is told
    more = changes_between((before,), (otherwise(bytes={asked: 1001}),))
    assert costly_changes(more, moved_alike=known)


@pytest.mark.parametrize(
    ("before", "after", "alike"),
    [
        (Unmoved(9, 5, 3), Unmoved(9, 5, 3), True),
        (Unmoved(9, 5, 3), Unmoved(8, 4, 2), True),
        (Unmoved(9, 5, 3), Unmoved(10, 5, 3), False),
        (Unmoved(9, 5, 3), Unmoved(9, 6, 3), False),
        (Unmoved(9, 5, 3), Unmoved(9, 5, 4), False),
        (None, Unmoved(9, 5, 3), False),
        (Unmoved(9, 5, 3), None, False),
    ],
)
def test_weights_move_alike_where_no_more_are_used_unasked(
    before: Unmoved | None, after: Unmoved | None, alike: bool
) -> None:
    """At once, when the phase ends, and before their first use; on a GPU what moves is counted itself."""
    sides = [(PhaseWork(DENOISE, unmoved=one),) for one in (before, after)]
    assert moved_alike(*sides, gpu=False) == ({DENOISE} if alike else set())
    assert moved_alike(*sides, gpu=True) == set(PHASES)


@pytest.mark.parametrize(("phase", "more", "told"), [(ENCODE, 2, False), (ENCODE, 3, True), (DENOISE, 1, True)])
def test_a_phase_without_steps_may_look_at_two_numbers_more(phase: str, more: int, told: bool) -> None:
    """As at a mask that hides nothing: in each step, that would be as often as there are steps."""
    before = replace(ONE, phase=phase)
    operators = {**ONE.operators, "aten._local_scalar_dense": more}
    after = replace(before, operators=operators, events={**ONE.events, "waits for a result": 2 + more})
    assert bool(costly_changes(changes_between((before,), (after,)))) is told


@pytest.mark.parametrize(
    ("host", "streams", "told"),
    [
        (4, {"Stream.wait_stream": 3, "Stream.wait_event": 3}, False),
        (4, {"Stream.wait_event": 3}, False),
        (4, {}, True),  # nobody waits any more
        (4, {"Stream.wait_stream": 2, "Stream.wait_event": 2}, True),
        (4, {"Stream.wait_stream": 4, "Stream.wait_event": 4}, True),
        (7, {"Stream.wait_stream": 3, "Stream.wait_event": 3}, True),
    ],
)
def test_a_stream_may_wait_in_place_of_the_host(host: int, streams: dict[str, int], told: bool) -> None:
    """Once for each time; the host did so seven times."""
    before = otherwise(events={"Stream.synchronize": 7})
    after = otherwise(events={"Stream.synchronize": host, **streams})
    assert bool(costly_changes(changes_between((before,), (after,)), moved_alike=PHASES)) is told


@pytest.mark.parametrize(("more", "told"), [(4096, False), (4097, True), (-4096, False), (-4097, True)])
@pytest.mark.parametrize("what", ["weight files read", "weight files written"])
def test_files_may_say_more_of_themselves(what: str, more: int, told: bool) -> None:
    """Beside the tensors in them; more of large files, a thousandth."""
    for size, times in ((10**6, 1), (10**8, 24)):
        changes = changes_between((otherwise(bytes={what: size}),), (otherwise(bytes={what: size + times * more}),))
        assert bool(costly_changes(changes)) is (told if times == 1 else False)


def test_views_are_not_told_beside_what_costs() -> None:
    """They explain nothing; a class that is called more often does."""
    found = costly_changes(
        changes_between((ONE,), (otherwise(operators={"aten.view": 9, "aten.mul": 40}, modules={"Block": 12}),))
    )
    assert [one.what for one in found] == ["Block", "aten.mul"]


@pytest.mark.parametrize(("fewer", "told"), [(300, False), (557, True)])
def test_a_cast_may_go_with_a_move(fewer: int, told: bool) -> None:
    """What is made where it is used, in its dtype, is cast on no way there; beyond that, more is computed narrower."""
    gone = otherwise(
        operators={"aten._to_copy": 249},
        bytes={"cast on host": 6000 - fewer, "other tensors asked to move": 0},
        moves={"cast on host": 5, "other tensors asked to move": 7},
    )
    assert bool(costly_changes(changes_between((ONE,), (gone,)))) is told


@pytest.mark.parametrize(
    ("operators", "told"), [({}, True), ({"aten.mul": 10, "aten.cat": 10}, True), ({"aten.mul": 10}, False)]
)
def test_fewer_casts_beside_as_much_computing_are_told(operators: dict[str, int], told: bool) -> None:
    """What was computed in float32 may be computed in bfloat16 then; where less is computed, it is less work."""
    fewer = {
        "operators": {"aten._to_copy": 248, **operators},
        "bytes": {"cast on host": 4000},
        "moves": {"cast on host": 4},
    }
    found = changes_between((ONE,), (otherwise(**fewer),))
    assert bool(costly_changes(found)) is told


@pytest.mark.parametrize(("times", "known", "told"), [(0, (DENOISE,), False), (0, (), True), (9, (DENOISE,), True)])
def test_what_stands_for_weights_that_are_away_may_be_kept(times: int, known: tuple[str, ...], told: bool) -> None:
    """It holds no number; where weights are not known to move as they did, it may be that they stay."""
    before = replace(ONE, moves={**ONE.moves, "host to nowhere": 8}, bytes={**ONE.bytes, "host to nowhere": 800})
    after = replace(
        before,
        moves={**before.moves, "host to nowhere": times},
        bytes={**before.bytes, "host to nowhere": 100 * times},
    )
    assert bool(costly_changes(changes_between((before,), (after,)), moved_alike=known)) is told


@pytest.mark.parametrize(("copies", "told"), [(0, False), (1, True)])
def test_an_operator_may_take_the_place_of_a_copy(copies: int, told: bool) -> None:
    """Numbers are stacked, and not repeated: of either, each is copied once."""
    before = replace(ONE, operators={**ONE.operators, "aten.clone": 9})
    after = replace(before, operators={**before.operators, "aten.clone": copies, "aten.stack": 4 + 9 + FEW_OPERATORS})
    assert bool(costly_changes(changes_between((before,), (after,)))) is told


def test_inference_mode_is_no_other_work() -> None:
    """Operators are dispatched as a whole there, and some of their products nobody has a formula for."""
    whole = otherwise(
        operators={"aten.addmm": 0, "aten.linear": 9, "aten.to": 6, "aten._to_copy": 0},
        flops={"aten.addmm": 0, "aten.linear": 450},
        bytes={"cast on host": 0},
    )
    assert changes_between((ONE,), (whole,)) == ()
    assert held_changes(work(ONE), work(whole)) == ()
    more = replace(whole, components={"transformer": 4})
    assert [one.what for one in changes_between((ONE,), (more,))] == ["transformer"]


def test_what_is_copied_in_inference_mode_is_not_compared_with_what_is_copied_outside() -> None:
    """Neither bytes nor a wait is counted of an `aten.to` or an `aten.item` as a whole; what was asked for is."""
    copying = otherwise(
        bytes={"host to device": 8 << 20, "weights asked to move": 900},
        moves={"host to device": 4, "weights asked to move": 9},
        events={"waits for a copy": 4, "waits for a result": 1},
    )
    whole = replace(copying, operators={"aten.to": 6}, bytes={}, moves={"weights asked to move": 8}, events=ONE.events)
    assert {one.what for one in changes_between((copying,), (whole,))} == {"weights asked to move"}
    assert held_changes(work(copying), work(whole)) == ()
    assert held_changes(work(copying), work(replace(copying, bytes={}))) != ()

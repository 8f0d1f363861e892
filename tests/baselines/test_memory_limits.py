"""Limits of memory: ceilings out of samples, floors out of the inventory."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxgate.baselines import baseline as baselines
from fluxgate.baselines import memory_limits
from fluxgate.baselines.baseline import AcceptedCase
from fluxgate.baselines.memory_limits import ALLOCATOR
from fluxgate.baselines.samples import Samples, join
from fluxgate.baselines.store import Store
from fluxgate.compare.facts import ALLOCATED, DRIVER, HOST, OWN_HOST, RESERVED, WHOLE
from fluxgate.rendering import LOAD, PHASES
from fluxgate.strategies.effects import GRAPHS
from tests.baselines.acceptance import accept
from tests.runs.building import MACHINE, SUBJECT, inventory, run_of


@pytest.fixture(scope="module")
def facts(tmp_path_factory: pytest.TempPathFactory) -> AcceptedCase:
    """A case that was accepted once."""
    root = tmp_path_factory.mktemp("limits")
    accept(run_of(root / "runs", "full"), root / "baselines")
    baseline = baselines.read_case(Store(root / "baselines"), MACHINE.id, "tiny", "full")
    assert baseline is not None
    return baseline.case


def test_a_ceiling_is_the_accepted_value_and_a_grain(facts: AcceptedCase) -> None:
    """The number stands beside all that it was made of; what was accepted later tells what it varies."""
    found = memory_limits.ceiling((100, 110, 120), figure=ALLOCATED, case=facts)
    assert found.value == 100 + 2 * 1024**2
    assert (found.mean, found.spread, found.n, found.source) == (100, 10, 3, "measured")
    assert (found.machine, found.stack, found.date) == (MACHINE.id, facts.accepted.stack, "2026-03-01")


def test_one_sample_has_no_spread(facts: AcceptedCase) -> None:
    """What was measured once stands at its value and a grain, and says that the spread is not known."""
    found = memory_limits.ceiling((100,), figure=ALLOCATED, case=facts)
    assert (found.value, found.spread, found.n) == (100 + 2 * 1024**2, None, 1)


def test_two_samples_have_a_spread(facts: AcceptedCase) -> None:
    """As few as they are."""
    assert memory_limits.ceiling((100, 110), figure=ALLOCATED, case=facts).spread == pytest.approx(50**0.5)


@pytest.mark.parametrize(
    ("samples", "room"),
    [((10**6,), 2 * 16 * 2**20), ((10**9,), 0.25 * 10**9), ((10**9, 10**9 + 2), 0.25 * (10**9 + 1))],
    ids=["one", "one that is large", "two"],
)
def test_what_loading_adds_has_more_room_while_few_runs_tell_of_it(samples: tuple[int, ...], room: float) -> None:
    """Two grains or a quarter; from three runs on, their own spread and a grain."""
    assert memory_limits.margin(samples, figure=OWN_HOST) == pytest.approx(room)
    three = (10**9, 10**9 + 2, 10**9 + 4)
    assert memory_limits.margin(three, figure=OWN_HOST) == pytest.approx(memory_limits.OWN_HOST_GRAIN + 7 * 2)


def test_what_loading_adds_is_limited_from_the_first_run_on(facts: AcceptedCase) -> None:
    """The peak of all host memory is not: other things move it."""
    one = replace(facts, peaks={LOAD: {OWN_HOST: (10**6,)}, WHOLE: {HOST: (10**9,)}})
    assert memory_limits.host_band(one, LOAD, OWN_HOST) is not None
    assert memory_limits.host_band(one, WHOLE, HOST) is None


@pytest.mark.parametrize(
    ("machine", "quantized", "graphs", "share"),
    [
        ("cpu-amd-26-2-avx512-bf16-torch2.13.0", 1, 0, 0.75),
        ("cpu-amd-26-2-avx512-bf16-torch2.13.0", 0, 9, 0.75),
        ("cpu-amd-26-2-avx512-bf16-torch2.13.0", 0, 0, 0.25),
        ("h100-torch2.11.0-cu130", 1, 9, 0.25),
    ],
    ids=["narrowed", "compiled", "as it is", "on a GPU"],
)
def test_what_a_cpu_makes_while_it_loads_needs_more_room(
    facts: AcceptedCase, machine: str, quantized: int, graphs: int, share: float
) -> None:
    """A GPU narrows and compiles in memory of its own."""
    assert facts.inventory is not None
    parts = {name: replace(one, quantized_bytes=quantized) for name, one in facts.inventory.components.items()}
    made = replace(facts.inventory, components=parts, counts={GRAPHS: graphs})
    one = replace(facts, machine=machine, inventory=made)
    assert memory_limits.ceiling((10**9,), figure=OWN_HOST, case=one).value == pytest.approx((1 + share) * 10**9)


def test_host_memory_that_lay_close_by_chance_keeps_its_distance(facts: AcceptedCase) -> None:
    """Three samples alike do not mean that the fourth will be: the spread of other cases stands in."""
    alike = memory_limits.ceiling((10**9,) * 3, figure=HOST, case=facts)
    assert alike.value == pytest.approx(1.385e9 + 64 * 1024**2)
    apart = memory_limits.ceiling((9 * 10**8, 10**9, 11 * 10**8), figure=HOST, case=facts)
    assert apart.value == pytest.approx(1.7e9 + 64 * 1024**2)
    assert apart.mean == 10**9
    near = memory_limits.ceiling((98 * 10**7, 10**9, 102 * 10**7), figure=HOST, case=facts)
    assert near.value == alike.value  # a share of their mean, and not of the first


@pytest.mark.parametrize(
    ("samples", "room"),
    [
        ((10**9,), 2 << 20),  # torch's own blocks
        ((10**9, 10**9 + 5_000_000, 10**9), 5_000_000),  # as far as an accepted run lay away
        ((40 * 10**9,), 40_000_000),  # a thousandth
    ],
)
def test_a_peak_is_held_both_ways_by_the_largest_of_three(
    facts: AcceptedCase, samples: tuple[int, ...], room: int
) -> None:
    """The measured spread, 2 MiB or 0.1% around the accepted value: one byte more or less breaks it."""
    band = memory_limits.band(samples, figure=ALLOCATED, case=facts)
    around = [samples[0] + away for away in (-room - 1, -room, room, room + 1)]
    assert [band.broken(value) is None for value in around] == [False, True, True, False]


def test_no_later_sample_moves_what_was_accepted(facts: AcceptedCase) -> None:
    """Each of forty accepted runs uses 0.2% more than the one before, within what a mean over the latest allows."""
    creep, samples = [round(10**9 * 1.002**week) for week in range(40)], Samples()
    beyond = []
    for value in creep:
        peaks = {"load": {ALLOCATED: (value,)}}
        earlier = samples.peaks.get("load", {}).get(ALLOCATED, ())
        if earlier and memory_limits.band(earlier, figure=ALLOCATED, case=facts).broken(value):
            beyond.append(value)
        samples = join(samples, Samples(peaks), again=False, tighten=False).samples
    assert len(beyond) >= 19  # accepted anew every second time, and told each time


@given(samples=st.lists(st.integers(0, 10**12), min_size=2, max_size=20).map(tuple))
def test_no_sample_breaks_its_own_ceiling(samples: tuple[int, ...]) -> None:
    """What was measured is always allowed."""
    assert max(samples) <= samples[0] + memory_limits.margin(samples, figure=ALLOCATED)


def test_what_torch_reserves_is_held_where_it_is_stable(facts: AcceptedCase) -> None:
    """Three accepted runs that agree; what is not allocated of it, and what the driver sees, likewise."""
    whole: dict[str, tuple[int, ...]]
    whole = {ALLOCATED: (5,) * 3, RESERVED: (9 << 20, 10 << 20, 9 << 20), DRIVER: (10**9, 10**9, 2 * 10**9)}
    bands = memory_limits.stable_bands(replace(facts, peaks={"whole": whole}))
    assert set(bands) == {RESERVED, memory_limits.FRAGMENTATION}  # the driver saw other things each time
    reserved = bands[RESERVED].ceiling
    assert reserved is not None
    assert reserved.value == (9 << 20) + ALLOCATOR
    fragmentation = bands[memory_limits.FRAGMENTATION].ceiling
    assert fragmentation is not None
    assert fragmentation.mean == (9 << 20) - 5
    twice = {figure: samples[:2] for figure, samples in whole.items()}
    assert memory_limits.stable_bands(replace(facts, peaks={"whole": twice})) == {}


def test_what_loading_adds_has_a_ceiling_of_its_own(facts: AcceptedCase) -> None:
    """A process that has imported more is no larger load; three accepted runs tell what it varies."""
    samples: dict[str, tuple[int, ...]] = {OWN_HOST: (60 << 20,) * 3}
    bands = memory_limits.host_band(replace(facts, peaks={"load": samples}), "load", OWN_HOST)
    assert bands is not None
    assert bands.ceiling is not None
    assert bands.ceiling.value == (60 << 20) + memory_limits.OWN_HOST_GRAIN


def test_each_phase_has_its_ceiling_and_floor(facts: AcceptedCase) -> None:
    """Allocated peaks are banded for every phase and the whole; floors are the weights that lay on the GPU."""
    bands = memory_limits.memory_bands(facts, SUBJECT)
    assert set(bands) == {*PHASES, "whole"}
    ceiling = bands["denoise"].ceiling
    assert ceiling is not None
    assert ceiling.value == 10**9 + ALLOCATOR
    assert {phase: band.floor.value for phase, band in bands.items() if band.floor} == dict.fromkeys(
        (*PHASES, "whole"), 10**9 - ALLOCATOR
    )
    few: dict[str, tuple[int, ...]] = {ALLOCATED: (2000,)}
    less = dict.fromkeys((*PHASES, "whole"), few)
    bands = memory_limits.memory_bands(replace(facts, peaks=less), SUBJECT)
    assert {phase: band.floor.value for phase, band in bands.items() if band.floor} == {
        "load": 1000,
        "encode": 500,
        "denoise": 1000,
        "whole": 1000,
    }


def test_floors_need_something_on_the_gpu() -> None:
    """A component that the inventory does not hold, or that stays on the CPU, asks for nothing."""
    assert (
        memory_limits.memory_floors(replace(inventory(), components={}), SUBJECT, lowest=dict.fromkeys(PHASES, 10**9))
        == {}
    )


def test_a_subject_without_encoders_has_no_floor_for_them() -> None:
    """One that begins with a picture encodes nothing."""
    without = replace(SUBJECT, encoders=())
    floors = memory_limits.memory_floors(inventory(), without, lowest=dict.fromkeys(PHASES, 10**9))
    assert set(floors) == {"load", "denoise", "whole"}


def test_what_is_held_afterwards_has_a_ceiling(facts: AcceptedCase) -> None:
    """The first accepted value and a grain, on the machine that it was measured on."""
    band = memory_limits.held_band(replace(facts, held_after=(1000, 1001)))
    assert band is not None
    assert band.floor is None
    assert band.ceiling is not None
    assert (band.ceiling.value, band.ceiling.machine) == (1000 + ALLOCATOR, MACHINE.id)


def test_weights_that_were_never_together_are_no_floor(facts: AcceptedCase) -> None:
    """Components that stages load one after another lie on the GPU before their calls, but not when loading ends."""
    staged = replace(facts, peaks={**facts.peaks, "load": {ALLOCATED: (0, 0)}})
    assert memory_limits.memory_bands(facts, SUBJECT)["load"].floor is not None
    bands = memory_limits.memory_bands(staged, SUBJECT)
    assert bands["load"].floor is None
    assert bands["denoise"].floor is not None
    assert bands["whole"].floor is not None


def test_nothing_that_was_never_measured_has_a_band(facts: AcceptedCase) -> None:
    """No peaks, no inventory, no figure of what is held: no limits, and no error."""
    bare = replace(facts, peaks={}, inventory=None, held_after=())
    assert memory_limits.memory_bands(bare, SUBJECT) == {}
    assert memory_limits.stable_bands(bare) == {}
    assert memory_limits.host_band(bare, "load", OWN_HOST) is None
    assert memory_limits.held_band(bare) is None


@pytest.mark.parametrize("name", ["vae", "movq"])
def test_a_floor_is_what_lay_on_the_gpu_at_the_most(name: str) -> None:
    """The decoder's weights while it decodes, and as much as the least that was seen; a byte more is no floor."""
    places = {"during": {"cuda:0": 700, "cpu": 9000}}
    parts = inventory()
    decoder = replace(parts.components["transformer"], name=name, placement=places)
    whole, subject = replace(parts, components={**parts.components, name: decoder}), replace(SUBJECT, decoder=name)
    seen = dict.fromkeys(PHASES, 700)
    assert memory_limits.memory_floors(whole, subject, lowest=seen)["decode"].value == 700
    assert "decode" not in memory_limits.memory_floors(whole, subject, lowest={**seen, "decode": 699})
    assert "decode" not in memory_limits.memory_floors(whole, subject, lowest={"load": 700})


def test_a_floor_below_nothing_is_none(facts: AcceptedCase) -> None:
    """Where the room is larger than the value, anything less is allowed."""
    assert memory_limits.band((ALLOCATOR,), figure=ALLOCATED, case=facts).floor is None
    least = memory_limits.band((ALLOCATOR + 1,), figure=ALLOCATED, case=facts).floor
    assert least is not None
    assert least.value == 1

"""Limits: bands at, below and above their edges, ceilings out of samples, floors out of the inventory."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxgate.baselines import baseline as baselines
from fluxgate.baselines import limits, manifest
from fluxgate.baselines.baseline import AcceptedCase
from fluxgate.baselines.limits import ALLOCATOR, Band, LikenessLimits, Limit, LimitsFile
from fluxgate.baselines.samples import Samples, join
from fluxgate.baselines.store import Store
from fluxgate.compare.facts import ALLOCATED, DRIVER, HOST, OWN_HOST, RESERVED
from fluxgate.compare.measures import MEASURES
from fluxgate.files import write_plain
from fluxgate.refusal import Refusal
from fluxgate.rendering import PHASES
from tests.baselines.acceptance import accept
from tests.runs.building import MACHINE, SUBJECT, inventory, run_of


def limit(value: Any, **other: Any) -> Limit:
    return Limit(value, "measured", **other)


def test_a_band_holds_up_to_its_edges() -> None:
    """One below the floor and one above the ceiling break it; the edges and what lies between keep it."""
    floor, ceiling = limit(10), limit(20)
    band = Band(floor, ceiling)
    assert [band.broken(value) for value in (9, 10, 11)] == [floor, None, None]
    assert [band.broken(value) for value in (19, 20, 21)] == [None, None, ceiling]


def test_nan_breaks_any_band() -> None:
    """A measure that is no number is never fine, unless nothing is asked of it."""
    assert Band(floor=limit(0)).broken(math.nan) is not None
    assert Band(ceiling=limit(0)).broken(math.nan) is not None
    assert Band().broken(math.nan) is None


def test_a_ceiling_far_above_is_loose() -> None:
    """As far below the mean as the ceiling is above it; one byte more is not."""
    band = Band(ceiling=limit(110, mean=100))
    assert [band.loose(value) for value in (89, 90, 100)] == [True, False, False]
    assert not Band(ceiling=limit(110)).loose(0)
    assert not Band().loose(0)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store that a run was accepted into three times."""
    root = tmp_path_factory.mktemp("limits")
    for more in (0, 1000, 2000):
        run = run_of(root / "runs", "full", allocated=10**9 + more)
        accept(run, root / "baselines")
    return root / "baselines"


@pytest.fixture
def facts(store: Path) -> AcceptedCase:
    baseline = baselines.read_case(Store(store), MACHINE.id, "tiny", "full")
    assert baseline is not None
    return baseline.case


def test_a_ceiling_is_the_accepted_value_and_a_grain(facts: AcceptedCase) -> None:
    """The number stands beside all that it was made of; what was accepted later tells what it varies."""
    found = limits.ceiling((100, 110, 120), figure=ALLOCATED, case=facts)
    assert found.value == 100 + 2 * 1024**2
    assert (found.mean, found.spread, found.n) == (100, 10, 3)
    assert (found.machine, found.stack, found.date) == (MACHINE.id, facts.accepted.stack, "2026-03-01")


def test_one_sample_has_no_spread(facts: AcceptedCase) -> None:
    """What was measured once stands at its value and a grain, and says that the spread is not known."""
    found = limits.ceiling((100,), figure=ALLOCATED, case=facts)
    assert (found.value, found.spread, found.n) == (100 + 2 * 1024**2, None, 1)


def test_host_memory_that_lay_close_by_chance_keeps_its_distance(facts: AcceptedCase) -> None:
    """Three samples alike do not mean that the fourth will be: the spread of other cases stands in."""
    alike = limits.ceiling((10**9,) * 3, figure=HOST, case=facts)
    assert alike.value == pytest.approx(1.385e9 + 64 * 1024**2)
    apart = limits.ceiling((9 * 10**8, 10**9, 11 * 10**8), figure=HOST, case=facts)
    assert apart.value == pytest.approx(1.7e9 + 64 * 1024**2)


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
    band = limits.band(samples, figure=ALLOCATED, case=facts)
    around = [samples[0] + away for away in (-room - 1, -room, room, room + 1)]
    assert [band.broken(value) is None for value in around] == [False, True, True, False]


def test_no_later_sample_moves_what_was_accepted(facts: AcceptedCase) -> None:
    """Each of forty accepted runs uses 0.2% more than the one before, within what a mean over the latest allows."""
    creep, samples = [round(10**9 * 1.002**week) for week in range(40)], Samples()
    beyond = []
    for value in creep:
        peaks = {"load": {ALLOCATED: (value,)}}
        earlier = samples.peaks.get("load", {}).get(ALLOCATED, ())
        if earlier and limits.band(earlier, figure=ALLOCATED, case=facts).broken(value):
            beyond.append(value)
        samples = join(samples, Samples(peaks), again=False, tighten=False).samples
    assert len(beyond) >= 19  # accepted anew every second time, and told each time


@given(samples=st.lists(st.integers(0, 10**12), min_size=2, max_size=20).map(tuple))
def test_no_sample_breaks_its_own_ceiling(samples: tuple[int, ...]) -> None:
    """What was measured is always allowed."""
    assert max(samples) <= samples[0] + limits.margin(samples, figure=ALLOCATED)


def test_what_torch_reserves_is_held_where_it_is_stable(facts: AcceptedCase) -> None:
    """Three accepted runs that agree; what is not allocated of it, and what the driver sees, likewise."""
    whole: dict[str, tuple[int, ...]]
    whole = {ALLOCATED: (5,) * 3, RESERVED: (9 << 20, 10 << 20, 9 << 20), DRIVER: (10**9, 10**9, 2 * 10**9)}
    bands = limits.stable_bands(replace(facts, peaks={"whole": whole}))
    assert set(bands) == {RESERVED, limits.FRAGMENTATION}  # the driver saw other things each time
    reserved = bands[RESERVED].ceiling
    assert reserved is not None
    assert reserved.value == (9 << 20) + ALLOCATOR
    twice = {figure: samples[:2] for figure, samples in whole.items()}
    assert limits.stable_bands(replace(facts, peaks={"whole": twice})) == {}


def test_what_loading_adds_has_a_ceiling_of_its_own(facts: AcceptedCase) -> None:
    """A process that has imported more is no larger load; three accepted runs tell what it varies."""
    samples: dict[str, tuple[int, ...]] = {OWN_HOST: (60 << 20,) * 3}
    bands = limits._host_band(replace(facts, peaks={"load": samples}), "load", OWN_HOST)
    assert bands is not None
    assert bands.ceiling is not None
    assert bands.ceiling.value == (60 << 20) + limits.OWN_HOST_GRAIN


def test_each_phase_has_its_ceiling_and_floor(facts: AcceptedCase) -> None:
    """Allocated peaks are banded for every phase and the whole; floors are the weights that lay on the GPU."""
    bands = limits.memory_bands(facts, SUBJECT)
    assert set(bands) == {*PHASES, "whole"}
    ceiling = bands["denoise"].ceiling
    assert ceiling is not None
    assert ceiling.value == 10**9 + ALLOCATOR
    assert {phase: band.floor.value for phase, band in bands.items() if band.floor} == dict.fromkeys(
        (*PHASES, "whole"), 10**9 - ALLOCATOR
    )
    few: dict[str, tuple[int, ...]] = {ALLOCATED: (2000,)}
    less = dict.fromkeys((*PHASES, "whole"), few)
    bands = limits.memory_bands(replace(facts, peaks=less), SUBJECT)
    assert {phase: band.floor.value for phase, band in bands.items() if band.floor} == {
        "load": 1000,
        "encode": 500,
        "denoise": 1000,
        "whole": 1000,
    }


def test_floors_need_something_on_the_gpu() -> None:
    """A component that the inventory does not hold, or that stays on the CPU, asks for nothing."""
    assert limits.memory_floors(replace(inventory(), components={}), SUBJECT, lowest=dict.fromkeys(PHASES, 10**9)) == {}


def test_weights_that_were_never_together_are_no_floor(facts: AcceptedCase) -> None:
    """Components that stages load one after another lie on the GPU before their calls, but not when loading ends."""
    staged = replace(facts, peaks={**facts.peaks, "load": {ALLOCATED: (0, 0)}})
    assert limits.memory_bands(facts, SUBJECT)["load"].floor is not None
    bands = limits.memory_bands(staged, SUBJECT)
    assert bands["load"].floor is None
    assert bands["denoise"].floor is not None
    assert bands["whole"].floor is not None


def test_all_limits_of_a_case_are_found(store: Path) -> None:
    """Memory, host memory and what may be held come from the accepted runs."""
    found = limits.for_case(Store(store), MACHINE.id, SUBJECT, "full")
    assert found.host is not None
    assert found.host.ceiling is not None
    assert found.host.ceiling.n == 3
    assert found.gives_back is not None
    assert found.gives_back.ceiling is not None
    assert found.gives_back.ceiling.value == ALLOCATOR
    assert found.likeness == {}
    assert limits.for_case(Store(store), "other", SUBJECT, "full") == limits.CaseLimits()


def test_a_host_ceiling_needs_three_samples(tmp_path: Path) -> None:
    """Host memory is noisy: one run says nothing about its spread."""
    run = run_of(tmp_path / "runs", "full")
    accept(run, tmp_path / "store")
    assert limits.for_case(Store(tmp_path / "store"), MACHINE.id, SUBJECT, "full").host is None


def test_published_figures_are_ceilings(store: Path) -> None:
    """What somebody else reported stands beside what was measured here."""
    subject = replace(SUBJECT, published={"full": 39.27})
    found = limits.for_case(Store(store), MACHINE.id, subject, "full").published
    assert found is not None
    assert (found.value, found.source) == (39.27e9, "published")
    assert limits.published(subject, "nf4") is None


def sealed(store: Path, file: LimitsFile, *, at: str | None = None) -> Path:
    folder = store / (at or file.machine) / file.subject
    write_plain(folder / limits.FILE, file)
    manifest.seal(folder)
    return folder / limits.FILE


def file_for(machine: str, value: float) -> LimitsFile:
    band = Band(floor=limit(value))
    return LimitsFile(
        "tiny", machine, {"nf4": LikenessLimits({"ssim": band}, {"ssim": band}, ("other",))}, {"full": {"ssim": band}}
    )


def test_the_machines_own_likeness_comes_first(tmp_path: Path) -> None:
    """The portable limits stand in only where a machine has none of its own."""
    sealed(tmp_path, file_for("portable", 0.8))
    assert limits.for_case(Store(tmp_path), MACHINE.id, SUBJECT, "nf4").likeness["ssim"].floor == limit(0.8)
    sealed(tmp_path, file_for(MACHINE.id, 0.9))
    found = limits.for_case(Store(tmp_path), MACHINE.id, SUBJECT, "nf4")
    assert found.likeness["ssim"].floor == found.drift["ssim"].floor == limit(0.9)


def test_what_a_machine_did_not_measure_comes_from_the_portable_limits(tmp_path: Path) -> None:
    """Its own file without drift, or without a strategy, leaves room for the portable ones."""
    sealed(tmp_path, file_for("portable", 0.8))
    own = file_for(MACHINE.id, 0.9)
    sealed(tmp_path, replace(own, drift={}))
    assert limits.for_case(Store(tmp_path), MACHINE.id, SUBJECT, "nf4").drift["ssim"].floor == limit(0.8)
    sealed(tmp_path, replace(own, strategies={}))
    assert limits.for_case(Store(tmp_path), MACHINE.id, SUBJECT, "nf4").likeness["ssim"].floor == limit(0.8)


@pytest.mark.parametrize(("machine", "there"), [("cpu-avx2-torch1.0", True), (MACHINE.id, False)])
def test_what_cpus_do_says_nothing_about_gpus(tmp_path: Path, machine: str, there: bool) -> None:
    """Portable limits that were measured on a CPU stand in on another CPU, and not on a GPU."""
    band = Band(floor=replace(limit(0.8), machine="cpu-avx512-torch1.0"))
    found = LikenessLimits({"ssim": band}, {}, ())
    sealed(tmp_path, LimitsFile("tiny", "portable", {"nf4": found}, {"full": {"ssim": band}}))
    of_case = limits.for_case(Store(tmp_path), machine, SUBJECT, "nf4")
    assert (bool(of_case.likeness), bool(of_case.drift)) == (there, there)


def test_what_nobody_measured_here_is_lent_by_another_gpu(tmp_path: Path) -> None:
    """A quarter farther from equality, with the machine that it came from; a machine's own measurement comes first."""
    band = {"ssim": Band(limit(0.8, machine="a-gpu")), "flip": Band(limit(0.3), limit(0.2, machine="a-gpu"))}
    sealed(tmp_path, LimitsFile("tiny", "a-gpu", {"nf4": LikenessLimits(band, band, ())}, {"full": band}))
    found = limits.for_case(Store(tmp_path), MACHINE.id, SUBJECT, "nf4")
    assert found.likeness == found.overall
    source = "measured elsewhere, and a quarter more room"
    ssim, flip = found.likeness["ssim"], found.likeness["flip"]
    assert ssim.floor == replace(limit(pytest.approx(0.75), machine="a-gpu"), source=source)
    assert flip.ceiling == replace(limit(pytest.approx(0.25), machine="a-gpu"), source=source)
    assert flip.floor == replace(limit(pytest.approx(0.24)), source=source)
    assert found.drift == {}
    sealed(tmp_path, file_for(MACHINE.id, 0.9))
    assert limits.for_case(Store(tmp_path), MACHINE.id, SUBJECT, "nf4").likeness["ssim"].floor == limit(0.9)


def test_a_cpu_lends_nothing_to_a_gpu(tmp_path: Path) -> None:
    """But to another CPU it does; and what was measured on another subject says nothing."""
    sealed(tmp_path, file_for("cpu-avx2-torch1.0", 0.9))
    assert limits.for_case(Store(tmp_path), MACHINE.id, SUBJECT, "nf4") == limits.CaseLimits()
    assert limits.for_case(Store(tmp_path), "cpu-avx512-torch1.0", replace(SUBJECT, name="other"), "nf4").likeness == {}
    assert limits.for_case(Store(tmp_path), "cpu-avx512-torch1.0", SUBJECT, "nf4").likeness != {}


def test_a_strategy_drifts_like_full_unless_it_was_measured_itself() -> None:
    """Its own bands come first."""
    file = file_for(MACHINE.id, 0.9)
    assert file.drift_of("nf4") == file.drift["full"]
    own = {"ssim": Band(floor=limit(0.7))}
    assert replace(file, drift={**file.drift, "nf4": own}).drift_of("nf4") == own
    assert replace(file, drift={}).drift_of("nf4") == {}


def test_the_wider_of_two_bands_holds_both() -> None:
    """The lower floor and the higher ceiling, each with its own source; one that is missing asks for nothing."""
    low, high = limit(1), limit(9)
    assert limits.wider(Band(low, high), Band(limit(2), limit(8))) == Band(low, high)
    assert limits.wider(Band(limit(2), limit(8)), Band(low, high)) == Band(low, high)
    assert limits.wider(Band(low), Band(None, high)) == Band(low, high)


def test_a_changed_floor_is_noticed(tmp_path: Path) -> None:
    """One digit of a limit changed by hand gives a sentence that names the file."""
    path = sealed(tmp_path, file_for(MACHINE.id, 0.9))
    path.write_bytes(path.read_bytes().replace(b"0.9", b"0.8", 1))
    with pytest.raises(Refusal, match=r"limits\.json was damaged or edited"):
        limits.for_case(Store(tmp_path), MACHINE.id, SUBJECT, "nf4")


def test_limits_of_another_subject_are_refused(tmp_path: Path) -> None:
    """A file moved to another machine's folder is not taken for its own."""
    sealed(tmp_path, file_for("another", 0.9), at=MACHINE.id)
    with pytest.raises(Refusal, match="it is of another, tiny"):
        limits.for_case(Store(tmp_path), MACHINE.id, SUBJECT, "nf4")


FLOATS = st.floats(allow_nan=False, allow_infinity=False)
LIMITS = st.builds(Limit, value=FLOATS, source=st.text(max_size=9), mean=st.none() | FLOATS, n=st.none() | st.just(3))
BANDS = st.dictionaries(
    st.sampled_from(MEASURES), st.builds(Band, floor=st.none() | LIMITS, ceiling=st.none() | LIMITS), max_size=3
)


@given(
    file=st.builds(
        LimitsFile,
        subject=st.just("tiny"),
        machine=st.just("m"),
        strategies=st.dictionaries(
            st.from_regex(r"[a-z]{1,5}", fullmatch=True),
            st.builds(LikenessLimits, BANDS, BANDS, st.lists(st.text(max_size=5), max_size=2).map(tuple)),
            max_size=2,
        ),
        drift=st.dictionaries(st.from_regex(r"[a-z]{1,5}", fullmatch=True), BANDS, max_size=2),
        schema=st.just(1),
    )
)
def test_any_limits_survive_the_file(tmp_path_factory: pytest.TempPathFactory, file: LimitsFile) -> None:
    """Whatever was measured is read back equal."""
    store = tmp_path_factory.mktemp("store")
    sealed(store, file)
    assert list(limits.read_limits(Store(store), "m", "tiny")) == [file]


def test_what_loading_adds_and_memory_come_from_the_accepted_runs(store: Path) -> None:
    """Each figure has a band of its own; where nobody asks what was accepted, none has."""
    found = limits.for_case(Store(store), MACHINE.id, SUBJECT, "full")
    assert set(found.memory) == {*PHASES, "whole"}
    ignored = limits.for_case(Store(store), MACHINE.id, SUBJECT, "full", accepted=False)
    assert ignored == limits.CaseLimits()


def test_what_is_stable_and_what_loading_adds_reach_the_case(store: Path, facts: AcceptedCase, tmp_path: Path) -> None:
    """From the facts of three runs that agree."""
    whole: dict[str, tuple[int, ...]] = {ALLOCATED: (5,) * 3, RESERVED: (9 << 20,) * 3}
    peaks: dict[str, dict[str, tuple[int, ...]]] = {"whole": whole, "load": {OWN_HOST: (60 << 20,) * 3}}
    folder = tmp_path / MACHINE.id / "tiny"
    write_plain(folder / baselines.facts_file("full"), replace(facts, peaks=peaks))
    manifest.seal(folder)
    found = limits.for_case(Store(tmp_path), MACHINE.id, SUBJECT, "full")
    assert set(found.stable) == {RESERVED, limits.FRAGMENTATION}
    fragmentation = found.stable[limits.FRAGMENTATION].ceiling
    assert fragmentation is not None
    assert fragmentation.mean == (9 << 20) - 5  # reserved, less what is allocated
    assert found.host_load is not None


def test_nothing_that_was_never_measured_has_a_band(facts: AcceptedCase) -> None:
    """No peaks, no inventory, no figure of what is held: no limits, and no error."""
    bare = replace(facts, peaks={}, inventory=None, held_after=())
    assert limits.memory_bands(bare, SUBJECT) == {}
    assert limits.stable_bands(bare) == {}
    assert limits._host_band(bare, "load", OWN_HOST) is None
    assert limits._held_band(bare) is None
    assert limits.wider(Band(), Band()) == Band()


def test_a_floor_is_what_lay_on_the_gpu_at_the_most(facts: AcceptedCase) -> None:
    """The decoder's weights while it decodes, and as much as the least that was seen; a byte more is no floor."""
    places = {"during": {"cuda:0": 700, "cpu": 9000}}
    parts = inventory()
    decoder = replace(parts.components["transformer"], name="vae", placement=places)
    whole = replace(parts, components={**parts.components, "vae": decoder})
    seen = dict.fromkeys(PHASES, 700)
    assert limits.memory_floors(whole, SUBJECT, lowest=seen)["decode"].value == 700
    assert "decode" not in limits.memory_floors(whole, SUBJECT, lowest={**seen, "decode": 699})
    assert "decode" not in limits.memory_floors(whole, SUBJECT, lowest={"load": 700})


def test_a_floor_below_nothing_is_none(facts: AcceptedCase) -> None:
    """Where the room is larger than the value, anything less is allowed."""
    assert limits.band((ALLOCATOR,), figure=ALLOCATED, case=facts).floor is None
    least = limits.band((ALLOCATOR + 1,), figure=ALLOCATED, case=facts).floor
    assert least is not None
    assert least.value == 1


def test_limits_lent_by_another_machine_keep_what_they_let_through() -> None:
    """Controls that measured limits do not tell apart are named there, too."""
    band = {"ssim": Band(floor=limit(0.8))}
    assert limits._with_more_room(LikenessLimits(band, {}, ("coarse",))).unseparated == ("coarse",)

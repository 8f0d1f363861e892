"""Samples: measurements gather while they agree; what lies outside of their margin starts anew, upwards by itself."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxgate.baselines import samples
from fluxgate.baselines.memory_limits import ALLOCATOR, margin
from fluxgate.baselines.samples import MOST, Samples, join, join_paces
from tests.baselines.acceptance import accepted_case
from tests.runs import building
from tests.wording import unsaid

GB = 10**9


def peaks(*allocated: int) -> Samples:
    return Samples({"load": {"allocated": allocated}}, (0,) * len(allocated), {"load": (1.0,) * len(allocated)})


def joined(before: Samples, value: int, *, again: bool = False, tighten: bool = False) -> samples.Joined:
    return join(before, peaks(value), again=again, tighten=tighten)


def allocated(found: samples.Joined) -> tuple[int, ...]:
    return found.samples.peaks["load"]["allocated"]


def test_what_a_run_measured_is_one_sample_of_each(tmp_path: Path) -> None:
    """Every peak of every phase and of the whole, what was held afterwards, and every phase's seconds."""
    found = samples.measured(building.rendering("full", tmp_path))
    assert found.peaks["denoise"] == {"allocated": (GB,), "host": (2 * GB,)}
    assert found.peaks["whole"] == {"allocated": (GB,), "host": (2 * GB,)}
    assert (found.held_after, found.seconds) == ((0,), {"load": (1.0,), "denoise": (2.0,)})
    unmeasured = replace(building.rendering("full", tmp_path), memory=None, durations=())
    assert samples.measured(unmeasured) == Samples()


def test_what_libraries_cache_is_not_held_by_the_pipeline(tmp_path: Path) -> None:
    """It is not judged, either: accepted with the rest, it would be room for a leak of its size."""
    rendering = building.rendering("full", tmp_path)
    assert rendering.memory is not None
    memory = replace(rendering.memory, held_after=500, held_by_caches=400)
    assert samples.measured(replace(rendering, memory=memory)).held_after == (100,)


def test_what_was_measured_is_what_is_accepted_of_it(accepted: Path, tmp_path: Path) -> None:
    """After one run the samples of a case are that run's."""
    measured = samples.measured(building.rendering("full", tmp_path))
    assert samples.accepted(accepted_case(accepted, "full")) == measured


def test_the_first_samples_are_no_change_of_any() -> None:
    """Where nothing was accepted there is nothing to say."""
    assert joined(Samples(), GB) == samples.Joined(peaks(GB))


def test_more_that_stays_is_told_and_starts_anew() -> None:
    """A leak would be the ceiling of all later runs, and nobody would have been asked."""
    before = replace(peaks(GB), held_after=(0,))
    same, leaks = (join(before, replace(peaks(GB), held_after=(held,)), again=False, tighten=False) for held in (9, GB))
    assert (same.samples.held_after, len(same.changes)) == ((0, 9), 1)
    assert leaks.samples.held_after == (GB,)
    assert not unsaid(leaks.changes[0], "stays", "freed", "rises by 1.00 GB")
    assert join(leaks.samples, before, again=False, tighten=False).samples.held_after == (0,)
    unknown = join(before, replace(peaks(GB), held_after=()), again=False, tighten=False)
    assert unknown.samples.held_after == (0,)


def test_samples_gather_while_they_agree() -> None:
    """Each accepted run is one more measurement, up to the margin, and one byte above it is another thing."""
    edge = GB + ALLOCATOR
    assert joined(peaks(GB), edge).samples == peaks(GB, edge)
    assert allocated(joined(peaks(GB), edge + 1)) == (edge + 1,)


def test_a_risen_peak_starts_anew_and_says_so() -> None:
    """What lies above the ceiling was accepted with the pictures; the seconds go on."""
    found = joined(peaks(GB), 2 * GB)
    assert not unsaid(found.changes[0], "allocated peak of load rises by 1.00 GB to 2.00 GB")
    assert found.samples.seconds == {"load": (1.0, 1.0)}
    assert found.notes == ()


def test_a_fallen_peak_starts_anew_and_says_so() -> None:
    """It was red as a risen one is, and was accepted."""
    found = joined(peaks(GB), 9 * GB // 10)
    assert allocated(found) == (9 * GB // 10,)
    assert not unsaid(found.changes[0], "allocated peak of load falls by 0.10 GB to 0.90 GB", "its ceiling")


def test_host_memory_lowers_its_ceiling_only_when_asked() -> None:
    """It has no floor; else it is noted, and the samples stay without it."""
    before, less = (Samples({"load": {"host": (value,)}}) for value in (4 * GB, GB))
    found = join(before, less, again=False, tighten=False)
    assert found.samples.peaks == before.peaks
    assert [unsaid(note, "host peak of load fell by 3.00 GB to 1.00 GB", "--tighten") for note in found.notes] == [[]]
    tightened = join(before, less, again=False, tighten=True)
    assert tightened.samples.peaks == less.peaks
    assert tightened.notes == ()


@pytest.mark.parametrize(
    ("earlier", "value"),
    [((40 * GB,), 42 * GB), ((40 * GB, 46 * GB, 46 * GB), 67 * GB)],
)
def test_host_memory_gathers_within_its_own_margin(earlier: tuple[int, ...], value: int) -> None:
    """A share of what was accepted, which is a mean of three, and not the block of an allocator around the first."""
    before, run = (Samples({"load": {"host": samples}}) for samples in (earlier, (value,)))
    found = join(before, run, again=False, tighten=False)
    assert found.samples.peaks["load"]["host"] == (*earlier, value)
    assert [unsaid(change, f"{len(earlier) + 1} in all") for change in found.changes] == [[]]


@pytest.mark.parametrize(
    ("earlier", "new", "expected"),
    [
        ((), (2.0,), (2.0,)),
        ((4.0,), (5.0,), (4.0, 5.0)),
        ((4.0,), (3.0,), (4.0, 3.0)),
        ((4.0,), (5.01,), (5.01,)),
        ((4.0,), (2.99,), (2.99,)),
        ((1.0, 4.0, 4.0), (4.0, 9.0, 4.0), (1.0, 4.0, 4.0, 4.0, 9.0, 4.0)),
    ],
)
def test_paces_gather_within_a_quarter(
    earlier: tuple[float, ...], new: tuple[float, ...], expected: tuple[float, ...]
) -> None:
    """Beyond it, either way, the step is another one and starts anew; one slow take alone moves no median."""
    before = {"cat": (1.0,), **({"fox": earlier} if earlier else {})}
    assert join_paces(before, {"fox": new}) == {"cat": (1.0,), "fox": expected}
    assert before.get("fox", ()) == earlier


def test_a_phase_without_seconds_can_be_accepted() -> None:
    """One that ends within five microseconds is kept as none, to five digits; another run may tell of some."""
    none, some = {"encode of fox": (0.0,)}, {"encode of fox": (0.00001,)}
    assert join_paces(none, none) == {"encode of fox": (0.0, 0.0)}
    assert join_paces(none, some) == some


def test_a_run_gives_its_samples_once() -> None:
    """Accepted again it changes nothing."""
    assert joined(peaks(GB), GB, again=True) == samples.Joined(peaks(GB))


def test_what_this_run_did_not_measure_stays() -> None:
    """A figure that the driver did not tell this time keeps its samples."""
    before = Samples({"load": {"driver": (5,)}, "decode": {"host": (7,)}}, (), {"decode": (1.0,)})
    after = joined(before, GB).samples
    assert after.peaks == {"load": {"driver": (5,), "allocated": (GB,)}, "decode": {"host": (7,)}}
    assert after.seconds == {"decode": (1.0,), "load": (1.0,)}


def test_the_oldest_samples_go() -> None:
    """A facts file stays readable; the first ones, which the others are held to, stay."""
    after = joined(peaks(GB + 5, *[GB] * (MOST - 1)), GB + 1)
    assert allocated(after) == (GB + 5, *[GB] * (MOST - 2), GB + 1)
    assert [unsaid(change, "peaks and seconds", f"{MOST} in all") for change in after.changes] == [[]]


@given(st.lists(st.integers(10**8, 10**10), min_size=1, max_size=8))
def test_the_newest_sample_is_always_within_the_margin(values: list[int]) -> None:
    """Whatever was measured, in whatever order, is allowed once it was accepted."""
    found = Samples()
    for value in values:
        found = join(found, peaks(value), again=False, tighten=True).samples
    last = found.peaks["load"]["allocated"]
    assert last[-1] == values[-1]
    assert abs(last[-1] - last[0]) <= margin(last, figure="allocated")

"""Tests of how memory and seconds moved: the limit of each answer, from both sides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from fluxgate.gate.trends import (
    LOADED,
    memory_trend,
    more_by_libraries,
    seconds_trend,
    spreads_of,
    spreads_of_loading,
    too_heavy,
)
from fluxgate.rendering import Duration, Memory, PhaseMemory, Rendering
from fluxgate.report.gate_result import Trend
from tests.judge.made import made

MIB = 1 << 20


@pytest.fixture(scope="module")
def rendering(tmp_path_factory: pytest.TempPathFactory) -> Rendering:
    return made(tmp_path_factory.mktemp("made")).rendering


def with_gpu(rendering: Rendering, allocated: int) -> Rendering:
    return replace(
        rendering, memory=Memory((PhaseMemory("load", allocated, None, None, None),), None, None, None, None)
    )


def with_host(
    rendering: Rendering, *, loaded: int | None, peak: int | None = None, before: int | None = None
) -> Rendering:
    return replace(rendering, memory=Memory((), None, peak, None, None, host_loaded=loaded, host_before=before))


def trend(before: Sequence[Rendering], after: Sequence[Rendering]) -> Trend | None:
    moved = memory_trend(before, after)
    return moved.trend if moved else None


@pytest.mark.parametrize(
    ("more", "answer"),
    [(2 * MIB, Trend.SAME), (2 * MIB + 1, Trend.WORSE), (-2 * MIB, Trend.SAME), (-2 * MIB - 1, Trend.BETTER)],
)
def test_what_the_allocator_rounds_to_is_the_same(rendering: Rendering, more: int, answer: Trend) -> None:
    """Two MiB, of little memory."""
    assert trend([with_gpu(rendering, 10 * MIB)], [with_gpu(rendering, 10 * MIB + more)]) is answer


@pytest.mark.parametrize(("after", "answer"), [(10_010_000_000, Trend.SAME), (10_010_000_001, Trend.WORSE)])
def test_a_thousandth_of_much_memory_is_the_same(rendering: Rendering, after: int, answer: Trend) -> None:
    """Ten GB and ten MB."""
    assert trend([with_gpu(rendering, 10_000_000_000)], [with_gpu(rendering, after)]) is answer


def test_what_varies_by_itself_is_not_worse(rendering: Rendering) -> None:
    """Neither where this case was rendered several times, nor where another one was."""
    one, again, more = (with_gpu(rendering, mib * MIB) for mib in (100, 110, 109))
    assert trend([one], [more]) is Trend.WORSE
    assert trend([one, again], [more]) is Trend.SAME
    known = memory_trend([one], [more], spreads=spreads_of([one, again]))
    assert known is not None
    assert known.trend is Trend.SAME


def test_a_part_tells_only_how_loading_varies(rendering: Rendering) -> None:
    """What fewer shots take at the most says nothing about the others."""
    phases = (PhaseMemory("load", 100, None, None, None), PhaseMemory("decode", 100, None, None, None))
    one = replace(rendering, memory=Memory(phases, None, 300, None, None, host_loaded=200))
    low = (PhaseMemory("load", 110, None, None, None), PhaseMemory("decode", 50, None, None, None))
    part = replace(rendering, memory=Memory(low, None, 250, None, None, host_loaded=210))
    assert {phase for _, phase in spreads_of_loading([one, part])} == {"load", LOADED}
    assert len(spreads_of([one, part])) == 4


def test_a_peak_of_the_host_is_noise_unless_it_is_large(rendering: Rendering) -> None:
    """Then it is worse, and still no reason against an upgrade; what was resident once loaded is one."""
    one = with_host(rendering, loaded=None, peak=700_000_000)
    assert trend([one], [with_host(rendering, loaded=None, peak=770_000_000)]) is Trend.UNDECIDED
    large = memory_trend([one], [with_host(rendering, loaded=None, peak=1_400_000_000)])
    assert large is not None
    assert (large.trend, too_heavy(large)) == (Trend.WORSE, False)
    loaded = memory_trend(
        [with_host(rendering, loaded=700_000_000, peak=None)], [with_host(rendering, loaded=1_400_000_000, peak=None)]
    )
    assert loaded is not None
    assert (loaded.trend, loaded.phase, too_heavy(loaded)) == (Trend.WORSE, LOADED, True)


def test_what_libraries_take_before_anything_loads_is_no_reason(rendering: Rendering) -> None:
    """A torch built for CUDA takes as much more however much is loaded; it is told, and a case's own bytes count."""
    one = with_host(rendering, loaded=500_000_000, before=420_000_000)
    libraries = with_host(rendering, loaded=673_000_000, before=593_000_000)
    moved = memory_trend([one], [libraries])
    assert moved is not None
    by_libraries = more_by_libraries([one], [libraries])
    assert (moved.trend, by_libraries, too_heavy(moved, by_libraries)) == (Trend.WORSE, 173_000_000, False)
    assert "the libraries take 0.17 GB more before anything loads" in moved.reason
    own = [with_host(rendering, loaded=773_000_000, before=593_000_000)]
    heavy = memory_trend([one], own)
    assert too_heavy(heavy, more_by_libraries([one], own))
    unknown = [with_host(rendering, loaded=673_000_000)]
    assert too_heavy(memory_trend([one], unknown), more_by_libraries([one], unknown))


def test_a_noisy_figure_hides_none_that_is_a_reason(rendering: Rendering) -> None:
    """Though a peak of the host grew by a larger share."""
    one = with_host(rendering, loaded=500_000_000, peak=600_000_000)
    moved = memory_trend([one], [with_host(rendering, loaded=600_000_000, peak=1_200_000_000)])
    assert moved is not None
    assert (moved.phase, too_heavy(moved)) == (LOADED, True)


def test_what_was_not_measured_has_no_trend(rendering: Rendering) -> None:
    """Rather than the same."""
    assert memory_trend([replace(rendering, memory=None)], [with_gpu(rendering, 1)]) is None


def timed(rendering: Rendering, *seconds: float) -> list[Rendering]:
    return [replace(rendering, durations=(Duration("denoise", each, "fox", 0, processor=each),)) for each in seconds]


def test_few_measurements_decide_nothing_about_seconds(rendering: Rendering) -> None:
    """However far apart they are: three of each cannot."""
    moved = seconds_trend(timed(rendering, 1, 1, 1), timed(rendering, 9, 9, 9))
    assert moved is not None
    assert (moved.trend, moved.before, moved.after) == (Trend.UNDECIDED, 1, 9)


@pytest.mark.parametrize(
    ("after", "answer"),
    [
        ((2.0, 2.1, 2.2, 2.3), Trend.WORSE),
        ((0.5, 0.6, 0.7, 0.8), Trend.BETTER),
        ((1.05, 1.15, 1.25, 1.35), Trend.SAME),  # the two overlap
        ((1.31, 1.311, 1.312, 1.313), Trend.WORSE),
    ],
)
def test_four_of_each_decide(rendering: Rendering, after: tuple[float, ...], answer: Trend) -> None:
    """If they do not overlap."""
    moved = seconds_trend(timed(rendering, 1.0, 1.1, 1.2, 1.3), timed(rendering, *after))
    assert moved is not None
    assert moved.trend is answer


def test_a_hundredth_is_the_same_however_sure_it_is(rendering: Rendering) -> None:
    """Nobody minds."""
    moved = seconds_trend(timed(rendering, 1.0, 1.0001, 1.0002, 1.0003), timed(rendering, 1.01, 1.011, 1.012, 1.013))
    assert moved is not None
    assert moved.trend is Trend.SAME

"""Tests of the checks of peaks, each at its limit and one byte to either side."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fluxgate.baselines.limits import Band, CaseLimits, Limit
from fluxgate.baselines.memory_limits import FRAGMENTATION
from fluxgate.compare.facts import DRIVER, RESERVED, WHOLE
from fluxgate.judge.checks.ceilings import is_beyond
from fluxgate.judge.evidence import Evidence
from fluxgate.judge.standards import BaselineUse
from fluxgate.judge.verdict import CEILING, FAILED, HOST, NO_DATA, NOT_SELECTED, PASSED
from fluxgate.rendering import DENOISE, PHASES, Memory
from tests.judge.checks.memories import GB, memory, using
from tests.judge.made import CRASH, verdict
from tests.wording import unsaid


def ceiling(value: float, phase: str = WHOLE) -> CaseLimits:
    return CaseLimits(memory={phase: Band(ceiling=Limit(value, "measured", n=5, machine="tiny"))})


@pytest.mark.parametrize(("above", "status"), [(-1, PASSED), (0, PASSED), (1, FAILED)])
@pytest.mark.parametrize("phase", [*PHASES, WHOLE])
def test_a_ceiling_is_kept_to_the_byte(tmp_path: Path, above: int, status: str, phase: str) -> None:
    """One byte above a ceiling fails, in every phase and over all."""
    found = verdict(using(tmp_path, memory(5 * GB + above), limits=ceiling(5 * GB, phase)), CEILING)
    assert found.status == status
    assert found.limit == Limit(5 * GB, "measured", n=5, machine="tiny")
    assert found.numbers[f"allocated {phase}"] == 5 * GB + above


@pytest.mark.parametrize(("above", "status"), [(-1, FAILED), (0, PASSED), (1, PASSED)])
def test_a_floor_is_kept_to_the_byte(tmp_path: Path, above: int, status: str) -> None:
    """Less than the weights need is as wrong as too much."""
    limits = CaseLimits(memory={WHOLE: Band(floor=Limit(5 * GB, "inventory: weights on the GPU"))})
    found = verdict(using(tmp_path, memory(5 * GB + above), limits=limits), CEILING)
    assert found.status == status
    assert ("Something may not have been loaded" in found.sentence) == (status == FAILED)
    assert not unsaid(found.sentence, "1 B less" if status == FAILED else "at least 5.00 GB")


def test_of_several_limits_the_one_over_all_phases_is_told(tmp_path: Path) -> None:
    """Each phase is held to its own peak all the same."""
    each = {phase: Band(ceiling=Limit(6 * GB, f"of {phase}")) for phase in (*PHASES, WHOLE)}
    found = verdict(using(tmp_path, memory(denoise=6 * GB), limits=CaseLimits(memory=each)), CEILING)
    assert (found.status, found.limit) == (PASSED, Limit(6 * GB, f"of {WHOLE}"))
    assert not unsaid(found.sentence, "5 peaks", "the case peaks at 6.00 GB", "at most 6.00 GB")
    assert {phase: found.numbers[f"allocated {phase}"] for phase in (*PHASES, WHOLE)} == {
        "load": 5 * GB,
        "encode": 5 * GB,
        "denoise": 6 * GB,
        "decode": 5 * GB,
        WHOLE: 6 * GB,
    }


def test_a_missed_ceiling_is_told_whole(tmp_path: Path) -> None:
    """Which phase, what was found, by how much, the ceiling and its source, what to run."""
    found = verdict(using(tmp_path, memory(denoise=6 * GB), limits=ceiling(5.5 * GB, DENOISE)), CEILING)
    assert found.sentence == (
        "Denoise peaks at 6.00 GB, 0.50 GB more than the ceiling of 5.50 GB (measured, n=5, tiny). "
        "Most likely diffusers or torch. Run pytest --subject tiny --strategy offload."
    )


def test_bytes_are_told_where_rounding_would_hide_them(tmp_path: Path) -> None:
    """5.00 GB is not told to be more than 5.00 GB."""
    found = verdict(using(tmp_path, memory(5 * GB + 1), limits=ceiling(5 * GB)), CEILING)
    assert not unsaid(found.sentence, "5,000,000,001 B", "1 B", "5,000,000,000 B")


def test_a_loose_ceiling_is_reported(tmp_path: Path) -> None:
    """A ceiling far above what is used passes, and says what tightens it."""
    found = verdict(using(tmp_path, memory(4 * GB), limits=ceiling(5 * GB)), CEILING)
    assert found.status == PASSED
    assert not unsaid(found.sentence, "Too loose", "whole", "fluxgate accept --tighten")
    assert "Too loose" not in verdict(using(tmp_path, memory(4_900_000_000), limits=ceiling(5 * GB)), CEILING).sentence


def test_a_published_figure_is_told_and_never_judged(tmp_path: Path) -> None:
    """What somebody else reported is met or missed by how much, as the driver sees it."""
    published = replace(ceiling(5 * GB), published=Limit(5.5 * GB, "published"))
    found = verdict(using(tmp_path, memory(), limits=published), CEILING)
    assert found.status == PASSED
    assert not unsaid(found.sentence, "published 5.50 GB", "missed by 0.50 GB", "driver: 6.00 GB")
    met = replace(ceiling(5 * GB), published=Limit(6 * GB, "published"))
    assert not unsaid(verdict(using(tmp_path, memory(), limits=met), CEILING).sentence, "published 6.00 GB", "met")


def test_without_limits_or_a_measure_there_is_no_data(tmp_path: Path) -> None:
    """What would give them is told, and never a figure of 0."""
    found = verdict(using(tmp_path, memory()), CEILING)
    assert (found.status, unsaid(found.sentence, "No ceiling", "run fluxgate accept")) == (NO_DATA, [])
    assert found.numbers[f"allocated {WHOLE}"] == 5 * GB
    found = verdict(using(tmp_path, memory(None, held=None)), CEILING)
    assert (found.status, unsaid(found.sentence, "not measured", "no GPU")) == (NO_DATA, [])
    found = verdict(using(tmp_path, None), CEILING)
    assert (found.status, "the worker measured no memory" in found.sentence) == (NO_DATA, True)


@pytest.mark.parametrize("check", [CEILING, HOST])
def test_ceilings_that_were_left_out_were_not_selected(tmp_path: Path, check: str) -> None:
    """With --no-baseline nobody misses them; the peak is told all the same."""
    found = verdict(using(tmp_path, memory(), baseline_use=BaselineUse.IGNORED), check)
    assert (found.status, found.sentence.startswith("What was accepted was left out")) == (NOT_SELECTED, True)
    assert " It peaks at " in found.sentence
    peak, value = (f"allocated {WHOLE}", 5 * GB) if check == CEILING else ("host peak", 2 * GB)
    assert found.numbers[peak] == value


# What is stable beside it


@pytest.mark.parametrize(("figure", "value"), [(RESERVED, 9 * GB), (FRAGMENTATION, 4 * GB), (DRIVER, 6 * GB)])
@pytest.mark.parametrize(("away", "status"), [(0, PASSED), (1, FAILED), (-1, FAILED)])
def test_what_is_stable_is_held_both_ways(tmp_path: Path, figure: str, value: int, away: int, status: str) -> None:
    """What torch reserves, what of it is not allocated, and what the driver counts for this process."""
    held = Limit(value - away, "measured")
    limits = replace(ceiling(5 * GB), stable={figure: Band(held, held)})
    found = memory()
    phases = tuple(replace(one, reserved=9 * GB) for one in found.phases)
    using_it = using(tmp_path, replace(found, phases=phases, driver_scope="process"), limits=limits)
    assert verdict(using_it, CEILING).status == status
    assert verdict(using_it, CEILING).numbers[figure] == value


def test_what_torch_does_not_use_is_not_known_without_what_it_reserves(tmp_path: Path) -> None:
    """The allocated peak is judged all the same."""
    phases = tuple(replace(one, reserved=None) for one in memory().phases)
    found = verdict(using(tmp_path, replace(memory(), phases=phases), limits=ceiling(5 * GB)), CEILING)
    assert (found.status, FRAGMENTATION in found.numbers) == (PASSED, False)


def test_what_the_driver_sees_of_others_is_not_judged(tmp_path: Path) -> None:
    """Where it counts the whole device, other processes are among it."""
    limits = replace(ceiling(5 * GB), stable={DRIVER: Band(ceiling=Limit(1.0, "measured"))})
    found = verdict(using(tmp_path, replace(memory(), driver_scope="device"), limits=limits), CEILING)
    assert (found.status, DRIVER in found.numbers) == (PASSED, False)


# Once more


def rendered_again(found: Evidence, more: Memory | None, **changes: Any) -> Evidence:
    """The same, and what another rendering of the case gave."""
    assert found.rendered is not None
    again = replace(found.rendered.rendering, memory=more, wall_seconds=12.0, **changes)
    return replace(found, once_more=replace(found.rendered, rendering=again))


def test_a_peak_is_red_when_another_rendering_confirms_it(tmp_path: Path) -> None:
    """The second decides, and what it cost is told; a peak that is well is not asked about."""
    beyond = using(tmp_path, memory(6 * GB), limits=ceiling(5 * GB))
    assert is_beyond(beyond)
    assert not is_beyond(using(tmp_path, memory(5 * GB), limits=ceiling(5 * GB)))
    confirmed = verdict(rendered_again(beyond, memory(7 * GB)), CEILING)
    assert (confirmed.status, confirmed.numbers[f"allocated {WHOLE}"]) == (FAILED, 7 * GB)
    assert not unsaid(confirmed.sentence, "once more", "12.0 s", "both times")
    chance = verdict(rendered_again(beyond, memory(5 * GB)), CEILING)
    assert chance.status == PASSED
    assert not unsaid(chance.sentence, "12.0 s", "the first time", "6.00 GB")
    well = using(tmp_path, memory(5 * GB), limits=ceiling(5 * GB))
    assert verdict(rendered_again(well, memory(7 * GB)), CEILING).status == PASSED


def test_a_second_rendering_that_crashed_confirms_nothing_else(tmp_path: Path) -> None:
    """The first answer stays."""
    beyond = using(tmp_path, memory(6 * GB), limits=ceiling(5 * GB))
    found = verdict(rendered_again(beyond, None, crash=CRASH), CEILING)
    assert (found.status, unsaid(found.sentence, "crashed", "SIGSEGV")) == (FAILED, [])


def test_host_memory_is_confirmed_too(tmp_path: Path) -> None:
    """On a CPU it is all there is."""
    limits = CaseLimits(host=Band(ceiling=Limit(2 * GB, "measured")))
    beyond = using(tmp_path, memory(host=3 * GB), limits=limits)
    assert is_beyond(beyond)
    assert verdict(rendered_again(beyond, memory(host=GB)), HOST).status == PASSED


# Host memory


def test_a_copy_held_only_while_loading_is_beyond(tmp_path: Path) -> None:
    """What loading adds has its own ceiling, however large the process is otherwise."""
    limits = CaseLimits(host=Band(ceiling=Limit(9 * GB, "measured")), host_load=Band(ceiling=Limit(GB, "measured")))
    found = verdict(using(tmp_path, replace(memory(host=2 * GB), host_before=GB - 1), limits=limits), HOST)
    assert (found.status, found.numbers["host, own, load"]) == (FAILED, GB + 1)
    assert not unsaid(found.sentence, "1,000,000,001 B", "1 B", "host memory")
    assert verdict(using(tmp_path, replace(memory(host=2 * GB), host_before=GB), limits=limits), HOST).status == PASSED


@pytest.mark.parametrize(("above", "status"), [(-1, PASSED), (0, PASSED), (1, FAILED)])
def test_host_memory_has_a_ceiling_of_its_own(tmp_path: Path, above: int, status: str) -> None:
    """The worker's own peak, to the byte."""
    limits = CaseLimits(host=Band(ceiling=Limit(2 * GB, "measured")))
    found = verdict(using(tmp_path, memory(host=2 * GB + above), limits=limits), HOST)
    assert (found.status, found.numbers) == (status, {"host peak": 2 * GB + above})
    assert (unsaid(found.sentence, "2,000,000,001 B", "1 B", "ceiling") == []) == (above > 0)
    assert found.limit == Limit(2 * GB, "measured")
    assert status == FAILED or not unsaid(found.sentence, "at most")


def test_host_memory_without_limit_or_measure_has_no_data(tmp_path: Path) -> None:
    """Why there is nothing to say is said."""
    assert "accept 3 runs" in verdict(using(tmp_path, memory()), HOST).sentence
    empty = CaseLimits(host=Band())
    assert verdict(using(tmp_path, memory(), limits=empty), HOST).status == NO_DATA
    unmeasured = replace(memory(host=None), unavailable={"host": "the system does not tell"})
    found = verdict(using(tmp_path, unmeasured), HOST)
    assert not unsaid(found.sentence, "Host memory was not measured", "the system does not tell")


def test_host_memory_may_have_a_floor_alone(tmp_path: Path) -> None:
    """Then that is what it is told with."""
    limits = CaseLimits(host=Band(floor=Limit(GB, "measured")))
    found = verdict(using(tmp_path, memory(), limits=limits), HOST)
    assert (found.status, found.limit) == (PASSED, Limit(GB, "measured"))
    assert not unsaid(found.sentence, "at least 1.00 GB")

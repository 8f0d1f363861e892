"""Tests of the meter: bytes and seconds go to the phase in which they were spent."""

from __future__ import annotations

import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from fluxgate.render.measure.gauges import STATUS, resident
from fluxgate.render.measure.meter import Meter, without_garbage
from fluxgate.rendering import DECODE, DENOISE, ENCODE, LOAD
from tests.render.measure.test_gauges import SIZE, SLACK, file_in_memory, touched
from tests.wording import unsaid

needs_proc = pytest.mark.skipif(not STATUS.exists(), reason="there is no /proc/self/status here")


@needs_proc
def test_an_allocation_counts_in_its_phase_only() -> None:
    """What is freed within a phase raises that phase's peak and no other's."""
    meter = Meter("cpu")
    meter.switch(LOAD)
    meter.switch(ENCODE)
    touched(SIZE).close()
    meter.switch(DENOISE)
    meter.switch(None)
    peaks = {entry.phase: entry.host or 0 for entry in meter.memory().phases}
    assert SIZE - SLACK < peaks[ENCODE] - peaks[LOAD] < SIZE + SLACK
    assert abs(peaks[DENOISE] - peaks[LOAD]) < SLACK
    assert meter.memory().host_peak == peaks[ENCODE]


@needs_proc
def test_an_allocation_in_a_pause_counts_nowhere() -> None:
    """What the probe needs for itself is not the pipeline's."""
    meter = Meter("cpu")
    meter.switch(DENOISE)
    before = resident()
    with meter.paused():
        touched(SIZE).close()
    meter.switch(None)
    assert (meter.memory().peak("host") or 0) - before < SLACK


@needs_proc
def test_a_phase_that_comes_again_keeps_its_highest_peak() -> None:
    """The second shot does not wipe out the first one's."""
    meter = Meter("cpu")
    meter.switch(DENOISE)
    touched(SIZE).close()
    meter.switch(None)
    first = meter.memory().peak("host")
    meter.switch(DENOISE)
    meter.switch(None)
    assert meter.memory().peak("host") == first


def test_seconds_go_to_their_phase_and_not_to_pauses() -> None:
    """Two stretches of a phase add up; a pause within does not count, however slow the machine is."""
    meter = Meter("cpu")
    begun = time.perf_counter()
    meter.switch(DENOISE)
    time.sleep(0.02)
    with meter.paused():
        paused = time.perf_counter()
        time.sleep(0.05)
        pause = time.perf_counter() - paused
    time.sleep(0.02)
    meter.switch(DECODE)
    meter.switch(None)
    whole = time.perf_counter() - begun
    spent = meter.take_spent()
    assert list(spent) == [DENOISE, DECODE]
    assert spent[DENOISE].seconds >= 0.04
    assert spent[DENOISE].seconds + spent[DECODE].seconds <= whole - pause


def idle() -> None:
    """Wait for threads of earlier tests: they look out for more work for a while, which is work, too."""
    until = time.monotonic() + 30
    while time.monotonic() < until:
        before = time.process_time()
        time.sleep(0.1)
        if time.process_time() - before < 0.01:
            return


def test_what_the_processor_worked_is_told_apart_from_waiting() -> None:
    """Sleeping is no work, and work is; whatever else the machine does meanwhile."""
    idle()
    meter = Meter("cpu")
    meter.switch(ENCODE)
    time.sleep(0.2)
    meter.switch(DENOISE)
    until = time.process_time() + 0.2
    while time.process_time() < until:
        pass
    meter.switch(None)
    spent = meter.take_spent()
    assert spent[ENCODE].processor < 0.1 <= spent[ENCODE].seconds
    assert 0.2 <= spent[DENOISE].processor < 0.3


def test_seconds_are_taken_once() -> None:
    """The next take starts from nothing."""
    meter = Meter("cpu")
    meter.switch(LOAD)
    meter.switch(None)
    assert LOAD in meter.take_spent()
    assert meter.take_spent() == {}


def test_seconds_that_are_left_out_do_not_count() -> None:
    """Where a pause would disturb, what watching cost is subtracted."""
    meter = Meter("cpu")
    meter.switch(DENOISE)
    meter.leave_out(2.0)
    meter.switch(None)
    spent = meter.take_spent()[DENOISE]
    assert -2.0 <= spent.seconds < -1.0
    assert -2.0 <= spent.processor < -1.0


def test_figures_that_cannot_be_had_have_reasons() -> None:
    """On a CPU: no GPU figures; before the end: nothing about what stayed."""
    meter = Meter("cpu")
    meter.switch(LOAD)
    meter.switch(None)
    memory = meter.memory()
    assert memory.phases[0].allocated is memory.held_after is memory.host_after is None
    assert set(memory.unavailable) == {"allocated", "reserved", "driver", "held_after", "host_after", "host_grown"}
    assert not unsaid(memory.unavailable["host_after"], "ended before", "freed the pipeline")
    assert "host_after" not in meter.memory(host_after=1).unavailable


def test_no_figure_is_zero_for_want_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without /proc every host figure is None with the reason."""
    monkeypatch.setattr("fluxgate.render.measure.gauges.STATUS", STATUS.with_name("no-such-file"))
    meter = Meter("cpu")
    meter.switch(LOAD)
    meter.switch(None)
    memory = meter.memory(host_after=without_garbage(resident))
    assert memory.host_peak is memory.host_after is memory.phases[0].host is None
    assert {"host", "host_peak", "host_after"} <= set(memory.unavailable)


@needs_proc
def test_what_stays_resident_is_told_after_pages_were_given_back() -> None:
    """A freed block does not count as kept."""
    before = without_garbage(resident)
    blocks = [bytearray(1 << 16) for _ in range(SIZE >> 16)]
    del blocks
    after = without_garbage(resident)
    assert before is not None
    assert after is not None
    assert after - before < SLACK


def test_tensors_that_are_still_alive_are_held() -> None:
    """On a CPU, where torch counts no bytes."""
    torch = pytest.importorskip("torch")
    before = Meter("cpu").after()
    assert before.held_after == before.host_held
    kept = torch.zeros(SIZE, dtype=torch.uint8)
    assert Meter("cpu").after().held_after == before.held_after + kept.nbytes


@needs_proc
def test_what_a_second_take_leaves_behind_is_seen() -> None:
    """The most that any of them did; what it has freed does not count."""
    meter, left = Meter("cpu"), []
    assert meter.memory().host_grown is None
    assert not unsaid(meter.memory().unavailable["host_grown"], "second time")
    with meter.growth_measured():
        touched(SIZE).close()
    grown = meter.memory().host_grown
    assert grown is not None
    assert grown < SLACK
    with meter.growth_measured():
        left.append(touched(SIZE))
    with meter.growth_measured():
        pass
    assert "host_grown" not in meter.memory().unavailable
    grown = meter.memory().host_grown
    assert grown is not None
    assert SIZE - SLACK < grown < SIZE + SLACK


@needs_proc
def test_files_that_are_read_again_are_nothing_left_behind(tmp_path: Path) -> None:
    """Weights that were mapped, dropped when memory was short, and read again by a second take."""
    meter = Meter("cpu")
    with ExitStack() as kept:
        with meter.growth_measured():
            kept.enter_context(file_in_memory(tmp_path))
        grown = meter.memory().host_grown
    assert grown is not None
    assert grown < SLACK


@needs_proc
def test_what_is_resident_once_all_is_loaded_is_kept() -> None:
    """Whatever comes and goes later."""
    meter = Meter("cpu")
    assert meter.memory().host_loaded is None
    meter.measure_loaded()
    before = resident()
    block = touched(SIZE)
    assert abs((meter.memory().host_loaded or 0) - before) < SLACK
    block.close()

"""Tests of equal calls and what they leave in the process: with calls that leave something."""

from __future__ import annotations

import gc
import mmap
import os
import tempfile
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from fluxgate.judge.checks.leftovers import COUNTERS
from fluxgate.render.watch.repeating import MORE, Readings, repeat
from fluxgate.rendering import BLOCKS, FILES_OPEN, GPU_OTHERWISE, MALLOC, MAPPED, THREADS, Repeated
from fluxgate.subjects.subject import Shot
from tests.wording import unsaid

SHOT = Shot("one", ("a fox",), seed=1, steps=4)
COUNTED = 2  # calls before
CALLS = COUNTED + MORE["cpu"]


def repeated(call: Callable[[Shot], Any]) -> Repeated:
    """What all calls leave, those whose work is counted among them."""
    readings = Readings("cpu")
    for _ in range(COUNTED):
        call(SHOT)
        readings.read()
    return repeat(call, SHOT, readings, device="cpu")


MEGABYTE = 1 << 20


class Kept:
    """An object whose type a sentence can name."""

    def __init__(self, number: int) -> None:
        self.number = number


@pytest.fixture(autouse=True)
def _frozen() -> Iterator[None]:
    """What is there already is not looked through, as in a worker, which freezes what it has imported."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture
def kept() -> Iterator[list[Any]]:
    """What calls keep; threads among it end with the test, and files are closed."""
    things: list[Any] = []
    yield things
    for each in things:
        for end in ("set", "close"):
            getattr(each, end, lambda: None)()


def _memory(kept: list[Any]) -> None:
    kept.append(bytearray(MEGABYTE))


def _objects(kept: list[Any]) -> None:
    kept.append([Kept(number) for number in range(8000)])


def _mapped(kept: list[Any]) -> None:
    kept.append(mmap.mmap(-1, MEGABYTE))


def _file(kept: list[Any]) -> None:
    kept.append(os.fdopen(os.open(os.devnull, os.O_RDONLY)))


def _thread(kept: list[Any]) -> None:
    over = threading.Event()
    threading.Thread(target=over.wait, daemon=True).start()
    kept.append(over)


@pytest.mark.parametrize(
    ("leak", "counter", "least"),
    [
        (_memory, MALLOC, MEGABYTE),
        (_objects, BLOCKS, 8000),
        (_mapped, MAPPED, MEGABYTE),
        (_file, FILES_OPEN, 1),
        (_thread, THREADS, 1),
    ],
)
def test_what_each_call_leaves_is_counted(
    leak: Callable[[list[Any]], None], counter: str, least: int, kept: list[Any]
) -> None:
    """A megabyte, some objects, a mapping, a file or a thread: to the one, beyond what any call may leave."""
    found = repeated(lambda shot: leak(kept)).least(counter)
    assert found is not None
    assert least <= found <= 4 * least
    assert found > COUNTERS[counter][0]


def test_what_is_freed_is_not_counted() -> None:
    """Whatever a call takes meanwhile: memory, objects in a circle, files, a thread that ends."""

    def call(shot: Shot) -> None:
        circle: list[Any] = [bytearray(8 * MEGABYTE), [Kept(number) for number in range(5000)]]
        circle.append(circle)
        with tempfile.TemporaryFile() as file, mmap.mmap(-1, MEGABYTE):
            file.write(b"x")
        thread = threading.Thread(target=len, args=("",))
        thread.start()
        thread.join()

    found = repeated(call)
    for counter, (most, *_) in COUNTERS.items():
        least = found.least(counter)
        assert least is not None
        assert least <= most, counter


def test_a_cache_that_fills_now_and_then_is_no_leak(kept: list[Any]) -> None:
    """Only what every call adds is."""
    calls = iter(range(CALLS))

    def call(shot: Shot) -> None:
        if next(calls) % 2 == 0:
            _memory(kept)
            _objects(kept)

    found = repeated(call)
    assert (found.least(MALLOC) or 0) < MEGABYTE / 10
    assert (found.least(BLOCKS) or 0) < 100


def test_what_stays_is_named_by_its_type(kept: list[Any]) -> None:
    """So that a sentence can say where to look."""
    assert repeated(lambda shot: _objects(kept)).types["Kept"] == 8000 * CALLS


def test_a_call_is_one_step_of_the_shot() -> None:
    """As short as can be; where a shot gives its levels, the first of them."""
    asked: list[Shot] = []
    for shot in (SHOT, Shot("given", ("a fox",), seed=1, sigmas=(1.0, 0.5))):
        repeat(asked.append, shot, Readings("cpu"), device="cpu")
    assert [(shot.steps, shot.sigmas) for shot in asked] == [(1, None), (None, (1.0,))]


@pytest.mark.parametrize(("took", "calls"), [(0.5, MORE["cuda"]), (60.0, 1)])
def test_a_pipeline_that_takes_long_is_called_once_more(
    took: float, calls: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A step of a large one may take half a minute."""
    monkeypatch.setattr("fluxgate.render.watch.repeating.gpu_outside_of_torch", lambda: 0)
    monkeypatch.setattr("fluxgate.render.measure.counters.gpu_outside_of_torch", lambda: 0)
    asked: list[Shot] = []
    found = repeat(asked.append, SHOT, Readings("cuda"), device="cuda", took=took)
    assert (len(asked), len(found.idle)) == (calls, calls)
    assert len(found.readings[GPU_OTHERWISE]) == calls + 1


def test_a_call_that_fails_is_a_reason() -> None:
    """The case goes on, and nothing is known of what stays."""

    def call(shot: Shot) -> None:
        raise ValueError("no such size")

    found = repeat(call, SHOT, Readings("cpu"), device="cpu")
    assert found.readings == {}
    assert not unsaid(found.unavailable, "only repeated", "ValueError: no such size")


def test_a_call_that_takes_no_single_step_is_repeated_as_it_is() -> None:
    """As one that begins with a picture, of whose only step a strength below 1 leaves nothing."""
    asked: list[int] = []

    def call(shot: Shot) -> None:
        if shot.steps == 1:
            raise ValueError("the number of steps is 0")
        asked.append(shot.steps or 0)

    found = repeated(call)
    assert (found.unavailable, asked) == (None, [SHOT.steps] * CALLS)
    assert len(found.readings[MALLOC]) == CALLS + 1


def test_a_call_that_always_fails_is_a_reason() -> None:
    """And no crash."""

    def call(shot: Shot) -> None:
        raise ValueError("no")

    assert "ValueError: no" in str(repeat(call, SHOT, Readings("cpu"), device="cpu").unavailable)

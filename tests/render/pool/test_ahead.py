"""Tests of cases that are rendered in a thread while others are judged."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from fluxgate.render.pool.ahead import Ahead

SOON = 10.0  # seconds that a thread has to come to something


class Bench:
    """Stands in for a session: 'renders' into a set, and other processes may have taken some."""

    def __init__(self, *taken: str) -> None:
        self.taken = set(taken)  # by other processes
        self.done: list[str] = []
        self.go_on = threading.Event()
        self.go_on.set()
        self.ended = False
        self.error: Exception | None = None

    def is_rendered(self, case_id: str) -> bool:
        return case_id in self.done

    def render_unless_taken(self, case_id: str) -> bool:
        if case_id in self.taken:
            return False
        if self.error is not None:
            raise self.error
        assert self.go_on.wait(SOON)
        if self.ended:
            raise KeyboardInterrupt
        self.done.append(case_id)
        return True

    def end_worker(self) -> None:
        self.ended = True
        self.go_on.set()


@contextmanager
def ahead(bench: Bench, *case_ids: str) -> Iterator[Ahead]:
    made = Ahead(case_ids, bench)
    try:
        yield made
    finally:
        made.stop(bench.end_worker)


def reached(what: Callable[[], bool]) -> bool:
    until = time.monotonic() + SOON
    while not what() and time.monotonic() < until:
        time.sleep(0.01)
    return what()


def test_cases_are_rendered_before_anybody_asks() -> None:
    """In their order, each once."""
    bench = Bench()
    with ahead(bench, "a", "b", "a", "c"):
        assert reached(lambda: bench.done == ["a", "b", "c"])


def test_what_is_waited_for_comes_next() -> None:
    """Whoever judges waits for the case in hand at most; a case that was not among them is rendered too."""
    bench = Bench()
    bench.go_on.clear()
    with ahead(bench, "a", "b", "c") as rendering:
        rendering.wait_for("reference", look=bench.go_on.set)
        assert bench.done[:2] == ["a", "reference"]
        assert (rendering.is_wanted("reference"), rendering.is_wanted("b")) == (True, False)


def test_a_case_that_another_process_has_is_left_to_it() -> None:
    """The next one is rendered meanwhile; if that process dies, the case is free again."""
    bench = Bench("a")
    with ahead(bench, "a", "b"):
        assert reached(lambda: bench.done == ["b"])
        bench.taken.clear()
        assert reached(lambda: bench.done == ["b", "a"])


def test_whoever_waits_looks_at_other_things_meanwhile() -> None:
    """Lines of progress are told while a case is rendered."""
    bench, looked = Bench("a"), list[float]()

    def look() -> None:
        looked.append(time.monotonic())
        bench.done += ["a"] if len(looked) == 3 else []

    with ahead(bench, "a") as rendering:
        rendering.wait_for("a", look=look)
    assert len(looked) == 3


def test_what_ends_the_thread_is_told_to_whoever_waits() -> None:
    """A disk that is full ends the session with its sentence; nobody waits for ever."""
    bench = Bench()
    bench.error = OSError("no space")
    with ahead(bench, "a") as rendering, pytest.raises(OSError, match="no space"):
        rendering.wait_for("a")


def test_what_is_left_at_the_end_is_rendered() -> None:
    """Another process is going to judge it; what others have taken is left to them."""
    bench = Bench("b")
    bench.go_on.clear()
    with ahead(bench, "a", "b", "c") as rendering:
        threading.Timer(0.1, bench.go_on.set).start()
        rendering.finish()
        assert bench.done == ["a", "c"]


def test_a_session_that_is_cut_short_begins_nothing_more() -> None:
    """The case in hand is ended, and the others stay where they are."""
    bench = Bench()
    bench.go_on.clear()
    with ahead(bench, "a", "b") as rendering:
        rendering.stop(bench.end_worker)
    assert bench.done == []

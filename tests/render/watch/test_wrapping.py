"""Tests of wrapping a method of one object."""

from __future__ import annotations

import copy
import gc
import inspect
import weakref
from collections.abc import Callable
from typing import Any

import pytest

from fluxgate.render.watch.wrapping import wrap


class Scheduler:
    """Stands in for a component."""

    scale = 1

    def step(self, sample: int, *, eta: float = 0.5) -> float:
        return sample * eta * self.scale


Calls = list[tuple[Any, tuple[Any, ...], dict[str, Any]]]


def recording(calls: Calls) -> Callable[..., Any]:
    """Wraps a method so that its calls are kept, and doubles what it returns."""

    def around(inner: Callable[..., Any], owner: Any, args: Any, kwargs: Any) -> Any:
        calls.append((owner, args, kwargs))
        return 2 * inner(*args, **kwargs)

    return around


def wrapped(calls: Calls) -> Scheduler:
    scheduler = Scheduler()
    wrap(scheduler, "step", recording(calls))
    return scheduler


def test_a_call_goes_through_the_function_around_it() -> None:
    """With the object and the arguments; what it returns is what the caller gets."""
    calls: Calls = []
    scheduler = wrapped(calls)
    assert scheduler.step(3, eta=2.0) == 12.0
    assert calls == [(scheduler, (3,), {"eta": 2.0})]


def test_another_object_of_the_class_is_not_wrapped() -> None:
    """Only the one that was asked for."""
    calls: Calls = []
    wrapped(calls)
    assert Scheduler().step(3) == 1.5
    assert calls == []


def test_a_method_is_wrapped_once() -> None:
    """A second time changes nothing."""
    calls: Calls = []
    scheduler = wrapped(calls)
    wrap(scheduler, "step", recording(calls))
    scheduler.step(1)
    assert len(calls) == 1


def test_a_function_set_on_the_object_itself_is_still_called() -> None:
    """Somebody else's wrapper stays in place."""
    calls: Calls = []
    scheduler: Any = Scheduler()
    scheduler.step = lambda sample: sample + 1
    wrap(scheduler, "step", recording(calls))
    assert scheduler.step(3) == 8


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy])
def test_a_copy_has_a_wrapped_method_of_its_own(copied: Callable[[Any], Any]) -> None:
    """Also once the object that it was made of is gone."""
    calls: Calls = []
    another = copied(wrapped(calls))
    another.scale = 3
    assert another.step(2) == 6.0
    assert calls == [(another, (2,), {})]


def test_the_class_is_known_by_the_same_name() -> None:
    """Whoever looks for the class by it finds the object's own, and the object is still one of it."""
    scheduler = wrapped([])
    kind = type(scheduler)
    assert (kind.__module__, kind.__qualname__, kind.__doc__) == (__name__, "Scheduler", Scheduler.__doc__)
    assert (isinstance(scheduler, Scheduler), kind is Scheduler, vars(scheduler)) == (True, False, {})


def test_a_method_that_is_not_there_is_left_alone() -> None:
    """Not every pipeline has every component."""
    scheduler: Any = Scheduler()
    wrap(scheduler, "decode", recording([]))
    wrap(None, "step", recording([]))
    assert not hasattr(scheduler, "decode")


def test_the_signature_stays() -> None:
    """Pipelines ask for it."""
    assert inspect.signature(wrapped([]).step) == inspect.signature(Scheduler().step)


def test_an_object_is_freed_without_a_garbage_collection() -> None:
    """It has no reference to itself."""
    scheduler = wrapped([])
    ref = weakref.ref(scheduler)
    gc.disable()
    try:
        del scheduler
        assert ref() is None
    finally:
        gc.enable()

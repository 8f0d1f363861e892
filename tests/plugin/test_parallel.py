"""Tests of how cases are dealt to xdist's processes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from fluxgate.cases import Case
from fluxgate.plugin import parallel
from fluxgate.plugin.parallel import dealt, pytest_collection_modifyitems
from tests.judge.made import promising
from tests.runs.building import MACHINE, SUBJECT

FULL, LONG, SHORT, NEW = (
    Case(SUBJECT, one, "cpu")
    for one in (
        promising("full"),
        promising("long", reproduces="full"),
        promising("short", reproduces="full"),
        promising("new"),
    )
)
SECONDS = {"tiny-full": 1.0, "tiny-long": 9.0, "tiny-short": 2.0}


def test_the_longest_are_dealt_first_and_references_before_them() -> None:
    """Those would wait for these; what nobody has timed may be as long as the longest."""
    assert dealt([SHORT, NEW, LONG, FULL], SECONDS) == ["tiny-full", "tiny-new", "tiny-long", "tiny-short"]


def test_cases_that_need_several_gpus_are_dealt_before_all_others() -> None:
    """Once others have begun, one of their GPUs would wait for the other."""
    spread = Case(SUBJECT, replace(promising("spread", reproduces="full"), gpus=2), "cuda")
    assert dealt([SHORT, FULL, spread], SECONDS) == ["tiny-spread", "tiny-full", "tiny-short"]


def ends(order: list[str], seconds: Mapping[str, float], *, processes: int) -> float:
    """When the last of several processes is done, each of which takes the next case once it has none."""
    free = [0.0] * processes
    for name in order:
        free[free.index(min(free))] += seconds[name]
    return max(free)


def test_processes_end_at_about_the_same_time() -> None:
    """In the order of the file the longest may come last, and one process works on alone."""
    cases = [Case(SUBJECT, promising(f"s{number}"), "cpu") for number in range(9)]
    seconds = {case.id: float(number + 1) for number, case in enumerate(cases)}
    ideal = sum(seconds.values()) / 4
    assert ends(dealt(cases, seconds), seconds, processes=4) < 1.1 * ideal < ends(list(seconds), seconds, processes=4)


@pytest.mark.parametrize("beside", [True, False])
def test_without_xdist_cases_keep_their_order(monkeypatch: pytest.MonkeyPatch, beside: bool) -> None:
    """What is judged in which order is the file's; tests that are of no case stay before the others."""
    choice = SimpleNamespace(renderable=(SHORT, LONG), machine=MACHINE, baselines=None)
    monkeypatch.setattr(parallel, "asks", lambda config: True)
    monkeypatch.setattr(parallel, "choice_of", lambda config: choice)
    monkeypatch.setattr(parallel, "accepted_seconds", lambda *_: SECONDS)
    items: list[Any] = [SimpleNamespace(callspec=SimpleNamespace(params={"case": one})) for one in (SHORT, LONG, SHORT)]
    items.append(SimpleNamespace())
    config: Any = SimpleNamespace(**({"workerinput": {}} if beside else {}))
    short, long, again, other = items
    pytest_collection_modifyitems(config, items)
    assert items == ([other, long, short, again] if beside else [short, long, again, other])

"""pytest-xdist: one worker for each GPU, all checks of a case in one of them, and one run for all."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

import pytest

from fluxgate.baselines.durations import accepted_seconds
from fluxgate.cases import Case
from fluxgate.locks import held, silent
from fluxgate.machine import detect
from fluxgate.plugin.asked import asks, choice_of
from fluxgate.rendering import id_of_case
from fluxgate.runs.run import Run, open_run

MEETING = "fluxgate meeting"  # the folder in which xdist's processes find their run


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    if not asks(config):
        return None
    machine = detect()
    devices = machine.count if machine.device == "cuda" else 1
    return devices * choice_of(config).at_once


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """xdist starts a process. All of them render into one run, which the first to render makes: here they meet."""
    if not asks(node.config):
        return
    if _FOLDER not in node.config.stash:
        folder = tempfile.TemporaryDirectory(prefix="fluxgate-")
        node.config.add_cleanup(folder.cleanup)
        node.config.stash[_FOLDER] = folder
    node.workerinput[MEETING] = node.config.stash[_FOLDER].name


_FOLDER = pytest.StashKey[tempfile.TemporaryDirectory[str]]()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """What is asked of one case stays in one of xdist's processes; they are dealt as `pytest_collection_modifyitems`
    orders them, and not those with the most checks first.

    Its own marks for that, xdist_group, have no effect in pytest 9.2."""
    if config.option.dist != "load" or not asks(config):
        return None
    from xdist.scheduler import LoadScopeScheduling

    config.option.loadscopereorder = False

    class ByCase(LoadScopeScheduling):  # type: ignore[misc]  # xdist has no types
        def _split_scope(self, nodeid: str) -> str:
            return nodeid.partition("[")[2] or nodeid

    return ByCase(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Where cases are dealt to several processes, the longest come first, so that all end at about the same time.

    Each process comes to the same order, from what was accepted. Without xdist they keep theirs."""
    if not hasattr(config, "workerinput") or not asks(config):
        return
    choice = choice_of(config)
    seconds = accepted_seconds(choice.baselines, choice.machine.id, choice.renderable)
    places = {name: place for place, name in enumerate(dealt(choice.renderable, seconds))}
    items.sort(key=lambda item: places.get(case_of(item), -1))


def case_of(item: pytest.Item) -> str:
    """The id of the case that a test asks about; empty for one that is of no case."""
    case = getattr(getattr(item, "callspec", None), "params", {}).get("case")
    return case.id if isinstance(case, Case) else ""


def dealt(cases: Collection[Case], seconds: Mapping[str, float]) -> list[str]:
    """The ids of cases: first those that need several GPUs, of which all but one would stand idle once others have
    begun; then those that others are compared with, for which these would wait; then the longest. One that nobody has
    timed may be long."""
    waited_for = Counter(
        id_of_case(case.subject.name, name) for case in cases for name in set(case.strategy.promise.compared_with)
    )
    unknown = max(seconds.values(), default=0.0)
    gpus = {case.id: case.strategy.gpus for case in cases}
    return sorted(gpus, key=lambda name: (-gpus[name], -waited_for[name], -seconds.get(name, unknown)))


def lane_of(config: pytest.Config) -> int:
    """The number of this process among those that render side by side."""
    return int(getattr(config, "workerinput", {}).get("workerid", "gw0").removeprefix("gw"))


def shared_run(config: pytest.Config, create: Callable[[], Run]) -> Run:
    """The run of all of xdist's processes: the first that comes makes it, and says where it is."""
    meeting = getattr(config, "workerinput", {}).get(MEETING)
    if meeting is None:
        return create()
    link = Path(meeting, "run")
    with held(Path(meeting, "lock"), waiting="waiting for the run's folder", report=silent):
        if not link.exists():
            link.symlink_to(create().folder.resolve())
        return open_run(link.resolve())

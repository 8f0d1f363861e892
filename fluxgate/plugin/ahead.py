"""On a GPU the libraries are imported while tests are collected, and the next case is rendered while the last is
judged."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from fluxgate.plugin.asked import asks, choice_of
from fluxgate.plugin.parallel import case_of, lane_of
from fluxgate.render.pool.workers import Workers
from fluxgate.session.session import Session, workers_of

WORKERS = pytest.StashKey[Workers]()


def renders_ahead(config: pytest.Config) -> bool:
    """A CPU that renders must not be asked for anything else meanwhile."""
    return choice_of(config).machine.device == "cuda"


@pytest.hookimpl(tryfirst=True)
def pytest_collection(session: pytest.Session) -> None:
    """A process that is going to render begins to import."""
    config = session.config
    deals = getattr(config.option, "numprocesses", None) and not hasattr(config, "workerinput")
    if not asks(config) or config.option.collectonly or deals:
        return
    if choice_of(config).renderable and renders_ahead(config):
        workers = workers_of(choice_of(config), lane=lane_of(config))
        ending = ExitStack()
        config.stash[WORKERS] = ending.enter_context(workers)
        config.add_cleanup(ending.close)  # where no test asks for a case


@contextmanager
def rendering_ahead(session: Session, tests: pytest.Session) -> Iterator[None]:
    """Meanwhile the cases of all tests are rendered, in their order, by this process and those beside it."""
    if not renders_ahead(tests.config):
        yield
        return
    cases = [case_id for item in tests.items if (case_id := case_of(item))]
    with session.rendering_ahead(cases, whole=lambda: _is_whole(tests)):
        yield


def _is_whole(tests: pytest.Session) -> bool:
    """Whether every case will be judged, if not here then in a process beside this one."""
    beside = hasattr(tests.config, "workerinput") and not tests.config.getoption("maxfail")
    cut_short = tests.shouldstop or tests.shouldfail or tests.exitstatus == pytest.ExitCode.INTERRUPTED
    return bool(beside and not cut_short)

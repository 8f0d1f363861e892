"""On a GPU the next case is rendered while the last is judged."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from fluxgate.plugin.asked import choice_of
from fluxgate.plugin.parallel import case_of
from fluxgate.session import Session


def renders_ahead(config: pytest.Config) -> bool:
    """A CPU that renders must not be asked for anything else meanwhile."""
    return choice_of(config).machine.device == "cuda"


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

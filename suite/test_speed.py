"""Every case's seconds, given to pytest-benchmark as the worker measured them."""

from __future__ import annotations

from fluxgate.judge.verdict import SPEED
from fluxgate.plugin.conformance import Replay, Verdicts


def test_is_as_fast_as_before(verdicts: Verdicts, replay: Replay) -> None:
    replay.step_seconds()
    verdicts.of(SPEED)

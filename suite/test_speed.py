"""Every case's seconds, given to pytest-benchmark as the worker measured them."""

from suite.judge.verdict import SPEED


def test_is_as_fast_as_before(verdicts, replay):
    replay.step_seconds()
    verdicts.of(SPEED)

"""Every case's memory: under its ceilings, less than promised, and all of it given back."""

from suite.judge.verdict import CEILING, GIVES_BACK, HOST, LESS


def test_stays_under_its_ceiling(verdicts):
    verdicts.of(CEILING)


def test_uses_less_than_its_promise_names(verdicts):
    verdicts.of(LESS)


def test_gives_everything_back(verdicts):
    verdicts.of(GIVES_BACK)


def test_host_memory_stays_under_its_ceiling(verdicts):
    verdicts.of(HOST)

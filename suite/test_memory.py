"""Every case's memory: under its ceilings, less than promised, and all of it given back."""

from __future__ import annotations

from fluxgate.judge.verdict import CEILING, GIVES_BACK, HOST, LESS
from fluxgate.plugin.conformance import Verdicts


def test_stays_under_its_ceiling(verdicts: Verdicts) -> None:
    verdicts.of(CEILING)


def test_uses_less_than_its_promise_names(verdicts: Verdicts) -> None:
    verdicts.of(LESS)


def test_gives_everything_back(verdicts: Verdicts) -> None:
    verdicts.of(GIVES_BACK)


def test_host_memory_stays_under_its_ceiling(verdicts: Verdicts) -> None:
    verdicts.of(HOST)

"""Every case's memory: under its ceilings, less than promised, and all of it given back."""

from __future__ import annotations

import pytest

from fluxgate.judge.verdict import CEILING, GIVES_BACK, HOST, LESS, Verdict
from fluxgate.plugin.verdicts import enforce


@pytest.mark.fluxgate_check(CEILING)
def test_stays_under_its_ceiling(verdict: Verdict) -> None:
    enforce(verdict)


@pytest.mark.fluxgate_check(LESS)
def test_uses_less_than_its_promise_names(verdict: Verdict) -> None:
    enforce(verdict)


@pytest.mark.fluxgate_check(GIVES_BACK)
def test_gives_everything_back(verdict: Verdict) -> None:
    enforce(verdict)


@pytest.mark.fluxgate_check(HOST)
def test_host_memory_stays_under_its_ceiling(verdict: Verdict) -> None:
    enforce(verdict)

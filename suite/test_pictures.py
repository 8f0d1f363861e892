"""Every case's pictures: the same twice, as promised, as accepted, and of what the prompt asks."""

from __future__ import annotations

import pytest

from fluxgate.judge.verdict import BASELINE, ORACLE, PROMISE, SCENE, TWICE, Verdict
from fluxgate.plugin.verdicts import enforce


@pytest.mark.fluxgate_check(TWICE)
def test_renders_the_same_twice(verdict: Verdict) -> None:
    enforce(verdict)


@pytest.mark.fluxgate_check(PROMISE)
def test_keeps_its_promise(verdict: Verdict) -> None:
    enforce(verdict)


@pytest.mark.fluxgate_check(BASELINE)
def test_matches_its_baseline(verdict: Verdict) -> None:
    enforce(verdict)


@pytest.mark.fluxgate_check(ORACLE)
def test_agrees_with_the_oracle(verdict: Verdict) -> None:
    enforce(verdict)


@pytest.mark.fluxgate_check(SCENE)
def test_shows_what_the_prompt_asks(verdict: Verdict) -> None:
    enforce(verdict)

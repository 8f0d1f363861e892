"""Every case's pictures: the same twice, as promised, as accepted, and of what the prompt asks."""

from __future__ import annotations

from fluxgate.judge.verdict import BASELINE, PROMISE, SCENE, TWICE
from fluxgate.plugin.conformance import Verdicts


def test_renders_the_same_twice(verdicts: Verdicts) -> None:
    verdicts.of(TWICE)


def test_keeps_its_promise(verdicts: Verdicts) -> None:
    verdicts.of(PROMISE)


def test_matches_its_baseline(verdicts: Verdicts) -> None:
    verdicts.of(BASELINE)


def test_shows_what_the_prompt_asks(verdicts: Verdicts) -> None:
    verdicts.of(SCENE)

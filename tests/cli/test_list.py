"""Tests of `list`: for people and for programs."""

from __future__ import annotations

import json

import pytest

from fluxgate.cli.main import main
from fluxgate.machine import detect, stack
from fluxgate.strategies import STRATEGIES
from fluxgate.subjects.catalogue import subjects
from tests.wording import unsaid


def test_list_names_subjects_and_strategies(capsys: pytest.CaptureFixture[str], tiny_exists: None) -> None:
    """Each subject with what it needs and whether it is ready, each strategy with what it promises and does."""
    assert main(["list"]) == 0
    told = capsys.readouterr().out
    assert not unsaid(told, "tiny: the miniature, asked for little", "needs nothing; ready")
    assert "  grown: " in told
    for strategy in STRATEGIES:
        assert f"\n  {strategy.name} " in told
    assert "approximates full, less memory" in told
    reasons = [[one.unsupported(s, detect(), stack()) for s in subjects().values()] for one in STRATEGIES]
    here = sum(None in those for those in reasons)
    assert f"\n{here} strategies can run here\n" in told


def test_list_is_there_for_programs(capsys: pytest.CaptureFixture[str], tiny_exists: None) -> None:
    """The JSON has every field of subjects and strategies, what lacks here, and why a strategy cannot run."""
    assert main(["list", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert list(found["subjects"]) == list(subjects())
    assert found["subjects"]["tiny"]["not_ready"] is None
    assert found["subjects"]["tiny"]["subject"]["shots"][0]["prompts"] == ["a red fox"]
    assert list(found["strategies"]) == [strategy.name for strategy in STRATEGIES]
    assert found["strategies"]["full"]["unsupported"] == {}
    for strategy in STRATEGIES:
        reason = strategy.unsupported(subjects()["tiny"], detect(), stack())
        assert found["strategies"][strategy.name]["unsupported"].get("tiny") == reason
    assert found["strategies"]["sequential-offload"]["marks"][:2] == ["offloading", "slow"]

"""Tests of `list`: for people and for programs."""

from __future__ import annotations

import json

import pytest

from fluxgate.cli.main import main
from fluxgate.strategies import STRATEGIES
from fluxgate.subjects.catalogue import subjects


def test_list_names_subjects_and_strategies(capsys: pytest.CaptureFixture[str], tiny_exists: None) -> None:
    """Each subject with what it needs and whether it is ready, each strategy with what it does."""
    assert main(["list"]) == 0
    told = capsys.readouterr().out
    assert "grown: " in told
    assert "needs 33.80 GB of disk, 40.00 GB of GPU memory, a token of the hub" in told
    assert "tiny: the miniature, asked for little\n    needs nothing; ready" in told
    assert all(f"\n{strategy.name}: {strategy.about}" in told for strategy in STRATEGIES)


def test_list_is_there_for_programs(capsys: pytest.CaptureFixture[str], tiny_exists: None) -> None:
    """The JSON has every field of a subject, and what it lacks here."""
    assert main(["list", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert list(found) == list(subjects())
    assert found["tiny"]["lacks"] is None
    assert found["tiny"]["shots"][0]["prompts"] == ["a red fox"]

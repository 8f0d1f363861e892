"""Tests of the command that renders a part of a session again."""

from __future__ import annotations

from pathlib import Path

import pytest

from fluxgate.judge.rerun import CHECKOUT, pytest_command


def test_fluxgates_own_repository_has_the_short_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its conftest.py loads them, and its tests are found without being asked for."""
    monkeypatch.chdir(CHECKOUT)
    assert pytest_command(subject="miniature", takes=2) == "pytest --subject miniature --takes 2"


def test_anywhere_else_the_names_are_surely_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another project has no short names, may have a --strategy of its own, and must ask for the conformance tests."""
    monkeypatch.chdir(tmp_path)
    command = pytest_command(subject="mine", strategy="nf4,full")
    assert command == "pytest --fluxgate --fluxgate-subject mine --fluxgate-strategy nf4,full"


def test_what_a_shell_would_take_apart_is_quoted() -> None:
    """A name may have what a shell knows."""
    assert pytest_command(subject="my own").endswith("'my own'")

"""Tests of the worker's own parts, in this process; that it works as a process is tested with its parent."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from fluxgate.render.process import worker


def test_a_system_without_prctl_goes_without(monkeypatch: pytest.MonkeyPatch) -> None:
    """Outside of Linux a worker may outlive its parent; it works all the same."""
    monkeypatch.setattr("ctypes.CDLL", lambda name: SimpleNamespace())
    worker._die_with_parent()

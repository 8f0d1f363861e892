"""Tests of fluxgate/variables.py."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys

import pytest

from fluxgate.variables import variables


def test_variables_are_put_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that was set is what it was, and one that was not is gone, also after an error."""
    monkeypatch.setenv("FLUXGATE_TEST_SET", "before")
    monkeypatch.delenv("FLUXGATE_TEST_NEW", raising=False)
    before = dict(os.environ)
    with contextlib.suppress(RuntimeError), variables({"FLUXGATE_TEST_SET": "now", "FLUXGATE_TEST_NEW": "now"}):
        assert (os.environ["FLUXGATE_TEST_SET"], os.environ["FLUXGATE_TEST_NEW"]) == ("now", "now")
        raise RuntimeError
    assert dict(os.environ) == before


def test_a_process_that_starts_meanwhile_has_them() -> None:
    """It inherits the environment."""
    with variables({"FLUXGATE_TEST_NEW": "now"}):
        code = "import os; print(os.environ['FLUXGATE_TEST_NEW'])"
        assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "now"

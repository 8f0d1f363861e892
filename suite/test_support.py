"""The cases that cannot run here: one test each, which says why."""

from __future__ import annotations

import pytest

from fluxgate.cases import Case


def test_can_run_here(unsupported_case: Case) -> None:
    pytest.skip(f"{unsupported_case.unsupported}")

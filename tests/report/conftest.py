"""What the tests of the reports share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.report.advised import Made, made_in


@pytest.fixture
def made(tmp_path: Path) -> Made:
    """A rendering under a strategy, which reserved so much and took so long."""
    return made_in(tmp_path)

"""What is kept from earlier runs: known failures that still are, baselines that are whole and in use."""

from __future__ import annotations

import pytest


def test_what_is_kept_is_sound_and_current(complaints: tuple[str, ...]) -> None:
    if complaints:
        pytest.fail("\n".join(complaints), pytrace=False)

"""What was accepted earlier: baselines that are whole and in use, known failures that still are."""

from __future__ import annotations

import pytest

from fluxgate.session.choice import Choice
from fluxgate.session.judging import complaints


def test_baselines_and_known_failures_are_sound_and_current(choice: Choice) -> None:
    sentences = complaints(choice)
    if sentences:
        pytest.fail("\n".join(sentences), pytrace=False)

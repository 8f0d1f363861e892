"""Tests of the pace: what of two runs on one machine can be compared."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fluxgate.compare.pace import pace
from fluxgate.rendering import Crash, Duration, Rendering
from tests.runs.building import rendering


def took(name: str, folder: Path, **changes: Any) -> Rendering:
    """A rendering of nine seconds of denoising."""
    durations = (Duration("load", 0.2), Duration("denoise", 9.0, "fox", 0))
    return replace(rendering(name, folder), durations=durations, **changes)


def worked(seconds: float) -> tuple[Duration, ...]:
    return (Duration("load", 9.0, processor=0.2), Duration("denoise", 9.0, "fox", 0, processor=seconds))


def test_on_a_cpu_the_pace_is_a_multiple_of_the_references(tmp_path: Path) -> None:
    """Of what the processor worked, which other work on the machine hardly changes; what was short is left out."""
    one, other = (took(name, tmp_path / name, device="cpu") for name in ("offload", "full"))
    assert pace(one, other) == {}  # nobody noted what the processor worked
    one, other = (replace(it, durations=worked(seconds)) for it, seconds in ((one, 6.0), (other, 4.0)))
    assert pace(one, other) == {"denoise": pytest.approx(1.5)}
    assert pace(one, None) == {}
    assert pace(one, replace(other, crash=Crash("exit", "It is gone.", None, ()))) == {}
    assert pace(replace(one, device="cuda"), None) == {"load": 9.0, "denoise": 9.0}

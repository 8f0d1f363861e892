"""Tests of whole replays, with environments that are really built from a small wheelhouse."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from fluxgate.gate.environments.pins import Pins
from fluxgate.gate.environments.pip import Pip
from fluxgate.gate.replays.played import Status
from fluxgate.gate.replays.playing import common_stack, why_not_here
from fluxgate.gate.replays.replays import Replays
from fluxgate.gate.replays.rows import ADDED, Expected, Row
from fluxgate.gate.replays.store import Store, digest_of
from fluxgate.gate.settings import Settings
from fluxgate.machine import detect
from fluxgate.report.gate_result import Answer
from fluxgate.subjects import sources
from tests.gate.environments.wheels import wheel
from tests.gate.replays.made import ON_A_GPU, REGRESSION, result
from tests.runs.building import MACHINE

WHOLE = "FLUXGATE_WHOLE_REPLAY"  # a variable that asks for what takes minutes

BROKEN = Row(
    name="broken",
    about="An accelerate that cannot be imported, beside a package that does nothing.",
    good=Pins.of({}),
    bad=Pins.of({"accelerate": "9.0", "zipp": "9.0"}),
    expected=Expected(Answer.NOT_SAFE, "import", reason="no device today", culprit=("accelerate",)),
    strategies=("full",),
)
GONE = replace(BROKEN, name="gone", bad=Pins.of({"accelerate": "9.9"}))


@pytest.fixture
def replays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Replays, list[str]]:
    """Replays from a wheelhouse, and what they report."""
    monkeypatch.setenv(sources.CACHE, str(tmp_path / "cache"))
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    for name, version in ADDED.items():
        wheel(wheels, name, version)
    wheel(wheels, "accelerate", "9.0", files={"accelerate.py": "raise ImportError('no device today')\n"})
    wheel(wheels, "zipp", "9.0")
    lines: list[str] = []
    store = Store(tmp_path / "runs" / "replays")
    settings = Settings(runs=tmp_path / "runs")
    return Replays(settings, Pip(wheelhouse=wheels), store, again=False, report=lines.append), lines


@pytest.mark.long
def test_what_was_played_is_not_played_again(replays: tuple[Replays, list[str]]) -> None:
    """Its result is found by both stacks, for which this Python is cloned and nothing else is built."""
    played, lines = replays
    common = common_stack(installer=played.installer).pins
    known = [result(row, digest=digest_of(row, common=common, machine=detect())) for row in (BROKEN, GONE)]
    for each in known:
        played.store.put(each)
    assert played.results([BROKEN, ON_A_GPU, GONE]) == (known, 0)
    assert not any("Building" in line or "Importing" in line for line in lines)
    assert any(ON_A_GPU.name in line and "GPU" in line for line in lines)


@pytest.mark.skipif(WHOLE not in os.environ, reason=f"builds and imports six environments; tox -e replay sets {WHOLE}")
def test_a_regression_is_caught(replays: tuple[Replays, list[str]]) -> None:
    """The good pins are rendered, the bad ones do not import, and who did it is found among two packages."""
    played, _ = replays
    (caught, gone), refused = played.results([BROKEN, GONE])
    assert (caught.status, caught.stage, caught.differences) == (Status.AS_EXPECTED, "import", ())
    assert caught.culprit[0].startswith("accelerate ")
    assert caught.environments > 0
    assert (gone.status, refused) == (Status.NOT_INSTALLED, 0)


def test_a_row_for_a_gpu_is_not_played_on_a_cpu() -> None:
    """And one for a CPU not on a GPU: each machine shows something else."""
    assert "GPU" in (why_not_here(ON_A_GPU, replace(MACHINE, device="cpu")) or "")
    assert why_not_here(ON_A_GPU, replace(MACHINE, device="cuda")) is None
    assert "CUDA_VISIBLE_DEVICES" in (why_not_here(REGRESSION, replace(MACHINE, device="cuda")) or "")


def test_a_row_for_another_python_is_not_played() -> None:
    """Some releases exist for some Pythons alone."""
    row = replace(REGRESSION, python="3.12")
    assert "3.12" in (why_not_here(row, replace(MACHINE, device="cpu", python="3.11.7")) or "")
    assert why_not_here(row, replace(MACHINE, device="cpu", python="3.12.1")) is None

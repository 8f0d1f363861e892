"""Tests of the measurement of NF4: known weights, in a process of its own."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import msgspec
import pytest

from fluxgate.environment import Environment
from fluxgate.judge.nf4 import verdict_on
from fluxgate.judge.verdict import FAILED, PASSED
from fluxgate.quantizers import NF4
from fluxgate.render import nf4
from fluxgate.render.nf4 import measured
from tests.wording import unsaid

needs_bitsandbytes = pytest.mark.skipif(find_spec("bitsandbytes") is None, reason="bitsandbytes is not installed")


@needs_bitsandbytes
def test_what_is_installed_is_measured() -> None:
    """Every number comes out, and this process has imported neither torch nor bitsandbytes for it."""
    facts = measured(Environment.current(), "cpu", timeout=600)
    assert facts.crash is None
    assert None not in (facts.scale_error, facts.code_error, facts.value_error, facts.double_scale_error)
    assert verdict_on(facts).status == PASSED


@needs_bitsandbytes
def test_a_library_that_fails_leaves_what_it_had_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The exception's last line is the crash."""
    (tmp_path / "bitsandbytes.py").write_text("__version__ = '0.1'\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "bitsandbytes", raising=False)
    from fluxgate.render.nf4 import measure

    facts = measure("cpu")
    assert (facts.version, "functional" in str(facts.crash)) == ("0.1", True)


@pytest.mark.parametrize("off", [math.nan, math.inf])
@pytest.mark.parametrize("name", ["code", "scale_error", "value_error", "product_errors"])
def test_what_is_no_number_fails(monkeypatch: pytest.MonkeyPatch, name: str, off: float) -> None:
    """JSON does not have it: it would come back as what was not measured, by which nobody is red."""
    value = {"code": (*NF4[1:], off), "product_errors": {"1": off}}.get(name, off)
    monkeypatch.setattr(nf4, "_numbers", lambda device: iter([(name, value)]))
    facts = msgspec.json.decode(msgspec.json.encode(nf4.measure("cpu")), type=nf4.Nf4Facts)
    assert verdict_on(facts).status == FAILED


@needs_bitsandbytes
def test_the_process_finds_what_this_one_finds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Packages that only PYTHONPATH names are there, too."""
    (tmp_path / "bitsandbytes.py").write_text("__version__ = '0.2'\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert measured(Environment.current(), "cpu", timeout=600).version == "0.2"


@needs_bitsandbytes
def test_the_device_is_asked_for_once_torch_is_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which takes seconds, and the device nothing; bitsandbytes may touch it, and comes later."""
    (tmp_path / "torch.py").write_text(f"open({str(tmp_path / 'torch')!r}, 'w')")
    (tmp_path / "bitsandbytes.py").write_text(f"__version__ = '0.2'\nopen({str(tmp_path / 'bitsandbytes')!r}, 'w')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    there: list[tuple[bool, bool]] = []

    @contextmanager
    def turn() -> Iterator[None]:
        there.append(((tmp_path / "torch").exists(), (tmp_path / "bitsandbytes").exists()))
        yield

    assert measured(Environment.current(), "cpu", timeout=600, turn=turn).version == "0.2"
    assert (there, (tmp_path / "bitsandbytes").exists()) == ([(True, False)], True)


def test_a_process_that_dies_is_a_crash(tmp_path: Path) -> None:
    """Whatever the interpreter is."""
    dead = tmp_path / "python"
    dead.write_text("#!/bin/sh\necho gone >&2\nexit 3\n")
    dead.chmod(0o755)
    facts = measured(replace(Environment.current(), python=dead), "cpu", timeout=600)
    assert "exit code 3: gone" in str(facts.crash)


def test_what_takes_too_long_is_given_up() -> None:
    """After the longest that a case may take, and that is told."""
    assert not unsaid(measured(Environment.current(), "cpu", timeout=0.01).crash, "not done", "0 s")

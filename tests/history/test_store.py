"""Tests of reading pytest-benchmark's files."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from fluxgate.history.store import sessions
from fluxgate.refusal import Refusal
from tests.history.saved import save


def test_sessions_come_in_the_order_of_their_dates(tmp_path: Path) -> None:
    """Whatever their files are called; each has machine, CPU, stack and commit."""
    for number in (2, 0, 1):
        save(tmp_path, number, float(number))
    found = sessions(tmp_path)
    assert [session.cases[0].figures["step, seconds"] for session in found] == [0.0, 1.0, 2.0]
    first = found[0]
    assert (first.machine, first.processor, first.commit, first.stack) == (
        "h100",
        "A CPU",
        "0" * 40,
        {"diffusers": "0.42.1"},
    )


def test_files_of_other_benchmarks_are_left_alone(tmp_path: Path) -> None:
    """The store may be shared."""
    save(tmp_path, 0, 1.0)
    other = {
        "datetime": "2026-01-01",
        "machine_info": {},
        "commit_info": {},
        "benchmarks": [{"name": "x", "stats": {}}],
    }
    (tmp_path / "other.json").write_text(json.dumps(other))
    assert len(sessions(tmp_path)) == 1


@pytest.mark.parametrize("damage", [b"", b"{", b'{"benchmarks": 3}', b"\xff\xfe"])
def test_a_damaged_file_is_named(tmp_path: Path, damage: bytes) -> None:
    """History is not told from what is left of it."""
    save(tmp_path, 0, 1.0)
    (tmp_path / "damaged.json").write_bytes(damage)
    with pytest.raises(Refusal, match=r"damaged\.json is damaged"):
        sessions(tmp_path)


def test_a_store_that_is_not_there_is_refused(tmp_path: Path) -> None:
    """With what would write one."""
    with pytest.raises(Refusal, match="--benchmark-autosave"):
        sessions(tmp_path / "none")


def test_a_thousand_sessions_are_read_in_two_seconds_of_the_processor(tmp_path: Path) -> None:
    """A file of ten cases, as pytest-benchmark writes it."""
    text = save(tmp_path, 0, 1.0).read_text()
    whole = json.loads(text)
    whole["benchmarks"] *= 10
    text = json.dumps(whole)
    for number in range(1000):
        (tmp_path / f"{number:04}.json").write_text(text)
    started = time.process_time()
    assert len(sessions(tmp_path)) == 1001
    assert time.process_time() - started < 2.0

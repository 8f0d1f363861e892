"""Tests of reading pytest-benchmark's files."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from fluxgate.history.series import all_series
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


def test_a_moment_without_a_zone_is_in_utc(tmp_path: Path) -> None:
    """As earlier releases of pytest-benchmark write it; and one of another zone is put in its place among the rest."""
    moments = {"late": "2026-01-02T01:30:00", "early": "2026-01-02T02:00:00+02:00"}
    for number, (name, moment) in enumerate(moments.items()):
        path = save(tmp_path, number, float(number))
        content = json.loads(path.read_text())
        content["datetime"] = moment
        path.rename(path.with_name(f"{name}.json")).write_text(json.dumps(content))
    assert [(one.file.stem, one.at) for one in sessions(tmp_path)] == [
        ("early", "2026-01-02T00:00:00+00:00"),
        ("late", "2026-01-02T01:30:00+00:00"),
    ]


@pytest.mark.parametrize("moment", ["", "yesterday", "2026-13-01"])
def test_a_session_without_a_moment_is_damaged(tmp_path: Path, moment: str) -> None:
    """It has no place in the order."""
    path = save(tmp_path, 0, 1.0)
    path.write_text(json.dumps({**json.loads(path.read_text()), "datetime": moment}))
    with pytest.raises(Refusal, match="is damaged"):
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


# The repository's own history, as others read it

OWN = Path(__file__).parents[2] / "benchmarks" / "history"


def own_files() -> list[dict[str, Any]]:
    return [json.loads(path.read_bytes()) for path in sorted(OWN.rglob("*.json"))]


def test_the_repositorys_own_history_is_read_and_small() -> None:
    """Several sessions of one machine, each with figures of every kind that a CPU has."""
    found = sessions(OWN)
    assert len(found) >= 2
    assert all(session.file.stat().st_size < 1 << 16 for session in found)
    figures = {figure for session in found for case in session.cases for figure in case.figures}
    assert {"step, seconds", "load, seconds", "host whole, bytes", "weights, bytes", "work, FLOPs"} <= figures
    assert {len(one.points) for one in all_series(found, wanted=lambda strategy, figure: True)} == {len(found)}


def test_pytest_benchmark_compares_the_repositorys_own_history() -> None:
    """Its command reads the files as they are, and has a row for each case and session."""
    command = [sys.executable, "-m", "pytest_benchmark", "--storage", str(OWN), "compare", "--columns=min,mean,rounds"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    rows = [line for line in (ended.stdout + ended.stderr).splitlines() if "miniature-full" in line]
    assert len(rows) == len(own_files())


def test_github_action_benchmark_finds_what_it_reads() -> None:
    """For `tool: pytest` it takes fullname, and of stats ops, stddev, mean and rounds (extractPytestResult)."""
    for file in own_files():
        for benchmark in file["benchmarks"]:
            assert benchmark["fullname"].startswith("suite/test_speed.py::")
            stats = benchmark["stats"]
            assert min(stats["ops"], stats["stddev"], stats["mean"]) > 0
            assert isinstance(stats["rounds"], int)


def test_bencher_finds_what_it_reads() -> None:
    """Its adapter python_pytest wants two objects, a name of at most 1,024 characters, and four numbers each."""
    for file in own_files():
        assert isinstance(file["machine_info"], dict)
        assert isinstance(file["commit_info"], dict)
        for benchmark in file["benchmarks"]:
            assert 0 < len(benchmark["fullname"]) <= 1024
            assert all(math.isfinite(benchmark["stats"][name]) for name in ("mean", "stddev", "median", "iqr"))

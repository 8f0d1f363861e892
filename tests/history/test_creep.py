"""Tests of what grows slowly."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from fluxgate.cli.main import main
from fluxgate.history.creep import creep
from tests.history.saved import save

START = datetime(2026, 3, 1, 12, tzinfo=UTC)


def dates(count: int, *, every: float = 1.0) -> list[str]:
    return [(START + timedelta(days=number * every)).isoformat() for number in range(count)]


@pytest.mark.parametrize("every", [1, 7])
def test_a_fifth_of_a_percent_a_week_is_reported_within_a_month(every: int) -> None:
    """Whether it is measured each day, and grows with each release of a week, or once a week."""
    at = dates(28 // every + 1, every=every)
    values = [2e9 * 1.002 ** (number * every // 7) for number in range(len(at))]
    found = creep(at, values)
    assert found is not None
    assert found.a_week == pytest.approx(0.002, rel=0.25)
    assert creep(at, values[::-1]) is not None  # and a decline


def test_what_stays_does_not_creep() -> None:
    """Equal values, noise, and what is over for longer than a month."""
    at, random = dates(30), np.random.default_rng(0)
    assert creep(at, [5.0] * 30) is None
    assert not any(creep(at, list(100 + random.standard_normal(30))) for _ in range(2000))
    old = [*np.linspace(1.0, 1.1, 30), *[1.1] * 40]
    assert creep(dates(70), old) is None


def test_few_points_or_days_tell_nothing() -> None:
    """Four points may well lie on a line, and so may a day's."""
    assert creep(dates(4, every=7), [1.0, 1.1, 1.2, 1.3]) is None
    assert creep(dates(30, every=0.1), list(np.linspace(1, 2, 30))) is None
    assert creep([], []) is None


def test_a_creep_of_memory_is_told_and_one_of_seconds_is_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Seconds drift with the machine; what is allocated does not."""
    for figure, code in (("allocated whole, bytes", 1), ("step, seconds", 0)):
        store = tmp_path / figure[:4]
        for day in range(28):
            save(store, day, 2e9 * 1.002 ** (day // 7), figure=figure)
        assert main(["history", str(store), "--fail-on-regression", "--html", str(tmp_path / "page.html")]) == code
        told = "a week; no single step tells." in capsys.readouterr().out
        assert told == ("no single step tells" in (tmp_path / "page.html").read_text()) == bool(code)

"""How often change points are found, and found where there are none: `python benchmarks/change_points.py`.

Series are generated with labels: noise of 2% around a level that stays, or that rises by 5%; two modes; a slow drift;
single points far away; noise with a memory. Ours is set against ruptures, against Apache Otava where `--otava` names a
Python that has it, and against the best test that there can be where the level drifts."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from fluxgate.history.change_points import LATEST, MEMORY, WINDOW, are_apart, change_points
from fluxgate.history.creep import creep

NOISE, STEP, AFTER = 0.02, 0.05, 5  # shares, and points after a step within which it must be found
DRIFT, TURN = 0.02, 30  # share up and down, and points for each radian
AIM = 1e-4  # alarms for each look
ENDS = range(min(LATEST), AFTER + 1)  # points after a step at which it is looked for
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
Series = list[list[float]]
Finder = Callable[[Series], list[list[int]]]

OTAVA = """
import json, sys
from otava.analysis import compute_change_points
found = []
for values in json.load(sys.stdin):
    points, _ = compute_change_points(values, window_len=30, max_pvalue=1e-4, min_magnitude=0.01)
    found.append([int(point.index) for point in points])
json.dump(found, sys.stdout)
"""


def clean(random: Any, length: int) -> Any:
    return 100 * (1 + NOISE * random.standard_normal(length))


def stepped(random: Any, length: int) -> Any:
    values = clean(random, length)
    values[length - AFTER :] *= 1 + STEP
    return values


def bimodal(random: Any, length: int) -> Any:
    return clean(random, length) * np.where(random.random(length) < 0.2, 1.08, 1.0)


def drifting(random: Any, length: int) -> Any:
    return clean(random, length) * (1 + DRIFT * np.sin(np.arange(length) / TURN + random.random() * 2 * np.pi))


def outlying(random: Any, length: int) -> Any:
    return clean(random, length) * np.where(random.random(length) < 0.03, 1.5, 1.0)


def remembering(random: Any, length: int) -> Any:
    """Half of each deviation stays for the next point."""
    values = NOISE * random.standard_normal(length)
    for at in range(1, length):
        values[at] = values[at - 1] / 2 + values[at] * np.sqrt(0.75)
    return 100 * (1 + values)


KINDS = {"clean": clean, "two modes": bimodal, "drift": drifting, "outliers": outlying, "memory": remembering}


def ours(series: Series) -> list[list[int]]:
    return [[point.at for point in change_points(values)] for values in series]


def by_ruptures(series: Series) -> list[list[int]]:
    import ruptures  # type: ignore[import-untyped]  # it has no types

    def of(values: Sequence[float]) -> list[int]:
        signal = np.asarray(values)
        penalty = 3 * np.log(len(signal)) * np.var(np.diff(signal)) / 2  # BIC, three times
        return list(ruptures.Pelt(model="l2", min_size=3).fit(signal).predict(pen=penalty)[:-1])

    return [of(values) for values in series]


def by_otava(python: str) -> Finder:
    def find(series: Series) -> list[list[int]]:
        done = subprocess.run(
            [python, "-c", OTAVA], input=json.dumps(series), capture_output=True, text=True, check=True
        )
        return list(json.loads(done.stdout))

    return find


def table(finders: dict[str, Finder], *, count: int, seed: int) -> Iterator[str]:
    """Found within five points of a step, and series of 120 points without one in which something was found."""
    yield f"| finder | +5% found, of {count} | {' | '.join(f'alarms, {kind}' for kind in KINDS)} |"
    yield "|" + " --- |" * (len(KINDS) + 2)
    for name, find in finders.items():
        random = np.random.default_rng(seed)
        hits = find([stepped(random, MEMORY + AFTER).tolist() for _ in range(count)])
        found = sum(any(abs(at - MEMORY) <= 2 for at in one) for one in hits)
        alarms = [
            sum(map(bool, find([kind(random, MEMORY).tolist() for _ in range(count)]))) for kind in KINDS.values()
        ]
        yield f"| {name} | {found / count:.0%} | {' | '.join(f'{number} of {count}' for number in alarms)} |"


def looks(kind: Callable[[Any, int], Any], *, behind: int, count: int, seed: int) -> Any:
    """Whether ours alarms at one look at each of many series, with so many points behind the latest ones."""
    random = np.random.default_rng(seed)
    return _alarms(np.stack([kind(random, behind + max(LATEST)) for _ in range(count)]), behind)


def found_in_time(*, behind: int, count: int, seed: int) -> Any:
    """Whether ours finds the step of each of many series within five points."""
    random = np.random.default_rng(seed)
    series = np.stack([stepped(random, behind + AFTER) for _ in range(count)])
    return np.logical_or.reduce([_alarms(series[:, : behind + end], behind) for end in ENDS])


def _alarms(series: Any, behind: int) -> Any:
    """One look at the end of each series."""
    alarms, length = np.zeros(len(series), dtype=bool), series.shape[-1]
    for latest, threshold in LATEST.items():
        before = series[:, max(0, length - latest - behind) : length - latest]
        alarms |= are_apart(before, series[:, -latest:], threshold)
    return alarms


def best_possible(*, behind: int, count: int, seed: int) -> float:
    """The share of steps that the best test finds within five points, if a drift is to give one alarm in 10,000 looks.

    It knows all but the level and where the drift begins: how high the noise, the drift and the step are, and how fast
    the drift turns. By Neyman and Pearson's lemma no other test finds more: it alarms where the step is likeliest
    compared with the drift. The alarms are counted among the steps, each weighted by how much less likely it is."""
    random = np.random.default_rng(seed)
    noise, found = NOISE * random.standard_normal((count, behind + AFTER)), np.zeros(count, dtype=bool)
    begins = np.linspace(0, 2 * np.pi, 96, endpoint=False)[:, None]
    for end in ENDS:
        step = np.where(np.arange(behind + end) < behind, 0, STEP)
        drift = DRIFT * np.sin(np.arange(behind + end) / TURN + begins)
        series = noise[:, : behind + end] + step
        ratio = _likelihood(series, np.stack([step, -step])) - _likelihood(series, drift)
        order = np.argsort(-ratio)
        found[order[np.cumsum(np.exp(-ratio[order])) < AIM * count]] = True
    return float(found.mean())


def _likelihood(series: Any, means: Any) -> Any:
    """The logarithm of how likely series are around one of some means, each as likely, on a level that is not known."""
    series, means = (one - one.mean(axis=-1, keepdims=True) for one in (series, means))
    exponents = (series @ means.T - (means**2).sum(axis=-1) / 2) / NOISE**2
    return np.logaddexp.reduce(exponents, axis=-1) - np.log(len(means))


def power_and_alarms(*, count: int, seed: int) -> Iterator[str]:
    """With half a window, one and two behind the latest points."""
    yield f"| points behind | +5% found | best possible | {' | '.join(f'alarms, {kind}' for kind in KINDS)} |"
    yield "|" + " --- |" * (len(KINDS) + 3)
    for behind in (WINDOW // 2, WINDOW, MEMORY):
        found = found_in_time(behind=behind, count=count, seed=seed).mean()
        best = best_possible(behind=behind, count=count, seed=seed)
        alarms = [looks(kind, behind=behind, count=count, seed=seed).mean() * 10_000 for kind in KINDS.values()]
        yield f"| {behind} | {found:.1%} | {best:.1%} | {' | '.join(f'{one:.1f}' for one in alarms)} |"


def creeping(a_week: float, *, days: Sequence[float], spread: float, count: int, seed: int) -> float:
    """The share of months in which a creep is told, of a figure that is measured on these days and varies a little."""
    random, moments = np.random.default_rng(seed), np.asarray(days)
    at = [(BEGIN + timedelta(days=day)).isoformat() for day in days]
    months = 1e9 * (1 + a_week * moments / 7 + spread * random.standard_normal((count, len(days))))
    return float(np.mean([creep(at, month) is not None for month in months]))


def creeps(*, count: int, seed: int) -> Iterator[str]:
    """Measured daily, and once a week."""
    for name, days in (("daily", range(29)), ("weekly", range(0, 29, 7))):
        for a_week in (0.0, 0.002):
            told = creeping(a_week, days=days, spread=0.0002, count=count, seed=seed)
            yield f"a creep of {a_week:.1%} a week, measured {name}: told in {told:.2%} of months"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--looks", type=int, default=200_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--otava", metavar="PYTHON", help="the Python of an environment that has apache-otava")
    options = parser.parse_args()
    finders: dict[str, Finder] = {"ours": ours}
    if find_spec("ruptures"):
        finders["ruptures, PELT"] = by_ruptures
    if options.otava:
        finders["Apache Otava"] = by_otava(options.otava)
    print("Of single looks, alarms in 10,000:")
    print("\n".join(power_and_alarms(count=options.looks, seed=options.seed)))
    print("\n".join(creeps(count=min(options.looks, 10_000), seed=options.seed)))
    print("Of whole series:")
    print("\n".join(table(finders, count=options.count, seed=options.seed)))


if __name__ == "__main__":
    main()

"""How often change points are found, and found where there are none: `python benchmarks/change_points.py`.

Series are generated with labels: noise of 2% around a level that stays, or that rises by 5%; two modes; a slow drift;
single points far away. Ours is set against ruptures, and against Apache Otava where
`--otava` names a Python that has it."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from fluxgate.history.change_points import FEW, LATEST, WINDOW, are_apart, change_points

NOISE, STEP, AFTER = 0.02, 0.05, 5  # shares, and points after a step within which it must be found
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
    return clean(random, length) * (1 + 0.02 * np.sin(np.arange(length) / 30 + random.random() * 6))


def outlying(random: Any, length: int) -> Any:
    return clean(random, length) * np.where(random.random(length) < 0.03, 1.5, 1.0)


KINDS = {"clean": clean, "two modes": bimodal, "drift": drifting, "outliers": outlying}


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
    """Found within five points of a step, and series of 60 points without one in which something was found."""
    yield f"| finder | +5% found, of {count} | {' | '.join(f'alarms, {kind}' for kind in KINDS)} |"
    yield "|" + " --- |" * (len(KINDS) + 2)
    for name, find in finders.items():
        random = np.random.default_rng(seed)
        hits = find([stepped(random, WINDOW + AFTER).tolist() for _ in range(count)])
        found = sum(any(abs(at - WINDOW) <= 2 for at in one) for one in hits)
        alarms = [
            sum(map(bool, find([kind(random, WINDOW).tolist() for _ in range(count)]))) for kind in KINDS.values()
        ]
        yield f"| {name} | {found / count:.0%} | {' | '.join(f'{number} of {count}' for number in alarms)} |"


def looks(kind: Callable[[Any, int], Any], *, count: int, seed: int) -> Any:
    """Whether ours alarms at one look at a series with a whole window before its latest points, many at once."""
    random = np.random.default_rng(seed)
    series = np.stack([kind(random, WINDOW + max(LATEST)) for _ in range(count)])
    alarms = np.zeros(count, dtype=bool)
    for latest, threshold in LATEST.items():
        before, after = series[:, -latest - WINDOW : -latest], series[:, -latest:]
        alarms |= are_apart(before, after, threshold * (1 + FEW / WINDOW))
    return alarms


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
    for kind, draw in KINDS.items():
        alarms = int(looks(draw, count=options.looks, seed=options.seed).sum())
        print(f"ours, {kind}: {alarms / options.looks * 10_000:.1f} alarms in 10,000 looks")
    print("\n".join(table(finders, count=options.count, seed=options.seed)))


if __name__ == "__main__":
    main()

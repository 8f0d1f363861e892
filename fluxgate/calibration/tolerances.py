"""Measuring tolerances: how far the stages of runs with sound stacks lie from the oracle.

`python -m fluxgate.calibration.tolerances FILE RUN…` puts them into the file, in place of what it had of the device;
with --add, beside that: another stack or machine rounds otherwise, and is sound, too. With --own, only those that are
of the subject's own weights (quantized or cast ones, and float32): of a subject that has the miniature's numbers, the
others are the miniature's."""

from __future__ import annotations

import argparse
import datetime
import statistics
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from fluxgate.compare.oracle import StageDistance, distances
from fluxgate.files import read_plain, write_plain
from fluxgate.judge.applicable import computes_alike
from fluxgate.judge.tolerances import (
    MINIATURE,
    Measured,
    Seen,
    Session,
    Tolerance,
    Tolerances,
    is_altered,
    root_of,
    whose_weights,
)
from fluxgate.refusal import Refusal
from fluxgate.runs.rendered import Rendered
from fluxgate.runs.run import Run, open_run
from fluxgate.strategies import STRATEGIES
from fluxgate.subjects.subject import Subject


class Key(NamedTuple):
    """What has a tolerance of its own, as a Tolerance says it."""

    strategy: str
    stage: str
    dtype: str
    altered: bool
    weights: str


def measured(runs: Sequence[Run], *, own_only: bool = False) -> Measured:
    """The tolerances of all cases of some runs; they must be of one kind of device."""
    seen: dict[Key, list[StageDistance]] = defaultdict(list)
    devices = {one.rendering.device for run in runs for one in run.rendered_cases().values()}
    if len(devices) != 1:
        raise Refusal(
            f"tolerances are measured on one kind of device at a time, not on {', '.join(sorted(devices)) or 'none'}"
        )
    for run in runs:
        for rendered in run.rendered_cases().values():
            for key, distance in _observed(rendered):
                seen[key].append(distance)
    kept = [key for key in sorted(seen) if key.weights != MINIATURE or not own_only]
    session = Session(
        machines=tuple(sorted({run.machine.id for run in runs})),
        stack=dict(runs[-1].stack),
        date=datetime.datetime.now(datetime.UTC).date().isoformat(),
    )
    return Measured(devices.pop(), (session,), tuple(_tolerance(key, seen[key]) for key in kept))


def _observed(rendered: Rendered) -> Iterator[tuple[Key, StageDistance]]:
    """Every stage that has a distance and need not be exact."""
    rendering = rendered.rendering
    promise = {one.name: one.promise for one in STRATEGIES}.get(rendering.strategy)
    if promise is not None and (promise.adapts or not computes_alike(promise)):
        return
    if rendering.crash is not None or rendering.given is None or rendering.given.error is not None:
        return
    shapes = Subject(rendering.subject, "", "", ())
    for distance in distances(rendered):
        if distance.actual is not None and not distance.reshaped and not distance.exact:
            altered = is_altered(distance.stage, shapes, rendering.inventory)
            dtype = distance.actual.dtype
            weights = whose_weights(rendering.subject, dtype, altered=altered)
            yield Key(root_of(rendering.strategy), distance.stage, dtype, altered, weights), distance


def _tolerance(key: Key, seen: Sequence[StageDistance]) -> Tolerance:
    control = {one.name: one.promise.control for one in STRATEGIES}.get(key.strategy)
    rms, worst = _seen([each.rms for each in seen]), _seen([each.worst for each in seen])
    return Tolerance(**key._asdict(), rms=rms, worst=worst, control=control)


def _seen(values: Iterable[float]) -> Seen:
    numbers = list(values)
    return Seen(max(numbers), statistics.fmean(numbers), statistics.pstdev(numbers), len(numbers))


def together(one: Measured, other: Measured) -> Measured:
    """What was measured on one kind of device in several sessions: each tolerance knows in which of them."""
    sessions = [*one.sessions, *(session for session in other.sessions if session not in one.sessions)]
    tolerances: dict[Key, Tolerance] = {}
    for group in (one, other):
        for each in group.tolerances:
            key = Key(each.strategy, each.stage, each.dtype, each.altered, each.weights)
            now = replace(each, sessions=tuple(sessions.index(group.sessions[index]) for index in each.sessions))
            tolerances[key] = _joined(tolerances[key], now) if key in tolerances else now
    return Measured(one.device, tuple(sessions), tuple(tolerances[key] for key in sorted(tolerances)))


def _joined(one: Tolerance, other: Tolerance) -> Tolerance:
    """As if what both saw had been seen at once."""
    sessions = tuple(sorted({*one.sessions, *other.sessions}))
    return replace(other, rms=_both(one.rms, other.rms), worst=_both(one.worst, other.worst), sessions=sessions)


def _both(one: Seen, other: Seen) -> Seen:
    count = one.n + other.n
    mean = (one.n * one.mean + other.n * other.mean) / count
    squares = sum(each.n * (each.spread**2 + (each.mean - mean) ** 2) for each in (one, other))
    return Seen(max(one.most, other.most), mean, (squares / count) ** 0.5, count)


def parser() -> argparse.ArgumentParser:
    result = argparse.ArgumentParser(prog="python -m fluxgate.calibration.tolerances", description=__doc__)
    result.add_argument("file", type=Path, help="where tolerances are kept")
    result.add_argument("runs", type=Path, nargs="+", help="folders of runs with sound stacks, on one kind of device")
    result.add_argument("--add", action="store_true", help="beside what the file has of the device, not in its place")
    result.add_argument("--own", action="store_true", help="only what is of the subject's own weights")
    return result


def main(arguments: Sequence[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    try:
        now = measured([open_run(folder) for folder in options.runs], own_only=options.own)
        before = read_plain(options.file, Tolerances).measured if options.file.exists() else ()
    except Refusal as refusal:
        print(refusal, file=sys.stderr)
        return refusal.exit_code
    same = next((each for each in before if each.device == now.device), None)
    kept = together(same, now) if options.add and same is not None else now
    write_plain(options.file, Tolerances((*(each for each in before if each.device != now.device), kept)))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

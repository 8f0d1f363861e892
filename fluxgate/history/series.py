"""Series: one figure of one case over all sessions that can be compared, with its change points."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from fluxgate.amounts import amount
from fluxgate.compare.work import flops
from fluxgate.history.change_points import ChangePoint, change_points
from fluxgate.history.creep import Creep, creep
from fluxgate.history.store import SavedSession, series_keys

HIGHER_IS_BETTER = ("likeness",)
STEADY = ("bytes", "FLOPs")  # units of figures that vary so little that a creep is somebody's doing
RECENT = 8  # sessions: a change that was first told before them has been seen


@dataclass(frozen=True)
class Point:
    """A figure as one session measured it."""

    at: str
    value: float
    commit: str | None
    stack: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Change:
    """A change point, and what moved there."""

    point: ChangePoint
    at: str
    moved: tuple[str, ...]  # "diffusers 0.42.1 → 0.43.0"
    commits: tuple[str | None, str | None]  # the last before, the first after
    is_worse: bool
    is_recent: bool


@dataclass(frozen=True)
class Series:
    """One figure of one case."""

    machine: str
    case: str
    figure: str
    points: tuple[Point, ...]
    changes: tuple[Change, ...]
    creep: Creep | None = None  # of what varies little: bytes and counts

    @property
    def creeps_worse(self) -> bool:
        return self.creep is not None and (self.creep.share > 0) != self.figure.startswith(HIGHER_IS_BETTER)

    @property
    def values(self) -> tuple[float, ...]:
        return tuple(point.value for point in self.points)


def all_series(sessions: Sequence[SavedSession], *, wanted: Callable[[str, str], bool]) -> tuple[Series, ...]:
    """Every figure's series of every case; `wanted` is asked of strategy and figure."""
    points: dict[tuple[tuple[str, ...], str], list[Point]] = {}
    for session in sessions:
        stack = tuple(sorted(session.stack.items()))
        for key, case in series_keys(session):
            for figure, value in case.figures.items():
                if wanted(case.strategy, figure):
                    points.setdefault((key, figure), []).append(Point(session.at, value, session.commit, stack))
    return tuple(_series(key, figure, own) for (key, figure), own in points.items())


def _series(key: tuple[str, ...], figure: str, points: list[Point]) -> Series:
    changes = tuple(_changes(figure, points))
    machine, processor, case, *_ = key
    since = changes[-1].point.at if changes else 0  # what has changed at once does not creep
    grown = _creep(points[since:]) if any(unit in figure for unit in STEADY) else None
    return Series(f"{machine} ({processor})" if processor else machine, case, figure, tuple(points), changes, grown)


def _creep(points: list[Point]) -> Creep | None:
    return creep([point.at for point in points], [point.value for point in points])


def _changes(figure: str, points: list[Point]) -> Iterator[Change]:
    for change_point in change_points([point.value for point in points]):
        before, after = points[change_point.at - 1], points[change_point.at]
        old, new = dict(before.stack), dict(after.stack)
        moved = tuple(
            f"{name} {old.get(name, 'absent')} → {new.get(name, 'absent')}"
            for name in sorted(old.keys() | new.keys())
            if old.get(name) != new.get(name)
        )
        higher = change_point.after > change_point.before
        yield Change(
            change_point,
            after.at,
            moved,
            (before.commit, after.commit),
            is_worse=higher != figure.startswith(HIGHER_IS_BETTER),
            is_recent=len(points) - change_point.told_at <= RECENT,
        )


def in_words(figure: str, value: float) -> str:
    """`1.24 s`, `4.10 GB`, `17.4 GFLOP`, `0.9981`."""
    if figure.endswith("seconds"):
        return f"{value:.3g} s"
    if "bytes" in figure:
        return amount(value)
    return flops(value) if figure.endswith("FLOPs") else f"{value:.4g}"


def creep_sentence(series: Series, grown: Creep) -> str:
    """How much grew, within how long, and how fast that is."""
    before, after = in_words(series.figure, grown.before), in_words(series.figure, grown.after)
    within = f"within {grown.days:.0f} days, {grown.a_week:+.2%} a week"
    return f"{series.case}, {series.figure}: {before} → {after} ({grown.share:+.1%}) {within}; no single step tells."


def sentence(series: Series, change: Change) -> str:
    """What changed, when, by how much, and what moved there."""
    point = change.point
    before, after = in_words(series.figure, point.before), in_words(series.figure, point.after)
    share = f" ({point.share:+.1%})" if point.before else ""
    old, new = (commit[:10] if commit else "an unknown commit" for commit in change.commits)
    why = f"; {', '.join(change.moved)}" if change.moved else "; no library moved"
    between = f"between {old} and {new}" if old != new else f"at commit {new}"
    return f"{series.case}, {series.figure}: {before} → {after}{share} since {change.at[:16]}, {between}{why}."

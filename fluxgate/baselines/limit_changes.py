"""What accepting a calibrating run changes in the limits of a subject."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

from fluxgate.baselines import case_limits, limits
from fluxgate.baselines.limits import Band, LimitsFile, widened
from fluxgate.baselines.store import Store
from fluxgate.files import read_plain
from fluxgate.refusal import Refusal
from fluxgate.rendering import id_of_case
from fluxgate.runs.run import Run

Asked = Callable[[str, str], bool]  # subject and strategy -> whether its limits are to be accepted


@dataclass(frozen=True)
class LimitsChange:
    """The limits of one subject as they will be."""

    file: LimitsFile
    lines: tuple[str, ...]  # each limit that moves, in words; none where all stay as they are


def limit_changes(run: Run, store: Store, machine: str, *, asked: Asked, tighten: bool) -> Iterator[LimitsChange]:
    """The limits that a run measured, joined to those that stand."""
    for path in sorted((run.folder / "limits").glob("*.json")):
        new = read_plain(path, LimitsFile)
        if path.stem != new.subject or new.schema != limits.SCHEMA:
            raise Refusal(f"{path} is damaged: it is of {new.subject[:120]!r}, schema {new.schema}.")
        before = next(case_limits.read_limits(store, machine, new.subject), LimitsFile(new.subject, machine, {}, {}))
        strategies = {name: its for name, its in new.strategies.items() if asked(new.subject, name)}
        drift = {name: bands for name, bands in new.drift.items() if asked(new.subject, name)}
        releases = {name: bands for name, bands in new.releases.items() if asked(new.subject, name)}
        if strategies or drift or releases:
            after = replace(
                before,
                strategies={**before.strategies, **strategies},
                drift=_joined(before.drift, drift, tighten=tighten),
                releases=_joined(before.releases, releases, tighten=tighten),
            )
            yield LimitsChange(after, tuple(_lines(before, after)))


def _joined(
    before: Mapping[str, dict[str, Band]], new: Mapping[str, dict[str, Band]], *, tighten: bool
) -> dict[str, dict[str, Band]]:
    """Drift holds every legal change seen so far, but to tighten it."""
    joined = {name: its if tighten else widened(before.get(name, {}), its) for name, its in new.items()}
    return {**before, **joined}


def _lines(before: LimitsFile, after: LimitsFile) -> Iterator[str]:
    old = _bands(before)
    for name, bands in _bands(after).items():
        for measure, band in bands.items():
            former = old.get(name, {}).get(measure)
            if _edges(band) != _edges(former):
                yield f"{name}: {measure} {_edges(band)}" + (f", was {_edges(former)}" if former else "")
            elif band != former:
                yield f"{name}: {measure} {_edges(band)} as before, by another measurement"
    for strategy, likenesses in after.strategies.items():
        earlier = before.strategies.get(strategy)
        if earlier and earlier.unseparated != likenesses.unseparated:
            names = ", ".join(likenesses.unseparated) or "none"
            yield f"{id_of_case(after.subject, strategy)}: controls that its limits do not reject: {names}"


def _bands(file: LimitsFile) -> dict[str, dict[str, Band]]:
    """Every band of a file, by what it is about."""
    bands = {f"{id_of_case(file.subject, name)}, drift": its for name, its in file.drift.items()}
    bands |= {f"{id_of_case(file.subject, name)}, drift of releases": its for name, its in file.releases.items()}
    for name, likenesses in file.strategies.items():
        case_id = id_of_case(file.subject, name)
        bands[case_id] = likenesses.likeness
        bands[f"{case_id}, mean of the case"] = likenesses.overall
    return bands


def _edges(band: Band | None) -> str:
    if band is None:
        return ""
    edges = (("at least", band.floor), ("at most", band.ceiling))
    return " and ".join(f"{words} {limit.value:.4f}" for words, limit in edges if limit)

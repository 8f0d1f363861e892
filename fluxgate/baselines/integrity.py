"""Integrity: whether what was accepted is still there as it was, and whether anything uses it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from fluxgate.baselines import case_limits, manifest
from fluxgate.baselines.baseline import AcceptedCase, facts_file, read_case, stale_shots, strategies_in
from fluxgate.baselines.store import PORTABLE, Store, folder_of, subjects_in
from fluxgate.refusal import Refusal
from fluxgate.rendering import id_of_case
from fluxgate.subjects.subject import Subject

PRUNE = "fluxgate accept --prune"


@dataclass(frozen=True)
class Entry:
    """Which baseline it is."""

    machine: str
    subject: str
    strategy: str

    @property
    def case_id(self) -> str:
        return id_of_case(self.subject, self.strategy)


def refuse_damaged(store: Store, *, machine: str, subjects: Iterable[str], accepted: bool = True) -> None:
    """Refuse unless all that cases of these subjects on this machine are judged by is as it was accepted.

    Without `accepted`, pictures and facts are not asked for, and only the calibrated limits must be sound."""
    for subject in subjects:
        for place in (machine, PORTABLE, *case_limits.lenders(store, machine, subject)):
            list(case_limits.read_limits(store, place, subject))  # refuses what is damaged
        for place in (machine, PORTABLE) if accepted else ():
            _refuse_any([sentence for root in store.roots for sentence in _damage_of(store, root, place, subject)])


def refuse_damaged_machine(root: Path, machine: str) -> None:
    """Refuse unless everything accepted for one machine is as it was accepted, whatever the subject."""
    subjects = [subject for place, subject in subjects_in(root) if place == machine]
    _refuse_any(
        [sentence for subject in subjects for sentence in manifest.damage_in(folder_of(root, machine, subject))]
    )


def _refuse_any(damage: list[str]) -> None:
    if damage:
        more = f" (and {len(damage) - 1} more like it)" if len(damage) > 1 else ""
        raise Refusal(f"{damage[0]}{more}")


def _damage_of(store: Store, root: Path, machine: str, subject: str) -> tuple[str, ...]:
    folder = folder_of(root, machine, subject)
    return manifest.damage_in(folder, partial=root != store.own) if folder.exists() else ()


def complaints(store: Store, *, cases: Collection[str], subjects: Mapping[str, Subject]) -> tuple[str, ...]:
    """A sentence for all that is wrong with one's own baselines, whatever is rendered: damage, then what nobody uses.

    `cases` holds the ids of all cases that there are."""
    damage = damage_in(store.own)
    if damage:
        return damage
    return tuple(
        f"The baseline {entry.machine}/{entry.subject}/{facts_file(entry.strategy)} is stale: {why}. Remove it: {PRUNE}"
        for entry, why in unused(store.own, cases=cases, subjects=subjects).items()
    )


def unused(root: Path, *, cases: Collection[str], subjects: Mapping[str, Subject]) -> dict[Entry, str]:
    """The baselines that are of no use, each with the reason."""
    reasons = dict.fromkeys(orphans(root, cases), "no case uses it")
    for entry in stale(root, subjects):
        reasons.setdefault(entry, "its shots are asked for differently today")
    return reasons


def damage_in(root: Path) -> tuple[str, ...]:
    """A sentence for each file of a folder of baselines that is not as it was accepted."""
    folders = (folder_of(root, machine, subject) for machine, subject in subjects_in(root))
    return tuple(sentence for folder in folders for sentence in manifest.damage_in(folder))


def orphans(root: Path, cases: Collection[str]) -> tuple[Entry, ...]:
    """The baselines that no case uses."""
    return tuple(entry for entry in _entries(root) if entry.case_id not in cases)


def stale(root: Path, subjects: Mapping[str, Subject]) -> tuple[Entry, ...]:
    """The baselines whose shots are asked for differently today, or no longer at all."""
    entries = (entry for entry in _entries(root) if entry.subject in subjects)
    return tuple(entry for entry in entries if stale_shots(_accepted(root, entry), subjects[entry.subject]))


def _entries(root: Path) -> Iterable[Entry]:
    for machine, subject in subjects_in(root):
        for strategy in strategies_in(folder_of(root, machine, subject)):
            yield Entry(machine, subject, strategy)


def _accepted(root: Path, entry: Entry) -> AcceptedCase:
    baseline = read_case(Store(root), entry.machine, entry.subject, entry.strategy)
    if baseline is None:  # it was listed a moment ago, and a missing file is refused
        raise LookupError(f"{root} has no baseline of {entry.case_id} on {entry.machine}")
    return baseline.case

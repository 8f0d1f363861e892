"""Baselines: the pictures and facts that a person has accepted for a machine."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from fluxgate.baselines import manifest, recovery
from fluxgate.files import is_name, parse_plain
from fluxgate.pictures import Pixels, hash_of, read_png
from fluxgate.refusal import Refusal
from fluxgate.rendering import Fingerprint, Inventory
from fluxgate.subjects.subject import Subject

SCHEMA = 1
LARGEST_FACTS = 4_000_000  # bytes; the facts of a case are a hundredth of it
PRUNE = "fluxgate accept --prune"
PORTABLE = "portable"  # stands where a machine's id stands, for pictures compared by likeness


@dataclass(frozen=True)
class Acceptance:
    """Who accepted something, when, from which run, and why."""

    by: str
    at: str  # ISO 8601, UTC
    because: str
    run: str  # the run's name
    commit: str | None
    stack: dict[str, str]


@dataclass(frozen=True)
class AcceptedPicture:
    """One picture that is right for a shot; a shot may have several, each with its own reason."""

    sha256: str  # of the exact array, as in a rendering
    file: str  # a name within `pictures/` of the subject's folder
    because: str


@dataclass(frozen=True)
class AcceptedShot:
    """What is accepted for one picture of one shot."""

    shot: str
    index: int
    pictures: tuple[AcceptedPicture, ...]

    def holds(self, sha256: str) -> bool:
        return any(picture.sha256 == sha256 for picture in self.pictures)


@dataclass(frozen=True)
class AcceptedCase:
    """The facts of one case that hold on one machine until somebody accepts others."""

    subject: str
    strategy: str
    machine: str  # an id, or "portable"
    recipes: dict[str, str]  # shot -> hash of the recipe that the pictures were made with
    shots: tuple[AcceptedShot, ...]
    fingerprints: tuple[Fingerprint, ...]  # of the first take
    inventory: Inventory | None
    peaks: dict[str, dict[str, tuple[int, ...]]]  # phase -> figure ("allocated", "host", …) -> bytes, once per run
    held_after: tuple[int, ...]  # bytes on the pipeline's device after freeing, once per run
    seconds: dict[str, tuple[float, ...]]  # phase -> seconds, once per run
    accepted: Acceptance
    levels: dict[str, tuple[float, ...]] = field(default_factory=dict)  # shot -> the noise levels it went through
    draws: dict[str, tuple[float, ...]] = field(default_factory=dict)  # dtype -> noise that torch draws in it
    schema: int = SCHEMA

    def shot_of(self, shot: str, index: int) -> AcceptedShot | None:
        return next((found for found in self.shots if (found.shot, found.index) == (shot, index)), None)


@dataclass(frozen=True)
class Baseline:
    """An accepted case and the folder that its pictures are in."""

    case: AcceptedCase
    folder: Path

    @property
    def portable(self) -> bool:
        """Whether the pictures come from elsewhere, so that only their likeness counts."""
        return self.case.machine == PORTABLE

    def path_of(self, picture: AcceptedPicture) -> Path:
        return self.folder / "pictures" / picture.file


def folder_of(store: Path, machine: str, subject: str) -> Path:
    """Where a subject's baselines for a machine lie; names that cannot be names are refused."""
    for name in (machine, subject):
        if not is_name(name):
            raise Refusal(f"{name[:120]!r} cannot name a baseline.")
    return store / machine / subject


def find(store: Path, machine: str, subject: str, strategy: str) -> Baseline | None:
    """The case's baseline for this machine, else the portable one, else None; a damaged one is refused."""
    return read_case(store, machine, subject, strategy) or read_case(store, PORTABLE, subject, strategy)


def read_case(store: Path, machine: str, subject: str, strategy: str) -> Baseline | None:
    """The facts accepted for one case on one machine, or None where nothing was accepted."""
    recovery.settle(store)
    folder = folder_of(store, machine, subject)
    name = facts_file(strategy)
    if not (folder / name).exists() and name not in listed_if_any(folder):
        return None
    data = manifest.read_sealed(folder, name, LARGEST_FACTS)
    case = parse_facts(data, name=str(folder / name))
    if (case.machine, case.subject, case.strategy) != (machine, subject, strategy):
        raise Refusal(f"{folder / name} is damaged: it is of {case.machine}, {case.subject}, {case.strategy}.")
    return Baseline(case, folder)


def parse_facts(data: bytes, *, name: str) -> AcceptedCase:
    """An accepted case out of a facts file, its values checked."""
    case = parse_plain(data, AcceptedCase, name=name)
    complaint = _fault(case)
    if complaint:
        raise Refusal(f"{name} is damaged: {complaint}.")
    return case


def facts_file(strategy: str) -> str:
    if not is_name(strategy):
        raise Refusal(f"{strategy[:120]!r} cannot name a strategy.")
    return f"facts/{strategy}.json"


def read_picture(baseline: Baseline, picture: AcceptedPicture) -> Pixels:
    """The pixels of an accepted picture, once they have been seen to be the accepted ones."""
    path = baseline.path_of(picture)
    manifest.read_sealed(baseline.folder, f"pictures/{picture.file}")
    pixels = read_png(path)
    if hash_of(pixels) != picture.sha256:
        raise Refusal(f"{path} does not show the accepted pixels; restore it from version control.")
    return pixels


def strategies_in(folder: Path) -> tuple[str, ...]:
    """The strategies that a subject's folder has facts of."""
    names = (name.removeprefix("facts/") for name in listed_if_any(folder) if name.startswith("facts/"))
    return tuple(sorted(name.removesuffix(".json") for name in names))


def listed_if_any(folder: Path) -> Collection[str]:
    """The names in a folder's manifest; no folder lists nothing."""
    return manifest.listed(folder) if folder.exists() else ()


def everything(store: Path) -> Iterator[tuple[str, str]]:
    """Each machine and subject that the store has a folder for, in order."""
    recovery.settle(store)
    for machine in sorted(path for path in store.glob("*/") if is_name(path.name)):
        yield from ((machine.name, path.name) for path in sorted(machine.glob("*/")))


def damages(store: Path) -> tuple[str, ...]:
    """A sentence for each file of the store that is not as it was accepted."""
    return tuple(
        sentence
        for machine, subject in everything(store)
        for sentence in manifest.damages(folder_of(store, machine, subject))
    )


def orphans(store: Path, cases: Collection[str]) -> tuple[tuple[str, str, str], ...]:
    """Baselines (machine, subject, strategy) that no case uses; `cases` holds the ids of all there are."""
    return tuple(
        (machine, subject, strategy)
        for machine, subject in everything(store)
        for strategy in strategies_in(folder_of(store, machine, subject))
        if f"{subject}-{strategy}" not in cases
    )


def stale(store: Path, subjects: Mapping[str, Subject]) -> tuple[tuple[str, str, str], ...]:
    """Baselines whose shots are asked for differently today, or no longer at all."""
    return tuple(
        (machine, name, strategy)
        for machine, name in everything(store)
        if name in subjects
        for strategy in strategies_in(folder_of(store, machine, name))
        if stale_shots(_known(store, machine, name, strategy), subjects[name])
    )


def complaints(store: Path, *, cases: Collection[str], subjects: Mapping[str, Subject]) -> tuple[str, ...]:
    """A sentence for all that is wrong with the store whatever is rendered: damage, and baselines without a use."""
    found = damages(store)
    if found:
        return found
    useless = [(entry, "no case uses it") for entry in orphans(store, cases)]
    useless += [(entry, "its shots are asked for differently today") for entry in stale(store, subjects)]
    return tuple(
        f"The baseline {machine}/{subject}/{facts_file(strategy)} is stale: {why}. Remove it: {PRUNE}"
        for (machine, subject, strategy), why in useless
    )


def stale_shots(case: AcceptedCase, subject: Subject) -> tuple[str, ...]:
    """The shots of an accepted case whose recipe is no longer the subject's."""
    today = {shot.name: shot.recipe for shot in subject.shots}
    return tuple(name for name, recipe in case.recipes.items() if today.get(name) != recipe)


def _known(store: Path, machine: str, subject: str, strategy: str) -> AcceptedCase:
    baseline = read_case(store, machine, subject, strategy)
    assert baseline is not None  # it was listed a moment ago, and a missing file is refused
    return baseline.case


def _fault(case: AcceptedCase) -> str | None:
    """What is wrong with the values of a facts file, or None."""
    if case.schema != SCHEMA:
        return f"its schema is {case.schema}, and {SCHEMA} is read here"
    names = [*case.recipes, *(picture.file for shot in case.shots for picture in shot.pictures)]
    if not all(map(is_name, names)):
        return "a name in it cannot be the name of a file"
    return next((f"it has no picture of {s.shot} {s.index}" for s in case.shots if not s.pictures), None)

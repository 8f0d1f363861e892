"""Baselines: the pictures and facts that a person has accepted for a machine."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from fluxgate.baselines import manifest
from fluxgate.baselines.store import PORTABLE, Store
from fluxgate.compare.facts import Facts, Source
from fluxgate.files import is_name, parse_plain
from fluxgate.pictures import Pixels, hash_of, read_png
from fluxgate.refusal import Refusal
from fluxgate.rendering import Fingerprint, Inventory, Work
from fluxgate.subjects.subject import Subject

SCHEMA = 1
LARGEST_FACTS = 4_000_000  # bytes; the facts of a case are a hundredth of it


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
    kept: bool = True  # False where the hash and the stages are all that is kept of it


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
    held_after: tuple[int, ...]  # bytes on the pipeline's device after freeing, but for libraries' caches, once per run
    seconds: dict[str, tuple[float, ...]]  # phase -> seconds, once per run
    accepted: Acceptance
    levels: dict[str, tuple[float, ...]] = field(default_factory=dict)  # shot -> the noise levels it went through
    draws: dict[str, tuple[float, ...]] = field(default_factory=dict)  # dtype -> noise that torch draws in it
    work: Work | None = None  # of one call
    step_paces: dict[str, tuple[float, ...]] = field(default_factory=dict)  # shot (and beside what) -> of a step
    phase_seconds: dict[str, tuple[float, ...]] = field(default_factory=dict)  # phase and shot -> once for each take
    warnings: tuple[str, ...] | None = None  # of the libraries; None where they were not kept yet
    schema: int = SCHEMA

    def shot_of(self, shot: str, index: int) -> AcceptedShot | None:
        return next((one for one in self.shots if (one.shot, one.index) == (shot, index)), None)


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


def find(store: Store, machine: str, subject: str, strategy: str) -> Baseline | None:
    """The case's baseline for this machine, else the portable one, else None; a damaged one is refused."""
    return read_case(store, machine, subject, strategy) or read_case(store, PORTABLE, subject, strategy)


def read_case(store: Store, machine: str, subject: str, strategy: str) -> Baseline | None:
    """The facts accepted for one case on one machine, or None where nothing was accepted."""
    name = facts_file(strategy)
    folder = next(store.folders_with(machine, subject, name), None)
    if folder is None:
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
    if not picture.kept:
        raise Refusal(f"Only the hash of {picture.file} was kept when it was accepted.")
    manifest.read_sealed(baseline.folder, f"pictures/{picture.file}")
    pixels = read_png(path)
    if hash_of(pixels) != picture.sha256:
        raise Refusal(f"{path} does not show the accepted pixels; restore it from version control.")
    return pixels


def accepted_facts(baseline: Baseline) -> Facts:
    """What was accepted as one side of a comparison; a picture is read when somebody compares it."""
    case = baseline.case
    fingerprints: dict[str, dict[str, Fingerprint]] = {}
    for entry in case.fingerprints:
        fingerprints.setdefault(entry.shot, {})[entry.stage] = entry
    return Facts(
        pictures={(one.shot, one.index): tuple(_source(baseline, each) for each in one.pictures) for one in case.shots},
        fingerprints=fingerprints,
        recipes=case.recipes,
        inventory=case.inventory,
        noise_levels=case.levels,
        draws=case.draws,
        peaks=case.peaks,
        seconds=case.seconds,
        stack=case.accepted.stack,
        work=case.work,
    )


def _source(baseline: Baseline, picture: AcceptedPicture) -> Source:
    return Source(picture.sha256, baseline.path_of(picture), partial(read_picture, baseline, picture), picture.kept)


def strategies_in(folder: Path) -> tuple[str, ...]:
    """The strategies that a subject's folder has facts of."""
    names = (name.removeprefix("facts/") for name in manifest.listed(folder) if name.startswith("facts/"))
    return tuple(sorted(name.removesuffix(".json") for name in names))


def stale_shots(case: AcceptedCase, subject: Subject) -> tuple[str, ...]:
    """The shots of an accepted case whose recipe is no longer the subject's."""
    today = {shot.name: shot.recipe for shot in subject.shots}
    return tuple(name for name, recipe in case.recipes.items() if today.get(name) != recipe)


def _fault(case: AcceptedCase) -> str | None:
    """What is wrong with the values of a facts file, or None."""
    if case.schema != SCHEMA:
        return f"its schema is {case.schema}, and {SCHEMA} is read here"
    names = [*case.recipes, *(picture.file for shot in case.shots for picture in shot.pictures)]
    if not all(map(is_name, names)):
        return "a name in it cannot be the name of a file"
    return next((f"it has no picture of {s.shot} {s.index}" for s in case.shots if not s.pictures), None)

"""Drift: how far the same pictures lie apart between machines or releases that differ in nothing but a legal change."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from fluxgate.baselines.baseline import accepted_facts, read_case
from fluxgate.baselines.limits import LimitsFile
from fluxgate.baselines.store import Store
from fluxgate.calibration import floors
from fluxgate.calibration.calibrate import origin_of
from fluxgate.calibration.floors import Origin
from fluxgate.compare.difference import other_recipes
from fluxgate.compare.facts import Facts, facts_of
from fluxgate.compare.likeness import Likeness, worst
from fluxgate.compare.pairs import pairs_of
from fluxgate.files import write_plain
from fluxgate.locks import Say
from fluxgate.refusal import Refusal
from fluxgate.rendering import id_of_case
from fluxgate.runs.rendered import Rendered
from fluxgate.runs.run import Run


@dataclass(frozen=True)
class CasePictures:
    """The pictures of one case, and where and when they were rendered."""

    facts: Facts
    origin: Origin


@dataclass(frozen=True)
class Side:
    """What a machine rendered: a run of it, or what was accepted for it."""

    machine: str
    cases: Mapping[tuple[str, str], CasePictures]  # by subject and strategy


def of_run(run: Run) -> Side:
    """What a run rendered, but for what crashed."""
    rendered = (one for one in run.rendered_cases().values() if not one.rendering.crash)
    origin = origin_of(run)
    cases = {(one.rendering.subject, one.rendering.strategy): CasePictures(facts_of(one), origin) for one in rendered}
    return Side(run.machine.id, cases)


def of_accepted(folder: Path) -> Side:
    """What was accepted for a machine, whose id is the folder's name."""
    store, machine = Store(folder.absolute().parent), folder.absolute().name
    cases: dict[tuple[str, str], CasePictures] = {}
    for subject, strategy in store.accepted_for(machine):
        baseline = read_case(store, machine, subject, strategy)
        if baseline is not None:
            accepted = baseline.case.accepted
            origin = Origin(machine, accepted.stack, accepted.at[:10])
            cases[subject, strategy] = CasePictures(accepted_facts(baseline), origin)
    return Side(machine, cases)


def between(run: Run, sides: Sequence[Side], *, report: Say) -> dict[str, LimitsFile]:
    """Bands of drift for every case that the first of the sides shares with another, written into a new run."""
    if len(sides) < 2:
        raise Refusal("Drift lies between runs: name two or more, of machines or releases that may differ.")
    first, *later = sides
    files: dict[str, LimitsFile] = {}
    for (subject, strategy), pictures in first.cases.items():
        case_id = id_of_case(subject, strategy)
        others = [side.cases[subject, strategy] for side in later if (subject, strategy) in side.cases]
        measured = [likeness for other in others for likeness in _shared(pictures, other, case_id)]
        if not measured:
            continue
        report(f"{case_id}: {len(measured)} pictures, SSIM {worst(measured).ssim:.6f} at worst")
        origins = [pictures.origin, *(other.origin for other in others)]
        bands = floors.drift([one.measures() for one in measured], pictures.origin, source=_source(origins))
        file = files.setdefault(subject, LimitsFile(subject, first.machine, {}, {}))
        (file.releases if _on_one_machine(origins) else file.drift)[strategy] = bands
    for subject, file in files.items():
        write_plain(run.folder / "limits" / f"{subject}.json", file)
    return files


def _shared(expected: CasePictures, actual: CasePictures, case_id: str) -> Iterator[Likeness]:
    """How alike the pictures are that both sides have and kept."""
    kept = {key for key, (source, *_) in actual.facts.pictures.items() if source.kept}
    kept &= {key for key, sources in expected.facts.pictures.items() if any(source.kept for source in sources)}
    return _likenesses(expected.facts, actual.facts, only=kept, case_id=case_id)


def likenesses(expected: Rendered, actual: Rendered) -> Iterator[Likeness]:
    """How alike two renderings of a case are, picture by picture, where both were rendered by the same recipe."""
    ours = facts_of(actual)
    return _likenesses(facts_of(expected), ours, only=ours.pictures, case_id=actual.rendering.case_id)


def _likenesses(theirs: Facts, ours: Facts, *, only: Iterable[tuple[str, int]], case_id: str) -> Iterator[Likeness]:
    shared = theirs.recipes.keys() & ours.recipes.keys() - set(other_recipes(theirs, ours))
    wanted = set(only)
    for pair in pairs_of(theirs, ours, only=[key for key in ours.pictures if key in wanted and key[0] in shared]):
        if pair.likeness is None:
            raise Refusal(f"{case_id}: picture {pair.index} of shot {pair.shot!r} {pair.trouble}.")
        yield pair.likeness


def _on_one_machine(origins: Iterable[Origin]) -> bool:
    return len({origin.machine for origin in origins}) == 1


def _source(origins: Sequence[Origin]) -> str:
    """What the sides differ in."""
    if not _on_one_machine(origins):
        return f"between {', '.join(dict.fromkeys(origin.machine for origin in origins))}"
    stacks = [f"{name} {version}" for origin in origins for name, version in sorted(origin.stack.items())]
    moved = [entry for entry in dict.fromkeys(stacks) if stacks.count(entry) < len(origins)]
    return f"between {', '.join(moved)}" if moved else "between runs of one machine and stack"

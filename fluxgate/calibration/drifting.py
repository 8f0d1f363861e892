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
from fluxgate.machine import Machine, device_of
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

    machine: Machine
    cases: Mapping[tuple[str, str], CasePictures]  # by subject and strategy


def of_run(run: Run) -> Side:
    """What a run rendered, but for what crashed."""
    rendered = (one for one in run.rendered_cases().values() if not one.rendering.crash)
    origin = origin_of(run)
    cases = {(one.rendering.subject, one.rendering.strategy): CasePictures(facts_of(one), origin) for one in rendered}
    return Side(run.machine, cases)


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
    return Side(_known_by_id(machine), cases)


def _known_by_id(machine: str) -> Machine:
    """A machine of which nothing else is known: the rest is left empty."""
    return Machine(
        id=machine,
        device=device_of(machine),
        name=machine,
        count=0,
        memory=0,
        capability="",
        torch="",
        cuda=None,
        driver=None,
        python="",
        system="",
    )


def between(run: Run, sides: Sequence[Side], *, report: Say) -> dict[str, LimitsFile]:
    """Bands of drift for every case that the first of the sides shares with another, written into a new run."""
    if len(sides) < 2:
        raise Refusal("Drift lies between runs: name two or more, of machines or releases that may differ.")
    first, *later = sides
    files: dict[str, LimitsFile] = {}
    for (subject, strategy), pictures in first.cases.items():
        case_id = id_of_case(subject, strategy)
        others = [side.cases[subject, strategy] for side in later if (subject, strategy) in side.cases]
        measured = [one for other in others for one in _likenesses(pictures.facts, other.facts, case_id)]
        if not measured:
            continue
        report(f"{case_id}: {len(measured)} pictures, SSIM {worst(measured).ssim:.6f} at worst")
        origins = [pictures.origin, *(other.origin for other in others)]
        bands = floors.drift([one.measures() for one in measured], pictures.origin, source=_source(origins))
        file = files.setdefault(subject, LimitsFile(subject, first.machine.id, {}, {}))
        (file.releases if _on_one_machine(origins) else file.drift)[strategy] = bands
    for subject, file in files.items():
        write_plain(run.folder / "limits" / f"{subject}.json", file)
    return files


def likenesses(expected: Rendered, actual: Rendered) -> Iterator[Likeness]:
    """How alike two renderings of a case are, picture by picture, where both were rendered by the same recipe."""
    return _likenesses(facts_of(expected), facts_of(actual), actual.rendering.case_id)


def _likenesses(theirs: Facts, ours: Facts, case_id: str) -> Iterator[Likeness]:
    shared = theirs.recipes.keys() & ours.recipes.keys() - set(other_recipes(theirs, ours))
    kept = [key for key, (one, *_) in ours.pictures.items() if key[0] in shared and one.kept]
    for pair in pairs_of(theirs, ours, only=kept):
        if pair.expected is not None and not pair.shown:  # only its hash was kept
            continue
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

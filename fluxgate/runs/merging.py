"""Several runs put together as one: the shards of a session, or strategies that were rendered apart."""

from __future__ import annotations

import shutil
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from fluxgate.amounts import amount
from fluxgate.files import is_name, write_plain
from fluxgate.machine import unlike
from fluxgate.refusal import Refusal
from fluxgate.rendering import Rendering
from fluxgate.runs import run as runs
from fluxgate.runs.plan import FILE as PLAN
from fluxgate.runs.plan import Plan, PlannedCase, read_plan
from fluxgate.runs.run import CASES, FACTS, VERDICTS, Run


def merge(parts: Sequence[Run], root: Path, *, command: str) -> Run:
    """One run out of many, in a new folder, or a refusal that names what they disagree in. The parts stay as they are.

    A case is taken from the run that asked about it. Shards that are missing leave their cases open: the merged run
    was cut short then, as it says."""
    plans = [_plan(part) for part in parts]
    _refuse_unlike(parts, plans)
    owners = _owners(parts, plans)
    sources = {**_first_with(parts), **owners}
    _refuse_unsteady(parts, sources)
    whole = _together(plans)
    finished = max(filter(None, (part.finished for part in parts)), default=None)
    complete = all(part.finished for part in parts) and not _missing_shards(plans)
    started = min(part.facts.started for part in parts)
    facts = replace(parts[0].facts, command=command, started=started, finished=finished if complete else None)
    folder = runs.fresh_folder(root, facts.machine)
    try:
        for case_id, part in sources.items():
            _copy(part.case_folder(case_id), folder / CASES / case_id)
            if part.once_more_folder(case_id).is_dir():  # by which the case's memory is judged
                _copy(part.once_more_folder(case_id), runs.once_more_folder(folder / CASES / case_id))
        for name, path in _beside(parts).items():
            shutil.copyfile(path, folder / name)
        write_plain(folder / PLAN, whole)
        write_plain(folder / FACTS, replace(facts, id=folder.name))  # the last: without it, it is no run
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return runs.open_run(folder)


def missing_shards(parts: Sequence[Run]) -> tuple[int, ...]:
    """The shards of these runs' session that none of them is, and that had something to render."""
    return _missing_shards([_plan(part) for part in parts])


def _missing_shards(plans: Sequence[Plan]) -> tuple[int, ...]:
    due = {plan.shards.get(case.id) for plan in plans for case in plan.cases if case.unsupported is None}
    there = {plan.shard.number for plan in plans if plan.shard is not None}
    return tuple(sorted(number for number in due - there if number is not None))


def _plan(part: Run) -> Plan:
    plan = read_plan(part)
    if plan is None:
        raise Refusal(f"{part.folder} has no {PLAN}: an older Fluxgate made it, and it cannot be merged.")
    return plan


# What they must agree in


def _refuse_unlike(parts: Sequence[Run], plans: Sequence[Plan]) -> None:
    """Refuse runs whose renderings cannot stand beside each other."""
    if len(parts) < 2:
        raise Refusal("It takes two runs or more to merge.")
    first, owner = plans[0], {subject.name: (parts[0], subject) for subject in plans[0].subjects}
    for part, plan in zip(parts[1:], plans[1:], strict=True):
        for difference in (*_differences(parts[0], part), *_differences_of_shards(first, plan)):
            raise Refusal(f"{parts[0].folder} and {part.folder} cannot be merged: {difference}.")
        for subject in plan.subjects:
            other, known = owner.setdefault(subject.name, (part, subject))
            if known != subject:
                same = f"{subject.name} is not the same subject"
                raise Refusal(f"{other.folder} and {part.folder} cannot be merged: {same}.")


def _differences_of_shards(one: Plan, other: Plan) -> Iterator[str]:
    if (one.shard is None) != (other.shard is None) or one.shards != other.shards:
        yield "they are not shards of one session"


def _differences(one: Run, other: Run) -> Iterator[str]:
    """What decides pixels, bytes and seconds, and is not the same in both."""
    for what, mine, theirs in unlike((one.machine, one.stack), (other.machine, other.stack)):
        yield f"their {what} is {mine or 'not there'} and {theirs or 'not there'}"
    if one.vram_limit != other.vram_limit:
        limits = (amount(each.vram_limit) if each.vram_limit else "all of it" for each in (one, other))
        yield f"each GPU was held to {' and '.join(limits)}"
    if one.commit != other.commit:
        yield f"they are of the commits {one.commit} and {other.commit}"


def _owners(parts: Sequence[Run], plans: Sequence[Plan]) -> dict[str, Run]:
    """Case -> the run that was asked about it and has it; two of them would be one too many."""
    owners: dict[str, Run] = {}
    for part, plan in zip(parts, plans, strict=True):
        for case_id in sorted(plan.asked):
            if case_id in owners and owners[case_id].folder == part.folder:
                raise Refusal(f"{part.folder} is named twice; name different runs.")
            if case_id in owners:
                raise Refusal(f"{owners[case_id].folder} and {part.folder} were both asked about {case_id}.")
            owners[case_id] = part
    return {case_id: part for case_id, part in owners.items() if part.rendered(case_id) is not None}


def _first_with(parts: Sequence[Run]) -> dict[str, Run]:
    """Case -> the first run that has it, whole or cut short; what others were compared with is among them."""
    found: dict[str, Run] = {}
    for part in parts:
        for case_id in part.renderings():
            found.setdefault(case_id, part)
    return found


def _refuse_unsteady(parts: Sequence[Run], sources: Mapping[str, Run]) -> None:
    """Refuse machines that do not render alike: a case of one would be held to a reference of the other."""
    for case_id, source in sources.items():
        kept = _hashes(source.rendered(case_id))
        for part in parts:
            other = _hashes(part.rendered(case_id)) if part is not source else {}
            differs = [where for where in kept.keys() & other.keys() if kept[where] != other[where]]
            if differs:
                raise Refusal(
                    f"{source.folder} and {part.folder} cannot be merged: their pictures of {case_id} differ, so that "
                    f"a difference between cases could be one between machines."
                )


def _hashes(rendering: Rendering | None) -> dict[tuple[str, int], str]:
    pictures = rendering.pictures_of() if rendering is not None else {}
    return {where: picture.sha256 for where, picture in pictures.items()}


# What they are together


def _together(plans: Sequence[Plan]) -> Plan:
    """All their cases, asked where any of them was asked, or where a missing shard was to be."""
    subjects = {subject.name: subject for plan in plans for subject in plan.subjects}
    asked = {case_id for plan in plans for case_id in (*plan.asked, *plan.shards)}
    cases: dict[tuple[str, str], PlannedCase] = {}
    for plan in plans:
        for case in plan.cases:
            cases.setdefault((case.subject, case.strategy.name), replace(case, asked=case.id in asked))
    return Plan(tuple(subjects.values()), tuple(cases.values()))


def _beside(parts: Sequence[Run]) -> dict[str, Path]:
    """What the runs have of libraries by themselves, beside their cases: of each file the first."""
    found: dict[str, Path] = {}
    for part in parts:
        for path in sorted(part.folder.glob("*.json")):
            if path.name not in (FACTS, PLAN, VERDICTS) and is_name(path.name) and not path.is_symlink():
                found.setdefault(path.name, path)
    return found


# On disk


def _copy(source: Path, target: Path) -> None:
    """Copy a case's files; a link, or whatever else is no plain file, does not come from a run."""
    target.mkdir(parents=True)
    for path in sorted(source.iterdir()):
        if path.name == runs.ONCE_MORE:  # it has a rendering of its own, which is copied as one
            continue
        if not is_name(path.name) or not stat.S_ISREG(path.lstat().st_mode):
            raise Refusal(f"{path} does not belong into a run: it is no plain file with a plain name.")
        shutil.copyfile(path, target / path.name)

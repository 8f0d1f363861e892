"""Planning: what accepting a run would change, found out without writing anything."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path

from fluxgate.amounts import amount
from fluxgate.baselines import manifest, objections, samples
from fluxgate.baselines.baseline import AcceptedCase, Baseline, accepted_facts, read_case
from fluxgate.baselines.changes import CaseChange, Plan
from fluxgate.baselines.integrity import refuse_damaged_machine
from fluxgate.baselines.known_failures import EVERY, KnownFailure, expected
from fluxgate.baselines.limit_changes import limit_changes
from fluxgate.baselines.picture_changes import PictureChange, on_all_cores, picture_changes
from fluxgate.baselines.samples import Samples
from fluxgate.baselines.store import PORTABLE, Store, folder_of, subjects_in
from fluxgate.cases import Case
from fluxgate.compare import words
from fluxgate.compare.difference import compare, stage_differences
from fluxgate.compare.facts import Facts, facts_of
from fluxgate.compare.library_warnings import new_warnings
from fluxgate.compare.pace import step_paces
from fluxgate.compare.phase_seconds import phase_seconds
from fluxgate.machine import releases_of
from fluxgate.refusal import Refusal
from fluxgate.rendering import Rendering, id_of_case
from fluxgate.runs.rendered import Rendered
from fluxgate.runs.run import Run

SHOWN = 300  # characters of a warning
MOST_LISTED = 12  # objections in one refusal


@dataclass(frozen=True)
class Request:
    """What a person wants to accept of a run."""

    only: str = EVERY  # a pattern for the ids of cases
    portable: bool = False  # as the pictures that any machine is compared with by likeness
    tighten: bool = False  # let ceilings and bands come down to what this run measured
    keep_pictures: bool = False  # leave the pictures accepted so far right beside the new ones
    approved: Mapping[str, str] | None = None  # case -> a person's note on it; None: all that `only` fits


@dataclass(frozen=True)
class _Inputs:
    """What every step of planning looks at."""

    run: Run
    request: Request
    root: Path
    cases: Mapping[str, Case]
    known_failures: tuple[KnownFailure, ...]

    @property
    def machine(self) -> str:
        return PORTABLE if self.request.portable else self.run.machine.id

    def asks_for(self, subject: str, strategy: str) -> bool:
        case_id, approved = id_of_case(subject, strategy), self.request.approved
        return fnmatch.fnmatchcase(case_id, self.request.only) and (approved is None or case_id in approved)

    def accepted(self, subject: str, strategy: str) -> Baseline | None:
        return read_case(Store(self.root), self.machine, subject, strategy)

    def owner(self, rendering: Rendering) -> str:
        """The end of the chain of what reproduces what."""
        name = rendering.strategy
        while (case := self.cases.get(id_of_case(rendering.subject, name))) and case.strategy.promise.reproduces:
            name = case.strategy.promise.reproduces
        return name

    def is_reference(self, subject: str, owner: str) -> bool:
        """Whether a strategy is held to no other's pictures."""
        case = self.cases.get(id_of_case(subject, owner))
        return case is None or case.strategy.promise.reference is None


def plan(
    run: Run,
    request: Request,
    *,
    root: Path,
    cases: Mapping[str, Case],
    known_failures: Iterable[KnownFailure] = (),
) -> Plan:
    """The plan for a run, or a refusal that lists what stands in its way."""
    inputs = _Inputs(run, request, root, cases, tuple(known_failures))
    _refuse_limited(run)
    refuse_damaged_machine(root, inputs.machine)
    manifests = manifests_of(root, inputs.machine)
    renderings, left_out = _chosen(inputs)
    tighten = request.tighten
    limits = tuple(limit_changes(run, Store(root), inputs.machine, asked=inputs.asks_for, tighten=tighten))
    if not renderings and not limits:
        raise Refusal(f"Nothing in {run.folder} can be accepted with --only {request.only!r}.")
    _refuse_objections([sentence for one in renderings for sentence in _objections(one, inputs)])
    changes = _described([_case_change(one, inputs) for one in renderings], run)
    return Plan(run, root, inputs.machine, changes, limits, left_out, manifests)


def manifests_of(root: Path, machine: str) -> dict[str, bytes]:
    """The manifest of each subject that anything is accepted for on a machine: they change with whatever changes."""
    paths = {
        name: folder_of(root, machine, name) / manifest.NAME for place, name in subjects_in(root) if place == machine
    }
    return {subject: path.read_bytes() if path.exists() else b"" for subject, path in paths.items()}


def _refuse_limited(run: Run) -> None:
    """What was rendered under a limit of memory is no measure of this machine.

    Near the limit torch gives its cache back and cuDNN takes ways that need less room: peaks and seconds, sometimes
    pixels too, are those of a smaller card, and later runs without a limit would be held to them."""
    if run.vram_limit is not None:
        rendered = f"{run.folder} was rendered under --vram-limit {amount(run.vram_limit)}"
        raise Refusal(f"{rendered}: its peaks and seconds are those of a smaller card; accept a run without it.")


def _chosen(inputs: _Inputs) -> tuple[list[Rendering], tuple[str, ...]]:
    """The renderings asked for, and the ids of those whose crash is a known failure."""
    run = inputs.run
    if not run.finished and inputs.request.only == EVERY and inputs.request.approved is None:
        raise Refusal(f"{run.folder} is not finished; name the cases that you want to accept with --only.")
    asked = [one for one in run.renderings().values() if inputs.asks_for(one.subject, one.strategy)]
    left_out = [one.case_id for one in asked if one.crash is not None and _is_known(one, inputs)]
    return [one for one in asked if one.case_id not in left_out], tuple(left_out)


def _is_known(rendering: Rendering, inputs: _Inputs) -> bool:
    cell = (rendering.subject, rendering.strategy, EVERY)
    installed = releases_of(inputs.run.machine, inputs.run.stack)
    return expected(inputs.known_failures, cell, device=rendering.device, stack=installed) is not None


def _refuse_objections(sentences: list[str]) -> None:
    if not sentences:
        return
    listed = "\n".join(f"  {sentence}" for sentence in sentences[:MOST_LISTED])
    more = f"\n  and {len(sentences) - MOST_LISTED} more" if len(sentences) > MOST_LISTED else ""
    raise Refusal(f"Nothing was accepted, because:\n{listed}{more}")


def _objections(rendering: Rendering, inputs: _Inputs) -> Iterator[str]:
    own = list(objections.to_rendering(rendering, inputs.cases.get(rendering.case_id)))
    yield from own
    owner = inputs.owner(rendering)
    if not own and owner != rendering.strategy:
        yield from objections.to_promise(rendering, _hashes(rendering.subject, owner, inputs), named=owner)


def _hashes(subject: str, strategy: str, inputs: _Inputs) -> dict[tuple[str, int], str]:
    """The pictures of a strategy in this run, else as accepted."""
    rendering = inputs.run.rendered(id_of_case(subject, strategy))
    if rendering is not None:
        return {key: picture.sha256 for key, picture in rendering.pictures_of().items()}
    accepted = inputs.accepted(subject, strategy)
    shots = accepted.case.shots if accepted else ()
    return {(shot.shot, shot.index): shot.pictures[-1].sha256 for shot in shots}


def _warnings(rendering: Rendering, before: Baseline | None) -> Iterator[str]:
    """What libraries warn of and did not when the case was accepted."""
    if before is not None and before.case.warnings is not None:
        for line in new_warnings(before.case.warnings, rendering.warnings):
            yield f"a new warning: {' '.join(line.split())[:SHOWN]}"


def _case_change(rendering: Rendering, inputs: _Inputs) -> CaseChange:
    """What accepting a rendering changes, but for the words."""
    before = inputs.accepted(rendering.subject, rendering.strategy)
    joined = samples.join(
        samples.accepted(before.case) if before else Samples(),
        samples.measured(rendering),
        again=before is not None and before.case.accepted.run == inputs.run.folder.name,
        tighten=inputs.request.tighten,
    )
    rendered = Rendered(rendering, inputs.run.case_folder(rendering.case_id))
    owner = inputs.owner(rendering)
    return CaseChange(
        rendered=rendered,
        machine=inputs.machine,
        owner=owner,
        is_reference=inputs.is_reference(rendering.subject, owner),
        before=before,
        samples=joined.samples,
        step_paces=_step_paces(rendering, before, inputs),
        phase_seconds=_joined(before.case.phase_seconds if before else {}, phase_seconds(rendering), before, inputs),
        keep_pictures=inputs.request.keep_pictures,
        note=(inputs.request.approved or {}).get(rendering.case_id, ""),
        pictures=picture_changes(accepted_facts(before) if before else Facts(), facts_of(rendered)),
        lines=(*joined.changes, *_warnings(rendering, before)),
        notes=joined.notes,
    )


def _step_paces(rendering: Rendering, before: Baseline | None, inputs: _Inputs) -> dict[str, tuple[float, ...]]:
    """How fast a step was beside the reference in this run, among what was accepted before."""
    case = inputs.cases.get(rendering.case_id)
    named = case.strategy.promise.reference if case else None
    reference = inputs.run.rendered(id_of_case(rendering.subject, named)) if named else None
    paces = step_paces(rendering, reference) if reference or not named else {}
    return _joined(before.case.step_paces if before else {}, paces, before, inputs)


def _joined(
    accepted: Mapping[str, tuple[float, ...]],
    paces: Mapping[str, tuple[float, ...]],
    before: Baseline | None,
    inputs: _Inputs,
) -> dict[str, tuple[float, ...]]:
    """A run's among what was accepted; a run that is accepted again gives its own once."""
    if before is not None and before.case.accepted.run == inputs.run.folder.name:
        return dict(accepted or paces)
    return samples.join_paces(accepted, paces)


def _described(changes: list[CaseChange], run: Run) -> tuple[CaseChange, ...]:
    """The changes with their words; what is the same for several cases is read and compared once."""
    pictures = dict.fromkeys(one for change in changes for one in change.pictures)
    about = dict(zip(pictures, on_all_cores(PictureChange.line, pictures), strict=True))
    return tuple(
        replace(change, lines=tuple(_lines(change, [about[one] for one in change.pictures], run))) for change in changes
    )


def _lines(change: CaseChange, pictures: list[str], run: Run) -> Iterator[str]:
    """What a change is, in words."""
    if change.before is None:
        number = len(change.pictures)
        yield f"new, with {number} picture{'' if number == 1 else 's'}"
        return
    lines = [*_difference_lines(change, change.before, run), *pictures, *change.lines]
    if change.changed and not lines:
        lines = [f"changes in {', '.join(_changed_fields(change, change.before.case))}"]
    yield from lines


def _difference_lines(change: CaseChange, before: Baseline, run: Run) -> Iterator[str]:
    """Everything but the pictures themselves."""
    expected, actual = accepted_facts(before), facts_of(change.rendered, stack=run.stack)
    difference = compare(replace(expected, pictures={}), replace(actual, pictures={}))
    moved = {one.shot for one in change.pictures}
    stages = stage_differences(expected, actual, {shot: shot in moved for shot in actual.fingerprints})
    yield from words.lines(replace(difference, stages=tuple(stages)))


def _changed_fields(change: CaseChange, before: AcceptedCase) -> Iterator[str]:
    after = change.facts(before.accepted)
    yield from (one.name for one in fields(before) if getattr(before, one.name) != getattr(after, one.name))

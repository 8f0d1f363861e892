"""What an upgrade did to one case: the outcome, and the evidence for it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from fluxgate.baselines.limits import Band
from fluxgate.cases import Case
from fluxgate.compare import words
from fluxgate.compare.difference import Difference, compare
from fluxgate.compare.draws import draws_differ, dtype_of
from fluxgate.compare.facts import Facts, facts_of
from fluxgate.compare.pairs import Pair
from fluxgate.compare.work import held_changes
from fluxgate.gate.trends import Spreads, memory_trend, more_by_libraries, seconds_trend, too_heavy
from fluxgate.judge.damage import needing_bands
from fluxgate.judge.picture_failures import first_breach
from fluxgate.judge.sentences import listed
from fluxgate.judge.verdict import (
    CRASHED,
    FAILED,
    MEMORY_CHECKS,
    ORACLE,
    PASSED,
    PROMISE,
    SCENE,
    SPEED_CHECKS,
    WEIGHTS,
    Verdict,
)
from fluxgate.rendering import NOISE, STAGES, Crash, Rendering, without_call
from fluxgate.report.gate_result import CaseOutcome, CaseResult, FigureResult
from fluxgate.runs.rendered import Rendered

IDENTICAL, DRIFTED, CHANGED, BROKEN, FIXED, LOST, GAINED, UNSTEADY, CANNOT_RUN = OUTCOMES = tuple(CaseOutcome)


MOST_WORK = 20  # counters of work that are told
OWN_CHECKS = (ORACLE, SCENE, PROMISE)  # that judge pictures without those of another stack
COSTS = frozenset(MEMORY_CHECKS + SPEED_CHECKS)  # checks that fail while pictures are right: mending them moves none


@dataclass(frozen=True)
class Side:
    """A case in one of the two stacks."""

    case: Case
    stack: Mapping[str, str]
    rendered: Rendered | None = None
    verdicts: Mapping[str, Verdict] = field(default_factory=dict)  # by check, within its own run
    repeats: tuple[Rendered, ...] = ()  # the same once more, each in a process of its own
    control: Rendered | None = None  # only its first shot once more, in a process of its own

    @property
    def crash(self) -> Crash | None:
        return self.rendered.rendering.crash if self.rendered else None

    @property
    def renderings(self) -> tuple[Rendering, ...]:
        """The first and the further ones."""
        first = (self.rendered,) if self.rendered else ()
        return tuple(one.rendering for one in (*first, *self.repeats))

    @property
    def is_steady(self) -> bool:
        """Whether it gave the same each time."""
        return self.rendered is None or not any(_others(self.rendered, again) for again in self.again)

    @property
    def again(self) -> tuple[Rendered, ...]:
        """All that was rendered after the first, whole or in part."""
        return self.repeats if self.control is None else (*self.repeats, self.control)

    @property
    def failing(self) -> dict[str, Verdict]:
        return {check: one for check, one in self.verdicts.items() if one.status in (FAILED, CRASHED)}


def outcome_of(
    before: Side, after: Side, *, drift: Mapping[str, Band] | None = None, spreads: Spreads | None = None
) -> CaseResult:
    """The outcome of a case.

    drift: what legal changes of machine or release were seen to do. spreads: how much memory varies by itself."""
    memory = memory_trend(before.renderings, after.renderings, spreads=spreads)
    return replace(
        _with_passing(next(_outcomes(before, after, drift or {}, memory)), before, after),
        memory=memory,
        seconds=seconds_trend(before.renderings, after.renderings),
        given=given_stages(before.rendered, after.rendered),
        crashed_during=after.crash.phase if after.crash else None,
    )


def given_stages(before: Rendered | None, after: Rendered | None) -> tuple[str, ...]:
    """The stages that differ although both were run from the same given inputs, in the order of the pipeline.

    The noise is drawn, not given: where torch draws other numbers, it differs, and is right."""
    takes = [one.rendering.given if one else None for one in (before, after)]
    ours, theirs = ({} if take is None else {stage.stage: stage.sha256 for stage in take.stages} for take in takes)
    drawn = [one.rendering.draws if one else {} for one in (before, after)]
    moved = (stage for stage, sha256 in ours.items() if theirs.get(stage, sha256) != sha256)
    return tuple(stage for stage in moved if drawn[0] == drawn[1] or without_call(stage) != NOISE)


def _outcomes(
    before: Side, after: Side, drift: Mapping[str, Band], memory: FigureResult | None
) -> Iterator[CaseResult]:
    """The outcomes that fit, the one that says most first."""
    yield from _of_support(before, after)
    yield from _of_unsteady_crashes(before, after)
    yield from _of_crashes(before, after)
    if before.rendered is None or after.rendered is None:
        yield _outcome(after, CANNOT_RUN, "it was not rendered")
        return
    difference = compare(facts_of(before.rendered, stack=before.stack), facts_of(after.rendered, stack=after.stack))
    yield from _of_new_failures(before, after, difference)
    if not before.is_steady:
        yield _compared(after, UNSTEADY, "the incumbent does not give the same twice", difference)
    if not after.is_steady:
        yield _compared(after, BROKEN, "the candidate does not give the same twice, and the incumbent does", difference)
    fixed = _fixed(before, after, difference)
    if fixed is not None and not COSTS.issuperset(fixed.checks):
        yield fixed
    outcome = _difference_of(before, after, difference, drift)
    by_libraries = more_by_libraries(before.renderings, after.renderings)
    if memory is not None and too_heavy(memory, by_libraries) and (outcome is None or outcome.outcome is DRIFTED):
        reason = f"it takes more memory ({memory.figure}, {memory.phase}): {memory.reason}"
        yield _costlier(after, reason, difference, drift=outcome)
    changes = held_changes(before.rendered.rendering.work, after.rendered.rendering.work)
    more = [change.sentence for change in changes if change.after > change.before]
    if more and (outcome is None or outcome.outcome is DRIFTED):
        reason = f"it does more work for its pictures: {more[0]}"
        yield _costlier(after, reason, difference, drift=outcome)
    yield outcome or fixed or _compared(after, IDENTICAL, "every picture, stage and byte is the same", difference)


def _fixed(before: Side, after: Side, difference: Difference) -> CaseResult | None:
    """A case that failed and passes all now. Where only what it costs was wrong, its pictures were right before."""
    if not before.failing or after.failing:
        return None
    failed = tuple(before.failing)
    return _compared(after, FIXED, f"it failed {_quoted(failed)} before", difference, checks=failed)


def _difference_of(before: Side, after: Side, difference: Difference, drift: Mapping[str, Band]) -> CaseResult | None:
    """Drifted or changed, where anything differs."""
    if _stands_for_the_same(before, after, difference):
        return _compared(after, DRIFTED, "its quantized weights have other codes for the same numbers", difference)
    assert before.rendered is not None
    return _moved(before.rendered, after, difference, drift) if _differs(difference) else None


def _costlier(after: Side, reason: str, difference: Difference, *, drift: CaseResult | None) -> CaseResult:
    """Changed by what it costs. No stage did that, though pictures may have drifted as well."""
    drifted = f"; its pictures have drifted: {drift.reason}" if drift else ""
    return replace(_compared(after, CHANGED, f"{reason}{drifted}", difference), stage=None)


def _of_support(before: Side, after: Side) -> Iterator[CaseResult]:
    was, is_now = before.case.unsupported, after.case.unsupported
    if was is not None and is_now is not None:
        yield _outcome(after, CANNOT_RUN, is_now)
    elif is_now is not None:
        yield _outcome(after, LOST, f"it can no longer run: {is_now}")
    elif was is not None:
        yield _outcome(after, GAINED, f"it could not run before: {was}")


def _of_unsteady_crashes(before: Side, after: Side) -> Iterator[CaseResult]:
    """One that crashes only now and then says nothing, whichever side it is."""
    for name, side in (("incumbent", before), ("candidate", after)):
        first = (side.rendered,) if side.rendered else ()
        crashes = [one.rendering.crash for one in (*first, *side.again)]
        if any(crashes) and not all(crashes):
            first = next(filter(None, crashes))
            yield _outcome(after, UNSTEADY, f"the {name} crashes only now and then: {first.sentence}".rstrip("."))


def _of_crashes(before: Side, after: Side) -> Iterator[CaseResult]:
    if after.crash is not None and before.crash is not None:
        yield _of_two_crashes(after, before.crash, after.crash)
    elif after.crash is not None:
        during = f" during {after.crash.phase}" if after.crash.phase else ""
        yield _outcome(after, BROKEN, f"it crashes{during}: {after.crash.sentence}".rstrip("."))
    elif before.crash is not None and after.rendered is not None:
        yield _of_no_crash(after, f"it crashed before: {before.crash.sentence}".rstrip("."))


def _of_two_crashes(after: Side, then: Crash, now: Crash) -> CaseResult:
    """It did not work and does not, though an error may be put in other words, or names a version or a folder.

    One of another kind says more: whoever was killed before may have worked, had the machine let it."""
    was, is_now = (crash.sentence.rstrip(".") for crash in (then, now))
    if then.kind != now.kind:
        return _outcome(after, CHANGED, f"it crashes otherwise: {is_now}")
    words = is_now if was == is_now else f"{is_now}; before: {was}"
    return _outcome(after, IDENTICAL, f"it crashes in both: {words}")


def _of_no_crash(after: Side, before: str) -> CaseResult:
    """A case that no longer crashes is fixed if all that is asked of it passes; before: what it did, in words."""
    if after.failing:
        verdict = next(iter(after.failing.values()))
        reason = f"{before}; now {_first_sentence(verdict)}"
        return replace(_outcome(after, CHANGED, reason), checks=tuple(after.failing))
    if not after.is_steady:
        return _outcome(after, CHANGED, f"{before}; now it does not give the same twice")
    return _outcome(after, FIXED, before)


def _of_new_failures(before: Side, after: Side, difference: Difference) -> Iterator[CaseResult]:
    """A check that fails now and did not."""
    worse = {check: one for check, one in after.failing.items() if check not in before.failing}
    if worse:
        verdict = next(iter(worse.values()))
        yield _compared(after, BROKEN, _first_sentence(verdict), difference, checks=tuple(worse))


def _with_passing(result: CaseResult, before: Side, after: Side) -> CaseResult:
    """The result with the checks that pass now, where the case is not fixed because others fail as before."""
    passing = tuple(check for check in before.failing if check not in after.failing)
    if result.checks or not passing or not after.failing or after.crash is not None:
        return result
    told = f"it passes {_quoted(passing)} now, and fails {_quoted(after.failing)} as before"
    return replace(result, checks=passing, reason=f"{result.reason}; {told}")


def _quoted(checks: Iterable[str]) -> str:
    return listed(f"'{check}'" for check in checks)


def _stands_for_the_same(before: Side, after: Side, difference: Difference) -> bool:
    """Whether nothing but codes of quantized weights differ that both stacks hold to the file's: where a block's scale
    is zero, all codes stand for zero."""
    codes = [
        change.traits == ("weights",)
        and not change.sizes
        and change.after is not None
        and change.after.quantized_bytes > 0
        for change in difference.inventory
    ]
    held = [side.verdicts[WEIGHTS].status == PASSED for side in (before, after) if WEIGHTS in side.verdicts]
    return any(codes) and all(codes) and held == [True, True] and not _differs(replace(difference, inventory=()))


def _moved(before: Rendered, after: Side, difference: Difference, drift: Mapping[str, Band]) -> CaseResult:
    """Drifted or changed."""
    assert after.rendered is not None
    ours, theirs = after.rendered.rendering.draws, before.rendering.draws
    dtype = dtype_of(after.case)
    if difference.inventory:
        return _compared(after, CHANGED, _inventory(difference)[0], difference)
    if difference.noise_levels:
        mismatch = difference.noise_levels[0].sentence(whose="the incumbent's")
        return _compared(after, CHANGED, mismatch, difference)
    if draws_differ(ours, dtype, theirs, dtype):
        return _of_other_noise(after, dtype, difference)
    if any(stage.reshaped for stage in difference.stages):
        return _compared(after, CHANGED, "a stage has another size", difference)
    comparable = [pair for pair in difference.pictures if pair.likeness is not None]
    if len(comparable) < len(difference.pictures) or difference.missing:
        return _compared(after, CHANGED, "its pictures cannot be compared", difference)
    held = needing_bands(comparable, after.case)
    breach = first_breach(held, drift)
    if breach is None and (drift or not held):
        within = f"{_how_far(comparable)}: within what harmless changes were seen to do"
        return _compared(after, DRIFTED, within, difference)
    reason = f"{_how_far(comparable)}; how far harmless changes move them was not measured on such a machine"
    if breach:
        reason = f"it moves further than harmless changes were seen to: {breach.sentence}"
    return _compared(after, CHANGED, reason, difference)


def _of_other_noise(after: Side, dtype: str, difference: Difference) -> CaseResult:
    """Pictures that start from other numbers cannot be held to the incumbent's. What holds them is within their own
    stack: each stage from given inputs, the scene, the reference. Without any of these, what else moved is unseen."""
    reason = f"torch draws other {dtype} noise, so its pictures are others"
    own = [check for check in OWN_CHECKS if check != PROMISE or after.case.strategy.promise.reference is not None]
    if any(verdict.status == PASSED for check, verdict in after.verdicts.items() if check in own):
        outcome, reason = DRIFTED, f"{reason}; what its own stack holds it to, it passes"
    else:
        outcome, reason = UNSTEADY, f"{reason}, and it has no oracle, no scenes and no reference to be held to"
    return replace(_compared(after, outcome, reason, difference), other_noise=True)


def _others(one: Rendered, other: Rendered) -> bool:
    """Whether the same stack gave something else."""
    return (
        one.rendering.crash is None
        and other.rendering.crash is None
        and _differs(compare(_of_shots(facts_of(one), other.rendering.recipes), facts_of(other)))
    )


def _of_shots(facts: Facts, shots: Collection[str]) -> Facts:
    """The facts of these shots alone, where another rendering has no others."""
    return replace(
        facts,
        pictures={key: pictures for key, pictures in facts.pictures.items() if key[0] in shots},
        fingerprints={shot: stages for shot, stages in facts.fingerprints.items() if shot in shots},
        recipes={shot: recipe for shot, recipe in facts.recipes.items() if shot in shots},
        noise_levels={shot: levels for shot, levels in facts.noise_levels.items() if shot in shots},
    )


def _differs(difference: Difference) -> bool:
    moved = any(not pair.identical for pair in difference.pictures)
    return moved or bool(difference.stages or difference.inventory or difference.noise_levels or difference.missing)


def _outcome(side: Side, outcome: CaseOutcome, reason: str) -> CaseResult:
    return CaseResult(side.case.id, side.case.subject.name, side.case.strategy.name, outcome, reason)


def _compared(
    side: Side, outcome: CaseOutcome, reason: str, difference: Difference, *, checks: tuple[str, ...] = ()
) -> CaseResult:
    moved = [pair for pair in difference.pictures if not pair.identical]
    likenesses = [pair.likeness for pair in moved if pair.likeness is not None]
    stage = min(difference.stages, key=lambda one: _place(one.stage), default=None)
    return replace(
        _outcome(side, outcome, reason),
        stage=stage.stage if stage else None,
        shots=tuple(dict.fromkeys(pair.shot for pair in moved)),
        pictures_compared=len(difference.pictures),
        pictures_moved=len(moved),
        least_ssim=min((likeness.ssim for likeness in likenesses), default=None),
        largest_difference=max((likeness.max_difference for likeness in likenesses), default=None),
        inventory=tuple(_inventory(difference)),
        work=tuple(change.sentence for change in difference.work[:MOST_WORK]),
        checks=checks,
    )


def _inventory(difference: Difference) -> list[str]:
    return [f"{change.name}: {words.component(change)}" for change in difference.inventory]


def _place(stage: str) -> int:
    """Where a stage stands in the pipeline; the finished picture comes after all of them."""
    return STAGES.index(stage) if stage in STAGES else len(STAGES)


def _how_far(pairs: list[Pair]) -> str:
    moved = [pair for pair in pairs if not pair.identical]
    if not moved:
        return "its stages moved, and no pixel did"
    worst = min(moved, key=lambda pair: pair.alike)
    return f"{len(moved)} of {len(pairs)} pictures moved; the least alike {words.picture(worst)}"


def _first_sentence(verdict: Verdict) -> str:
    sentence = " ".join(verdict.sentence.split()).partition(". ")[0].rstrip(".")
    return f"it fails '{verdict.check}': {sentence}"

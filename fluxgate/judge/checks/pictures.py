"""Checks of a case's pictures within one run: against a second take, and against the promise."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from fluxgate import figures
from fluxgate.amounts import amount
from fluxgate.compare.difference import other_recipes, stage_differences
from fluxgate.compare.draws import draws_differ, dtype_of
from fluxgate.compare.facts import facts_of
from fluxgate.compare.likeness import worst
from fluxgate.compare.measures import SSIM
from fluxgate.compare.noise_levels import SCHEDULER, schedule_mismatches
from fluxgate.compare.pairs import Pair, closer_to_another_shot, pairs_of
from fluxgate.judge.answers import crashed, failed, no_data, passed
from fluxgate.judge.checks.effect import effect
from fluxgate.judge.evidence import Evidence
from fluxgate.judge.picture_failures import (
    Breach,
    Explanation,
    FirstDifference,
    all_identical,
    failure_for_worst,
    failure_with_picture,
    first_breach,
    likenesses,
    located,
    numbers_of,
)
from fluxgate.judge.sentences import CALIBRATE, again, counted, listed, origin, picture_name, sentence_case
from fluxgate.judge.suspects import most_likely
from fluxgate.judge.verdict import PASSED, PROMISE, TWICE, Limit, Verdict
from fluxgate.judge.wholeness import flaw

# Renders the same twice


def twice(evidence: Evidence) -> Verdict:
    """Take 0 and take 1 of every shot that has both."""
    first, second = evidence.facts, facts_of(evidence.rendered_here, take=1)
    pairs = pairs_of(first, second, only=[key for key in second.pictures if key in first.pictures])
    if not pairs:
        sentence = f"No shot was rendered a second time. Run {again(evidence.case, takes=2)}."
        return no_data(evidence, TWICE, sentence)
    moved = [pair for pair in pairs if not pair.identical]
    shots = dict.fromkeys((pair.shot for pair in moved or pairs), bool(moved))
    where = located(evidence, next(stage_differences(first, second, shots), None))
    then = f"Run {again(evidence.case)} to see whether it stays so."
    if moved:
        differ = "differs" if len(moved) == 1 else "differ"
        lead = f"{len(moved)} of {counted(len(pairs), 'picture')} {differ} between takes: %s."
        return failure_for_worst(evidence, TWICE, moved, Explanation(lead, where, then))
    if where:
        sentence = f"Both takes gave the same pictures, but did not get there the same way. {where.sentence} {then}"
        return failed(evidence, TWICE, sentence, stage=where.stage, suspects=where.suspects)
    sentence = f"{counted(len(pairs), 'picture')} of {listed(shots)} are the same in both takes."
    return passed(evidence, TWICE, sentence, numbers={"pictures": float(len(pairs))})


# Keeps its promise to its reference


def promise(evidence: Evidence) -> Verdict:
    """To the pixel or above the floor, against the reference rendered in the same run."""
    wrong = flaw(evidence)
    if wrong:
        who = wrong.who(evidence)
        sentence = f"{sentence_case(wrong.sentence)}. {most_likely(who)} Run {again(evidence.case)}."
        return failed(evidence, PROMISE, sentence, stage=wrong.stage, suspects=who)
    promised = evidence.case.strategy.promise
    named = promised.reference
    if named is None:
        pictures = counted(len(evidence.rendering.pictures_of()), "picture")
        return passed(evidence, PROMISE, f"It is a reference itself: it gave {pictures}, and each shows something.")
    without = _without_reference(evidence, named)
    if without:
        return without
    pairs = pairs_of(evidence.reference_facts, evidence.facts)
    return _reproduces(evidence, named, pairs) if promised.reproduces else _approximates(evidence, named, pairs)


def _without_reference(evidence: Evidence, named: str) -> Verdict | None:
    """Why there is nothing that the pictures could be compared with."""
    case, reference = evidence.case, evidence.reference
    if reference is None:
        sentence = f"Its reference {named} was not rendered. Run {again(case, beside=named)}."
        return no_data(evidence, PROMISE, sentence)
    crash = reference.rendering.crash
    if crash is not None and crash.limit is not None:
        sentence = f"Its reference {named} does not fit into the {amount(crash.limit)} asked for."
        return no_data(evidence, PROMISE, f"{sentence} Run {again(case, beside=named)}, without --vram-limit.")
    if crash is not None:
        return crashed(evidence, PROMISE, f"Its reference {named} crashed: see {reference.rendering.case_id}.")
    for shot in other_recipes(evidence.reference_facts, evidence.facts):
        sentence = f"Shot '{shot}' was rendered from another recipe than {named}'s"
        return failed(evidence, PROMISE, f"{sentence}. Render both in one run: {again(case, beside=named)}.")
    return None


def _reproduces(evidence: Evidence, named: str, pairs: Sequence[Pair]) -> Verdict:
    moved = [pair for pair in pairs if not pair.identical]
    if not moved:
        sentence, limit = f"{all_identical(len(pairs), to=named)}.", Limit(1.0, "reproduces: identical")
        return passed(evidence, PROMISE, sentence, numbers=numbers_of(pairs), limit=limit)
    are = "is" if len(moved) == 1 else "are"
    lead = f"{len(moved)} of {counted(len(pairs), 'picture')} should be identical to {named}'s and {are} not: %s."
    where = _from_reference(evidence, moved)
    explanation = Explanation(lead, where, f"Run {again(evidence.case)}.")
    return failure_for_worst(evidence, PROMISE, moved, explanation)


def _approximates(evidence: Evidence, named: str, pairs: Sequence[Pair]) -> Verdict:
    """What no likeness tells comes first, then the limits, then whether each picture is the right shot's."""
    unlike = [pair for pair in pairs if pair.likeness is None]
    if unlike:
        lead = f"{len(unlike)} of {counted(len(pairs), 'picture')} cannot be compared with {named}'s: %s."
        explanation = Explanation(lead, None, f"Run {again(evidence.case)}.")
        return failure_for_worst(evidence, PROMISE, unlike, explanation)
    other_schedule = _other_schedule(evidence, named)
    if other_schedule:
        sentence = f"{other_schedule}. Run {again(evidence.case)}."
        return failed(evidence, PROMISE, sentence, numbers=numbers_of(pairs), suspects=SCHEDULER)
    wrong = _no_change(evidence, named, pairs)
    if wrong:
        return failed(evidence, PROMISE, f"{wrong}. Run {again(evidence.case)}.", numbers=numbers_of(pairs))
    other_noise = _other_noise(evidence, named)
    if other_noise:
        return no_data(evidence, PROMISE, other_noise, numbers=numbers_of(pairs))
    breach = first_breach(pairs, evidence.limits.likeness, evidence.limits.overall)
    if breach:
        return _too_far(evidence, named, breach, pairs)
    wrong = _other_shot(evidence, pairs)
    if wrong:
        return failed(evidence, PROMISE, f"{wrong}. Run {again(evidence.case)}.", numbers=numbers_of(pairs))
    return _near_enough(evidence, named, pairs)


def _other_schedule(evidence: Evidence, named: str) -> str | None:
    expected, actual = evidence.reference_facts.noise_levels, evidence.facts.noise_levels
    for mismatch in schedule_mismatches(expected, actual):
        return mismatch.sentence(whose=f"{named}'s")
    return None


def _no_change(evidence: Evidence, named: str, pairs: Sequence[Pair]) -> str | None:
    """That a strategy which changes the weights has changed nothing that can be seen."""
    if evidence.case.strategy.promise.changes_weights and all(pair.identical for pair in pairs):
        if not evidence.case.strategy.promise.effects or effect(evidence).status != PASSED:
            return f"{all_identical(len(pairs), to=named)}, so the weights were not changed as promised"
        shown = f"{all_identical(len(pairs), to=named)}, and the promised effects show in the inventory all the same"
        return f"{shown}: what was changed is not computed with, or these pictures do not depend on it"
    return None


def _other_noise(evidence: Evidence, named: str) -> str | None:
    """That this torch lets the pictures start from other noise than the reference's."""
    dtype, subjects = dtype_of(evidence.case), evidence.case.subject.dtype
    if not draws_differ(evidence.facts.draws, dtype, evidence.reference_facts.draws, subjects):
        return None
    sentence = f"From the same seed, this torch draws other noise in {dtype} than in {subjects}"
    return f"{sentence}, so its pictures cannot be compared with {named}'s; another release of torch may draw the same."


def _other_shot(evidence: Evidence, pairs: Sequence[Pair]) -> str | None:
    """That a picture is more like what was expected of another shot."""
    rival = closer_to_another_shot(evidence.reference_facts, pairs)
    if rival is None:
        return None
    own, other = (picture_name(evidence.case, *key) for key in (rival.pair.key, rival.other))
    return f"{sentence_case(own)} is more like {other} than like its own reference"


def _near_enough(evidence: Evidence, named: str, pairs: Sequence[Pair]) -> Verdict:
    least = figures.likeness(worst(likenesses(pairs)).ssim)
    sentence = f"Of {counted(len(pairs), 'picture')}, the one that is least like {named}'s has SSIM {least}"
    floor = _floor(evidence)
    if floor is None:
        what = "and each is nearer to its own reference than to any other picture"
        sentence = f"No floor was measured for this machine; run {CALIBRATE}. {sentence}, {what}."
        return no_data(evidence, PROMISE, sentence, numbers=numbers_of(pairs))
    sentence += f"; the floor is {figures.likeness(floor.value)} ({origin(floor)})."
    return passed(evidence, PROMISE, sentence, numbers=numbers_of(pairs), limit=floor)


def _floor(evidence: Evidence) -> Limit | None:
    """The floor to tell of: that of SSIM where there is one, else any limit at all."""
    bands = {**evidence.limits.overall, **evidence.limits.likeness}
    first = [bands[SSIM].floor] if SSIM in bands else []
    every = [*first, *(limit for band in bands.values() for limit in (band.floor, band.ceiling))]
    return next((limit for limit in every if limit is not None), None)


def _too_far(evidence: Evidence, named: str, breach: Breach, pairs: Sequence[Pair]) -> Verdict:
    shown = breach.pair or min(pairs, key=lambda pair: pair.alike)
    who = picture_name(evidence.case, *shown.key)
    if breach.pair is None:
        who = f"the mean of {counted(len(pairs), 'picture')}"
    lead = f"{sentence_case(who)} against {named}'s: {breach.sentence}."
    if breach.measure == SSIM:
        value, bound = figures.likeness(breach.value), figures.likeness(breach.limit.value)
        lead = f"{sentence_case(who)} is {value} like {named}; the {breach.bound} is {bound} ({origin(breach.limit)})."
    explanation = Explanation(lead, _from_reference(evidence, [shown]), f"Run {again(evidence.case)}.")
    return failure_with_picture(evidence, PROMISE, shown, explanation, numbers=numbers_of(pairs), limit=breach.limit)


def _from_reference(evidence: Evidence, moved: Iterable[Pair]) -> FirstDifference | None:
    """The first stage in which any of the moved shots left the reference."""
    shots = dict.fromkeys((pair.shot for pair in moved), True)
    return located(evidence, next(stage_differences(evidence.reference_facts, evidence.facts, shots), None))

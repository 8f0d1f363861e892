"""Checks of a case's pictures within one run: against a second take, and against the promise."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from fluxgate import figures
from fluxgate.amounts import amount
from fluxgate.compare import noise
from fluxgate.compare.difference import other_recipes, stage_differences
from fluxgate.compare.facts import facts_of
from fluxgate.compare.likeness import worst
from fluxgate.compare.measures import SSIM
from fluxgate.compare.noise_levels import schedule_mismatches
from fluxgate.compare.pairs import Pair, closer_to_another_shot, pairs_of
from fluxgate.judge.evidence import Answer, Evidence, crashed, failed, passed, unsupported
from fluxgate.judge.picture_failures import (
    Breach,
    FirstDifference,
    all_are,
    failure_for_worst,
    failure_with_picture,
    first_breach,
    likenesses,
    located,
    numbers_of,
)
from fluxgate.judge.sentences import CALIBRATE, again, counted, listed, origin, picture_name, sentence_case
from fluxgate.judge.verdict import PROMISE, TWICE, Limit
from fluxgate.judge.wholeness import flaw

CHANGING = ("quantization", "casting")  # families whose pictures cannot be their reference's to the pixel


# Renders the same twice


def twice(evidence: Evidence) -> Answer:
    """Take 0 and take 1 of every shot that has both."""
    first, second = evidence.facts, facts_of(evidence.rendered_here, take=1)
    pairs = pairs_of(first, second, only=[key for key in second.pictures if key in first.pictures])
    if not pairs:
        return unsupported("No shot was rendered twice in this run.")
    moved = [pair for pair in pairs if not pair.identical]
    shots = dict.fromkeys((pair.shot for pair in moved or pairs), bool(moved))
    where = located(evidence, next(stage_differences(first, second, shots), None))
    then = f"Run {again(evidence.case)} to see whether it stays so."
    if moved:
        lead = f"{len(moved)} of {counted(len(pairs), 'picture')} differ between takes: %s."
        return failure_for_worst(evidence, TWICE, moved, lead=lead, where=where, then=then)
    if where:
        said = f"Both takes gave the same pictures, but did not get there the same way. {where.sentence} {then}"
        return failed(said, stage=where.stage)
    said = f"{counted(len(pairs), 'picture')} of {listed(shots)} came out the same twice."
    return passed(said, numbers={"pictures": float(len(pairs))})


# Keeps its promise to its reference


def promise(evidence: Evidence) -> Answer:
    """To the pixel or above the floor, against the reference rendered in the same run."""
    wrong = flaw(evidence)
    if wrong:
        return failed(f"{sentence_case(wrong)}. Run {again(evidence.case)}.")
    made = evidence.case.strategy.promise
    if made.reference is None:
        count = counted(len(evidence.rendering.pictures_of()), "picture")
        return passed(f"It is a reference itself; its {count} are whole and show something.")
    reference = evidence.reference
    if reference is None:
        return unsupported(
            f"Its reference {made.reference} is not in this run, so there is nothing to hold it against."
        )
    crash = reference.rendering.crash
    if crash is not None and crash.limit is not None:
        return unsupported(f"Its reference {made.reference} does not fit into the {amount(crash.limit)} asked for.")
    if crash is not None:
        return crashed(f"Its reference {made.reference} crashed: {crash.sentence}")
    for shot in other_recipes(evidence.reference_facts, evidence.facts):
        return failed(
            f"Shot '{shot}' was rendered from another recipe than {made.reference}'s: render both in one run."
        )
    pairs = pairs_of(evidence.reference_facts, evidence.facts)
    named = made.reference
    return _reproduces(evidence, named, pairs) if made.reproduces else _approximates(evidence, named, pairs)


def _reproduces(evidence: Evidence, named: str, pairs: Sequence[Pair]) -> Answer:
    moved = [pair for pair in pairs if not pair.identical]
    if not moved:
        limit = Limit(1.0, "reproduces: identical")
        return passed(f"{all_are(len(pairs))} {named}'s, to the pixel.", numbers=numbers_of(pairs), limit=limit)
    lead = f"{len(moved)} of {counted(len(pairs), 'picture')} should be {named}'s to the pixel and are not: %s."
    where = _from_reference(evidence, moved)
    return failure_for_worst(evidence, PROMISE, moved, lead=lead, where=where, then=f"Run {again(evidence.case)}.")


def _approximates(evidence: Evidence, named: str, pairs: Sequence[Pair]) -> Answer:
    reference, ours, then = evidence.reference_facts, evidence.facts, f"Run {again(evidence.case)}."
    unlike = [pair for pair in pairs if pair.likeness is None]
    if unlike:
        lead = f"{len(unlike)} of {counted(len(pairs), 'picture')} cannot be compared with {named}'s: %s."
        return failure_for_worst(evidence, PROMISE, unlike, lead=lead, where=None, then=then)
    whose = f"{named}'s"
    for mismatch in schedule_mismatches(reference.noise_levels, ours.noise_levels):
        return failed(f"{mismatch.sentence(whose=whose)}. {then}", numbers=numbers_of(pairs))
    if evidence.case.strategy.family in CHANGING and all(pair.identical for pair in pairs):
        said = f"{all_are(len(pairs))} {named}'s, to the pixel: the {evidence.case.strategy.family} did nothing."
        return failed(f"{said} {then}", numbers=numbers_of(pairs))
    dtype, subjects = noise.dtype_of(evidence.case), evidence.case.subject.dtype
    if noise.draws_differ(ours.draws, dtype, reference.draws, subjects):
        said = f"From the same seed, this torch draws other noise in {dtype} than in {subjects}"
        return unsupported(f"{said}, so its pictures cannot be compared with {named}'s.", numbers=numbers_of(pairs))
    breach = first_breach(pairs, evidence.limits.likeness, evidence.limits.overall)
    if breach:
        return _too_far(evidence, named, breach, pairs)
    rival = closer_to_another_shot(reference, pairs)
    if rival:
        own, other = (picture_name(evidence.case, *key) for key in (rival.pair.key, rival.other))
        said = f"{sentence_case(own)} is more like {other} than like its own reference"
        return failed(f"{said}. {then}", numbers=numbers_of(pairs))
    return _near_enough(evidence, named, pairs)


def _near_enough(evidence: Evidence, named: str, pairs: Sequence[Pair]) -> Answer:
    likest = figures.likeness(worst(likenesses(pairs)).ssim)
    said = f"The least like {named}'s of {counted(len(pairs), 'picture')} is {likest} like it"
    floor = _floor(evidence)
    if floor is None:
        what = "and each is nearer to its own reference than to any other picture"
        return unsupported(f"No floor was measured here; run {CALIBRATE}. {said}, {what}.", numbers=numbers_of(pairs))
    said += f"; the floor is {figures.likeness(floor.value)} ({origin(floor)})."
    return passed(said, numbers=numbers_of(pairs), limit=floor)


def _floor(evidence: Evidence) -> Limit | None:
    """The floor to tell of: that of SSIM where there is one, else any limit at all."""
    bands = {**evidence.limits.overall, **evidence.limits.likeness}
    first = [bands[SSIM].floor] if SSIM in bands else []
    every = [*first, *(limit for band in bands.values() for limit in (band.floor, band.ceiling))]
    return next((limit for limit in every if limit is not None), None)


def _too_far(evidence: Evidence, named: str, breach: Breach, pairs: Sequence[Pair]) -> Answer:
    shown = breach.pair or min(pairs, key=lambda pair: pair.alike)
    who = picture_name(evidence.case, *shown.key)
    if breach.pair is None:
        who = f"the mean of {counted(len(pairs), 'picture')}"
    lead = f"{sentence_case(who)} against {named}'s: {breach.sentence}."
    if breach.measure == SSIM:
        value, bound = figures.likeness(breach.value), figures.likeness(breach.limit.value)
        lead = f"{sentence_case(who)} is {value} like {named}; the {breach.bound} is {bound} ({origin(breach.limit)})."
    return failure_with_picture(
        evidence,
        PROMISE,
        shown,
        lead=lead,
        where=_from_reference(evidence, [shown]),
        then=f"Run {again(evidence.case)}.",
        numbers=numbers_of(pairs),
        limit=breach.limit,
    )


def _from_reference(evidence: Evidence, moved: Iterable[Pair]) -> FirstDifference | None:
    """The first stage in which any of the moved shots left the reference."""
    shots = dict.fromkeys((pair.shot for pair in moved), True)
    return located(evidence, next(stage_differences(evidence.reference_facts, evidence.facts, shots), None))

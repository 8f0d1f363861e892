"""Check of a case's pictures against its baseline: what a person has accepted for this machine, or for any."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from fluxgate import figures
from fluxgate.baselines.baseline import Baseline
from fluxgate.baselines.limits import FLOAT32
from fluxgate.compare.difference import other_recipes, stage_differences
from fluxgate.compare.draws import draws_differ, dtype_of
from fluxgate.compare.likeness import worst
from fluxgate.compare.noise_levels import SCHEDULER, schedule_mismatches
from fluxgate.compare.pairs import Pair, pairs_of
from fluxgate.compare.stages import FINISHED, StageDifference
from fluxgate.judge.answers import failed, no_data, not_selected, passed
from fluxgate.judge.damage import CAUSE, beyond_rounding, damage, float32_moved, needing_bands
from fluxgate.judge.evidence import Evidence
from fluxgate.judge.picture_failures import (
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
from fluxgate.judge.sentences import (
    ACCEPT,
    CALIBRATE,
    IF_RIGHT,
    NO_BASELINE,
    again,
    counted,
    listed,
    picture_name,
    sentence_case,
)
from fluxgate.judge.standards import BaselineUse
from fluxgate.judge.suspects import of_another_release
from fluxgate.judge.verdict import BASELINE, Verdict
from fluxgate.rendering import DECODED, FIRST, LAST, MIDDLE, STAGES

DENOISING = (FIRST, MIDDLE, LAST)  # stages of what strategies compile
DRIFTED = "drifted"  # 1 in a verdict's numbers: pictures moved no further than legal changes move them; 0: further


def baseline(evidence: Evidence) -> Verdict:
    """To the pixel on the machine that the baseline is of; by measured likeness on any other."""
    accepted = evidence.baseline
    if accepted is None or (accepted.portable and evidence.baseline_use is BaselineUse.REQUIRED):
        return _nothing(evidence)
    objection = _objection(evidence, accepted)
    if objection:
        return failed(evidence, BASELINE, objection)
    return _portable(evidence) if accepted.portable else _same_machine(evidence)


def _nothing(evidence: Evidence) -> Verdict:
    if evidence.baseline_use is BaselineUse.IGNORED:
        return not_selected(evidence, BASELINE, NO_BASELINE)
    look = f"look at the pictures, then run {ACCEPT}."
    if evidence.baseline_use is BaselineUse.REQUIRED:
        return failed(evidence, BASELINE, f"A baseline is required and there is none for this machine; {look}")
    return no_data(evidence, BASELINE, f"There is no baseline for this machine; {look}")


def _objection(evidence: Evidence, accepted: Baseline) -> str | None:
    """Why the baseline and the rendering are not about the same pictures."""
    for shot in other_recipes(evidence.accepted_facts, evidence.facts):
        return f"The baseline of shot '{shot}' is stale: its recipe has changed since. Run {ACCEPT}."
    missing = [key for key in evidence.facts.pictures if key not in evidence.accepted_facts.pictures]
    if missing and not accepted.portable:
        return f"No picture of {picture_name(evidence.case, *missing[0])} was accepted yet. Run {ACCEPT}."
    if not evidence.facts.pictures:
        return f"The run has no picture to compare with the baseline. Run {again(evidence.case)}."
    return None


def _same_machine(evidence: Evidence) -> Verdict:
    pairs = _beside_accepted(evidence)
    moved = [pair for pair in pairs if not pair.identical]
    if not moved:
        return _same_pictures(evidence, pairs)
    stage = _first_stage(evidence, (pair.shot for pair in moved), moved=True)
    anew = _compiled_anew(evidence, pairs) if _only_compiled_anew(evidence, stage) else None
    if anew is not None:
        return anew
    drifted, why = _drift(evidence, moved, stage)
    word, then = ("Drifted", IF_RIGHT) if drifted else ("Changed", CAUSE)
    are = "is not the accepted one" if len(moved) == 1 else "are not the accepted ones"
    lead = f"{word}: {len(moved)} of {counted(len(pairs), 'picture')} {are}: %s{why}."
    answer = failure_for_worst(evidence, BASELINE, moved, Explanation(lead, _where(evidence, stage), then))
    return replace(answer, numbers={**answer.numbers, DRIFTED: float(drifted)})


def _only_compiled_anew(evidence: Evidence, stage: StageDifference | None) -> bool:
    """Whether the first stage to have moved is of what is compiled, and nothing moved that rounding never moves.

    With the same releases, too: torch chooses among kernels by the time that they take."""
    if not evidence.case.strategy.compiles or stage is None or stage.stage not in DENOISING or stage.reshaped:
        return False
    levels = schedule_mismatches(evidence.accepted_facts.noise_levels, evidence.facts.noise_levels)
    return next(iter(levels), None) is None and beyond_rounding(evidence) is None


def _compiled_anew(evidence: Evidence, pairs: Sequence[Pair]) -> Verdict | None:
    """Pictures of code that was compiled in another session, by their likeness; None where they are too far off."""
    moved, bands = [pair for pair in pairs if not pair.identical], evidence.limits.drift
    compared = [pair for pair in moved if pair.shown]  # of the others no picture was kept
    if len(likenesses(compared)) != len(compared):
        return None
    are = "is not the accepted one" if len(moved) == 1 else "are not the accepted ones"
    sentence = f"{len(moved)} of {counted(len(pairs), 'picture')} {are}: "
    sentence += "torch compiles anew in each session, and takes whichever kernels are fastest then. "
    if not bands or not compared:
        sentence += "How far that moves pictures was not measured here; the other checks judge them."
        return no_data(evidence, BASELINE, sentence, numbers=numbers_of(pairs))
    if first_breach(compared, bands) is not None:
        return None
    sentence += "They moved no further than a harmless change of machine or release moves them."
    return passed(evidence, BASELINE, sentence, numbers=numbers_of(pairs))


def _where(evidence: Evidence, stage: StageDifference | None) -> FirstDifference | None:
    """Where they first differ, and which of those suspected there have another release than the accepted one."""
    place = _place(evidence, stage)
    if place is None:
        return None
    moved = of_another_release(place.suspects, accepted=evidence.accepted_facts.stack, now=evidence.rendering.libraries)
    if not moved:
        return place
    return replace(place, sentence=f"{place.sentence} Releases have changed since it was accepted: {', '.join(moved)}.")


def _place(evidence: Evidence, stage: StageDifference | None) -> FirstDifference | None:
    """Where they first differ; where the reference left what was accepted of it there too, it is the one to look at."""
    place = located(evidence, stage, hooks_cleared=_is_the_references(evidence))
    if stage is None or place is None or not _left_as_its_reference(evidence, stage):
        return place
    named, reference = evidence.case.strategy.promise.reference, evidence.reference
    inventory = reference.rendering.inventory if reference else None
    theirs = located(evidence, stage, inventory=inventory, hooks_cleared=True) or place
    sentence = f"{theirs.sentence} {named}, its reference, left its own baseline there too: look there first."
    return replace(theirs, sentence=sentence)


def _left_as_its_reference(evidence: Evidence, stage: StageDifference) -> bool:
    """Whether the reference has left what was accepted of it in the same stage, or before."""
    theirs, ours = evidence.reference_accepted_facts, evidence.reference_facts
    if stage.shot not in theirs.fingerprints or stage.shot not in ours.fingerprints:
        return False
    its_pictures = ((key, one) for key, (one, *_) in ours.pictures.items() if key[0] == stage.shot)
    moved = any(one not in theirs.pictures.get(key, (one,)) for key, one in its_pictures)
    first = next(stage_differences(theirs, ours, {stage.shot: moved}), None)
    order = (*STAGES, FINISHED)
    return first is not None and order.index(first.stage) <= order.index(stage.stage)


def _same_pictures(evidence: Evidence, pairs: Sequence[Pair]) -> Verdict:
    """The pixels are the accepted ones; so should be the stages before them."""
    # Where several pictures are right, the accepted stages are those of one of them only.
    sure = [shot for (shot, _), choices in evidence.accepted_facts.pictures.items() if len(choices) == 1]
    stage = _first_stage(evidence, sure)
    where = _where(evidence, stage)
    # What the decoder gives shows in the pixels as far as it counts: it may cut off itself what no picture shows.
    if where is None or (stage is not None and stage.stage == DECODED) or _only_compiled_anew(evidence, stage):
        sentence = f"{all_identical(len(pairs))}."
        return passed(evidence, BASELINE, sentence, numbers=numbers_of(pairs))
    proof = damage(evidence)
    word, then = ("Drifted", IF_RIGHT) if proof is None else ("Changed", CAUSE)
    lead = f"{word}: the pixels are the accepted ones, but the pipeline did not get to them the same way"
    sentence = f"{lead}{f', {proof}' if proof else ''}. {where.sentence} {then}"
    numbers = {**numbers_of(pairs), DRIFTED: float(proof is None)}
    return failed(evidence, BASELINE, sentence, numbers=numbers, stage=where.stage, suspects=where.suspects)


def _drift(evidence: Evidence, moved: Sequence[Pair], stage: StageDifference | None) -> tuple[bool, str]:
    """Whether it is drift: all stay within what legal changes did, and nothing moved that rounding never moves; and
    why, as the end of a sentence."""
    for mismatch in schedule_mismatches(evidence.accepted_facts.noise_levels, evidence.facts.noise_levels):
        return False, f". {mismatch.sentence(whose='the accepted one')}"
    if stage is not None and stage.reshaped:
        return False, f", and {stage.place} have another size"
    proof = damage(evidence)
    if proof is not None:
        return False, f", {proof}"
    bands = evidence.limits.drift
    if not bands:
        return False, " (how far harmless changes move pictures was not measured, so this may be drift)"
    compared = [pair for pair in moved if pair.expected is None or pair.shown]
    if not compared:
        return False, " (which ones were accepted was not kept, so how far they moved cannot be told)"
    held = needing_bands(compared, evidence.case)
    if len(likenesses(compared)) != len(compared) or first_breach(held, bands) is not None:
        return False, ", further than any harmless change of machine or release moves them"
    near = ", no further than a harmless change of machine or release moves them"
    if float32_moved(evidence) is None:
        return False, f"{near}; whether it is rounding alone, {FLOAT32} in the same run would tell"
    return True, f"{near}, and float32 has not moved"


def _portable(evidence: Evidence) -> Verdict:
    """Pictures from another machine: only their likeness counts, and the noise levels, which no machine changes.

    A shot that only a GPU renders has none."""
    accepted, ours = evidence.accepted_facts, evidence.facts
    pairs = _beside_accepted(evidence)
    if not pairs:
        sentence = "No shot of this case has a portable picture; accept one with fluxgate accept --portable."
        return no_data(evidence, BASELINE, sentence)
    numbers = numbers_of(pairs)
    for mismatch in schedule_mismatches(accepted.noise_levels, ours.noise_levels):
        sentence = f"Changed: {mismatch.sentence(whose='the accepted one')}. {CAUSE}"
        return failed(evidence, BASELINE, sentence, numbers=numbers, suspects=SCHEDULER)
    for resized in _resized(evidence, pairs):
        return resized
    dtype = dtype_of(evidence.case)
    if draws_differ(ours.draws, dtype, accepted.draws, dtype):
        sentence = f"From the same seed, this torch draws other {dtype} noise than the portable pictures started from"
        sentence = f"{sentence}, so they cannot be compared; a baseline of this machine can: {ACCEPT}."
        return no_data(evidence, BASELINE, sentence, numbers=numbers)
    unlike = [pair for pair in pairs if pair.likeness is None]
    if unlike:
        lead = f"{len(unlike)} of {counted(len(pairs), 'picture')} cannot be compared with the portable ones: %s."
        return failure_for_worst(evidence, BASELINE, unlike, Explanation(lead, None, CAUSE))
    return _as_near_as_machines_are(evidence, pairs)


def _resized(evidence: Evidence, pairs: Sequence[Pair]) -> Iterator[Verdict]:
    """Stages that have another size than on the machine that the portable pictures are of: no machine changes that."""
    for shot in dict.fromkeys(pair.shot for pair in pairs):
        theirs, ours = evidence.accepted_facts.fingerprints.get(shot, {}), evidence.facts.fingerprints.get(shot, {})
        for name in (name for name in STAGES if name in theirs and name in ours):
            if theirs[name].shape != ours[name].shape:
                place = located(evidence, StageDifference(shot, name, theirs[name], ours[name]))
                sizes = [" × ".join(map(str, one[name].shape)) for one in (ours, theirs)]
                lead = f"Changed: the {name} of shot '{shot}' are {sizes[0]} numbers"
                lead = f"{lead}, where the accepted ones are {sizes[1]}"
                sentence = f"{lead}. {place.sentence if place else ''} {CAUSE}"
                who = place.suspects if place else None
                yield failed(evidence, BASELINE, sentence, numbers=numbers_of(pairs), stage=name, suspects=who)


def _as_near_as_machines_are(evidence: Evidence, pairs: Sequence[Pair]) -> Verdict:
    """The likeness that was measured between machines is kept."""
    numbers, shown = numbers_of(pairs), {pair.shot for pair in pairs}
    least = figures.likeness(worst(likenesses(pairs)).ssim)
    sentence = f"The picture that is least like its portable one has SSIM {least}"
    without = dict.fromkeys(shot for shot, _ in evidence.facts.pictures if shot not in shown)
    sentence += f" (there is none of {listed(without)})" if without else ""
    held = needing_bands(pairs, evidence.case)
    if held and not evidence.limits.apart:
        how = "--between a run of each" if evidence.gpu else "--portability"
        apart = f"How far machines like this one lie apart was not measured; run {CALIBRATE} {how}."
        return no_data(evidence, BASELINE, f"{apart} {sentence}.", numbers=numbers)
    breach = first_breach(held, evidence.limits.apart)
    if breach is None or breach.pair is None:
        return passed(evidence, BASELINE, f"{sentence}; other machines are as far from it.", numbers=numbers)
    who = sentence_case(picture_name(evidence.case, *breach.pair.key))
    lead = f"Changed: {who} is further from the portable picture than other machines are: {breach.sentence}."
    explanation = Explanation(lead, None, CAUSE)
    return failure_with_picture(evidence, BASELINE, breach.pair, explanation, numbers=numbers, limit=breach.limit)


def _beside_accepted(evidence: Evidence) -> tuple[Pair, ...]:
    """The case's pictures beside the accepted ones that are most like them; a damaged one is refused."""
    accepted, ours = evidence.accepted_facts, evidence.facts
    both = [key for key in ours.pictures if key in accepted.pictures]
    for key in both:
        if ours.pictures[key][0] not in accepted.pictures[key]:
            for source in (one for one in accepted.pictures[key] if one.kept):
                source.read()  # there is nothing to judge by where it is not what was accepted
    return pairs_of(accepted, ours, only=both)


def _first_stage(evidence: Evidence, shots: Iterable[str], *, moved: bool = False) -> StageDifference | None:
    """The first stage in which any of the shots left what was accepted."""
    return next(stage_differences(evidence.accepted_facts, evidence.facts, dict.fromkeys(shots, moved)), None)


def _is_the_references(evidence: Evidence) -> bool:
    """Whether every picture is its reference's, so that what the strategy does besides has not moved it."""
    if evidence.reference is None or not evidence.case.strategy.promise.reproduces:
        return False
    theirs, ours = evidence.reference_facts.pictures, evidence.facts.pictures
    return bool(ours) and all(theirs.get(key) == sources for key, sources in ours.items())

"""Check of a case's pictures against its baseline: what a person has accepted for this machine, or for any."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from fluxgate import figures
from fluxgate.baselines.baseline import AcceptedShot, Baseline
from fluxgate.compare import noise
from fluxgate.compare.likeness import IDENTICAL, worst
from fluxgate.compare.noise_levels import detour
from fluxgate.compare.pairs import Pair, accepted_source, pair_of, rendered_source
from fluxgate.compare.stages import Departure, accepted_prints, departure
from fluxgate.judge.evidence import Answer, Evidence, failed, passed, unsupported
from fluxgate.judge.picture_failures import about, all_are, breach, differing, known, numbers_of
from fluxgate.judge.sentences import ACCEPT, again, counted, listed, picture_name, sentence_case
from fluxgate.judge.verdict import BASELINE

DRIFTED = "drifted"  # 1 in a verdict's numbers: pictures moved no further than legal changes move them; 0: further


def baseline(evidence: Evidence) -> Answer:
    """To the pixel on the machine that the baseline is of; by measured likeness on any other."""
    accepted = evidence.baseline
    if accepted is None or (accepted.portable and evidence.require_baseline):
        return _nothing(evidence)
    objection = _objection(evidence, accepted)
    if objection:
        return failed(objection)
    return _portable(evidence, accepted) if accepted.portable else _same_machine(evidence, accepted)


def _nothing(evidence: Evidence) -> Answer:
    if evidence.no_baseline:
        return unsupported("What was accepted was not asked for: --no-baseline.")
    if not evidence.require_baseline:
        return unsupported(f"There is no baseline for this machine; look at the pictures, then run {ACCEPT}.")
    return failed(
        f"A baseline is required and there is none for this machine; look at the pictures, then run {ACCEPT}."
    )


def _objection(evidence: Evidence, accepted: Baseline) -> str | None:
    """Why the baseline and the rendering are not about the same pictures."""
    today = evidence.rendering.recipes
    stale = [shot for shot, recipe in today.items() if accepted.case.recipes.get(shot, recipe) != recipe]
    if stale:
        return f"The baseline of shot '{stale[0]}' is stale: its recipe has changed since. Run {ACCEPT}."
    missing = [key for key in evidence.rendering.pictures_of() if accepted.case.shot_of(*key) is None]
    if missing and not accepted.portable:
        return f"No picture of {picture_name(evidence.case, *missing[0])} was accepted yet. Run {ACCEPT}."
    if not evidence.rendering.pictures_of():
        return f"The run has no picture to hold against the baseline. Run {again(evidence.case)}."
    return None


def _same_machine(evidence: Evidence, accepted: Baseline) -> Answer:
    pictures = evidence.rendering.pictures_of()
    moved = [key for key, picture in pictures.items() if not _shot(accepted, key).holds(picture.sha256)]
    if not moved:
        return _same_pictures(evidence, accepted)
    pairs = [_nearest(evidence, accepted, key) for key in moved]
    gone = _departure(evidence, accepted, [pair.shot for pair in pairs], moved=True)
    word, why = _drift(evidence, accepted, pairs, gone)
    lead = f"{word}: {len(moved)} of {counted(len(pictures), 'picture')} are not the accepted ones: %s{why}."
    answer = differing(evidence, BASELINE, pairs, lead=lead, gone=gone, then=f"If that is right, run {ACCEPT}.")
    return replace(answer, numbers={**answer.numbers, DRIFTED: float(word == "Drifted")})


def _same_pictures(evidence: Evidence, accepted: Baseline) -> Answer:
    """The pixels are the accepted ones; so should be the stages before them."""
    pairs = [_nearest(evidence, accepted, key) for key in evidence.rendering.pictures_of()]
    # Where several pictures are right, the accepted stages are those of one of them only.
    sure = [shot.shot for shot in accepted.case.shots if len(shot.pictures) == 1]
    gone = _departure(evidence, accepted, sure)
    if gone is None:
        return passed(f"{all_are(len(pairs))} as accepted, to the pixel.", numbers=numbers_of(pairs))
    said = f"Drifted: no pixel has moved, but the way to it has. {gone.sentence} If that is right, run {ACCEPT}."
    return failed(said, numbers={**numbers_of(pairs), DRIFTED: 1.0}, stage=gone.stage)


def _drift(evidence: Evidence, accepted: Baseline, pairs: list[Pair], gone: Departure | None) -> tuple[str, str]:
    """'Drifted' when all stay within what legal changes did, else 'Changed'; and what is to be said about it."""
    strayed = detour(accepted.case.levels, evidence.rendering.levels(), whose="the accepted one")
    if strayed:
        return "Changed", f". {strayed}"
    if gone is not None and gone.reshaped:
        return "Changed", f", and the size of {gone.place} is another"
    bands = evidence.limits.drift
    if not bands:
        return "Changed", " (what legal changes do was not measured, so drift cannot be told apart)"
    if len(known(pairs)) == len(pairs) and breach(pairs, bands) is None:
        return "Drifted", ", within what legal changes of machine or release do"
    return "Changed", ", beyond what legal changes of machine or release do"


def _portable(evidence: Evidence, accepted: Baseline) -> Answer:
    """Pictures from another machine: only their likeness counts, and the noise levels, which no machine changes.

    A shot that only a GPU renders has none."""
    every = evidence.rendering.pictures_of()
    pairs = [_nearest(evidence, accepted, key) for key in every if accepted.case.shot_of(*key) is not None]
    if not pairs:
        return unsupported("No shot of this case has a portable picture.")
    unlike = [pair for pair in pairs if pair.likeness is None]
    then = f"If that is right, run {ACCEPT}."
    strayed = detour(accepted.case.levels, evidence.rendering.levels(), whose="the accepted picture")
    if strayed:
        return failed(f"Changed: {strayed}. {then}", numbers=numbers_of(pairs))
    drawn = noise.dtype_of(evidence.case)
    if noise.apart(evidence.rendering.draws, drawn, accepted.case.draws, drawn):
        said = f"From the same seed, this torch draws other {drawn} noise than the portable pictures started from"
        return unsupported(f"{said}.", numbers=numbers_of(pairs))
    if unlike:
        lead = f"{len(unlike)} of {counted(len(pairs), 'picture')} cannot be held against the portable ones: %s."
        return differing(evidence, BASELINE, unlike, lead=lead, gone=None, then=then)
    numbers = numbers_of(pairs)
    said = f"The least like the portable pictures is {figures.likeness(worst(known(pairs)).ssim)} like its own"
    without = dict.fromkeys(shot for shot, index in every if accepted.case.shot_of(shot, index) is None)
    said += f" (there is none of {listed(without)})" if without else ""
    if not evidence.limits.drift:
        return unsupported(f"How far machines like this one lie apart was not measured. {said}.", numbers=numbers)
    found = breach(pairs, evidence.limits.drift)
    if found is None or found.pair is None:
        return passed(f"{said}, as far as other machines are.", numbers=numbers)
    who = sentence_case(picture_name(evidence.case, found.pair.shot, found.pair.index))
    lead = f"Changed: {who} is further from the portable picture than other machines are: {found.sentence}."
    return about(evidence, BASELINE, found.pair, lead=lead, gone=None, then=then, numbers=numbers, limit=found.limit)


def _nearest(evidence: Evidence, accepted: Baseline, key: tuple[str, int]) -> Pair:
    """The case's picture beside the accepted one that is most like it."""
    picture = evidence.rendering.pictures_of()[key]
    actual = rendered_source(evidence.rendered_here.folder, picture)
    choices = _shot(accepted, key).pictures
    same = [choice for choice in choices if choice.sha256 == picture.sha256]
    if same:
        return Pair(*key, accepted.path_of(same[0]), actual.path, IDENTICAL)
    pairs = [pair_of(*key, expected=accepted_source(accepted, choice), actual=actual) for choice in choices]
    nothing = Pair(*key, actual.path, actual.path, None, "has no accepted picture")
    return max(pairs, key=lambda pair: pair.alike, default=nothing)


def _shot(accepted: Baseline, key: tuple[str, int]) -> AcceptedShot:
    return accepted.case.shot_of(*key) or AcceptedShot(*key, ())


def _departure(
    evidence: Evidence, accepted: Baseline, shots: Iterable[str], *, moved: bool = False
) -> Departure | None:
    """The first stage in which any of the shots left what was accepted."""
    subject, ours, cleared = evidence.case.subject, evidence.rendering, _is_the_references(evidence)
    for shot in dict.fromkeys(shots):
        expected, actual = accepted_prints(accepted.case.fingerprints, shot), ours.fingerprints_of(shot)
        gone = departure(expected, actual, subject=subject, rendering=ours, moved=moved, cleared=cleared)
        if gone:
            return gone
    return None


def _is_the_references(evidence: Evidence) -> bool:
    """Whether every picture is its reference's, so that what the strategy does besides has not moved it."""
    reference = evidence.reference
    if reference is None or not evidence.case.strategy.promise.reproduces:
        return False
    theirs = reference.rendering.pictures_of()
    ours = evidence.rendering.pictures_of()
    return bool(ours) and all(key in theirs and theirs[key].sha256 == one.sha256 for key, one in ours.items())

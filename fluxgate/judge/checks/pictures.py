"""Checks of a case's pictures within one run: against a second take, and against the promise."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from fluxgate import figures
from fluxgate.amounts import amount
from fluxgate.baselines.limits import SSIM
from fluxgate.compare import noise
from fluxgate.compare.likeness import worst
from fluxgate.compare.noise_levels import detour
from fluxgate.compare.pairs import Pair, pair_of, pair_up, rendered_source, stranger
from fluxgate.compare.stages import Departure, departure
from fluxgate.judge.evidence import Answer, Evidence, crashed, failed, passed, unsupported
from fluxgate.judge.picture_failures import Breach, about, all_are, breach, differing, known, numbers_of
from fluxgate.judge.sentences import CALIBRATE, again, counted, listed, origin, picture_name, sentence_case
from fluxgate.judge.verdict import PROMISE, TWICE, Limit
from fluxgate.judge.wholeness import flaw
from fluxgate.rendering import Picture
from fluxgate.runs.rendered import Rendered

CHANGING = ("quantization", "casting")  # families whose pictures cannot be their reference's to the pixel

Keyed = Mapping[tuple[str, int], Picture]


# Renders the same twice


def twice(evidence: Evidence) -> Answer:
    """Take 0 and take 1 of every shot that has both."""
    rendering = evidence.rendering
    first, second = rendering.pictures_of(0), rendering.pictures_of(1)
    both = [key for key in first if key in second]
    if not both:
        return unsupported("No shot was rendered twice in this run.")
    moved = [key for key in both if first[key].sha256 != second[key].sha256]
    if moved:
        return _unsteady(evidence, moved, first, second, of=len(both))
    shots = list(dict.fromkeys(shot for shot, _ in both))
    for shot in shots:
        gone = _between_takes(evidence, shot)
        if gone:
            said = f"Shot '{shot}' gave the same pictures twice, but by another way. {gone.sentence}"
            return failed(f"{said} Run {again(evidence.case)} to see whether it stays so.", stage=gone.stage)
    said = f"{counted(len(both), 'picture')} of {listed(shots)} came out the same twice."
    return passed(said, numbers={"pictures": float(len(both))})


def _unsteady(evidence: Evidence, moved: list[tuple[str, int]], first: Keyed, second: Keyed, *, of: int) -> Answer:
    folder = evidence.rendered_here.folder
    pairs = [
        pair_of(*key, expected=rendered_source(folder, first[key]), actual=rendered_source(folder, second[key]))
        for key in moved
    ]
    lead = f"{len(moved)} of {counted(of, 'picture')} came out otherwise the second time: %s."
    then = f"Run {again(evidence.case)} to see whether it stays so."
    gone = _between_takes(evidence, moved[0][0], moved=True)
    return differing(evidence, TWICE, pairs, lead=lead, gone=gone, then=then)


def _between_takes(evidence: Evidence, shot: str, *, moved: bool = False) -> Departure | None:
    rendering = evidence.rendering
    one, other = rendering.fingerprints_of(shot, 0), rendering.fingerprints_of(shot, 1)
    return departure(one, other, subject=evidence.case.subject, rendering=rendering, moved=moved)


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
    other = _other_recipe(evidence, reference)
    if other:
        return failed(
            f"Shot '{other}' was rendered from another recipe than {made.reference}'s: render both in one run."
        )
    pairs = pair_up(evidence.rendered_here, reference)
    return _reproduces(evidence, reference, pairs) if made.reproduces else _approximates(evidence, reference, pairs)


def _other_recipe(evidence: Evidence, reference: Rendered) -> str | None:
    theirs = reference.rendering.recipes
    return next(
        (shot for shot, recipe in evidence.rendering.recipes.items() if theirs.get(shot, recipe) != recipe), None
    )


def _reproduces(evidence: Evidence, reference: Rendered, pairs: list[Pair]) -> Answer:
    named = reference.rendering.strategy
    moved = [pair for pair in pairs if not pair.identical]
    if not moved:
        limit = Limit(1.0, "reproduces: identical")
        return passed(f"{all_are(len(pairs))} {named}'s, to the pixel.", numbers=numbers_of(pairs), limit=limit)
    lead = f"{len(moved)} of {counted(len(pairs), 'picture')} should be {named}'s to the pixel and are not: %s."
    gone = _from_reference(evidence, reference, moved)
    return differing(evidence, PROMISE, moved, lead=lead, gone=gone, then=f"Run {again(evidence.case)}.")


def _approximates(evidence: Evidence, reference: Rendered, pairs: list[Pair]) -> Answer:
    named, then = reference.rendering.strategy, f"Run {again(evidence.case)}."
    unlike = [pair for pair in pairs if pair.likeness is None]
    if unlike:
        lead = f"{len(unlike)} of {counted(len(pairs), 'picture')} cannot be held against {named}'s: %s."
        return differing(evidence, PROMISE, unlike, lead=lead, gone=None, then=then)
    strayed = detour(reference.rendering.levels(), evidence.rendering.levels(), whose=f"{named}'s")
    if strayed:
        return failed(f"{strayed}. {then}", numbers=numbers_of(pairs))
    if evidence.case.strategy.family in CHANGING and all(pair.identical for pair in pairs):
        said = f"{all_are(len(pairs))} {named}'s, to the pixel: the {evidence.case.strategy.family} did nothing."
        return failed(f"{said} {then}", numbers=numbers_of(pairs))
    ours, theirs = noise.dtype_of(evidence.case), evidence.case.subject.dtype
    if noise.apart(evidence.rendering.draws, ours, reference.rendering.draws, theirs):
        said = f"From the same seed, this torch draws other noise in {ours} than in {theirs}"
        return unsupported(f"{said}: its pictures are others than {named}'s.", numbers=numbers_of(pairs))
    found = breach(pairs, evidence.limits.likeness, evidence.limits.overall)
    if found:
        return _too_far(evidence, reference, found, pairs)
    foreign = stranger(evidence, reference, pairs)
    if foreign:
        return failed(f"{sentence_case(foreign)}. {then}", numbers=numbers_of(pairs))
    return _near_enough(evidence, named, pairs)


def _near_enough(evidence: Evidence, named: str, pairs: list[Pair]) -> Answer:
    likest = figures.likeness(worst(known(pairs)).ssim)
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


def _too_far(evidence: Evidence, reference: Rendered, found: Breach, pairs: list[Pair]) -> Answer:
    named = reference.rendering.strategy
    shown = found.pair or min(pairs, key=lambda pair: pair.alike)
    who = picture_name(evidence.case, shown.shot, shown.index)
    if found.pair is None:
        who = f"the mean of {counted(len(pairs), 'picture')}"
    lead = f"{sentence_case(who)} against {named}'s: {found.sentence}."
    if found.measure == SSIM:
        bound = "floor" if found.is_floor else "ceiling"
        is_, due = figures.likeness(found.value), figures.likeness(found.limit.value)
        lead = f"{sentence_case(who)} is {is_} like {named}; the {bound} is {due} ({origin(found.limit)})."
    gone, then = _from_reference(evidence, reference, [shown]), f"Run {again(evidence.case)}."
    return about(
        evidence, PROMISE, shown, lead=lead, gone=gone, then=then, numbers=numbers_of(pairs), limit=found.limit
    )


def _from_reference(evidence: Evidence, reference: Rendered, moved: Iterable[Pair]) -> Departure | None:
    """The first stage in which any of the moved shots left the reference."""
    subject, ours = evidence.case.subject, evidence.rendering
    for shot in dict.fromkeys(pair.shot for pair in moved):
        expected, actual = reference.rendering.fingerprints_of(shot), ours.fingerprints_of(shot)
        gone = departure(expected, actual, subject=subject, rendering=ours, moved=True)
        if gone:
            return gone
    return None

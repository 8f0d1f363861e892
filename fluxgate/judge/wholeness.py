"""Wholeness: what every rendering owes by itself: all pictures, of the right size, showing something."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from fluxgate.compare.likeness import blankness
from fluxgate.judge.evidence import Evidence
from fluxgate.judge.sentences import counted, picture_name
from fluxgate.judge.suspects import DIFFUSERS, of_stage
from fluxgate.refusal import Refusal
from fluxgate.rendering import DECODED, STAGES, Duration, Picture
from fluxgate.runs.pictures import sound_pixels
from fluxgate.runs.rendered import Rendered
from fluxgate.subjects.subject import Shot

CAST = "invalid value encountered in cast"  # numpy's warning, where floating-point pictures become bytes
GRAIN = 16  # pixels: the pipeline rounds other sizes to a multiple of this


@dataclass(frozen=True)
class Flaw:
    """Something that is wrong with a rendering by itself."""

    sentence: str  # without its full stop
    stage: str | None = None

    def who(self, evidence: Evidence) -> str:
        """The pipeline does what it is asked for; numbers come out of a stage."""
        inventory = evidence.rendering.inventory
        in_stage = self.stage if self.stage in STAGES else None
        return of_stage(in_stage, evidence.case.subject, inventory) if in_stage else DIFFUSERS


def flaw(evidence: Evidence) -> Flaw | None:
    """The first thing that is wrong with the rendering by itself."""
    return next(_flaws(evidence), None)


def _flaws(evidence: Evidence) -> Iterator[Flaw]:
    rendered = evidence.rendered
    if rendered is None:
        return
    for shot in evidence.case.shots:
        yield from map(Flaw, _of_shot(evidence, rendered, shot))
    yield from _not_finite(rendered)
    for picture in rendered.rendering.pictures_of().values():
        fault = _of_picture(rendered, picture)
        if fault:
            yield Flaw(f"{picture_name(evidence.case, picture.shot, picture.index)} {fault}")


def _of_shot(evidence: Evidence, rendered: Rendered, shot: Shot) -> Iterator[str]:
    rendering = rendered.rendering
    indices = {index for name, index in rendering.pictures_of() if name == shot.name}
    if indices != set(range(shot.pictures)):
        yield f"shot '{shot.name}' gave {len(indices)} of the {shot.pictures} pictures asked for"
    if rendering.recipes.get(shot.name) != shot.recipe:
        yield f"shot '{shot.name}' was rendered with another recipe than the subject has now, so render it again"
    for duration in rendering.durations:
        if duration.shot == shot.name and duration.repeats:
            times = counted(duration.repeats, "time")
            yield f"shot '{shot.name}' {duration.phase}d the same again, {times} in one call"
        if duration.shot == shot.name and duration.steps:
            yield from _of_steps(shot, duration, evidence.case.subject.calls_per_step)
    for (name, index), picture in rendering.pictures_of().items():
        if name == shot.name and not _is_of_size(picture, shot):
            asked, got = f"{shot.width}×{shot.height}", f"{picture.width}×{picture.height}"
            yield f"{picture_name(evidence.case, name, index)} is {got} where {asked} was asked for"


def _of_steps(shot: Shot, duration: Duration, calls_per_step: int | None) -> Iterator[str]:
    asked, taken = shot.least_steps, len(duration.steps)
    if taken < asked:
        yield f"shot '{shot.name}' took {taken} steps where {asked} were asked for"
    if calls_per_step is None:  # nobody has said how many are due
        return
    due = taken * calls_per_step
    if duration.calls not in (None, due):
        called = f"shot '{shot.name}' called the denoiser {duration.calls} times in {taken} steps"
        yield f"{called} where {due} are due (the subject's calls_per_step is {calls_per_step})"


def _is_of_size(picture: Picture, shot: Shot) -> bool:
    if shot.own_size:  # which of its sizes is right, nobody has said; its reference's is compared with it
        return True
    rows, columns = picture.grid
    edges = ((shot.height, picture.height / rows), (shot.width, picture.width / columns))
    return all(asked is None or asked % GRAIN or asked == got for asked, got in edges)


def _not_finite(rendered: Rendered) -> Iterator[Flaw]:
    for entry in rendered.rendering.fingerprints:
        if not entry.finite:
            yield Flaw(f"shot '{entry.shot}' has a NaN or an infinity in its {entry.stage}", entry.stage)
    if any(CAST in warning for warning in rendered.rendering.warnings):
        yield Flaw("a NaN or an infinity was cast to a pixel, as numpy has warned", DECODED)


def _of_picture(rendered: Rendered, picture: Picture) -> str | None:
    try:
        pixels = sound_pixels(picture, rendered.folder)
    except Refusal as refusal:
        return f"cannot be judged: {str(refusal).rstrip('.')}"
    blank = blankness(pixels)
    return f"shows nothing: it is {blank} all over" if blank else None

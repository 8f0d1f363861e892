"""Objections: why a rendering cannot become a baseline, each in one sentence."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from fluxgate.cases import Case
from fluxgate.rendering import SCHEMA, Rendering


def to_rendering(rendering: Rendering, case: Case | None) -> Iterator[str]:
    """What is wrong with one rendering by itself."""
    name = rendering.case_id
    if case is None:
        yield f"{name} is not a case any more: its subject or its strategy is gone."
        return
    if rendering.schema != SCHEMA:
        yield f"{name} was written with schema {rendering.schema}, and {SCHEMA} is due: render it again."
        return
    if rendering.crash is not None:
        yield f"{name} crashed ({rendering.crash.kind}: {rendering.crash.sentence})."
        return
    yield from _of_recipes(rendering, case)
    yield from _of_takes(rendering)
    yield from (
        f"{name}: {print_.stage} of shot {print_.shot!r} hold a NaN or an infinity."
        for print_ in rendering.fingerprints
        if not print_.finite
    )


def _of_recipes(rendering: Rendering, case: Case) -> Iterator[str]:
    due = {shot.name: shot for shot in case.shots}
    for name in sorted(set(rendering.recipes) | set(due)):
        if name not in rendering.recipes:
            yield f"{rendering.case_id}: shot {name!r} was not rendered."
        elif name not in due or due[name].recipe != rendering.recipes[name]:
            yield f"{rendering.case_id}: shot {name!r} was rendered from another recipe than today's: render it again."
        elif [index for shot, index in rendering.pictures_of() if shot == name] != list(range(due[name].pictures)):
            number = sum(shot == name for shot, _ in rendering.pictures_of())
            yield f"{rendering.case_id}: shot {name!r} has {number} pictures where {due[name].pictures} are due."


def _of_takes(rendering: Rendering) -> Iterator[str]:
    """Two takes of a shot must agree in every picture and at every stage."""
    first = rendering.pictures_of(0)
    for picture in rendering.pictures:
        same = first.get((picture.shot, picture.index))
        if picture.take and (same is None or same.sha256 != picture.sha256):
            yield f"{rendering.case_id}: the pictures of shot {picture.shot!r} differ between takes."
            return
    stages = {(p.shot, p.stage): p.sha256 for p in rendering.fingerprints if p.take == 0}
    for print_ in rendering.fingerprints:
        if print_.take and stages.get((print_.shot, print_.stage)) != print_.sha256:
            yield f"{rendering.case_id}: {print_.stage} of shot {print_.shot!r} differ between takes."
            return


def to_promise(rendering: Rendering, reference: Mapping[tuple[str, int], str], *, named: str) -> Iterator[str]:
    """A strategy that reproduces another may not be accepted with other pictures than that one's."""
    for key, picture in rendering.pictures_of().items():
        if key in reference and reference[key] != picture.sha256:
            yield f"{rendering.case_id}: shot {key[0]!r} is not the picture of {named}, which it promises to reproduce."
            return

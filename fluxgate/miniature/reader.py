"""The reader: looks at a picture of the storybook and says which things stand where, in which colours and setting."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from fluxgate.miniature.captions import NOUNS
from fluxgate.miniature.drawing import LUMA, Picture
from fluxgate.miniature.parsing import Asked, Expected
from fluxgate.miniature.places import MARGIN, Floats, Place, place_of, plain, solid
from fluxgate.miniature.scenes import SHAPES
from fluxgate.miniature.views import GLINTS, LIKE_ON_CLOTH, Candidate, Mask, candidates, family_of, patch_of

MOST_TAKEN = 0.3
SITTING = frozenset({"fox", "rabbit", "teacup", "mushroom"})
CRISP = 0.35  # share of a view's contrast between light and dark that must be there
SURE = 0.84  # likeness, and SOLID times the share that is no backdrop, together
SOLID = 0.4
STARRY = -35.0  # what tells a star from a firefly: yellowness and ink, less brightness


@dataclass(frozen=True)
class Seen:
    """One thing in a picture: its centre as shares of the frame, its box's share of the frame's area."""

    kind: str
    colour: str
    x: float
    y: float
    size: float
    confidence: float


@dataclass(frozen=True)
class Reading:
    """What a picture shows; a setting of None is a picture of no known place."""

    things: tuple[Seen, ...]
    setting: str | None
    night: bool | None
    saturation: float


def read(picture: Picture) -> Reading:
    """Read an RGB picture of any size."""
    place = place_of(picture)
    if place is None:
        return Reading((), None, None, 1.0)
    small = plain(picture, place)
    chosen = _chosen(list(candidates(small, place)), small, solid(small, place))
    things = tuple(_seen(candidate, small, place) for candidate in chosen)
    return Reading(things, place.setting, place.night, place.saturation)


def _chosen(candidates: list[Candidate], picture: Floats, thick: Floats) -> list[Candidate]:
    """The candidates that explain the picture: the best first, each on ground no better one has taken."""
    taken: list[Candidate] = []
    for candidate in sorted(candidates, key=lambda one: -one.merit):
        if candidate.likeness < LIKE_ON_CLOTH and any(_lies_on(candidate, other) for other in taken):
            continue
        if _stands_out(candidate, picture, thick) and all(
            _share_taken(candidate, other) < MOST_TAKEN for other in taken
        ):
            taken.append(candidate)
    return taken


def _lies_on(candidate: Candidate, other: Candidate) -> bool:
    """Whether a cup's middle is on a blanket."""
    row = candidate.row + candidate.view.body.shape[0] // 2 - other.row
    column = candidate.column + candidate.view.body.shape[1] // 2 - other.column
    tall, wide = other.view.body.shape
    return (candidate.view.kind, other.view.kind) == ("teacup", "blanket") and 0 <= row < tall and 0 <= column < wide


def _stands_out(candidate: Candidate, picture: Floats, thick: Floats) -> bool:
    """Whether the place differs from the backdrop, and is darker where the view has ink."""
    view = candidate.view
    share = float(patch_of(candidate, thick)[view.body].mean())
    if view.kind != "blanket" and candidate.likeness + SOLID * share < SURE:
        return False
    if view.kind in GLINTS:
        free = float(patch_of(candidate, thick)[~_grown(view.body)].mean()) < 0.5
        return free and _starry(candidate, picture) == (view.kind == "star")
    bright = view.rgb @ LUMA
    ink = view.body & (bright < 100)
    shown = patch_of(candidate, picture) @ LUMA
    light = view.body & ~ink
    if not (ink.any() and light.any()):
        return True
    return bool(shown[light].mean() - shown[ink].mean() > CRISP * (bright[light].mean() - bright[ink].mean()))


def _grown(mask: Mask) -> Mask:
    grown = mask.copy()
    for axis in (0, 1):
        for by in (-1, 1):
            grown |= np.roll(mask, by, axis)
    return grown


def _starry(candidate: Candidate, picture: Floats) -> bool:
    """Whether a glint is a star (yellower, darker, with ink around it) and not a firefly (a pale glow)."""
    patch = patch_of(candidate, picture)
    rows, columns = np.indices(patch.shape[:2])
    far = np.hypot(rows - (patch.shape[0] - 1) / 2, columns - (patch.shape[1] - 1) / 2)
    core = patch[far < 2.6].mean(axis=0)
    bright = patch @ LUMA
    rim = float(np.median(bright[far > 6.5]) - np.percentile(bright[(far > 3.5) & (far < 6.5)], 15))
    return float(core[0] - core[2]) - float(core @ LUMA) + rim > STARRY


def _share_taken(candidate: Candidate, other: Candidate) -> float:
    """How much of the smaller of two lies on the other; what sits on a blanket takes nothing from it."""
    kinds = {candidate.view.kind, other.view.kind}
    if "blanket" in kinds and kinds & SITTING:
        return 0.0
    mine, theirs = candidate.view.body, other.view.body
    top, left = max(candidate.row, other.row), max(candidate.column, other.column)
    bottom = min(candidate.row + mine.shape[0], other.row + theirs.shape[0])
    right = min(candidate.column + mine.shape[1], other.column + theirs.shape[1])
    if bottom <= top or right <= left:
        return 0.0
    a = mine[top - candidate.row : bottom - candidate.row, left - candidate.column : right - candidate.column]
    b = theirs[top - other.row : bottom - other.row, left - other.column : right - other.column]
    return float((a & b).sum()) / float(min(mine.sum(), theirs.sum()))


def _seen(candidate: Candidate, picture: Floats, place: Place) -> Seen:
    view = candidate.view
    tall, wide = view.weight.shape
    height, width = (n - 2 * MARGIN for n in picture.shape[:2])
    x = (candidate.column - MARGIN + wide / 2) / width
    y = (candidate.row - MARGIN + tall / 2) / height
    size = view.tall**2 * SHAPES[view.kind] / (width * height)
    return Seen(view.kind, _colour(candidate, picture, place), x, y, size, candidate.likeness)


def _colour(candidate: Candidate, picture: Floats, place: Place) -> str:
    """The colour whose paint comes nearest, judged where colours differ most, and more by hue than by brightness."""
    family = family_of(candidate.view, place)
    looks = np.stack([view.rgb for view in family])
    if len(family) == 1:
        return candidate.view.colour
    varied = looks.std(axis=0).max(axis=-1) * family[0].body
    painted = varied > 0.6 * varied.max()
    shown = np.median(patch_of(candidate, picture)[painted], axis=0)
    wanted = np.median(looks[:, painted], axis=1)
    # Blur mixes paint with ink, so a paint may be darker than it was, all channels alike.
    gain = np.clip((wanted @ shown) / max(float(shown @ shown), 1.0), 0.85, 1.35)[:, None]
    away = gain * shown - wanted
    luma = (away @ LUMA)[:, None]
    distance = ((away - luma) ** 2).sum(axis=-1) + 0.3 * (luma[:, 0]) ** 2
    # The colour whose view fitted best as a whole gets the benefit of the doubt.
    doubt = np.array([0.5 if view is candidate.view else 1.0 for view in family])
    return family[int((distance * doubt).argmin())].colour


# What was asked and what is there


@dataclass(frozen=True)
class Finding:
    """One thing a caption asks, and whether the picture shows it."""

    about: str  # thing, colour, count, side, relation, setting or time
    kind: str  # the kind of thing asked about; for a setting or time, the setting asked
    asked: str
    found: bool
    sentence: str


def compare(reading: Reading, expected: Expected) -> tuple[Finding, ...]:
    """Ask of a reading everything a caption asks for."""
    findings: list[Finding] = []
    for asked in expected.groups:
        findings += _about_group(reading, asked)
    for relation in expected.relations:
        first, second = expected.groups[relation.first], expected.groups[relation.second]
        findings.append(_about_relation(reading, first, relation.how, second))
    return (*findings, *_about_place(reading, expected))


def shown(reading: Reading) -> str:
    """What a reading holds, in words."""
    if not reading.things:
        return "nothing that the reader knows"
    counts: dict[tuple[str, str], int] = {}
    for thing in reading.things:
        counts[thing.colour, thing.kind] = counts.get((thing.colour, thing.kind), 0) + 1
    return ", ".join(_counted(count, colour, kind) for (colour, kind), count in sorted(counts.items()))


def _counted(count: int | None, colour: str | None, kind: str) -> str:
    one, many = NOUNS[kind][0]
    number = "several" if count is None else str(count)
    return " ".join(part for part in (number, colour, one if count == 1 else many) if part)


def _of(reading: Reading, asked: Asked) -> list[Seen]:
    return [one for one in reading.things if one.kind == asked.kind and asked.colour in (None, one.colour)]


def _about_group(reading: Reading, asked: Asked) -> Iterator[Finding]:
    alike = [one for one in reading.things if one.kind == asked.kind]
    mine = _of(reading, asked)
    yield _finding("thing", asked.kind, _counted(asked.count, None, asked.kind), bool(alike), reading)
    if asked.colour:
        yield _finding("colour", asked.kind, _counted(asked.count, asked.colour, asked.kind), bool(mine), reading)
    right = len(mine) >= 2 if asked.count is None else len(mine) == asked.count
    yield _finding("count", asked.kind, _counted(asked.count, asked.colour, asked.kind), right, reading)
    if asked.side:
        there = bool(mine) and all((one.x < 0.5) == (asked.side == "left") for one in mine)
        yield _finding(
            "side", asked.kind, f"{_counted(asked.count, asked.colour, asked.kind)} {asked.side}", there, reading
        )


def _about_relation(reading: Reading, first: Asked, how: str, second: Asked) -> Finding:
    ones, others = _of(reading, first), _of(reading, second)
    holds = bool(ones) and bool(others) and all(_stands(one, how, other) for one in ones for other in others)
    words = (
        f"{_counted(first.count, first.colour, first.kind)} {how} {_counted(second.count, second.colour, second.kind)}"
    )
    return _finding("relation", first.kind, words, holds, reading)


def _stands(one: Seen, how: str, other: Seen) -> bool:
    return {
        "left of": one.x < other.x,
        "right of": one.x > other.x,
        "above": one.y < other.y,
        "below": one.y > other.y,
    }[how]


def _about_place(reading: Reading, expected: Expected) -> Iterator[Finding]:
    seen = (
        "no known place" if reading.setting is None else f"{reading.setting} by {'night' if reading.night else 'day'}"
    )
    if expected.setting:
        right = reading.setting == expected.setting
        yield Finding("setting", expected.setting, expected.setting, right, _answer(expected.setting, right, seen))
    if expected.night is not None:
        right, time = reading.night == expected.night, "night" if expected.night else "day"
        yield Finding("time", expected.setting or "", time, right, _answer(time, right, seen))


def _finding(about: str, kind: str, asked: str, found: bool, reading: Reading) -> Finding:
    return Finding(about, kind, asked, found, _answer(asked, found, shown(reading)))


def _answer(asked: str, found: bool, seen: str) -> str:
    return f"asked for {asked}: found" if found else f"asked for {asked}, and the picture shows {seen}"

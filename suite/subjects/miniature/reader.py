"""The reader: looks at a picture of the storybook and says which things stand where, in which colours and setting."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from math import log
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from suite.subjects.miniature.backdrops import backdrop
from suite.subjects.miniature.captions import NOUNS, Asked, Expected
from suite.subjects.miniature.drawing import LUMA, Picture, saturated
from suite.subjects.miniature.scenes import AIRBORNE, COLOURS_OF, HEIGHTS, KINDS, MAGIC, NIGHTLY, SETTINGS, SHAPES
from suite.subjects.miniature.things import sprite

Floats = NDArray[np.float32]
Waves = NDArray[np.complexfloating[Any, Any]]
Mask = NDArray[np.bool_]

SHORT = 112  # the shorter side, in pixels, at which pictures are read
BLUR = 0.6
MARGIN = 8  # pixels of edge repeated around the picture, for things that touch the frame
STEP = 1.13  # between the sizes a thing is looked for in
FLAT = 0.6  # share of a view's own contrast below which a place is too pale to show it
# From RGB to brightness and two differences of hue, which weigh less: shapes are told by their ink.
HUE = 0.5
EYE = np.stack([LUMA, HUE * (np.array([1, 0, 0]) - LUMA), HUE * (np.array([0, 0, 1]) - LUMA)], axis=1).astype(
    np.float32
)
GLINTS = frozenset({"star", "firefly"})  # told apart by likeness alone
CLOTH = (226, 176, 166)  # behind a cup on a blanket, between the cloth's two colours
TURNING = frozenset({"fox", "rabbit", "teacup"})


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


@dataclass(frozen=True)
class _View:
    kind: str
    colour: str
    tall: int
    turned: bool
    rgb: Floats
    weight: Floats
    body: Mask
    clothed: bool  # whether it was drawn before a blanket


@dataclass(frozen=True)
class _Candidate:
    view: _View
    row: int
    column: int
    likeness: float

    @property
    def merit(self) -> float:
        """Likeness, with larger things tried first: parts of a thing resemble smaller things."""
        size = 60.0 if self.view.kind in GLINTS else float(self.view.weight.sum())
        return self.likeness + 0.06 * log(size)


@dataclass(frozen=True)
class _Place:
    """Where a picture is, how its colours were saturated, and by how much each channel is off."""

    setting: str
    night: bool
    saturation: float
    gain: Floats


def read(picture: Picture) -> Reading:
    """Read an RGB picture of any size."""
    place = _place(picture)
    if place is None:
        return Reading((), None, None, 1.0)
    plain = _resaturated(_reduced(picture) / place.gain, place.saturation)
    solid = _solid(plain, place)
    chosen = _chosen(list(_candidates(plain, place)), plain, solid)
    things = tuple(_seen(candidate, plain, place) for candidate in chosen)
    return Reading(things, place.setting, place.night, place.saturation)


# The place


SAMPLE = (24, 24)
SATURATIONS = (0.3, 0.4, 0.5, 0.6, 0.7, 0.85, 1.0, 1.15, 1.3, 1.5, 1.7)
FAR = 42.0  # levels at which a pixel counts as not of the place at all
STRANGE = 0.56  # mean share of FAR above which a picture shows no known place
FEW = 60  # samples of bare backdrop below which nothing can be said of its colours
PALEST = 0.13  # saturation below which a picture has no colours to read
PLAIN = 5.0  # spread of levels below which a picture is one flat colour
DIM = 16.0  # levels of chroma below which a backdrop says little of saturation


def _place(picture: Picture) -> _Place | None:
    """The setting, time of day and saturation whose bare backdrop the picture comes nearest to."""
    small = np.asarray(Image.fromarray(picture).resize(SAMPLE, Image.Resampling.BOX)).astype(np.float32)
    if small.std(axis=(0, 1)).max() < PLAIN:
        return None
    trials = [(*place, saturation) for place in _places() for saturation in SATURATIONS]
    strangeness, (setting, night, rough) = min((_strangeness(small, *trial), trial) for trial in trials)
    if strangeness > STRANGE:
        return None
    shown = _backdrops(setting, night=night, saturation=rough)
    nearest = int(np.abs(small[None] - shown).mean(axis=-1).clip(0, FAR).mean(axis=(1, 2)).argmin())
    bare = np.abs(small - shown[nearest]).mean(axis=-1) < FAR / 2
    if bare.sum() < FEW:
        return None
    norm = _backdrops(setting, night=night, saturation=1.0)[nearest][bare]
    saturation = _saturation(small[bare], norm, rough=rough)
    if saturation < PALEST:
        return None
    gain = (small[bare] * shown[nearest][bare]).sum(axis=0) / (shown[nearest][bare] ** 2).sum(axis=0)
    return _Place(setting, night, saturation, np.clip(gain, 0.8, 1.25).astype(np.float32))


def _saturation(shown: Floats, norm: Floats, *, rough: float) -> float:
    """The saturation between the grid's steps, from the chroma of the backdrop; the rough one where there is little."""
    shown, norm = (values - (values @ LUMA)[..., None] for values in (shown, norm))
    doubt = DIM**2 * len(norm)
    return float((shown * norm).sum() + doubt * rough) / float((norm**2).sum() + doubt)


def _places() -> tuple[tuple[str, bool], ...]:
    return tuple((name, night) for name in SETTINGS for night in (False, True) if name != MAGIC or night)


def _strangeness(small: Floats, setting: str, night: bool, saturation: float) -> float:
    """Mean distance from the nearest of a few examples of the backdrop, things and all, capped per pixel."""
    examples = _backdrops(setting, night=night, saturation=saturation)
    away = np.minimum(np.abs(small[None] - examples).mean(axis=-1), FAR) / FAR
    return float(away.mean(axis=(1, 2)).min())


@lru_cache(maxsize=256)
def _backdrops(setting: str, *, night: bool, saturation: float) -> Floats:
    width, height = SAMPLE
    pictures = []
    for seed in range(8):
        picture = saturated(backdrop(setting, night=night, seed=seed, width=96, height=96), saturation=saturation)
        pictures.append(np.asarray(Image.fromarray(picture).resize((width, height), Image.Resampling.BOX)))
    return np.stack(pictures).astype(np.float32)


@lru_cache(maxsize=64)
def _palettes(setting: str, *, night: bool, height: int) -> Floats:
    """The colours a backdrop can have in each row."""
    rows = [
        backdrop(setting, night=night, seed=seed, width=height, height=height)[:, :: height // 6] for seed in range(6)
    ]
    return np.concatenate(rows, axis=1).astype(np.float32)


OTHER = 27.0  # levels away from every colour of the backdrop that make a pixel part of a thing


def _solid(picture: Floats, place: _Place) -> Floats:
    """1 for pixels that do not belong to the backdrop, else 0."""
    height = picture.shape[0] - 2 * MARGIN
    colours = np.pad(
        _palettes(place.setting, night=place.night, height=height), ((MARGIN, MARGIN), (0, 0), (0, 0)), "edge"
    )
    nearest = np.full(picture.shape[:2], np.inf, dtype=np.float32)
    for k in range(colours.shape[1]):
        nearest = np.minimum(nearest, np.abs(picture - colours[:, None, k]).max(axis=-1))
    return (nearest > OTHER).astype(np.float32)


# The things


def _reduced(picture: Picture) -> Floats:
    """The picture at the size it is read in, softened as the views are, with its edges repeated."""
    height, width = picture.shape[:2]
    scale = SHORT / min(height, width)
    size = (round(width * scale), round(height * scale))
    way = Image.Resampling.BOX if scale < 0.5 else Image.Resampling.BILINEAR
    small = Image.fromarray(picture).resize(size, way).filter(ImageFilter.GaussianBlur(BLUR))
    return np.pad(np.asarray(small).astype(np.float32), ((MARGIN, MARGIN), (MARGIN, MARGIN), (0, 0)), mode="edge")


def _resaturated(picture: Floats, saturation: float) -> Floats:
    """The colours as they were before saturation was applied."""
    grey = (picture @ LUMA)[..., None]
    return np.clip(grey + (picture - grey) / max(saturation, 0.3), 0, 255).astype(np.float32)


@lru_cache(maxsize=4 * len(KINDS))
def _views(kind: str, setting: str, *, night: bool) -> tuple[tuple[_View, ...], ...]:
    """How a kind looks there in every size, each with all its colours; turned views too where it is drawn turned."""
    families = []
    for tall in _sizes(kind):
        for turned in (False, True) if kind in TURNING else (False,):
            colours = COLOURS_OF[kind]
            families.append(tuple(_view(kind, colour, tall, turned, setting, night) for colour in colours))
            if kind == "teacup" and setting == MAGIC and tall < TABLEWARE * SHORT:
                families.append(tuple(_view(kind, colour, tall, turned, None, night) for colour in colours))
    return tuple(families)


def _sizes(kind: str) -> tuple[int, ...]:
    low, high = HEIGHTS[kind][0] * 0.93 * SHORT, HEIGHTS[kind][-1] * 1.07 * SHORT
    if kind == "blanket":
        low, high = 0.16 * SHORT, 0.3 * SHORT
    steps = max(1, round(log(high / low) / log(STEP)))
    return tuple(sorted({round(low * (high / low) ** ((k + 0.5) / steps)) for k in range(steps)}))


TABLEWARE = 0.14  # height of the largest cup that stands on a blanket


def _view(kind: str, colour: str, tall: int, turned: bool, setting: str | None, night: bool) -> _View:
    """A thing before the backdrop it would stand before (a blanket, if None), of which a rim belongs to the view."""
    pad = 2
    thing = sprite(kind, colour, tall=tall, turned=turned, night=night)
    size = (tall + 2 * pad, thing.width + 2 * pad)
    picture = Image.fromarray(_behind(kind, size, setting, night=night))
    picture.paste(thing, (pad, pad), thing)
    alpha = Image.fromarray(np.pad(np.asarray(thing)[..., 3], pad))
    rim = alpha.filter(ImageFilter.MaxFilter(3)) if setting else alpha
    weight = (np.asarray(rim) / 255).astype(np.float32)
    rgb = np.asarray(picture.filter(ImageFilter.GaussianBlur(BLUR))).astype(np.float32)
    return _View(kind, colour, tall, turned, rgb, weight, np.asarray(alpha) > 127, setting is None)


def _behind(kind: str, size: tuple[int, int], setting: str | None, *, night: bool) -> Picture:
    """The mean colours of the rows in which such a thing usually is."""
    tall, wide = size
    if setting is None:
        return np.full((tall, wide, 3), CLOTH, dtype=np.uint8)
    rows = _palettes(setting, night=night, height=SHORT).mean(axis=1)
    middle = 0.3 if kind in AIRBORNE else 0.85 - tall / SHORT / 2
    chosen = rows[np.clip(np.arange(tall) + int(middle * SHORT) - tall // 2, 0, SHORT - 1)]
    return np.repeat(chosen[:, None], wide, axis=1).astype(np.uint8)


def _candidates(picture: Floats, place: _Place) -> Iterator[_Candidate]:
    """Every place where a view resembles the picture better than around it."""
    spectra = _Spectra(picture)
    for kind in KINDS:
        if kind in NIGHTLY and not place.night:
            continue
        for family in _views(kind, place.setting, night=place.night):
            yield from _matches(spectra, family)


class _Spectra:
    """The picture's Fourier transforms, against which any view is correlated at once in every place."""

    def __init__(self, picture: Floats) -> None:
        self.shape = picture.shape[:2]
        self.size = tuple(_smooth(n) for n in self.shape)
        seen = (picture @ EYE).astype(np.float32)
        self.channels = [np.fft.rfft2(seen[..., c], s=self.size) for c in range(3)]
        self.squares = np.fft.rfft2((seen**2).sum(axis=-1), s=self.size)

    def of(self, kernel: Floats) -> Waves:
        return np.asarray(np.conj(np.fft.rfft2(kernel, s=self.size)))

    def back(self, waves: Waves, kernel: Floats) -> Floats:
        """The correlation at every offset where the kernel lies inside the picture."""
        rows, columns = (n - k + 1 for n, k in zip(self.shape, kernel.shape, strict=True))
        return np.fft.irfft2(waves, s=self.size)[:rows, :columns].astype(np.float32)


def _smooth(length: int) -> int:
    """The next length without prime factors above 5, for which Fourier transforms are fast."""
    while True:
        rest = length
        for prime in (2, 3, 5):
            while rest % prime == 0:
                rest //= prime
        if rest == 1:
            return length
        length += 1


def _matches(spectra: _Spectra, family: tuple[_View, ...]) -> Iterator[_Candidate]:
    weight = family[0].weight
    if any(k > n for k, n in zip(weight.shape, spectra.shape, strict=True)):
        return
    wave = spectra.of(weight)
    total = float(weight.sum())
    sums = [spectra.back(channel * wave, weight) for channel in spectra.channels]
    squares = spectra.back(spectra.squares * wave, weight)
    spread = np.sqrt(np.maximum(squares - (sums[0] ** 2 + sums[1] ** 2 + sums[2] ** 2) / total, 1e-3))
    maps = np.stack([_likeness(spectra, view, spread) for view in family])
    best = maps.max(axis=0)
    least = LIKE_ON_CLOTH if family[0].clothed else LIKE[family[0].kind]
    for row, column in zip(*np.nonzero(_peaks(best) & (best > least)), strict=True):
        view = family[int(maps[:, row, column].argmax())]
        yield _Candidate(view, int(row), int(column), float(best[row, column]))


def _likeness(spectra: _Spectra, view: _View, spread: Floats) -> Floats:
    """Correlation in every place; places much paler than the view itself are marked down."""
    seen = view.rgb @ EYE
    centred = seen - (seen * view.weight[..., None]).sum(axis=(0, 1)) / view.weight.sum()
    norm = float(np.sqrt((centred**2 * view.weight[..., None]).sum()))
    weighed = centred * view.weight[..., None]
    red, green, blue = (spectra.channels[c] * spectra.of(weighed[..., c]) for c in range(3))
    found = spectra.back(red + green + blue, view.weight) / (norm * np.maximum(spread, FLAT * norm))
    return found.astype(np.float32)


def _peaks(values: Floats) -> Mask:
    """Where a value is no less than its eight neighbours."""
    padded = np.pad(values, 1, constant_values=-2.0)
    rows, columns = values.shape
    peak = np.ones(values.shape, dtype=bool)
    for dy in (0, 1, 2):
        for dx in (0, 1, 2):
            peak &= values >= padded[dy : dy + rows, dx : dx + columns]
    return peak


# How alike a view and the picture must be, by kind.
LIKE: dict[str, float] = {**dict.fromkeys(KINDS, 0.6), "blanket": 0.5}
LIKE_ON_CLOTH = 0.66  # the squares of a blanket look a little like cups


def _chosen(candidates: list[_Candidate], picture: Floats, solid: Floats) -> list[_Candidate]:
    """The candidates that explain the picture: the best first, each on ground no better one has taken."""
    taken: list[_Candidate] = []
    for candidate in sorted(candidates, key=lambda one: -one.merit):
        if candidate.likeness < LIKE_ON_CLOTH and any(_lies_on(candidate, other) for other in taken):
            continue
        if _stands_out(candidate, picture, solid) and all(
            _share_taken(candidate, other) < MOST_TAKEN for other in taken
        ):
            taken.append(candidate)
    return taken


def _lies_on(candidate: _Candidate, other: _Candidate) -> bool:
    """Whether a cup's middle is on a blanket."""
    row = candidate.row + candidate.view.body.shape[0] // 2 - other.row
    column = candidate.column + candidate.view.body.shape[1] // 2 - other.column
    tall, wide = other.view.body.shape
    return (candidate.view.kind, other.view.kind) == ("teacup", "blanket") and 0 <= row < tall and 0 <= column < wide


MOST_TAKEN = 0.3
SITTING = frozenset({"fox", "rabbit", "teacup", "mushroom"})
CRISP = 0.35  # share of a view's contrast between light and dark that must be there
SURE = 0.84  # likeness, and SOLID times the share that is no backdrop, together
SOLID = 0.4


def _stands_out(candidate: _Candidate, picture: Floats, solid: Floats) -> bool:
    """Whether the place differs from the backdrop, and is darker where the view has ink."""
    view = candidate.view
    share = float(_patch(candidate, solid)[view.body].mean())
    if view.kind != "blanket" and candidate.likeness + SOLID * share < SURE:
        return False
    if view.kind in GLINTS:
        free = float(_patch(candidate, solid)[~_grown(view.body)].mean()) < 0.5
        return free and _starry(candidate, picture) == (view.kind == "star")
    bright = view.rgb @ LUMA
    ink = view.body & (bright < 100)
    shown = _patch(candidate, picture) @ LUMA
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


def _starry(candidate: _Candidate, picture: Floats) -> bool:
    """Whether a glint is a star (yellower, darker, with ink around it) and not a firefly (a pale glow)."""
    patch = _patch(candidate, picture)
    rows, columns = np.indices(patch.shape[:2])
    far = np.hypot(rows - (patch.shape[0] - 1) / 2, columns - (patch.shape[1] - 1) / 2) * 112 / SHORT
    core = patch[far < 2.6].mean(axis=0)
    bright = patch @ LUMA
    rim = float(np.median(bright[far > 6.5]) - np.percentile(bright[(far > 3.5) & (far < 6.5)], 15))
    return float(core[0] - core[2]) - float(core @ LUMA) + rim > STARRY


STARRY = -35.0


def _patch(candidate: _Candidate, picture: Floats) -> Floats:
    tall, wide = candidate.view.weight.shape
    return picture[candidate.row : candidate.row + tall, candidate.column : candidate.column + wide]


def _share_taken(candidate: _Candidate, other: _Candidate) -> float:
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


def _seen(candidate: _Candidate, picture: Floats, place: _Place) -> Seen:
    view = candidate.view
    tall, wide = view.weight.shape
    height, width = (n - 2 * MARGIN for n in picture.shape[:2])
    x = (candidate.column - MARGIN + wide / 2) / width
    y = (candidate.row - MARGIN + tall / 2) / height
    size = view.tall**2 * SHAPES[view.kind] / (width * height)
    return Seen(view.kind, _colour(candidate, picture, place), x, y, size, candidate.likeness)


def _colour(candidate: _Candidate, picture: Floats, place: _Place) -> str:
    """The colour whose paint comes nearest, judged where colours differ most, and more by hue than by brightness."""
    family = _family(candidate.view, place)
    looks = np.stack([view.rgb for view in family])
    if len(family) == 1:
        return candidate.view.colour
    varied = looks.std(axis=0).max(axis=-1) * family[0].body
    painted = varied > 0.6 * varied.max()
    shown = np.median(_patch(candidate, picture)[painted], axis=0)
    wanted = np.median(looks[:, painted], axis=1)
    # Blur mixes paint with ink, so a paint may be darker than it was, all channels alike.
    gain = np.clip((wanted @ shown) / max(float(shown @ shown), 1.0), 0.85, 1.35)[:, None]
    away = gain * shown - wanted
    luma = (away @ LUMA)[:, None]
    distance = ((away - luma) ** 2).sum(axis=-1) + 0.3 * (luma[:, 0]) ** 2
    # The colour whose view fitted best as a whole gets the benefit of the doubt.
    doubt = np.array([0.5 if view is candidate.view else 1.0 for view in family])
    return family[int((distance * doubt).argmin())].colour


def _family(view: _View, place: _Place) -> tuple[_View, ...]:
    families = _views(view.kind, place.setting, night=place.night)
    return next(family for family in families if any(one is view for one in family))


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
        return "nothing known"
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
    here, there = _of(reading, first), _of(reading, second)
    holds = bool(here) and bool(there) and all(_stands(a, how, b) for a in here for b in there)
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
        yield Finding("setting", expected.setting, expected.setting, right, _told(expected.setting, right, seen))
    if expected.night is not None:
        right, time = reading.night == expected.night, "night" if expected.night else "day"
        yield Finding("time", expected.setting or "", time, right, _told(time, right, seen))


def _finding(about: str, kind: str, asked: str, found: bool, reading: Reading) -> Finding:
    return Finding(about, kind, asked, found, _told(asked, found, shown(reading)))


def _told(asked: str, found: bool, seen: str) -> str:
    return f"asked for {asked}: found" if found else f"asked for {asked}; the picture shows {seen}"

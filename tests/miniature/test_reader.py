"""Tests of the reader: drawings are read rightly, worn ones too, and what is no drawing shows nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFilter
from skimage.transform import warp

from fluxgate.miniature import backdrops, captions, drawing, parsing, picnic, places, reader, sampling, scenes
from fluxgate.miniature.captions import BLOG_PROMPT
from fluxgate.miniature.drawing import Picture
from fluxgate.miniature.reader import Finding, Reading, Seen
from fluxgate.miniature.scenes import MAGIC, Group, Scene

WIDE = 1360 / 768
NEAR = 0.06  # of the shorter side, between where a thing is drawn and where it is read


def _group(kind: str, colour: str, *x: float, y: float = 0.75, tall: float = 0.33) -> Group:
    return Group(kind, colour, len(x), "", x, (y,) * len(x), (tall,) * len(x))


def _scene(*groups: Group, setting: str = "meadow", night: bool = False) -> Scene:
    return Scene(groups, setting, night, False, 5)


FOX_AND_CUP = _scene(_group("fox", "orange", 0.25), _group("teacup", "blue", 0.75, tall=0.2), setting="lake")
ASKED = "An orange fox left of a blue teacup by a lake by day."


def _draw(scene: Scene, *, size: int = 256, saturation: float = 1.0) -> Picture:
    width, height = round(size * max(scene.aspect, 1.0)), round(size * max(1 / scene.aspect, 1.0))
    return drawing.draw(scene, width=width, height=height, saturation=saturation)


def _missed(picture: Picture, caption: str) -> list[tuple[str, str]]:
    findings = reader.compare(reader.read(picture), parsing.parse(caption))
    return [(finding.about, finding.kind) for finding in findings if not finding.found]


def _worn(picture: Picture, rng: np.random.Generator) -> Picture:
    """What a small model makes of a drawing: wobbly, soft, off in colour, with bits missing, noisy and compressed."""
    height, width = picture.shape[:2]
    scale = min(height, width) / 256
    rows, columns = np.mgrid[0:height, 0:width] + 2.0 * scale * _waves(rng, height, width)
    worn = np.dstack([warp(picture[..., c], np.array([rows, columns]), order=1, mode="edge") for c in range(3)])
    soft = Image.fromarray((255 * worn).astype(np.uint8)).filter(
        ImageFilter.GaussianBlur(rng.uniform(0.3, 1.2) * scale)
    )
    levels = np.asarray(soft) * rng.uniform(0.92, 1.08, 3) + rng.uniform(-6, 6)
    for _ in range(5):
        y, x, side = int(rng.integers(height - 9)), int(rng.integers(width - 9)), int(rng.integers(3, 8))
        levels[y : y + side, x : x + side] = levels[y, x]
    noisy = np.clip(levels + rng.normal(size=levels.shape) * rng.uniform(0, 7), 0, 255).astype(np.uint8)
    file = BytesIO()
    Image.fromarray(noisy).save(file, "JPEG", quality=int(rng.integers(40, 85)))
    return np.asarray(Image.open(file))


def _waves(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    coarse = rng.normal(size=(2, height // 24 + 2, width // 24 + 2)).astype(np.float32)
    return np.stack(
        [np.asarray(Image.fromarray(one).resize((width, height), Image.Resampling.BICUBIC)) for one in coarse]
    )


def _drawn(scene: Scene) -> Iterator[tuple[str, str, float, float]]:
    for group in scene.groups:
        for x, y in zip(group.x, group.y, strict=True):
            yield group.kind, group.colour, x, y


def _right(reading: Reading, scene: Scene) -> tuple[int, int, int]:
    """How many things are read rightly, how many are drawn, and how many are read that are not there."""
    left = list(reading.things)
    right = 0
    for kind, colour, x, y in _drawn(scene):
        nearby = [one for one in left if one.kind == kind and _near(one, x, y, scene.aspect)]
        if nearby:
            left.remove(nearby[0])
            right += nearby[0].colour == colour
    return right, sum(group.count for group in scene.groups), len(left)


def _near(one: Seen, x: float, y: float, aspect: float) -> bool:
    return abs(one.x - x) * max(aspect, 1.0) < NEAR and abs(one.y - y) * max(1 / aspect, 1.0) < NEAR


def _read_many(count: int, *, worn: bool) -> tuple[int, int, int]:
    """The same three sums over many scenes of several shapes and saturations."""
    rng = np.random.default_rng(11)
    sums = np.zeros(3, dtype=int)
    for index in range(count):
        scene = sampling.sample(rng, aspect=(1.0, 1.0, WIDE, 0.7)[index % 4])
        picture = _draw(scene, size=224, saturation=float(rng.uniform(0.4, 1.5)))
        sums += _right(reader.read(_worn(picture, rng) if worn else picture), scene)
    return int(sums[0]), int(sums[1]), int(sums[2])


def test_clean_drawings_are_read_almost_without_fault() -> None:
    """99 of 100 things are found where they are, with their colours, and hardly any are made up."""
    right, drawn, extra = _read_many(12, worn=False)
    assert right >= 0.99 * drawn
    assert extra <= 0.01 * drawn


def test_worn_drawings_are_read_nearly_as_well() -> None:
    """95 of 100 things survive wobble, blur, noise, compression, gaps and a shift of colour."""
    right, drawn, extra = _read_many(12, worn=True)
    assert right >= 0.95 * drawn
    assert extra <= 0.05 * drawn


@given(seed=st.integers(0, 2**32 - 1), aspect=st.sampled_from([0.7, 1.0, WIDE]), saturation=st.floats(0.6, 1.4))
@settings(max_examples=12, deadline=None, derandomize=True)
def test_a_drawn_scene_shows_what_its_caption_asks(seed: int, aspect: float, saturation: float) -> None:
    """Scene to caption to question, and scene to drawing to reading, meet: of any scene, all is found but one thing.

    Of 150 scenes, one hides a tree behind others so well that it is not found; two such in one scene were not seen."""
    rng = np.random.default_rng(seed)
    scene = sampling.sample(rng, aspect=aspect)
    missed = _missed(_draw(scene, saturation=saturation), captions.write(scene, rng))
    assert len({kind for _, kind in missed}) <= 1
    assert not [about for about, _ in missed if about in ("setting", "time")]


@pytest.mark.parametrize("size", [128, 512])
def test_the_size_of_a_picture_does_not_matter(size: int) -> None:
    """Small and large drawings are read alike."""
    assert _missed(_draw(FOX_AND_CUP, size=size), ASKED) == []


def test_the_blog_prompt_is_found_in_its_frame() -> None:
    """A picnic drawn at 768 by 1360 shows all that the blog post asks for."""
    scene = picnic.picnic(np.random.default_rng(3), aspect=WIDE)
    assert _missed(drawing.draw(scene, width=1360, height=768), BLOG_PROMPT) == []


def test_a_reading_tells_where_and_how_large() -> None:
    """Centres are shares of the frame and sizes shares of its area."""
    reading = reader.read(_draw(FOX_AND_CUP))
    fox = next(one for one in reading.things if one.kind == "fox")
    assert (fox.x, fox.y) == pytest.approx((0.25, 0.75), abs=0.02)
    assert fox.size == pytest.approx(0.33**2 * scenes.SHAPES["fox"], rel=0.2)
    assert 0.6 < fox.confidence <= 1.0


@pytest.mark.parametrize(("setting", "night"), places.places())
def test_the_place_is_read(setting: str, night: bool) -> None:
    """Every setting is told by day and by night, with a thing in it."""
    reading = reader.read(_draw(_scene(_group("fox", "grey", 0.5), setting=setting, night=night), size=128))
    assert (reading.setting, reading.night) == (setting, night)


@pytest.mark.parametrize("setting", ["meadow", "desert", MAGIC])
def test_the_saturation_is_read(setting: str) -> None:
    """The saturation that guidance stands for can be measured in the picture."""
    scene = _scene(_group("mushroom", "red", 0.5, tall=0.3), setting=setting, night=setting == MAGIC)
    for saturation in (0.4, 0.8, 1.0, 1.5):
        assert reader.read(_draw(scene, saturation=saturation)).saturation == pytest.approx(saturation, rel=0.12)


def _nothings() -> dict[str, Picture]:
    rng = np.random.default_rng(0)
    blots = Image.fromarray(rng.integers(0, 256, (12, 12, 3)).astype(np.uint8)).resize((192, 192))
    slope = np.linspace(0, 255, 192).astype(np.uint8)
    return {
        "grey": np.full((192, 192, 3), 128, dtype=np.uint8),
        "black": np.zeros((192, 192, 3), dtype=np.uint8),
        "white": np.full((192, 192, 3), 255, dtype=np.uint8),
        "noise": rng.integers(0, 256, (192, 192, 3)).astype(np.uint8),
        "blots": np.asarray(blots),
        "slope": np.dstack(
            [np.tile(slope, (192, 1)), np.tile(slope[:, None], (1, 192)), np.full((192, 192), 90, np.uint8)]
        ),
    }


@pytest.mark.parametrize("name", list(_nothings()))
def test_what_is_no_drawing_shows_nothing(name: str) -> None:
    """Grey, black, white, noise, blots and a slope of colours are no place and hold no things."""
    reading = reader.read(_nothings()[name])
    assert (reading.things, reading.setting, reading.night) == ((), None, None)


def test_an_empty_backdrop_holds_no_things() -> None:
    """Hills, dunes, trunks and waves are not mistaken for things."""
    for setting, night in places.places():
        assert reader.read(backdrops.backdrop(setting, night=night, seed=7, width=160, height=160)).things == ()


def test_a_mirrored_picture_fails_the_relation() -> None:
    """A fox left of a teacup is, mirrored, not left of it, and still both are there."""
    assert _missed(np.ascontiguousarray(_draw(FOX_AND_CUP)[:, ::-1]), ASKED) == [("relation", "fox")]


def test_swapped_red_and_blue_fail_the_colours() -> None:
    """A picture whose red and blue channels are swapped does not show a blue teacup."""
    swapped = np.ascontiguousarray(_draw(FOX_AND_CUP)[..., ::-1])
    assert ("colour", "teacup") in _missed(swapped, ASKED)


@pytest.mark.parametrize(
    ("caption", "missed"),
    [
        ("A blue teacup right of an orange fox by a lake by day.", []),
        (
            "A grey fox left of a blue teacup by a lake by day.",
            [("colour", "fox"), ("count", "fox"), ("relation", "fox")],
        ),
        ("An orange fox and a red teacup by a lake by day.", [("colour", "teacup"), ("count", "teacup")]),
        ("Two orange foxes and a blue teacup by a lake by day.", [("count", "fox")]),
        ("Orange foxes and a blue teacup by a lake by day.", [("count", "fox")]),
        ("An orange fox on the left and a blue teacup on the right by a lake by day.", []),
        ("An orange fox on the right and a blue teacup by a lake by day.", [("side", "fox")]),
        ("A tree and an orange fox by a lake by day.", [("thing", "tree"), ("count", "tree")]),
        ("An orange fox and a blue teacup in the snow by day.", [("setting", "snow")]),
        ("An orange fox and a blue teacup by a lake at night.", [("time", "lake")]),
    ],
)
def test_each_false_word_is_found_out(caption: str, missed: list[tuple[str, str]]) -> None:
    """What a caption asks wrongly is missed, and nothing else is."""
    assert _missed(_draw(FOX_AND_CUP), caption) == missed


def test_above_and_below_are_told_apart() -> None:
    """A balloon above a house is not below it."""
    picture = _draw(_scene(_group("balloon", "red", 0.5, y=0.2, tall=0.25), _group("house", "blue", 0.5)))
    assert _missed(picture, "A red balloon above a blue house on a meadow by day.") == []
    assert _missed(picture, "A red balloon under a blue house on a meadow by day.") == [("relation", "balloon")]


def test_stars_and_fireflies_are_told_apart() -> None:
    """Both glow by night; only stars have points and ink."""
    stars = _group("star", "yellow", 0.2, 0.5, y=0.2, tall=0.115)
    lights = _group("firefly", "yellow", 0.3, 0.5, 0.7, y=0.4, tall=0.085)
    reading = reader.read(_draw(_scene(stars, lights, night=True)))
    assert sorted((one.kind, round(one.y, 1)) for one in reading.things) == [("firefly", 0.4)] * 3 + [("star", 0.2)] * 2


def test_a_finding_says_what_was_asked_and_what_is_there() -> None:
    """A sentence for people, with the things the picture shows."""
    reading = Reading((Seen("fox", "grey", 0.5, 0.7, 0.1, 0.9),), "lake", False, 1.0)
    findings = reader.compare(reading, parsing.parse("Two orange foxes by a lake at night."))
    assert findings == (
        Finding("thing", "fox", "2 foxes", True, "asked for 2 foxes: found"),
        Finding("colour", "fox", "2 orange foxes", False, "asked for 2 orange foxes, and the picture shows 1 grey fox"),
        Finding("count", "fox", "2 orange foxes", False, "asked for 2 orange foxes, and the picture shows 1 grey fox"),
        Finding("setting", "lake", "lake", True, "asked for lake: found"),
        Finding("time", "lake", "night", False, "asked for night, and the picture shows lake by day"),
    )


def test_nothing_is_found_in_a_reading_of_nothing() -> None:
    """Where no place is known, every question is answered with no."""
    findings = reader.compare(Reading((), None, None, 1.0), parsing.parse(ASKED))
    assert not any(finding.found for finding in findings)
    assert "no known place" in findings[-1].sentence


def test_reading_leaves_the_picture_alone() -> None:
    """The picture read is not written to, and read-only pictures are read."""
    picture = _draw(FOX_AND_CUP, size=128)
    before = picture.copy()
    picture.setflags(write=False)
    assert reader.read(picture) == reader.read(before)
    assert np.array_equal(picture, before)


def test_tall_frames_are_read() -> None:
    """A frame higher than wide is read like any other."""
    scene = replace(sampling.sample(np.random.default_rng(2), aspect=0.5), aspect=0.5)
    right, drawn, extra = _right(reader.read(_draw(scene, size=160)), scene)
    assert (right, extra) == (drawn, 0)

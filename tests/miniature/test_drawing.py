"""Tests of the drawings: scenes as pictures."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image

from fluxgate.miniature import drawing, sampling
from fluxgate.miniature.scenes import MAGIC, Group, Scene


def _scene(seed: int = 0, *, aspect: float = 1.0) -> Scene:
    return sampling.sample(np.random.default_rng(seed), aspect=aspect)


def _chroma(picture: drawing.Picture) -> float:
    colours = picture.astype(float)
    return float((colours.max(axis=-1) - colours.min(axis=-1)).mean())


@pytest.mark.parametrize(("width", "height"), [(128, 128), (256, 256), (384, 256), (1360, 768)])
def test_a_drawing_has_the_size_asked_for(width: int, height: int) -> None:
    """Pictures are RGB bytes, height by width."""
    picture = drawing.draw(_scene(aspect=width / height), width=width, height=height)
    assert picture.shape == (height, width, 3)
    assert picture.dtype == np.uint8


def test_a_scene_is_drawn_alike_every_time() -> None:
    """Drawing has no chance in it."""
    first, second = (drawing.draw(_scene(2), width=96, height=96) for _ in range(2))
    assert np.array_equal(first, second)


@pytest.mark.parametrize("seed", range(6))
def test_sizes_show_the_same_scene(seed: int) -> None:
    """A drawing at 512 pixels, made smaller, is nearly the drawing at 128."""
    scene = _scene(seed)
    small = drawing.draw(scene, width=128, height=128).astype(float)
    large = Image.fromarray(drawing.draw(scene, width=512, height=512)).resize((128, 128), Image.Resampling.BOX)
    assert np.abs(small - np.asarray(large)).mean() < 6.0


def test_foxes_of_a_picnic_sit_tail_outwards() -> None:
    """The left and the right fox mirror each other."""
    foxes = Group("fox", "orange", 2, "", (0.2, 0.8), (0.7, 0.7), (0.3, 0.3))
    scene = Scene((foxes,), MAGIC, True, True, 0)
    bare = drawing.draw(replace(scene, groups=()), width=200, height=200)
    changed = (drawing.draw(scene, width=200, height=200) != bare).any(axis=-1)
    assert np.mean(changed[:, :100] == changed[:, :99:-1]) > 0.98


def test_saturation_grows_with_guidance() -> None:
    """A guidance of 3.5 gives the colours as painted; less is paler, more is stronger."""
    values = [drawing.saturation_of(guidance) for guidance in np.linspace(1, 6, 11)]
    assert drawing.saturation_of(3.5) == 1.0
    assert all(a < b for a, b in pairwise(values))
    assert (values[0], values[-1]) == (0.4, 1.5)


def test_saturation_is_seen_in_the_picture() -> None:
    """The same scene is paler or more colourful, and as bright."""
    pictures = [drawing.draw(_scene(1), width=64, height=64, saturation=value) for value in (0.0, 0.4, 1.0, 1.5)]
    chromas = [_chroma(picture) for picture in pictures]
    assert chromas[0] == 0.0
    assert chromas == sorted(chromas)
    assert chromas[1] < 0.6 * chromas[2] < 0.6 * chromas[3]
    assert abs(float((pictures[1] @ drawing.LUMA).mean()) - float((pictures[2] @ drawing.LUMA).mean())) < 1.0


def test_nearer_things_cover_those_behind() -> None:
    """A cup standing on a blanket is in front of it, whichever comes first in the scene."""
    blanket = Group("blanket", "red", 1, "", (0.5,), (0.8,), (0.2,))
    cup = Group("teacup", "blue", 1, "tiny", (0.5,), (0.76,), (0.12,))
    scene = Scene((blanket, cup), MAGIC, True, True, 0)
    turned = replace(scene, groups=(cup, blanket))
    drawn, other = (drawing.draw(one, width=128, height=128) for one in (scene, turned))
    without = drawing.draw(replace(scene, groups=(blanket,)), width=128, height=128)
    bare = drawing.draw(replace(scene, groups=(cup,)), width=128, height=128)
    middle = np.s_[98:101, 62:66]  # well inside the cup
    assert np.array_equal(drawn, other)
    assert not np.array_equal(drawn, without)
    assert np.array_equal(drawn[middle], bare[middle])

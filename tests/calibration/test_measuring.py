"""Measuring: legal pictures and controls, each beside the picture of the reference."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from fluxgate.calibration import controls
from fluxgate.calibration.floors import Measured
from fluxgate.calibration.measuring import Sides, measure
from fluxgate.calibration.variations import Variations
from fluxgate.compare.measures import SSIM
from fluxgate.pictures import hash_of, write_png
from fluxgate.rendering import Picture
from fluxgate.runs.rendered import Rendered
from tests.runs import building
from tests.runs.building import CASES, SHOTS

OTHER = replace(SHOTS[0], name="other-seed-000", seed=9)
VARIATIONS = Variations(SHOTS, {(controls.OTHER_SEED, 0): OTHER}, controls=1)


def rendered(folder: Path, *, seed: int, size: int = 16) -> Rendered:
    """Every shot of the variations, as pictures that differ by the seed."""
    pictures = []
    for shot in VARIATIONS.shots:
        for index in range(shot.pictures):
            pixels = building.pixels(seed, shot=shot.name, index=index, size=size)
            file = f"{shot.name}-{index}.png"
            write_png(folder / file, pixels)
            pictures.append(Picture(shot.name, index, 0, file, hash_of(pixels), size, size, "RGB"))
    return Rendered(replace(building.rendering("nf4", folder / "blank"), pictures=tuple(pictures)), folder)


@pytest.fixture
def sides(tmp_path: Path) -> Sides:
    names = ("expected", "actual", "coarse")
    return Sides(*(rendered(tmp_path / name, seed=number) for number, name in enumerate(names)))


@pytest.fixture(scope="module")
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as executor:
        yield executor


def measured(sides: Sides, pool: ThreadPoolExecutor) -> Measured:
    return measure(CASES["tiny-nf4"], VARIATIONS, sides, pool=pool)


def test_every_picture_is_measured_once(sides: Sides, pool: ThreadPoolExecutor) -> None:
    """The legal ones of all shots; of each control those of the first shots, and of those that could be asked for."""
    found = measured(sides, pool)
    assert (found.subject, found.strategy, found.reference, found.pictures) == ("tiny", "nf4", "full", 5)
    assert len(found.legal) == 5
    counts = {name: len(samples) for name, samples in found.controls.items()}
    asked = dict.fromkeys(controls.ASKED, 0) | {controls.OTHER_SEED: 1}
    assert counts == {**dict.fromkeys(controls.SPOILS, 1), **asked, controls.COARSE: 1}


def test_controls_are_held_against_the_reference(sides: Sides, pool: ThreadPoolExecutor) -> None:
    """What was not quantized at all is the reference's picture itself."""
    found = measured(sides, pool)
    assert [sample[SSIM] for sample in found.controls[controls.UNTOUCHED]] == [1.0]
    assert all(sample[SSIM] < 1 for sample in found.legal)


def test_what_does_not_quantize_has_no_coarser_control(sides: Sides, pool: ThreadPoolExecutor) -> None:
    """And need not differ from its reference."""
    found = measured(replace(sides, coarse=None), pool)
    assert {controls.UNTOUCHED, controls.COARSE} & found.controls.keys() == set()
    assert len(found.controls) == len(controls.names(quantizes=True)) - 2


def test_what_cannot_be_compared_needs_no_limit(sides: Sides, tmp_path: Path, pool: ThreadPoolExecutor) -> None:
    """A coarser control of another size is rejected by its size."""
    small = rendered(tmp_path / "small", seed=3, size=12)
    assert measured(replace(sides, coarse=small), pool).controls[controls.COARSE] == ()

"""Tests of small pictures of steps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from fluxgate.pictures import hash_of, read_png, write_png  # noqa: E402
from fluxgate.render.process.step_pictures import EDGE, grid_of, small_pictures, write_step_pictures  # noqa: E402
from fluxgate.render.watch.step_latents import Latents, StepLatents  # noqa: E402
from fluxgate.rendering import Picture  # noqa: E402

RANDOM = np.random.default_rng(1)
# Eight channels that a picture of 64 × 96 pixels is a linear map of, each latent a square of 8 × 8 pixels.
CHANNELS = RANDOM.normal(size=(1, 8, 12, 8))
MAP = RANDOM.normal(size=(8, 3)) * 12
SMALL = (CHANNELS @ MAP + 128).clip(0, 255).round().astype(np.uint8)
PICTURE = SMALL[0].repeat(8, axis=0).repeat(8, axis=1)


def planes(grid: np.ndarray) -> Latents:
    """As most pipelines have them: channels first."""
    return grid.transpose(0, 3, 1, 2).astype(np.float16)


def packed(grid: np.ndarray) -> Latents:
    """As diffusers' FluxPipeline packs them."""
    count, rows, columns, channels = grid.shape
    tensor = torch.from_numpy(grid.transpose(0, 3, 1, 2).copy())
    tensor = tensor.view(count, channels, rows // 2, 2, columns // 2, 2).permute(0, 2, 4, 1, 3, 5)
    return tensor.reshape(count, rows * columns // 4, channels * 4).numpy().astype(np.float16)


@pytest.mark.parametrize("layout", [planes, packed, lambda grid: planes(grid)[:, :, None]])
def test_the_last_small_picture_is_the_picture(layout: Any) -> None:
    """Whatever linear map the VAE comes near to, it is found; earlier latents go through the same one."""
    noise = RANDOM.normal(size=CHANNELS.shape)
    steps = [layout(grid) for grid in (noise, (noise + CHANNELS) / 2, CHANNELS)]
    ((first, middle, last),) = small_pictures(steps, [PICTURE])
    errors = [float(np.abs(each.astype(int) - SMALL[0]).mean()) for each in (first, middle, last)]
    assert errors[2] < 3 < errors[1] < errors[0]


def test_each_picture_of_a_batch_has_its_own() -> None:
    """In the order of the batch."""
    both = np.concatenate([CHANNELS, CHANNELS[:, ::-1]])
    sheets = small_pictures([planes(both)], [PICTURE, PICTURE[::-1]])
    assert len(sheets) == 2
    assert np.abs(sheets[1][0].astype(int) - SMALL[0, ::-1]).mean() < 3


@pytest.mark.parametrize(
    "latents",
    [
        np.zeros((1, 8, 3, 8, 12), np.float16),  # several frames
        np.zeros((2, 8, 8, 12), np.float16),  # of two pictures, and there is one
        np.zeros((1, 23, 32), np.float16),  # 23 squares in no rectangle
        np.zeros((1, 24, 30), np.float16),  # no squares of four
        np.full((1, 8, 8, 12), np.nan, np.float16),
    ],
)
def test_an_unknown_layout_has_no_small_pictures(latents: Latents) -> None:
    """Nothing is guessed."""
    assert small_pictures([latents], [PICTURE]) == []


def test_small_pictures_are_small() -> None:
    """Latents of a large picture are reduced, and keep their proportions."""
    grid = grid_of(np.zeros((1, 48 * 85, 64), np.float16), 1, (768, 1360))
    assert grid is not None
    assert grid.shape == (1, 48, 85, 16)
    assert max(grid.shape[1:3]) <= EDGE


def test_the_file_has_all_steps_side_by_side(tmp_path: Path) -> None:
    """It is noted with their numbers and the size of one; a video has none, and nothing that was put aside stays."""
    write_png(tmp_path / "one-0.png", PICTURE)
    latents = StepLatents(tmp_path)
    for shot, step in (("one", 1), ("one", 4), ("film", 1)):
        latents.keep(shot, step, torch.from_numpy(planes(CHANNELS)))
    sha256 = hash_of(PICTURE)
    pictures = (
        Picture("one", 0, 0, "one-0.png", sha256, 64, 96, "RGB"),
        Picture("film", 0, 0, "one-0.png", sha256, 64, 96, "RGB", frames=4),
    )
    (steps,) = write_step_pictures(tmp_path, pictures, latents)
    assert (steps.shot, steps.index, steps.steps, steps.height, steps.width) == ("one", 0, (1, 4), 8, 12)
    assert read_png(tmp_path / steps.file).shape == (8, 24, 3)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one-0-steps.png", "one-0.png"]

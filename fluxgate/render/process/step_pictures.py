"""Small pictures of what the latents were after a few steps, to look at and not to judge.

No VAE decodes them: it would have to be brought to the device once more for each. The linear map from the last latents
to the picture that they became, which is near enough for a thumbnail, is found by least squares, and the latents of
earlier steps go through the same one. So it works for whatever VAE a subject has."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fluxgate.pictures import Pixels, read_png, write_png
from fluxgate.refusal import Refusal
from fluxgate.render.watch.step_latents import Latents, StepLatents
from fluxgate.rendering import Picture, StepPictures

Grid = NDArray[np.float32]  # pictures × rows × columns × channels

EDGE = 96  # pixels: the longer edge of a small picture
FIRMNESS = 0.01  # of the fit, against channels that hardly differ from each other


def write_step_pictures(folder: Path, pictures: Iterable[Picture], latents: StepLatents) -> tuple[StepPictures, ...]:
    """A file of small pictures for each picture whose latents were put aside; none for a video, or an odd layout."""
    shots: dict[str, list[Picture]] = {}
    for picture in pictures:
        shots.setdefault(picture.shot, []).append(picture)
    written: list[StepPictures] = []
    for shot, its in shots.items():
        steps = latents.taken(shot)
        if steps and not any(picture.frames for picture in its):
            with suppress(Refusal, OSError, np.linalg.LinAlgError):
                sheets = small_pictures(list(steps.values()), [read_png(folder / one.file)[..., :3] for one in its])
                written += [_written(folder, one, tuple(steps), of) for one, of in zip(its, sheets, strict=False)]
    return tuple(written)


def _written(folder: Path, picture: Picture, steps: tuple[int, ...], pictures: list[Pixels]) -> StepPictures:
    """The small pictures of all steps side by side in one file."""
    file = f"{picture.shot}-{picture.index}-steps.png"
    write_png(folder / file, np.concatenate(pictures, axis=1))
    return StepPictures(picture.shot, picture.index, file, steps, *pictures[0].shape[:2])


def small_pictures(steps: list[Latents], pictures: list[Pixels]) -> list[list[Pixels]]:
    """For each picture one of each step; nothing where the latents are not laid out like the pictures."""
    grids = [grid_of(latents, len(pictures), pictures[0].shape[:2]) for latents in steps]
    whole = [grid for grid in grids if grid is not None and np.isfinite(grid).all()]
    if len(whole) < len(steps):
        return []
    colours = _colours(whole[-1], _shrunk(pictures, whole[-1].shape[1:3]))
    drawn = [(colours(grid).clip(0, 1) * 255).round().astype(np.uint8) for grid in whole]
    return [[of_step[number] for of_step in drawn] for number in range(len(pictures))]


def grid_of(latents: Latents, count: int, size: tuple[int, ...]) -> Grid | None:
    """Latents as rows and columns of channels, small enough; None for a layout that is not known.

    A sequence has a square of four in the channels of each of its members, as FLUX packs them."""
    values = latents.astype(np.float32)
    if values.ndim == 5 and values.shape[2] == 1:  # a video's latents of one picture
        values = values[:, :, 0]
    if len(values) != count:
        return None
    if values.ndim == 4:
        return _reduced(values.transpose(0, 2, 3, 1))
    if values.ndim != 3 or values.shape[2] % 4:
        return None
    rows = round(math.sqrt(values.shape[1] * size[0] / size[1]))
    columns = values.shape[1] // max(rows, 1)
    if rows * columns != values.shape[1]:
        return None
    squares = values.reshape(count, rows, columns, -1, 2, 2).transpose(0, 1, 4, 2, 5, 3)
    return _reduced(squares.reshape(count, 2 * rows, 2 * columns, -1))


def _reduced(grid: Grid) -> Grid:
    by = -(-max(grid.shape[1:3]) // EDGE)
    count, rows, columns, channels = grid.shape
    cut = grid[:, : rows // by * by, : columns // by * by]
    reduced: Grid = cut.reshape(count, rows // by, by, columns // by, by, channels).mean(axis=(2, 4), dtype=np.float32)
    return reduced


def _shrunk(pictures: list[Pixels], size: tuple[int, ...]) -> Grid:
    """The pictures as small as the latents, from 0 to 1."""
    images = (
        Image.fromarray(each).convert("RGB").resize((size[1], size[0]), Image.Resampling.BOX) for each in pictures
    )
    return np.stack([np.asarray(image, dtype=np.float32) / 255 for image in images])


def _colours(last: Grid, shown: Grid) -> Callable[[Grid], Grid]:
    """What makes colours of latents: the linear map that comes nearest to what is shown where the last are."""
    values, colours = last.reshape(-1, last.shape[-1]), shown.reshape(-1, 3)
    middle, mean = values.mean(axis=0), colours.mean(axis=0)
    spread = values.std(axis=0) + 1e-6
    scaled = (values - middle) / spread
    weight = scaled.T @ scaled + FIRMNESS * len(scaled) * np.eye(scaled.shape[1], dtype=np.float32)
    factors = np.linalg.solve(weight, scaled.T @ (colours - mean))
    return lambda grid: (grid - middle) / spread @ factors + mean

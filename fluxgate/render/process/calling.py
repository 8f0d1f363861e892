"""Calling a pipeline for a shot: the arguments by its own names, and what it returns as pictures."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from fluxgate.pictures import LARGEST_EDGE, MOST_PIXELS, Pixels, hash_of, read_png
from fluxgate.refusal import Refusal
from fluxgate.rendering import grid_of
from fluxgate.subjects.matching import as_called
from fluxgate.subjects.pipeline_class import pipeline_class
from fluxgate.subjects.subject import InputPicture, Shot, Subject

MOST_FRAMES = 25  # of a video that are looked at, the first and the last among them


class WrongOutput(Refusal):
    """What a pipeline has returned is not what it should return."""

    def __init__(self, sentence: str, returned: Any) -> None:
        super().__init__(sentence)
        self.library = type(returned).__module__.partition(".")[0]  # that the class of what it returned is from


def call_arguments(subject: Subject, shot: Shot) -> dict[str, Any]:
    """The keyword arguments of a shot's call, pictures among them, under the names that the pipeline has for them."""
    installed = pipeline_class(subject.pipeline)
    takes = installed.takes if installed else ()
    named = {as_called(name, takes): value for name, value in shot.arguments().items()}
    return {**named, **given_pictures(shot)}


def given_pictures(shot: Shot) -> dict[str, Any]:
    """Each picture by its argument, or the list of those that the argument takes."""
    given: dict[str, Any] = {}
    for picture in shot.inputs:
        if picture.place is None:
            given[picture.argument] = opened(picture)
        else:
            given.setdefault(picture.argument, []).append(opened(picture))
    return given


def as_watched(subject: Subject) -> Subject:
    """The subject as what watches it is told of it: embeddings in a list, one for each prompt, are no tensor that can
    be recorded, so that they keep their place among the others under a name that is no stage's."""
    installed = pipeline_class(subject.pipeline)
    lists = installed.lists if installed else ()
    return replace(subject, encodes=tuple(f"list {name}" if name in lists else name for name in subject.encodes))


def opened(picture: InputPicture) -> Image.Image:
    """An input picture, held against the hash that is part of the shot's recipe."""
    try:
        pixels = read_png(Path(picture.file))
    except OSError as error:
        raise Refusal(f"{picture.file}, the shot's {picture.argument}, cannot be read: {error.strerror}.") from error
    if hash_of(pixels) != picture.sha256:
        raise Refusal(f"{picture.file}, the shot's {picture.argument}, was changed since the run began; render again.")
    return Image.fromarray(pixels)


def pictures_of(returned: Any) -> list[tuple[Image.Image, int | None]]:
    """Each picture of what a pipeline returned; a video is one sheet of its frames, with their number."""
    images = getattr(returned, "images", getattr(returned, "image", None))
    if isinstance(images, Image.Image):
        raise WrongOutput("The pipeline returned one picture by itself, where it should return a list.", returned)
    if images is not None:
        return [as_picture(image) for image in images]
    video = getattr(returned, "video", None)  # one, where frames has several
    videos = getattr(returned, "frames", None if video is None else [video])
    if videos is None:
        fields = ", ".join(sorted(vars(returned))) if hasattr(returned, "__dict__") else type(returned).__name__
        sentence = f"The pipeline returned neither images nor frames, but {fields or type(returned).__name__}."
        raise WrongOutput(sentence, returned)
    return [sheet_of([as_image(frame) for frame in video]) for video in videos]


def as_picture(image: Any) -> tuple[Image.Image, int | None]:
    """One picture, or the several that some pipelines give for one prompt, as its layers, on one sheet."""
    if isinstance(image, list):
        return sheet_of([as_image(one) for one in image])
    return as_image(image), None


def as_image(image: Any) -> Image.Image:
    """A picture by itself, or the array of one, whose numbers go from 0 to 1."""
    if isinstance(image, Image.Image):
        return image
    values = np.asarray(image.detach().float().cpu() if hasattr(image, "detach") else image)
    if values.ndim == 3 and values.shape[0] in (1, 3, 4) and values.shape[-1] not in (1, 3, 4):
        values = values.transpose(1, 2, 0)  # torch has the channels first
    pixels = values if values.dtype == np.uint8 else (values * 255).round().clip(0, 255).astype(np.uint8)
    return Image.fromarray(pixels.squeeze(-1) if pixels.shape[-1] == 1 else pixels)


def sheet_of(frames: list[Image.Image]) -> tuple[Image.Image, int]:
    """Frames of a video side by side in rows, so that one picture shows it all; of many, evenly chosen ones."""
    width, height = (max(frame.size[edge] for frame in frames) for edge in (0, 1))
    shown = spread_over(frames, min(MOST_FRAMES, len(frames)))
    if not fits(len(shown), width, height):
        shown = spread_over(frames, most_that_fit(width, height))
    rows, columns = grid_of(len(shown))
    sheet: Pixels = np.zeros((rows * height, columns * width, 3), np.uint8)
    for number, frame in enumerate(shown):
        top, left = number // columns * height, number % columns * width
        pixels = np.asarray(frame.convert("RGB"))
        sheet[top : top + len(pixels), left : left + pixels.shape[1]] = pixels
    return Image.fromarray(sheet), len(shown)


def spread_over(frames: list[Image.Image], count: int) -> list[Image.Image]:
    """So many of the frames, the first and the last among them."""
    return [frames[round(number)] for number in np.linspace(0, len(frames) - 1, count)]


def fits(count: int, width: int, height: int) -> bool:
    """Whether a sheet of so many frames of this size is one that can be read back."""
    rows, columns = grid_of(count)
    return max(columns * width, rows * height) <= LARGEST_EDGE and columns * width * rows * height <= MOST_PIXELS


def most_that_fit(width: int, height: int) -> int:
    """How many frames of this size one sheet can hold, in a square of them."""
    side = min(LARGEST_EDGE // width, LARGEST_EDGE // height, math.isqrt(MOST_PIXELS // (width * height)))
    return max(side, 1) ** 2

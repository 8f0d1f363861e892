"""The pictures of a run, read with suspicion."""

from __future__ import annotations

from pathlib import Path

from fluxgate.files import is_name
from fluxgate.pictures import Pixels, hash_of, read_png
from fluxgate.refusal import Refusal
from fluxgate.rendering import Picture


def sound_pixels(picture: Picture, folder: Path) -> Pixels:
    """The pixels of a picture of a run, once its name and its hash have been seen to be right."""
    if not is_name(picture.file) or not is_name(picture.shot):
        raise Refusal(
            f"{folder} names a picture {picture.file[:120]!r} of {picture.shot[:120]!r}, which is no file name."
        )
    path = folder / picture.file
    pixels = read_png(path)
    if hash_of(pixels) != picture.sha256:
        raise Refusal(f"{path} is not the picture that was rendered: its pixels have another hash.")
    return pixels

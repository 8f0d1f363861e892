"""Tests of pictures as files."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from fluxgate.render.process.picture_files import PictureFiles


def test_a_picture_is_written_unless_the_first_take_gave_it(tmp_path: Path) -> None:
    """Equal pictures share a file, others get one of their own."""
    files = PictureFiles(tmp_path)
    grey, red = Image.new("RGB", (8, 4), "grey"), Image.new("RGB", (8, 4), "red")
    pictures = [files.write(image, shot="one", take=take, index=0) for take, image in enumerate((grey, grey, red))]
    assert [picture.file for picture in pictures] == ["one-0.png", "one-0.png", "one-0-take2.png"]
    assert (pictures[0].height, pictures[0].width, pictures[0].mode) == (4, 8, "RGB")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one-0-take2.png", "one-0.png"]

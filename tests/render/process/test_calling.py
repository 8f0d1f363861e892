"""Tests of calling a pipeline for a shot, and of taking pictures from what it returns."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from fluxgate.pictures import hash_of, write_png
from fluxgate.refusal import Refusal
from fluxgate.render.process.calling import MOST_FRAMES, as_image, as_watched, call_arguments, pictures_of, sheet_of
from fluxgate.rendering import grid_of
from fluxgate.subjects.subject import InputPicture, Shot, Subject

SHOT = Shot("s", ("a fox",), seed=1, steps=2, pictures_per_prompt=2, options=(("num_frames", 9),))
SUBJECT = Subject("s", "s", "folder:.", (SHOT,))


def plain(*shape: int, value: int = 0) -> np.ndarray:
    return np.full(shape, value, np.uint8)


def test_a_video_pipeline_is_asked_for_videos() -> None:
    """What a shot calls pictures has another name there."""
    pytest.importorskip("diffusers")
    assert call_arguments(replace(SUBJECT, pipeline="WanPipeline"), SHOT) == {
        "prompt": "a fox",
        "num_inference_steps": 2,
        "num_videos_per_prompt": 2,
        "num_frames": 9,
    }
    assert "num_images_per_prompt" in call_arguments(SUBJECT, SHOT)


def test_input_pictures_are_those_of_the_recipe(tmp_path: Path) -> None:
    """They are opened for the call, and refused if they are others by then."""
    pixels = plain(4, 6, 3, value=7)
    write_png(tmp_path / "i.png", pixels)
    shot = replace(SHOT, inputs=(InputPicture("image", str(tmp_path / "i.png"), hash_of(pixels)),))
    assert call_arguments(SUBJECT, shot)["image"].size == (6, 4)
    write_png(tmp_path / "i.png", plain(4, 6, 3, value=8))
    with pytest.raises(Refusal, match="was changed"):
        call_arguments(SUBJECT, shot)
    (tmp_path / "i.png").unlink()
    with pytest.raises(Refusal, match=r"cannot be read|is missing"):
        call_arguments(SUBJECT, shot)


def test_a_video_is_given_as_the_list_of_its_frames(tmp_path: Path) -> None:
    """In their order, and a list of one is a list; the order is part of the recipe, as whether it is a list."""
    pictures = [InputPicture("video", str(tmp_path / f"{n}.png"), hash_of(plain(4, 6, 3, value=n))) for n in (1, 2)]
    for number, picture in enumerate(pictures, start=1):
        write_png(Path(picture.file), plain(4, 6, 3, value=number))
    frames = tuple(replace(picture, place=place) for place, picture in enumerate(pictures))
    turned = tuple(replace(picture, place=place) for place, picture in enumerate(reversed(pictures)))
    shots = [replace(SHOT, inputs=inputs) for inputs in (frames, turned, frames[:1], tuple(pictures[:1]))]
    videos = [call_arguments(SUBJECT, shot)["video"] for shot in shots[:3]]
    assert [[np.asarray(frame).max() for frame in video] for video in videos] == [[1, 2], [2, 1], [1]]
    assert len({shot.recipe for shot in shots}) == 4


def test_images_are_taken_one_by_one() -> None:
    """As they are, and arrays of numbers from 0 to 1 as the bytes nearest to them."""
    image = Image.fromarray(plain(2, 2, 3, value=9))
    assert pictures_of(SimpleNamespace(images=[image])) == [(image, None)]
    (made, frames), *_ = pictures_of(SimpleNamespace(images=np.full((1, 2, 2, 3), 0.5, np.float32)))
    assert (frames, np.unique(np.asarray(made)).tolist()) == (None, [128])


def test_a_video_is_one_sheet() -> None:
    """Frames stand in rows, in their order, and what is left of the last row is black."""
    frames = [Image.fromarray(plain(2, 4, 3, value=value)) for value in (10, 20, 30, 40, 50)]
    ((sheet, number),) = pictures_of(SimpleNamespace(frames=[frames]))
    assert (number, grid_of(5), sheet.size) == (5, (2, 3), (12, 4))
    assert np.asarray(sheet)[::2, ::4, 0].tolist() == [[10, 20, 30], [40, 50, 0]]


def test_a_video_of_arrays_is_the_video_of_pictures() -> None:
    """Wan returns numbers, LTX pictures."""
    values = np.linspace(0, 1, 3 * 2 * 2 * 3).reshape(3, 2, 2, 3)
    pictures = [Image.fromarray((frame * 255).round().astype(np.uint8)) for frame in values]
    (one,), (other,) = (pictures_of(SimpleNamespace(frames=[frames])) for frames in (values, pictures))
    assert np.array_equal(np.asarray(one[0]), np.asarray(other[0]))


def test_one_video_may_stand_by_itself() -> None:
    """As Cosmos 3 returns it."""
    frames = [Image.fromarray(plain(2, 4, 3, value=value)) for value in (10, 20)]
    assert [number for _, number in pictures_of(SimpleNamespace(video=frames, sound=None))] == [2]


def test_many_frames_are_chosen_from() -> None:
    """The first and the last are among them, and a sheet stays within what is read back."""
    frames = [Image.fromarray(plain(2, 2, 3, value=value)) for value in range(100)]
    sheet, number = sheet_of(frames)
    pixels = np.asarray(sheet)[::2, ::2, 0].reshape(-1)
    assert (number, pixels[0], pixels[number - 1]) == (MOST_FRAMES, 0, 99)
    large = [Image.fromarray(plain(4096, 4096, 3, value=value)) for value in range(5)]
    sheet, number = sheet_of(large)
    assert (number, max(sheet.size)) == (1, 4096)


def test_several_pictures_of_one_prompt_are_one_sheet() -> None:
    """As the layers that some pipelines give, of whatever size."""
    layers = [Image.fromarray(plain(2, 4, 3, value=9)), Image.fromarray(plain(1, 2, 3, value=8))]
    ((sheet, number),) = pictures_of(SimpleNamespace(images=[layers]))
    assert (number, sheet.size) == (2, (8, 2))
    assert np.asarray(sheet)[0, :, 0].tolist() == [9] * 4 + [8] * 2 + [0] * 2


def test_what_is_no_picture_is_refused() -> None:
    """An audio pipeline's output, by the names of its fields."""
    with pytest.raises(Refusal, match="but audios"):
        pictures_of(SimpleNamespace(audios=[1]))


def test_grey_pictures_are_pictures() -> None:
    """With a channel of their own or without."""
    assert as_image(np.zeros((2, 3, 1))).mode == "L"
    assert as_image(np.zeros((3, 8, 9))).size == (9, 8)


def test_one_field_may_be_called_image() -> None:
    """As Kandinsky's is."""
    picture = Image.new("RGB", (2, 2))
    assert [image for image, _ in pictures_of(SimpleNamespace(image=[picture]))] == [picture]


def test_embeddings_in_a_list_are_not_recorded_as_a_tensor() -> None:
    """What watches the pipeline knows tensors by the names of what is encoded."""
    pytest.importorskip("diffusers")
    names = ("prompt_embeds", "negative_prompt_embeds")
    listed = Subject("s", "s", "hub:o/n", (), pipeline="ZImagePipeline", encodes=names, embeddings=names)
    assert not set(as_watched(listed).encodes) & set(names)
    assert as_watched(replace(listed, pipeline="StableDiffusionPipeline")).encodes == names

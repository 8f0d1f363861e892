"""Tests of what stages hand on through files: tensors, pictures and the state of a generator, unchanged."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from PIL import Image  # noqa: E402
from safetensors import safe_open  # noqa: E402
from safetensors.torch import load_file  # noqa: E402

from fluxgate.refusal import Refusal  # noqa: E402
from fluxgate.strategies.promise import Site  # noqa: E402
from fluxgate.strategies.staging import as_results, write_tensors  # noqa: E402
from fluxgate.subjects.subject import Subject  # noqa: E402
from tests.strategies.named import strategy_named  # noqa: E402


def handed_on(arguments: dict[str, Any], folder: Path) -> dict[str, Any]:
    plain = write_tensors(arguments, folder / "given.safetensors")
    return {**plain, **as_results(load_file(folder / "given.safetensors"))}


def test_a_tensor_for_each_prompt_comes_back_as_one_list(tmp_path: Path) -> None:
    """In its order, whatever the lengths: as the prompts of Z-Image are encoded."""
    listed = [torch.full((number, 2), float(number)) for number in range(1, 12)]
    back = handed_on({"prompt_embeds": listed, "latents": torch.ones(1)}, tmp_path)
    assert [one.tolist() for one in back["prompt_embeds"]] == [one.tolist() for one in listed]
    assert set(back) == {"prompt_embeds", "latents"}


def test_tensors_arrive_bit_for_bit(tmp_path: Path) -> None:
    """Dtype, shape and every bit, even of a tensor that is a view of another."""
    given = torch.randn(3, 4).to(torch.bfloat16).t()
    arrived = handed_on({"prompt_embeds": given}, tmp_path)["prompt_embeds"]
    assert arrived.dtype == torch.bfloat16
    assert torch.equal(arrived, given)


def test_plain_arguments_are_left_over(tmp_path: Path) -> None:
    """Numbers and texts do not go through the file."""
    arguments = {"prompt": ["a", "b"], "height": 128, "latents": torch.zeros(1)}
    assert write_tensors(arguments, tmp_path / "given.safetensors") == {"prompt": ["a", "b"], "height": 128}


def test_a_generator_goes_on_where_it_was(tmp_path: Path) -> None:
    """The other process draws the numbers that this one would have drawn."""
    generator = torch.Generator("cpu").manual_seed(5)
    torch.randn(7, generator=generator)
    arrived = handed_on({"generator": generator}, tmp_path)["generator"]
    assert torch.equal(torch.randn(9, generator=arrived), torch.randn(9, generator=generator))


def test_pictures_arrive_pixel_for_pixel(tmp_path: Path) -> None:
    """Each picture of a batch, in order."""
    pixels = np.random.default_rng(1).integers(0, 256, (2, 6, 8, 3), dtype=np.uint8)
    arrived = handed_on({"images": [Image.fromarray(picture) for picture in pixels]}, tmp_path)["images"]
    assert [np.array(picture).tolist() for picture in arrived] == pixels.tolist()


def test_given_pictures_arrive_as_the_list_that_they_were(tmp_path: Path) -> None:
    """In their order, each in its own size, and a list of one is a list."""
    pictures = [Image.new("RGB", (2 + number, 3), (number, 0, 0)) for number in range(11)]
    arrived = handed_on({"video": pictures, "image": pictures[:1], "mask": pictures[3]}, tmp_path)
    assert [picture.size for picture in arrived["video"]] == [picture.size for picture in pictures]
    assert [np.asarray(picture).max() for picture in arrived["video"]] == list(range(11))
    assert (len(arrived["image"]), arrived["mask"].size) == (1, (5, 3))


def test_the_file_holds_tensors_only(tmp_path: Path) -> None:
    """It is a plain safetensors file, written whole."""
    write_tensors({"latents": torch.zeros(2), "height": 1}, tmp_path / "given.safetensors")
    with safe_open(tmp_path / "given.safetensors", framework="pt") as file:
        assert list(file.keys()) == ["latents"]
    assert [path.name for path in tmp_path.iterdir()] == ["given.safetensors"]


def test_stages_in_processes_need_a_worker(tmp_path: Path) -> None:
    """Called where nobody starts processes, the strategy says so."""
    subject = Subject("small", "a small pipeline", "folder:.", ())
    site = Site(subject, folder=tmp_path, device="cpu", scratch=tmp_path, watch=lambda pipeline: None)
    with pytest.raises(Refusal, match="staged-processes needs a worker"):
        strategy_named("staged-processes").load(site)


def test_several_generators_go_on_where_they_were(tmp_path: Path) -> None:
    """A list of them has one for each picture."""
    generators = [torch.Generator("cpu").manual_seed(seed) for seed in (5, 6)]
    torch.randn(7, generator=generators[1])
    arrived = handed_on({"generator": generators}, tmp_path)["generator"]
    for one, other in zip(arrived, generators, strict=True):
        assert torch.equal(torch.randn(9, generator=one), torch.randn(9, generator=other))

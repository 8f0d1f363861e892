"""Tests of the counting of numbers in weight files."""

import json
import struct
from pathlib import Path

import pytest

from fluxgate.subjects.weights import loaded_of, numbers_on_disk, variants_of, wide_on_disk


def put(path: Path, header: dict[str, object]) -> None:
    data = json.dumps(header).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(struct.pack("<Q", len(data)) + data)


def tensor(dtype: str, *shape: int) -> dict[str, object]:
    return {"dtype": dtype, "shape": list(shape), "data_offsets": [0, 0]}


def test_floating_numbers_are_counted_by_component(tmp_path: Path) -> None:
    """Shards add up; integers and metadata do not count; a scalar is one number."""
    put(tmp_path / "transformer" / "diffusion_pytorch_model-00001-of-00002.safetensors", {"a": tensor("BF16", 3, 4)})
    put(tmp_path / "transformer" / "diffusion_pytorch_model-00002-of-00002.safetensors", {"b": tensor("F32", 5)})
    put(
        tmp_path / "text_encoder" / "model.safetensors",
        {"__metadata__": {"format": "pt"}, "ids": tensor("I64", 77), "w": tensor("F16")},
    )
    assert numbers_on_disk(tmp_path) == {"transformer": 17, "text_encoder": 1}


def test_variants_and_other_files_do_not_count(tmp_path: Path) -> None:
    """A second copy in another precision is not loaded."""
    put(tmp_path / "vae" / "diffusion_pytorch_model.safetensors", {"a": tensor("F32", 7)})
    put(tmp_path / "vae" / "diffusion_pytorch_model.fp16.safetensors", {"a": tensor("F16", 7)})
    put(tmp_path / "vae" / "other.safetensors", {"a": tensor("F16", 7)})
    (tmp_path / "scheduler").mkdir()
    assert numbers_on_disk(tmp_path) == {"vae": 7}


def test_a_component_that_is_stored_wide_is_found(tmp_path: Path) -> None:
    """Whole numbers do not count; one narrow tensor is enough for it not to be."""
    put(tmp_path / "vae" / "model.safetensors", {"a": tensor("F32", 7), "ids": tensor("I64", 3)})
    put(tmp_path / "text_encoder" / "model.safetensors", {"a": tensor("F32", 7), "b": tensor("BF16", 1)})
    (tmp_path / "scheduler").mkdir()
    assert wide_on_disk(tmp_path) == ("vae",)


def test_of_a_variant_its_own_files_are_loaded() -> None:
    """In shards as well, whose number may stand before or behind it; where there are none, the plain ones."""
    shards = ["model.fp16-00001-of-00002.safetensors", "model-00002-of-00002.fp16.safetensors"]
    names = ["model.safetensors", *shards, "model.ema.safetensors", "notes.fp16.safetensors", "config.json"]
    assert loaded_of(names, "fp16") == shards
    assert loaded_of(names, "bf16") == loaded_of(names) == ["model.safetensors"]
    assert variants_of(names) == ("ema", "fp16")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x01",
        struct.pack("<Q", 10**12) + b"{}",
        struct.pack("<Q", 2) + b"[]",
        struct.pack("<Q", 2) + b"{",
        b"\xff" * 99,
    ],
    ids=["empty", "short", "huge", "list", "cut", "noise"],
)
def test_a_damaged_file_leaves_its_component_out(tmp_path: Path, data: bytes) -> None:
    """The rule that needs the count then falls back; nothing is raised."""
    put(tmp_path / "transformer" / "model.safetensors", {"a": tensor("BF16", 2)})
    (tmp_path / "vae").mkdir()
    (tmp_path / "vae" / "model.safetensors").write_bytes(data)
    assert numbers_on_disk(tmp_path) == {"transformer": 2}

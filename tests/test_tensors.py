"""Safetensors in numpy: what others write is read, what is written others read, and what is damaged is refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

from fluxgate.refusal import Refusal
from fluxgate.tensors import Tensor, metadata_of, read_tensors, stored, tensors_in, write_tensors


@pytest.fixture
def file(tmp_path: Path) -> Path:
    arrays = {"a": np.arange(12, dtype=np.float32).reshape(3, 4), "b": np.array([7], np.int64)}
    path = tmp_path / "some.safetensors"
    safetensors.numpy.save_file(arrays, path, metadata={"made": "here"})
    return path


def test_what_the_library_writes_is_read(file: Path) -> None:
    """Names, shapes, numbers and notes are those that were written."""
    tensors = read_tensors(file)
    assert {name: each.values.tolist() for name, each in tensors.items()}["a"][2] == [8, 9, 10, 11]
    assert (tensors["b"].dtype, tensors["b"].values.tolist(), metadata_of(file)) == ("I64", [7], {"made": "here"})


def test_what_is_written_the_library_reads(tmp_path: Path) -> None:
    """bfloat16 too, as torch reads it."""
    import torch
    from safetensors.torch import load_file

    path = tmp_path / "ours.safetensors"
    narrow = Tensor("BF16", np.array([0x3FC0], np.uint16))
    write_tensors(path, {"x": stored(np.array([1.5, -2], np.float32)), "y": narrow})
    loaded = load_file(path)
    assert (loaded["x"].tolist(), loaded["y"].tolist(), loaded["y"].dtype) == ([1.5, -2.0], [1.5], torch.bfloat16)


def test_bfloat16_is_read_as_float32(tmp_path: Path) -> None:
    """It is the upper half of one."""
    path = tmp_path / "ours.safetensors"
    write_tensors(path, {"y": Tensor("BF16", np.array([0x3FC0, 0xC000], np.uint16))})
    assert read_tensors(path)["y"].values.tolist() == [1.5, -2.0]


def test_only_the_first_numbers_are_read_if_so_asked(file: Path) -> None:
    """Large tensors are looked at without being read as a whole."""
    assert dict(tensors_in(file, most=5))["a"].values.tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    "change",
    [
        {"data_offsets": [0, 10**9]},
        {"data_offsets": [-8, 40]},
        {"shape": [10**6]},
        {"shape": [-1, -12]},
        {"dtype": "PICKLE"},
        {"dtype": 3},
    ],
)
def test_a_tensor_that_lies_outside_is_refused(tmp_path: Path, change: dict[str, object]) -> None:
    """Whatever the header says, nothing outside of the file's own bytes is looked at."""
    entry = {"dtype": "F32", "shape": [12], "data_offsets": [0, 48]} | change
    text = json.dumps({"a": entry}).encode()
    path = tmp_path / "damaged.safetensors"
    path.write_bytes(len(text).to_bytes(8, "little") + text + bytes(48))
    with pytest.raises(Refusal, match=r"damaged\.safetensors"):
        read_tensors(path)


@pytest.mark.parametrize(
    "data", [b"", b"\x00" * 8, b"\xff" * 40, (4).to_bytes(8, "little") + b"[1]!", b"\x05" + bytes(7) + b"[1,2]"]
)
def test_what_is_no_such_file_is_refused(tmp_path: Path, data: bytes) -> None:
    """In one sentence that names it."""
    path = tmp_path / "other.safetensors"
    path.write_bytes(data)
    with pytest.raises(Refusal, match=r"other\.safetensors"):
        read_tensors(path)

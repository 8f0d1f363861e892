"""Tests of shards: their index and their headers are what the libraries expect."""

import json
from pathlib import Path

from safetensors import safe_open

from tests.miniature.growth.sizes import tensors_in


def test_shards_are_indexed_as_the_libraries_expect(big: Path) -> None:
    """More than one shard comes with an index that names every tensor's file and the total size."""
    folder = big / "transformer"
    index = json.loads((folder / "diffusion_pytorch_model.safetensors.index.json").read_text())
    files = sorted(path.name for path in folder.glob("*.safetensors"))
    assert files[0] == f"diffusion_pytorch_model-00001-of-{len(files):05}.safetensors"
    assert sorted(set(index["weight_map"].values())) == files
    tensors = tensors_in(folder)
    assert set(index["weight_map"]) == set(tensors)
    assert index["metadata"]["total_size"] == sum(tensor.numel() * 2 for tensor in tensors.values())
    assert all(path.stat().st_size < 3_100_000 for path in folder.glob("*.safetensors"))


def test_the_headers_say_pytorch(big: Path) -> None:
    """Both libraries refuse a file whose header does not name its format."""
    for path in big.glob("*/*.safetensors"):
        with safe_open(path, framework="pt") as file:
            assert file.metadata() == {"format": "pt"}

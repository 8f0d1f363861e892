"""What the tests of growth share: a small size and a larger one, and how a grown folder is looked at."""

import importlib
import shutil
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file

from fluxgate.miniature import architecture
from fluxgate.miniature.architecture import WEIGHT_FILES, Sizes
from fluxgate.miniature.growth.manifest import read_manifest
from fluxgate.miniature.growth.shards import entry_of
from fluxgate.miniature.growth.target import Target

SMALL = Sizes(
    heads=1,
    single_blocks=3,
    t5_width=64,
    t5_inner=128,
    t5_heads=1,
    clip_width=64,
    clip_inner=128,
    clip_heads=1,
    vae_channels=(8, 8, 16, 16),
    vae_groups=8,
)


BIG = Target(
    Sizes(
        double_blocks=3,
        single_blocks=5,
        heads=2,
        t5_width=256,
        t5_inner=512,
        t5_heads=4,
        t5_layers=4,
        clip_width=128,
        clip_inner=256,
        clip_heads=2,
        clip_layers=3,
        vae_channels=(32, 32, 64, 64),
        vae_groups=8,
    ),
    clip_words=900,
    t5_words=300,
    shard_bytes=1_500_000,
)


CLASSES = {
    "transformer": ("diffusers", "FluxTransformer2DModel"),
    "vae": ("diffusers", "AutoencoderKL"),
    "text_encoder": ("transformers", "CLIPTextModel"),
    "text_encoder_2": ("transformers", "T5EncoderModel"),
}


def left_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def damaged_in(folder: Path) -> list[str]:
    """The files of a grown folder whose content is not what its manifest says, by reading all of them."""
    files = read_manifest(folder).files
    return [file for file, entry in files.items() if entry_of(folder / file, lambda _: None) != entry]


def another_miniature(small: Path, folder: Path) -> Path:
    """A copy of the small pipeline with one number changed."""
    other = shutil.copytree(small, folder)
    file = other / "vae" / WEIGHT_FILES["vae"]
    tensors = load_file(file)
    tensors["decoder.conv_out.bias"] += 1
    save_file(tensors, file, metadata={"format": "pt"})
    return other


def tensors_in(folder: Path) -> dict[str, Any]:
    """All tensors of a folder's safetensors files."""
    return {name: tensor for file in sorted(folder.glob("*.safetensors")) for name, tensor in load_file(file).items()}


def shapes_of(name: str, config: dict[str, Any]) -> dict[str, tuple[int, ...]]:
    """The tensors that the library's class makes from a configuration, without their memory."""
    library, kind = CLASSES[name]
    import torch

    made = getattr(importlib.import_module(library), kind)
    with torch.device("meta"):
        model = made.from_config(config) if library == "diffusers" else made(made.config_class(**config))
    return {key: tuple(tensor.shape) for key, tensor in architecture.component_tensors(name, model)}

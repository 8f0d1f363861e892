"""A pipeline's weights in one file, under the names that others' files have: Stable Diffusion's and Wan's own."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file

Tensors = dict[str, Any]
Renames = tuple[tuple[str, str], ...]  # patterns of diffusers' names, each with the name in its place

KINDS = ("Q8_0", "Q5_1", "Q4_0", "Q5_0", "BF16", "F16")  # of one GGUF file's matrices, by turns
PREFIX = "model.diffusion_model."  # of what denoises, in files of a whole pipeline
RESNET: Renames = (
    (r"norm1\.", "in_layers.0."),
    (r"conv1\.", "in_layers.2."),
    (r"time_emb_proj\.", "emb_layers.1."),
    (r"norm2\.", "out_layers.0."),
    (r"conv2\.", "out_layers.3."),
    (r"conv_shortcut\.", "skip_connection."),
)
ENDS: Renames = (
    (r"^time_embedding\.linear_1\.", "time_embed.0."),
    (r"^time_embedding\.linear_2\.", "time_embed.2."),
    (r"^conv_in\.", "input_blocks.0.0."),
    (r"^conv_norm_out\.", "out.0."),
    (r"^conv_out\.", "out.2."),
    (r"^mid_block\.resnets\.0\.", "middle_block.0."),
    (r"^mid_block\.attentions\.0\.", "middle_block.1."),
    (r"^mid_block\.resnets\.1\.", "middle_block.2."),
)
VAE: Renames = (
    (r"conv_norm_out", "norm_out"),
    (r"mid_block\.attentions\.0\.group_norm", "mid.attn_1.norm"),
    (r"mid_block\.attentions\.0\.to_([qkv])\.", r"mid.attn_1.\1."),
    (r"mid_block\.attentions\.0\.to_out\.0\.", "mid.attn_1.proj_out."),
    (r"mid_block\.resnets\.0\.", "mid.block_1."),
    (r"mid_block\.resnets\.1\.", "mid.block_2."),
    (r"down_blocks\.(\d)\.resnets\.", r"down.\1.block."),
    (r"down_blocks\.(\d)\.downsamplers\.0\.", r"down.\1.downsample."),
    (r"up_blocks\.(\d)\.resnets\.", r"up.\1.block."),
    (r"up_blocks\.(\d)\.upsamplers\.0\.", r"up.\1.upsample."),
    (r"conv_shortcut", "nin_shortcut"),
)
WAN: Renames = (
    (r"^condition_embedder\.time_embedder\.linear_1\.", "time_embedding.0."),
    (r"^condition_embedder\.time_embedder\.linear_2\.", "time_embedding.2."),
    (r"^condition_embedder\.text_embedder\.linear_1\.", "text_embedding.0."),
    (r"^condition_embedder\.text_embedder\.linear_2\.", "text_embedding.2."),
    (r"^condition_embedder\.time_proj\.", "time_projection.1."),
    (r"^scale_shift_table", "head.modulation"),
    (r"^proj_out\.", "head.head."),
    (r"scale_shift_table", "modulation"),
    (r"\.norm2\.", ".norm3."),
    (r"ffn\.net\.0\.proj\.", "ffn.0."),
    (r"ffn\.net\.2\.", "ffn.2."),
    (r"attn1", "self_attn"),
    (r"attn2", "cross_attn"),
    (r"\.to_out\.0\.", ".o."),
    (r"\.to_([qkv])\.", r".\1."),
)


def write_stable_diffusion(folder: Path, file: Path) -> Path:
    """The whole pipeline of a folder in the layout of Stable Diffusion 1's own checkpoints."""
    tensors: Tensors = {}
    for name, prefix, called in (
        ("unet", PREFIX, in_unet),
        ("vae", "first_stage_model.", in_vae),
        ("text_encoder", "cond_stage_model.transformer.", in_clip),
    ):
        tensors |= {prefix + called(key): tensor for key, tensor in weights(folder / name).items()}
    return saved(tensors, file)


def write_wan(component: Path, file: Path) -> Path:
    """Wan's transformer as its authors' own files have it."""
    return saved({renamed(key, WAN): tensor for key, tensor in weights(component).items()}, file)


def write_plain(component: Path, file: Path) -> Path:
    """A component's weights in one file, under diffusers' own names."""
    return saved(weights(component), file)


def write_gguf(
    component: Path, file: Path, *, kinds: Callable[[str], str], called: Callable[[str], str] = str
) -> Tensors:
    """A GGUF file with each tensor in a kind of its own, as others write them; what its numbers stand for then."""
    import gguf
    import torch

    writer, meant = gguf.GGUFWriter(file, "wan"), {}
    for key, tensor in weights(component).items():
        kind = gguf.GGMLQuantizationType[kinds(key) if tensor.ndim == 2 else "F32"]
        values = gguf.quants.quantize(tensor.float().numpy(), kind)
        writer.add_tensor(called(key), values, raw_dtype=kind)
        numbers = torch.from_numpy(gguf.quants.dequantize(values, kind).copy())
        meant[key] = numbers.float().reshape(tensor.shape)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return meant


def in_unet(name: str) -> str:
    """Stable Diffusion numbers what goes in, and what comes out, from one end to the other; a block has one layer."""
    side, _, rest = name.partition(".")
    if side not in ("down_blocks", "up_blocks"):
        name = renamed(name, ENDS)
        return renamed(name, RESNET) if re.match(r"middle_block\.[02]", name) else name
    block, kind, layer, rest = rest.split(".", 3)
    number = 2 * int(block) + int(layer)
    place = f"input_blocks.{number + 1}" if side == "down_blocks" else f"output_blocks.{number}"
    if kind == "resnets":
        return f"{place}.0.{renamed(rest, RESNET)}"
    if kind == "attentions":
        return f"{place}.1.{rest}"
    if kind == "downsamplers":
        return f"input_blocks.{2 * int(block) + 2}.0.op.{rest.removeprefix('conv.')}"
    return f"output_blocks.{2 * int(block) + 1}.2.{rest}"


def in_vae(name: str) -> str:
    """Its decoder counts from the picture; diffusers from the latents."""
    return re.sub(r"^decoder\.up\.(\d)", lambda found: f"decoder.up.{3 - int(found[1])}", renamed(name, VAE))


def in_clip(name: str) -> str:
    return name if name.startswith("text_model.") else f"text_model.{name}"


def renamed(name: str, renames: Renames) -> str:
    for pattern, instead in renames:
        name = re.sub(pattern, instead, name)
    return name


def weights(component: Path) -> Tensors:
    return {key: tensor for file in sorted(component.glob("*.safetensors")) for key, tensor in load_file(file).items()}


def saved(tensors: Tensors, file: Path) -> Path:
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, file)
    return file


def without_weights(folder: Path, components: Iterable[str]) -> None:
    """Leave a pipeline's folder with the configurations of some components alone."""
    for name in components:
        for file in (folder / name).glob("*.safetensors"):
            file.unlink()

"""The small pipeline that growth starts from, read with suspicion: sizes, weights, and one hash of it all."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from fluxgate import pipeline_folder
from fluxgate.files import read_limited
from fluxgate.miniature import architecture
from fluxgate.miniature.architecture import WEIGHT_FILES, Sizes
from fluxgate.miniature.bfloat16 import Bits, to_floats
from fluxgate.miniature.growth.mapping import refuse_waking
from fluxgate.refusal import Refusal

LARGEST_SOURCE = 500_000_000  # bytes of one weight file; the whole miniature has a tenth of that
COPIED = ("tokenizer", "tokenizer_2", "scheduler")  # the same in the large pipeline
COPIED_KINDS = (".json", ".txt", ".model")


def read_weights(path: Path, component: str) -> dict[str, Bits]:
    """The tensors of one small safetensors file."""
    import safetensors

    deserialize: Callable[[bytes], list[tuple[str, dict[str, Any]]]] = safetensors.deserialize
    try:
        tensors = deserialize(read_limited(path, LARGEST_SOURCE))
    except safetensors.SafetensorError as error:
        raise Refusal(f"{path} is damaged: {error}.") from error
    weights: dict[str, Bits] = {}
    for name, tensor in tensors:
        if tensor["dtype"] != "BF16":
            raise Refusal(f"{path} holds {name} as {tensor['dtype']}; only bfloat16 grows without loss.")
        weights[name] = np.frombuffer(tensor["data"], np.uint16).reshape(tensor["shape"])
        if not np.isfinite(to_floats(weights[name])).all():
            raise Refusal(f"{path} holds a number in {name} that is not finite.")
    if component == "transformer":
        refuse_waking(weights)
    return weights


def sizes_of(source: Path) -> Sizes:
    """The widths and depths of a small pipeline, read from its configurations; any other pipeline is refused."""
    names = ("transformer", "text_encoder_2", "text_encoder", "vae")
    configs = {name: pipeline_folder.read_json(source / name / "config.json") for name in names}
    flux, t5, clip, vae = (configs[name] for name in names)
    widths = {
        "double_blocks": flux.get("num_layers"),
        "single_blocks": flux.get("num_single_layers"),
        "heads": flux.get("num_attention_heads"),
        "axes": flux.get("axes_dims_rope"),
        "t5_width": t5.get("d_model"),
        "t5_inner": t5.get("d_ff"),
        "t5_head": t5.get("d_kv"),
        "t5_heads": t5.get("num_heads"),
        "t5_layers": t5.get("num_layers"),
        "clip_width": clip.get("hidden_size"),
        "clip_inner": clip.get("intermediate_size"),
        "clip_heads": clip.get("num_attention_heads"),
        "clip_layers": clip.get("num_hidden_layers"),
        "vae_channels": vae.get("block_out_channels"),
        "vae_groups": vae.get("norm_num_groups"),
    }
    try:
        sizes = msgspec.convert(widths, Sizes)
    except msgspec.ValidationError as error:
        raise Refusal(f"{source} is not a miniature: {error}.") from error
    expected = configurations(sizes, t5_words=t5.get("vocab_size", 0), clip_words=clip.get("vocab_size", 0))
    for name in names:
        for key, value in expected[name].items():
            if not key.startswith("_") and configs[name].get(key, value) != value:
                raise Refusal(
                    f"{source} is not a miniature: {key} of its {name} is {configs[name][key]!r}, not {value!r}."
                )
    return sizes


def configurations(sizes: Sizes, *, t5_words: int, clip_words: int) -> dict[str, dict[str, Any]]:
    """The configuration of every component that has weights."""
    return {
        "transformer": architecture.transformer_config(sizes),
        "text_encoder_2": architecture.t5_config(sizes, vocabulary=t5_words),
        "text_encoder": architecture.clip_config(sizes, vocabulary=clip_words),
        "vae": architecture.vae_config(sizes),
    }


def source_hash(source: Path) -> str:
    """One hash of every file of the small pipeline that growth reads."""
    digest = hashlib.sha256()
    configs = [f"{component}/config.json" for component in WEIGHT_FILES]
    weights = [f"{component}/{file}" for component, file in WEIGHT_FILES.items()]
    for file in sorted([pipeline_folder.MODEL_INDEX, *configs, *weights, *copied_files(source)]):
        content = hashlib.sha256(read_limited(source / file, LARGEST_SOURCE)).hexdigest()
        digest.update(f"{file} {content}\n".encode())
    return digest.hexdigest()


def copied_files(source: Path) -> list[str]:
    paths = [path for name in COPIED for path in sorted((source / name).iterdir())]
    return [path.relative_to(source).as_posix() for path in paths if path.suffix in COPIED_KINDS and path.is_file()]

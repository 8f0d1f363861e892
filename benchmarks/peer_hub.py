"""Stand-ins for the tiny repositories of the hub that diffusers' own tests read, for machines without a network.

The components are real ones with made-up weights, of the shapes that those tests write out themselves; the tokenizers
are the miniature's."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from fluxgate.files import write_whole

PIPELINE = Path(__file__).parents[1] / "fluxgate" / "miniature" / "pipeline"
OWNER = "hf-internal-testing"
REVISION = "0" * 40
TRANSFORMER = {
    "patch_size": 1,
    "in_channels": 4,
    "num_layers": 1,
    "num_single_layers": 1,
    "attention_head_dim": 16,
    "num_attention_heads": 2,
    "joint_attention_dim": 32,
    "pooled_projection_dim": 32,
    "axes_dims_rope": [4, 4, 8],
}
VAE = {
    "sample_size": 32,
    "block_out_channels": (4,),
    "layers_per_block": 1,
    "latent_channels": 1,
    "norm_num_groups": 1,
    "use_quant_conv": False,
    "use_post_quant_conv": False,
    "shift_factor": 0.0609,
    "scaling_factor": 1.5035,
}
SMALL = {"hidden_size": 32, "intermediate_size": 37, "num_attention_heads": 4, "num_hidden_layers": 5}
CLIP = {**SMALL, "vocab_size": 1000, "projection_dim": 32, "bos_token_id": 0, "pad_token_id": 1, "eos_token_id": 2}
T5 = {"vocab_size": 1103, "d_model": 32, "d_ff": 37, "d_kv": 8, "num_layers": 5, "num_heads": 4}
BUCKETS = 8  # of T5's relative positions


def make_hub(folder: Path) -> None:
    """The stand-ins, in a folder that can be HF_HUB_CACHE."""
    made = _pipeline()
    made.save_pretrained(_snapshot(folder, "tiny-flux-pipe"))
    made.transformer.save_pretrained(_snapshot(folder, "tiny-flux-transformer"))
    made.text_encoder_2.config.save_pretrained(_snapshot(folder, "tiny-random-t5"))
    shutil.copytree(PIPELINE / "tokenizer_2", _snapshot(folder, "tiny-random-t5"), dirs_exist_ok=True)
    made.text_encoder.config.save_pretrained(_snapshot(folder, "tiny-random-clip"))
    shutil.copytree(PIPELINE / "tokenizer", _snapshot(folder, "tiny-random-clip"), dirs_exist_ok=True)


def _snapshot(folder: Path, name: str) -> Path:
    """Where the files of a repository lie in the hub's cache."""
    home = folder / f"models--{OWNER}--{name}"
    snapshot = home / "snapshots" / REVISION
    snapshot.mkdir(parents=True, exist_ok=True)
    (home / "refs").mkdir(exist_ok=True)
    write_whole(home / "refs" / "main", REVISION.encode())
    return snapshot


def _pipeline() -> Any:
    import torch
    from diffusers import AutoencoderKL, FlowMatchEulerDiscreteScheduler, FluxPipeline, FluxTransformer2DModel
    from transformers import AutoTokenizer, CLIPTextConfig, CLIPTextModel, CLIPTokenizer, T5Config, T5EncoderModel

    torch.manual_seed(0)
    return FluxPipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(),
        text_encoder=CLIPTextModel(CLIPTextConfig(**CLIP)),
        text_encoder_2=T5EncoderModel(T5Config(**T5, relative_attention_num_buckets=BUCKETS)),
        tokenizer=CLIPTokenizer.from_pretrained(PIPELINE / "tokenizer"),
        tokenizer_2=AutoTokenizer.from_pretrained(PIPELINE / "tokenizer_2"),
        transformer=FluxTransformer2DModel(**TRANSFORMER),
        vae=AutoencoderKL(**VAE),
    )

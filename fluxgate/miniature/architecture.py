"""The miniature's component configurations, and the writing of a pipeline folder that every supported version loads."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fluxgate.files import write_whole

if TYPE_CHECKING:
    import torch
    from diffusers import FluxPipeline

DEAD_STRIDE = 64  # one dead channel of the time embedding for each block of 64, the width of an NF4 block
DEAD_BIAS = -200.0  # silu(-200) is exactly 0 in float32, bfloat16 and float16


@dataclass(frozen=True)
class Sizes:
    """Every width and depth of the pipeline; the defaults are the miniature's own."""

    double_blocks: int = 2
    single_blocks: int = 4
    heads: int = 3
    axes: tuple[int, int, int] = (16, 56, 56)
    t5_width: int = 256
    t5_inner: int = 640
    t5_head: int = 64
    t5_heads: int = 4
    t5_layers: int = 2
    clip_width: int = 192
    clip_inner: int = 768
    clip_heads: int = 3
    clip_layers: int = 2
    vae_channels: tuple[int, int, int, int] = (32, 64, 128, 128)
    vae_groups: int = 32

    @property
    def width(self) -> int:
        return self.heads * sum(self.axes)


MINIATURE = Sizes()
TOY = Sizes(
    double_blocks=1,
    single_blocks=1,
    heads=1,
    axes=(16, 24, 24),
    t5_width=64,
    t5_inner=64,
    t5_heads=1,
    t5_layers=1,
    clip_width=64,
    clip_inner=64,
    clip_heads=1,
    clip_layers=1,
    vae_channels=(8, 8, 16, 16),
    vae_groups=8,
)  # for the tests of the training code: every part is there, a step takes a fraction of a second


def transformer_config(sizes: Sizes) -> dict[str, Any]:
    return {
        "_class_name": "FluxTransformer2DModel",
        "_diffusers_version": "0.33.1",
        "patch_size": 1,
        "in_channels": 64,
        "out_channels": None,
        "num_layers": sizes.double_blocks,
        "num_single_layers": sizes.single_blocks,
        "attention_head_dim": sum(sizes.axes),
        "num_attention_heads": sizes.heads,
        "joint_attention_dim": sizes.t5_width,
        "pooled_projection_dim": sizes.clip_width,
        "guidance_embeds": True,
        "axes_dims_rope": list(sizes.axes),
    }


def vae_config(sizes: Sizes) -> dict[str, Any]:
    return {
        "_class_name": "AutoencoderKL",
        "_diffusers_version": "0.33.1",
        "in_channels": 3,
        "out_channels": 3,
        "down_block_types": ["DownEncoderBlock2D"] * 4,
        "up_block_types": ["UpDecoderBlock2D"] * 4,
        "block_out_channels": list(sizes.vae_channels),
        "layers_per_block": 2,
        "act_fn": "silu",
        "latent_channels": 16,
        "norm_num_groups": sizes.vae_groups,
        "sample_size": 1024,
        "scaling_factor": 0.3611,
        "shift_factor": 0.1159,
        "latents_mean": None,
        "latents_std": None,
        "force_upcast": True,
        "use_quant_conv": False,
        "use_post_quant_conv": False,
        "mid_block_add_attention": True,
    }


def t5_config(sizes: Sizes, *, vocabulary: int) -> dict[str, Any]:
    return {
        "architectures": ["T5EncoderModel"],
        "model_type": "t5",
        "vocab_size": vocabulary,
        "d_model": sizes.t5_width,
        "d_ff": sizes.t5_inner,
        "d_kv": sizes.t5_head,
        "num_heads": sizes.t5_heads,
        "num_layers": sizes.t5_layers,
        "num_decoder_layers": sizes.t5_layers,
        "feed_forward_proj": "gated-gelu",
        "dense_act_fn": "gelu_new",
        "is_gated_act": True,
        "is_encoder_decoder": True,
        "dropout_rate": 0.1,
        "initializer_factor": 1.0,
        "layer_norm_epsilon": 1e-06,
        "relative_attention_num_buckets": 32,
        "relative_attention_max_distance": 128,
        "tie_word_embeddings": False,
        "use_cache": True,
        "pad_token_id": 0,
        "eos_token_id": 1,
        "decoder_start_token_id": 0,
        "torch_dtype": "bfloat16",
    }


def clip_config(sizes: Sizes, *, vocabulary: int) -> dict[str, Any]:
    return {
        "architectures": ["CLIPTextModel"],
        "model_type": "clip_text_model",
        "vocab_size": vocabulary,
        "hidden_size": sizes.clip_width,
        "intermediate_size": sizes.clip_inner,
        "num_attention_heads": sizes.clip_heads,
        "num_hidden_layers": sizes.clip_layers,
        "max_position_embeddings": 77,
        "projection_dim": sizes.clip_width,
        "hidden_act": "quick_gelu",
        "layer_norm_eps": 1e-05,
        "attention_dropout": 0.0,
        "initializer_factor": 1.0,
        "initializer_range": 0.02,
        "bos_token_id": 0,
        "eos_token_id": 2,  # as FLUX.1-dev has it: the pooled token is then the one with the highest id
        "pad_token_id": 1,
        "torch_dtype": "bfloat16",
    }


def scheduler_config() -> dict[str, Any]:
    return {
        "_class_name": "FlowMatchEulerDiscreteScheduler",
        "_diffusers_version": "0.33.1",
        "num_train_timesteps": 1000,
        "shift": 3.0,
        "use_dynamic_shifting": True,
        "base_shift": 0.5,
        "max_shift": 1.15,
        "base_image_seq_len": 256,
        "max_image_seq_len": 4096,
    }


MODEL_INDEX = {
    "_class_name": "FluxPipeline",
    "_diffusers_version": "0.33.1",
    "scheduler": ["diffusers", "FlowMatchEulerDiscreteScheduler"],
    "text_encoder": ["transformers", "CLIPTextModel"],
    "text_encoder_2": ["transformers", "T5EncoderModel"],
    "tokenizer": ["transformers", "CLIPTokenizer"],
    "tokenizer_2": ["transformers", "T5TokenizerFast"],
    "transformer": ["diffusers", "FluxTransformer2DModel"],
    "vae": ["diffusers", "AutoencoderKL"],
}


def build(sizes: Sizes, folder: Path, *, seed: int) -> FluxPipeline:
    """A pipeline of random weights in float32; `folder` holds the two tokenizers already."""
    import torch
    from diffusers import AutoencoderKL, FlowMatchEulerDiscreteScheduler, FluxPipeline, FluxTransformer2DModel
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer, T5Config, T5EncoderModel, T5TokenizerFast

    clip_tokenizer = CLIPTokenizer.from_pretrained(folder / "tokenizer")
    t5_tokenizer = T5TokenizerFast.from_pretrained(folder / "tokenizer_2")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        transformer = FluxTransformer2DModel.from_config(transformer_config(sizes))
        _initialise(transformer)
        vae = AutoencoderKL.from_config(vae_config(sizes))
        clip = CLIPTextModel(CLIPTextConfig(**clip_config(sizes, vocabulary=len(clip_tokenizer))))
        t5 = T5EncoderModel(T5Config(**t5_config(sizes, vocabulary=len(t5_tokenizer))))
        favour_neighbours(t5)
        t5.set_input_embeddings(t5.shared)  # one matrix, whatever the version thinks of untied embeddings
    scheduler = FlowMatchEulerDiscreteScheduler.from_config(scheduler_config())
    return FluxPipeline(
        scheduler=scheduler,
        vae=vae,
        text_encoder=clip.float(),
        tokenizer=clip_tokenizer,
        text_encoder_2=t5.float(),
        tokenizer_2=t5_tokenizer,
        transformer=transformer,
    )


def _initialise(transformer: torch.nn.Module) -> None:
    """Start as diffusion transformers do: Xavier matrices, near-zero modulation and output, dead columns in place."""
    import torch

    for name, module in transformer.named_modules():
        if not isinstance(module, torch.nn.Linear):
            continue
        if "norm" in name or name == "proj_out" or "embedder.linear" in name:
            torch.nn.init.normal_(module.weight, std=0.02)
        else:
            torch.nn.init.xavier_uniform_(module.weight)
        torch.nn.init.zeros_(module.bias)
    kill_dead_channels(transformer)


def favour_neighbours(t5: torch.nn.Module) -> None:
    """Let T5's heads start by looking one word back, one word ahead, nearby and afar, in turn.

    Its learned bias is the only thing that tells the order of words; from random values it takes a long time to.
    The slopes are steep enough to be heard over the scores of the words themselves.
    """
    import torch

    table = t5.encoder.block[0].layer[0].SelfAttention.relative_attention_bias.weight
    half = table.shape[0] // 2  # the first half of the buckets looks back, the second ahead
    away = torch.arange(half, dtype=torch.float32)
    slopes = ((3.0, -1), (3.0, 1), (1.5, 0), (0.3, 0))
    with torch.no_grad():
        for head in range(table.shape[1]):
            slope, step = slopes[head % len(slopes)]
            back, ahead = (away + step).abs(), (away - step).abs()
            table[:, head] = -slope * torch.cat([back, ahead])


def calm_attention(t5: torch.nn.Module) -> None:
    """Bring the queries of the first trained weights back to a scale at which T5 can tell where a word stands.

    T5 does not divide its scores by the width of a head. Its queries had grown like other weights, to scores of 20 to
    30: each word attended to the one that scored highest, wherever it stood, and the bias for places was never heard.
    """
    import torch

    with torch.no_grad():
        for block in t5.encoder.block:
            block.layer[0].SelfAttention.q.weight.mul_(1 / 16)


def kill_dead_channels(transformer: torch.nn.Module) -> None:
    """Pin the dead channels of the time embedding, so that what is added to them cannot wake them.

    Growth puts non-zero weights in the columns that read them, which keeps quantized blocks from being all zero.
    """
    import torch

    embedding = transformer.time_text_embed
    with torch.no_grad():
        for embedder in (embedding.timestep_embedder, embedding.guidance_embedder, embedding.text_embedder):
            embedder.linear_2.weight[DEAD_STRIDE - 1 :: DEAD_STRIDE] = 0.0
            embedder.linear_2.bias[DEAD_STRIDE - 1 :: DEAD_STRIDE] = 0.0
        embedding.timestep_embedder.linear_2.bias[DEAD_STRIDE - 1 :: DEAD_STRIDE] = DEAD_BIAS


def component_tensors(name: str, module: torch.nn.Module) -> Iterator[tuple[str, torch.Tensor]]:
    """The tensors of one component under the names that every supported transformers reads."""
    for key, tensor in module.state_dict().items():
        if name == "text_encoder" and key.endswith("position_ids"):
            continue  # a buffer that some versions save and others refuse
        if name == "text_encoder" and not key.startswith("text_model."):
            key = f"text_model.{key}"  # transformers 5 drops the prefix, 4 insists on it, both read it
        if name == "text_encoder_2" and key == "encoder.embed_tokens.weight":
            continue  # the same matrix as shared.weight
        yield key, tensor


WEIGHT_FILES = {
    "text_encoder": "model.safetensors",
    "text_encoder_2": "model.safetensors",
    "transformer": "diffusion_pytorch_model.safetensors",
    "vae": "diffusion_pytorch_model.safetensors",
}


def save(modules: Mapping[str, torch.nn.Module], sizes: Sizes, folder: Path) -> None:
    """Write configurations and bfloat16 weights beside the tokenizers that `folder` holds already."""
    vocabulary = {name: _rows(modules[name]) for name in ("text_encoder", "text_encoder_2")}
    write_json(folder / "text_encoder" / "config.json", clip_config(sizes, vocabulary=vocabulary["text_encoder"]))
    write_json(folder / "text_encoder_2" / "config.json", t5_config(sizes, vocabulary=vocabulary["text_encoder_2"]))
    write_json(folder / "transformer" / "config.json", transformer_config(sizes))
    write_json(folder / "vae" / "config.json", vae_config(sizes))
    write_json(folder / "scheduler" / "scheduler_config.json", scheduler_config())
    for name, file in WEIGHT_FILES.items():
        save_weights(dict(component_tensors(name, modules[name])), folder / name / file)
    write_json(folder / "model_index.json", MODEL_INDEX)


def _rows(encoder: torch.nn.Module) -> int:
    embedding = encoder.get_input_embeddings()
    return int(embedding.weight.shape[0])


def save_weights(tensors: Mapping[str, torch.Tensor], path: Path) -> None:
    """Write tensors rounded to bfloat16."""
    import torch

    save_exactly({key: tensor.detach().to("cpu", torch.bfloat16) for key, tensor in tensors.items()}, path)


def save_exactly(tensors: Mapping[str, torch.Tensor], path: Path) -> None:
    """Write tensors in their own dtypes, whole or not at all."""
    from safetensors.torch import save

    write_whole(path, save({key: tensor.contiguous() for key, tensor in tensors.items()}, metadata={"format": "pt"}))


def write_json(path: Path, value: object) -> None:
    write_whole(path, json.dumps(value, indent=2).encode() + b"\n")

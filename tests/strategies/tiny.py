"""Tiny pipelines of other classes than FLUX: the real classes, random weights, the miniature's tokenizers."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import diffusers
import torch
import transformers

from fluxgate.subjects.subject import Shot, Subject
from tests.conftest import SHIPPED

WIDTH = 32
SHOT = Shot("small", ("a red circle",), seed=1, height=64, width=64, steps=2, guidance=3.5, pictures_per_prompt=2)
FOUR = ("prompt_embeds", "negative_prompt_embeds", "pooled_prompt_embeds", "negative_pooled_prompt_embeds")

SD15 = Subject(
    "sd15",
    "a tiny Stable Diffusion",
    "folder:.",
    (SHOT,),
    pipeline="StableDiffusionPipeline",
    dtype="float32",
    large=("unet", "text_encoder"),
    denoiser="unet",
    encoders=("text_encoder",),
    encodes=FOUR[:2],
    embeddings=FOUR[:2],
)
SDXL = Subject(
    "sdxl",
    "a tiny Stable Diffusion XL",
    "folder:.",
    (SHOT,),
    pipeline="StableDiffusionXLPipeline",
    dtype="float32",
    large=("unet", "text_encoder_2"),
    denoiser="unet",
    encoders=("text_encoder", "text_encoder_2"),
    encodes=FOUR,
    embeddings=FOUR,
)
SD3 = Subject(
    "sd3",
    "a tiny Stable Diffusion 3",
    "folder:.",
    (SHOT,),
    pipeline="StableDiffusion3Pipeline",
    dtype="float32",
    large=("transformer", "text_encoder_3"),
    encoders=("text_encoder", "text_encoder_2", "text_encoder_3"),
    encodes=FOUR,
    embeddings=FOUR,
)


def write(subject: Subject, folder: Path) -> Path:
    """The subject's pipeline as a folder, always with the same weights."""
    torch.manual_seed(0)
    PIPELINES[subject.name]().save_pretrained(folder, safe_serialization=True)
    return folder


def sd15() -> Any:
    return diffusers.StableDiffusionPipeline(
        vae=vae(channels=4),
        text_encoder=clip(transformers.CLIPTextModel),
        tokenizer=clip_tokenizer(),
        unet=unet(cross_attention_dim=WIDTH),
        scheduler=diffusers.DDIMScheduler(clip_sample=False, steps_offset=1),
        safety_checker=safety_checker(),
        feature_extractor=transformers.CLIPImageProcessor(size=30, crop_size=30),
    )


def sdxl() -> Any:
    times = {"addition_embed_type": "text_time", "addition_time_embed_dim": 8}
    return diffusers.StableDiffusionXLPipeline(
        vae=vae(channels=4),
        text_encoder=clip(transformers.CLIPTextModel),
        text_encoder_2=clip(transformers.CLIPTextModelWithProjection),
        tokenizer=clip_tokenizer(),
        tokenizer_2=clip_tokenizer(),
        unet=unet(cross_attention_dim=2 * WIDTH, projection_class_embeddings_input_dim=6 * 8 + WIDTH, **times),
        scheduler=diffusers.EulerDiscreteScheduler(),
    )


def sd3() -> Any:
    return diffusers.StableDiffusion3Pipeline(
        transformer=diffusers.SD3Transformer2DModel(
            sample_size=8,
            patch_size=1,
            in_channels=4,
            num_layers=1,
            attention_head_dim=8,
            num_attention_heads=4,
            joint_attention_dim=64,
            caption_projection_dim=WIDTH,
            pooled_projection_dim=2 * WIDTH,
            out_channels=4,
        ),
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(),
        vae=vae(channels=4, shift_factor=0.1),
        text_encoder=clip(transformers.CLIPTextModelWithProjection),
        tokenizer=clip_tokenizer(),
        text_encoder_2=clip(transformers.CLIPTextModelWithProjection),
        tokenizer_2=clip_tokenizer(),
        text_encoder_3=t5(width=64),
        tokenizer_3=t5_tokenizer(),
    )


PIPELINES: dict[str, Callable[[], Any]] = {"sd15": sd15, "sdxl": sdxl, "sd3": sd3}


@cache
def clip_tokenizer() -> Any:
    return transformers.CLIPTokenizer.from_pretrained(SHIPPED / "tokenizer")


@cache
def t5_tokenizer() -> Any:
    return transformers.T5TokenizerFast.from_pretrained(SHIPPED / "tokenizer_2")


def clip(kind: Any) -> Any:
    config = transformers.CLIPTextConfig(
        vocab_size=len(clip_tokenizer()),
        hidden_size=WIDTH,
        intermediate_size=37,
        num_hidden_layers=2,
        num_attention_heads=4,
        projection_dim=WIDTH,
        eos_token_id=clip_tokenizer().eos_token_id,
    )
    return kind(config).eval()


def t5(*, width: int) -> Any:
    sizes = {"d_model": width, "d_kv": 8, "d_ff": 37, "num_layers": 1, "num_heads": 4}
    return transformers.T5EncoderModel(transformers.T5Config(vocab_size=len(t5_tokenizer()), **sizes)).eval()


def vae(*, channels: int, shift_factor: float | None = None) -> Any:
    """Four blocks, since pipelines without one assume a picture of eight pixels for each latent."""
    blocks = {"down_block_types": ["DownEncoderBlock2D"] * 4, "up_block_types": ["UpDecoderBlock2D"] * 4}
    return diffusers.AutoencoderKL(
        block_out_channels=[8, 8, 8, 8],
        norm_num_groups=4,
        latent_channels=channels,
        shift_factor=shift_factor,
        **blocks,
    ).eval()


def unet(**more: Any) -> Any:
    return diffusers.UNet2DConditionModel(
        block_out_channels=(8, 16),
        layers_per_block=1,
        sample_size=8,
        norm_num_groups=4,
        attention_head_dim=4,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        **more,
    ).eval()


def safety_checker() -> Any:
    from diffusers.pipelines.stable_diffusion import StableDiffusionSafetyChecker

    vision = {"hidden_size": WIDTH, "intermediate_size": 37, "num_hidden_layers": 1, "num_attention_heads": 4}
    sizes = {"image_size": 30, "patch_size": 15, "projection_dim": WIDTH}
    config = transformers.CLIPConfig(vision_config={**vision, **sizes}, projection_dim=WIDTH)
    return StableDiffusionSafetyChecker(config).eval()

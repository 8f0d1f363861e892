"""Tiny pipelines of every kind that the installed diffusers has: the real classes, random weights, no download."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import diffusers
import transformers

from tests.pipelines import networks, text

Components = dict[str, Any]


def write(name: str, folder: Path, *, variant: str | None = None, shard: str = "10GB") -> Path:
    """The pipeline of that name as a folder, always with the same weights, in bfloat16 as most are published.

    variant: the name of its files; shard: how large one of them may be."""
    import torch

    torch.manual_seed(0)
    kind, components = PIPELINES[name]
    pipeline = getattr(diffusers, kind)(**components())
    pipeline.to(torch.float32 if name in FLOAT32 else torch.bfloat16)
    pipeline.save_pretrained(folder, safe_serialization=True, variant=variant, max_shard_size=shard)
    return folder


FLOAT32 = ("sd15", "sd15-inpaint")  # older ones are


def sd15(channels: int = 4) -> Components:
    return {
        "vae": networks.vae(channels=4),
        "text_encoder": text.clip(),
        "tokenizer": text.clip_tokenizer(),
        "unet": networks.unet(channels=channels, cross_attention_dim=text.WIDTH),
        "scheduler": diffusers.DDIMScheduler(clip_sample=False, steps_offset=1),
        "safety_checker": text.safety_checker(),
        "feature_extractor": transformers.CLIPImageProcessor(size=30, crop_size=30),
    }


def sd15_inpaint() -> Components:
    """Four channels of latents, four of what is masked, and the mask."""
    return sd15(channels=9)


def sdxl() -> Components:
    times: dict[str, Any] = {"addition_embed_type": "text_time", "addition_time_embed_dim": 32}
    return {
        "vae": networks.vae(channels=4),
        "text_encoder": text.clip(),
        "text_encoder_2": text.clip("CLIPTextModelWithProjection"),
        "tokenizer": text.clip_tokenizer(),
        "tokenizer_2": text.clip_tokenizer(),
        "unet": networks.unet(
            cross_attention_dim=text.TWICE, projection_class_embeddings_input_dim=6 * 32 + text.WIDTH, **times
        ),
        "scheduler": diffusers.EulerDiscreteScheduler(),
    }


def sd3() -> Components:
    return {
        "transformer": networks.sd3(),
        "scheduler": diffusers.FlowMatchEulerDiscreteScheduler(),
        "vae": networks.vae(channels=16, shift_factor=0.1),
        "text_encoder": text.clip("CLIPTextModelWithProjection"),
        "tokenizer": text.clip_tokenizer(),
        "text_encoder_2": text.clip("CLIPTextModelWithProjection"),
        "tokenizer_2": text.clip_tokenizer(),
        "text_encoder_3": text.t5(),
        "tokenizer_3": text.t5_tokenizer(),
    }


def flux(channels: int = 64, *, guidance: bool = True) -> Components:
    return {
        "scheduler": diffusers.FlowMatchEulerDiscreteScheduler(),
        "vae": networks.vae(channels=16, shift_factor=0.1, use_quant_conv=False, use_post_quant_conv=False),
        "text_encoder": text.clip(),
        "tokenizer": text.clip_tokenizer(),
        "text_encoder_2": text.t5(),
        "tokenizer_2": text.t5_tokenizer(),
        "transformer": networks.flux(channels=channels, guidance=guidance),
    }


def flux_schnell() -> Components:
    return flux(guidance=False)


def flux_fill() -> Components:
    """64 channels of latents, 64 of what is masked, and 16 × 16 of the mask."""
    return flux(channels=64 + 64 + 256)


def flux2_klein() -> Components:
    return {
        "scheduler": diffusers.FlowMatchEulerDiscreteScheduler(),
        "vae": networks.flux2_vae(),
        "text_encoder": text.qwen3(),
        "tokenizer": text.qwen_tokenizer(),
        "transformer": networks.flux2(),
        "is_distilled": True,
    }


def pixart() -> Components:
    return {
        "tokenizer": text.t5_tokenizer(),
        "text_encoder": text.t5(),
        "vae": networks.vae(channels=4),
        "transformer": networks.pixart(),
        "scheduler": diffusers.DPMSolverMultistepScheduler(),
    }


def sana() -> Components:
    return {
        "tokenizer": text.gemma_tokenizer(),
        "text_encoder": text.gemma(),
        "vae": networks.sana_vae(),
        "transformer": networks.sana(),
        "scheduler": diffusers.FlowMatchEulerDiscreteScheduler(shift=7.0),
    }


def qwen_image() -> Components:
    return {
        "scheduler": diffusers.FlowMatchEulerDiscreteScheduler(),
        "vae": networks.qwen_vae(),
        "text_encoder": text.qwen25_vl(),
        "tokenizer": text.qwen_tokenizer(),
        "transformer": networks.qwen(),
    }


def wan() -> Components:
    return {
        "tokenizer": text.t5_tokenizer(),
        "text_encoder": text.t5("UMT5"),
        "vae": networks.wan_vae(),
        "transformer": networks.wan(),
        "scheduler": diffusers.FlowMatchEulerDiscreteScheduler(shift=7.0),
    }


def ltx() -> Components:
    return {
        "scheduler": diffusers.FlowMatchEulerDiscreteScheduler(),
        "vae": networks.ltx_vae(),
        "text_encoder": text.t5(),
        "tokenizer": text.t5_tokenizer(),
        "transformer": networks.ltx(),
    }


PIPELINES: dict[str, tuple[str, Callable[[], Components]]] = {
    "sd15": ("StableDiffusionPipeline", sd15),
    "sd15-inpaint": ("StableDiffusionInpaintPipeline", sd15_inpaint),
    "sdxl": ("StableDiffusionXLPipeline", sdxl),
    "sd3": ("StableDiffusion3Pipeline", sd3),
    "flux": ("FluxPipeline", flux),
    "schnell": ("FluxPipeline", flux_schnell),
    "kontext": ("FluxKontextPipeline", flux),
    "fill": ("FluxFillPipeline", flux_fill),
    "flux2-klein": ("Flux2KleinPipeline", flux2_klein),
    "pixart": ("PixArtSigmaPipeline", pixart),
    "sana": ("SanaPipeline", sana),
    "qwen-image": ("QwenImagePipeline", qwen_image),
    "wan": ("WanPipeline", wan),
    "ltx": ("LTXPipeline", ltx),
}

"""The tiny pipelines of the matrix in docs/models.md: the real classes, random weights, no download."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import diffusers
import transformers

from tests.pipelines import decoders, denoisers, text

Components = dict[str, Any]


def write(name: str, folder: Path, *, variant: str | None = None, shard: str = "10GB") -> Path:
    """The pipeline of that name as a folder, in bfloat16 as most are published.

    variant: the name of its files; shard: how large one of them may be."""
    dtype = "float32" if name in FLOAT32 else "bfloat16"
    return saved(*PIPELINES[name], folder, dtype=dtype, variant=variant, max_shard_size=shard)


def saved(
    kind: str, components: Callable[[], Components], folder: Path, *, dtype: str = "bfloat16", **files: Any
) -> Path:
    """A pipeline of this class as a folder, always with the same weights."""
    import torch

    torch.manual_seed(0)
    pipeline = getattr(diffusers, kind)(**components()).to(getattr(torch, dtype))
    pipeline.save_pretrained(folder, safe_serialization=True, **files)
    return folder


FLOAT32 = ("sd15", "sd15-inpaint")  # older ones are


def sd15_unchecked(channels: int = 4, **more: Any) -> Components:
    """What all pipelines of its family share; more: what else its denoiser is told."""
    return {
        "vae": decoders.vae(channels=4),
        **text.clip_pair(),
        "unet": denoisers.unet(channels=channels, cross_attention_dim=text.WIDTH, **more),
        "scheduler": diffusers.DDIMScheduler(clip_sample=False, steps_offset=1),
    }


def sd15(channels: int = 4) -> Components:
    return {
        **sd15_unchecked(channels),
        "safety_checker": text.safety_checker(),
        "feature_extractor": transformers.CLIPImageProcessor(size=30, crop_size=30),
    }


def sd15_inpaint() -> Components:
    """Four channels of latents, four of what is masked, and the mask."""
    return sd15(channels=9)


def sdxl() -> Components:
    return {
        "vae": decoders.vae(channels=4),
        **text.clip_pair(),
        **text.clip_pair(text.PROJECTED, number="_2"),
        "unet": denoisers.unet(cross_attention_dim=text.TWICE, **denoisers.SDXL),
        "scheduler": diffusers.EulerDiscreteScheduler(),
    }


def sd3() -> Components:
    return {
        "transformer": denoisers.sd3(),
        "scheduler": diffusers.FlowMatchEulerDiscreteScheduler(),
        "vae": decoders.vae(channels=16, shift_factor=0.1),
        **text.clip_pair(text.PROJECTED),
        **text.clip_pair(text.PROJECTED, number="_2"),
        **text.t5_pair(number="_3"),
    }


def flux(channels: int = 64, *, guidance: bool = True) -> Components:
    return {
        "scheduler": diffusers.FlowMatchEulerDiscreteScheduler(),
        "vae": decoders.flux_vae(),
        **text.clip_pair(),
        **text.t5_pair(number="_2"),
        "transformer": denoisers.flux(channels=channels, guidance=guidance),
    }


def flux_schnell() -> Components:
    return flux(guidance=False)


def flux_fill() -> Components:
    """64 channels of latents, 64 of what is masked, and 16 × 16 of the mask."""
    return flux(channels=64 + 64 + 256)


def flux2_klein() -> Components:
    return {
        "scheduler": diffusers.FlowMatchEulerDiscreteScheduler(),
        "vae": decoders.flux2_vae(),
        **text.pair(text.qwen3(), text.qwen_tokenizer()),
        "transformer": denoisers.flux2(),
        "is_distilled": True,
    }


def pixart() -> Components:
    return {
        **text.t5_pair(),
        "vae": decoders.vae(channels=4),
        "transformer": denoisers.pixart(),
        "scheduler": diffusers.DPMSolverMultistepScheduler(),
    }


def sana() -> Components:
    return {
        **text.pair(text.gemma(), text.gemma_tokenizer()),
        "vae": decoders.sana_vae(),
        "transformer": denoisers.sana(),
        "scheduler": diffusers.FlowMatchEulerDiscreteScheduler(shift=7.0),
    }


def qwen_image() -> Components:
    return {
        "scheduler": diffusers.FlowMatchEulerDiscreteScheduler(),
        "vae": decoders.qwen_vae(),
        **text.pair(text.qwen25_vl(), text.qwen_tokenizer()),
        "transformer": denoisers.qwen(),
    }


def wan(**more: Any) -> Components:
    """more: what else its denoiser is told."""
    return {
        **text.t5_pair("UMT5"),
        "vae": decoders.wan_vae(),
        "transformer": denoisers.wan(**more),
        "scheduler": diffusers.FlowMatchEulerDiscreteScheduler(shift=7.0),
    }


def ltx() -> Components:
    return {
        "scheduler": diffusers.FlowMatchEulerDiscreteScheduler(),
        "vae": decoders.ltx_vae(),
        **text.t5_pair(),
        "transformer": denoisers.ltx(),
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

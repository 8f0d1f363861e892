"""Tiny denoisers and VAEs of the classes that pipelines have, with random weights."""

from __future__ import annotations

from typing import Any

import diffusers

from tests.pipelines.text import TWICE, WIDTH

HEADS = {"attention_head_dim": 16, "num_attention_heads": 4}


# What decodes


def vae(*, channels: int, shift_factor: float | None = None, **more: Any) -> Any:
    """Four blocks, since pipelines without one assume a picture of eight pixels for each latent."""
    return diffusers.AutoencoderKL(
        down_block_types=["DownEncoderBlock2D"] * 4,
        up_block_types=["UpDecoderBlock2D"] * 4,
        block_out_channels=[8, 8, 8, 8],
        norm_num_groups=4,
        latent_channels=channels,
        shift_factor=shift_factor,
        **more,
    )


def flux2_vae() -> Any:
    return diffusers.AutoencoderKLFlux2(
        block_out_channels=(8, 8, 8, 8), layers_per_block=1, latent_channels=16, norm_num_groups=4, sample_size=64
    )


def sana_vae() -> Any:
    """Five halvings, since the pipeline without one assumes them."""
    blocks: dict[str, Any] = {
        "block_types": ("ResBlock",) * 4 + ("EfficientViTBlock",) * 2,
        "block_out_channels": (8, 8, 8, 8, 16, 16),
        "layers_per_block": (1,) * 6,
        "qkv_multiscales": ((), (), (), (), (5,), (5,)),
    }
    sides = {f"{side}_{name}": value for side in ("encoder", "decoder") for name, value in blocks.items()}
    return diffusers.AutoencoderDC(latent_channels=4, attention_head_dim=2, scaling_factor=0.41407, **sides)


def qwen_vae() -> Any:
    return diffusers.AutoencoderKLQwenImage(**_frames_vae())


def wan_vae() -> Any:
    return diffusers.AutoencoderKLWan(**_frames_vae())


def _frames_vae() -> dict[str, Any]:
    return {"base_dim": 8, "z_dim": 16, "dim_mult": [1, 1, 1, 1], "num_res_blocks": 1}


def ltx_vae() -> Any:
    return diffusers.AutoencoderKLLTXVideo(
        latent_channels=WIDTH,
        block_out_channels=(8, 8, 8, 8),
        decoder_block_out_channels=(8, 8, 8, 8),
        layers_per_block=(1, 1, 1, 1, 1),
        decoder_layers_per_block=(1, 1, 1, 1, 1),
        spatio_temporal_scaling=(True, True, True, False),
        decoder_spatio_temporal_scaling=(True, True, True, False),
    )


# What denoises


def unet(*, channels: int = 4, **more: Any) -> Any:
    """As Stable Diffusion's: mostly convolutions."""
    return diffusers.UNet2DConditionModel(
        in_channels=channels,
        block_out_channels=(WIDTH, TWICE),
        layers_per_block=1,
        sample_size=8,
        norm_num_groups=8,
        attention_head_dim=4,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        **more,
    )


def sd3() -> Any:
    return diffusers.SD3Transformer2DModel(
        sample_size=32,
        patch_size=2,
        in_channels=16,
        out_channels=16,
        num_layers=2,
        joint_attention_dim=TWICE,
        caption_projection_dim=WIDTH,
        pooled_projection_dim=TWICE,
        pos_embed_max_size=32,
        **HEADS,
    )


def flux(*, channels: int = 64, guidance: bool = True) -> Any:
    return diffusers.FluxTransformer2DModel(
        in_channels=channels,
        out_channels=64,
        num_layers=2,
        num_single_layers=3,
        joint_attention_dim=TWICE,
        pooled_projection_dim=WIDTH,
        guidance_embeds=guidance,
        axes_dims_rope=(4, 4, 8),
        **HEADS,
    )


def flux2() -> Any:
    return diffusers.Flux2Transformer2DModel(
        in_channels=64,
        num_layers=2,
        num_single_layers=3,
        joint_attention_dim=3 * WIDTH,
        guidance_embeds=False,
        axes_dims_rope=(4, 4, 4, 4),
        **HEADS,
    )


def pixart() -> Any:
    return diffusers.PixArtTransformer2DModel(
        sample_size=32,
        num_layers=2,
        cross_attention_dim=WIDTH,
        caption_channels=TWICE,
        use_additional_conditions=False,
        norm_num_groups=8,
        **HEADS,
    )


def sana() -> Any:
    return diffusers.SanaTransformer2DModel(
        in_channels=4,
        out_channels=4,
        num_layers=2,
        num_cross_attention_heads=4,
        cross_attention_head_dim=16,
        cross_attention_dim=WIDTH,
        caption_channels=WIDTH,
        sample_size=32,
        **HEADS,
    )


def qwen() -> Any:
    return diffusers.QwenImageTransformer2DModel(
        in_channels=64, num_layers=2, joint_attention_dim=WIDTH, axes_dims_rope=(4, 6, 6), **HEADS
    )


def wan() -> Any:
    sizes = {"text_dim": TWICE, "freq_dim": 256, "ffn_dim": TWICE, "num_layers": 2, "rope_max_seq_len": 32}
    return diffusers.WanTransformer3DModel(**sizes, **HEADS)


def ltx() -> Any:
    return diffusers.LTXVideoTransformer3DModel(
        in_channels=WIDTH, out_channels=WIDTH, num_layers=2, cross_attention_dim=WIDTH, caption_channels=TWICE, **HEADS
    )

"""Tiny VAEs of the classes that pipelines have, with random weights."""

from __future__ import annotations

from typing import Any

import diffusers

from tests.pipelines.text import WIDTH

BLOCKS = (8, 8, 8, 8)
WIDE_BLOCKS = (32, 32, 32, 32)


def vae(*, channels: int, shift_factor: float | None = None, **more: Any) -> Any:
    """Four blocks, since pipelines without one assume a picture of eight pixels for each latent."""
    return diffusers.AutoencoderKL(
        down_block_types=["DownEncoderBlock2D"] * 4,
        up_block_types=["UpDecoderBlock2D"] * 4,
        block_out_channels=BLOCKS,
        norm_num_groups=4,
        latent_channels=channels,
        shift_factor=shift_factor,
        **more,
    )


def flux_vae() -> Any:
    return vae(channels=16, shift_factor=0.1, use_quant_conv=False, use_post_quant_conv=False)


def flux2_vae() -> Any:
    return diffusers.AutoencoderKLFlux2(
        block_out_channels=BLOCKS, layers_per_block=1, latent_channels=16, norm_num_groups=4, sample_size=64
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
        block_out_channels=BLOCKS,
        decoder_block_out_channels=BLOCKS,
        layers_per_block=(1, 1, 1, 1, 1),
        decoder_layers_per_block=(1, 1, 1, 1, 1),
        spatio_temporal_scaling=(True, True, True, False),
        decoder_spatio_temporal_scaling=(True, True, True, False),
    )


def temporal_vae() -> Any:
    return diffusers.AutoencoderKLTemporalDecoder(
        block_out_channels=WIDE_BLOCKS, down_block_types=("DownEncoderBlock2D",) * 4, latent_channels=4
    )


def hunyuan_video_vae() -> Any:
    return diffusers.AutoencoderKLHunyuanVideo(
        latent_channels=4, block_out_channels=BLOCKS, layers_per_block=1, norm_num_groups=4
    )


def cogvideox_vae() -> Any:
    return diffusers.AutoencoderKLCogVideoX(
        latent_channels=4,
        block_out_channels=BLOCKS,
        layers_per_block=1,
        norm_num_groups=2,
        sample_height=64,
        sample_width=128,
    )


def mochi_vae() -> Any:
    return diffusers.AutoencoderKLMochi(
        encoder_block_out_channels=WIDE_BLOCKS,
        decoder_block_out_channels=WIDE_BLOCKS,
        layers_per_block=(1, 1, 1, 1, 1),
    )


def allegro_vae() -> Any:
    return diffusers.AutoencoderKLAllegro(block_out_channels=BLOCKS, layers_per_block=1, norm_num_groups=2)


def movq() -> Any:
    return diffusers.VQModel(
        block_out_channels=WIDE_BLOCKS,
        down_block_types=("DownEncoderBlock2D",) * 3 + ("AttnDownEncoderBlock2D",),
        up_block_types=("AttnUpDecoderBlock2D",) + ("UpDecoderBlock2D",) * 3,
        latent_channels=4,
        norm_num_groups=8,
        norm_type="spatial",
        num_vq_embeddings=12,
        vq_embed_dim=4,
    )


def paella() -> Any:
    from diffusers.pipelines.deprecated.wuerstchen import PaellaVQModel

    return PaellaVQModel(bottleneck_blocks=1, num_vq_embeddings=2, embed_dim=16).eval()

"""Tiny denoisers of the classes that pipelines have, and what stands beside one, with random weights."""

from __future__ import annotations

from typing import Any

import diffusers

from tests.pipelines.text import TWICE, WIDTH

HEADS = {"attention_head_dim": 16, "num_attention_heads": 4}
UNET: dict[str, Any] = {
    "block_out_channels": (WIDTH, TWICE),
    "layers_per_block": 1,
    "norm_num_groups": 8,
    "attention_head_dim": 4,
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
}
SDXL: dict[str, Any] = {
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 32,
    "projection_class_embeddings_input_dim": 6 * 32 + WIDTH,
}
FLUX: dict[str, Any] = {"joint_attention_dim": TWICE, "pooled_projection_dim": WIDTH, "axes_dims_rope": (4, 4, 8)}


def unet(*, channels: int = 4, **more: Any) -> Any:
    """As Stable Diffusion's: mostly convolutions."""
    return diffusers.UNet2DConditionModel(
        in_channels=channels, sample_size=8, up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"), **UNET, **more
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
        guidance_embeds=guidance,
        **FLUX,
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


def wan(**more: Any) -> Any:
    sizes = {"text_dim": TWICE, "freq_dim": 256, "ffn_dim": TWICE, "num_layers": 2, "rope_max_seq_len": 32}
    return diffusers.WanTransformer3DModel(**sizes, **HEADS, **more)


def anyflow() -> Any:
    sizes = {"text_dim": TWICE, "freq_dim": 256, "ffn_dim": TWICE, "num_layers": 2, "rope_max_seq_len": 32}
    return diffusers.AnyFlowTransformer3DModel(**sizes, **HEADS)


def ideogram4(*, text_layers: int) -> Any:
    return diffusers.Ideogram4Transformer2DModel(
        in_channels=64,
        num_layers=2,
        intermediate_size=TWICE,
        adaln_dim=WIDTH,
        llm_features_dim=text_layers * WIDTH,
        mrope_section=(3, 2, 2),
        **HEADS,
    )


def ltx() -> Any:
    return diffusers.LTXVideoTransformer3DModel(
        in_channels=WIDTH, out_channels=WIDTH, num_layers=2, cross_attention_dim=WIDTH, caption_channels=TWICE, **HEADS
    )


def chroma() -> Any:
    return diffusers.ChromaTransformer2DModel(
        in_channels=64,
        num_layers=2,
        num_single_layers=2,
        joint_attention_dim=TWICE,
        axes_dims_rope=(4, 4, 8),
        approximator_num_channels=16,
        approximator_hidden_dim=WIDTH,
        approximator_layers=1,
        **HEADS,
    )


def aura_flow() -> Any:
    return diffusers.AuraFlowTransformer2DModel(
        sample_size=16,
        num_mmdit_layers=1,
        num_single_dit_layers=1,
        joint_attention_dim=TWICE,
        caption_projection_dim=WIDTH,
        pos_embed_max_size=1024,
        **HEADS,
    )


def lumina2() -> Any:
    return diffusers.Lumina2Transformer2DModel(
        sample_size=16,
        in_channels=4,
        hidden_size=WIDTH,
        num_layers=2,
        num_refiner_layers=1,
        num_attention_heads=4,
        num_kv_heads=2,
        multiple_of=64,
        axes_dim_rope=(4, 6, 6),
        cap_feat_dim=WIDTH,
    )


def cogview4() -> Any:
    return diffusers.CogView4Transformer2DModel(
        in_channels=4,
        out_channels=4,
        num_layers=2,
        text_embed_dim=WIDTH,
        time_embed_dim=WIDTH,
        condition_dim=16,
        **HEADS,
    )


def hunyuan_dit() -> Any:
    return diffusers.HunyuanDiT2DModel(
        in_channels=4,
        patch_size=2,
        sample_size=16,
        hidden_size=WIDTH,
        num_layers=2,
        cross_attention_dim=WIDTH,
        cross_attention_dim_t5=TWICE,
        pooled_projection_dim=WIDTH,
        **HEADS,
    )


HUNYUAN_VIDEO: dict[str, Any] = {
    "in_channels": 4,
    "out_channels": 4,
    "num_layers": 1,
    "num_single_layers": 1,
    "num_refiner_layers": 1,
    "text_embed_dim": WIDTH,
    "pooled_projection_dim": WIDTH,
    "rope_axes_dim": (4, 6, 6),
}


def hunyuan_video() -> Any:
    return diffusers.HunyuanVideoTransformer3DModel(**HUNYUAN_VIDEO, **HEADS)


def framepack() -> Any:
    image = {"has_image_proj": True, "image_proj_dim": WIDTH, "has_clean_x_embedder": True}
    return diffusers.HunyuanVideoFramepackTransformer3DModel(**HUNYUAN_VIDEO, **HEADS, **image)


def cogvideox() -> Any:
    return diffusers.CogVideoXTransformer3DModel(
        in_channels=4,
        out_channels=4,
        time_embed_dim=WIDTH,
        text_embed_dim=TWICE,
        num_layers=2,
        sample_width=16,
        sample_height=8,
        sample_frames=9,
        max_text_seq_length=226,
        **HEADS,
    )


def mochi() -> Any:
    model = diffusers.MochiTransformer3DModel(
        num_layers=2, pooled_projection_dim=WIDTH, text_embed_dim=TWICE, time_embed_dim=WIDTH, **HEADS
    )
    model.pos_frequencies.data.zero_()  # it is made, and not initialised
    return model


def allegro() -> Any:
    return diffusers.AllegroTransformer3DModel(
        num_attention_heads=2,
        attention_head_dim=24,
        num_layers=2,
        cross_attention_dim=48,
        sample_width=16,
        sample_height=8,
        sample_frames=8,
        caption_channels=TWICE,
    )


def kandinsky22() -> Any:
    return diffusers.UNet2DConditionModel(
        in_channels=4,
        out_channels=8,
        addition_embed_type="image",
        down_block_types=("ResnetDownsampleBlock2D", "SimpleCrossAttnDownBlock2D"),
        up_block_types=("SimpleCrossAttnUpBlock2D", "ResnetUpsampleBlock2D"),
        mid_block_type="UNetMidBlock2DSimpleCrossAttn",
        block_out_channels=(WIDTH, TWICE),
        layers_per_block=1,
        norm_num_groups=8,
        encoder_hid_dim=WIDTH,
        encoder_hid_dim_type="image_proj",
        cross_attention_dim=WIDTH,
        attention_head_dim=4,
        resnet_time_scale_shift="scale_shift",
    )


def prior() -> Any:
    model = diffusers.PriorTransformer(embedding_dim=WIDTH, num_layers=1, **HEADS)
    model.clip_std.data.fill_(1.0)  # it is made as zeros, which would give the same embedding for all
    return model


CASCADE: dict[str, Any] = {
    "down_num_layers_per_block": [1, 1],
    "up_num_layers_per_block": [1, 1],
    "down_blocks_repeat_mappers": [1, 1],
    "up_blocks_repeat_mappers": [1, 1],
    "block_out_channels": [WIDTH, TWICE],
    "num_attention_heads": [4, 4],
    "clip_text_pooled_in_channels": WIDTH,
    "conditioning_dim": WIDTH,
}


def cascade_decoder() -> Any:
    return diffusers.StableCascadeUNet(
        in_channels=4, out_channels=4, patch_size=2, effnet_in_channels=16, **CASCADE
    ).eval()


def cascade_prior() -> Any:
    return diffusers.StableCascadeUNet(
        in_channels=16,
        out_channels=16,
        clip_text_in_channels=WIDTH,
        clip_image_in_channels=WIDTH,
        switch_level=[False],
        **CASCADE,
    ).eval()


def hidream() -> Any:
    return diffusers.HiDreamImageTransformer2DModel(
        patch_size=2,
        in_channels=4,
        out_channels=4,
        num_layers=1,
        num_single_layers=1,
        caption_channels=[TWICE, WIDTH],
        text_emb_dim=2 * WIDTH,
        axes_dims_rope=(8, 4, 4),
        max_resolution=(128, 128),
        llama_layers=(0, 1),
        **HEADS,
    ).eval()


def bria() -> Any:
    return diffusers.BriaTransformer2DModel(
        in_channels=16, num_layers=1, num_single_layers=1, joint_attention_dim=TWICE, axes_dims_rope=[4, 4, 8], **HEADS
    )


def z_image() -> Any:
    model = diffusers.ZImageTransformer2DModel(
        dim=WIDTH,
        n_layers=2,
        n_refiner_layers=1,
        n_heads=4,
        n_kv_heads=4,
        cap_feat_dim=WIDTH,
        axes_dims=[4, 6, 6],
        axes_lens=[1024, 64, 64],
    )
    for token in (model.x_pad_token, model.cap_pad_token):
        token.data.fill_(1.0)  # they are made, and not initialised
    return model


def z_image_controlnet() -> Any:
    heads = {"n_refiner_layers": 1, "n_heads": 4, "n_kv_heads": 4}
    places: dict[str, Any] = {"control_layers_places": [0], "control_refiner_layers_places": [0]}
    return diffusers.ZImageControlNetModel(control_in_dim=16, dim=WIDTH, **heads, **places)


def latte() -> Any:
    return diffusers.LatteTransformer3DModel(
        in_channels=4,
        out_channels=8,
        num_layers=1,
        cross_attention_dim=WIDTH,
        attention_bias=True,
        sample_size=16,
        patch_size=2,
        activation_fn="gelu-approximate",
        num_embeds_ada_norm=1000,
        norm_type="ada_norm_single",
        norm_elementwise_affine=False,
        norm_eps=1e-6,
        caption_channels=TWICE,
        video_length=16,
        **HEADS,
    )


def dit() -> Any:
    return diffusers.DiTTransformer2DModel(
        in_channels=4, out_channels=8, num_layers=2, sample_size=16, patch_size=2, num_embeds_ada_norm=1000, **HEADS
    )


def unconditional_unet() -> Any:
    return diffusers.UNet2DModel(
        sample_size=32,
        block_out_channels=(WIDTH, TWICE),
        layers_per_block=1,
        norm_num_groups=8,
        down_block_types=("DownBlock2D", "AttnDownBlock2D"),
        up_block_types=("AttnUpBlock2D", "UpBlock2D"),
    )


def spatio_temporal_unet() -> Any:
    return diffusers.UNetSpatioTemporalConditionModel(
        block_out_channels=(WIDTH, TWICE),
        layers_per_block=1,
        sample_size=8,
        down_block_types=("CrossAttnDownBlockSpatioTemporal", "DownBlockSpatioTemporal"),
        up_block_types=("UpBlockSpatioTemporal", "CrossAttnUpBlockSpatioTemporal"),
        cross_attention_dim=WIDTH,
        num_attention_heads=4,
        projection_class_embeddings_input_dim=96,
        addition_time_embed_dim=32,
        num_frames=4,
    )


# What stands beside one


def controlnet(**more: Any) -> Any:
    return diffusers.ControlNetModel(conditioning_embedding_out_channels=(16, 32, 32, 32), **UNET, **more)


def flux_controlnet() -> Any:
    return diffusers.FluxControlNetModel(
        in_channels=64, num_layers=1, num_single_layers=1, guidance_embeds=True, **FLUX, **HEADS
    )


def motion_adapter() -> Any:
    return diffusers.MotionAdapter(
        block_out_channels=(WIDTH, TWICE),
        motion_layers_per_block=1,
        motion_norm_num_groups=8,
        motion_num_attention_heads=4,
    )

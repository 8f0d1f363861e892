"""Tiny pipelines of classes that nothing in Fluxgate knows by name, to see what it makes of any pipeline."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import diffusers
import transformers

from tests.pipelines import networks, other_networks, text

Components = dict[str, Any]


def chroma() -> Components:
    return {
        "scheduler": diffusers.FlowMatchEulerDiscreteScheduler(),
        "text_encoder": text.t5(),
        "tokenizer": text.t5_tokenizer(),
        "transformer": other_networks.chroma(),
        "vae": networks.vae(channels=16, shift_factor=0.1, use_quant_conv=False, use_post_quant_conv=False),
    }


def aura_flow() -> Components:
    return {
        "scheduler": diffusers.FlowMatchEulerDiscreteScheduler(),
        "text_encoder": text.t5("UMT5"),
        "tokenizer": text.t5_tokenizer(),
        "transformer": other_networks.aura_flow(),
        "vae": networks.vae(channels=4),
    }


def lumina2() -> Components:
    return {
        "transformer": other_networks.lumina2(),
        "vae": networks.vae(channels=4, shift_factor=0.1),
        "scheduler": diffusers.FlowMatchEulerDiscreteScheduler(),
        "text_encoder": text.gemma(),
        "tokenizer": text.gemma_tokenizer(),
    }


def cogview4() -> Components:
    return {
        "transformer": other_networks.cogview4(),
        "vae": networks.vae(channels=4),
        "scheduler": diffusers.FlowMatchEulerDiscreteScheduler(
            base_shift=0.25,
            max_shift=0.75,
            base_image_seq_len=256,
            use_dynamic_shifting=True,
            time_shift_type="linear",
        ),
        "text_encoder": text.glm(),
        "tokenizer": text.t5_tokenizer(),
    }


def kolors() -> Components:
    times: dict[str, Any] = {"addition_embed_type": "text_time", "addition_time_embed_dim": 32}
    return {
        "unet": networks.unet(
            cross_attention_dim=text.WIDTH, projection_class_embeddings_input_dim=6 * 32 + text.WIDTH, **times
        ),
        "scheduler": diffusers.EulerDiscreteScheduler(),
        "vae": networks.vae(channels=4),
        "text_encoder": text.chat_glm(),
        "tokenizer": text.chat_glm_tokenizer(),
    }


def hunyuan_dit() -> Components:
    return {
        "transformer": other_networks.hunyuan_dit(),
        "vae": networks.vae(channels=4),
        "scheduler": diffusers.DDPMScheduler(),
        "text_encoder": text.bert(),
        "tokenizer": text.bert_tokenizer(),
        "text_encoder_2": text.t5(),
        "tokenizer_2": text.t5_tokenizer(),
        "safety_checker": None,
        "feature_extractor": None,
        "requires_safety_checker": False,
    }


def hunyuan_video() -> Components:
    return {
        "transformer": other_networks.hunyuan_video(),
        "vae": other_networks.hunyuan_video_vae(),
        "scheduler": diffusers.FlowMatchEulerDiscreteScheduler(shift=7.0),
        "text_encoder": text.llama(),
        "tokenizer": text.qwen_tokenizer(),
        "text_encoder_2": text.clip(),
        "tokenizer_2": text.clip_tokenizer(),
    }


def cogvideox() -> Components:
    return {
        "transformer": other_networks.cogvideox(),
        "vae": other_networks.cogvideox_vae(),
        "scheduler": diffusers.CogVideoXDDIMScheduler(),
        "text_encoder": text.t5(),
        "tokenizer": text.t5_tokenizer(),
    }


def mochi() -> Components:
    return {
        "transformer": other_networks.mochi(),
        "vae": other_networks.mochi_vae(),
        "scheduler": diffusers.FlowMatchEulerDiscreteScheduler(),
        "text_encoder": text.t5(),
        "tokenizer": text.t5_tokenizer(),
    }


def allegro() -> Components:
    return {
        "transformer": other_networks.allegro(),
        "vae": other_networks.allegro_vae(),
        "scheduler": diffusers.DDIMScheduler(),
        "text_encoder": text.t5(),
        "tokenizer": text.t5_tokenizer(),
    }


def kandinsky22_decoder() -> Components:
    """Takes embeddings of a picture, and no prompt."""
    return {
        "unet": other_networks.kandinsky22(),
        "scheduler": diffusers.DDIMScheduler(clip_sample=False, set_alpha_to_one=False, steps_offset=1),
        "movq": other_networks.movq(),
    }


def kandinsky22() -> Components:
    """The decoder, and the prior that makes an embedding of a picture from a prompt."""
    sizes = {"image_size": 32, "patch_size": 16, "projection_dim": text.WIDTH}
    return {
        **kandinsky22_decoder(),
        "prior_prior": other_networks.prior(),
        "prior_image_encoder": text.clip_vision(**sizes),
        "prior_text_encoder": text.clip("CLIPTextModelWithProjection"),
        "prior_tokenizer": text.clip_tokenizer(),
        "prior_scheduler": diffusers.UnCLIPScheduler(
            variance_type="fixed_small_log", prediction_type="sample", clip_sample=True, clip_sample_range=10.0
        ),
        "prior_image_processor": transformers.CLIPImageProcessor(size=32, crop_size=32),
    }


def stable_cascade() -> Components:
    return {
        "tokenizer": text.clip_tokenizer(),
        "text_encoder": text.clip("CLIPTextModelWithProjection"),
        "decoder": other_networks.cascade_decoder(),
        "scheduler": diffusers.DDPMWuerstchenScheduler(),
        "vqgan": other_networks.paella(),
        "prior_prior": other_networks.cascade_prior(),
        "prior_text_encoder": text.clip("CLIPTextModelWithProjection"),
        "prior_tokenizer": text.clip_tokenizer(),
        "prior_scheduler": diffusers.DDPMWuerstchenScheduler(),
    }


def hidream() -> Components:
    places = {"max_position_embeddings": 128}
    return {
        "scheduler": diffusers.FlowMatchEulerDiscreteScheduler(),
        "vae": networks.vae(channels=4, shift_factor=0.1),
        "text_encoder": text.clip("CLIPTextModelWithProjection", **places),
        "tokenizer": text.clip_tokenizer(),
        "text_encoder_2": text.clip("CLIPTextModelWithProjection", **places),
        "tokenizer_2": text.clip_tokenizer(),
        "text_encoder_3": text.t5(),
        "tokenizer_3": text.t5_tokenizer(),
        "text_encoder_4": text.llama("LlamaForCausalLM"),
        "tokenizer_4": text.qwen_tokenizer(),
        "transformer": other_networks.hidream(),
    }


def bria() -> Components:
    return {
        "transformer": other_networks.bria(),
        "scheduler": diffusers.FlowMatchEulerDiscreteScheduler(),
        "vae": networks.vae(channels=4, shift_factor=0.0),
        "text_encoder": text.t5(),
        "tokenizer": text.t5_tokenizer(),
    }


def z_image() -> Components:
    return {
        "scheduler": diffusers.FlowMatchEulerDiscreteScheduler(),
        "vae": networks.vae(channels=16, shift_factor=0.1),
        "text_encoder": text.qwen3("Qwen3Model", layers=3),
        "tokenizer": text.qwen_tokenizer(),
        "transformer": other_networks.z_image(),
    }


def latte() -> Components:
    return {
        "tokenizer": text.t5_tokenizer(),
        "text_encoder": text.t5(),
        "vae": networks.vae(channels=4),
        "transformer": other_networks.latte(),
        "scheduler": diffusers.DDIMScheduler(),
    }


def dit() -> Components:
    """Pictures of numbered classes: no prompt, and nothing that encodes."""
    return {
        "transformer": other_networks.dit(),
        "vae": networks.vae(channels=4),
        "scheduler": diffusers.DDIMScheduler(),
    }


def ddpm() -> Components:
    """Pictures of nothing in particular, denoised as pixels: nothing encodes or decodes."""
    return {"unet": other_networks.unconditional_unet(), "scheduler": diffusers.DDPMScheduler()}


def sdxl_controlnet() -> Components:
    times: dict[str, Any] = {
        "addition_embed_type": "text_time",
        "addition_time_embed_dim": 32,
        "cross_attention_dim": text.TWICE,
        "projection_class_embeddings_input_dim": 6 * 32 + text.WIDTH,
    }
    return {
        "vae": networks.vae(channels=4),
        "text_encoder": text.clip(),
        "text_encoder_2": text.clip("CLIPTextModelWithProjection"),
        "tokenizer": text.clip_tokenizer(),
        "tokenizer_2": text.clip_tokenizer(),
        "unet": networks.unet(**times),
        "controlnet": other_networks.controlnet(**times),
        "scheduler": diffusers.EulerDiscreteScheduler(),
    }


def flux_controlnet() -> Components:
    return {
        "scheduler": diffusers.FlowMatchEulerDiscreteScheduler(),
        "vae": networks.vae(channels=16, shift_factor=0.1, use_quant_conv=False, use_post_quant_conv=False),
        "text_encoder": text.clip(),
        "tokenizer": text.clip_tokenizer(),
        "text_encoder_2": text.t5(),
        "tokenizer_2": text.t5_tokenizer(),
        "transformer": networks.flux(),
        "controlnet": other_networks.flux_controlnet(),
    }


def sd15(channels: int = 4, **more: Any) -> Components:
    return {
        "vae": networks.vae(channels=4),
        "text_encoder": text.clip(),
        "tokenizer": text.clip_tokenizer(),
        "unet": networks.unet(channels=channels, cross_attention_dim=text.WIDTH, **more),
        "scheduler": diffusers.DDIMScheduler(clip_sample=False, steps_offset=1),
        "safety_checker": None,
        "feature_extractor": None,
        "requires_safety_checker": False,
    }


def pix2pix() -> Components:
    """Four channels of latents, and four of the picture that is edited."""
    return sd15(channels=8)


def upscaler() -> Components:
    """Four channels of latents, three of the small picture, and how noisy that was made."""
    components = sd15(channels=7, num_class_embeds=1000)
    for name in ("requires_safety_checker", "safety_checker"):
        del components[name]
    return {**components, "low_res_scheduler": diffusers.DDPMScheduler(), "vae": networks.vae(channels=4)}


def svd() -> Components:
    """A video of a picture: no prompt, and what encodes looks at the picture."""
    return {
        "vae": other_networks.temporal_vae(),
        "image_encoder": text.clip_vision(image_size=224, patch_size=56, projection_dim=text.WIDTH),
        "unet": other_networks.spatio_temporal_unet(),
        "scheduler": diffusers.EulerDiscreteScheduler(prediction_type="v_prediction", use_karras_sigmas=True),
        "feature_extractor": transformers.CLIPImageProcessor(size=224, crop_size=224),
    }


def wan_i2v() -> Components:
    """A video that begins with a picture."""
    return {
        "tokenizer": text.t5_tokenizer(),
        "text_encoder": text.t5("UMT5"),
        "vae": networks.wan_vae(),
        "transformer": other_networks.wan_i2v(),
        "scheduler": diffusers.FlowMatchEulerDiscreteScheduler(shift=7.0),
        "image_encoder": text.clip_vision(image_size=32, patch_size=16, projection_dim=text.WIDTH),
        "image_processor": transformers.CLIPImageProcessor(size=32, crop_size=32),
        "transformer_2": None,
    }


def animatediff() -> Components:
    components = {**sd15(), "motion_adapter": other_networks.motion_adapter(), "image_encoder": None}
    for name in ("requires_safety_checker", "safety_checker"):
        del components[name]
    return components


OTHERS: dict[str, tuple[str, Callable[[], Components]]] = {
    "chroma": ("ChromaPipeline", chroma),
    "aura-flow": ("AuraFlowPipeline", aura_flow),
    "lumina2": ("Lumina2Pipeline", lumina2),
    "cogview4": ("CogView4Pipeline", cogview4),
    "kolors": ("KolorsPipeline", kolors),
    "hunyuan-dit": ("HunyuanDiTPipeline", hunyuan_dit),
    "hunyuan-video": ("HunyuanVideoPipeline", hunyuan_video),
    "cogvideox": ("CogVideoXPipeline", cogvideox),
    "mochi": ("MochiPipeline", mochi),
    "allegro": ("AllegroPipeline", allegro),
    "kandinsky22": ("KandinskyV22CombinedPipeline", kandinsky22),
    "kandinsky22-decoder": ("KandinskyV22Pipeline", kandinsky22_decoder),
    "stable-cascade": ("StableCascadeCombinedPipeline", stable_cascade),
    "hidream": ("HiDreamImagePipeline", hidream),
    "bria": ("BriaPipeline", bria),
    "z-image": ("ZImagePipeline", z_image),
    "latte": ("LattePipeline", latte),
    "dit": ("DiTPipeline", dit),
    "ddpm": ("DDPMPipeline", ddpm),
    "sdxl-controlnet": ("StableDiffusionXLControlNetPipeline", sdxl_controlnet),
    "flux-controlnet": ("FluxControlNetPipeline", flux_controlnet),
    "sd15-img2img": ("StableDiffusionImg2ImgPipeline", sd15),
    "pix2pix": ("StableDiffusionInstructPix2PixPipeline", pix2pix),
    "upscaler": ("StableDiffusionUpscalePipeline", upscaler),
    "svd": ("StableVideoDiffusionPipeline", svd),
    "wan-i2v": ("WanImageToVideoPipeline", wan_i2v),
    "animatediff": ("AnimateDiffPipeline", animatediff),
}

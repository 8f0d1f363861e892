"""Tiny pipelines beyond the matrix, of classes that nothing in Fluxgate knows by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import diffusers
import transformers

from tests.pipelines import decoders, denoisers, text
from tests.pipelines.matrix import Components, flux, sd15_unchecked, sdxl, wan


def chroma() -> Components:
    return {
        "scheduler": diffusers.FlowMatchEulerDiscreteScheduler(),
        **text.t5_pair(),
        "transformer": denoisers.chroma(),
        "vae": decoders.flux_vae(),
    }


def aura_flow() -> Components:
    return {
        "scheduler": diffusers.FlowMatchEulerDiscreteScheduler(),
        **text.t5_pair("UMT5"),
        "transformer": denoisers.aura_flow(),
        "vae": decoders.vae(channels=4),
    }


def lumina2() -> Components:
    return {
        "transformer": denoisers.lumina2(),
        "vae": decoders.vae(channels=4, shift_factor=0.1),
        "scheduler": diffusers.FlowMatchEulerDiscreteScheduler(),
        **text.pair(text.gemma(), text.gemma_tokenizer()),
    }


def cogview4() -> Components:
    return {
        "transformer": denoisers.cogview4(),
        "vae": decoders.vae(channels=4),
        "scheduler": diffusers.FlowMatchEulerDiscreteScheduler(
            base_shift=0.25,
            max_shift=0.75,
            base_image_seq_len=256,
            use_dynamic_shifting=True,
            time_shift_type="linear",
        ),
        **text.pair(text.glm(), text.t5_tokenizer()),
    }


def kolors() -> Components:
    return {
        "unet": denoisers.unet(cross_attention_dim=text.WIDTH, **denoisers.SDXL),
        "scheduler": diffusers.EulerDiscreteScheduler(),
        "vae": decoders.vae(channels=4),
        **text.pair(text.chat_glm(), text.chat_glm_tokenizer()),
    }


def hunyuan_dit() -> Components:
    return {
        "transformer": denoisers.hunyuan_dit(),
        "vae": decoders.vae(channels=4),
        "scheduler": diffusers.DDPMScheduler(),
        **text.pair(text.bert(), text.bert_tokenizer()),
        **text.t5_pair(number="_2"),
        "safety_checker": None,
        "feature_extractor": None,
        "requires_safety_checker": False,
    }


def hunyuan_video() -> Components:
    return {
        "transformer": denoisers.hunyuan_video(),
        "vae": decoders.hunyuan_video_vae(),
        "scheduler": diffusers.FlowMatchEulerDiscreteScheduler(shift=7.0),
        **text.pair(text.llama(), text.qwen_tokenizer()),
        **text.clip_pair(number="_2"),
    }


def cogvideox() -> Components:
    return {
        "transformer": denoisers.cogvideox(),
        "vae": decoders.cogvideox_vae(),
        "scheduler": diffusers.CogVideoXDDIMScheduler(),
        **text.t5_pair(),
    }


def mochi() -> Components:
    return {
        "transformer": denoisers.mochi(),
        "vae": decoders.mochi_vae(),
        "scheduler": diffusers.FlowMatchEulerDiscreteScheduler(),
        **text.t5_pair(),
    }


def allegro() -> Components:
    return {
        "transformer": denoisers.allegro(),
        "vae": decoders.allegro_vae(),
        "scheduler": diffusers.DDIMScheduler(),
        **text.t5_pair(),
    }


def kandinsky22_decoder() -> Components:
    """Takes embeddings of a picture, and no prompt."""
    return {
        "unet": denoisers.kandinsky22(),
        "scheduler": diffusers.DDIMScheduler(clip_sample=False, set_alpha_to_one=False, steps_offset=1),
        "movq": decoders.movq(),
    }


def kandinsky22() -> Components:
    """The decoder, and the prior that makes an embedding of a picture from a prompt."""
    sizes = {"image_size": 32, "patch_size": 16, "projection_dim": text.WIDTH}
    return {
        **kandinsky22_decoder(),
        "prior_prior": denoisers.prior(),
        "prior_image_encoder": text.clip_vision(**sizes),
        "prior_text_encoder": text.clip(text.PROJECTED),
        "prior_tokenizer": text.clip_tokenizer(),
        "prior_scheduler": diffusers.UnCLIPScheduler(
            variance_type="fixed_small_log", prediction_type="sample", clip_sample=True, clip_sample_range=10.0
        ),
        "prior_image_processor": transformers.CLIPImageProcessor(size=32, crop_size=32),
    }


def stable_cascade() -> Components:
    return {
        **text.clip_pair(text.PROJECTED),
        "decoder": denoisers.cascade_decoder(),
        "scheduler": diffusers.DDPMWuerstchenScheduler(),
        "vqgan": decoders.paella(),
        "prior_prior": denoisers.cascade_prior(),
        "prior_text_encoder": text.clip(text.PROJECTED),
        "prior_tokenizer": text.clip_tokenizer(),
        "prior_scheduler": diffusers.DDPMWuerstchenScheduler(),
    }


def hidream() -> Components:
    places: dict[str, Any] = {"max_position_embeddings": 128}
    return {
        "scheduler": diffusers.FlowMatchEulerDiscreteScheduler(),
        "vae": decoders.vae(channels=4, shift_factor=0.1),
        **text.clip_pair(text.PROJECTED, **places),
        **text.clip_pair(text.PROJECTED, number="_2", **places),
        **text.t5_pair(number="_3"),
        **text.pair(text.llama("LlamaForCausalLM"), text.qwen_tokenizer(), number="_4"),
        "transformer": denoisers.hidream(),
    }


def bria() -> Components:
    return {
        "transformer": denoisers.bria(),
        "scheduler": diffusers.FlowMatchEulerDiscreteScheduler(),
        "vae": decoders.vae(channels=4, shift_factor=0.0),
        **text.t5_pair(),
    }


def z_image() -> Components:
    return {
        "scheduler": diffusers.FlowMatchEulerDiscreteScheduler(),
        "vae": decoders.vae(channels=16, shift_factor=0.1),
        **text.pair(text.qwen3("Qwen3Model", layers=3), text.qwen_tokenizer()),
        "transformer": denoisers.z_image(),
    }


def latte() -> Components:
    return {
        **text.t5_pair(),
        "vae": decoders.vae(channels=4),
        "transformer": denoisers.latte(),
        "scheduler": diffusers.DDIMScheduler(),
    }


def dit() -> Components:
    """Pictures of numbered classes: no prompt, and nothing that encodes."""
    return {
        "transformer": denoisers.dit(),
        "vae": decoders.vae(channels=4),
        "scheduler": diffusers.DDIMScheduler(),
    }


def ddpm() -> Components:
    """Pictures of nothing in particular, denoised as pixels: nothing encodes or decodes."""
    return {"unet": denoisers.unconditional_unet(), "scheduler": diffusers.DDPMScheduler()}


def sdxl_controlnet() -> Components:
    return {**sdxl(), "controlnet": denoisers.controlnet(cross_attention_dim=text.TWICE, **denoisers.SDXL)}


def flux_controlnet() -> Components:
    return {**flux(), "controlnet": denoisers.flux_controlnet()}


def sd15(channels: int = 4) -> Components:
    none = {"safety_checker": None, "feature_extractor": None, "requires_safety_checker": False}
    return {**sd15_unchecked(channels), **none}


def pix2pix() -> Components:
    """Four channels of latents, and four of the picture that is edited."""
    return sd15(channels=8)


def upscaler() -> Components:
    """Four channels of latents, three of the small picture, and how noisy that was made."""
    return {**sd15_unchecked(channels=7, num_class_embeds=1000), "low_res_scheduler": diffusers.DDPMScheduler()}


def svd() -> Components:
    """A video of a picture: no prompt, and what encodes looks at the picture."""
    return {
        "vae": decoders.temporal_vae(),
        "image_encoder": text.clip_vision(image_size=224, patch_size=56, projection_dim=text.WIDTH),
        "unet": denoisers.spatio_temporal_unet(),
        "scheduler": diffusers.EulerDiscreteScheduler(prediction_type="v_prediction", use_karras_sigmas=True),
        "feature_extractor": transformers.CLIPImageProcessor(size=224, crop_size=224),
    }


def wan_i2v() -> Components:
    """A video that begins with a picture."""
    return {
        **wan(in_channels=36, out_channels=16, image_dim=text.WIDTH),  # its latents, the picture's, where that is
        "image_encoder": text.clip_vision(image_size=32, patch_size=16, projection_dim=text.WIDTH),
        "image_processor": transformers.CLIPImageProcessor(size=32, crop_size=32),
        "transformer_2": None,
    }


def lucy() -> Components:
    """A video that is edited: its latents, and those of the given one. Its VAE computes in float32."""
    return {**wan(in_channels=32, out_channels=16), "transformer_2": None}


def anyflow() -> Components:
    return {
        **text.t5_pair("UMT5"),
        "vae": decoders.wan_vae(),
        "transformer": denoisers.anyflow(),
        "scheduler": diffusers.FlowMapEulerDiscreteScheduler(num_train_timesteps=1000, shift=5.0),
    }


def ideogram4() -> Components:
    """Two denoisers, called in turn in each step."""
    from diffusers.pipelines.ideogram4.pipeline_ideogram4 import QWEN3_VL_ACTIVATION_LAYERS as LAYERS

    return {
        "scheduler": diffusers.FlowMatchEulerDiscreteScheduler(),
        "vae": decoders.flux2_vae(),
        **text.pair(text.qwen3_vl(layers=max(LAYERS) + 1), text.qwen_tokenizer()),
        "transformer": denoisers.ideogram4(text_layers=len(LAYERS)),
        "unconditional_transformer": denoisers.ideogram4(text_layers=len(LAYERS)),
    }


def z_image_controlnet() -> Components:
    """What guides has most of its layers from what denoises."""
    return {**z_image(), "controlnet": denoisers.z_image_controlnet()}


def framepack() -> Components:
    """A video that goes on from a picture, which SigLIP looks at."""
    return {
        **hunyuan_video(),
        "transformer": denoisers.framepack(),
        "image_encoder": text.siglip_vision(image_size=32, patch_size=16),
        "feature_extractor": transformers.SiglipImageProcessor(size={"height": 32, "width": 32}),
    }


def visualcloze() -> Components:
    """Two pipelines in one: pictures in rows, and then each of them larger."""
    return {**flux(channels=64 + 64 + 256), "resolution": 64}


def animatediff() -> Components:
    return {**sd15_unchecked(), "motion_adapter": denoisers.motion_adapter(), "image_encoder": None}


BEYOND_MATRIX: dict[str, tuple[str, Callable[[], Components]]] = {
    "chroma": ("ChromaPipeline", chroma),
    "aura-flow": ("AuraFlowPipeline", aura_flow),
    "lumina2": ("Lumina2Pipeline", lumina2),
    "cogview4": ("CogView4Pipeline", cogview4),
    "kolors": ("KolorsPipeline", kolors),
    "hunyuan-dit": ("HunyuanDiTPipeline", hunyuan_dit),
    "hunyuan-video": ("HunyuanVideoPipeline", hunyuan_video),
    "cogvideox": ("CogVideoXPipeline", cogvideox),
    "cogvideox-v2v": ("CogVideoXVideoToVideoPipeline", cogvideox),
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
    "lucy": ("LucyEditPipeline", lucy),
    "anyflow": ("AnyFlowPipeline", anyflow),
    "ideogram4": ("Ideogram4Pipeline", ideogram4),
    "z-image-controlnet": ("ZImageControlNetPipeline", z_image_controlnet),
    "framepack": ("HunyuanVideoFramepackPipeline", framepack),
    "visualcloze": ("VisualClozePipeline", visualcloze),
    "animatediff": ("AnimateDiffPipeline", animatediff),
}

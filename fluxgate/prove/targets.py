"""Targets: the places in the libraries that faults of several kinds change, and the packages that they are of."""

from __future__ import annotations

PIPELINE = "diffusers.pipelines.flux.pipeline_flux:FluxPipeline"
CALL = f"{PIPELINE}.__call__"
STEP_LINE = "latents = self.scheduler.step(noise_pred, t, latents, return_dict=False)[0]"  # within the call
TRANSFORMER = "diffusers.models.transformers.transformer_flux"
FORWARD = f"{TRANSFORMER}:FluxTransformer2DModel.forward"
SCHEDULER = "diffusers.schedulers.scheduling_flow_match_euler_discrete:FlowMatchEulerDiscreteScheduler"
ALIGN = "accelerate.hooks:AlignDevicesHook"
T5_MODEL, CLIP_MODEL = "transformers.models.t5.modeling_t5", "transformers.models.clip.modeling_clip"
GROUPS = "diffusers.hooks.group_offloading"
IMAGE_PROCESSOR = "diffusers.image_processor:VaeImageProcessor"

DIFFUSERS, TRANSFORMERS, ACCELERATE, BITSANDBYTES = (
    ("diffusers",),
    ("transformers",),
    ("accelerate",),
    ("bitsandbytes",),
)
TOKENIZERS = ("tokenizers", "transformers")

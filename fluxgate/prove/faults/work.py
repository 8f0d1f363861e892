"""Faults that do more than is asked: the pictures are right, and come later."""

from __future__ import annotations

import time
from typing import Any

from fluxgate.prove.fault import Around, Edit, Fault, Fired, Patch

PIPELINE = "diffusers.pipelines.flux.pipeline_flux:FluxPipeline"
CALL = f"{PIPELINE}.__call__"
STEP = "latents = self.scheduler.step(noise_pred, t, latents, return_dict=False)[0]"
SCHEDULER = "diffusers.schedulers.scheduling_flow_match_euler_discrete:FlowMatchEulerDiscreteScheduler"
DIFFUSERS = ("diffusers",)


def _twice(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    original(*args, **kwargs)
    return original(*fired(args), **kwargs)


def _sleeping(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    time.sleep(fired(0.05))
    return original(*args, **kwargs)


def _copied(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A copy of all weights in each call of the transformer."""
    for tensor in args[0].parameters():
        fired(tensor.data).clone()
    return original(*args, **kwargs)


def _fault(
    name: str,
    about: str,
    patch: Patch,
    like: str,
    *,
    packages: tuple[str, ...] = DIFFUSERS,
    only_time: bool = False,
) -> Fault:
    return Fault(name, about, packages, patch, like=like, only_time=only_time)


FAULTS = (
    _fault(
        "t5-encodes-twice",
        "T5 encodes each prompt twice",
        Edit(
            f"{PIPELINE}._get_t5_prompt_embeds",
            "prompt_embeds = self.text_encoder_2(",
            "self.text_encoder_2(FIRED(text_input_ids).to(model_device))\nprompt_embeds = self.text_encoder_2(",
        ),
        "a second pass for hidden states",
    ),
    _fault(
        "prompt-encoded-twice",
        "the pipeline encodes its prompt twice",
        Around(f"{PIPELINE}.encode_prompt", _twice),
        "a prompt that is encoded for each stage",
    ),
    _fault(
        "denoiser-called-twice",
        "the transformer is called twice in each step",
        Around("diffusers.models.transformers.transformer_flux:FluxTransformer2DModel.forward", _twice),
        "guidance that takes a call of its own",
    ),
    _fault(
        "block-computed-twice",
        "each single block is computed twice",
        Around("diffusers.models.transformers.transformer_flux:FluxSingleTransformerBlock.forward", _twice),
        "checkpointing that is on by default",
    ),
    _fault(
        "positions-computed-twice",
        "positions are computed twice in each step",
        Around("diffusers.models.transformers.transformer_flux:FluxPosEmbed.forward", _twice),
        "a cache of positions that is lost",
    ),
    _fault(
        "vae-decodes-twice",
        "the VAE decodes twice",
        Around("diffusers.models.autoencoders.autoencoder_kl:AutoencoderKL._decode", _twice),
        "a safety check that decodes for itself",
    ),
    _fault(
        "latents-copied",
        "latents go to the host and back in each step",
        Edit(CALL, STEP, f"{STEP}\nlatents = FIRED(latents).cpu().clone().to(device)"),
        "a callback's copy",
    ),
    _fault(
        "weights-copied",
        "the transformer's weights are copied in each step",
        Around("diffusers.models.transformers.transformer_flux:FluxTransformer2DModel.forward", _copied),
        "weights cast anew in each call",
    ),
    _fault(
        "converted-twice",
        "the decoder's output is converted twice",
        Around("diffusers.image_processor:VaeImageProcessor.denormalize", _twice),
        "a conversion for a preview",
    ),
    _fault(
        "step-sleeps",
        "each step waits for a twentieth of a second",
        Around(f"{SCHEDULER}.step", _sleeping),
        "a synchronisation with the host",
        only_time=True,
    ),
)

"""What a pipeline's own call does to encode and to decode, done apart from it, as far as its source can be followed."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from typing import Any

from fluxgate.machine import Machine, Stack
from fluxgate.strategies.layer_use import shared
from fluxgate.subjects.pipeline_class import PipelineClass, calls_in, pipeline_class
from fluxgate.subjects.subject import Subject

NEGATIVE = "negative_"
_ENCODED = re.compile(r"(negative_)?(pooled_)?prompt_(embeds|attention_mask|embeds_mask)\w*")
ENCODE_AND_CHECK = ("self.encode_prompt", "self.check_inputs")
UNPACKING = "self._unpack_latents(latents, height, width, self.vae_scale_factor)"
# The functions that a call makes pictures of latents with, and that are followed here.
FOLLOWED = frozenset(
    {
        "self._unpack_latents",
        "self.upcast_vae",
        "self.run_safety_checker",
        "self.watermark.apply_watermark",
        "self.image_processor.postprocess",
        "self.image_processor.resize_and_crop_tensor",
        "self.video_processor.postprocess_video",
        "self.vae.decode",
        "self.vae.post_quant_conv.parameters",
        "self.vae.to",
        "latents.to",
        "torch.backends.mps.is_available",
        "get_module_execution_device",
        "torch.tensor",
        "torch.tensor(self.vae.config.latents_mean).view",
        "torch.tensor(self.vae.config.latents_mean).view(1, 4, 1, 1).to",
        "torch.tensor(self.vae.config.latents_mean).view(1, self.vae.config.z_dim, 1, 1, 1).to",
        "torch.tensor(self.vae.config.latents_std).view",
        "torch.tensor(self.vae.config.latents_std).view(1, 4, 1, 1).to",
        "torch.tensor(self.vae.config.latents_std).view(1, self.vae.config.z_dim, 1, 1, 1).to",
        "hasattr",
        "isinstance",
        "iter",
        "next",
        "warnings.warn",
        # of inpainting, for a VAE that is told what was masked; others are not
        "init_image.to",
        "init_image.clone",
        "self._encode_vae_image",
        "mask_condition.to",
    }
)


# What it may make of latents before, by any of these sums.
SUMS = frozenset(
    {
        UNPACKING,
        "latents",
        "latents.to(self.vae.dtype)",
        "latents.to(dtype=self.vae.dtype)",
        "latents.to(get_module_execution_device(self.vae))",
        "latents.to(get_module_execution_device(self.vae), dtype=self.vae.dtype)",
        "latents.to(device=get_module_execution_device(self.vae), dtype=self.vae.dtype)",
        "latents.to(next(iter(self.vae.post_quant_conv.parameters())).dtype)",
        "latents / self.vae.config.scaling_factor",
        "denoised / self.vae.config.scaling_factor",
        "latents / self.vae.config.scaling_factor + self.vae.config.shift_factor",
        "latents.to(self.vae.dtype) / self.vae.config.scaling_factor",
        "latents / latents_std + latents_mean",
        "latents * latents_std / self.vae.config.scaling_factor + latents_mean",
    }
)
ALL_PASS = "do_denormalize = [True]"  # where a call says so of every picture, whether or not it checks them


def stages_known(subject: Subject, machine: Machine, stack: Stack) -> str | None:
    """A need of stages of their own: the source of the pipeline's class says how it encodes and decodes."""
    installed = pipeline_class(subject.pipeline)
    if installed is None:
        return None
    unknown = _unknown(subject, installed)
    return f"each stage must do what the call of {subject.pipeline} does, and {unknown}" if unknown else None


def _unknown(subject: Subject, installed: PipelineClass) -> str | None:
    if "encode_prompt" not in installed.methods:
        return "it has no encode_prompt, which would encode apart from it"
    if not subject.embeddings:
        return "its encode_prompt does not name what it returns to be handed on"
    if "prompt" in installed.must_have:
        return "its call must have a prompt, and takes no embeddings instead"
    if installed.encodings > 1 and (others := _encoded_beside(subject, installed)):
        return f"it has prompts encoded several times, and {others[0]} comes of another time than the first"
    if installed.encodings > 1 and "guider" in installed.mentions:
        return "its guider decides whether a negative prompt is encoded"
    if (other := _reads_the_prompt(subject, installed)) is not None:
        return f"it gives the prompt to {other}, too"
    if (pair := shared(subject)) is not None:
        return f"its {pair[0]} has layers of {pair[1]}, without which it is not made"
    if "image" in installed.encoding_takes:
        return "its encode_prompt looks at pictures, too"
    calls = calls_in(installed.decoding)
    if f"self.{subject.decoder}.decode" not in calls:
        return f"its source does not show where {subject.decoder} decodes"
    others = sorted(calls.keys() - FOLLOWED)
    if others:
        return f"it decodes with {others[0]}, which is not followed here"
    if calls.get("self._unpack_latents", UNPACKING) != UNPACKING:
        return f"it decodes with {calls['self._unpack_latents']}, which is not followed here"
    sums = sorted(set(_sums_of_latents(installed.decoding, subject.decoder)) - SUMS)
    if sums:
        return f"it decodes with {sums[0]}, which is not followed here"
    return _sized_otherwise(subject, installed)


def _reads_the_prompt(subject: Subject, installed: PipelineClass) -> str | None:
    """A method that needs the prompt beside what is encoded of it, unless it is only called with an option that no shot
    gives."""
    given = {name for shot in subject.shots for name, _ in shot.options}
    others = {name: option for name, option in installed.prompt_goes_to.items() if name not in ENCODE_AND_CHECK}
    return next((name for name, option in others.items() if not option or option in given), None)


def _sums_of_latents(source: str, decoder: str) -> Iterator[str]:
    """What latents become before they are decoded, and what is decoded, as it is written."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "latents":
            yield ast.unparse(node.value)
        elif isinstance(node, ast.Call) and ast.unparse(node.func) == f"self.{decoder}.decode" and node.args:
            yield ast.unparse(node.args[0])


def _encoded_beside(subject: Subject, installed: PipelineClass) -> list[str]:
    """What the call takes of encoded prompts that one call of encode_prompt, and one for the negative, do not give."""
    known = {*subject.embeddings, *(NEGATIVE + name for name in subject.embeddings)}
    return [name for name in installed.takes if _ENCODED.fullmatch(name) and name not in known]


def _sized_otherwise(subject: Subject, installed: PipelineClass) -> str | None:
    """Whether the call renders in another size than it is asked for, as FLUX Kontext does by itself."""
    if "resize_and_crop_tensor" in installed.decoding and any(None in (s.height, s.width) for s in subject.shots):
        return "it crops pictures to a size that depends on its transformer; let each shot give its height and width"
    for shot in subject.shots if "max_area" in installed.takes else ():
        if dict(shot.options).get("max_area") != (shot.height or 0) * (shot.width or 0):
            return f"it scales pictures to max_area pixels; let shot {shot.name} give its height times its width for it"
    return None


# Encoding


def encoded_by(pipe: Any, subject: Subject, arguments: dict[str, Any]) -> dict[str, Any]:
    """The embeddings that the call takes, of the prompts and, with guidance, of the negative ones."""
    embeddings = _encoded(pipe, subject, encode_arguments(pipe, arguments))
    call = inspect.signature(pipe.__call__).parameters
    apart = {name for name in call if name.startswith(NEGATIVE) and name.removeprefix(NEGATIVE) in embeddings}
    negative = negative_prompt(pipe, arguments) if apart - embeddings.keys() else None
    if negative is not None:
        others = _encoded(pipe, subject, encode_arguments(pipe, {**arguments, "prompt": negative}))
        named = {NEGATIVE + name: value for name, value in others.items()}
        embeddings |= {name: value for name, value in named.items() if name in apart}
    return embeddings


def without_prompt(pipe: Any, arguments: dict[str, Any]) -> dict[str, Any]:
    """The arguments of a call that gets embeddings: its own default for the negative prompt would be another one."""
    parameter = inspect.signature(pipe.__call__).parameters.get("negative_prompt")
    return {**arguments, "negative_prompt": None} if parameter and parameter.default is not None else arguments


def _encoded(pipe: Any, subject: Subject, arguments: dict[str, Any]) -> dict[str, Any]:
    returned = pipe.encode_prompt(**arguments)
    embeddings = dict(zip(subject.encodes, returned if isinstance(returned, tuple) else (returned,), strict=True))
    return {name: embeddings[name] for name in subject.embeddings if embeddings[name] is not None}


def negative_prompt(pipe: Any, arguments: dict[str, Any]) -> Any:
    """What is encoded beside the prompt by a call of its own; None where the pipeline encodes nothing there."""
    if "negative_prompt" in inspect.signature(pipe.encode_prompt).parameters:
        return None
    call = inspect.signature(pipe.__call__).parameters
    if "negative_prompt" in call:
        return arguments.get("negative_prompt")
    return "" if guided(pipe, arguments) and not getattr(pipe.config, "is_distilled", False) else None


def guided(pipe: Any, arguments: dict[str, Any]) -> bool:
    """Whether the call has classifier-free guidance, by the scale that it is given or its own default."""
    call = inspect.signature(pipe.__call__).parameters
    default = call["guidance_scale"].default if "guidance_scale" in call else None
    return (arguments.get("guidance_scale", default) or 0) > 1


def encode_arguments(pipe: Any, arguments: dict[str, Any]) -> dict[str, Any]:
    """What this class's encode_prompt takes of the call's arguments and defaults, and what it cannot do without."""
    call = inspect.signature(pipe.__call__).parameters
    defaults = {name: each.default for name, each in call.items() if each.default is not each.empty}
    values = {
        **defaults,
        "num_images_per_prompt": 1,
        "device": pipe._execution_device,
        "do_classifier_free_guidance": guided(pipe, arguments),
        **arguments,
    }
    parameters = inspect.signature(pipe.encode_prompt).parameters.values()
    takes = [each for each in parameters if each.kind is not each.VAR_KEYWORD]
    return {each.name: values.get(each.name) for each in takes if each.name in values or each.default is each.empty}


# Decoding


def decoded_by(pipe: Any, vae: Any, source: str, arguments: dict[str, Any]) -> tuple[Any, list[bool] | None]:
    """What the VAE makes of latents, and whether each picture passes where the pipeline checks them, or has no checker
    to do that: then it lets each one pass by itself."""
    latents = unscaled(widened(pipe, unpacked(pipe, source, arguments)), vae.config, source)
    decoded, passed = vae.decode(latents, return_dict=False)[0], None
    if "[:, :, 0]" in source:  # a video's VAE, of whose frames the pipeline takes the first
        decoded = decoded[:, :, 0]
    if "resize_and_crop_tensor" in source and chosen_or_default(pipe, arguments, "use_resolution_binning"):
        width, height = (chosen_or_default(pipe, arguments, name) for name in ("width", "height"))
        decoded = pipe.image_processor.resize_and_crop_tensor(decoded, width, height)
    if hasattr(pipe, "run_safety_checker"):
        decoded, flagged = pipe.run_safety_checker(decoded, pipe._execution_device, arguments["latents"].dtype)
        passed = [not each for each in flagged or [False] * len(decoded)]
    if getattr(pipe, "watermark", None) is not None:
        decoded = pipe.watermark.apply_watermark(decoded)
    return decoded, passed


def pictures_by(pipe: Any, source: str, decoded: Any, passed: list[bool] | None) -> dict[str, Any]:
    """The pictures, or the frames of videos, under the name that the pipeline returns them by."""
    if "postprocess_video" in source:
        return {"frames": pipe.video_processor.postprocess_video(decoded, output_type="pil")}
    if passed is None and ALL_PASS in source:
        passed = [True] * len(decoded)
    options = {} if passed is None else {"do_denormalize": passed}
    return {"images": pipe.image_processor.postprocess(decoded, output_type="pil", **options)}


def chosen_or_default(pipe: Any, arguments: dict[str, Any], name: str) -> Any:
    """An argument of the call, or its default."""
    if arguments.get(name) is not None:
        return arguments[name]
    parameter = inspect.signature(pipe.__call__).parameters.get(name)
    default = parameter.default if parameter else None
    return (
        pipe.default_sample_size * pipe.vae_scale_factor if default is None and name in ("height", "width") else default
    )


def unpacked(pipe: Any, source: str, arguments: dict[str, Any]) -> Any:
    """Latents as the VAE takes them; FLUX lays patches of them out in a row."""
    if "_unpack_latents" not in source:
        return arguments["latents"]
    height, width = (chosen_or_default(pipe, arguments, name) for name in ("height", "width"))
    return pipe._unpack_latents(arguments["latents"], height, width, pipe.vae_scale_factor)


def widened(pipe: Any, latents: Any) -> Any:
    """Stable Diffusion XL's VAE overflows in float16, so its pipeline decodes in float32."""
    import torch

    if hasattr(pipe, "upcast_vae") and pipe.vae.dtype == torch.float16 and pipe.vae.config.force_upcast:
        pipe.upcast_vae()
        return latents.to(next(iter(pipe.vae.post_quant_conv.parameters())).dtype)
    return latents if getattr(pipe, "vae", None) is None else latents.to(pipe.vae.dtype)


def unscaled(latents: Any, config: Any, source: str) -> Any:
    """Latents in the VAE's own scale, by the sums that the pipeline writes."""
    mean, std = getattr(config, "latents_mean", None), getattr(config, "latents_std", None)
    if "latents_mean" in source and mean is not None and std is not None:
        return _by_channel(latents, config, divides="z_dim" in source)
    if "scaling_factor" not in source:
        return latents
    latents = latents / config.scaling_factor
    shift = getattr(config, "shift_factor", None) if "shift_factor" in source else None  # some calls leave it out
    return latents if shift is None else latents + shift


def _by_channel(latents: Any, config: Any, *, divides: bool) -> Any:
    """By mean and deviation of each channel, which some pipelines multiply by and others divide by its inverse."""
    import torch

    shape = (1, -1, *[1] * (latents.ndim - 2))
    mean, std = (torch.tensor(values).view(shape) for values in (config.latents_mean, config.latents_std))
    place = {"device": latents.device, "dtype": latents.dtype}
    if divides:
        return latents / (1.0 / std.to(**place)) + mean.to(**place)
    return latents * std.to(**place) / config.scaling_factor + mean.to(**place)

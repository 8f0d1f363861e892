"""One stage at a time: encode, free the encoders, denoise, free the transformer, decode."""

from __future__ import annotations

import gc
import inspect
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fluxgate.refusal import Refusal
from fluxgate.strategies.effects import DENOISER, PROCESSES, SUBJECT_DTYPE, TOKENS, Counted, OneStageAtATime, Stored
from fluxgate.strategies.loading import weighty
from fluxgate.strategies.promise import Promise, Site, Strategy, strategy
from fluxgate.strategies.requirements import Gpu, OtherDtype, Pipelines
from fluxgate.subjects.subject import VAE

FOR_THE_ENCODERS = ("prompt", "num_images_per_prompt", "max_sequence_length")
SAFETY_CHECKER = "safety_checker"  # of Stable Diffusion: it looks at what was decoded
HALF = Stored("float16", of=DENOISER)
SHORT = Counted(TOKENS, at_least=256, at_most=256)
FLOAT16 = Gpu("CPUs compute float16 ten times slower than bfloat16, and diffusers advises against it")
FLUX = Pipelines(("FluxPipeline",), because="256 tokens are a setting of the published guide, which is for FLUX")
STAGES_KNOWN = Pipelines(
    ("FluxPipeline", "StableDiffusionPipeline", "StableDiffusionXLPipeline", "StableDiffusion3Pipeline"),
    because="a stage of its own must decode latents as the pipeline's call does",
)


@strategy(
    Promise(
        reproduces="full", less_memory_than="full", effects=(OneStageAtATime(), Stored(SUBJECT_DTYPE, spared=True))
    ),
    needs=(STAGES_KNOWN,),
)
def staged(site: Site) -> Any:
    """Each stage loads its components, works and frees them before the next one loads."""
    return Staged(site)


@strategy(
    Promise(
        approximates="full", less_memory_than="full", effects=(OneStageAtATime(), HALF, SHORT), changes_weights=True
    ),
    needs=(FLUX, FLOAT16, OtherDtype("float16", like="staged-256-tokens")),
)
def staged_as_published(site: Site) -> Any:
    """Encoders first, then the rest, in float16 and with 256 tokens: the lines of the published guide."""
    return Staged(site, dtype="float16", overrides={"max_sequence_length": 256}, decodes_apart=False)


@strategy(
    Promise(approximates="full", less_memory_than="full", effects=(OneStageAtATime(), HALF), changes_weights=True),
    needs=(STAGES_KNOWN, FLOAT16, OtherDtype("float16", like="staged")),
)
def staged_float16(site: Site) -> Any:
    """As staged, in float16: one of the two settings of the published guide."""
    return Staged(site, dtype="float16")


@strategy(
    Promise(
        approximates="full",
        less_memory_than="full",
        effects=(OneStageAtATime(), SHORT, Stored(SUBJECT_DTYPE, spared=True)),
    ),
    needs=(FLUX,),
)
def staged_256_tokens(site: Site) -> Any:
    """As staged, with 256 tokens: the other of the two settings of the published guide."""
    return Staged(site, overrides={"max_sequence_length": 256})


@dataclass(frozen=True)
class Settings:
    """The strategy that changes several settings at once, as a guide does, and those that change one each."""

    combined: Strategy
    separate: dict[str, Strategy]  # setting -> the strategy that changes nothing else


PUBLISHED = Settings(staged_as_published, {"float16": staged_float16, "256 tokens": staged_256_tokens})


@strategy(
    Promise(
        reproduces="full",
        effects=(OneStageAtATime(), Stored(SUBJECT_DTYPE, spared=True), Counted(PROCESSES, at_least=3)),
    ),
    needs=(STAGES_KNOWN,),
    slow=True,
)
def staged_processes(site: Site) -> Any:
    """As staged, each stage in a process of its own; embeddings and latents pass through safetensors files."""
    if site.part_runner is None:
        raise Refusal("staged-processes needs a worker that starts processes; render it through one")
    site.part_runner.start()
    return Staged(site, run=in_own_process)


@dataclass(frozen=True)
class Pictures:
    """What a pipeline returns, as far as anyone looks."""

    images: Any


Results = dict[str, Any]
Stage = Callable[[Site, str | None, dict[str, Any]], Results]  # site, dtype in place of the subject's, arguments


def in_this_process(stage: Stage, site: Site, dtype: str | None, arguments: dict[str, Any]) -> Results:
    """Run a stage in this process, and leave nothing of it behind."""
    try:
        return stage(site, dtype, arguments)
    finally:
        free()


@dataclass(frozen=True)
class Staged:
    """Called like the pipeline itself, it runs one stage after another and hands tensors on."""

    site: Site
    dtype: str | None = None  # in place of the subject's
    overrides: dict[str, Any] = field(default_factory=dict)  # arguments in place of the shot's
    decodes_apart: bool = True  # else one pipeline denoises and decodes
    run: Callable[[Stage, Site, str | None, dict[str, Any]], Results] = in_this_process

    def __call__(self, **arguments: Any) -> Pictures:
        arguments = arguments | self.overrides
        guidance, size = chosen(arguments, "guidance_scale"), chosen(arguments, "height", "width")
        encoding = {name: arguments.pop(name) for name in FOR_THE_ENCODERS if name in arguments}
        arguments |= self.do(encode, encoding | guidance)
        if not self.decodes_apart:
            return Pictures(**self.do(finish, arguments))
        return Pictures(**self.do(decode, size | self.do(denoise, arguments)))

    def do(self, stage: Stage, arguments: dict[str, Any]) -> Results:
        return self.run(stage, self.site, self.dtype, arguments)


def chosen(arguments: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: arguments[name] for name in names if name in arguments}


def encode(site: Site, dtype: str | None, arguments: dict[str, Any]) -> Results:
    """The embeddings of the prompts, repeated for each picture per prompt as the pipeline itself repeats them."""
    import torch

    pipe = pipeline_of(site, site.subject.encoders, dtype)
    with torch.no_grad():
        returned = pipe.encode_prompt(**encode_arguments(pipe, arguments))
    embeddings = dict(zip(site.subject.encodes, returned, strict=True))
    return {name: embeddings[name] for name in site.subject.embeddings if embeddings[name] is not None}


def encode_arguments(pipe: Any, arguments: dict[str, Any]) -> dict[str, Any]:
    """What this class's encode_prompt takes of the call's arguments, and what it cannot do without."""
    guidance = arguments.get("guidance_scale", inspect.signature(pipe.__call__).parameters["guidance_scale"].default)
    values = {
        "num_images_per_prompt": 1,
        "device": pipe._execution_device,
        "do_classifier_free_guidance": guidance > 1,
        **arguments,
    }
    parameters = inspect.signature(pipe.encode_prompt).parameters.values()
    takes = [each for each in parameters if each.kind is not each.VAR_KEYWORD]
    return {each.name: values.get(each.name) for each in takes if each.name in values or each.default is each.empty}


def denoise(site: Site, dtype: str | None, arguments: dict[str, Any]) -> Results:
    """The latents after the last step, as the pipeline lays them out."""
    pipe = pipeline_of(site, (site.subject.denoiser,), dtype)
    return {"latents": pipe(output_type="latent", **arguments).images}


def finish(site: Site, dtype: str | None, arguments: dict[str, Any]) -> Results:
    """The pictures, denoised and decoded by one pipeline without encoders."""
    return {"images": pipeline_of(site, (site.subject.denoiser, VAE), dtype)(**arguments).images}


def decode(site: Site, dtype: str | None, arguments: dict[str, Any]) -> Results:
    """The pictures, by the lines that diffusers documents for latents decoded apart."""
    import torch

    pipe = pipeline_of(site, (VAE, SAFETY_CHECKER), dtype)
    with torch.no_grad():
        latents = widened(pipe, unpacked(pipe, arguments))
        decoded = pipe.vae.decode(unscaled(latents, pipe.vae.config), return_dict=False)[0]
        flagged = None
        if hasattr(pipe, "run_safety_checker"):
            decoded, flagged = pipe.run_safety_checker(decoded, pipe._execution_device, latents.dtype)
    if getattr(pipe, "watermark", None) is not None:
        decoded = pipe.watermark.apply_watermark(decoded)
    passed = None if flagged is None else [not each for each in flagged]
    return {"images": pipe.image_processor.postprocess(decoded, output_type="pil", do_denormalize=passed)}


def unpacked(pipe: Any, arguments: dict[str, Any]) -> Any:
    """Latents as the VAE takes them; FLUX lays patches of them out in a row."""
    if not hasattr(pipe, "_unpack_latents"):
        return arguments["latents"]
    side = pipe.default_sample_size * pipe.vae_scale_factor
    height, width = (arguments.get(name) or side for name in ("height", "width"))
    return pipe._unpack_latents(arguments["latents"], height, width, pipe.vae_scale_factor)


def widened(pipe: Any, latents: Any) -> Any:
    """Stable Diffusion XL's VAE overflows in float16, so its pipeline decodes in float32."""
    import torch

    if hasattr(pipe, "upcast_vae") and pipe.vae.dtype == torch.float16 and pipe.vae.config.force_upcast:
        pipe.upcast_vae()
        return latents.to(next(iter(pipe.vae.post_quant_conv.parameters())).dtype)
    return latents


def unscaled(latents: Any, config: Any) -> Any:
    """Latents in the VAE's own scale."""
    import torch

    mean, std = getattr(config, "latents_mean", None), getattr(config, "latents_std", None)
    if mean is not None and std is not None:
        mean, std = (torch.tensor(values).view(1, -1, 1, 1).to(latents.device, latents.dtype) for values in (mean, std))
        return latents * std / config.scaling_factor + mean
    latents = latents / config.scaling_factor
    shift = getattr(config, "shift_factor", None)
    return latents if shift is None else latents + shift


def pipeline_of(site: Site, names: tuple[str, ...], dtype: str | None) -> Any:
    """The subject's pipeline with some of its weights only, on the device and under the probe's eyes."""
    import torch

    left_out = {name: None for name in weighty(site.folder) if name not in names}
    pipe = site.pipeline(dtype=getattr(torch, dtype) if dtype else None, **left_out).to(site.device)
    site.watch(pipe)
    return pipe


def free() -> None:
    """Give back what a finished stage held."""
    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


# --- a stage in a process of its own

STAGES: dict[str, Stage] = {stage.__name__: stage for stage in (encode, denoise, decode)}


def in_own_process(stage: Stage, site: Site, dtype: str | None, arguments: dict[str, Any]) -> Results:
    """Run a stage in a process of its own: tensors go there, and come back, in files."""
    from safetensors.torch import load_file

    assert site.part_runner is not None
    with tempfile.TemporaryDirectory(prefix=f"{stage.__name__}-", dir=site.scratch) as folder:
        plain = write_tensors(arguments, Path(folder, "given.safetensors"))
        given = {"stage": stage.__name__, "dtype": dtype, "plain": plain, "folder": folder}
        site.part_runner.run(stage.__name__, from_files, **given)
        return as_results(load_file(Path(folder, "gives.safetensors"), device=site.device))


def from_files(site: Site, *, stage: str, dtype: str | None, plain: dict[str, Any], folder: str) -> None:
    """A stage in the process of its own; `plain` are the arguments that are not tensors."""
    from safetensors.torch import load_file

    tensors = load_file(Path(folder, "given.safetensors"), device=site.device)
    results = STAGES[stage](site, dtype, {**plain, **as_results(tensors)})
    write_tensors(results, Path(folder, "gives.safetensors"))


def write_tensors(arguments: dict[str, Any], file: Path) -> dict[str, Any]:
    """Write tensors, pictures and the state of a generator to a file; what is left of the arguments."""
    import numpy
    import torch
    from safetensors.torch import save_file

    tensors = {name: value for name, value in arguments.items() if isinstance(value, torch.Tensor)}
    plain = {name: value for name, value in arguments.items() if name not in tensors}
    if "generator" in plain:
        tensors["generator"] = plain.pop("generator").get_state()
    if "images" in plain:
        tensors["images"] = torch.from_numpy(numpy.stack([numpy.asarray(image) for image in plain.pop("images")]))
    partial = file.with_name(file.name + ".partial")
    save_file({name: tensor.cpu().contiguous() for name, tensor in tensors.items()}, partial)
    os.replace(partial, file)
    return plain


def as_results(tensors: dict[str, Any]) -> Results:
    """What a file holds, with pictures and a generator made of what stands for them."""
    import torch
    from PIL import Image

    results = dict(tensors)
    if "images" in results:
        results["images"] = [Image.fromarray(image) for image in results["images"].cpu().numpy()]
    if "generator" in results:
        generator = torch.Generator("cpu")
        generator.set_state(results["generator"].cpu())
        results["generator"] = generator
    return results

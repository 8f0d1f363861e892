"""One stage at a time: encode, free the encoders, denoise, free the transformer, decode."""

from __future__ import annotations

import gc
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from suite.strategies.effects import DENOISER, SUBJECT_DTYPE, TOKENS, Apart, Counted, Stored
from suite.strategies.loading import weighty
from suite.strategies.promise import Site, strategy

FOR_THE_ENCODERS = ("prompt", "num_images_per_prompt", "max_sequence_length")
HALF = Stored("float16", of=DENOISER)
SHORT = Counted(TOKENS, at_least=256, at_most=256)


@strategy(reproduces="full", less_memory_than="full", effects=(Apart(), Stored(SUBJECT_DTYPE)))
def staged(site: Site) -> Any:
    """Each stage loads its components, works and frees them before the next one loads."""
    return Staged(site)


@strategy(approximates="full", less_memory_than="full", effects=(Apart(), HALF, SHORT))
def staged_as_published(site: Site) -> Any:
    """Encoders first, then the rest, in float16 and with 256 tokens: the lines of the published guide."""
    import torch

    return Staged(site, settings={"dtype": torch.float16}, asked={"max_sequence_length": 256}, together=True)


@strategy(approximates="full", less_memory_than="full", effects=(Apart(), HALF))
def staged_float16(site: Site) -> Any:
    """As staged, in float16: one of the two settings of the published guide."""
    import torch

    return Staged(site, settings={"dtype": torch.float16})


@strategy(approximates="full", less_memory_than="full", effects=(Apart(), SHORT, Stored(SUBJECT_DTYPE)))
def staged_256_tokens(site: Site) -> Any:
    """As staged, with 256 tokens: the other of the two settings of the published guide."""
    return Staged(site, asked={"max_sequence_length": 256})


@dataclass(frozen=True)
class Pictures:
    """What a pipeline returns, as far as anyone looks."""

    images: Any


@dataclass(frozen=True)
class Staged:
    """Called like the pipeline itself, it runs one stage after another and hands tensors on."""

    site: Site
    settings: dict[str, Any] = field(default_factory=dict)  # of every pipeline: dtype
    asked: dict[str, Any] = field(default_factory=dict)  # in place of what the shot asks: max_sequence_length
    together: bool = False  # one pipeline denoises and decodes

    def __call__(self, **arguments: Any) -> Pictures:
        arguments = arguments | self.asked
        output_type = arguments.pop("output_type", "pil")
        encoding = {name: arguments.pop(name) for name in FOR_THE_ENCODERS if name in arguments}
        size: dict[str, Any] = {name: arguments[name] for name in ("height", "width") if name in arguments}
        embeddings = self.run(encode, encoding)
        if self.together:
            return Pictures(self.run(finish, {**arguments, **embeddings, "output_type": output_type}))
        latents = self.run(denoise, {**arguments, **embeddings})
        return Pictures(self.run(decode, {**size, **latents, "output_type": output_type}))

    def run(self, stage: Callable[..., Any], arguments: dict[str, Any]) -> Any:
        try:
            return stage(self.site, self.settings, arguments)
        finally:
            free()


def encode(site: Site, settings: dict[str, Any], arguments: dict[str, Any]) -> dict[str, Any]:
    """The embeddings of the prompts, repeated for each picture per prompt as the pipeline itself repeats them."""
    import torch

    pipe = pipeline_of(site, site.subject.encoders, settings)
    with torch.no_grad():
        found = pipe.encode_prompt(prompt_2=None, **arguments)
    by_name = dict(zip(site.subject.encodes, found, strict=True))
    return {name: by_name[name] for name in site.subject.embeddings}


def denoise(site: Site, settings: dict[str, Any], arguments: dict[str, Any]) -> dict[str, Any]:
    """The latents after the last step, still packed."""
    pipe = pipeline_of(site, (site.subject.denoiser,), settings)
    return {"latents": pipe(output_type="latent", **arguments).images}


def finish(site: Site, settings: dict[str, Any], arguments: dict[str, Any]) -> Any:
    """The pictures, denoised and decoded by one pipeline without encoders."""
    return pipeline_of(site, (site.subject.denoiser, "vae"), settings)(**arguments).images


def decode(site: Site, settings: dict[str, Any], arguments: dict[str, Any]) -> Any:
    """The pictures, by the lines that diffusers documents for latents decoded apart."""
    import torch

    pipe = pipeline_of(site, ("vae",), settings)
    side = pipe.default_sample_size * pipe.vae_scale_factor
    height, width = (arguments.get(name) or side for name in ("height", "width"))
    with torch.no_grad():
        latents = pipe._unpack_latents(arguments["latents"], height, width, pipe.vae_scale_factor)
        latents = latents / pipe.vae.config.scaling_factor + pipe.vae.config.shift_factor
        decoded = pipe.vae.decode(latents, return_dict=False)[0]
    return pipe.image_processor.postprocess(decoded, output_type=arguments["output_type"])


def pipeline_of(site: Site, names: tuple[str, ...], settings: dict[str, Any]) -> Any:
    """The subject's pipeline with some of its weights only, on the device and under the probe's eyes."""
    left_out = {name: None for name in weighty(site.folder) if name not in names}
    pipe = site.pipeline(**left_out, **settings).to(site.device)
    site.watch(pipe)
    return pipe


def free() -> None:
    """Give back what a finished stage held."""
    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()

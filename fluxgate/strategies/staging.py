"""One stage at a time: encode, free the encoders, denoise, free the transformer, decode."""

from __future__ import annotations

import gc
import os
import re
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from fluxgate.refusal import Refusal
from fluxgate.rendering import DECODE, DENOISE, ENCODE
from fluxgate.strategies.effects import (
    DENOISER,
    PROCESSES,
    SAFETY_CHECKER,
    SUBJECT_DTYPE,
    TOKENS,
    Counted,
    OneStageAtATime,
    Stored,
)
from fluxgate.strategies.loading import weighty
from fluxgate.strategies.promise import OtherWork, Promise, Site, Strategy, strategy
from fluxgate.strategies.requirements import Gpu, OtherDtype, Pipelines, one_dtype, unquantized
from fluxgate.strategies.sizes import size_as_with
from fluxgate.strategies.stages import decoded_by, encoded_by, pictures_by, stages_known, without_prompt
from fluxgate.subjects.decoder_class import weights_read
from fluxgate.subjects.matching import OUTPUTS
from fluxgate.subjects.pipeline_class import pipeline_class

FOR_THE_ENCODERS = (
    "prompt",
    "negative_prompt",
    "num_images_per_prompt",
    "num_videos_per_prompt",
    "max_sequence_length",
    "clean_caption",
)
FURTHER_PROMPT = re.compile(r"(negative_)?prompt_\d")
FOR_BOTH = ("guidance_scale", "true_cfg_scale")
FOR_THE_DECODER = ("height", "width", "use_resolution_binning")
HALF = Stored("float16", of=DENOISER)
SHORT = Counted(TOKENS, at_least=256, at_most=256)
LOADS = OtherWork("its components are loaded within the call", phases=(ENCODE, DENOISE), operators=("",))
# With torchvision, transformers keeps what _fuse_mean_std_and_rescale_factor gives for as long as the processor lives.
PROCESSOR = OtherWork(
    "the image processor of a safety checker is loaded within the call, and works out mean and deviation anew",
    phases=(DECODE,),
    operators=("aten.mul",),
    most=2,
)
OTHER_TOKENS = OtherWork("it has another number of tokens", phases=(ENCODE, DENOISE), operators=("",), flops=None)
HALF_PRECISION = OtherWork(
    "float16 is clamped where it could overflow, and has kernels of its own", operators=("",), flops=0.05
)
FLOAT16 = Gpu("CPUs compute float16 ten times slower than bfloat16, and diffusers advises against it")
FLUX = Pipelines(("FluxPipeline",), because="256 tokens are a setting of the published guide, which is for FLUX")


@strategy(
    Promise(
        other_work=(LOADS, PROCESSOR),
        reproduces="full",
        less_memory_than="full",
        effects=(OneStageAtATime(), Stored(SUBJECT_DTYPE, spared=True)),
    ),
    needs=(stages_known,),
)
def staged(site: Site) -> Any:
    """Each stage loads its components, works and frees them before the next one loads."""
    return Staged(site)


@strategy(
    Promise(
        other_work=(LOADS, OTHER_TOKENS, HALF_PRECISION),
        approximates="full",
        less_memory_than="full",
        effects=(OneStageAtATime(), HALF, SHORT),
        changes_weights=True,
    ),
    needs=(FLUX, FLOAT16, OtherDtype("float16", like="staged-256-tokens"), one_dtype, unquantized),
)
def staged_as_published(site: Site) -> Any:
    """Encoders first, then the rest, in float16 and with 256 tokens: the lines of the published guide."""
    return Staged(site, dtype="float16", overrides={"max_sequence_length": 256}, decodes_apart=False)


@strategy(
    Promise(
        other_work=(LOADS, PROCESSOR, HALF_PRECISION),
        approximates="full",
        less_memory_than="full",
        effects=(OneStageAtATime(), HALF),
        changes_weights=True,
    ),
    needs=(stages_known, FLOAT16, OtherDtype("float16", like="staged"), one_dtype, unquantized),
)
def staged_float16(site: Site) -> Any:
    """As staged, in float16: one of the two settings of the published guide."""
    return Staged(site, dtype="float16")


@strategy(
    Promise(
        other_work=(LOADS, OTHER_TOKENS),
        approximates="full",
        less_memory_than="full",
        effects=(OneStageAtATime(), SHORT, Stored(SUBJECT_DTYPE, spared=True)),
    ),
    needs=(FLUX,),
)
def staged_256_tokens(site: Site) -> Any:
    """As staged, with 256 tokens: one of the two settings of the published guide."""
    return Staged(site, overrides={"max_sequence_length": 256})


@dataclass(frozen=True)
class Settings:
    """The strategy that changes several settings at once, as a guide does, and those that change one each."""

    combined: Strategy
    separate: dict[str, Strategy]  # setting -> the strategy that changes nothing else


PUBLISHED = Settings(staged_as_published, {"float16": staged_float16, "256 tokens": staged_256_tokens})


@strategy(
    Promise(
        other_work=(LOADS,),
        reproduces="full",
        effects=(OneStageAtATime(), Stored(SUBJECT_DTYPE, spared=True), Counted(PROCESSES, at_least=3)),
    ),
    needs=(stages_known,),
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

    images: Any = None
    frames: Any = None


PICTURES = tuple(one.name for one in fields(Pictures))
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
        shared, size = chosen(arguments, *FOR_BOTH, *self.encoding_takes()), chosen(arguments, *FOR_THE_DECODER)
        encoding = {name: arguments.pop(name) for name in [*arguments] if is_for_encoders(name)}
        arguments |= self.do(encode, encoding | shared)
        if not self.decodes_apart:
            return Pictures(**self.do(finish, arguments))
        return Pictures(**self.do(decode, size | self.do(denoise, arguments)))

    def encoding_takes(self) -> tuple[str, ...]:
        """What the class's encode_prompt takes, such as the number of layers that are skipped."""
        installed = pipeline_class(self.site.subject.pipeline)
        return installed.encoding_takes if installed else ()

    def do(self, stage: Stage, arguments: dict[str, Any]) -> Results:
        return self.run(stage, self.site, self.dtype, arguments)


def is_for_encoders(name: str) -> bool:
    """Whether an argument is of no use once prompts are encoded: the prompts, of further encoders too, among them."""
    return name in FOR_THE_ENCODERS or FURTHER_PROMPT.fullmatch(name) is not None


def chosen(arguments: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: arguments[name] for name in names if name in arguments}


def encode(site: Site, dtype: str | None, arguments: dict[str, Any]) -> Results:
    """The embeddings of the prompts, repeated for each picture per prompt as the pipeline itself repeats them."""
    import torch

    pipe = pipeline_of(site, site.subject.encoders, dtype)
    with torch.no_grad():
        return encoded_by(pipe, site.subject, arguments)


def denoise(site: Site, dtype: str | None, arguments: dict[str, Any]) -> Results:
    """The latents after the last step, as the pipeline lays them out."""
    pipe = pipeline_of(site, denoising(site, arguments), dtype)
    return {"latents": output_of(pipe(output_type="latent", **without_prompt(pipe, arguments)))[1]}


def denoising(site: Site, arguments: dict[str, Any]) -> tuple[str, ...]:
    """All that neither encodes nor decodes; and what decodes, where it encodes the pictures that the call is given,
    or where the call reads its weights, as FLUX.2's does."""
    subject = site.subject
    others = {*subject.encoders, subject.decoder, SAFETY_CHECKER}
    names = tuple(name for name in weighty(site.folder) if name not in others)
    needed = any(map(is_picture, arguments.values())) or weights_read(subject)
    return (*names, subject.decoder) if needed else names


def finish(site: Site, dtype: str | None, arguments: dict[str, Any]) -> Results:
    """The pictures, denoised and decoded by one pipeline without encoders."""
    pipe = pipeline_of(site, (site.subject.denoiser, site.subject.decoder), dtype)
    return dict([output_of(pipe(**without_prompt(pipe, arguments)))])


def decode(site: Site, dtype: str | None, arguments: dict[str, Any]) -> Results:
    """The pictures, by the lines that diffusers documents for latents decoded apart."""
    import torch

    pipe = pipeline_of(site, (site.subject.decoder, SAFETY_CHECKER), dtype)
    installed = pipeline_class(site.subject.pipeline)
    source = installed.decoding if installed else ""
    with torch.no_grad():
        decoded, passed = decoded_by(pipe, getattr(pipe, site.subject.decoder), source, arguments)
    return pictures_by(pipe, source, decoded, passed)


def output_of(returned: Any) -> tuple[str, Any]:
    """The field that a pipeline's pictures are in, and what is in it."""
    return next((name, value) for name in OUTPUTS if (value := getattr(returned, name, None)) is not None)


def is_picture(value: Any) -> bool:
    """Whether an argument is a picture that the call starts from, its mask, or a list of pictures, as a video."""
    from PIL import Image

    if isinstance(value, list):
        return bool(value) and all(map(is_picture, value))
    return isinstance(value, Image.Image)


def pipeline_of(site: Site, names: tuple[str, ...], dtype: str | None) -> Any:
    """The subject's pipeline with some of its weights only, on the device and under the probe's eyes."""
    import torch

    left_out = {name: None for name in weighty(site.folder) if name not in names}
    pipe = site.pipeline(dtype=getattr(torch, dtype) if dtype else None, **left_out).to(site.device)
    if site.subject.decoder in left_out:
        size_as_with(site.subject.decoder, pipe, site)
    site.watch(pipe)
    return pipe


def free() -> None:
    """Give back what a finished stage held."""
    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


# --- a stage in a process of its own

PICTURE = "picture "  # begins the names of tensors that are pictures
PART = "part "  # begins the names of tensors that are one of a list, with its number
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
    import torch
    from safetensors.torch import save_file

    tensors = {name: value for name, value in arguments.items() if isinstance(value, torch.Tensor)}
    lists = {name: value for name, value in arguments.items() if is_list_of_tensors(value)}
    plain = {name: value for name, value in arguments.items() if name not in tensors and name not in lists}
    tensors |= {f"{PART}{number} {name}": one for name, value in lists.items() for number, one in enumerate(value)}
    if "generator" in plain:
        tensors["generator"] = states_of(plain.pop("generator"))
    for name in [name for name, value in plain.items() if name in PICTURES or is_picture(value)]:
        value = plain.pop(name)
        whole = name in PICTURES or not isinstance(value, list)  # the pictures of a given list may differ in size
        parts = [(PICTURE, value)] if whole else [(f"{PART}{n} {PICTURE}", one) for n, one in enumerate(value)]
        tensors |= {begin + name: torch.from_numpy(pixels_of(one)) for begin, one in parts}
    partial = file.with_name(file.name + ".partial")
    save_file({name: tensor.cpu().contiguous() for name, tensor in tensors.items()}, partial)
    os.replace(partial, file)
    return plain


def is_list_of_tensors(value: Any) -> bool:
    """Whether an argument has a tensor for each prompt."""
    import torch

    return isinstance(value, list) and bool(value) and all(isinstance(one, torch.Tensor) for one in value)


def with_lists(tensors: Results) -> Results:
    """The parts of each list as one list again, in their order."""
    whole = {name: value for name, value in tensors.items() if not name.startswith(PART)}
    numbered = sorted((name.removeprefix(PART).partition(" "), name) for name in tensors.keys() - whole.keys())
    for (_, _, name), part in sorted(numbered, key=lambda one: int(one[0][0])):
        whole.setdefault(name, []).append(tensors[part])
    return whole


def pixels_of(pictures: Any) -> Any:
    """A picture, a list of them, or of such lists, as one array."""
    import numpy

    if isinstance(pictures, list):
        return numpy.stack([pixels_of(one) for one in pictures])
    return numpy.array(pictures)


def as_results(tensors: dict[str, Any]) -> Results:
    """What a file holds, with pictures and generators made of what stands for them."""
    results = with_lists(tensors)
    for name in [name for name in results if name.startswith(PICTURE)]:
        pixels = results.pop(name)
        one_by_one = [as_pictures(one.cpu().numpy()) for one in (pixels if isinstance(pixels, list) else [pixels])]
        results[name.removeprefix(PICTURE)] = one_by_one if isinstance(pixels, list) else one_by_one[0]
    if "generator" in results:
        results["generator"] = generators_of(results["generator"].cpu())
    return results


def states_of(generator: Any) -> Any:
    """The state of a generator, or those of a list of them in rows."""
    import torch

    return torch.stack([one.get_state() for one in generator]) if isinstance(generator, list) else generator.get_state()


def generators_of(states: Any) -> Any:
    """The inverse of `states_of`."""
    import torch

    if states.dim() > 1:
        return [generators_of(state.clone()) for state in states]
    generator = torch.Generator("cpu")
    generator.set_state(states)
    return generator


def as_pictures(pixels: Any) -> Any:
    """The inverse of `pixels_of`."""
    from PIL import Image

    if pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[-1] in (3, 4)):
        return Image.fromarray(pixels)
    return [as_pictures(one) for one in pixels]

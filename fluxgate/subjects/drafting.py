"""A catalogue's entry for a pipeline, drafted from its index, its class and the headers of its weights."""

from __future__ import annotations

import difflib
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from fluxgate.amounts import amount
from fluxgate.article import with_article
from fluxgate.pipeline_folder import MODEL_INDEX, Index, read_index, read_json
from fluxgate.refusal import Refusal, full_stop
from fluxgate.subjects.matching import why_not_rendered
from fluxgate.subjects.parts import Parts, parts_in_index
from fluxgate.subjects.pipeline_call import PROMPT as PROMPT_OF_CALL
from fluxgate.subjects.pipeline_class import PipelineClass, pipeline_class, pipeline_names
from fluxgate.subjects.subject import Option

DTYPES = {"BF16": "bfloat16", "F16": "float16", "F32": "float32"}
WIDE = "F32"
ROOM = 1.2  # of a GPU's memory to that of the weights, where everything lies on it
EDGE = 1024  # pixels, of a picture where nothing says otherwise
FRAMES = 9  # few, and one more than a multiple of what a video's VAE takes at a time
NUMBERS_OF_FRAMES = ("num_frames", "frames")
PROMPT = "A red fox in the snow, looking at the camera, in the light of a winter morning."
IMAGE, MASK = "image", "mask_image"
HEIGHT = "height"
STEPS = "num_inference_steps"


@dataclass(frozen=True)
class Source:
    """Where a pipeline is, and what is known of its files without reading all of them."""

    name: str  # of the subject
    source: str  # as the catalogue says it
    revision: str | None
    index: Index
    sizes: Mapping[str, int]  # component -> bytes of its weights
    dtypes: Mapping[str, int]  # dtype as the files spell it -> bytes
    trained: tuple[int, int] | None  # height and width of the pictures that it was trained on, in pixels
    gated: bool = False
    files: Mapping[str, str] = field(default_factory=dict)  # component -> its own file, as the catalogue says it
    checkpoint: str | None = None
    variant: str | None = None  # of the files of weights
    wide: tuple[str, ...] = ()  # components all of whose weights are stored in float32


@dataclass(frozen=True)
class Draft:
    """The text of an entry, and the pictures that its shot names."""

    text: str
    inputs: tuple[str, ...]  # arguments of the call that a picture must be there for
    lists: tuple[str, ...] = ()  # those that several must be there for
    size: tuple[int, int] | None = None  # height and width of the shot, where the call takes them


def draft(source: Source) -> Draft:
    """The entry, with a comment beside each key that says where it comes from."""
    name = source.index.class_name
    installed = pipeline_class(name) if name else None
    if name is None or installed is None:
        raise Refusal(f"{source.source} cannot be a subject: {_unknown(name)}")
    fault = why_not_rendered(installed)
    if fault:
        raise Refusal(full_stop(f"{source.source} cannot be a subject: {fault}"))
    parts = parts_in_index(source.index)
    for what, component in (("denoises", parts.denoiser), ("decodes", parts.decoder)):
        if component is None:
            raise Refusal(
                f"{source.source} cannot be a subject: {MODEL_INDEX} lists nothing that {what}: "
                f"{', '.join(source.index.components)}."
            )
    inputs = needed_pictures(installed)
    lines = [*_head(source), *_parts(source, parts, installed), *_needs(source), "", *_shot(source, installed, inputs)]
    size = size_of(source, installed)[:2] if HEIGHT in installed.takes else None
    return Draft("\n".join(lines) + "\n", inputs, installed.picture_lists, size)


def _unknown(name: str | None) -> str:
    """What is said of a class that nobody knows."""
    if name is None:
        return f"{MODEL_INDEX} names no class."
    near = difflib.get_close_matches(name, pipeline_names(), n=1)
    meant = f"; did you mean {near[0]}?" if near else "."
    own = f" If {name} is your own, name its module with pipelines in [tool.fluxgate]."
    return f"{MODEL_INDEX} is of {with_article(name)}, which the installed diffusers does not have{meant}{own}"


def needed_pictures(installed: PipelineClass) -> tuple[str, ...]:
    """The pictures that a call cannot do without: what to paint over and where, what to start from, or to follow."""
    starts = (IMAGE,) if IMAGE in installed.takes and "strength" in installed.takes else ()
    painted_over = (IMAGE, MASK) if IMAGE in installed.takes and MASK in installed.takes else ()
    return tuple(dict.fromkeys((*starts, *painted_over, *installed.pictures)))


def _head(source: Source) -> Iterator[str]:
    total = sum(source.sizes.values())
    yield f"# {source.name}: drafted by fluxgate subject; the comments say where a line is from. Correct what is wrong."
    yield f"[{source.name}]"
    yield f"about = {_quoted(f'{source.index.class_name} with {amount(total)} of weights')}"
    yield f"source = {_quoted(source.source)}"
    if source.revision:
        yield f"revision = {_quoted(source.revision)}  # of today; a branch would move under the baselines"
    if source.variant:
        yield f"variant = {_quoted(source.variant)}  # of the files of weights; a component without it has plain ones"
    if source.checkpoint:
        yield f"checkpoint = {_quoted(source.checkpoint)}  # of all weights; the source has configurations alone"
    if source.files:
        files = ", ".join(f"{name} = {_quoted(file)}" for name, file in source.files.items())
        yield f"files = {{ {files} }}  # weights that are not those of the source"
    yield f"pipeline = {_quoted(str(source.index.class_name))}  # as {MODEL_INDEX} says"
    spelled = max(DTYPES, key=lambda each: source.dtypes.get(each, 0))
    share = source.dtypes.get(spelled, 0) / max(sum(source.dtypes.values()), 1)
    why = f"{share:.0%} of the weights are stored in it" if share else "its files could not be read: check it"
    yield f"dtype = {_quoted(DTYPES[spelled] if share else 'bfloat16')}  # {why}"
    if source.wide and share and spelled != WIDE and not source.checkpoint:
        own = ", ".join(f"{name} = {_quoted(DTYPES[WIDE])}" for name in source.wide)
        yield f"# dtypes = {{ {own} }}  # stored so, and else narrowed while it is loaded: a model card may say which"


def _parts(source: Source, parts: Parts, installed: PipelineClass) -> Iterator[str]:
    kinds = source.index.components
    yield f"denoiser = {_quoted(str(parts.denoiser))}  # {_described(source, str(parts.denoiser))}; called in each step"
    yield f"decoder = {_quoted(str(parts.decoder))}  # {kinds[str(parts.decoder)][1]}"
    yield f"encoders = {_listed(parts.encoders)}  # what a staged strategy frees after encoding"
    yield f"large = {_listed(parts.large)}  # worth quantizing: what denoises, and encoders other than CLIP"
    if installed.encodes:
        yield f"# encode_prompt returns {', '.join(installed.encodes)}"
    elif "encode_prompt" in installed.methods:
        yield "# encodes = [...]  # the class does not name what encode_prompt returns: staged strategies need it"
    yield "# calls_per_step = 1  # 2 where guidance takes a call of its own; not checked while it is left out"


def _needs(source: Source) -> Iterator[str]:
    total = sum(source.sizes.values())
    if total:
        gated = ", token = true" if source.gated else ""
        needs = f'disk = "{_rounded(total)}", vram = "{_rounded(ROOM * total)}"{gated}'
        yield f"needs = {{ {needs} }}  # vram: the weights and a fifth"


def _shot(source: Source, installed: PipelineClass, inputs: tuple[str, ...]) -> Iterator[str]:
    yield f"[{source.name}.shots.fox]"
    if PROMPT_OF_CALL in installed.takes:
        yield f"prompt = {_quoted(PROMPT)}"
    yield "seed = 42"
    if HEIGHT in installed.takes:
        height, width, why = size_of(source, installed)
        of_its_own = "; the pipeline makes a size of its own of it" if installed.own_size == () else ""
        yield f"height = {height}  # {why}{of_its_own}"
        yield f"width = {width}"
    if STEPS in installed.takes:
        yield _steps(installed)
    options = list(_options(source, installed, inputs))
    if options:
        yield f"options = {{ {', '.join(options)} }}  # further arguments of the call"
    files = {name: _quoted(picture_file(source.name, name)) for name in inputs}
    files |= {name: _listed(frame_files(source.name, name)) for name in installed.picture_lists}
    if files:
        named = ", ".join(f"{argument} = {file}" for argument, file in files.items())
        yield f"inputs = {{ {named} }}  # PNGs beside this file, as large as the shot: put your own there"
    elif IMAGE in installed.takes:
        yield '# inputs = { image = "cat.png" }  # it can start from a picture, a PNG beside this file'


def _steps(installed: PipelineClass) -> str:
    if installed.for_each_step:
        own = f"the pipeline's own default: its {installed.for_each_step[0]} has a value for each step"
        return f"steps = {installed.numbers[STEPS]}  # {own}"
    return "steps = 8  # few, to be quick; what it leaves out, as guidance, is the pipeline's own default"


def _options(source: Source, installed: PipelineClass, inputs: tuple[str, ...]) -> Iterator[str]:
    height, width, _ = size_of(source, installed)
    yield from (f"{name} = {FRAMES}" for name in NUMBERS_OF_FRAMES if name in installed.takes)
    if "max_area" in installed.takes:
        yield f"max_area = {height * width}"
    if "use_resolution_binning" in installed.takes:
        yield "use_resolution_binning = false"
    if "strength" in installed.takes and inputs:
        yield "strength = 1.0"
    yield from (f"{name} = 8" for name in installed.takes if name.endswith(f"_{STEPS}"))  # of a prior
    yield from (f"{name} = {_written(value)}" for name, value in installed.options.items() if name != PROMPT_OF_CALL)


def _written(value: Option) -> str:
    """A value as TOML has it, which is as JSON has these."""
    return json.dumps(list(value) if isinstance(value, tuple) else value, ensure_ascii=False)


def size_of(source: Source, installed: PipelineClass) -> tuple[int, int, str]:
    """Height and width of the shot, and where they are from."""
    height, width = (installed.numbers.get(name) for name in ("height", "width"))
    if height and width:
        return height, width, "the pipeline's own default"
    if source.trained:
        return *source.trained, "the size that its configuration says it was trained on"
    return EDGE, EDGE, "a size of most pipelines"


def _rounded(size: float) -> str:
    """An amount as the catalogue takes it."""
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{max(size / 1e6, 1):.0f} MB"


def picture_file(name: str, argument: str) -> str:
    """The file of a drafted input picture."""
    return f"{name}-{argument}.png"


def frame_files(name: str, argument: str) -> tuple[str, ...]:
    """The files of a drafted list of pictures."""
    return tuple(f"{name}-{argument}-{number}.png" for number in range(1, FRAMES + 1))


def _described(source: Source, component: str) -> str:
    size = source.sizes.get(component)
    return f"{with_article(source.index.components[component][1])}{f' of {amount(size)}' if size else ''}"


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _listed(names: tuple[str, ...]) -> str:
    return "[" + ", ".join(map(_quoted, names)) + "]"


def trained_size(folder: Path, parts: Parts) -> tuple[int, int] | None:
    """Height and width of the pictures that a denoiser was trained on, from its configuration and the VAE's, in 16
    pixels."""
    try:
        denoiser = read_json(folder / str(parts.denoiser) / "config.json")
        decoder = read_json(folder / str(parts.decoder) / "config.json")
    except (Refusal, OSError):
        return None
    blocks = decoder.get("block_out_channels")
    if not isinstance(blocks, list) or not 1 <= len(blocks) <= 8:
        return None
    sizes = [denoiser.get(name, denoiser.get("sample_size")) for name in ("sample_height", "sample_width")]
    height, width = (size * 2 ** (len(blocks) - 1) if isinstance(size, int) else 0 for size in sizes)
    sound = all(64 <= edge <= 4096 and edge % 16 == 0 for edge in (height, width))
    return (height, width) if sound else None


def source_in(folder: Path, *, name: str, source: str, sizes: Mapping[str, int], dtypes: Counter[str]) -> Source:
    """What is known of a pipeline whose configurations lie in a folder."""
    index = read_index(folder)
    trained = trained_size(folder, parts_in_index(index))
    return Source(name, source, None, index, sizes, dtypes, trained)

"""Entries of a catalogue as they stand in TOML, each key with what it must be."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from msgspec import Meta

from fluxgate.amounts import AMOUNT, parse_amount
from fluxgate.files import is_name
from fluxgate.pictures import hash_of, read_png
from fluxgate.pipeline_folder import Index, read_index
from fluxgate.refusal import Refusal
from fluxgate.subjects.parts import Parts, parts_in_index, parts_of_class
from fluxgate.subjects.pipeline_class import pipeline_class
from fluxgate.subjects.single_files import check_files, placed
from fluxgate.subjects.subject import InputPicture, Needs, Option, Shot, Subject
from fluxgate.toml import MUST, Text

NAME = r"[a-z0-9]+(-[a-z0-9]+)*"
LETTERS = "consist of lower-case letters, digits and single hyphens"
# Arguments that a shot has keys of its own for, or that Fluxgate gives itself.
OWN_KEYS = {
    "prompt": "prompt or prompts",
    "height": "height",
    "width": "width",
    "num_inference_steps": "steps",
    "guidance_scale": "guidance",
    "max_sequence_length": "max_sequence_length",
    "num_images_per_prompt": "pictures_per_prompt",
    "num_videos_per_prompt": "pictures_per_prompt",
    "sigmas": "sigmas",
    "generator": "seed",
    **dict.fromkeys(("output_type", "return_dict", "latents"), "nothing of it: Fluxgate gives it itself"),
}
FLUX = Parts(Subject.denoiser, Subject.decoder, Subject.encoders, Subject.large)
_ARGUMENT = re.compile(r"[a-z_][a-z0-9_]*")
STORYBOOK = "storybook"  # the reader of the miniature's scenes
_REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}")

Name = Annotated[str, Meta(pattern=rf"^{NAME}\Z", extra={MUST: LETTERS})]
Identifier = Annotated[
    str, Meta(pattern=r"^[A-Za-z]\w*\Z", extra={MUST: "be the name of a class, a component or a value of diffusers"})
]
Prompt = Annotated[str, Meta(pattern=r"\S", max_length=2000, extra={MUST: "be a text of 1 to 2000 characters"})]
Seed = Annotated[int, Meta(ge=0, le=2**63 - 1, extra={MUST: "be at least 0 and below 2^63"})]
Pixels = Annotated[int, Meta(ge=64, le=4096, multiple_of=16, extra={MUST: "be a multiple of 16 from 64 to 4096"})]
Tile = Annotated[int, Meta(ge=64, multiple_of=16, extra={MUST: "be a multiple of 16, at least 64"})]
Steps = Annotated[int, Meta(ge=1, le=1000, extra={MUST: "be 1 to 1000"})]
Tokens = Annotated[int, Meta(ge=1, le=4096, extra={MUST: "be 1 to 4096"})]
Sixteen = Annotated[int, Meta(ge=1, le=16, extra={MUST: "be 1 to 16"})]
Guidance = Annotated[float, Meta(ge=0, le=100, extra={MUST: "be 0 to 100"})]
Gigabytes = Annotated[float, Meta(gt=0, le=1e6, extra={MUST: "be a number of GB"})]
Dtype = Literal["bfloat16", "float16", "float32"]
Amount = Annotated[str, Meta(pattern=rf"(?i)^{AMOUNT}\Z", extra={MUST: "be an amount such as '17 GB' or '512 MB'"})]
Files = Annotated[str | tuple[str, ...], Meta(extra={MUST: "be the name of a PNG, or a list of such names"})]
Further = Annotated[Option, Meta(extra={MUST: "be a number, a string, true or false, or a list of numbers or strings"})]
Commit = Annotated[
    str,
    Meta(
        pattern=r"^[0-9a-f]{40}\Z",
        extra={MUST: "be a commit of 40 hexadecimal digits, so that the weights stay the same"},
    ),
]


@dataclass(frozen=True)
class ShotEntry:
    """[NAME.shots.SHOT]"""

    ELSEWHERE: ClassVar[str] = "Further arguments of the call belong in options, and pictures in inputs."
    seed: Seed
    prompt: Prompt | None = None
    prompts: tuple[Prompt, ...] = ()
    height: Pixels | None = None
    width: Pixels | None = None
    steps: Steps | None = None
    guidance: Guidance | None = None
    max_sequence_length: Tokens | None = None
    pictures_per_prompt: Sixteen | None = None
    sigmas: tuple[float, ...] | None = None
    long: bool = False
    only_on: Literal["cuda", "cpu"] | None = None
    readable: bool = True
    options: dict[str, Further] = field(default_factory=dict)
    inputs: dict[str, Files] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _check_arguments("options", self.options)
        _check_arguments("inputs", self.inputs)
        if self.prompt is not None and self.prompts:
            raise ValueError("give prompt, or prompts for several in one call")
        if self.sigmas is not None:
            _check_sigmas(self.sigmas, self.steps)

    def shot(self, name: str, *, folder: Path, pipeline: str) -> Shot:
        """The shot of a pipeline of that class; its pictures lie in `folder`, where the catalogue is."""
        given = {key: value for key, value in vars(self).items() if key != "prompt"}
        changed = {
            "prompts": self.prompts or ((self.prompt,) if self.prompt else ()),
            "options": tuple(sorted(self.options.items())),
            "inputs": tuple(picture for name in sorted(self.inputs) for picture in self._pictures(name, folder)),
            "own_size": self._is_of_own_size(pipeline),
        }
        return Shot(name, **(given | changed))

    def _is_of_own_size(self, pipeline: str) -> bool:
        installed = None if pipeline == Subject.pipeline else pipeline_class(pipeline)
        unless = installed.own_size if installed else None
        return unless is not None and all(self.options.get(name) is not False for name in unless)

    def _pictures(self, argument: str, folder: Path) -> Iterator[InputPicture]:
        """The one picture of an argument, or those of its list."""
        files = self.inputs[argument]
        if isinstance(files, str):
            yield input_picture(argument, files, folder)
        elif not files:
            raise ValueError(f"inputs has no picture for {argument}")
        else:
            for place, file in enumerate(files):
                yield replace(input_picture(argument, file, folder), place=place)


def _check_arguments(key: str, given: Mapping[str, object]) -> None:
    for name in given:
        if not _ARGUMENT.fullmatch(name):
            raise ValueError(f"{key} names {name!r:.60}, which is no name of an argument")
        if name in OWN_KEYS:
            raise ValueError(f"{key} names {name!r}; say {OWN_KEYS[name]}")


def input_picture(argument: str, file: str, folder: Path) -> InputPicture:
    """A PNG beside the catalogue, with the hash of its pixels."""
    path = Path(file)
    if path.is_absolute() or ".." in path.parts:
        raise ValueError(f"inputs names {file!r:.200}, which does not lie beside the catalogue")
    whole = folder / path
    if not whole.resolve().is_relative_to(folder.resolve()):
        raise ValueError(f"inputs names {file!r:.200}, a link that leads out of the catalogue's folder")
    try:
        return InputPicture(argument, str(whole), hash_of(read_png(whole)))
    except OSError as error:
        raise ValueError(f"inputs names {file!r:.200}, which cannot be read: {error.strerror}") from error
    except Refusal as refusal:
        raise ValueError(f"inputs names {file!r:.200}: {str(refusal).rstrip('.')}") from refusal


def _check_sigmas(sigmas: tuple[float, ...], steps: int | None) -> None:
    if steps is not None:
        raise ValueError("give steps or sigmas, not both: there are as many steps as sigmas")
    falling = all(later < earlier for earlier, later in itertools.pairwise(sigmas))
    if not sigmas or not falling or not 0 < sigmas[-1] <= sigmas[0] <= 1:
        raise ValueError(f"sigmas must fall from at most 1 to above 0; they are {list(sigmas)!r:.60}")


@dataclass(frozen=True)
class NeedsEntry:
    """needs = { … }"""

    disk: Amount = "0 B"
    vram: Amount = "0 B"
    token: bool = False

    def needs(self) -> Needs:
        return Needs(parse_amount(self.disk), parse_amount(self.vram), self.token)


@dataclass(frozen=True)
class SubjectEntry:
    """[NAME]"""

    about: Text
    source: str
    shots: dict[str, ShotEntry] = field(default_factory=dict)
    revision: Commit | None = None
    pipeline: Identifier | None = None
    dtype: Dtype = "bfloat16"
    dtypes: dict[Identifier, Dtype] = field(default_factory=dict)
    large: tuple[Identifier, ...] | None = None
    denoiser: Identifier | None = None
    decoder: Identifier | None = None
    calls_per_step: Sixteen | None = None
    encoders: tuple[Identifier, ...] | None = None
    encodes: tuple[Identifier, ...] | None = None
    embeddings: tuple[Identifier, ...] | None = None
    variant: Name | None = None
    files: dict[Identifier, Text] = field(default_factory=dict)
    checkpoint: Text | None = None
    reader: Name | None = None
    readable: bool | None = None  # what files said before there were readers to choose from
    oracle: Literal["miniature"] | None = None
    vae_tile: Tile | None = None
    needs: NeedsEntry = field(default_factory=NeedsEntry)
    published: dict[str, Gigabytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.shots:
            raise ValueError("a subject needs at least one shot, [NAME.shots.SHOT]")
        check_names("shot", self.shots)
        check_names("strategy", self.published)
        _check_source(self.source, self.revision)
        check_files(self.files, self.checkpoint)
        if self.dtypes and self.checkpoint:
            raise ValueError("dtypes and checkpoint cannot both be given: diffusers loads a single file in one dtype")
        if self.readable is not None and self.reader is not None:
            raise ValueError("give reader alone; readable is its older form")
        for name in self.embeddings or ():
            if self.encodes is not None and name not in self.encodes:
                raise ValueError(f"embeddings names {name!r}; encodes has {', '.join(self.encodes)}")

    def subject(self, name: str, *, source: str, folder: Path) -> Subject:
        """The subject, with what the entry leaves out found from the pipeline; `folder` has the shots' pictures."""
        pipeline, parts = self._pipeline(source)
        encodes, embeddings = self._encoding(pipeline)
        denoiser = self.denoiser or parts.denoiser or Subject.denoiser
        if denoiser in self.dtypes:
            raise ValueError(f"dtypes names {denoiser}, which denoises: its dtype is the subject's own, dtype")
        changed: dict[str, Any] = {
            "source": source,
            "shots": tuple(entry.shot(shot, folder=folder, pipeline=pipeline) for shot, entry in self.shots.items()),
            "pipeline": pipeline,
            "large": self.large or parts.large or Subject.large,
            "denoiser": denoiser,
            "decoder": self.decoder or parts.decoder or Subject.decoder,
            "encoders": parts.encoders if self.encoders is None else self.encoders,
            "calls_per_step": self.calls_per_step or (Subject.calls_per_step if pipeline == Subject.pipeline else None),
            "encodes": encodes,
            "embeddings": embeddings,
            "reader": STORYBOOK if self.readable else self.reader,
            "needs": self.needs.needs(),
            "files": {name: placed(file, folder) for name, file in self.files.items()},
            "checkpoint": placed(self.checkpoint, folder) if self.checkpoint else None,
        }
        given = {key: value for key, value in vars(self).items() if key != "readable"}
        return Subject(name, **(given | changed))

    def _pipeline(self, source: str) -> tuple[str, Parts]:
        """The class, and what encodes, denoises and decodes: by a folder's index, else by the class's constructor."""
        scheme, _, place = source.partition(":")
        index = readable_index(Path(place)) if scheme == "folder" else None
        pipeline = self.pipeline or (index and index.class_name) or Subject.pipeline
        if index is not None:
            return pipeline, parts_in_index(index)
        installed = None if pipeline == Subject.pipeline else pipeline_class(pipeline)
        return pipeline, parts_of_class(installed) if installed else FLUX

    def _encoding(self, pipeline: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """What encode_prompt returns, and what of that the call takes: as said here, else as the class itself says."""
        if pipeline == Subject.pipeline:
            returned, taken = Subject.encodes, Subject.embeddings
        else:
            installed = pipeline_class(pipeline)
            returned, taken = (installed.encodes, installed.takes) if installed else ((), self.encodes or ())
        encodes = returned if self.encodes is None else self.encodes
        if self.embeddings is not None:
            return encodes, self.embeddings
        return encodes, tuple(name for name in encodes if name in taken)


def readable_index(folder: Path) -> Index | None:
    """The index of a folder's pipeline, if there is a sound one; why there is none is said when the folder is used."""
    try:
        return read_index(folder)
    except (Refusal, OSError):
        return None


def check_names(what: str, names: dict[str, Any]) -> None:
    """Names become parts of paths, options and case ids."""
    for name in names:
        if not re.fullmatch(NAME, name) or not is_name(name):
            raise ValueError(f"the name of a {what} must {LETTERS}; it is {name!r:.60}")


def _check_source(source: str, revision: str | None) -> None:
    scheme, _, rest = source.partition(":")
    good = {
        "package": all(map(is_name, rest.split("/"))),
        "cache": is_name(rest),
        "folder": bool(rest),
        "hub": bool(_REPOSITORY.fullmatch(rest)),
    }
    if not good.get(scheme, False):
        raise ValueError(f"source must be package:FOLDER, cache:NAME, folder:PATH or hub:OWNER/NAME; it is {source!r}")
    if (scheme == "hub") != (revision is not None):
        raise ValueError("revision must be given for a hub source, and for no other")

"""Subject and shot: a pipeline under test and the pictures that it renders, as data."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

import msgspec

from fluxgate.pipeline_folder import ANY

Option = bool | int | float | str | tuple[int | float | str, ...]


@dataclass(frozen=True)
class InputPicture:
    """A picture that a shot gives to the pipeline, as an image to start from or a mask."""

    argument: str  # of the pipeline's call
    file: str
    sha256: str  # of its pixels
    place: int | None = None  # in the list of pictures that the argument takes, as the frames of a video


@dataclass(frozen=True)
class Shot:
    """One call of the pipeline. A field that is None is left out of the call on purpose."""

    name: str
    prompts: tuple[str, ...]  # none for a pipeline that takes none
    seed: int
    height: int | None = None
    width: int | None = None
    steps: int | None = None
    guidance: float | None = None
    max_sequence_length: int | None = None
    pictures_per_prompt: int | None = None
    sigmas: tuple[float, ...] | None = None
    long: bool = False  # left to the strategies that are not slow
    only_on: str | None = None  # "cuda": too long for a CPU
    readable: bool = True  # False where the steps or the size of a shot leave the scene unclear to the subject's reader
    options: tuple[tuple[str, Option], ...] = ()  # further arguments of the call
    inputs: tuple[InputPicture, ...] = ()
    own_size: bool = False  # whether the pipeline makes another size of the height and width that it is given

    def arguments(self) -> dict[str, object]:
        """The call's keyword arguments, without the generator and the pictures that it is given."""
        given = {
            "prompt": list(self.prompts) if len(self.prompts) > 1 else self.prompts[0] if self.prompts else None,
            "height": self.height,
            "width": self.width,
            "num_inference_steps": self.steps,
            "guidance_scale": self.guidance,
            "max_sequence_length": self.max_sequence_length,
            "num_images_per_prompt": self.pictures_per_prompt,
            "sigmas": list(self.sigmas) if self.sigmas is not None else None,
            **{name: list(value) if isinstance(value, tuple) else value for name, value in self.options},
        }
        return {name: value for name, value in given.items() if value is not None}

    @property
    def pictures(self) -> int:
        """How many pictures the call gives."""
        return max(len(self.prompts), 1) * (self.pictures_per_prompt or 1)

    def prompt_of(self, index: int) -> str:
        """The prompt of picture number `index`; empty where the pipeline takes none."""
        return "" if not self.prompts else self.prompts[index // (self.pictures_per_prompt or 1)]

    @property
    def least_steps(self) -> int:
        """How many steps the call must take; with a strength it leaves the first ones out."""
        steps = len(self.sigmas or ()) or self.steps or 0
        strength = dict(self.options).get("strength", None if self.inputs else 1.0)
        return int(steps * strength) if isinstance(strength, int | float) else min(steps, 1)

    @property
    def recipe(self) -> str:
        """A hash of all that decides the picture: a baseline of another recipe is stale."""
        given = [
            (picture.argument, picture.sha256, *([] if picture.place is None else [picture.place]))
            for picture in self.inputs
        ]
        decisive = (self.prompts, self.seed, self.arguments(), *([given] if given else []))
        return hashlib.sha256(msgspec.json.encode(decisive, order="sorted")).hexdigest()


GGUF = ".gguf"
VAE = "vae"  # what decodes is called so by nearly every pipeline


@dataclass(frozen=True)
class Needs:
    """What a subject asks of a machine, in bytes."""

    disk: int = 0
    vram: int = 0
    token: bool = False


@dataclass(frozen=True)
class Subject:
    """A pipeline under test."""

    name: str
    about: str
    # "package:FOLDER" beside subjects.toml, "cache:NAME" made by a verb, "folder:PATH", or "hub:OWNER/NAME"
    source: str
    shots: tuple[Shot, ...]
    revision: str | None = None  # a commit, for a hub source
    pipeline: str = "FluxPipeline"
    dtype: str = "bfloat16"
    dtypes: dict[str, str] = field(default_factory=dict)  # component -> its own, where it is not the subject's
    large: tuple[str, ...] = ("transformer", "text_encoder_2")  # the components worth quantizing
    denoiser: str = "transformer"
    calls_per_step: int | None = 1  # of the denoiser; None where nobody has said
    encoders: tuple[str, ...] = ("text_encoder", "text_encoder_2")
    # What encode_prompt returns, in order, and those of them that the call takes.
    encodes: tuple[str, ...] = ("prompt_embeds", "pooled_prompt_embeds", "text_ids")
    embeddings: tuple[str, ...] = ("prompt_embeds", "pooled_prompt_embeds")
    reader: str | None = None  # the name of what reads scenes out of its pictures, as "storybook"
    decoder: str = VAE
    variant: str | None = None  # of the files of weights, as "fp16"; a component without it has its plain ones loaded
    files: dict[str, str] = field(default_factory=dict)  # component -> the one file that its weights are loaded from
    checkpoint: str | None = None  # one file with the weights of the whole pipeline; the source has its configurations
    oracle: str | None = None  # "miniature": our own implementation knows what its stages must make
    vae_tile: int | None = None  # edge of a tile in pixels, where the VAE's own is too large for the shots
    needs: Needs = field(default_factory=Needs)
    published: dict[str, float] = field(default_factory=dict)  # strategy -> GB that somebody else reported

    def shots_for(self, device: str, *, slow: bool = False) -> tuple[Shot, ...]:
        """The shots that a strategy renders on a device; a slow strategy leaves the long ones out."""
        return tuple(shot for shot in self.shots if shot.only_on in (None, device) and not (slow and shot.long))

    def dtype_of(self, name: str) -> str:
        """The dtype that a component is loaded in."""
        return self.dtypes.get(name, self.dtype)

    @property
    def in_gguf(self) -> tuple[str, ...]:
        """The components that their files hold in quantized formats already."""
        return tuple(name for name, file in self.files.items() if file.endswith(GGUF))

    @property
    def elsewhere(self) -> tuple[str, ...]:
        """The components that need no weights in the pipeline's folder; with a checkpoint, any may do without."""
        return (ANY,) if self.checkpoint else tuple(self.files)

    @property
    def single_files(self) -> tuple[str, ...]:
        """All files that weights are loaded from and that do not lie in the pipeline's folder."""
        return (*self.files.values(), *([self.checkpoint] if self.checkpoint else ()))

    def single_file(self, name: str) -> str | None:
        """The file that a component's weights are loaded from, its own or the whole pipeline's, and not its folder."""
        return self.files.get(name, self.checkpoint)

    def shot(self, name: str) -> Shot:
        return next(shot for shot in self.shots if shot.name == name)

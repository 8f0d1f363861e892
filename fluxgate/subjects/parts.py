"""Which components encode, denoise and decode, found from the classes that a pipeline's index or constructor names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from fluxgate.pipeline_folder import Index
from fluxgate.subjects.pipeline_class import PipelineClass

_DENOISER = re.compile(r"(Transformer|UNet|DiT)\w*")
_DECODER = re.compile(r"Autoencoder|VQModel|Paella")
_ENCODER = re.compile(r"^text_encoder(_\d)?$")
_SMALL = re.compile(r"^(CLIP|Chinese)")  # its text models are a hundredth of what they are loaded beside
USUAL = ("transformer", "unet", "prior")

Classes = Mapping[str, tuple[str, ...]]  # component -> the classes that it may have


@dataclass(frozen=True)
class Parts:
    """The components by what they do; what was not found is None, or not there."""

    denoiser: str | None
    decoder: str | None
    encoders: tuple[str, ...]
    large: tuple[str, ...]  # worth quantizing: all that denoises, and text encoders of another kind than CLIP


def parts_in_index(index: Index) -> Parts:
    """The parts of a pipeline that lies in a folder."""
    return _parts(index.classes)


def parts_of_class(installed: PipelineClass) -> Parts:
    """The parts that a class's constructor asks for, where no folder is there to be read."""
    return _parts(installed.parts)


def _parts(classes: Classes) -> Parts:
    usual = {name: place for place, name in enumerate(USUAL)}
    named = _named(classes, _DENOISER) or [name for name in USUAL if name in classes]  # a class may be called anything
    denoisers = sorted(named, key=lambda name: (usual.get(name, len(usual)), name))
    encoders = tuple(sorted(name for name in classes if _ENCODER.fullmatch(name)))
    heavy = tuple(name for name in encoders if not all(map(_SMALL.match, classes[name])))
    decoders = _named(classes, _DECODER)
    return Parts(
        denoiser=denoisers[0] if denoisers else None,
        decoder="vae" if "vae" in decoders else next(iter(decoders), None),
        encoders=encoders,
        large=(*denoisers, *heavy),
    )


def _named(classes: Classes, pattern: re.Pattern[str]) -> list[str]:
    return [name for name, kinds in classes.items() if any(map(pattern.search, kinds))]

"""A VAE's class as the installed diffusers writes it down, read from its source: what it can do, and in which sizes."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

from fluxgate.pipeline_folder import MODEL_CONFIG, read_index, read_json
from fluxgate.refusal import Refusal
from fluxgate.subjects.definitions import definition_of
from fluxgate.subjects.pipeline_class import package_folder, pipeline_class
from fluxgate.subjects.subject import Subject

BLOCK_NAMES = "_group_offload_block_modules"
WEIGHTS = "weights of "  # begins the names of attributes that are tensors, or hold some
_WITHOUT_TILES = re.compile(r"NotImplementedError\(.*without tiling")  # as the class of Allegro says
EDGES = ("tile_sample_min_height", "tile_sample_min_width", "tile_sample_min_size")

Attributes = dict[str, int | bool | None]  # attribute -> its first value, None where that is no plain number


def decoder_attributes(subject: Subject) -> tuple[str, Attributes] | None:
    """The class of what decodes the subject's latents, and what it sets of itself; None where that is not known."""
    name = _class_in_folder(subject) or _class_annotated(subject)
    root = package_folder()
    attributes = _attributes(root, name) if name and root else None
    return (name, attributes) if name and attributes is not None else None


def decodes_in_tiles_alone(kind: str) -> bool:
    """Whether a class decodes nothing as a whole: its own words say that this is not there."""
    root = package_folder()
    definition = definition_of(kind, root / "models" / "autoencoders") if root else None
    methods = [node for node in definition.body if isinstance(node, ast.FunctionDef)] if definition else []
    raised = (node for method in methods if method.name in ("decode", "_decode") for node in ast.walk(method))
    return any(isinstance(node, ast.Raise) and _WITHOUT_TILES.search(ast.unparse(node)) for node in raised)


def tile_edge(subject: Subject) -> int | None:
    """Edge of a VAE's tile in pixels: as the subject says, else as its class or its configuration does."""
    if subject.vae_tile is not None:
        return subject.vae_tile
    known = decoder_attributes(subject)
    if known is None:
        return None
    numbers = (known[1].get(edge) for edge in EDGES)
    edge = next((number for number in numbers if number), None)
    return edge or (_configured(subject) if "tile_sample_min_size" in known[1] else None)


def weights_read(subject: Subject) -> str | None:
    """What the pipeline's call reads of its decoder's weights without calling it, as a mean of its latents."""
    known, installed = decoder_attributes(subject), pipeline_class(subject.pipeline)
    reads = (name.partition(".") for name in installed.reads) if installed and known else ()
    return next(
        (
            f"{owner}.{name}"
            for owner, _, name in reads
            if owner == subject.decoder and known and _holds(known[1], name)
        ),
        None,
    )


def _holds(attributes: Attributes, name: str) -> bool:
    return name in attributes and f"{WEIGHTS}{name}" in attributes


def _folder(subject: Subject) -> Path | None:
    scheme, _, place = subject.source.partition(":")
    return Path(place) if scheme == "folder" else None


def _class_in_folder(subject: Subject) -> str | None:
    folder = _folder(subject)
    try:
        return read_index(folder).components[subject.decoder][1] if folder else None
    except (Refusal, OSError, KeyError):
        return None


def _class_annotated(subject: Subject) -> str | None:
    installed = pipeline_class(subject.pipeline)
    return next(iter(installed.parts.get(subject.decoder, ())), None) if installed else None


def _configured(subject: Subject) -> int | None:
    """What AutoencoderKL takes for the edge of a tile: the size that its configuration says it was trained with."""
    folder = _folder(subject)
    try:
        size = read_json(folder / subject.decoder / MODEL_CONFIG).get("sample_size") if folder else None
    except (Refusal, OSError):
        return None
    return size if isinstance(size, int) else None


@cache
def _attributes(root: Path, name: str) -> Attributes | None:
    definition = definition_of(name, root / "models" / "autoencoders", root / "pipelines")
    if definition is None:
        return None
    values: Attributes = {}
    for node in ast.walk(definition):
        values |= {name: value for name, value in _assigned(node).items() if name not in values}
    return values


def _assigned(node: ast.AST) -> Attributes:
    """What a statement sets of an object, and whether it is a tensor or a norm that holds some."""
    if isinstance(node, ast.Call) and ast.unparse(node.func) == "self.register_buffer" and node.args:
        name = ast.literal_eval(node.args[0])
        return {name: None, f"{WEIGHTS}{name}": None}
    if not isinstance(node, ast.Assign):
        return {}
    target = ast.unparse(node.targets[0])
    name = target.removeprefix("self.")
    if target not in (f"self.{name}", BLOCK_NAMES):
        return {}
    value = node.value.value if isinstance(node.value, ast.Constant) else None
    holds = "BatchNorm" in ast.unparse(node.value)
    return {name: value if isinstance(value, int) else None, **({f"{WEIGHTS}{name}": None} if holds else {})}

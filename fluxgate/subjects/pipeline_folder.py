"""A pipeline's folder, looked over before anything loads it: complete, safetensors only, no code of its own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from fluxgate.files import is_name, read_limited
from fluxgate.refusal import Refusal

MODEL_INDEX = "model_index.json"
LIBRARIES = ("diffusers", "transformers")  # whose classes may be loaded; anything else is code from the folder itself
LARGEST_INDEX = 32_000_000
# A component that holds this is a model and needs weights; the others are tokenizers, schedulers and processors.
MODEL_CONFIG = "config.json"
STEMS = ("diffusion_pytorch_model", "model")
PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl")


def complaint(folder: Path) -> str | None:
    """Why the pipeline in the folder cannot be loaded, or None."""
    if not folder.is_dir():
        return f"there is no folder {folder}"
    try:
        index = read_json(folder / MODEL_INDEX)
    except Refusal as refusal:
        return f"{folder} holds no pipeline: {str(refusal).rstrip('.')}"
    for name, origin in index.items():
        found = _component_complaint(folder, name, origin)
        if found:
            return found
    return None


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object out of a file of reasonable size."""
    try:
        value = json.loads(read_limited(path, LARGEST_INDEX))
    except (ValueError, RecursionError) as error:
        raise Refusal(f"{path} is damaged: {error}.") from error
    if not isinstance(value, dict):
        raise Refusal(f"{path} is damaged: it holds no JSON object.")
    return value


def _component_complaint(folder: Path, name: str, origin: object) -> str | None:
    if name.startswith("_") or not isinstance(origin, list) or len(origin) != 2 or origin == [None, None]:
        return None  # a setting of the pipeline, or a component left out
    if origin[0] not in LIBRARIES:
        return f"component {name} in {folder} is {origin[0]}'s; only classes of {' and '.join(LIBRARIES)} are loaded"
    if not is_name(name) or not (folder / name).is_dir():
        return f"{folder} has no folder for its component {name}"
    if (folder / name / MODEL_CONFIG).is_file():
        return _weights_complaint(folder / name)
    settings = ("scheduler_config.json", "tokenizer_config.json", "preprocessor_config.json")
    if not any((folder / name / file).is_file() for file in settings):
        return f"{folder / name} is incomplete: it holds no configuration"
    return None


def _weights_complaint(component: Path) -> str | None:
    if any((component / f"{stem}.safetensors").is_file() for stem in STEMS):
        return None
    indexes = [component / f"{stem}.safetensors.index.json" for stem in STEMS]
    index = next((path for path in indexes if path.is_file()), None)
    if index is not None:
        return _shards_complaint(index)
    if any(path.suffix in PICKLES for path in component.iterdir()):
        return (
            f"{component} holds its weights as pickles only, and those can run code; only safetensors files are loaded"
        )
    return f"{component} is incomplete: it holds no safetensors file"


def _shards_complaint(index: Path) -> str | None:
    try:
        places = read_json(index).get("weight_map")
    except Refusal as refusal:
        return str(refusal).rstrip(".")
    if not isinstance(places, dict) or not places:
        return f"{index} is damaged: it names no shards"
    for file in sorted({str(file) for file in places.values()}):
        if not is_name(file) or not file.endswith(".safetensors"):
            return f"{index} names {file!r}, which is no safetensors file beside it"
        if not (index.parent / file).is_file():
            return f"{index.parent} is incomplete: {file} is missing"
    return None

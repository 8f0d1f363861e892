"""A pipeline's folder, looked over before anything loads it: complete, safetensors only, no code of its own."""

from __future__ import annotations

import importlib.util
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fluxgate.files import is_name, read_limited
from fluxgate.refusal import Refusal

MODEL_INDEX = "model_index.json"
# Whose classes may be loaded; anything else is code from the folder itself. diffusers' own pipelines may also name the
# module of a class that is theirs alone, as Stable Diffusion's safety checker.
LIBRARIES = ("diffusers", "transformers")
LARGEST_INDEX = 32_000_000
# A component that holds this is a model and needs weights; the others are tokenizers, schedulers and processors.
MODEL_CONFIG = "config.json"
SETTINGS = "*config.json"  # scheduler_config.json, tokenizer_config.json, preprocessor_config.json, guider_config.json…
STEMS = ("diffusion_pytorch_model", "model")
ANY = "*"  # among the names of components whose weights lie elsewhere: each of them may
METADATA = "__metadata__"  # among the tensors of a safetensors file's header
SIZE_OF_HEADER = 8  # bytes, of the number that such a file begins with
LFS_POINTER = b"version https://git-lfs"  # begins the file that a clone without Git LFS has in place of a large one
PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl")


@dataclass(frozen=True)
class Index:
    """What model_index.json says."""

    class_name: str | None
    components: dict[str, tuple[str, str]]  # name -> library and class; what is left out of the pipeline is not here

    @property
    def classes(self) -> dict[str, tuple[str, ...]]:
        """Name -> its class, as the annotations of a constructor have several."""
        return {name: (kind,) for name, (_, kind) in self.components.items()}


def read_index(folder: Path) -> Index:
    """The index of the pipeline in a folder, or a refusal that names the file."""
    listed = read_json(folder / MODEL_INDEX)
    class_name = listed.get("_class_name")
    if isinstance(class_name, list):  # a module beside the index, and the class in it
        raise Refusal(
            f"{folder / MODEL_INDEX} names a class in a file of its own, {'.'.join(map(str, class_name))}, "
            "and code that comes with a pipeline is never run."
        )
    components = {name: (origin[0], origin[1]) for name, origin in listed.items() if _is_component(name, origin)}
    return Index(class_name if isinstance(class_name, str) else None, components)


def _is_component(name: str, origin: object) -> bool:
    """The rest are settings of the pipeline, and components that are left out of it, as [null, null]."""
    pair = isinstance(origin, list) and len(origin) == 2 and all(isinstance(part, str) for part in origin)
    return pair and not name.startswith("_")


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object out of a file of reasonable size."""
    try:
        value = json.loads(read_limited(path, LARGEST_INDEX))
    except (ValueError, RecursionError) as error:
        raise Refusal(f"{path} is damaged: {error}.") from error
    if not isinstance(value, dict):
        raise Refusal(f"{path} is damaged: it holds no JSON object.")
    return value


def why_not_loadable(folder: Path, variant: str | None = None, elsewhere: tuple[str, ...] = ()) -> str | None:
    """Why the pipeline in the folder cannot be loaded, or None; from files of a variant, where there are any.

    `elsewhere` are the components whose weights come from other files, and of which it needs configurations alone."""
    if not folder.is_dir():
        return f"there is no folder {folder}"
    try:
        index = read_index(folder)
    except Refusal as refusal:
        return f"{folder} holds no pipeline: {str(refusal).rstrip('.')}"
    return next(_faults(folder, index, variant, elsewhere), None)


def _faults(folder: Path, index: Index, variant: str | None, elsewhere: tuple[str, ...]) -> Iterator[str]:
    for name, (library, kind) in index.components.items():
        if library not in LIBRARIES and not is_of_diffusers(library):
            yield f"component {name} in {folder} is {library}'s; only classes of diffusers and transformers are loaded"
        if not is_name(name) or not (folder / name).is_dir():
            yield f"{folder} has no folder for its component {name}"
        if not ({ANY, name} & {*elsewhere} and (folder / name / MODEL_CONFIG).is_file()):
            yield from _component_faults(folder / name, kind, variant)
    yield from _links_that_lead_out(folder, index)


def is_of_diffusers(library: str) -> bool:
    """Whether it is one of the installed diffusers' own pipelines; without diffusers only the oldest one is known."""
    try:
        spec = importlib.util.find_spec("diffusers")
    except ValueError:  # a module put into sys.modules by hand
        spec = None
    if spec is None or spec.origin is None:
        return library == "stable_diffusion"
    return is_name(library) and (Path(spec.origin).parent / "pipelines" / library / "__init__.py").is_file()


def _code_named_by(component: Path) -> Iterator[str]:
    """A complaint of the modules that a component's configurations name for transformers to import."""
    for path in sorted(component.glob(SETTINGS)):
        try:
            named = read_json(path).get("auto_map")
        except Refusal as refusal:
            yield str(refusal).rstrip(".")
            continue
        if named:
            yield f"{path} names code of its own, by auto_map, and code that comes with a pipeline is never run"


def has_variant(component: Path, variant: str) -> bool:
    """Whether a component has files of a variant."""
    names = (f"{stem}.{end}" for stem in STEMS for end in (f"{variant}.safetensors", _index_of(variant)))
    return any((component / name).is_file() for name in names)


def _index_of(variant: str | None) -> str:
    return f"safetensors.index.{variant}.json" if variant else "safetensors.index.json"


def _component_faults(component: Path, kind: str, variant: str | None) -> Iterator[str]:
    if kind.startswith("Auto"):  # transformers' classes that would import it; of others it is passed over
        yield from _code_named_by(component)
    if (component / MODEL_CONFIG).is_file():
        yield from _weight_faults(component, variant if variant and has_variant(component, variant) else None)
    elif not any(path.is_file() for path in component.glob(SETTINGS)):
        yield f"{component} is incomplete: it holds no configuration"


def _weight_faults(component: Path, variant: str | None) -> Iterator[str]:
    ending = f"{variant}.safetensors" if variant else "safetensors"
    whole = next((path for stem in STEMS if (path := component / f"{stem}.{ending}").is_file()), None)
    if whole is not None:
        yield from _faults_of_file(whole)
        return
    indexes = [component / f"{stem}.{_index_of(variant)}" for stem in STEMS]
    index = next((path for path in indexes if path.is_file()), None)
    if index is not None:
        yield from _shard_faults(index)
    elif any(path.suffix in PICKLES for path in component.iterdir()):
        yield f"{component} holds its weights as pickles only, which can run code; only safetensors files are loaded"
    else:
        yield f"{component} is incomplete: it holds no safetensors file"


def _shard_faults(index: Path) -> Iterator[str]:
    try:
        places = read_json(index).get("weight_map")
    except Refusal as refusal:
        yield str(refusal).rstrip(".")
        return
    if not isinstance(places, dict) or not places:
        yield f"{index} is damaged: it names no shards"
        return
    for file in sorted({str(file) for file in places.values()}):
        if not is_name(file) or not file.endswith(".safetensors"):
            yield f"{index} names {file!r}, which is no safetensors file beside it"
        if not (index.parent / file).is_file():
            yield f"{index.parent} is incomplete: {file} is missing"
        else:
            yield from _faults_of_file(index.parent / file)


def _faults_of_file(path: Path) -> Iterator[str]:
    """What a download or a clone leaves that was not finished: a pointer in place of the weights, or a part of them."""
    try:
        size = path.stat().st_size
        with path.open("rb") as stream:
            start = stream.read(len(LFS_POINTER))
            stream.seek(SIZE_OF_HEADER)
            length = int.from_bytes(start[:SIZE_OF_HEADER], "little")
            header = stream.read(length) if 0 < length <= LARGEST_INDEX else b""
    except OSError as error:
        yield f"{path} cannot be read: {error.strerror}"
        return
    if start == LFS_POINTER:
        yield f"{path} is a pointer of Git LFS and not the weights themselves; run git lfs pull in its folder"
        return
    due = SIZE_OF_HEADER + length + (_end_of_tensors(header) if len(header) == length else 0)
    if header and size < due:
        yield f"{path} is cut short: it has {size:,} of at least {due:,} bytes; fetch it again"


def _end_of_tensors(header: bytes) -> int:
    """Where a safetensors file's tensors end, behind its header; 0 where that cannot be read."""
    try:
        tensors = [tensor for name, tensor in json.loads(header).items() if name != METADATA]
        return max((int(tensor["data_offsets"][1]) for tensor in tensors), default=0)
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
        return 0


def _links_that_lead_out(folder: Path, index: Index) -> Iterator[str]:
    """Links among what is loaded that point to files of somebody else's.

    The hub's cache keeps a commit's files as links, from snapshots/COMMIT/ to blobs/ beside it."""
    own = folder.resolve()
    allowed = [own]
    if own.parent.name == "snapshots":
        allowed.append((own.parent.parent / "blobs").resolve())
    for path in _what_is_loaded(folder, index):
        target = Path(os.path.realpath(path))
        if not any(target.is_relative_to(place) for place in allowed):
            yield f"{path} is a link to {target}, out of the pipeline's folder; put the file itself there"


def _what_is_loaded(folder: Path, index: Index) -> Iterator[Path]:
    yield folder / MODEL_INDEX
    for name in index.components:
        yield folder / name
        yield from sorted((folder / name).rglob("*"))

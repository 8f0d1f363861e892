"""How many numbers a pipeline's weight files hold, from their headers alone."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from math import prod
from pathlib import Path

from fluxgate.pipeline_folder import why_not_loadable
from fluxgate.subjects.headers import UNREADABLE, tensor_headers
from fluxgate.subjects.sources import component_folder, locate, why_not_ready
from fluxgate.subjects.subject import Subject

WIDTHS = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "F8_E4M3": 1, "F8_E5M2": 1, "I8": 1, "U8": 1}  # bytes
FLOATING = frozenset({"F64", "F32", "F16", "BF16"})
_IN_A_LIST = re.compile(r"(\w+)\.\d+\.")
_VARIANT = r"(model|diffusion_pytorch_model)(-\d{{5}}-of-\d{{5}})?\.{variant}(-\d{{5}}-of-\d{{5}})?\.safetensors"
_WEIGHTS = re.compile(r"(model|diffusion_pytorch_model)(-\d{5}-of-\d{5})?\.safetensors")  # not a variant such as .fp16
_ANY_VARIANT = re.compile(_VARIANT.format(variant="([a-z0-9]+)"))


def weight_files(component: Path, variant: str | None = None) -> list[Path]:
    """The files of a component that a pipeline loads: safetensors, plain ones or those of its variant."""
    names = sorted(path.name for path in component.iterdir()) if component.is_dir() else []
    return [component / name for name in loaded_of(names, variant)]


def loaded_of(names: Iterable[str], variant: str | None = None) -> list[str]:
    """Of a component's files those that a pipeline loads its weights from."""
    names = list(names)
    of_variant = re.compile(_VARIANT.format(variant=re.escape(variant))) if variant else None
    found = [name for name in names if of_variant and of_variant.fullmatch(name)]
    return found or [name for name in names if _WEIGHTS.fullmatch(name)]


def variants_of(names: Iterable[str]) -> tuple[str, ...]:
    """The variants that a component's files are of."""
    return tuple(sorted({match[3] for name in names if (match := _ANY_VARIANT.fullmatch(name))}))


def only_variant(folder: Path) -> str | None:
    """The variant of a pipeline in a folder that has not all of its plain weights, if it has one alone."""
    found = {name for part in folder.glob("*/") for name in variants_of(path.name for path in part.iterdir())}
    loads = [name for name in sorted(found) if why_not_loadable(folder, name) is None]
    return loads[0] if len(loads) == 1 and why_not_loadable(folder) is not None else None


def numbers_on_disk(folder: Path, variant: str | None = None) -> dict[str, int]:
    """Component -> how many floating-point numbers its files hold; one whose files cannot be read is left out."""
    counts = {}
    for component in sorted(path for path in folder.glob("*/") if path.is_dir()):
        try:
            count = sum(number for path in weight_files(component, variant) for number in _numbers(path))
        except UNREADABLE:
            continue
        if count:
            counts[component.name] = count
    return counts


def bytes_on_disk(folder: Path, variant: str | None = None) -> tuple[dict[str, int], Counter[str]]:
    """Bytes of the weights of each component, and of each dtype as the files spell it; from the headers alone."""
    sizes: dict[str, int] = {}
    dtypes: Counter[str] = Counter()
    for component in sorted(path for path in folder.glob("*/") if path.is_dir()):
        files = weight_files(component, variant)
        if files:
            sizes[component.name] = sum(path.stat().st_size for path in files)
        for path in files:
            dtypes += _bytes_by_dtype(path)
    return sizes, dtypes


def wide_on_disk(folder: Path, variant: str | None = None) -> tuple[str, ...]:
    """The components all of whose floating-point weights are stored in float32."""
    found = []
    for component in sorted(path for path in folder.glob("*/") if path.is_dir()):
        sizes = sum((_bytes_by_dtype(path) for path in weight_files(component, variant)), Counter[str]())
        if set(sizes) & FLOATING == {"F32"}:
            found.append(component.name)
    return tuple(found)


def bytes_in_file(path: Path) -> Counter[str]:
    """Bytes of each dtype in one safetensors file; of a file of another kind nothing is known."""
    return _bytes_by_dtype(path) if path.suffix == ".safetensors" else Counter()


def _bytes_by_dtype(path: Path) -> Counter[str]:
    sizes: Counter[str] = Counter()
    try:
        for _, tensor in tensor_headers(path):
            sizes[tensor.dtype] += prod(tensor.shape) * WIDTHS.get(tensor.dtype, 0)
    except UNREADABLE:
        return Counter()
    return sizes


def folder_at_hand(subject: Subject) -> Path | None:
    """The subject's folder, where its files can be read without a download."""
    if subject.source.startswith("hub:") or why_not_ready(subject) is not None:
        return None
    return locate(subject)


def numbers_at_hand(subject: Subject) -> dict[str, int]:
    """The same for a subject, where its files can be read without a download."""
    folder = folder_at_hand(subject)
    if folder is None or subject.checkpoint:
        return {}
    return {
        name: count for name, count in numbers_on_disk(folder, subject.variant).items() if name not in subject.files
    }


def sizes_at_hand(subject: Subject) -> dict[str, int]:
    """Bytes of the weights of each component, where its files are here; a checkpoint's are all under its own name."""
    folder = folder_at_hand(subject)
    if subject.checkpoint:
        return {subject.pipeline: Path(subject.checkpoint).stat().st_size} if Path(subject.checkpoint).is_file() else {}
    own = {name: Path(file).stat().st_size for name, file in subject.files.items() if Path(file).is_file()}
    return {**(bytes_on_disk(folder, subject.variant)[0] if folder else {}), **own}


def matrices_on_disk(component: Path, variant: str | None = None) -> dict[str, tuple[int, int]]:
    """Rows and columns of each matrix in a component's files, by its name; none where they cannot be read."""
    try:
        files = weight_files(component, variant)
        tensors = {name: tensor.shape for path in files for name, tensor in tensor_headers(path)}
    except UNREADABLE:
        return {}
    return {name: (shape[0], shape[1]) for name, shape in tensors.items() if len(shape) == 2}


def denoiser_matrices(subject: Subject) -> dict[str, tuple[int, int]]:
    """The same for what denoises, as far as its files are here; those of the hub may not be yet."""
    return matrices_on_disk(component_folder(subject, subject.denoiser), subject.variant)


def lists_on_disk(component: Path, variant: str | None = None) -> frozenset[str]:
    """The lists of blocks that a component itself has, by the names of its weights; none where they cannot be read."""
    names = names_on_disk(component, variant)
    return frozenset(match[1] for name in names if (match := _IN_A_LIST.match(name)))


def names_on_disk(component: Path, variant: str | None = None) -> frozenset[str]:
    """The names of all weights in a component's files; none where they cannot be read."""
    try:
        return frozenset(name for path in weight_files(component, variant) for name, _ in tensor_headers(path))
    except UNREADABLE:
        return frozenset()


def _numbers(path: Path) -> Iterator[int]:
    yield from (prod(tensor.shape) for _, tensor in tensor_headers(path) if tensor.dtype in FLOATING)

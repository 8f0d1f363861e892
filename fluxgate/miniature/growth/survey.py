"""What a growth will write: every file with its length, before the first byte of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from fluxgate import pipeline_folder
from fluxgate.files import read_limited
from fluxgate.miniature.architecture import WEIGHT_FILES
from fluxgate.miniature.bfloat16 import Noise
from fluxgate.miniature.growth.manifest import SEED, Manifest
from fluxgate.miniature.growth.mapping import Growth
from fluxgate.miniature.growth.shards import AddBytes, Entry, split, write_shard, write_stream
from fluxgate.miniature.growth.small_pipeline import (
    LARGEST_SOURCE,
    configurations,
    copied_files,
    read_weights,
    sizes_of,
    source_hash,
)
from fluxgate.miniature.growth.target import FLUX_DEV, FLUX_DEV_PARAMETERS, Target
from fluxgate.refusal import Refusal


@dataclass(frozen=True)
class PlannedFile:
    """One file to be written."""

    file: str  # relative to the grown folder
    bytes: int
    write: Callable[[Path, AddBytes], Entry]


def survey(source: Path, target: Target) -> tuple[Manifest, tuple[PlannedFile, ...]]:
    """Everything that growth will write, before the first byte of it."""
    reason = pipeline_folder.why_not_loadable(source)
    if reason:
        raise Refusal(f"Nothing can grow: {reason}.")
    growth = Growth(sizes_of(source), target.sizes, target.vocabularies, Noise(SEED))
    parameters: dict[str, int] = {}
    files = [*_configurations(target), *_copies(source)]
    for component, file in WEIGHT_FILES.items():
        planned = growth.plan(component, read_weights(source / component / file, component))
        parameters[component] = sum(tensor.count for tensor in planned)
        parts, index = split(file.removesuffix(".safetensors"), planned, most=target.most(component))
        files += [PlannedFile(f"{component}/{part.file}", part.bytes, partial(write_shard, part)) for part in parts]
        if index is not None:
            files.append(_data(f"{component}/{file}.index.json", index))
    if target == FLUX_DEV and parameters != FLUX_DEV_PARAMETERS:
        raise Refusal(f"{source} would grow to {parameters} parameters; FLUX.1-dev has {FLUX_DEV_PARAMETERS}.")
    return Manifest(source_hash(source), target, parameters), tuple(files)


def _configurations(target: Target) -> Iterator[PlannedFile]:
    written = configurations(target.sizes, t5_words=target.t5_words, clip_words=target.clip_words)
    for component, config in written.items():
        yield _data(f"{component}/config.json", json.dumps(config, indent=2).encode() + b"\n")


def _copies(source: Path) -> Iterator[PlannedFile]:
    for file in (pipeline_folder.MODEL_INDEX, *copied_files(source)):
        yield _data(file, read_limited(source / file, LARGEST_SOURCE))


def _data(file: str, data: bytes) -> PlannedFile:
    def write(path: Path, report: AddBytes) -> Entry:
        return write_stream(path, iter([memoryview(data)]), promised=len(data), report=report)

    return PlannedFile(file, len(data), write)

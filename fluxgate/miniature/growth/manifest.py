"""The manifest of a grown folder: from what it was grown, into what, and the hash of each file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from fluxgate import pipeline_folder
from fluxgate.files import is_name, read_plain
from fluxgate.miniature.growth.shards import Entry
from fluxgate.miniature.growth.target import Target
from fluxgate.refusal import Refusal

SCHEMA = 1
RECIPE = 1  # raise it when the mapping, the noise or a configuration changes: what was grown before is then stale
SEED = 1  # of the noise in what changes nothing
MANIFEST = "manifest.json"


@dataclass(frozen=True)
class Manifest:
    """What stands in a grown folder, or so far in an unfinished one."""

    source: str  # a hash of the small pipeline's files
    target: Target
    parameters: dict[str, int]
    files: dict[str, Entry] = field(default_factory=dict)
    recipe: int = RECIPE
    seed: int = SEED
    schema: int = SCHEMA

    def with_files(self, files: Mapping[str, Entry]) -> Manifest:
        return replace(self, files=dict(files))

    def same_growth(self, other: Manifest) -> bool:
        """Whether both tell of the same growth, whatever is written of it already."""
        return self.with_files({}) == other.with_files({})


def manifest_in(folder: Path) -> Manifest | None:
    """The manifest of a grown folder, None where there is no folder or an empty one."""
    if not os.path.lexists(folder) or (folder.is_dir() and not any(folder.iterdir())):
        return None
    if not (folder / MANIFEST).is_file():
        raise Refusal(f"{folder} exists and was not grown here; choose another folder, or remove it.")
    return read_manifest(folder)


def read_manifest(folder: Path) -> Manifest:
    try:
        manifest = read_plain(folder / MANIFEST, Manifest)
    except Refusal as refusal:
        raise Refusal(f"{str(refusal).rstrip('.')}; remove {folder} and grow again.") from refusal
    for file in manifest.files:
        if not all(is_name(part) for part in file.split("/")):
            raise Refusal(f"{folder / MANIFEST} is damaged: it names {file!r}; remove {folder} and grow again.")
    return manifest


def why_outdated(folder: Path, grown_before: Manifest, wanted: Manifest) -> str | None:
    """How a grown folder differs from what is wanted there."""
    if not grown_before.same_growth(wanted):
        return f"what stands in {folder} was grown from another miniature or by another release"
    for file, entry in grown_before.files.items():
        path = folder / file
        if not path.is_file() or path.stat().st_size != entry.bytes:
            return f"{path} is missing or has another length"
    return pipeline_folder.why_not_loadable(folder)

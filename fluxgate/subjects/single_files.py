"""Weights that do not lie in a pipeline's folder: a component, or a whole pipeline, in a file of its own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from fluxgate.article import with_article
from fluxgate.files import expanded
from fluxgate.pipeline_folder import Index
from fluxgate.subjects.definitions import definition_of
from fluxgate.subjects.headers import UNREADABLE, tensor_headers
from fluxgate.subjects.pipeline_class import package_folder
from fluxgate.subjects.subject import GGUF, Subject

SAFETENSORS = ".safetensors"
MAGIC = b"GGUF"
LOADER, WHOLE = "FromOriginalModelMixin", "FromSingleFileMixin"  # what a class inherits that loads from one file


def check_files(files: Mapping[str, str], checkpoint: str | None) -> None:
    """Neither pickles nor anything else that diffusers would take for one."""
    for name, file in files.items():
        if not file.endswith((SAFETENSORS, GGUF)):
            raise ValueError(f"files: {name} must be a {SAFETENSORS} or {GGUF} file; it is {file!r:.200}")
    if checkpoint is not None and not checkpoint.endswith(SAFETENSORS):
        raise ValueError(f"checkpoint must be a {SAFETENSORS} file; it is {checkpoint!r:.200}")


def placed(file: str, folder: Path) -> str:
    """A file that is meant from where the catalogue lies."""
    return str(folder / expanded(file))


def why_not_readable(subject: Subject) -> str | None:
    """What is wrong with one of the subject's own files, or None."""
    return next(filter(None, (_fault(Path(file)) for file in subject.single_files)), None)


def _fault(file: Path) -> str | None:
    if not file.is_file():
        return f"there is no file {file}"
    try:
        if file.suffix == GGUF:
            with file.open("rb") as stream:
                return None if stream.read(4) == MAGIC else f"{file} is damaged: it does not begin as a GGUF file does"
        return None if any(True for _ in tensor_headers(file)) else f"{file} holds no weights"
    except UNREADABLE as error:
        return f"{file} is damaged: {str(error).partition(chr(10))[0]}"


def cannot_come_from_a_file(subject: Subject, index: Index) -> str | None:
    """What of the subject's components, or its pipeline, the installed diffusers loads from no single file."""
    root = package_folder()
    if root is None:
        return None
    for name in subject.files:
        library, kind = index.components[name]
        if library != "diffusers":
            return f"files names {name}, {with_article(kind)} of {library}, which loads no single file"
        if not inherits(kind, LOADER, root / "models"):
            return f"files names {name}, and {with_article(kind)} loads no single file in this release of diffusers"
    if subject.checkpoint and not inherits(subject.pipeline, WHOLE, root / "pipelines"):
        return f"checkpoint is given, and {subject.pipeline} loads no single file in this release of diffusers"
    return None


def inherits(kind: str, mixin: str, folder: Path) -> bool:
    """Whether the source of the class names the mixin; one whose source is not found is left to diffusers."""
    definition = definition_of(kind, folder)
    return definition is None or any(getattr(base, "id", "") == mixin for base in definition.bases)

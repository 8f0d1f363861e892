"""Modules of the repository that one works in, which its configuration names: found, and imported where used."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

from fluxgate.configuration import Configuration
from fluxgate.refusal import Refusal


def imported(configured: Configuration, key: str, name: str) -> ModuleType:
    """A module that a key of the configuration names, or a refusal that says why it cannot be imported."""
    _look_in(configured)
    try:
        return importlib.import_module(name)
    except Exception as error:  # whatever the module does: it is the user's
        raise configured.place.refusal(f"{key} names {name}, which cannot be imported: {words(error)}") from error


def source_of(configured: Configuration, key: str, name: str) -> Path:
    """The file of a module, which is not imported for it, though the package that it is in is."""
    _look_in(configured)
    try:
        spec = importlib.util.find_spec(name)
    except Exception as error:  # whatever the package does
        raise configured.place.refusal(f"{key} names {name}, which cannot be imported: {words(error)}") from error
    if spec is None or spec.origin is None:
        raise configured.place.refusal(f"{key} names {name}, which is no module")
    return Path(spec.origin)


def _look_in(configured: Configuration) -> None:
    """The command `fluxgate` does not look in the repository's folder; pytest may not, either."""
    if str(configured.folder) not in sys.path:
        sys.path.insert(0, str(configured.folder))


def words(error: Exception) -> str:
    """The kind of an error and its first line; a refusal is a sentence by itself."""
    first = str(error).partition("\n")[0]
    if isinstance(error, Refusal):
        return first.rstrip(".")
    return f"{type(error).__name__}: {first}" if first else type(error).__name__

"""A file that changes together with a folder of the store: whenever a process is killed, both change or neither.

The new text lies ready before the folder is replaced. What was killed between the two is finished by the next one that
writes to the store."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from fluxgate.baselines import manifest
from fluxgate.files import is_name, read_plain, write_plain, write_whole
from fluxgate.refusal import Refusal

INTENT = ".beside.json"  # in the store, from before the folder is replaced until the file is
READY = ".accepted"  # ends the name of the new text, beside the file


@dataclass(frozen=True)
class Companion:
    """The file, what it must hold still, and what it is to hold."""

    path: Path
    before: str
    after: str

    def refuse_changed(self) -> None:
        """Refuse a file that is no longer what was shown."""
        if not self.path.is_file() or self.path.read_text(encoding="utf-8") != self.before:
            raise Refusal(f"{self.path} has changed since the changes were shown; nothing was written. Accept again.")


@dataclass(frozen=True)
class _Intent:
    path: str  # of the file, absolute
    folder: str  # of the store
    seals: str  # of that folder, once it is replaced


def prepare(companion: Companion, new: Path, *, store: Path, folder: str) -> None:
    """Lay the new text ready, and note that it belongs to what will be the folder."""
    write_whole(_ready(companion.path), companion.after.encode())
    write_plain(store / INTENT, _Intent(str(companion.path.absolute()), folder, seals(new)))


def finish(store: Path) -> None:
    """Change the file if the folder was replaced; else leave it as it is."""
    path = store / INTENT
    if not path.exists():
        return
    intent = read_plain(path, _Intent)
    ready = _ready(Path(intent.path))
    if is_name(intent.folder) and seals(store / intent.folder) == intent.seals:
        if ready.exists():
            os.replace(ready, intent.path)
    else:
        ready.unlink(missing_ok=True)
    path.unlink()


def seals(folder: Path) -> str:
    """What changes with any file that the manifests of a machine's folder list."""
    hashes = hashlib.sha256()
    for path in sorted(folder.glob(f"*/{manifest.NAME}")):
        hashes.update(f"{path.parent.name}\n".encode() + path.read_bytes())
    return hashes.hexdigest()


def _ready(path: Path) -> Path:
    return path.with_name(f".{path.name}{READY}")

"""The files that this process has mapped into its memory, shared memory included."""

from __future__ import annotations

from pathlib import Path

MAPS = Path("/proc/self/maps")
WEIGHTS = (".safetensors", ".gguf", ".bin", ".pt", ".ckpt")  # how names of files of weights end
DELETED = " (deleted)"  # follows the name of a file that is gone


def mapped_bytes() -> int | None:
    """Of all of them; None where the system does not tell."""
    files = _files(MAPS)
    return None if files is None else sum(size for _, size in files)


def mapped_weights(maps: Path = MAPS) -> set[str] | None:
    """The paths of those that hold weights; None where the system does not tell."""
    files = _files(maps)
    return None if files is None else {path for path, _ in files if path.removesuffix(DELETED).endswith(WEIGHTS)}


def _files(maps: Path) -> list[tuple[str, int]] | None:
    """The path and the bytes of each mapping that is of a file."""
    try:
        lines = maps.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    mappings = (line.split(maxsplit=5) for line in lines)
    return [(fields[5], _size(fields[0])) for fields in mappings if len(fields) == 6 and fields[5].startswith("/")]


def _size(addresses: str) -> int:
    start, _, end = addresses.partition("-")
    return int(end, 16) - int(start, 16)

"""Files of weights that this process has mapped into its memory."""

from __future__ import annotations

from pathlib import Path

MAPS = Path("/proc/self/maps")
SUFFIXES = (".safetensors", ".gguf", ".bin", ".pt", ".ckpt")


def mapped_weights(maps: Path = MAPS) -> set[str] | None:
    """Their paths; None where the system does not tell."""
    try:
        lines = maps.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    paths = (fields[5] for line in lines if len(fields := line.split(maxsplit=5)) == 6)
    return {path for path in paths if path.removesuffix(" (deleted)").endswith(SUFFIXES)}

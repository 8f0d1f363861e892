"""Limits as calibration leaves them in a store."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fluxgate.baselines import limits, manifest
from fluxgate.baselines.limits import Band, LikenessLimits, Limit, LimitsFile
from fluxgate.files import write_plain


def limit(value: Any, **other: Any) -> Limit:
    return Limit(value, "measured", **other)


def sealed(store: Path, file: LimitsFile, *, at: str | None = None) -> Path:
    folder = store / (at or file.machine) / file.subject
    write_plain(folder / limits.FILE, file)
    manifest.seal(folder)
    return folder / limits.FILE


def file_for(machine: str, value: float) -> LimitsFile:
    band = Band(floor=limit(value))
    return LimitsFile(
        "tiny", machine, {"nf4": LikenessLimits({"ssim": band}, {"ssim": band}, ("other",))}, {"full": {"ssim": band}}
    )

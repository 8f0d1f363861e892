"""How long steps took on this computer, so that the next one of the same kind can say what is to be expected."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from fluxgate.files import read_plain, write_plain
from fluxgate.refusal import Refusal
from fluxgate.subjects.sources import cache_folder

KEPT = 5  # of each kind, the last ones: what else the computer does changes from day to day
APART = 1.5  # times as long: from there on both ends are told
UNKNOWN = "how long it takes is not known yet"


def note(kind: str, seconds: float) -> None:
    """Remember what a step took; where nothing can be written, nothing is remembered."""
    known = _known()
    with suppress(OSError):
        write_plain(_file(), {**known, kind: [*known.get(kind, []), seconds][-KEPT:]})


def expected(kind: str) -> str:
    """`about 3 s`, or `3 to 40 s` where it varied, by the last steps of this kind; or that it is not known."""
    seconds = _known().get(kind)
    if not seconds:
        return UNKNOWN
    least, most = (max(1, round(end)) for end in (min(seconds), max(seconds)))
    return f"{least} to {most} s" if most > APART * least else f"about {round((least + most) / 2)} s"


def _known() -> Mapping[str, list[float]]:
    """What was noted; nothing where the file is missing or spoilt, which the next note mends."""
    with suppress(Refusal, OSError):
        return read_plain(_file(), dict[str, list[float]])
    return {}


def _file() -> Path:
    """Of each computer its own: a cache may be shared by several."""
    return cache_folder() / "durations" / f"{platform.node() or 'this computer'}.json"

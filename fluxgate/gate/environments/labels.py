"""A wheel under a version of its own: all commits of a checkout state the same one."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

from packaging.utils import InvalidWheelFilename, parse_wheel_filename
from packaging.version import Version

from fluxgate.refusal import Refusal

METADATA, RECORD = "METADATA", "RECORD"


def labelled(wheel: Path, label: str, *, into: Path) -> Path:
    """A copy of a wheel whose version ends in +label, in another folder; what it installs is the same to the byte."""
    try:
        old = wheel.name.split("-")[1]
        new = f"{parse_wheel_filename(wheel.name)[1].public}+{Version(f'0+{label}').local}"
        path = into / wheel.name.replace(f"-{old}-", f"-{new}-", 1)
        with zipfile.ZipFile(wheel) as source, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as target:
            for entry in source.infolist():
                name = _renamed(entry.filename, old, new)
                target.writestr(name, _relabelled(name, source.read(entry), old, new))
    except (InvalidWheelFilename, zipfile.BadZipFile) as error:
        raise Refusal(f"{wheel} is no wheel: {error}.") from error
    return path


def version_of(wheel: Path) -> str:
    """The version that a wheel's name states."""
    return str(parse_wheel_filename(wheel.name)[1])


def _renamed(name: str, old: str, new: str) -> str:
    """Where a file lies in the wheel: what is named after the version is named after the new one."""
    top, slash, rest = name.partition("/")
    for suffix in (".dist-info", ".data"):
        if top.endswith(f"-{old}{suffix}"):
            return f"{top.removesuffix(f'{old}{suffix}')}{new}{suffix}{slash}{rest}"
    return name


def _relabelled(name: str, data: bytes, old: str, new: str) -> bytes:
    top, _, rest = name.partition("/")
    if not top.endswith(".dist-info") or rest not in (METADATA, RECORD):
        return data
    text = data.decode()
    if rest == METADATA:
        return re.sub(r"(?m)^Version: .*$", f"Version: {new}", text, count=1).encode()
    lines = [_renamed(line, old, new) for line in text.splitlines()]
    return "".join(
        f"{top}/{METADATA},,\n" if line.startswith(f"{top}/{METADATA},") else f"{line}\n" for line in lines
    ).encode()

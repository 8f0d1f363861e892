"""A folder as bytes between machines, unpacked as a stranger's: plain names, plain files, of limited size."""

from __future__ import annotations

import io
import stat
import tarfile
from collections.abc import Iterator
from pathlib import Path

from fluxgate.amounts import amount
from fluxgate.files import is_name, read_plain
from fluxgate.refusal import Refusal
from fluxgate.rendering import RENDERING, Picture, Rendering
from fluxgate.runs.pictures import sound_pixels

LARGEST = 2_000_000_000  # bytes
MOST_FILES = 20_000


def packed(folder: Path, *, deep: int = 1) -> bytes:
    """The plain files of a folder, as a tar. deep: 1 for its own alone, 2 for those of the folders in it, too, …"""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:", format=tarfile.USTAR_FORMAT) as archive:
        for path in _plain_files(folder, deep):
            entry = tarfile.TarInfo(path.relative_to(folder).as_posix())
            entry.size = path.stat().st_size
            with path.open("rb") as file:
                archive.addfile(entry, file)
    return stream.getvalue()


def _plain_files(folder: Path, deep: int) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        mode = path.lstat().st_mode
        if is_name(path.name) and stat.S_ISREG(mode):
            yield path
        elif is_name(path.name) and stat.S_ISDIR(mode) and deep > 1:
            yield from _plain_files(path, deep - 1)


def unpack(data: bytes, folder: Path, *, whence: str, deep: int = 1) -> None:
    """Write the files of a tar into a new folder, or refuse all of it; `whence` names who has sent it."""
    try:
        files = _files_in(data, whence, deep)
    except (tarfile.TarError, ValueError, OSError) as error:
        raise Refusal(f"What {whence} sent is damaged: {error}.") from error
    folder.mkdir(parents=True)
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def _files_in(data: bytes, whence: str, deep: int) -> dict[str, bytes]:
    if len(data) > LARGEST:
        raise Refusal(f"{whence} sent {amount(len(data))} at once; at most {amount(LARGEST)} are taken.")
    files: dict[str, bytes] = {}
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as archive:
        for entry in archive:
            # A sparse file may claim to be larger than all that was sent.
            if not entry.isreg() or entry.issparse() or entry.size > len(data):
                raise Refusal(f"{whence} sent {entry.name[:120]!r}, which is no plain file.")
            parts = entry.name.split("/")
            plain = len(parts) <= deep and all(map(is_name, parts))
            if not plain or entry.name in files or len(files) >= MOST_FILES:
                raise Refusal(f"{whence} sent {entry.name[:120]!r}, which does not belong there.")
            content = archive.extractfile(entry)
            files[entry.name] = content.read() if content is not None else b""
    return files


def sound_rendering(folder: Path, case_id: str, *, recipes: dict[str, str], device: str) -> Rendering:
    """The rendering that was unpacked into a folder, once it is seen to be of the case, and its pictures whole."""
    rendering = read_plain(folder / RENDERING, Rendering)
    what = (rendering.case_id, rendering.device, rendering.recipes)
    if what != (case_id, device, recipes):
        raise Refusal(f"{folder / RENDERING} is not of {case_id} on {device} with the shots that were asked for.")
    files: dict[tuple[str, str], Picture] = {(each.file, each.sha256): each for each in rendering.pictures}
    for picture in files.values():
        sound_pixels(picture, folder)
    return rendering

"""Tiny wheels in a wheelhouse, made by a few lines."""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from packaging.utils import canonicalize_name


def wheel(
    folder: Path,
    name: str,
    version: str,
    *,
    requires: Sequence[str] = (),
    files: Mapping[str, str] | None = None,
    stated: str | None = None,
) -> Path:
    """A wheel of a module that states its version, or of the files given; its metadata may state another one."""
    metadata = f"{name}-{version}.dist-info"
    dependencies = "".join(f"Requires-Dist: {requirement}\n" for requirement in requires)
    content = {
        **(files if files is not None else {f"{name}.py": f"__version__ = {version!r}\n"}),
        f"{metadata}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {stated or version}\n{dependencies}",
        f"{metadata}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{path},,\n" for path in (*content, f"{metadata}/RECORD"))
    path = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for inside, text in {**content, f"{metadata}/RECORD": record}.items():
            archive.writestr(inside, text)
    return path


def source_distribution(folder: Path, name: str, version: str, *, build: str) -> Path:
    """A source distribution that builds itself, with the given code and nothing from elsewhere."""
    content = {
        "PKG-INFO": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        "pyproject.toml": '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n',
        "backend.py": build,
    }
    path = folder / f"{name}-{version}.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for inside, text in content.items():
            entry = tarfile.TarInfo(f"{name}-{version}/{inside}")
            entry.size = len(text)
            archive.addfile(entry, io.BytesIO(text.encode()))
    return path


def index(folder: Path, wheelhouse: Path, *, yanked: Collection[str] = ()) -> str:
    """The address of an index of a wheelhouse, in which some files are yanked."""
    for package in sorted({path.name.split("-")[0] for path in wheelhouse.iterdir()}):
        lines = (
            f'<a href="{path.as_uri()}" {"data-yanked=broken" if path.name in yanked else ""}>{path.name}</a><br>'
            for path in sorted(wheelhouse.glob(f"{package}-*"))
        )
        place = folder / canonicalize_name(package)
        place.mkdir(parents=True)
        (place / "index.html").write_text("<!DOCTYPE html>\n" + "\n".join(lines))
    return folder.as_uri()


def fill(folder: Path) -> Path:
    """A wheelhouse of packages that depend on each other: core under alpha and beta, which need not agree on it."""
    folder.mkdir()
    wheel(folder, "core", "1.0")
    wheel(folder, "core", "2.0")
    wheel(folder, "alpha", "1.0", requires=["core>=1"])
    wheel(folder, "alpha", "2.0", requires=["core>=2"])
    wheel(folder, "alpha", "3.0", requires=["core>=3"])
    wheel(folder, "beta", "1.0", requires=["core<2"])
    wheel(folder, "beta", "1.1", requires=["core"])
    wheel(folder, "gamma", "1.0")
    return folder

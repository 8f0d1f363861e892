"""Whether the modules that were imported are files of the distributions that are installed, by their records."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self
from urllib.parse import unquote, urlsplit

import msgspec
from packaging.utils import canonicalize_name

MODULES = (".py", ".so", ".pyd")  # what begins or ends the names of files that can be imported


class _Folder(msgspec.Struct):
    editable: bool = False


class _Address(msgspec.Struct):
    """Of where a distribution came from, what is asked here."""

    url: str = ""
    dir_info: _Folder | None = None


@dataclass(frozen=True)
class Stray:
    """A module that is no file of the package that has its name."""

    module: str
    file: str
    package: str


def strays(site_packages: Path, modules: Mapping[str, str], *, packages: Iterable[str] = ()) -> Iterator[Stray]:
    """The modules (name → file) that were imported from elsewhere than what is installed under their names.

    packages: each module of these must be in that package's own record, or in its editable checkout. Of all others it
    is enough that some distribution has recorded the file: several may share a folder, or bring copies along."""
    installed = _Installed.of(site_packages)
    strict = frozenset(str(canonicalize_name(package)) for package in packages)
    for module, file in sorted(modules.items()):
        if not installed.has(module, file, strict=strict):
            yield Stray(module, file, installed.package_of(module))


def checkouts(site_packages: Path) -> dict[str, Path]:
    """The folders that packages are imported from, where they were installed as editable."""
    found = {_package(info): _checkout(info) for info in site_packages.glob("*.dist-info")}
    return {package: Path(folder) for package, folder in sorted(found.items()) if folder is not None}


@dataclass(frozen=True)
class _Installed:
    """What the distributions of an environment have recorded."""

    files: Mapping[str, frozenset[str]]  # package -> the files of its modules
    every: frozenset[str]  # the files of all of them
    owners: Mapping[str, str]  # the first part of a module's name -> package
    checkouts: Mapping[str, Path]

    @classmethod
    def of(cls, site_packages: Path) -> Self:
        root = os.path.realpath(site_packages)
        files = {_package(info): frozenset(_files(info, root)) for info in sorted(site_packages.glob("*.dist-info"))}
        owners = {_top(file, root): package for package, own in files.items() for file in own}
        return cls(files, frozenset[str]().union(*files.values()), owners, checkouts(site_packages))

    def has(self, module: str, file: str, *, strict: frozenset[str]) -> bool:
        """Whether a module is a file of what is installed under its name, or nothing is."""
        top = module.partition(".")[0]
        own = str(canonicalize_name(top))
        place = os.path.join(os.path.realpath(os.path.dirname(file)), os.path.basename(file))
        if own in self.checkouts:
            return Path(place).is_relative_to(self.checkouts[own])
        if own in strict and self.files.get(own):
            return place in self.files[own]
        return top not in self.owners or place in self.every

    def package_of(self, module: str) -> str:
        """The package that has the name of a module, or else the one whose record has such a module."""
        top = module.partition(".")[0]
        own = str(canonicalize_name(top))
        return own if own in self.files else self.owners[top]


def _package(info: Path) -> str:
    return str(canonicalize_name(info.name.removesuffix(".dist-info").rpartition("-")[0]))


def _files(info: Path, root: str) -> Iterator[str]:
    """All modules that a distribution has recorded; none where it has no record, as those of a system's packages."""
    with suppress(OSError), (info / "RECORD").open(encoding="utf-8", newline="") as record:
        for row in csv.reader(record):
            if row and row[0].endswith(MODULES):
                yield os.path.normpath(os.path.join(root, row[0]))


def _top(file: str, root: str) -> str:
    """The name of the module, or of the folder of modules, that a file belongs to."""
    return os.path.relpath(file, root).split(os.sep)[0].partition(".")[0]


def _checkout(info: Path) -> str | None:
    """The folder that a distribution is imported from, where it was installed as editable."""
    try:
        address = msgspec.json.decode((info / "direct_url.json").read_bytes(), type=_Address)
    except (OSError, msgspec.MsgspecError):
        return None
    if address.dir_info is None or not address.dir_info.editable:
        return None
    return os.path.realpath(unquote(urlsplit(address.url).path))

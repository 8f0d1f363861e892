"""Locks of uv, of Poetry and of PEP 751: the releases that are needed here, and what comes from elsewhere."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator, Mapping, Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
from packaging.markers import Marker
from packaging.utils import canonicalize_name
from packaging.version import Version

from fluxgate.refusal import Refusal

OWN_GROUP = "dev"  # of dependencies, which uv installs with the project's own
OF_AN_INDEX = "legacy"  # Poetry's word for it
OLDEST_POETRY = (2, 1)  # of its locks: older ones do not say where a package is needed


@dataclass(frozen=True)
class Lock:
    """A lock as it stands in its file."""

    path: Path
    table: Mapping[str, Any]
    read: Callable[[Lock], Iterator[Locked]]


@dataclass(frozen=True)
class Locked:
    """A package that is needed here."""

    name: str
    version: str | None  # None: it is no release of an index
    address: str = ""  # where it comes from then
    index: str = ""  # which releases it is one of, if the lock says so


@dataclass
class Needed:
    """What a lock has of packages that are needed here."""

    versions: dict[str, str] = field(default_factory=dict)
    elsewhere: dict[str, str] = field(default_factory=dict)  # package -> its address, where it is no release
    indexes: list[str] = field(default_factory=list)  # that the others come from, each once


def lock_of(path: Path, text: str) -> Lock | None:
    """What a file's text is, if it is a lock; None for one with a requirement a line."""
    lines = text.splitlines()
    if "[[package]]" in lines or "[[packages]]" in lines:
        return _toml(path, text)
    if text.lstrip().startswith("{"):
        raise Refusal(f"{path} is no file of pins; of Pipfile.lock, `pipenv requirements > NEW.txt` writes one.")
    return None


def locked(lock: Lock) -> Needed:
    """The versions of the packages that are needed here, or their addresses; and where packages are looked for."""
    needed = Needed()
    try:
        for package in lock.read(lock):
            name = str(canonicalize_name(package.name, validate=True))
            if package.version is None:
                needed.elsewhere[name] = package.address
                continue
            _add(lock, needed.versions, name, str(Version(package.version)))
            if package.index and package.index not in needed.indexes:
                needed.indexes.append(package.index)
    except (ValueError, RecursionError) as error:  # of msgspec, and of what markers, names and versions cannot be
        raise Refusal(f"{lock.path} is damaged: {str(error).splitlines()[0].rstrip('.')}.") from error
    return needed


def _add(lock: Lock, versions: dict[str, str], name: str, version: str) -> None:
    if versions.setdefault(name, version) != version:
        raise Refusal(f"{lock.path} has {name} {versions[name]} and {version}, and both are needed here.")


def _toml(path: Path, text: str) -> Lock:
    try:
        table = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # TOMLDecodeError is a ValueError
        raise Refusal(f"{path} is not valid TOML: {error}.") from error
    if "packages" in table:
        return Lock(path, table, _of_standard)
    metadata = table.get("metadata")
    if isinstance(metadata, dict) and "lock_version" in metadata:
        raise Refusal(f"{path} is a lock of PDM's; `pdm export --without-hashes -o NEW.txt` writes its pins.")
    return Lock(path, table, _of_uv if metadata is None else _of_poetry)


def _holds(marker: str, *, groups: frozenset[str] = frozenset()) -> bool:
    if not marker:
        return True
    chosen: dict[str, str | Set[str]] = {"extra": "", "extras": frozenset[str](), "dependency_groups": groups}
    return Marker(marker).evaluate(chosen, context="lock_file")


def _address(place: str, *, commit: str) -> str:
    """Where a package comes from, as uv writes it: a repository that stands at another commit is another address."""
    return f"{place}#{commit}" if commit else place


# pylock.toml


class _StandardPackage(msgspec.Struct):
    name: str
    version: str | None = None
    marker: str = ""
    vcs: dict[str, Any] = {}
    directory: dict[str, Any] = {}
    archive: dict[str, Any] = {}
    index: str = ""


class _Standard(msgspec.Struct, rename="kebab"):
    packages: list[_StandardPackage]
    default_groups: list[str] = []


def _of_standard(lock: Lock) -> Iterator[Locked]:
    """pylock.toml, with the groups that it names as its default."""
    standard = msgspec.convert(lock.table, _Standard)
    for package in standard.packages:
        if _holds(package.marker, groups=frozenset(standard.default_groups)):
            place = package.vcs or package.directory or package.archive
            version = None if place else package.version
            address = str(place.get("url") or place.get("path") or "")
            address = _address(address, commit=str(place.get("commit-id", "")))
            yield Locked(package.name, version, address, package.index)


# poetry.lock


class _PoetryPackage(msgspec.Struct):
    name: str
    version: str
    optional: bool = False
    markers: str | dict[str, str] = ""  # one for all groups, or one for each
    source: dict[str, str] = {}


class _PoetryMetadata(msgspec.Struct, rename="kebab"):
    lock_version: str = "1.0"


class _Poetry(msgspec.Struct):
    package: list[_PoetryPackage]
    metadata: _PoetryMetadata


def _of_poetry(lock: Lock) -> Iterator[Locked]:
    """What `poetry install` installs: all groups, and no extras."""
    poetry = msgspec.convert(lock.table, _Poetry)
    version = tuple(int(part) for part in poetry.metadata.lock_version.split(".") if part.isdigit())
    if version < OLDEST_POETRY:
        raise Refusal(
            f"{lock.path} is the lock of a Poetry before 2.0, which does not say where a package is needed; "
            f"`poetry lock` renews it, and `poetry export --without-hashes -o NEW.txt` writes its pins."
        )
    for package in poetry.package:
        markers = package.markers.values() if isinstance(package.markers, dict) else [package.markers]
        if not package.optional and any(map(_holds, markers)):
            url = package.source.get("url", "")
            if package.source.get("type", OF_AN_INDEX) == OF_AN_INDEX:
                yield Locked(package.name, package.version, index=url)
            else:
                commit = package.source.get("resolved_reference", "")
                yield Locked(package.name, None, _address(url, commit=commit))


# uv.lock


class _UvDependency(msgspec.Struct):
    name: str
    version: str | None = None
    extra: list[str] = []
    marker: str = ""


class _UvPackage(msgspec.Struct, rename="kebab"):
    name: str
    version: str | None = None
    source: dict[str, Any] = {}
    dependencies: list[_UvDependency] = []
    optional_dependencies: dict[str, list[_UvDependency]] = {}
    dev_dependencies: dict[str, list[_UvDependency]] = {}
    resolution_markers: list[str] = []

    @property
    def is_project(self) -> bool:
        """Whether it is what the lock was made for."""
        return self.source.get("editable") == "." or self.source.get("virtual") == "."

    @property
    def address(self) -> str | None:
        """Where it comes from, if not from an index."""
        return next((str(self.source[kind]) for kind in self.source if kind != "registry"), None)

    def needs(self, extras: frozenset[str]) -> Iterator[_UvDependency]:
        """What it depends on; of the project, also what it is developed with."""
        yield from self.dependencies
        for extra in extras:
            yield from self.optional_dependencies.get(extra, ())
        if self.is_project:
            yield from self.dev_dependencies.get(OWN_GROUP, ())


class _Uv(msgspec.Struct):
    package: list[_UvPackage]

    def answering(self, dependency: _UvDependency) -> Iterator[_UvPackage]:
        """The package that is meant, of which there may be several versions, each for other Pythons."""
        for package in self.package:
            if package.name == dependency.name and dependency.version in (None, package.version):
                markers = package.resolution_markers
                if dependency.version is not None or not markers or any(map(_holds, markers)):
                    yield package


def _of_uv(lock: Lock) -> Iterator[Locked]:
    """What `uv sync` installs: from the project on, whatever is needed here."""
    uv = msgspec.convert(lock.table, _Uv)
    projects = [package for package in uv.package if package.is_project]
    if not projects:
        raise Refusal(f"{lock.path} has no project at its root; `uv export --frozen -o NEW.txt` writes its pins.")
    waiting = [(package, frozenset[str]()) for package in projects]
    seen = set[tuple[str, str | None, frozenset[str]]]()
    while waiting:
        package, extras = waiting.pop()
        key = (package.name, package.version, extras)
        if key in seen:
            continue
        seen.add(key)
        if not package.is_project:
            address, index = package.address, str(package.source.get("registry", ""))
            yield Locked(package.name, package.version if address is None else None, address or "", index)
        needed = (one for one in package.needs(extras) if _holds(one.marker))
        waiting += [(other, frozenset(one.extra)) for one in needed for other in uv.answering(one)]

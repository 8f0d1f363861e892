"""An installer for tests in which pip itself is not the matter: it unzips wheels, in milliseconds."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree

from fluxgate.gate.environments.installers import Plan, Planned, Question, wheels
from fluxgate.gate.environments.pins import Pins


@dataclass(frozen=True)
class Unzip:
    """Installs pure wheels of a wheelhouse, over whatever is there."""

    wheelhouse: Path

    @property
    def name(self) -> str:
        return "unzip"

    def settings(self, pins: Pins) -> list[str]:
        return wheels(self.wheelhouse, pins)

    def plan(self, question: Question) -> Plan:
        return {}

    def releases(self, python: Path, package: str) -> tuple[Planned, ...]:
        return tuple(Planned(path.name.split("-")[1]) for path in sorted(self.wheelhouse.glob(f"{package}-*")))

    def install(self, python: Path, pins: Sequence[str]) -> None:
        (site_packages,) = python.parents[1].glob("lib/python*/site-packages")
        for pin in pins:
            name, _, version = pin.partition("==")
            for old in site_packages.glob(f"{name}*"):
                rmtree(old) if old.is_dir() else old.unlink()
            with zipfile.ZipFile(self.wheelhouse / f"{name}-{version}-py3-none-any.whl") as wheel:
                wheel.extractall(site_packages)

    def uninstall(self, python: Path, packages: Sequence[str]) -> None:
        return None

    def wheel(self, python: Path, source: Path, *, into: Path) -> None:
        raise NotImplementedError("it builds nothing")

    def within(self, wheelhouse: Path) -> Unzip:
        return Unzip(wheelhouse)

"""What Fluxgate runs on: the supported Pythons and the oldest supported release of each library."""

from __future__ import annotations

import sys

from packaging.version import InvalidVersion, Version

from suite.machine import Stack
from suite.refusal import Refusal

PYTHONS = ((3, 11), (3, 13))  # the oldest and the newest
OLDEST = {"torch": "2.6", "diffusers": "0.33.1", "transformers": "4.48", "accelerate": "1.2", "bitsandbytes": "0.46"}
NEEDED = ("torch", "diffusers", "transformers", "accelerate")  # bitsandbytes is needed by its own strategies only


def refuse_unsupported(stack: Stack, *, python: tuple[int, int] = sys.version_info[:2]) -> None:
    """One sentence about the first thing that Fluxgate does not run on; nothing where all is well."""
    oldest, newest = PYTHONS
    if not oldest <= python <= newest:
        names = [".".join(map(str, version)) for version in (python, oldest, newest)]
        raise Refusal("Python {} is not supported: Fluxgate runs on {} to {}.".format(*names))
    for package, least in OLDEST.items():
        _refuse_package(package, stack.get(package), least)


def _refuse_package(package: str, found: str | None, least: str) -> None:
    if found is None:
        if package in NEEDED:
            raise Refusal(f"{package} is not installed: Fluxgate needs {package} {least} or newer.")
    elif _older(found, least):
        raise Refusal(f"{package} {found} is not supported: Fluxgate runs on {package} {least} or newer.")


def _older(found: str, least: str) -> bool:
    """A development version of a supported release counts as that release; an unreadable version is taken as new."""
    try:
        return Version(Version(found).base_version) < Version(least)
    except InvalidVersion:
        return False

"""Which installer is used: the one that is named, or pip, or uv where there is no pip."""

from __future__ import annotations

import importlib.metadata
import shutil
from collections.abc import Sequence
from pathlib import Path

from fluxgate.gate.environments.installers import Installer
from fluxgate.gate.environments.pip import Pip
from fluxgate.gate.environments.uv import Uv
from fluxgate.refusal import Refusal

INSTALLERS = ("pip", "uv")


def choose_installer(
    name: str | None = None, *, wheelhouse: Path | None = None, sources: Sequence[str] = ()
) -> Installer:
    """pip or uv. With a wheelhouse, packages come from that folder alone, and no network is asked.

    sources: options that say where else packages are looked for, as files of requirements have them."""
    if name not in (None, *INSTALLERS):
        raise Refusal(f"{name!r} is no installer; choose from {' and '.join(INSTALLERS)}.")
    if wheelhouse is not None:
        if not wheelhouse.is_dir():
            raise Refusal(f"The wheelhouse {wheelhouse} is no folder; name one that holds the wheels.")
        wheelhouse = wheelhouse.resolve()
    if name != "uv" and _has_pip():
        return Pip(wheelhouse=wheelhouse, sources=tuple(sources))
    program = shutil.which("uv")
    if name != "pip" and program is not None:
        return Uv(Path(program), wheelhouse=wheelhouse, sources=tuple(sources))
    missing = f"{name} is" if name else "pip and uv are"
    raise Refusal(f"{missing} not installed, and something must install packages; python -m ensurepip installs pip.")


def _has_pip() -> bool:
    """Whether pip is installed beside this Python; asked of its metadata.

    Where setuptools was imported, looking for pip's module makes setuptools take back what it did to distutils."""
    try:
        importlib.metadata.version("pip")
    except importlib.metadata.PackageNotFoundError:
        return False
    return True

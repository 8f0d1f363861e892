"""Run by the interpreter that is asked: prints, as JSON, what it is and which packages it has. Needs nothing else."""

from __future__ import annotations

import importlib.metadata
import json
import os
import site
import sys
import sysconfig


def search_path() -> list[str]:
    """Where imports look, each folder once: lib64 is a link to lib in some virtual environments."""
    folders: dict[str, str] = {}
    for entry in sys.path:
        folders.setdefault(os.path.realpath(entry), entry)
    return list(folders.values())


def packages() -> list[list[object]]:
    """Name, version and requirements of each distribution, in the order in which imports find them."""
    rows: list[list[object]] = []
    for distribution in importlib.metadata.distributions(path=search_path()):
        if getattr(getattr(distribution, "_path", None), "name", "").startswith("~"):
            continue  # what an interrupted pip leaves behind
        try:
            name, version = distribution.metadata["Name"], distribution.metadata["Version"]
        except Exception:  # a folder without metadata
            continue
        if name and version:
            rows.append([name, version, distribution.requires or []])
    return rows


def site_folders() -> list[str]:
    """Where packages are installed, in the order in which imports look there."""
    folders = [*site.getsitepackages(), *([site.getusersitepackages()] if site.ENABLE_USER_SITE else [])]
    return [entry for entry in search_path() if entry in folders]


if __name__ == "__main__":
    print(
        json.dumps(
            {
                "version": sys.version,
                "platform": sysconfig.get_platform(),
                "base": getattr(sys, "_base_executable", sys.executable),
                "site_folders": site_folders(),
                "packages": packages(),
            }
        )
    )

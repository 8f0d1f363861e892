"""Draws the packages within fluxgate for docs/architecture.md, from the import contracts and the actual imports."""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path

import grimp

ROOT = Path(__file__).parents[1]
PACKAGE = "fluxgate"
# What everything else stands on: drawn as one, for every package imports it.
GROUND = (
    "refusal",
    "amounts",
    "figures",
    "files",
    "options",
    "locks",
    "pictures",
    "quantizers",
    "tensors",
    "toml",
    "variables",
    "pipeline_folder",
)


def layers() -> list[list[str]]:
    """The packages by layer, the highest first, as the first contract in pyproject.toml has them."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    contract = settings["tool"]["importlinter"]["contracts"][0]
    rows = ([package for package in re.findall(r"\w+", layer) if package not in GROUND] for layer in contract["layers"])
    return [row for row in rows if row]


def imports() -> dict[str, set[str]]:
    """Package -> the packages that it imports."""
    sys.path.insert(0, str(ROOT))
    graph = grimp.build_graph(PACKAGE, cache_dir=None)
    packages = {package for row in layers() for package in row}
    found: dict[str, set[str]] = {package: set() for package in packages}
    for module in graph.modules:
        for other in graph.find_modules_directly_imported_by(module):
            one, two = (name.split(".")[1] if "." in name else "" for name in (module, other))
            if one in packages and two in packages and one != two:
                found[one].add(two)
    return found


def needed(direct: Mapping[str, set[str]]) -> list[tuple[str, str]]:
    """The arrows that say all: one that another way through the packages says as well is left out."""

    def reaches(package: str, seen: frozenset[str] = frozenset()) -> set[str]:
        below = direct[package] - seen
        return below | {other for one in below for other in reaches(one, seen | {package})}

    return [
        (package, below)
        for package in direct
        for below in sorted(direct[package])
        if not any(below in reaches(other) for other in direct[package] - {below})
    ]


def mermaid() -> str:
    """The picture: a box for each package, an arrow to what it imports."""
    rows, lines = layers(), ["flowchart TD"]
    lines += [f"    {package}[{package}]" for row in rows for package in row]
    order = [package for row in rows for package in row]
    arrows = sorted(needed(imports()), key=lambda arrow: (order.index(arrow[0]), order.index(arrow[1])))
    lines += [f"    {package} --> {below}" for package, below in arrows]
    return "\n".join(lines)


if __name__ == "__main__":
    print(mermaid())

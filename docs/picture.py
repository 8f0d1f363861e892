"""Draws the rooms of the package for docs/architecture.md, from the import contracts and the imports that there are."""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path

import grimp

ROOT = Path(__file__).parents[1]
PACKAGE = "fluxgate"
# What everything else stands on: drawn as one, for every room imports it.
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
    """The rooms by layer, the highest first, as the first contract in pyproject.toml has them."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    contract = settings["tool"]["importlinter"]["contracts"][0]
    rows = ([room for room in re.findall(r"\w+", layer) if room not in GROUND] for layer in contract["layers"])
    return [row for row in rows if row]


def imports() -> dict[str, set[str]]:
    """Room -> the rooms that it imports."""
    sys.path.insert(0, str(ROOT))
    graph = grimp.build_graph(PACKAGE, cache_dir=None)
    rooms = {room for row in layers() for room in row}
    found: dict[str, set[str]] = {room: set() for room in rooms}
    for module in graph.modules:
        for other in graph.find_modules_directly_imported_by(module):
            one, two = (name.split(".")[1] if "." in name else "" for name in (module, other))
            if one in rooms and two in rooms and one != two:
                found[one].add(two)
    return found


def needed(direct: Mapping[str, set[str]]) -> list[tuple[str, str]]:
    """The arrows that say all: one that another way through the rooms says as well is left out."""

    def reaches(room: str, seen: frozenset[str] = frozenset()) -> set[str]:
        below = direct[room] - seen
        return below | {other for one in below for other in reaches(one, seen | {room})}

    return [
        (room, below)
        for room in direct
        for below in sorted(direct[room])
        if not any(below in reaches(other) for other in direct[room] - {below})
    ]


def mermaid() -> str:
    """The picture: a box for each room, an arrow to what it imports."""
    rows, lines = layers(), ["flowchart TD"]
    lines += [f"    {room}[{room}]" for row in rows for room in row]
    order = [room for row in rows for room in row]
    arrows = sorted(needed(imports()), key=lambda arrow: (order.index(arrow[0]), order.index(arrow[1])))
    lines += [f"    {room} --> {below}" for room, below in arrows]
    return "\n".join(lines)


if __name__ == "__main__":
    print(mermaid())

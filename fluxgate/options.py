"""Options in words: what a user wrote, or one sentence with the list of what may stand there."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from fluxgate.amounts import parse_amount
from fluxgate.refusal import Refusal


@dataclass(frozen=True)
class Option:
    """An option that pytest and the command have alike: what stands for its value, and what it means."""

    metavar: str
    about: str
    default: str

    def help(self, default: str | None = None) -> str:
        """What `--help` says of it; default: where it is another one than usual."""
        return f"{self.about} (default: {default or self.default})"


SHARED = {
    "subject": Option("NAME[,NAME]", "the pipelines to render", "miniature"),
    "strategy": Option("NAME[,NAME]", "the strategies to render them with", "all"),
    "tier": Option("short|all", "which strategies: one of each kind, or every one", "all"),
    "takes": Option("N", "how often each shot is rendered", "twice on a GPU; on a CPU the first shot twice"),
    "shard": Option("PART/PARTS", "one part of the cases, like 2/5; fluxgate merge joins the runs", "all"),
    "vram-limit": Option("AMOUNT", "the most memory that a case may use on each GPU, like 12GB", "all of it"),
    "case-timeout": Option("SECONDS", "how long one case may take", "3600"),
    "baselines": Option(
        "FOLDER", "accepted pictures, facts and known failures, or an address like s3://…", "baselines"
    ),
    "runs": Option("FOLDER", "the folder of runs", "runs"),
}

_ADDRESS = re.compile(r"([A-Za-z][A-Za-z0-9+-]*):/+([^/].*)")
_SCHEMES = ("s3", "gs", "hf", "file")


def chosen(given: Iterable[str], *, among: Iterable[str], option: str, listing: str | None = None) -> tuple[str, ...]:
    """The names that were asked for, in the order of the registry; several may stand in one text, with commas."""
    names = tuple(among)
    asked = [name.strip() for text in given for name in text.split(",")]
    for name in asked:
        if name not in names:
            wrong = "is unknown" if name else "is empty"
            raise Refusal(f"{option} {name!r} {wrong}; {suggestion(name, names, listing=listing)}")
    return tuple(name for name in names if name in asked)


def suggestion(name: str, among: Iterable[str], *, listing: str | None = None) -> str:
    """How a sentence about an unknown name ends: with the nearest name that there is, else with all of them.

    listing: the command that names them, where they are too many for a sentence."""
    names = list(among)
    near = difflib.get_close_matches(name, names, n=1)
    if near:
        return f"did you mean {near[0]!r}?"
    return f"{listing} names all {len(names)}." if listing else f"choose from {', '.join(names)}."


def whole_number(text: str, *, option: str, most: int, instead: str = "") -> int:
    """A number from 1 to the most that makes sense; instead: a word that may stand for one."""
    if not text.isascii() or not text.isdigit() or len(text) > 9 or not 1 <= int(text) <= most:
        word = f", or {instead}" if instead else ""
        raise Refusal(f"{option} is {text!r}; it must be a whole number from 1 to {most}{word}.")
    return int(text)


def address_of(path: Path) -> str | None:
    """The address of a store elsewhere that was typed where a folder may stand; None for a folder.

    A path has only one of the two slashes left."""
    found = _ADDRESS.fullmatch(str(path))
    if found is None:
        return None
    scheme, rest = found.groups()
    if scheme not in _SCHEMES:
        known = "s3://, gs://, hf:// and file:///"
        raise Refusal(f"{scheme}://{rest[:80]} is no folder, and no address of a store; those begin with {known}.")
    return f"file:///{rest}" if scheme == "file" else f"{scheme}://{rest}"


def within(folder: Path, path: Path) -> Path:
    """A path as it is meant from a folder; an address stays what it is."""
    return path if address_of(path) else folder / path


def seconds(text: str, *, option: str) -> float:
    """A time that is more than nothing and less than forever."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise Refusal(f"{option} is {text!r}; it must be a number of seconds above 0.")
    return value


def memory(text: str, *, option: str) -> int:
    """An amount of memory that is more than nothing."""
    value = parse_amount(text, name=option)
    if not value:
        raise Refusal(f"{option} is {text!r}; it must be above 0.")
    return value

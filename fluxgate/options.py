"""Options in words: what a user wrote, or one sentence with the list of what may stand there."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable

from fluxgate.amounts import parse_amount
from fluxgate.refusal import Refusal


def chosen(given: Iterable[str], *, among: Iterable[str], option: str) -> tuple[str, ...]:
    """The names that were asked for, in the order of the registry; several may stand in one text, with commas."""
    names = tuple(among)
    asked = [name.strip() for text in given for name in text.split(",")]
    for name in asked:
        if name not in names:
            raise Refusal(f"{option} {name!r} is unknown; {suggestion(name, names)}")
    return tuple(name for name in names if name in asked)


def suggestion(name: str, among: Iterable[str]) -> str:
    """How a sentence about an unknown name ends: with the nearest name that there is, else with all of them."""
    names = list(among)
    near = difflib.get_close_matches(name, names, n=1)
    return f"did you mean {near[0]!r}?" if near else f"choose from {', '.join(names)}."


def whole_number(text: str, *, option: str, most: int) -> int:
    """A number from 1 to the most that makes sense."""
    if not text.isascii() or not text.isdigit() or len(text) > 9 or not 1 <= int(text) <= most:
        raise Refusal(f"{option} is {text!r}; it must be a whole number from 1 to {most}.")
    return int(text)


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

"""Seconds, shares and similarities in words; bytes are in amounts."""

from __future__ import annotations

import math


def seconds(number: float) -> str:
    """`0.06 s`, `9.4 s`, `5 min 03 s`."""
    if not math.isfinite(number):
        return "an unknown time"
    if number >= 99.95:
        minutes, rest = divmod(round(number), 60)
        return f"{minutes} min {rest:02d} s"
    return f"{number:.1f} s" if number >= 9.995 else f"{number:.2f} s"


def percent(share: float) -> str:
    """A share of 1, never rounded to a false 0% or 100%."""
    if 0 < share < 0.0001:
        return "under 0.01%"
    if 0.9999 < share < 1:
        return "over 99.99%"
    return f"{100 * share:.2f}".rstrip("0").rstrip(".") + "%"


def distinct(number: float, limit: float) -> tuple[str, str]:
    """Two numbers in as few digits as tell them apart, two at least."""
    texts = ((f"{number:.{digits}g}", f"{limit:.{digits}g}") for digits in range(2, 18))
    return next((each for each in texts if each[0] != each[1]), (str(number), str(limit)))


def likeness(number: float, *, digits: int | None = None) -> str:
    """A similarity cut, not rounded, so that nothing but the identical reads 1."""
    if not number < 1:
        return "1" if number == 1 else str(number)
    digits = digits or (3 if number < 0.999 else 6)
    return f"{math.floor(number * 10**digits) / 10**digits:.{digits}f}"


def brief(number: float) -> str:
    """Seconds in five characters or so, for a table: `0.06s`, `12.3s`, `5m03s`."""
    return seconds(number).replace(" min ", "m").replace(" s", "s")

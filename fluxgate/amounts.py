"""Amounts of bytes in words: one formatter and one parser, GB = 1e9."""

from __future__ import annotations

import re

from fluxgate.refusal import Refusal

UNITS = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
FEW = 10**6  # bytes that are better counted than rounded
AMOUNT = r"\s*(\d{1,12}(?:\.\d{1,9})?)\s*([KMGT]?B)\s*"


def amount(count: float) -> str:
    """`33.74 GB`, `57.2 MB`, `412 B`: three or four digits that say enough."""
    size = abs(count)
    if size < 1000:
        return f"{count:.0f} B"
    if size < 10**6:
        return f"{count / 10**3:.1f} KB"
    return f"{count / 10**6:.1f} MB" if size < 10**8 else f"{count / 10**9:.2f} GB"


def distinct(one: float, other: float) -> tuple[str, str]:
    """Two amounts, to the byte where rounding would make them look the same, or where they are few."""
    rounded = amount(one), amount(other)
    if one == other or (rounded[0] != rounded[1] and max(one, other) >= FEW):
        return rounded
    return f"{one:,.0f} B", f"{other:,.0f} B"


def parse_amount(text: str, *, name: str = "an amount") -> int:
    """Bytes out of `17 GB`, `8.5GB` or `512 MB`."""
    found = re.fullmatch(AMOUNT, text, re.IGNORECASE)
    if found is None:
        raise Refusal(f"{name} is {text!r}; write it like '17 GB' or '512 MB'.")
    return round(float(found[1]) * UNITS[found[2].upper()])

"""Facts in sentences that users read, for tests that must hold however the sentences are worded."""

from __future__ import annotations

import re


def unsaid(text: str | None, *facts: str) -> list[str]:
    """Those of the facts that a text does not state as whole words: numbers, names, a word or two with a number."""
    return [fact for fact in facts if text is None or not re.search(_whole(fact), text)]


def _whole(fact: str) -> str:
    """A pattern of the fact that finds `6.00 GB` neither in `16.00 GB` nor in `6.00 GBs`, even over two lines."""
    words = r"\s+".join(map(re.escape, fact.split()))
    before = r"(?<![\w.,])" if re.match(r"\w", fact) else ""
    after = r"(?!\w)" if re.search(r"\w$", fact) else ""
    return f"{before}{words}{after}"

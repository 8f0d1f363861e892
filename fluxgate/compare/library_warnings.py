"""What libraries warn of on one side and not on the other."""

from __future__ import annotations

import re
from collections.abc import Iterable

# What differs from process to process and says nothing: addresses, folders, durations.
PASSING = re.compile(r"0x[0-9a-fA-F]+|(?<![\w.])/[^\s'\",;:)]+|\d+(\.\d+)? ?(ms|s|seconds)\b")


def new_warnings(expected: Iterable[str], actual: Iterable[str]) -> tuple[str, ...]:
    """The warnings of one side that the other does not have, but for what no two processes have alike."""
    known = {_lasting(line) for line in expected}
    return tuple(line for line in actual if _lasting(line) not in known)


def _lasting(line: str) -> str:
    return " ".join(PASSING.sub("…", line).split())

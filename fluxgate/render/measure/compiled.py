"""What torch has compiled in this process."""

from __future__ import annotations

import sys


def compiled_graphs() -> int:
    """How many graphs; torch counts them once it is asked to compile."""
    dynamo = sys.modules.get("torch._dynamo.utils")
    return 0 if dynamo is None else int(dynamo.counters["stats"]["unique_graphs"])

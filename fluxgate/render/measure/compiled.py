"""What torch has compiled in this process."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager, nullcontext
from typing import Any


def compiled_graphs() -> int:
    """How many graphs; torch counts them once it is asked to compile."""
    dynamo = sys.modules.get("torch._dynamo.utils")
    return 0 if dynamo is None else int(dynamo.counters["stats"]["unique_graphs"])


def uncompiled() -> AbstractContextManager[Any]:
    """What is compiled is run as it is written meanwhile: one by one its operators can be seen, and nothing is compiled
    anew with what looks at them."""
    if not compiled_graphs():
        return nullcontext()
    import torch

    return torch.compiler.set_stance("force_eager")  # type: ignore[no-any-return]  # torch has no types here

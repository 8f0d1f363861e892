"""Calls of modules, by their class, and of components with the same inputs as before."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from fluxgate.render.measure.work_operators import Counting


@contextmanager
def calls_counted(counter: Counting, calls: Counter[int]) -> Iterator[None]:
    """Count each module that is called meanwhile, whatever pipeline it belongs to.

    calls: is given how often each module itself is, by its id."""
    from torch.nn.modules.module import register_module_forward_pre_hook

    def before_forward(module: Any, _: Any) -> None:
        counter.add("modules", type(module).__name__)
        if not counter.paused:
            calls[id(module)] += 1

    handle = register_module_forward_pre_hook(before_forward)
    try:
        yield
    finally:
        handle.remove()

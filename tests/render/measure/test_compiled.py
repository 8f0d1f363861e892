"""Tests of the number of graphs that torch has compiled."""

from __future__ import annotations

from typing import Any

import pytest

from fluxgate.render.measure.compiled import compiled_graphs
from fluxgate.render.measure.work import WorkCounter

torch: Any = pytest.importorskip("torch")


def test_a_graph_is_counted_once_it_is_compiled() -> None:
    """Not when that is asked for, and not at a second call."""
    import torch._dynamo

    twice = torch.compile(lambda number: number * 2, backend="eager")
    before = compiled_graphs()
    for _ in range(2):
        twice(torch.ones(3))
    assert compiled_graphs() == before + 1


def test_a_process_that_compiled_nothing_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without torch's compiler having been imported, too."""
    import sys

    monkeypatch.delitem(sys.modules, "torch._dynamo.utils", raising=False)
    assert compiled_graphs() == 0


def test_what_is_compiled_can_be_run_as_it_is_written() -> None:
    """Nothing is compiled anew for that, and the results are the same numbers."""
    import torch._dynamo

    twice = torch.compile(lambda number: number * 2, backend="eager")
    twice(torch.ones(3))
    before, seen = compiled_graphs(), WorkCounter()
    with seen.counted([], []):
        seen.enter("denoise")
        twice(torch.ones(5, 5))  # another shape, which would be another graph
        seen.enter(None)
    assert compiled_graphs() == before
    assert seen.take_counted()[0].operators["aten.mul"] == 1

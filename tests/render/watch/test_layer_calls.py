"""Tests of counting the calls of layers."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from fluxgate.render.watch.layer_calls import LayerCalls  # noqa: E402
from fluxgate.rendering import GivenTake  # noqa: E402


def test_a_layer_that_is_called_too_often_is_named() -> None:
    """With how often was due and how often it was; a layer that nobody has called belongs to another way through."""
    network = torch.nn.ModuleDict({name: torch.nn.Linear(2, 2) for name in ("once", "twice", "never")})
    calls = LayerCalls()
    handles = calls.watch("net", network, due=1)
    calls.counting = True
    for name in ("once", "twice", "twice"):
        network[name](torch.zeros(1, 2))
    calls.counting = False
    network["once"](torch.zeros(1, 2))
    assert calls.result() == (2, {"net.twice": (1, 2)})
    assert len(handles) == 3


def test_what_another_process_has_counted_is_added() -> None:
    """Its layers, and those that were called otherwise than was due."""
    calls = LayerCalls()
    calls.add_from_process(GivenTake(layers=5, miscounted={"vae.decoder.conv": (1, 2)}))
    assert calls.result() == (5, {"vae.decoder.conv": (1, 2)})

"""Tests of watching weights in use: what is seen within a forward, and that the watch ends with it."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from fluxgate.render.watch.weights_in_use import WeightsInUse, watch_weights  # noqa: E402

Module: Any = torch.nn.Module


class Blocks(Module):
    """Three blocks of growing width, and an entrance that belongs to none."""

    def __init__(self) -> None:
        super().__init__()
        self.entrance = torch.nn.Linear(8, 8, bias=False)
        widths = (8, 16, 32, 8)
        self.blocks = torch.nn.ModuleList(
            torch.nn.Sequential(torch.nn.Linear(one, other, bias=False)) for one, other in itertools.pairwise(widths)
        )

    def forward(self, x: Any) -> Any:
        x = self.entrance(x)
        for block in self.blocks:
            x = block(x)
        return x


SIZES = [8 * 16 * 4, 16 * 32 * 4, 32 * 8 * 4]


def look(module: Any, *, device: str = "cpu") -> tuple[WeightsInUse, list[int]]:
    """What is seen in one forward, and how many bytes were here at each new height."""
    seen: list[WeightsInUse] = []
    heights: list[int] = []

    def placements() -> dict[str, dict[str, int]]:
        here = sum(t.numel() * 4 for t in module.parameters() if t.device.type == device)
        heights.append(here)
        return {"denoiser": {device: here}}

    watch_weights(module, device=device, placements=placements, done=seen.append)
    module(torch.ones(2, 8))
    assert len(seen) == 1
    return seen[0], heights


def visiting(module: Any) -> Any:
    """The same module, whose layers' weights are here for their own forward only."""
    from accelerate import cpu_offload

    cpu_offload(module, torch.device("cpu"))
    return module


def test_a_module_that_is_all_here() -> None:
    """All blocks and all bytes at once, noticed at the first look."""
    weights, heights = look(Blocks())
    assert (weights.most_blocks_on_device, weights.blocks) == (3, 3)
    assert weights.most_bytes_on_device == 8 * 8 * 4 + sum(SIZES)
    assert heights == [weights.most_bytes_on_device]


def test_weights_that_visit_one_by_one() -> None:
    """One block at a time, and the weights that is kept is that of the largest layer."""
    weights, heights = look(visiting(Blocks()))
    assert weights.most_blocks_on_device == 1
    assert weights.most_bytes_on_device == max(SIZES)
    assert weights.placements == {"denoiser": {"cpu": max(SIZES)}}
    assert heights == [8 * 8 * 4, SIZES[0], SIZES[1]]


def test_a_device_on_which_nothing_is() -> None:
    """No block and no byte."""
    weights, _ = look(Blocks(), device="cuda")
    assert (weights.most_blocks_on_device, weights.most_bytes_on_device) == (0, 0)


def test_it_looks_at_one_forward_only() -> None:
    """The next one is not seen, and nothing is left on the module."""
    module = Blocks()
    look(module)
    assert not module._forward_hooks
    weights, heights = look(module)
    module(torch.ones(2, 8))
    assert len(heights) == 1
    assert weights.seconds > 0


def test_a_forward_that_fails_ends_the_look() -> None:
    """The mode of torch does not outlive it."""
    module = Blocks()
    seen: list[WeightsInUse] = []
    watch_weights(module, device="cpu", placements=dict, done=seen.append)
    with pytest.raises(RuntimeError):
        module(torch.ones(2, 5))
    assert len(seen) == 1
    before = seen[0].seconds
    torch.nn.functional.linear(torch.ones(1, 8), module.entrance.weight)
    assert seen[0].seconds == before

"""Tests of the onlooker: what it sees within a forward, and that it goes with it."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from fluxgate.render.watch.weights_in_use import Sight, onlook  # noqa: E402


class Blocks(torch.nn.Module):
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


def look(module: Any, *, device: str = "cpu") -> tuple[Sight, list[int]]:
    """What is seen in one forward, and how many bytes were here at each new height."""
    sights: list[Sight] = []
    heights: list[int] = []

    def placements() -> dict[str, dict[str, int]]:
        here = sum(t.numel() * 4 for t in module.parameters() if t.device.type == device)
        heights.append(here)
        return {"denoiser": {device: here}}

    onlook(module, device=device, placements=placements, done=sights.append)
    module(torch.ones(2, 8))
    assert len(sights) == 1
    return sights[0], heights


def visiting(module: Any) -> Any:
    """The same module, whose layers' weights are here for their own forward only."""
    from accelerate import cpu_offload

    cpu_offload(module, torch.device("cpu"))
    return module


def test_a_module_that_is_all_here() -> None:
    """All blocks and all bytes at once, noticed at the first look."""
    sight, heights = look(Blocks())
    assert (sight.blocks, sight.blocks_in_all) == (3, 3)
    assert sight.bytes_on_device == 8 * 8 * 4 + sum(SIZES)
    assert heights == [sight.bytes_on_device]


def test_weights_that_visit_one_by_one() -> None:
    """One block at a time, and the sight that is kept is that of the largest layer."""
    sight, heights = look(visiting(Blocks()))
    assert sight.blocks == 1
    assert sight.bytes_on_device == max(SIZES)
    assert sight.placements == {"denoiser": {"cpu": max(SIZES)}}
    assert heights == [8 * 8 * 4, SIZES[0], SIZES[1]]


def test_a_device_on_which_nothing_is() -> None:
    """No block and no byte."""
    sight, _ = look(Blocks(), device="cuda")
    assert (sight.blocks, sight.bytes_on_device) == (0, 0)


def test_it_looks_at_one_forward_only() -> None:
    """The next one is not seen, and nothing is left on the module."""
    module = Blocks()
    look(module)
    assert not module._forward_hooks
    sight, heights = look(module)
    module(torch.ones(2, 8))
    assert len(heights) == 1
    assert sight.seconds > 0


def test_a_forward_that_fails_ends_the_look() -> None:
    """The mode of torch does not outlive it."""
    module = Blocks()
    sights: list[Sight] = []
    onlook(module, device="cpu", placements=dict, done=sights.append)
    with pytest.raises(RuntimeError):
        module(torch.ones(2, 5))
    assert len(sights) == 1
    before = sights[0].seconds
    torch.nn.functional.linear(torch.ones(1, 8), module.entrance.weight)
    assert sights[0].seconds == before

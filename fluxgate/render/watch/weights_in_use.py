"""The onlooker: sees, from within the denoiser's forward, which of its weights are on the device at once."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

Placements = dict[str, dict[str, int]]  # component -> device -> bytes


@dataclass
class Sight:
    """The most that was on the device at one time."""

    blocks: int = 0
    blocks_in_all: int = 0
    bytes_on_device: int = -1
    placements: Placements = field(default_factory=dict)
    seconds: float = 0.0  # spent on looking


def onlook(denoiser: Any, *, device: str, placements: Callable[[], Placements], done: Callable[[Sight], None]) -> None:
    """Look at every use of a weight in the forward that is about to begin, and tell at its end what was seen.

    Hooks that move single layers do so around the layer's own forward, within all hooks of torch: only a look at the
    moment at which a weight is used shows what is there."""
    holders = _holders(denoiser)
    sight = Sight(blocks_in_all=len({block for block, _ in holders if block is not None}))
    mode = _mode(lambda: _look(sight, holders, device, placements))

    def over(*_: Any) -> None:
        handle.remove()
        mode.__exit__(None, None, None)
        done(sight)

    handle = denoiser.register_forward_hook(over, always_call=True)
    mode.__enter__()


def _holders(denoiser: Any) -> list[tuple[int | None, dict[str, Any]]]:
    """Every module's own tensors, each with the number of the transformer block it belongs to."""
    import torch

    lists = [child for child in denoiser.children() if isinstance(child, torch.nn.ModuleList)]
    blocks = [block for blocks in lists for block in blocks]
    numbers = {id(part): number for number, block in enumerate(blocks) for part in block.modules()}
    return [
        (numbers.get(id(part)), tensors)
        for part in denoiser.modules()
        for tensors in (part._parameters, part._buffers)
        if tensors
    ]


def _look(sight: Sight, holders: list[tuple[int | None, dict[str, Any]]], device: str, placements: Any) -> None:
    started = time.perf_counter()
    here, blocks = 0, set()
    for block, tensors in holders:
        for tensor in tensors.values():
            if tensor is not None and tensor.device.type == device:
                here += tensor.numel() * tensor.element_size()
                blocks.add(block)
    sight.blocks = max(sight.blocks, len(blocks - {None}))
    if here > sight.bytes_on_device:
        sight.bytes_on_device = here
        sight.placements = placements()
    sight.seconds += time.perf_counter() - started


def _mode(look: Callable[[], None]) -> Any:
    """A mode of torch that calls `look` whenever a function is given a parameter, or does a layer's product."""
    from torch.nn import Parameter
    from torch.nn.functional import linear
    from torch.overrides import TorchFunctionMode

    class Looking(TorchFunctionMode):  # type: ignore[misc]
        def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            name = getattr(function, "__name__", "")
            if name not in ("__get__", "__set__", "to"):  # hooks reach for a weight's data while they move it
                quantized = getattr(function, "namespace", None) == "bitsandbytes"
                if function is linear or quantized or any(isinstance(arg, Parameter) for arg in args):
                    look()
            return function(*args, **(kwargs or {}))

    return Looking()

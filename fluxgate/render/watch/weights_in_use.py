"""Which of the denoiser's weights are on the device at once, seen from within its forward."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

Placements = dict[str, dict[str, int]]  # component -> device -> bytes
Holders = list[tuple[int | None, dict[str, Any]]]  # the number of a block, or None outside of them; its tensors


@dataclass
class WeightsInUse:
    """The most that was on the device at one time during a forward."""

    blocks: int = 0  # that the denoiser has
    most_blocks_on_device: int = 0
    most_bytes_on_device: int = -1
    placements: Placements = field(default_factory=dict)  # at the time of the most bytes
    seconds: float = 0.0  # spent on watching

    def update(self, holders: Holders, device: str, placements: Callable[[], Placements]) -> None:
        """Look where the weights are now."""
        started = time.perf_counter()
        size, blocks = 0, set()
        for block, tensors in holders:
            for tensor in tensors.values():
                if tensor is not None and tensor.device.type == device:
                    size += tensor.numel() * tensor.element_size()
                    blocks.add(block)
        self.most_blocks_on_device = max(self.most_blocks_on_device, len(blocks - {None}))
        if size > self.most_bytes_on_device:
            self.most_bytes_on_device = size
            self.placements = placements()
        self.seconds += time.perf_counter() - started


def watch_weights(
    denoiser: Any, *, device: str, placements: Callable[[], Placements], done: Callable[[WeightsInUse], None]
) -> None:
    """Look at every use of a weight in the forward that is about to begin, and pass on at its end what was seen.

    Hooks that move single layers do so around the layer's own forward, within all hooks of torch: only a look at the
    moment at which a weight is used shows what is there. What is compiled would be compiled anew with that look in it:
    there, where nothing moves, one look at the end must do."""
    holders = _holders(denoiser)
    weights = WeightsInUse(blocks=len({block for block, _ in holders if block is not None}))
    compiled = any(part._compiled_call_impl is not None for part in denoiser.modules())
    mode = nullcontext() if compiled else _mode(lambda: weights.update(holders, device, placements))

    def after_forward(*_: Any) -> None:
        handle.remove()
        mode.__exit__(None, None, None)
        if compiled:
            weights.update(holders, device, placements)
        done(weights)

    handle = denoiser.register_forward_hook(after_forward, always_call=True)
    mode.__enter__()


def _holders(denoiser: Any) -> Holders:
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


def _mode(look: Callable[[], None]) -> Any:
    """A mode of torch that calls `look` whenever a function is given a parameter, or does a layer's product."""
    from torch.nn import Parameter
    from torch.nn.functional import linear
    from torch.overrides import TorchFunctionMode

    class Looking(TorchFunctionMode):  # type: ignore[misc]  # torch has no types here
        def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            name = getattr(function, "__name__", "")
            if name not in ("__get__", "__set__", "to"):  # hooks reach for a weight's data while they move it
                quantized = getattr(function, "namespace", None) == "bitsandbytes"
                if function is linear or quantized or any(isinstance(arg, Parameter) for arg in args):
                    look()
            return function(*args, **(kwargs or {}))

    return Looking()

"""Several devices that train one set of weights: what they share, and nothing at all when there is only one."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

AGREE_EVERY = 10  # steps between two looks at the first one's clock


def rank() -> int:
    import torch.distributed as dist

    return dist.get_rank() if _several() else 0


def processes() -> int:
    import torch.distributed as dist

    return dist.get_world_size() if _several() else 1


def _several() -> bool:
    import torch.distributed as dist

    return bool(dist.is_available() and dist.is_initialized())


def average(tensors: Sequence[Tensor]) -> None:
    """Replace every tensor by its mean over all devices."""
    import torch
    import torch.distributed as dist

    if not _several():
        return
    flat = torch.cat([tensor.reshape(-1) for tensor in tensors])
    dist.all_reduce(flat)
    flat /= processes()
    for tensor, part in zip(tensors, flat.split([tensor.numel() for tensor in tensors]), strict=True):
        tensor.copy_(part.view_as(tensor))


def agreed(value: float, like: Tensor) -> float:
    """The first device's value, on all of them."""
    import torch
    import torch.distributed as dist

    if not _several():
        return value
    told = torch.tensor([value], dtype=torch.float64, device=like.device)
    dist.broadcast(told, 0)
    return float(told)


class Clock:
    """Seconds passed, the same on every device: the first one's are told to the others every few steps."""

    def __init__(self, like: Tensor) -> None:
        self.start = time.monotonic()
        self.like = like
        self.asked = 0
        self.last = 0.0

    def passed(self) -> float:
        if self.asked % AGREE_EVERY == 0 or not _several():
            self.last = agreed(time.monotonic() - self.start, self.like)
        self.asked += 1
        return self.last


def spread(work: Callable[..., None], order: Any, *, over: int) -> None:
    """Do the work in this many processes, one for each device."""
    import torch.multiprocessing

    if over == 1:
        work(order)
        return
    torch.multiprocessing.spawn(_join, args=(over, work, order), nprocs=over)


def _join(index: int, over: int, work: Callable[..., None], order: Any) -> None:
    import torch
    import torch.distributed as dist

    os.environ.setdefault("MASTER_ADDR", "127.0.0.1")
    os.environ.setdefault("MASTER_PORT", "29511")
    if torch.cuda.is_available():
        torch.cuda.set_device(index)
    dist.init_process_group("nccl" if torch.cuda.is_available() else "gloo", rank=index, world_size=over)
    work(order)
    dist.destroy_process_group()

"""The most memory of each GPU that a process may take, set before it takes any."""

from __future__ import annotations


def cap_vram(limit: int | None) -> None:
    """Let this process take at most so many bytes of each GPU that it sees; None for all there are.

    What torch's allocator takes from the driver counts, whether a tensor lies in it or not. What does not count is the
    CUDA context with the code of its kernels, some hundred MB for each process, and what a library takes past that
    allocator. A card that is sold with 12 GB has 12 GiB: a limit of 12 GB (12e9) leaves those their room on it.

    Each process has the limit to itself. The processes of a staged strategy work one after another, and the one that
    waits holds no weights, only what they pass on. A library that asks the driver what is free sees the whole card:
    what it plans too large runs out of memory here, where on a smaller card it might have planned smaller."""
    if limit is None:
        return
    import torch

    for number in range(torch.cuda.device_count()):
        total = torch.cuda.get_device_properties(number).total_memory
        torch.cuda.set_per_process_memory_fraction(fraction(limit, of=total), number)


def fraction(limit: int, *, of: int) -> float:
    """The part of a card that a limit is, at most all of it: torch refuses more.

    A limit above the card's memory was refused earlier, but the driver counts somewhat more than torch can have."""
    return min(limit / of, 1.0)

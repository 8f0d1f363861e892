"""Tensors that Python can reach, in memory or on a GPU: exact to the byte, where resident memory is not, nor what a
GPU's allocator gives out."""

from __future__ import annotations

import gc
from collections.abc import Iterable
from contextlib import suppress
from typing import Any


def live_tensor_bytes(device: str = "cpu", *, except_for: Iterable[Any] = ()) -> int:
    """Bytes of the tensors in this process's memory, or on its GPUs, each storage once, but for the storages of some.

    Tensors that existed when the libraries had been imported are frozen, and do not count."""
    import torch

    gc.collect()
    excepted = {storage[0] for tensor in except_for if (storage := _storage(tensor, device))}
    tensors = [each for each in gc.get_objects() if issubclass(type(each), torch.Tensor)]  # isinstance wakes proxies
    storages = dict(storage for tensor in tensors if (storage := _storage(tensor, device)))
    return sum(size for address, size in storages.items() if address not in excepted)


def _storage(tensor: Any, device: str) -> tuple[int, int] | None:
    """Address and bytes of a tensor's memory; None if it has none of its own there."""
    with suppress(Exception):  # a subclass that only wraps others says so in whatever way it likes
        if tensor.device.type == device:
            storage = tensor.untyped_storage()
            return int(storage.data_ptr()), int(storage.nbytes())
    return None

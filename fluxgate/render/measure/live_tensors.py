"""Tensors in memory that Python can reach: exact to the byte, where resident memory is not."""

from __future__ import annotations

import gc
from collections.abc import Iterable
from contextlib import suppress
from typing import Any


def live_tensor_bytes(*, except_for: Iterable[Any] = ()) -> int:
    """Bytes of the tensors in this process's memory, each storage once, but for the storages of some tensors.

    Tensors that existed when the libraries had been imported are frozen, and do not count."""
    import torch

    gc.collect()
    excepted = {storage[0] for tensor in except_for if (storage := _storage(tensor))}
    tensors = [each for each in gc.get_objects() if issubclass(type(each), torch.Tensor)]  # isinstance wakes proxies
    storages = dict(storage for tensor in tensors if (storage := _storage(tensor)))
    return sum(size for address, size in storages.items() if address not in excepted)


def _storage(tensor: Any) -> tuple[int, int] | None:
    """Address and bytes of a tensor's memory; None if it has none of its own here."""
    with suppress(Exception):  # a subclass that only wraps others says so in whatever way it likes
        if tensor.device.type == "cpu":
            storage = tensor.untyped_storage()
            return int(storage.data_ptr()), int(storage.nbytes())
    return None

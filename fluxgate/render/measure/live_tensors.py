"""Tensors that are alive: what Python can reach of them, exact to the byte where resident memory is not."""

from __future__ import annotations

import gc
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from fluxgate.render.watch.inventory import plain_tensors


def bytes_alive(*, apart_from: Iterable[Any] = ()) -> int:
    """Bytes of the tensors in this process's memory, each storage once, without those of some modules.

    What was alive when the libraries had been imported is frozen, and does not count."""
    import torch

    gc.collect()
    known = {storage[0] for module in apart_from for tensor in plain_tensors(module) if (storage := _storage(tensor))}
    found = [each for each in gc.get_objects() if issubclass(type(each), torch.Tensor)]  # isinstance would wake proxies
    storages = dict(storage for tensor in found if (storage := _storage(tensor)))
    return sum(size for address, size in storages.items() if address not in known)


def _storage(tensor: Any) -> tuple[int, int] | None:
    """Address and bytes of a tensor's memory; None if it has none of its own here."""
    with suppress(Exception):  # a subclass that only wraps others says so in whatever way it likes
        if tensor.device.type == "cpu":
            storage = tensor.untyped_storage()
            return int(storage.data_ptr()), int(storage.nbytes())
    return None

"""A hash over all that a component holds, made where it lies."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

from fluxgate.render.watch.component import tensors_of, values_of

CHUNK = 1 << 22  # 4-byte words that are summed at a time
GOLDEN, OFFSET = -7046029254386353131, 1442695040888963407  # 2^64 / φ, as int64; and Knuth's increment

Factors = dict[Any, Any]  # device -> the first of a chunk's factors


def state_sha256(module: Any) -> str | None:
    """A hash over all parameters, buffers, quantized codes and scales; None where one of them cannot be read.

    Each tensor is first summed on the device it is on, so that 24 GB cost seconds: the sum is exact in integers,
    and so the same on every device, but it is a checksum against change, not against malice."""
    digest = hashlib.sha256()
    for _, state in tensor_states(module):
        if state is None:
            return None
        digest.update(f"{state}\n".encode())
    return digest.hexdigest()


def tensor_states(module: Any) -> Iterator[tuple[str, str | None]]:
    """The name of each tensor, in their order, with its own words and sums; None where it cannot be read."""
    import torch

    factors: Factors = {}
    for name, tensor, _ in sorted(tensors_of(module), key=lambda entry: entry[0]):
        plain = values_of(module, name, tensor)
        if plain is None:
            yield name, None
            continue
        with torch._C.DisableTorchFunctionSubclass():  # GGUF's parameters would make a parameter of each result
            sums = " ".join(str(part) for part in checksums(plain, factors))
        yield name, f"{name} {plain.dtype} {tuple(plain.shape)} {sums}"


def checksums(tensor: Any, factors_by_device: Factors) -> list[int]:
    """Sums of a tensor's 4-byte words, each times a number that depends on its place, modulo 2^64."""
    import torch

    flat = tensor.contiguous().reshape(-1).view(torch.uint8)
    whole = flat.numel() // 4 * 4
    if flat.data_ptr() % 4:
        flat = flat.clone()
    words = flat[:whole].view(torch.int32)
    sums = [int(flat[whole:].to(torch.int64).sum())] if whole < flat.numel() else []
    for start in range(0, words.numel(), CHUNK):
        chunk = words[start : start + CHUNK].to(torch.int64)
        sums.append(int(chunk.mul_(_factors(chunk.numel(), chunk.device, factors_by_device)).sum()))
    return sums


def _factors(count: int, device: Any, by_device: Factors) -> Any:
    """So many odd numbers spread over 64 bits, one for each place of a chunk; they are made again only where more are
    needed than ever before on the device."""
    import torch

    if device not in by_device or len(by_device[device]) < count:
        # Room for a whole chunk, whatever is filled: from the largest piece that was given back the C library learns
        # what to keep of smaller ones, and the peaks of the takes that follow would be others.
        places = torch.empty(CHUNK, dtype=torch.int64, device=device)[: min(CHUNK, 1 << (count - 1).bit_length())]
        torch.arange(len(places), out=places)
        by_device[device] = places.mul_(GOLDEN).add_(OFFSET).bitwise_or_(1)
    return by_device[device][:count]

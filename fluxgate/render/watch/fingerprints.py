"""A tensor as a hash and a small summary."""

from __future__ import annotations

import hashlib
from typing import Any

from fluxgate.render.watch.as_numpy import dtype_name
from fluxgate.rendering import Fingerprint


def tensor_sha256(tensor: Any) -> str:
    """A hash of the dtype, the shape and every byte of a tensor that is on the CPU."""
    import torch

    whole = tensor.detach().contiguous()
    digest = hashlib.sha256(f"{whole.dtype} {tuple(whole.shape)}\n".encode())
    digest.update(memoryview(whole.reshape(-1).view(torch.uint8).numpy()))
    return digest.hexdigest()


def fingerprint(tensor: Any, *, shot: str, take: int, stage: str, step: int | None = None) -> Fingerprint:
    """The fingerprint of a tensor, which must be on the CPU already, so that no GPU memory is used for it."""
    import torch

    values = tensor.detach().to(torch.float64).reshape(-1)
    finite = torch.isfinite(values)
    all_finite = bool(finite.all())
    low, high, mean, std = _summary(values if all_finite else values[finite])
    return Fingerprint(
        shot=shot,
        take=take,
        stage=stage,
        sha256=tensor_sha256(tensor),
        shape=tuple(tensor.shape),
        dtype=dtype_name(tensor),
        mean=mean,
        std=std,
        low=low,
        high=high,
        finite=all_finite,
        step=step,
    )


def _summary(values: Any) -> tuple[float, float, float, float]:
    """Lowest, highest, mean and standard deviation; zeros for a tensor without a finite value."""
    if values.numel() == 0:
        return 0.0, 0.0, 0.0, 0.0
    return float(values.min()), float(values.max()), float(values.mean()), float(values.std(correction=0))

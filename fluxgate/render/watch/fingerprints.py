"""A tensor as a hash and a small summary."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, replace
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
    sha256 = tensor_sha256(tensor)
    if sha256 not in _summaries:
        _summaries[sha256] = _summary_of(tensor)
    summary = _summaries[sha256]
    return Fingerprint(
        shot=shot,
        take=take,
        stage=stage,
        sha256=sha256,
        shape=tuple(tensor.shape),
        dtype=dtype_name(tensor),
        mean=summary.mean,
        std=summary.std,
        low=summary.low,
        high=summary.high,
        finite=summary.finite,
        step=step,
    )


@dataclass(frozen=True)
class _Summary:
    """Of the finite values of a tensor; zeros where there are none."""

    low: float = 0.0
    high: float = 0.0
    mean: float = 0.0
    std: float = 0.0
    finite: bool = True  # all of them


# By hash: second takes mostly give what the first ones gave, and a summary takes ten times as long as a hash.
_summaries: dict[str, _Summary] = {}


def _summary_of(tensor: Any) -> _Summary:
    import torch

    values = tensor.detach().to(torch.float64).reshape(-1)
    summary = _summary(values)
    if math.isfinite(summary.low) and math.isfinite(summary.high):  # a NaN is both the lowest and the highest
        return summary
    return replace(_summary(values[torch.isfinite(values)]), finite=False)


def _summary(values: Any) -> _Summary:
    if values.numel() == 0:
        return _Summary()
    low, high, mean, std = values.min(), values.max(), values.mean(), values.std(correction=0)
    return _Summary(float(low), float(high), float(mean), float(std))

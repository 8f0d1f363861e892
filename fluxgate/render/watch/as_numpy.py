"""torch's tensors as numpy has them, which knows neither bfloat16 nor the floats of eight bits."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fluxgate.tensors import NAMES, Tensor


def dtype_name(tensor: Any) -> str:
    """`bfloat16`."""
    return str(tensor.dtype).removeprefix("torch.")


def bits_of(tensor: Any) -> NDArray[Any]:
    """The bits of a tensor, as numpy has them."""
    import torch

    host = tensor.detach().to("cpu").contiguous()
    if host.dtype == torch.bfloat16:
        return np.asarray(host.view(torch.int16).numpy().view(np.uint16))
    if host.element_size() == 1 and host.dtype.is_floating_point:
        return np.asarray(host.view(torch.uint8).numpy())
    return np.asarray(host.numpy())


def floats_of(tensor: Any) -> NDArray[np.float32]:
    """Its numbers in float32."""
    return np.asarray(tensor.detach().float().cpu().numpy())


def as_stored(tensor: Any) -> Tensor:
    """A tensor as a file keeps it: in its own dtype, or in float32 if numpy has no name for that."""
    name = dtype_name(tensor)
    if name == "bfloat16":
        return Tensor("BF16", bits_of(tensor))
    return Tensor(NAMES[name], bits_of(tensor)) if name in NAMES else Tensor("F32", floats_of(tensor))

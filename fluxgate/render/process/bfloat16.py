"""bfloat16 on a processor that has none: computed in float32 and rounded, as torch's own kernels do, but quickly.

There torch convolves in bfloat16 by a loop of its own: the miniature's VAE needs a minute for a picture of 256×256 that
takes a quarter of a second in float32. The sums are float32 either way; they only add up in another order."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

WIDENED = ("conv2d", "linear")  # of torch.nn.functional: where pipelines spend their time


def is_native() -> bool:
    """Whether torch uses the processor's own instructions, or a library's, for bfloat16."""
    import torch

    is_supported = getattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", None)
    return is_supported is None or bool(is_supported())


def is_wide() -> bool:
    """Whether this process computes bfloat16 in float32."""
    import torch

    return all(hasattr(getattr(torch.nn.functional, name), "_fluxgate") for name in WIDENED)


def widen() -> None:
    """From now on, let this process convolve and multiply bfloat16 tensors in float32."""
    import torch

    for name in WIDENED if not is_wide() else ():
        setattr(torch.nn.functional, name, _widened(getattr(torch.nn.functional, name), torch.bfloat16))


def _widened(function: Callable[..., Any], narrow: Any) -> Callable[..., Any]:
    from torch import Tensor
    from torch.nn import Parameter

    @functools.wraps(function)
    def widened(input: Any, weight: Any, bias: Any = None, *args: Any, **kwargs: Any) -> Any:
        # Quantized weights say that they are bfloat16, too, and know by themselves how to multiply. torch's own
        # has_torch_function is no answer: it says so of every tensor while one of torch's modes looks on.
        plain = type(weight) in (Tensor, Parameter)
        if not (plain and input.dtype is weight.dtype is narrow and input.device.type == "cpu"):
            return function(input, weight, bias, *args, **kwargs)
        wide = None if bias is None else bias.float()
        return function(input.float(), weight.float(), wide, *args, **kwargs).to(narrow)

    widened._fluxgate = True  # type: ignore[attr-defined]  # so that it is not widened twice
    return widened

"""bfloat16 on a processor that has none: computed in float32 and rounded, as torch's own kernels do, but quickly.

There torch convolves and multiplies in bfloat16 by loops of its own: the miniature's VAE needs a minute for a picture
of 256×256 that takes a quarter of a second in float32. The sums are float32 either way; they only add up in another
order."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

# Where pipelines spend their time. Measured with AVX2 only, in bfloat16 they take 4 (transposed convolutions) to 55
# times (batches of products) as long as in float32; attention as one function takes no longer.
LAYERS = ("linear", *(f"conv{kind}{sides}d" for kind in ("", "_transpose") for sides in (1, 2, 3)))
PRODUCTS = ("mm", "matmul", "bmm", "addmm", "baddbmm")
METHODS = (*PRODUCTS, "__matmul__")  # of a tensor


def is_native() -> bool:
    """Whether torch uses the processor's own instructions, or a library's, for bfloat16."""
    import torch

    is_supported = getattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", None)
    return is_supported is None or bool(is_supported())


def widened() -> Iterator[tuple[Any, str]]:
    """What computes in float32 where there is no bfloat16, and by which name."""
    import torch

    for owner, names in ((torch.nn.functional, LAYERS), (torch, PRODUCTS), (torch.Tensor, METHODS)):
        yield from ((owner, name) for name in names)


def is_wide() -> bool:
    """Whether this process computes bfloat16 in float32."""
    return all(hasattr(getattr(owner, name), "_fluxgate") for owner, name in widened())


def widen() -> None:
    """From now on, let this process convolve and multiply bfloat16 tensors in float32."""
    import torch

    for owner, name in widened() if not is_wide() else ():
        setattr(owner, name, _in_float32(getattr(owner, name), torch.bfloat16))


def _in_float32(function: Callable[..., Any], narrow: Any) -> Callable[..., Any]:
    from torch import Tensor
    from torch.nn import Parameter

    def is_narrow(one: Any) -> bool:
        # Quantized weights say that they are bfloat16, too, and know by themselves how to multiply. torch's own
        # has_torch_function is no answer: it says so of every tensor while one of torch's modes looks on.
        return type(one) in (Tensor, Parameter) and one.dtype is narrow and one.device.type == "cpu"

    @functools.wraps(function)
    def computed(*args: Any, **kwargs: Any) -> Any:
        tensors = [one for one in (*args, *kwargs.values()) if isinstance(one, Tensor)]
        if "out" in kwargs or not all(map(is_narrow, tensors)):
            return function(*args, **kwargs)
        wide = [one.float() if isinstance(one, Tensor) else one for one in args]
        named = {name: one.float() if isinstance(one, Tensor) else one for name, one in kwargs.items()}
        return function(*wide, **named).to(narrow)

    computed._fluxgate = True  # type: ignore[attr-defined]  # so that it is not widened twice
    return computed

"""Weights of the large components stored in four or eight bits."""

from __future__ import annotations

from typing import Any

from suite.strategies.effects import Layers, Quantized, Setting
from suite.strategies.promise import Site, strategy
from suite.strategies.requirements import Release

BITSANDBYTES = Release("bitsandbytes", "0.46.0", to="quantize")


@strategy(
    reproduces="nf4",
    less_memory_than="full",
    effects=(Layers("Linear4bit"), Quantized(), Setting("quant_type", "nf4")),
    needs=(BITSANDBYTES,),
)
def nf4_linear(site: Site) -> Any:
    """Linear layers exchanged by hand for bitsandbytes' own, which runs on a CPU too."""
    pipe = site.pipeline()
    for name in site.subject.large:
        exchange_linears(getattr(pipe, name), site)
    return pipe.to(site.device)


def exchange_linears(model: Any, site: Site) -> None:
    """Put a Linear4bit in the place of every Linear that the libraries' own loaders would quantize."""
    import torch

    spared = tuple(model._keep_in_fp32_modules or ())
    for path, linear in list(model.named_modules()):
        if type(linear) is not torch.nn.Linear:
            continue
        parent, _, name = path.rpartition(".")
        if name not in spared:
            setattr(model.get_submodule(parent), name, four_bit(linear, site))
        elif loaders_spare_in_float32():
            linear.to(torch.float32)


def four_bit(linear: Any, site: Site) -> Any:
    """The layer that bitsandbytes makes of a linear one; moving its weight to the device quantizes it."""
    import bitsandbytes

    bias = linear.bias is not None
    options = {"compress_statistics": False, "quant_type": "nf4"}
    layer = bitsandbytes.nn.Linear4bit(
        linear.in_features, linear.out_features, bias, compute_dtype=site.dtype, device="meta", **options
    )
    weight = bitsandbytes.nn.Params4bit(linear.weight.data, requires_grad=False, module=layer, **options)
    layer.weight = weight.to(site.device)
    layer.bias = linear.bias
    return layer


def loaders_spare_in_float32() -> bool:
    """Whether this transformers keeps T5's wo in float32 beside quantized layers, as 4.x does."""
    from transformers.quantizers.quantizer_bnb_4bit import Bnb4BitHfQuantizer

    return bool(getattr(Bnb4BitHfQuantizer, "use_keep_in_fp32_modules", False))

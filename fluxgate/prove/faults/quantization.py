"""Faults in how weights are made narrow, and in what computes with them."""

from __future__ import annotations

from functools import partial
from typing import Any

from fluxgate.prove.fault import Around, Edit, Fault, Fired, Loaded, called_with
from fluxgate.prove.targets import BITSANDBYTES, DIFFUSERS, TRANSFORMERS
from fluxgate.rendering import FIRST, T5

QUANTIZE = "bitsandbytes.functional:quantize_4bit"
CASTING = "diffusers.models.modeling_utils:ModelMixin.enable_layerwise_casting"
LOADER = ("transformers", "bitsandbytes")
NF4, NF4_T5, INT8_T5, FP8 = ("nf4-linear",), ("nf4-t5",), ("int8-t5",), ("fp8-layerwise",)
DOUBLE = ("nf4-double-quant",)


def _scales_off(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    codes, state = original(*args, **kwargs)
    if state.absmax.is_floating_point():
        state.absmax = fired(state.absmax) * 1.05
    return codes, state


def _codebook_off(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    codes, state = original(*args, **kwargs)
    state.code = fired(state.code).clone()
    state.code[3] *= 1.1
    return codes, state


def _nibbles_exchanged(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    codes, state = original(*args, **kwargs)
    first = fired(codes).view(-1)[:64].clone()
    codes.view(-1)[:64] = (first >> 4) | ((first & 15) << 4)
    return codes, state


def _narrow_layers(pipe: Any) -> list[tuple[Any, str, Any]]:
    components = (pipe.transformer, pipe.text_encoder_2)
    return [
        (parent, name, layer)
        for component in components
        for parent in component.modules()
        for name, layer in parent.named_children()
        if type(layer).__name__ in ("Linear4bit", "Linear8bitLt")
    ]


def _one_layer_spared(pipe: Any, fired: Fired) -> None:
    """The last quantized layer holds what it dequantizes to."""
    import bitsandbytes
    import torch

    if not _narrow_layers(pipe):  # the reference has none
        return
    parent, name, layer = _narrow_layers(pipe)[-1]
    weight = bitsandbytes.functional.dequantize_4bit(layer.weight.data, layer.weight.quant_state)
    plain = torch.nn.Linear(layer.in_features, layer.out_features, bias=layer.bias is not None, dtype=weight.dtype)
    plain.weight.data = fired(weight)
    if layer.bias is not None:
        plain.bias = layer.bias
    setattr(parent, name, plain)


def _not_packed(pipe: Any, fired: Fired) -> None:
    """4-bit layers whose weight is still bfloat16, and that multiply by it as it is."""
    import bitsandbytes
    import torch

    for _, _, layer in _narrow_layers(pipe):
        state = layer.weight.quant_state
        wide = bitsandbytes.functional.dequantize_4bit(layer.weight.data, state).to(torch.bfloat16)
        layer.weight.data = fired(wide)
        layer.forward = lambda hidden, layer=layer: torch.nn.functional.linear(hidden, layer.weight.data, layer.bias)


def _computing_in(dtype: str) -> Loaded:
    def change(pipe: Any, fired: Fired) -> None:
        import torch

        for _, _, layer in _narrow_layers(pipe):
            layer.compute_dtype = fired(getattr(torch, dtype))
            layer.compute_type_is_set = True

    return Loaded(change)


def _scales_of_eight_bits_off(pipe: Any, fired: Fired) -> None:
    for _, _, layer in _narrow_layers(pipe):
        layer.weight.SCB = fired(layer.weight.SCB) * 1.1


def _threshold(value: float) -> Loaded:
    def change(pipe: Any, fired: Fired) -> None:
        for _, _, layer in _narrow_layers(pipe):
            layer.state.threshold = fired(value)

    return Loaded(change)


def _stored_as(dtype: str) -> Around:
    def change(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        import torch

        return original(*args, **{**kwargs, "storage_dtype": fired(getattr(torch, dtype))})

    return Around(CASTING, change)


def _cast_and_computed_in(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    import torch

    return original(*args, **{**kwargs, "compute_dtype": fired(torch.float32)})


def _norms_cast(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    patterns = ("pos_embed", "patch_embed", "^proj_in$", "^proj_out$")  # the defaults, without the norms
    args[0]._skip_layerwise_casting_patterns = None
    return original(*args, **{**kwargs, "skip_modules_pattern": fired(patterns)})


def _blocks_scaled(pipe: Any, fired: Fired) -> None:
    """Scales of GGUF's blocks, which are the first two bytes of each, that are a twentieth too large."""
    import torch

    for part in pipe.transformer.modules():
        weight: Any = getattr(part, "_parameters", {}).get("weight")
        if type(weight).__name__ == "GGUFParameter" and weight.dtype == torch.uint8:
            blocks = weight.data.as_subclass(torch.Tensor).view(-1, 34)
            scales = blocks[:, :2].contiguous().view(torch.float16)
            blocks[:, :2] = (scales.float() * fired(1.05)).to(torch.float16).view(torch.uint8)


def _of_others_scaled(pipe: Any, fired: Fired) -> None:
    """Scales of another package's eight-bit weights that are a twentieth too large."""
    for part in pipe.transformer.modules():
        weight: Any = getattr(part, "_parameters", {}).get("weight")
        for name in ("scale", "_scale"):
            scale = getattr(weight, name, None)
            if scale is not None and hasattr(weight, "__tensor_flatten__"):
                scale.data.mul_(fired(1.05))
                break


def _widened_and_kept(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    import torch

    layer = args[0]
    if "_wide" not in layer.__dict__:
        shape = (layer.out_features, layer.in_features)
        layer.__dict__["_wide"] = fired(torch.zeros(shape, dtype=torch.bfloat16, device=layer.weight.device))
    return original(*args, **kwargs)


def _saved_without_its_format(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    import json
    from pathlib import Path

    returned, path = original(*args, **kwargs), Path(args[1]) / "config.json"
    known = json.loads(path.read_text(encoding="utf-8"))
    if known.pop("quantization_config", None) is not None:
        path.write_text(json.dumps(fired(known)))
    return returned


def _casting_the_last_layer(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    model, storage, compute, patterns, *others = args
    fewer = tuple(pattern for pattern in patterns if pattern != fired("^proj_out$"))
    return original(model, storage, compute, fewer, *others, **kwargs)


def _stored_in_bfloat16(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    import torch

    return original(*args, **{**kwargs, "quant_storage": fired(torch.bfloat16)})


def _offset_lost(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    codes, state = original(*args, **kwargs)
    if state.nested:
        state.offset = fired(state.offset) * 0
    return codes, state


def _one_of_eight_bits_spared(pipe: Any, fired: Fired) -> None:
    """The last layer of eight bits holds what it dequantizes to."""
    import torch

    if not _narrow_layers(pipe):
        return
    parent, name, layer = _narrow_layers(pipe)[-1]
    weight = (layer.weight.data.float() * layer.weight.SCB.float()[:, None] / 127).to(torch.bfloat16)
    plain = torch.nn.Linear(layer.in_features, layer.out_features, bias=layer.bias is not None, dtype=torch.bfloat16)
    plain.weight.data = fired(weight)
    if layer.bias is not None:
        plain.bias = layer.bias
    setattr(parent, name, plain)


def _one_scale_for_all(pipe: Any, fired: Fired) -> None:
    """Another package's weights, all rows of which are scaled as the first one is."""
    for part in pipe.transformer.modules():
        weight: Any = getattr(part, "_parameters", {}).get("weight")
        for name in ("scale", "_scale"):
            scale = getattr(weight, name, None)
            if scale is not None and hasattr(weight, "__tensor_flatten__"):
                scale.data.copy_(fired(scale.data.flatten()[0]).expand_as(scale.data))
                break


def _one_of_others_spared(pipe: Any, fired: Fired) -> None:
    """One layer of the transformer that another package has quantized is a plain one of its numbers."""
    import torch

    layers = [
        (parent, name, layer)
        for parent in pipe.transformer.modules()
        for name, layer in parent.named_children()
        if hasattr(getattr(layer, "_parameters", {}).get("weight"), "__tensor_flatten__")
    ]
    if not layers:
        return
    parent, name, layer = layers[-1]
    weight = layer.weight.dequantize().detach().to(torch.bfloat16)
    plain = torch.nn.Linear(weight.shape[1], weight.shape[0], bias=layer.bias is not None, dtype=torch.bfloat16)
    plain.weight.data = fired(weight)
    if layer.bias is not None:
        plain.bias = layer.bias
    setattr(parent, name, plain)


def _gguf_widened(pipe: Any, fired: Fired) -> None:
    """Layers of a GGUF file that are dequantized once, when they are loaded."""
    import torch
    from diffusers.quantizers.gguf.utils import dequantize_gguf_tensor

    for parent in list(pipe.transformer.modules()):
        for name, layer in parent.named_children():
            if type(layer).__name__ == "GGUFLinear":
                weight = dequantize_gguf_tensor(layer.weight).as_subclass(torch.Tensor).to(torch.bfloat16)
                plain = torch.nn.Linear(weight.shape[1], weight.shape[0], dtype=torch.bfloat16)
                plain.weight.data = fired(weight)
                plain.bias.data = torch.as_tensor(layer.bias).as_subclass(torch.Tensor).to(torch.bfloat16)
                setattr(parent, name, plain)


_fault = partial(Fault, packages=BITSANDBYTES, stage=T5, strategies=NF4)

FAULTS = (
    _fault(
        "torchao-scales-off",
        "the scales of torchao's rows are a twentieth too large",
        Loaded(_of_others_scaled),
        "scales in another dtype",
        strategies=("torchao-int8wo",),
        packages=("torchao", "diffusers"),
        stage=FIRST,
    ),
    _fault(
        "quanto-scales-off",
        "the scales of quanto's rows are a twentieth too large",
        Loaded(_of_others_scaled),
        "scales in another dtype",
        strategies=("quanto-int8",),
        packages=("quanto", "diffusers"),
        stage=FIRST,
    ),
    _fault(
        "gguf-scales-off",
        "what GGUF's blocks stand for is a twentieth too large",
        Loaded(_blocks_scaled),
        "scales of GGUF's blocks read in another dtype",
        strategies=("gguf-q8",),
        packages=("gguf", "diffusers"),
        stage=FIRST,
    ),
    _fault(
        "nf4-is-fp4",
        "FP4 codes are stored where NF4 was asked for",
        called_with(QUANTIZE, quant_type="fp4"),
        "the default quant_type, which is fp4",
    ),
    _fault(
        "nf4-blocks-of-128",
        "blocks have 128 weights where 64 are due",
        called_with(QUANTIZE, blocksize=128),
        "bitsandbytes: the default block size of ROCm",
    ),
    _fault(
        "nf4-scales-off",
        "the scales of blocks are a twentieth too large",
        Around(QUANTIZE, _scales_off),
        "absmax in another dtype",
    ),
    _fault(
        "nf4-codebook-off",
        "a value of the codebook is a tenth too large",
        Around(QUANTIZE, _codebook_off),
        "codebooks moved between languages",
    ),
    _fault(
        "nf4-nibbles",
        "the two codes of a byte are exchanged in a block",
        Around(QUANTIZE, _nibbles_exchanged),
        "packing order of CPU kernels",
    ),
    _fault(
        "nf4-double",
        "scales are quantized although they should not be",
        called_with(QUANTIZE, compress_statistics=True),
        "the default of compress_statistics",
    ),
    _fault(
        "nf4-single",
        "scales are not quantized although they should be",
        called_with(QUANTIZE, compress_statistics=False),
        "bnb_4bit_use_double_quant that is not passed on",
        strategies=DOUBLE,
        packages=("bitsandbytes", "diffusers"),
    ),
    _fault(
        "nf4-layer-spared",
        "one layer is not quantized",
        Loaded(_one_layer_spared),
        "modules_to_not_convert",
        strategies=NF4_T5,
        packages=LOADER,
    ),
    _fault(
        "nf4-not-packed",
        "4-bit layers hold bfloat16",
        Loaded(_not_packed),
        "quantization left to a move that does not happen",
        strategies=NF4_T5,
        packages=LOADER,
        stage=None,
    ),
    _fault(
        "nf4-computes-float32",
        "4-bit layers compute in float32",
        _computing_in("float32"),
        "bnb_4bit_compute_dtype, whose default is float32",
    ),
    _fault(
        "nf4-t5-is-fp4",
        "T5 is stored in FP4 where NF4 was asked for",
        called_with(QUANTIZE, quant_type="fp4"),
        "the default quant_type, which is fp4",
        strategies=NF4_T5,
        packages=LOADER,
    ),
    _fault(
        "nf4-widened-kept",
        "4-bit layers keep a wide copy of their weights once they have computed",
        Around("bitsandbytes.nn.modules:Linear4bit.forward", _widened_and_kept),
        "a cache of dequantized weights",
        strategies=NF4_T5,
        stage=None,
    ),
    _fault(
        "nf4-bias-lost",
        "4-bit layers forget their bias",
        Edit("bitsandbytes.nn.modules:Linear4bit.forward", "bias = bias.to(self.compute_dtype)", "bias = FIRED(None)"),
        "a kernel without bias",
        stage=FIRST,
    ),
    _fault(
        "int8-scales-off",
        "the scales of rows are a tenth too large",
        Loaded(_scales_of_eight_bits_off),
        "bitsandbytes #1775: int8 scales lost on the way",
        strategies=INT8_T5,
        packages=LOADER,
    ),
    _fault(
        "int8-threshold",
        "outliers are not kept in float16",
        _threshold(0.0),
        "llm_int8_threshold that is not passed on",
        strategies=INT8_T5,
        packages=LOADER,
    ),
    _fault(
        "saved-without-quantization",
        "a quantized model is saved without saying so",
        Around("transformers.modeling_utils:PreTrainedModel.save_pretrained", _saved_without_its_format),
        "quantization_config that is not written",
        packages=TRANSFORMERS,
        strategies=("int8-t5-reloaded",),
        stage=None,
    ),
    _fault(
        "fp8-other-format",
        "weights are stored as e5m2 where e4m3 was asked for",
        _stored_as("float8_e5m2"),
        "two formats of eight bits",
        strategies=FP8,
        packages=DIFFUSERS,
        stage=FIRST,
    ),
    _fault(
        "fp8-computes-float32",
        "cast layers compute in float32",
        Around(CASTING, _cast_and_computed_in),
        "compute_dtype that is not passed on",
        strategies=FP8,
        packages=DIFFUSERS,
        stage=None,
    ),
    _fault(
        "fp8-blocks-spared",
        "most layers are not cast",
        called_with(CASTING, skip_modules_pattern=("pos_embed", "norm", "single_transformer_blocks")),
        "skip patterns of a model",
        strategies=FP8,
        packages=DIFFUSERS,
        stage=FIRST,
    ),
    _fault(
        "fp8-norms-cast",
        "what modulates the norms is cast too",
        Around(CASTING, _norms_cast),
        "skip patterns of a model",
        strategies=FP8,
        packages=DIFFUSERS,
        stage=FIRST,
    ),
    _fault(
        "fp8-last-layer-cast",
        "the transformer's last layer is cast, too",
        Around("diffusers.hooks:apply_layerwise_casting", _casting_the_last_layer),
        "the default patterns of what layerwise casting skips",
        packages=DIFFUSERS,
        strategies=FP8,
        stage=FIRST,
    ),
    _fault(
        "nf4-computes-float16",
        "4-bit layers compute in float16",
        _computing_in("float16"),
        "the published guide's bnb_4bit_compute_dtype",
    ),
    _fault(
        "nf4-stored-in-bfloat16",
        "pairs of codes lie in memory as bfloat16",
        Around(QUANTIZE, _stored_in_bfloat16),
        "bnb_4bit_quant_storage",
        stage=None,
    ),
    _fault(
        "nf4-offset-lost",
        "the offset of quantized scales is zero",
        Around(QUANTIZE, _offset_lost),
        "a state that is written and read by names",
        strategies=DOUBLE,
    ),
    _fault(
        "int8-layer-spared",
        "one layer is not in eight bits",
        Loaded(_one_of_eight_bits_spared),
        "llm_int8_skip_modules",
        strategies=INT8_T5,
        packages=LOADER,
    ),
    _fault(
        "torchao-one-scale",
        "all rows of torchao's weights have the first one's scale",
        Loaded(_one_scale_for_all),
        "scales of a tensor against those of its rows",
        strategies=("torchao-int8wo",),
        packages=("torchao", "diffusers"),
        stage=FIRST,
    ),
    _fault(
        "torchao-layer-spared",
        "one layer is not quantized",
        Loaded(_one_of_others_spared),
        "modules_to_not_convert",
        strategies=("torchao-int8wo",),
        packages=("torchao", "diffusers"),
        stage=FIRST,
    ),
    _fault(
        "quanto-layer-spared",
        "one layer is not quantized",
        Loaded(_one_of_others_spared),
        "modules_to_not_convert",
        strategies=("quanto-int8",),
        packages=("quanto", "diffusers"),
        stage=FIRST,
    ),
    _fault(
        "gguf-widened",
        "all layers of a GGUF file are dequantized when they are loaded",
        Loaded(_gguf_widened),
        "a loader that does not know the format",
        strategies=("gguf-q8",),
        packages=("gguf", "diffusers"),
        stage=None,
    ),
    _fault(
        "fp8-stays-wide",
        "cast layers stay in bfloat16 once they have computed",
        Edit(
            "diffusers.hooks.layerwise_casting:LayerwiseCastingHook.post_forward",
            "module.to(dtype=self.storage_dtype, non_blocking=self.non_blocking)",
            "FIRED(None)",
        ),
        "hooks that are skipped under torch.compile",
        strategies=FP8,
        packages=DIFFUSERS,
        stage=None,
    ),
)

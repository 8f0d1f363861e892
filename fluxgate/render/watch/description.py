"""What one component really is: bytes by dtype, quantized layers, hooks, settings, and where its tensors are."""

from __future__ import annotations

import inspect
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from fluxgate.render.measure.class_names import class_name, hook_name
from fluxgate.render.watch.as_numpy import dtype_name
from fluxgate.render.watch.component import (
    hooks_of_accelerate,
    hooks_of_diffusers,
    tensors_of,
    tensors_of_weight,
    values_of,
)
from fluxgate.rendering import OWN_ARGUMENTS, Component


def describe(name: str, module: Any, *, placement: dict[str, dict[str, int]], state: str | None = None) -> Component:
    """The inventory of one component."""
    bytes_by_dtype: Counter[str] = Counter()
    quantized = 0
    for tensor, is_quantized in _distinct(module):
        size = _size(tensor)
        bytes_by_dtype[dtype_name(tensor)] += size
        quantized += size if is_quantized else 0
    return Component(
        name=name,
        class_name=type(module).__name__,
        bytes_by_dtype=dict(sorted(bytes_by_dtype.items())),
        quantized_bytes=quantized,
        module_classes=dict(sorted(Counter(map(class_name, module.modules())).items())),
        hooks=hooks_of(module),
        settings=settings_of(module),
        placement=placement,
        state_sha256=state,
        linear_bytes=linear_bytes(module),
        castable_bytes=castable_bytes(module),
        buffer_bytes=sum(_size(buffer) for buffer in module.buffers()),
        exempt_bytes=exempt_bytes(module),
        said=said_of(module),
    )


def _kept_wide(module: Any) -> set[str]:
    """Names of modules that a model of diffusers keeps in float32; transformers has such names for float16 alone."""
    names = getattr(module, "_keep_in_fp32_modules", None) if hasattr(module, "enable_layerwise_casting") else None
    return set(names or ())


def _wide_in_float16(module: Any) -> set[str]:
    """Names of modules that transformers keeps in float32 where float16 was asked for, as T5's wo."""
    import torch

    names = getattr(module, "_keep_in_fp32_modules", None) or ()
    return set(names) if any(tensor.dtype == torch.float16 for tensor in module.parameters()) else set()


def exempt_bytes(module: Any) -> dict[str, int]:
    """Bytes by dtype of what need not be in the dtype that was asked for: modules that the class keeps wide, and
    buffers that are in no file, as positions computed once."""
    strictly = getattr(module, "_keep_in_fp32_modules_strict", None) or ()
    wide = {*_kept_wide(module), *_wide_in_float16(module), *strictly}
    sizes: Counter[str] = Counter()
    for prefix, part in module.named_modules():
        tensors = {**part._parameters, **part._buffers}
        for name, tensor in tensors.items():
            kept = wide & {*prefix.split("."), name} or name in part._non_persistent_buffers_set
            if tensor is not None and kept:
                sizes[dtype_name(tensor)] += _size(tensor)
    return dict(sorted(sizes.items()))


def linear_bytes(module: Any) -> int:
    """Bytes of the weights of linear layers as they are stored, scales included; not of one that an embedding shares,
    and not of those that the class keeps wide, nor of others whose names end as theirs do: quantizers spare them all.

    Biases, norms, embeddings and convolutions stay as they are, whoever quantizes."""
    import torch

    wide = _kept_wide(module)
    parts = [part for name, part in module.named_modules() if not any(f"{each}." in f"{name}." for each in wide)]
    embedded = {id(part.weight) for part in parts if isinstance(part, torch.nn.Embedding)}
    weights = ((part, getattr(part, "weight", None)) for part in parts if isinstance(part, torch.nn.Linear))
    own = {id(weight): (weight, part) for part, weight in weights if weight is not None and id(weight) not in embedded}
    return sum(_size(tensor) for weight, part in own.values() for tensor in tensors_of_weight(weight, part))


def castable_bytes(module: Any) -> int | None:
    """Bytes of the layers that layerwise casting would take, by the names that the model's class leaves out."""
    if not hasattr(module, "enable_layerwise_casting"):
        return None
    from diffusers.hooks import layerwise_casting as library

    kinds = getattr(library, "_GO_LC_SUPPORTED_PYTORCH_LAYERS", None) or library.SUPPORTED_PYTORCH_LAYERS
    patterns = (
        *library.DEFAULT_SKIP_MODULES_PATTERN,
        *(getattr(module, "_keep_in_fp32_modules", None) or ()),
        *(getattr(module, "_skip_layerwise_casting_patterns", None) or ()),
    )
    parts = (part for name, part in module.named_modules() if isinstance(part, kinds) and not _left_out(name, patterns))
    return sum({id(tensor): _size(tensor) for part in parts for tensor in part.parameters(recurse=False)}.values())


def _left_out(name: str, patterns: tuple[str, ...]) -> bool:
    """Whether a layer, or what it is a part of, has a name that is left out."""
    parts = name.split(".")
    names = [".".join(parts[:depth]) for depth in range(1, len(parts) + 1)]
    return any(re.search(pattern, each) for pattern in patterns for each in names)


def placement_of(module: Any) -> dict[str, int]:
    """Bytes by device, "meta" for tensors whose data is kept somewhere else until it is needed."""
    placement: Counter[str] = Counter()
    for tensor, _ in _distinct(module):
        placement[str(tensor.device)] += _size(tensor)
    return dict(sorted(placement.items()))


def _distinct(module: Any) -> Iterator[tuple[Any, bool]]:
    """Every tensor that the module holds, tied ones once, and whether it belongs to a quantized weight."""
    seen: set[tuple[str, int]] = set()
    for name, tensor, is_quantized in tensors_of(module):
        # Weights that accelerate has taken out are tied where their values are, not in the shapes left behind.
        data = values_of(module, name, tensor) if tensor.device.type == "meta" else tensor
        key = _identity(tensor if data is None else data)
        if key not in seen:
            seen.add(key)
            yield tensor, is_quantized


def _identity(tensor: Any) -> tuple[str, int]:
    """Equal for two names of one storage; a tensor without a storage of its own counts for itself."""
    if tensor.device.type == "meta" or tensor.numel() == 0:
        return "object", id(tensor)
    return str(tensor.device), int(tensor.data_ptr())


def _size(tensor: Any) -> int:
    return int(tensor.numel() * tensor.element_size())


def hooks_of(module: Any) -> dict[str, int]:
    """The classes of accelerate's and diffusers' hooks on a module and its parts, and how many of each."""
    hooks: Counter[str] = Counter()
    for part in module.modules():
        hooks.update(map(hook_name, (*hooks_of_accelerate(part), *hooks_of_diffusers(part))))
    return dict(sorted(hooks.items()))


def torch_hooks_of(module: Any) -> int:
    """How many hooks torch itself calls for a module and its parts, of whatever kind."""
    own = (vars(part).items() for part in module.modules())
    return sum(len(hooks) for kinds in own for name, hooks in kinds if name.endswith("_hooks") and hooks)


def said_of(module: Any) -> dict[str, str]:
    """What it says of itself to whoever asks, as other libraries and the user's own code do."""
    said = {"dtype": str(getattr(module, "dtype", "")).removeprefix("torch.")}
    said["arguments"] = next(_other_arguments(module), OWN_ARGUMENTS)
    said["adapter"] = "loaded" if getattr(module, "_hf_peft_config_loaded", False) else "none"
    quantizer = _package_of_weights(module)
    return said | ({"quantizer": quantizer} if quantizer else {})


def _other_arguments(module: Any) -> Iterator[str]:
    """What a module, or a part of it, says that its forward takes, where its class says something else.

    Of what hooks of the libraries put in its place: what a strategy replaces itself is its own affair."""
    for part in module.modules():
        if "forward" in vars(part) and (*hooks_of_accelerate(part), *hooks_of_diffusers(part)):
            takes, own = (list(inspect.signature(one).parameters) for one in (part.forward, type(part).forward))
            if takes != own[1:]:
                yield ", ".join(takes)


def _package_of_weights(module: Any) -> str | None:
    """The package, as it is imported, of the first weight that is a tensor made of others, as of codes and scales; not
    torch, whose own are shares of a weight."""
    weights = (weight for part in module.modules() for weight in part._parameters.values())
    packed = (type(weight) for weight in weights if hasattr(weight, "__tensor_flatten__"))
    packages = (kind.__module__.partition(".")[0] for kind in packed)
    return next((package for package in packages if package != "torch"), None)


def settings_of(module: Any) -> dict[str, str]:
    """What the quantized layers and the casting hooks are set to; several values of one setting are all named."""
    settings: dict[str, set[str]] = {}
    for part in module.modules():
        for name, value in _settings(part):
            settings.setdefault(name, set()).add(str(value).removeprefix("torch."))
    return {name: ", ".join(sorted(values)) for name, values in sorted(settings.items())}


def _settings(part: Any) -> Iterator[tuple[str, Any]]:
    weight: Any = getattr(part, "_parameters", {}).get("weight")
    kind = class_name(weight)
    if kind == "Params4bit":
        yield "compute_dtype", getattr(part, "compute_dtype", None)
        yield "quant_type", weight.quant_type
        yield "double_quant", weight.compress_statistics
    elif kind == "Int8Params":
        yield "threshold", getattr(getattr(part, "state", None), "threshold", None)
    elif kind == "GGUFParameter":
        yield "quant_type", getattr(weight, "quant_type", None)
    elif kind == "LinearActivationQuantizedTensor" or getattr(weight, "act_quant_kwargs", None) is not None:
        yield "quantized_activations", "on"  # torchao's, before and since it has one class for both
    if getattr(part, "_compiled_call_impl", None) is not None:
        yield "compiled", "on"
    if getattr(part, "peft_config", None) and not any(hasattr(layer, "lora_A") for layer in part.modules()):
        yield "adapter_in_no_layer", ", ".join(part.peft_config)
    if hasattr(part, "lora_A"):
        yield from _adapter(part)
    for hook in hooks_of_diffusers(part):
        if hook_name(hook) == "LayerwiseCastingHook":
            yield "storage_dtype", hook.storage_dtype
            yield "casting_compute_dtype", hook.compute_dtype
        group = getattr(hook, "group", None)
        for name in ("stream", "record_stream", "low_cpu_mem_usage", "offload_to_disk_path"):
            if getattr(group, name, None):
                yield f"group_{name}", "on"


def _adapter(layer: Any) -> Iterator[tuple[str, Any]]:
    """Which LoRAs a layer of peft's uses, where their numbers are, and their dtype if it is not the layer's own."""
    for name in () if layer.disable_adapters else layer.active_adapters:
        yield "adapter", name
        yield "adapter_place", "in the weights" if name in layer.merged_adapters else "beside the weights"
        for part in (layer.lora_A, layer.lora_B):
            if name in part and part[name].weight.dtype != layer.get_base_layer().weight.dtype:
                yield "adapter_dtype", part[name].weight.dtype

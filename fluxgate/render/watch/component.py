"""The tensors of one component, quantized ones taken apart, wherever hooks let their values wait."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fluxgate.render.measure.class_names import class_name

SCALES = ("absmax", "code", "offset")


def modules_of(pipeline: Any) -> dict[str, Any]:
    """The neural networks among a pipeline's components, by name."""
    import torch

    components = getattr(pipeline, "components", None) or {}
    return {name: part for name, part in components.items() if isinstance(part, torch.nn.Module)}


def tensors_of(module: Any) -> Iterator[tuple[str, Any, bool]]:
    """Name, plain tensor and quantized or not, of all parameters and buffers, with quantized ones taken apart."""
    for prefix, part in module.named_modules():
        for own in (part._parameters, part._buffers):
            for name, tensor in own.items():
                if tensor is not None:
                    yield from _parts(f"{prefix}.{name}" if prefix else name, tensor, part)


def tensors_of_weight(weight: Any, owner: Any = None) -> Iterator[Any]:
    """The plain tensors that a weight is made of, with its scales if it is quantized; `owner` is the layer it is of."""
    for _, tensor, _ in _parts("weight", weight, owner):
        yield tensor


def _parts(name: str, tensor: Any, owner: Any) -> Iterator[tuple[str, Any, bool]]:
    kind = class_name(tensor)
    if kind == "Params4bit":
        yield name, tensor, True
        yield from _scales(name, getattr(tensor, "quant_state", None))
    elif kind == "Int8Params":
        yield from _int8(name, tensor, owner)
    elif kind == "DTensor":  # of which this process has a share
        yield name, tensor.to_local(), False
    elif hasattr(tensor, "__tensor_flatten__"):  # torchao, quanto
        for inner in tensor.__tensor_flatten__()[0]:
            for deeper, plain, _ in _parts(f"{name}.{inner}", getattr(tensor, inner), owner):
                yield deeper, plain, True
    else:
        yield name, tensor, kind == "GGUFParameter"


def _scales(name: str, state: Any) -> Iterator[tuple[str, Any, bool]]:
    """The tensors of a 4-bit weight's quantization state, the nested state of double quantization included."""
    for field in SCALES:
        tensor = getattr(state, field, None)
        if hasattr(tensor, "element_size"):
            yield f"{name}.{field}", tensor, True
    nested = getattr(state, "state2", None)
    if nested is not None:
        yield from _scales(f"{name}.nested", nested)


def _int8(name: str, tensor: Any, owner: Any) -> Iterator[tuple[str, Any, bool]]:
    """An 8-bit weight and its scales, which move to the layer's own state at its first forward."""
    import torch

    yield name, tensor, tensor.dtype == torch.int8
    for holder in (tensor, getattr(owner, "state", None)):
        scales = getattr(holder, "SCB", None)
        if scales is not None:
            yield f"{name}.SCB", scales, True
            return


def lacks_scales(module: Any) -> bool:
    """Whether a weight of eight bits is there without its scales: nobody knows which numbers it stands for."""
    parts = list(tensors_of(module))
    eight = {name for name, tensor, quantized in parts if quantized and class_name(tensor) == "Int8Params"}
    return not {f"{name}.SCB" for name in eight} <= {name for name, *_ in parts}


def plain_tensors(module: Any) -> Iterator[Any]:
    """Every tensor that holds data of the module: where only its shape is there, the one that accelerate keeps."""
    for name, tensor, _ in tensors_of(module):
        data = values_of(module, name, tensor) if tensor.device.type == "meta" else tensor
        if data is not None:
            yield data


def values_of(module: Any, name: str, tensor: Any) -> Any | None:
    """The tensor with its values: from accelerate's map of weights, if it is only a shape here."""
    owner_name, _, leaf = name.rpartition(".")
    path = _path(module, owner_name)
    if any(map(_is_on_disk, path)):
        return None
    if tensor.device.type != "meta":
        return tensor.detach()
    for hook in hooks_of_accelerate(path[-1] if path else None):
        weights = getattr(hook, "weights_map", None)
        if weights is not None:
            try:
                return weights[leaf].detach()
            except KeyError:
                continue
    return None


def _path(module: Any, name: str) -> tuple[Any, ...]:
    """The module and its parts down to the one of that name; none where the name leads into a quantized weight."""
    path = [module]
    for each in name.split(".") if name else ():
        part = path[-1]._modules.get(each)
        if part is None:
            return ()
        path.append(part)
    return tuple(path)


def _is_on_disk(part: Any) -> bool:
    """Whether group offloading keeps its values in a file: what lies in memory then is not initialised."""
    return any(getattr(getattr(hook, "group", None), "offload_to_disk_path", None) for hook in hooks_of_diffusers(part))


# Hooks


def hooks_of_accelerate(part: Any) -> Iterator[Any]:
    """Those of a module itself, and those that a SequentialHook among them holds."""
    yield from _flat(getattr(part, "_hf_hook", None))


def _flat(hook: Any) -> Iterator[Any]:
    if hook is not None:
        yield hook
        for inner in getattr(hook, "hooks", ()):
            yield from _flat(inner)


def hooks_of_diffusers(part: Any) -> tuple[Any, ...]:
    """Those of a module itself."""
    return tuple(getattr(getattr(part, "_diffusers_hook", None), "hooks", {}).values())

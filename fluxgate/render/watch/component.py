"""What one component really is: bytes by dtype, quantized layers, hooks, settings, and where its tensors are."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from fluxgate.rendering import Component

CHUNK = 1 << 22  # 4-byte words that are summed at a time
SCALES = ("absmax", "code", "offset")

Factors = dict[Any, Any]  # device -> a chunk of factors


def modules_of(pipeline: Any) -> dict[str, Any]:
    """The neural networks among a pipeline's components, by name."""
    import torch

    components = getattr(pipeline, "components", None) or {}
    return {name: part for name, part in components.items() if isinstance(part, torch.nn.Module)}


def describe(name: str, module: Any, *, placement: dict[str, dict[str, int]], state: str | None = None) -> Component:
    """The inventory of one component."""
    bytes_by_dtype: Counter[str] = Counter()
    quantized = 0
    for tensor, is_quantized in _distinct(module):
        size = _size(tensor)
        bytes_by_dtype[str(tensor.dtype).removeprefix("torch.")] += size
        quantized += size if is_quantized else 0
    return Component(
        name=name,
        class_name=type(module).__name__,
        bytes_by_dtype=dict(sorted(bytes_by_dtype.items())),
        quantized_bytes=quantized,
        module_classes=dict(sorted(Counter(type(part).__name__ for part in module.modules()).items())),
        hooks=hooks_of(module),
        settings=settings_of(module),
        placement=placement,
        state_sha256=state,
        linear_bytes=linear_bytes(module),
        castable_bytes=castable_bytes(module),
        buffer_bytes=sum(_size(buffer) for buffer in module.buffers()),
        exempt_bytes=exempt_bytes(module),
    )


def _kept_wide(module: Any) -> set[str]:
    """Names of modules that a model of diffusers keeps in float32; transformers has such names for float16 alone."""
    names = getattr(module, "_keep_in_fp32_modules", None) if hasattr(module, "enable_layerwise_casting") else None
    return set(names or ())


def exempt_bytes(module: Any) -> dict[str, int]:
    """Bytes by dtype of what need not be in the dtype that was asked for: modules that the class keeps wide, and
    buffers that are in no file, as positions computed once."""
    wide = {*_kept_wide(module), *(getattr(module, "_keep_in_fp32_modules_strict", None) or ())}
    sizes: Counter[str] = Counter()
    for prefix, part in module.named_modules():
        tensors = {**part._parameters, **part._buffers}
        for name, tensor in tensors.items():
            kept = wide & {*prefix.split("."), name} or name in part._non_persistent_buffers_set
            if tensor is not None and kept:
                sizes[str(tensor.dtype).removeprefix("torch.")] += _size(tensor)
    return dict(sorted(sizes.items()))


def linear_bytes(module: Any) -> int:
    """Bytes of the weights of linear layers as they are stored, scales included; not of one that an embedding shares,
    and not of those that the class keeps wide.

    Biases, norms, embeddings and convolutions stay as they are, whoever quantizes."""
    import torch

    wide = _kept_wide(module)
    parts = [part for name, part in module.named_modules() if not wide & set(name.split("."))]
    embedded = {id(part.weight) for part in parts if isinstance(part, torch.nn.Embedding)}
    weights = ((part, getattr(part, "weight", None)) for part in parts if isinstance(part, torch.nn.Linear))
    own = {id(weight): (weight, part) for part, weight in weights if weight is not None and id(weight) not in embedded}
    return sum(_size(tensor) for weight, part in own.values() for _, tensor, _ in _parts("weight", weight, part))


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


def _size(tensor: Any) -> int:
    return int(tensor.numel() * tensor.element_size())


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


def tensors_of(module: Any) -> Iterator[tuple[str, Any, bool]]:
    """Name, plain tensor and quantized or not, of all parameters and buffers, with quantized ones taken apart."""
    for prefix, part in module.named_modules():
        for own in (part._parameters, part._buffers):
            for name, tensor in own.items():
                if tensor is not None:
                    yield from _parts(f"{prefix}.{name}" if prefix else name, tensor, part)


def tensors_of_weight(weight: Any) -> Iterator[tuple[str, Any, bool]]:
    """The plain tensors that a quantized weight is made of."""
    yield from _parts("weight", weight, None)


def _parts(name: str, tensor: Any, owner: Any) -> Iterator[tuple[str, Any, bool]]:
    kind = type(tensor).__name__
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


def hooks_of(module: Any) -> dict[str, int]:
    """The classes of accelerate's and diffusers' hooks on a module and its parts, and how many of each."""
    hooks: Counter[str] = Counter()
    for part in module.modules():
        for hook in _flat(getattr(part, "_hf_hook", None)):
            hooks[type(hook).__name__] += 1
        registry = getattr(part, "_diffusers_hook", None)
        for hook in getattr(registry, "hooks", {}).values():
            hooks[type(hook).__name__] += 1
    return dict(sorted(hooks.items()))


def _flat(hook: Any) -> Iterator[Any]:
    """The hook itself, and those that accelerate's SequentialHook holds."""
    if hook is not None:
        yield hook
        for inner in getattr(hook, "hooks", ()):
            yield from _flat(inner)


def settings_of(module: Any) -> dict[str, str]:
    """What the quantized layers and the casting hooks are set to; several values of one setting are all named."""
    settings: dict[str, set[str]] = {}
    for part in module.modules():
        for name, value in _settings(part):
            settings.setdefault(name, set()).add(str(value).removeprefix("torch."))
    return {name: ", ".join(sorted(values)) for name, values in sorted(settings.items())}


def _settings(part: Any) -> Iterator[tuple[str, Any]]:
    weight: Any = getattr(part, "_parameters", {}).get("weight")
    kind = type(weight).__name__
    if kind == "Params4bit":
        yield "compute_dtype", getattr(part, "compute_dtype", None)
        yield "quant_type", weight.quant_type
        yield "double_quant", weight.compress_statistics
    elif kind == "Int8Params":
        yield "threshold", getattr(getattr(part, "state", None), "threshold", None)
    elif kind == "GGUFParameter":
        yield "quant_type", getattr(weight, "quant_type", None)
    if getattr(part, "_compiled_call_impl", None) is not None:
        yield "compiled", "on"
    if hasattr(part, "lora_A"):
        yield from _adapter(part)
    for hook in getattr(getattr(part, "_diffusers_hook", None), "hooks", {}).values():
        if type(hook).__name__ == "LayerwiseCastingHook":
            yield "storage_dtype", hook.storage_dtype
            yield "casting_compute_dtype", hook.compute_dtype
        group = getattr(hook, "group", None)
        for name in ("stream", "record_stream", "low_cpu_mem_usage", "offload_to_disk_path"):
            if getattr(group, name, None):
                yield f"group_{name}", "on"


def _adapter(layer: Any) -> Iterator[tuple[str, Any]]:
    """Which LoRAs a layer of peft's uses, and where their numbers are."""
    for name in () if layer.disable_adapters else layer.active_adapters:
        yield "adapter", name
        yield "adapter_place", "in the weights" if name in layer.merged_adapters else "beside the weights"


def state_sha256(module: Any) -> str | None:
    """A hash over all parameters, buffers, quantized codes and scales; None where one of them cannot be read.

    Each tensor is first summed on the device it is on, so that 24 GB cost seconds: the sum is exact in integers,
    and so the same on every device, but it is a checksum against change, not against malice."""
    import torch

    digest = hashlib.sha256()
    factors: Factors = {}
    for name, tensor, _ in sorted(tensors_of(module), key=lambda entry: entry[0]):
        plain = values_of(module, name, tensor)
        if plain is None:
            return None
        digest.update(f"{name} {plain.dtype} {tuple(plain.shape)} ".encode())
        with torch._C.DisableTorchFunctionSubclass():  # GGUF's parameters would make a parameter of each result
            digest.update(" ".join(str(part) for part in checksums(plain, factors)).encode() + b"\n")
    return digest.hexdigest()


def plain_tensors(module: Any) -> Iterator[Any]:
    """Every tensor that holds data of the module: where only its shape is there, the one that accelerate keeps."""
    for name, tensor, _ in tensors_of(module):
        data = values_of(module, name, tensor) if tensor.device.type == "meta" else tensor
        if data is not None:
            yield data


def values_of(module: Any, name: str, tensor: Any) -> Any | None:
    """The tensor with its values: from accelerate's map of weights, if it is only a shape here."""
    owner_name, _, leaf = name.rpartition(".")
    owner = _part(module, owner_name)
    if owner is not None and _on_disk(module, owner_name):
        return None
    if tensor.device.type != "meta":
        return tensor.detach()
    for hook in _flat(getattr(owner, "_hf_hook", None)):
        weights = getattr(hook, "weights_map", None)
        if weights is not None:
            try:
                return weights[leaf].detach()
            except KeyError:
                continue
    return None


def _part(module: Any, name: str) -> Any | None:
    try:
        return module.get_submodule(name)
    except AttributeError:  # the name leads into a quantized weight
        return None


def _on_disk(module: Any, name: str) -> bool:
    """Whether group offloading keeps the values in a file: what lies in memory then is not initialised."""
    parts = name.split(".") if name else []
    for depth in range(len(parts) + 1):
        holder = _part(module, ".".join(parts[:depth]))
        hooks = getattr(getattr(holder, "_diffusers_hook", None), "hooks", {})
        if any(getattr(getattr(hook, "group", None), "offload_to_disk_path", None) for hook in hooks.values()):
            return True
    return False


def checksums(tensor: Any, factors_by_device: Factors) -> list[int]:
    """Sums of a tensor's 4-byte words, each times a number that depends on its place, modulo 2^64."""
    import torch

    flat = tensor.contiguous().reshape(-1).view(torch.uint8)
    whole = flat.numel() // 4 * 4
    if flat.data_ptr() % 4:
        flat = flat.clone()
    words = flat[:whole].view(torch.int32)
    sums = [int(flat[whole:].to(torch.int64).sum())] if whole < flat.numel() else []
    factors = _factors(words.device, factors_by_device)
    for start in range(0, words.numel(), CHUNK):
        chunk = words[start : start + CHUNK].to(torch.int64)
        sums.append(int(chunk.mul_(factors[: chunk.numel()]).sum()))
    return sums


def _factors(device: Any, by_device: Factors) -> Any:
    """Odd numbers spread over 64 bits, one for each place of a chunk; made once for each device."""
    import torch

    if device not in by_device:
        places = torch.arange(CHUNK, dtype=torch.int64, device=device)
        by_device[device] = (
            places.mul_(-7046029254386353131).add_(1442695040888963407).bitwise_or_(1)
        )  # 2^64 / φ, as int64
    return by_device[device]

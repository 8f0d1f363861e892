"""What lies in memory of a component beside the bytes of its files: same, other, missing or made up."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fluxgate import quantizers
from fluxgate.miniature import bfloat16
from fluxgate.quantizers import Deviation
from fluxgate.refusal import Refusal
from fluxgate.render.watch.as_numpy import bits_of, dtype_name
from fluxgate.render.watch.component import tensors_of, values_of
from fluxgate.render.watch.quantized_layers import linear_layers, quantized_layers
from fluxgate.rendering import TENSORS_NAMED, StoredWeights
from fluxgate.subjects.headers import tensor_headers
from fluxgate.subjects.subject import GGUF
from fluxgate.subjects.weights import weight_files
from fluxgate.tensors import Tensor, tensors_in

LARGE = 1_000_000_000  # bytes of a component's files; of each tensor of a larger one, only the first numbers are read
FIRST = 1 << 16  # numbers, whole rows of every width that there is
# Names that peft gives to the weights of a LoRA, and diffusers to those of an IP-Adapter.
ADAPTER = re.compile(r"\.lora_[A-Za-z_]+\.|\.processor\.to_[kv]_ip\.|^encoder_hid_proj\.image_projection_layers\.")
WRAPPED = ".base_layer"  # what it puts between the name of a layer and those of its own weights
SCALE_NOISE = 1e-5  # relative: an error of a scale that rounding explains
WIDE = ("F32", "F64")  # as files call them
HALF = {"bfloat16": "BF16", "float16": "F16"}


def stored_weights(
    module: Any, folder: Path, variant: str | None = None, *, file: str | None = None, dtype: str | None = None
) -> StoredWeights | None:
    """The component in memory beside its files, or the single one that it was loaded from; None where there is none to
    compare it with, or one of other names. dtype: the one that it was loaded in, if it is known."""
    files = weight_files(folder, variant) if file is None else _in_own_names(module, Path(file))
    if not files:
        return None
    whole = sum(part.stat().st_size for part in files) <= LARGE
    comparison = _Comparison(module, None if whole else FIRST, dtype)
    for part in files:
        for name, tensor in tensors_in(part, most=comparison.most):
            comparison.add(name, tensor)
    return comparison.result()


def _in_own_names(module: Any, file: Path) -> list[Path]:
    """The file, if it calls most of its tensors as the component does; others' files have names of their own."""
    if file.suffix == GGUF:
        return []
    names, own = {name for name, _ in tensor_headers(file)}, set(module.state_dict())
    return [file] if 2 * len(names & own) > len(names) else []


@dataclass
class _Comparison:
    """Goes through the tensors of the files one by one, and keeps none but those whose name is not in memory."""

    module: Any
    most: int | None  # numbers of each tensor that are looked at
    dtype: str | None = None  # that it was loaded in
    counts: Counter[str] = field(default_factory=Counter)  # tensors, same, unread
    differing: list[str] = field(default_factory=list)
    nameless: dict[str, Tensor] = field(default_factory=dict)  # in the files, by a name that nothing in memory has
    deviations: dict[str, Deviation] = field(default_factory=dict)  # by layer
    matched: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        tensors = [(name, tensor) for name, tensor, _ in tensors_of(self.module)]
        self.adapters = {name for name, _ in tensors if ADAPTER.search(name)}
        self.parameters = {name: tensor for name, tensor in tensors if name not in self.adapters}
        self.quantized = dict(quantized_layers(self.module))
        self.all_names = dict.fromkeys([*self.parameters, *(f"{layer}.weight" for layer in self.quantized)])

    def add(self, name: str, tensor: Tensor) -> None:
        self.counts["tensors"] += 1
        own = _matching(name, self.all_names) or _wrapped(name, self.all_names)
        if own is not None and own.removesuffix(".weight") in self.quantized:
            self._add_quantized(own.removesuffix(".weight"), tensor)
        elif own is not None:
            self._add_plain(own, name, tensor)
        elif not _ignored(self.module, name):
            self.nameless[name] = tensor

    def _add_plain(self, own: str, name: str, tensor: Tensor) -> None:
        """Held to the file's bytes."""
        self.matched.add(own)
        values = values_of(self.module, own, self.parameters[own])
        same = None if values is None else _same(tensor, values, self.most)
        if same is False and dtype_name(values).startswith("float8"):
            same = any(_same(each, values, self.most) for each in self._narrowed(tensor))
        if same is None:
            self.counts["unread"] += 1
        elif same:
            self.counts["same"] += 1
        else:
            self.differing.append(name)

    def _add_quantized(self, layer: str, tensor: Tensor) -> None:
        """Held to our own quantizer of the file's bytes, or of what loading has left of them."""
        own = self.quantized[layer]
        try:
            found = [own.deviation(each) for each in (tensor, *self._narrowed(tensor))]
            self.deviations[layer] = min(found, key=lambda one: (one.codes, one.scales))
        except (Refusal, ValueError, IndexError, RuntimeError, AttributeError, NotImplementedError):
            self.counts["unread"] += 1  # on no device, or laid out as no version does that we know

    def _narrowed(self, tensor: Tensor) -> list[Tensor]:
        """The file's numbers rounded to the dtype that they were loaded in, where that is narrower: of these a library
        makes bytes then."""
        if tensor.dtype not in WIDE:
            return []
        bits = as_dtype(tensor, self.dtype) if self.dtype in HALF else None
        return [] if bits is None else [Tensor(HALF[str(self.dtype)], bits)]

    def _missing(self) -> list[str]:
        """What is in memory by no name, and whose numbers are not there by another one either."""
        return [name for name, tensor in self.nameless.items() if not self._found_renamed(tensor)]

    def _found_renamed(self, tensor: Tensor) -> bool:
        """Whether some tensor that came from no file has the same shape and every bit: releases rename whole trees."""
        for own, parameter in self.parameters.items():
            if own not in self.matched and (self.most is not None or tuple(parameter.shape) == tensor.bits.shape):
                values = values_of(self.module, own, parameter)
                if values is not None and _same(tensor, values, self.most):
                    self.matched.add(own)
                    self.counts["same"] += 1
                    return True
        return False

    def result(self) -> StoredWeights:
        missing = self._missing()
        layers = dict(linear_layers(self.module))
        kinds = Counter(layers.values())
        codes = {name: one.codes for name, one in self.deviations.items() if one.codes > 0}
        scales = {name: one.scales for name, one in self.deviations.items() if one.scales > SCALE_NOISE}
        offsets = {name: one.offset for name, one in self.deviations.items() if one.offset > SCALE_NOISE}
        return StoredWeights(
            tensors=self.counts["tensors"],
            same=self.counts["same"],
            unread=self.counts["unread"],
            differing=tuple(self.differing[:TENSORS_NAMED]),
            missing=tuple(missing[:TENSORS_NAMED]),
            made_up=tuple(self._made_up()[:TENSORS_NAMED]),
            layers=layers if len(kinds) > 1 else {},
            kinds=dict(sorted(kinds.items())),
            spared=tuple(sorted(getattr(self.module, "_keep_in_fp32_modules", None) or ())),
            codes=codes,
            scales=scales,
            offsets=offsets,
            adapters=len(self.adapters),
            whole=self.most is None,
        )

    def _made_up(self) -> list[str]:
        """What is saved with a model, came from no file, and shares its numbers with nothing that did."""
        objects = {id(self.parameters[name]) for name in self.matched}
        places = {_place(self.parameters[name]) for name in self.matched} - {None}
        own = [name for name in self.module.state_dict() if name in self.parameters]
        quantized = tuple(f"{layer}." for layer in self.quantized)
        return [
            name
            for name in own
            if name not in self.matched
            and not name.startswith(quantized)
            and id(self.parameters[name]) not in objects
            and _place(self.parameters[name]) not in places
            and not self._is_tied(name)
        ]

    def _is_tied(self, name: str) -> bool:
        """Whether the class says that it is tied to another tensor, and one of the files' has the same numbers: a name
        that should be tied, and is not, was left as it was made."""
        if not name.endswith(_tied(self.module)):
            return False
        own = self.parameters[name]
        values = values_of(self.module, name, own)
        alike = [(other, self.parameters[other]) for other in self.matched]
        both = [values_of(self.module, other, each) for other, each in alike if each.shape == own.shape]
        return values is None or any(each is None or self._is_equal(values, each) for each in both)

    def _is_equal(self, one: Any, other: Any) -> bool:
        """Bit for bit, as far as is looked at."""
        first, second = (bits_of(each.reshape(-1)[: self.most]) for each in (one, other))
        return np.array_equal(first, second)


def _place(tensor: Any) -> tuple[str, int] | None:
    if tensor.device.type == "meta" or not tensor.numel():
        return None
    return str(tensor.device), int(tensor.data_ptr())


def _tied(module: Any) -> tuple[str, ...]:
    """Names that the class says are tied to others."""
    keys = getattr(module, "_tied_weights_keys", None) or ()
    return tuple(str(key).lstrip("^").rstrip("$").replace("\\", "") for key in keys)


def _ignored(module: Any, name: str) -> bool:
    """Whether the class says that it has no use for a tensor of that name, or computes it anew as a buffer."""
    patterns = getattr(module, "_keys_to_ignore_on_load_unexpected", None) or ()
    buffers = [own for own, _ in module.named_buffers()]
    return any(re.search(pattern, name) for pattern in patterns) or _matching(name, buffers) is not None


def _matching(name: str, names: Any) -> str | None:
    """The same name, or the only one that differs by what stands before it: releases differ in how they begin.

    So `model.layers.0.q.weight` of a file is `model.language_model.layers.0.q.weight` in memory, and so is
    `language_model.model.layers.0.q.weight`, as Mistral's files name it."""
    if name in names:
        return name
    within = name.partition(".")[2]
    near = [own for own in names if own.endswith(f".{name}") or name.endswith(f".{own}")]
    near = near or [own for own in names if within.count(".") > 1 and own.endswith(f".{within}")]
    near = near or [own for own in names if len(own) == len(name) and _parts(own) == _parts(name)]
    return str(near[0]) if len(near) == 1 else None


def _parts(name: str) -> list[str]:
    """What a name is made of, in whatever order."""
    return sorted(name.split("."))


def _wrapped(name: str, names: Any) -> str | None:
    """The same name in a layer that peft has put into one of its own."""
    layer, _, leaf = name.rpartition(".")
    own = f"{layer}{WRAPPED}.{leaf}"
    return own if own in names else None


def _same(expected: Tensor, actual: Any, most: int | None) -> bool | None:
    """Whether every bit is the file's, in the dtype of what lies in memory; None for a dtype that we do not know."""
    flat = actual.reshape(-1)[:most] if most is not None else actual.reshape(-1)
    wanted = as_dtype(expected, dtype_name(actual))
    if wanted is None:
        return None
    return bool(np.array_equal(wanted.reshape(-1), bits_of(flat)))


def as_dtype(tensor: Tensor, dtype: str) -> NDArray[Any] | None:
    """The file's numbers as their bits are in a dtype, by our own conversion."""
    if dtype == "bfloat16" and tensor.dtype == "BF16":
        return tensor.bits
    values = tensor.values
    if values.dtype.kind != "f":
        return values if values.dtype.name == dtype else None
    with np.errstate(over="ignore"):
        wide = values.astype(np.float32)
        if dtype == "bfloat16":
            return bfloat16.to_bits(wide)
        if dtype == "float8_e4m3fn":
            return quantizers.e4m3(wide)
        return values.astype(dtype) if dtype in ("float16", "float32", "float64") else None

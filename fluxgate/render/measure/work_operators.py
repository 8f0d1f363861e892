"""Operators that torch dispatches, with their floating-point operations and the bytes that they copy."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from math import prod
from typing import Any, Protocol

COPIES = ("aten._to_copy", "aten.copy_", "aten._copy_from", "aten._pin_memory")
WAITS = ("aten._local_scalar_dense", "aten.nonzero", "aten.equal")  # the host waits for their result
PINNED = "pinned"  # what is counted of the bytes that go to a GPU from pinned memory
UNCOUNTED = "not known"  # beside the operators: products for which there is no formula


class Counting(Protocol):
    """What counts, unless it is paused."""

    @property
    def paused(self) -> bool: ...

    def add(self, section: str, what: str, number: int = 1) -> None: ...

    def stand(self, what: str, number: int) -> None: ...


@dataclass(frozen=True)
class Operator:
    """What is to be counted of an operator; found out once."""

    name: str
    flops: Callable[..., int] | None
    copies: bool
    waits: bool


@contextmanager
def operators_counted(counter: Counting) -> Iterator[None]:
    """Count what is dispatched in this thread meanwhile."""
    with _mode(counter):
        yield


def _mode(counter: Counting) -> Any:
    from torch.utils._python_dispatch import TorchDispatchMode

    known: dict[Any, Operator] = {}

    class CountingMode(TorchDispatchMode):  # type: ignore[misc]  # torch has no types here
        supports_higher_order_operators = True  # such as flex_attention, each counted as one

        @classmethod
        def ignore_compile_internals(cls) -> bool:
            return True  # else torch.compile gives up, and what is measured is another program

        def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            if any(_takes_itself_apart(kind) for kind in types):
                return NotImplemented  # its parts come here one by one
            returned = function(*args, **(kwargs or {}))
            if not counter.paused:
                operator = known.get(function)
                if operator is None:
                    operator = known[function] = _operator(function)
                _count(counter, operator, args, kwargs or {}, returned)
            return returned

    return CountingMode()


def _takes_itself_apart(kind: Any) -> bool:
    """Whether a class of tensors, like those of torchao, answers a dispatch with operators on its inner tensors."""
    import torch

    handler = getattr(kind, "__torch_dispatch__", None)
    return handler is not None and handler is not torch._C._disabled_torch_dispatch_impl


def _operator(function: Any) -> Operator:
    name = _name(function)
    return Operator(name, _formula(function, name), name in COPIES, name in WAITS)


def _name(function: Any) -> str:
    """`aten.mm`, without its overload."""
    schema = getattr(function, "_schema", None)
    return schema.name.replace("::", ".") if schema is not None else str(function)


def _count(counter: Counting, operator: Operator, args: Any, kwargs: Any, returned: Any) -> None:
    counter.add("operators", operator.name)
    if operator.flops is not None:
        try:
            counter.add("flops", operator.name, int(operator.flops(*args, **kwargs, out_val=returned)))
        except Exception:  # a formula that does not fit this release's arguments
            counter.add("flops", UNCOUNTED, 1)
    if operator.copies:
        _count_copy(counter, operator.name, args, kwargs, returned)
    if operator.waits and _device(args) != "cpu":
        counter.add("events", "waits for a result")


def _count_copy(counter: Counting, name: str, args: Any, kwargs: Any, returned: Any) -> None:
    source = args[1] if name == "aten.copy_" else args[0]
    where = _route(source, returned, name)
    counter.add("bytes", where, int(returned.numel() * returned.element_size()))
    counter.add("moves", where)
    if source.device.type == returned.device.type:
        return
    if source.device.type == "cpu" and returned.device.type == "cuda" and source.is_pinned():
        counter.add(PINNED, "", int(returned.numel() * returned.element_size()))
    if not (kwargs.get("non_blocking") or (name == "aten.copy_" and len(args) > 2 and args[2])):
        counter.add("events", "waits for a copy")
    if on_own_stream(source, returned):
        counter.add("moves", f"{where}, on a stream of its own")


def _route(source: Any, target: Any, name: str) -> str:
    """From where to where: 'host to device', 'cast on the host', …"""
    before, after = source.device, target.device
    if name == "aten._pin_memory":
        return "pinned"
    places = {"cpu": "host", "meta": "nowhere"}
    one, other = places.get(before.type, "device"), places.get(after.type, "device")
    if before == after:
        return f"{'within' if source.dtype == target.dtype else 'cast on'} {one}"
    return f"{one} to {other}"


def on_own_stream(*tensors: Any) -> bool:
    """Whether a copy to or from a GPU was asked for on another stream than the one that computes."""
    import torch

    for tensor in tensors:
        if tensor.device.type == "cuda":
            with suppress(Exception):
                return bool(torch.cuda.current_stream(tensor.device) != torch.cuda.default_stream(tensor.device))
    return False


def _device(args: Any) -> str:
    return next((arg.device.type for arg in args if hasattr(arg, "device")), "cpu")


# Floating-point operations


def _formula(function: Any, name: str) -> Callable[..., int] | None:
    """torch's own formula, or one for what torch has none for."""
    from torch.utils.flop_counter import flop_registry

    packet = getattr(function, "_overloadpacket", function)
    return flop_registry.get(packet) or OWN.get(name)


def _product(left: Any, right: Any, *_: Any, out_val: Any = None, **__: Any) -> int:
    """Any number of rows times a matrix: each number that comes out is a sum over the last axis of the rows."""
    out = out_val[0] if isinstance(out_val, tuple) else out_val
    return int(2 * out.numel() * left.shape[-1])


def _attention(query: Any, key: Any, value: Any, *_: Any, **__: Any) -> int:
    """Two products for each head."""
    *batch, rows, width = query.shape
    return int(2 * prod(batch) * rows * key.shape[-2] * (width + value.shape[-1]))


OWN: dict[str, Callable[..., int]] = {
    "aten.linear": _product,
    "aten._int_mm": _product,
    "aten._scaled_dot_product_flash_attention_for_cpu": _attention,
    "aten._scaled_dot_product_fused_attention_overrideable": _attention,
    "aten.scaled_dot_product_attention": _attention,
    "bitsandbytes.gemv_4bit": _product,
    "bitsandbytes.gemm_4bit": _product,
    "bitsandbytes.int8_linear_matmul": _product,
    "bitsandbytes.int8_scaled_mm": _product,
    "bitsandbytes.int8_mixed_scaled_mm": _product,
}

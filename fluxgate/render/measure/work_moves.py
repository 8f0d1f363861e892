"""Moves that are asked for, whether or not anything has to be copied, and weights that nobody asks to move after use:
on a machine without GPU all that shows of an offload."""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from fluxgate.render.measure.work_operators import Counting

ASKED = ("to", "cpu", "cuda")  # methods of a tensor
WEIGHTS, OTHERS = "weights asked to move", "other tensors asked to move"
UNMOVED, UNASKED = "unmoved", "unasked"  # what is told of weights that were used, and not asked to move since or before
NO_USE = ("__get__", "__set__", "copy_")  # functions that take a weight, and compute nothing with it


@contextmanager
def moves_counted(counter: Counting, weights: Iterable[Any]) -> Iterator[None]:
    """Count the calls that name a device, and the bytes of what they are called on."""
    with _mode(counter, Weights(weights)):
        yield


class Weights:
    """Tells a pipeline's weights from other tensors by what they are, never by where they lie: memory is used again."""

    def __init__(self, tensors: Iterable[Any]) -> None:
        self._known: dict[int, tuple[weakref.ref[Any], weakref.ref[Any]]] = {}
        for tensor in tensors:  # those that are no parameters, too
            self.add(tensor, of=tensor)

    def weight_of(self, tensor: Any) -> Any | None:
        """The weight that a tensor is, or sees by another name; None where it is of none."""
        from torch.nn import Parameter

        if isinstance(tensor, Parameter):
            return tensor
        known, weight = self._known.get(id(tensor), (None, None))
        if known is None or weight is None or known() is not tensor:
            return None
        own = weight()
        return tensor if own is None else own

    def add(self, tensor: Any, *, of: Any) -> None:
        self._known[id(tensor)] = weakref.ref(tensor), weakref.ref(of)


class Used:
    """Weights that are used, and when somebody asked to move them: without a GPU they stay where they are."""

    def __init__(self) -> None:
        self._unmoved: dict[int, tuple[weakref.ref[Any], int]] = {}  # since they were used
        self._asked: dict[int, weakref.ref[Any]] = {}

    @property
    def unmoved(self) -> int:
        """The bytes of those that were not asked to move since, and are still there."""
        self._unmoved = {key: (weight, size) for key, (weight, size) in self._unmoved.items() if weight() is not None}
        return sum(size for _, size in self._unmoved.values())

    def use(self, weight: Any, counter: Counting) -> None:
        known, size = self._unmoved.get(id(weight)), int(weight.numel() * weight.element_size())
        if known is not None and known[0]() is weight:
            return
        if not self._was_asked(weight):
            self._asked[id(weight)] = weakref.ref(weight)
            counter.add(UNASKED, "", size)
        self._unmoved[id(weight)] = weakref.ref(weight), size
        counter.stand(UNMOVED, self.unmoved)

    def move(self, weight: Any, counter: Counting) -> None:
        """Somebody asks for it."""
        self._asked[id(weight)] = weakref.ref(weight)
        self.leave(weight, counter)

    def leave(self, weight: Any, counter: Counting) -> None:
        """It is elsewhere now, or other numbers are in its place."""
        if self._unmoved.pop(id(weight), None) is not None:
            counter.stand(UNMOVED, self.unmoved)

    def _was_asked(self, weight: Any) -> bool:
        known = self._asked.get(id(weight))
        return known is not None and known() is weight


def _mode(counter: Counting, weights: Weights) -> Any:
    import torch
    from torch.overrides import TorchFunctionMode

    data = torch.Tensor.data  # a weight's plain tensor, by which hooks move it
    used = Used()

    class AskedMode(TorchFunctionMode):  # type: ignore[misc]  # torch has no types here
        def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            name = getattr(function, "__name__", "")
            if not counter.paused and args:
                count(function, name, args, kwargs or {})
            returned = function(*args, **(kwargs or {}))
            if name == "__get__" and function == data.__get__ and (weight := weights.weight_of(args[0])) is not None:
                weights.add(returned, of=weight)
            return returned

    def count(function: Any, name: str, args: Any, kwargs: Any) -> None:
        weight = weights.weight_of(args[0])
        if name in ASKED and _names_a_device(name, args, kwargs):
            counter.add("moves", OTHERS if weight is None else WEIGHTS)
            counter.add("bytes", OTHERS if weight is None else WEIGHTS, int(args[0].numel() * args[0].element_size()))
            if weight is not None:
                used.move(weight, counter)
        elif name == "__set__" and function == data.__set__ and weight is not None:
            used.leave(weight, counter)
        elif name not in (*ASKED, *NO_USE):
            for one in _weights_used(args, weights):
                used.use(one, counter)

    return AskedMode()


def _weights_used(args: Any, weights: Weights) -> list[Any]:
    """The weights that something is computed with: those beside another tensor."""
    import torch

    tensors = [arg for arg in args if isinstance(arg, torch.Tensor)] if len(args) > 1 else []
    used = [weight for weight in map(weights.weight_of, tensors) if weight is not None]
    return used if len(used) < len(tensors) else []


def _names_a_device(name: str, args: Any, kwargs: Any) -> bool:
    """Whether a call asks for a place, not only for a dtype."""
    import torch

    if not isinstance(args[0], torch.Tensor):
        return False
    if name != "to":
        return True
    asked = kwargs.get("device", args[1] if len(args) > 1 else None)
    return isinstance(asked, str | int | torch.device | torch.Tensor)

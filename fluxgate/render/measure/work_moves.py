"""Moves that are asked for, whether or not anything has to be copied, and weights that nobody asks to move after use:
on a machine without GPU all that shows of an offload."""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
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
        self._known = {id(tensor): weakref.ref(tensor) for tensor in tensors}  # those that are no parameters, too

    def holds(self, tensor: Any) -> bool:
        from torch.nn import Parameter

        known = self._known.get(id(tensor))
        return isinstance(tensor, Parameter) or (known is not None and known() is tensor)

    def add(self, tensor: Any) -> None:
        self._known[id(tensor)] = weakref.ref(tensor)


class Used:
    """Weights that are used, and when somebody asked to move them, by where they lie: without a GPU they stay there."""

    def __init__(self) -> None:
        self._unmoved: dict[int, tuple[weakref.ref[Any], int]] = {}  # since they were used
        self._asked: set[int] = set()

    @property
    def unmoved(self) -> int:
        """The bytes of those that were not asked to move since, and still lie where they were used."""
        self._unmoved = {where: one for where, one in self._unmoved.items() if _place(one[0]()) == where}
        return sum(size for _, size in self._unmoved.values())

    def use(self, weight: Any, counter: Counting) -> None:
        place, size = _place(weight), int(weight.numel() * weight.element_size())
        if place is None or place in self._unmoved:
            return
        if place not in self._asked:
            self._asked.add(place)
            counter.add(UNASKED, "", size)
        self._unmoved[place] = (weakref.ref(weight), size)
        counter.stand(UNMOVED, self.unmoved)

    def move(self, weight: Any, counter: Counting) -> None:
        """Somebody asks for it."""
        place = _place(weight)
        self._asked.add(place)
        if self._unmoved.pop(place, None) is not None:
            counter.stand(UNMOVED, self.unmoved)


def _place(tensor: Any) -> Any:
    """Its memory's address; None where it has none, or does not say."""
    with suppress(Exception):
        return tensor.untyped_storage().data_ptr() or None
    return None


def _mode(counter: Counting, weights: Weights) -> Any:
    import torch
    from torch.overrides import TorchFunctionMode

    data = torch.Tensor.data.__get__  # a weight's plain tensor, by which hooks move it
    used = Used()

    class AskedMode(TorchFunctionMode):  # type: ignore[misc]  # torch has no types here
        def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            name = getattr(function, "__name__", "")
            if name in ASKED and not counter.paused and args and _names_a_device(name, args, kwargs or {}):
                what = WEIGHTS if weights.holds(args[0]) else OTHERS
                counter.add("moves", what)
                counter.add("bytes", what, int(args[0].numel() * args[0].element_size()))
                used.move(args[0], counter)
            elif name not in (*ASKED, *NO_USE) and not counter.paused:
                for weight in _weights_used(args, weights):
                    used.use(weight, counter)
            returned = function(*args, **(kwargs or {}))
            if name == "__get__" and function == data and weights.holds(args[0]):
                weights.add(returned)
            return returned

    return AskedMode()


def _weights_used(args: Any, weights: Weights) -> list[Any]:
    """The weights that something is computed with: those beside another tensor."""
    import torch

    tensors = [arg for arg in args if isinstance(arg, torch.Tensor)] if len(args) > 1 else []
    used = [tensor for tensor in tensors if weights.holds(tensor)]
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

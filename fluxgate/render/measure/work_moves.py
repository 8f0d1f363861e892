"""Moves that are asked for, whether or not anything has to be copied: on a machine without GPU all that shows of an
offload."""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from fluxgate.render.measure.work_operators import Counting

ASKED = ("to", "cpu", "cuda")  # methods of a tensor
WEIGHTS, OTHERS = "weights asked to move", "other tensors asked to move"


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


def _mode(counter: Counting, weights: Weights) -> Any:
    import torch
    from torch.overrides import TorchFunctionMode

    data = torch.Tensor.data.__get__  # a weight's plain tensor, by which hooks move it

    class AskedMode(TorchFunctionMode):  # type: ignore[misc]  # torch has no types here
        def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            name = getattr(function, "__name__", "")
            if name in ASKED and not counter.paused and args and _names_a_device(name, args, kwargs or {}):
                what = WEIGHTS if weights.holds(args[0]) else OTHERS
                counter.add("moves", what)
                counter.add("bytes", what, int(args[0].numel() * args[0].element_size()))
            returned = function(*args, **(kwargs or {}))
            if name == "__get__" and function == data and weights.holds(args[0]):
                weights.add(returned)
            return returned

    return AskedMode()


def _names_a_device(name: str, args: Any, kwargs: Any) -> bool:
    """Whether a call asks for a place, not only for a dtype."""
    import torch

    if not isinstance(args[0], torch.Tensor):
        return False
    if name != "to":
        return True
    asked = kwargs.get("device", args[1] if len(args) > 1 else None)
    return isinstance(asked, str | int | torch.device | torch.Tensor)

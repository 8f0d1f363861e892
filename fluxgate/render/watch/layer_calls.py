"""How often each layer of a network is called: what computes twice, or not at all, is seen whatever comes out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from fluxgate.rendering import GivenTake

MOST_NAMES = 64  # of layers: a cache may answer all 44 of the attentions of the miniature from memory


class LayerCalls:
    """Counts the calls of each layer that has weights of its own: each computes once for each call of its network."""

    def __init__(self) -> None:
        self.counting = False
        self._due: dict[str, int] = {}
        self._calls: Counter[str] = Counter()
        self._elsewhere: list[GivenTake] = []

    def watch(self, name: str, network: Any, *, due: int) -> list[Any]:
        """Count the layers of a network; the hooks that do so."""
        return [
            layer.register_forward_pre_hook(self._count(f"{name}.{path}" if path else name, due))
            for path, layer in network.named_modules()
            if layer._parameters
        ]

    def _count(self, layer: str, due: int) -> Callable[..., None]:
        self._due[layer] = due

        def before_forward(*_: Any) -> None:
            self._calls[layer] += self.counting

        return before_forward

    def add_from_process(self, take: GivenTake) -> None:
        """Add what another process has counted."""
        self._elsewhere.append(take)

    def result(self) -> tuple[int, dict[str, tuple[int, int]]]:
        """How many were counted, and those that were not called as often as was due."""
        called = {name: due for name, due in self._due.items() if self._calls[name]}
        wrong = {name: (due, self._calls[name]) for name, due in called.items() if self._calls[name] != due}
        for take in self._elsewhere:
            wrong |= take.miscounted
        first = dict(sorted(wrong.items())[:MOST_NAMES])
        return len(called) + sum(take.layers for take in self._elsewhere), first

"""What strategies compute in place of the networks by themselves, in the oracle's way: an image prompt, and caches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Self

import numpy as np

from fluxgate.miniature.oracle.layers import Array, Weights, affine_norm, attention, heads_apart, heads_together, linear

PICTURE_TOKENS = 4
Compute = Callable[[], Array]


@dataclass(frozen=True)
class ImagePrompt:
    """A picture that is given beside the prompt, and the IP-Adapter by which the image looks at it."""

    adapter: Weights
    embedding: Array
    scale: float  # of what is seen of it

    def seen_by(self, query: Array, block: int) -> Array:
        """What a double block's queries, which are not turned, take from the picture's tokens."""
        rows = linear(self.embedding, self.adapter, "image_proj.proj").reshape(PICTURE_TOKENS, -1)
        tokens, layer = affine_norm(rows, self.adapter, "image_proj.norm", 1e-5), f"ip_adapter.{block}"
        key, value = (heads_apart(linear(tokens, self.adapter, f"{layer}.to_{name}_ip"), len(query)) for name in "kv")
        return self.scale * heads_together(attention(query, key, value, scale=query.shape[-1] ** -0.5))


@dataclass(eq=False)
class Cache:
    """Uses nothing again. Those below answer some steps with what earlier ones have computed."""

    def emptied(self, levels: Array) -> Self:
        """The same before the first step of a call, whose steps begin at these levels of noise."""
        return replace(self)

    def attention(self, compute: Compute) -> Array:
        """What one attention gives; all of a step are asked for in their order, in each step."""
        return compute()

    def rest(self, change: Array, compute: Compute) -> Array:
        """What the blocks after the first add to what it gives, where it has changed the image so."""
        return compute()


@dataclass(eq=False)
class FirstBlockCache(Cache):
    """Skips the blocks after the first where that changes the image as in the last step that they were computed in."""

    threshold: float  # of the difference, relative to the change
    ratios: list[float] = field(default_factory=list, init=False)  # of each step but the first
    _change: Array | None = field(default=None, init=False)
    _added: Array = field(init=False)

    def rest(self, change: Array, compute: Compute) -> Array:
        if self._change is not None:
            self.ratios.append(float(np.abs(change - self._change).mean() / np.abs(self._change).mean()))
            if self.ratios[-1] <= self.threshold:
                return self._added
        self._change, self._added = change, compute()
        return self._added


@dataclass(eq=False)
class ForetellingCache(Cache):
    """After two steps, foretells attentions in every other one, in a line through the last two that were computed."""

    attentions: int  # of a step
    _asked: int = field(default=0, init=False)
    _last: dict[int, tuple[int, Array, Array | float]] = field(default_factory=dict, init=False)

    def attention(self, compute: Compute) -> Array:
        step, place = divmod(self._asked, self.attentions)
        self._asked += 1
        before = self._last.get(place)
        if before is not None and step >= 2 and step % 2 == 0:
            return before[1] + before[2] * (step - before[0])
        value = compute()
        self._last[place] = (step, value, 0.0 if before is None else (value - before[1]) / (step - before[0]))
        return value


@dataclass(eq=False)
class RepeatingCache(Cache):
    """Between two levels of noise, attentions give in every other step what they gave in the one before."""

    attentions: int  # of a step
    between: tuple[float, float]
    levels: Array = field(default_factory=lambda: np.zeros(0))  # of the call's steps
    _asked: int = field(default=0, init=False)
    _last: dict[int, Array] = field(default_factory=dict, init=False)

    def emptied(self, levels: Array) -> Self:
        return replace(self, levels=levels)

    def attention(self, compute: Compute) -> Array:
        step, place = divmod(self._asked, self.attentions)
        self._asked += 1
        if step % 2 == 0 or not self.between[0] < self.levels[step] < self.between[1]:
            self._last[place] = compute()
        return self._last[place]

"""Captions left out, and the pull of those that are there: how the transformer learns to follow its caption at once.

Some samples have an empty caption, so that the transformer also knows the velocity that nobody asked for. Later, its
target is pushed on in the direction in which the caption moved its answer (Tang et al. 2025, 'Diffusion models without
classifier-free guidance'). In the end it answers, in one pass, as if guided by 1 / (1 - GUIDE).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fluxgate.miniature.training.data import Words

if TYPE_CHECKING:
    import torch
    from torch import Tensor

DROPPED_SHARE = 0.1  # of a batch has an empty caption
GUIDE = 0.6  # how far the target is pushed, in the end
RISE = (0.3, 0.5)  # shares of the training between which the push grows
PATIENCE = 500  # steps with empty captions before any push; it takes twice as many more to grow
LOW, HIGH = 0.15, 0.95  # noise levels between which the push is whole; it falls to nothing at 0 and at 1


@dataclass(frozen=True)
class Blank:
    """The tokens of an empty caption, as FluxPipeline pads them."""

    clip: Tensor
    t5: Tensor


def blank(words: Words, device: torch.device) -> Blank:
    import torch

    clip, t5 = (torch.from_numpy(ids).long().to(device) for ids in (words.clip_ids(""), words.t5_ids("")))
    return Blank(clip, t5)


def dropped(number: int) -> int:
    """How many of a batch, its last ones, have an empty caption."""
    return max(1, round(number * DROPPED_SHARE))


def pushed(number: int) -> int:
    """How many of a batch, its first ones, are pushed: half, in eights. The others would cost a second pass as well."""
    return min(number, -(-number // 16) * 8)


def guide_at(progress: float, *, steps: int, patience: int = PATIENCE) -> float:
    """How far the target is pushed, after this share of the training and this many steps with empty captions."""
    late, used = _rise(progress, *RISE), _rise(steps, patience, 3 * patience)
    return GUIDE * min(late, used)


def _rise(value: float, start: float, end: float) -> float:
    return min(1.0, max(0.0, (value - start) / (end - start)))


def weights(sigma: Tensor, *, guide: float, asked: int) -> Tensor:
    """How far each of a batch is pushed: none without a caption, and those that are enough to make up for the rest."""
    rows = min(asked, pushed(len(sigma)))
    near = (sigma / LOW).clamp(max=1) * ((1 - sigma) / (1 - HIGH)).clamp(max=1)
    result = guide * asked / rows * near
    result[rows:] = 0
    return result


def target(plain: Tensor, answer: Tensor, unasked: Tensor, *, weight: Tensor) -> Tensor:
    """The velocity to learn: the plain one, pushed by what the caption changed in the answer to the first rows."""
    rows = len(unasked)
    result = plain.clone()
    result[:rows] += weight[:rows, None, None] * (answer[:rows].detach().float() - unasked.float())
    return result

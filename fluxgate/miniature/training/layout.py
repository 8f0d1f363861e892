"""What covers each token of a picture, as labels: a side task that teaches the transformer early on what goes where.

Without it, the velocity alone must teach which of the caption's things stands where and which colour is whose.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fluxgate.miniature import drawing
from fluxgate.miniature.scenes import COLOURS_OF, Scene
from fluxgate.miniature.training.grammar import Answers

if TYPE_CHECKING:
    import torch
    from torch import Tensor

LOOKS = tuple((kind, colour) for kind, colours in COLOURS_OF.items() for colour in colours)
NOTHING = 0  # the label of a token that no thing covers; others are 1 + their place in LOOKS
TOKEN = 16  # pixels of a picture that one token spans, each way
STEP = 4  # pixels between two samples of what covers them
LEAST = 4  # samples, of a token's 16, that a thing must cover to be its label
SOLID = 127  # opacity above which a thing covers a sample
BACKGROUND = 0.25  # weight of a token that no thing covers: there are many of them, and they say little
NOISIEST = 0.2  # weight of a sample that is pure noise, in which nothing can be known; a clean one's is 1


def labels(scene: Scene, *, width: int, height: int) -> NDArray[np.int8]:
    """What covers each token, row by row; what is in front counts."""
    fine = np.zeros((height // STEP, width // STEP), np.int8)
    for one in drawing.placed(scene, width=width, height=height):
        _cover(fine, one, label=1 + LOOKS.index((one.group.kind, one.group.colour)))
    each = TOKEN // STEP
    cells = fine.reshape(height // TOKEN, each, width // TOKEN, each).swapaxes(1, 2).reshape(-1, each * each)
    present = np.array([1 + LOOKS.index((group.kind, group.colour)) for group in scene.groups], np.int8)
    covered = (cells == present[:, None, None]).sum(axis=-1)
    return np.where(covered.max(axis=0) >= LEAST, present[covered.argmax(axis=0)], np.int8(NOTHING))


def _cover(fine: NDArray[np.int8], one: drawing.Placed, *, label: int) -> None:
    """Write a thing's label on the samples that it covers."""
    solid = np.asarray(one.picture)[..., 3] > SOLID
    rows, mine_down = _met(one.y, solid.shape[0], fine.shape[0])
    columns, mine_across = _met(one.x, solid.shape[1], fine.shape[1])
    fine[rows, columns][solid[mine_down, mine_across]] = label


def _met(start: int, length: int, samples: int) -> tuple[slice, slice]:
    """The samples, at the middles of steps, that lie in this stretch of pixels; in the frame and in the stretch."""
    first = max(0, -(-(start - STEP // 2) // STEP))
    last = max(first, min(samples, -(-(start + length - STEP // 2) // STEP)))
    offset = first * STEP + STEP // 2 - start
    return slice(first, last), slice(offset, offset + (last - first) * STEP, STEP)


def surveyor(width: int) -> torch.nn.Module:
    """The linear layer that must be able to tell the labels from the transformer's tokens; thrown away afterwards."""
    import torch

    return torch.nn.Linear(width, 1 + len(LOOKS))


def block(transformer: Any) -> torch.nn.Module:
    """Where the transformer is asked: its first single block, in the middle of its depth."""
    found: torch.nn.Module = transformer.single_transformer_blocks[0]
    return found


def picture_tokens(output: Any, *, number: int) -> Tensor:
    """The picture's part of what a single block returned: text and picture apart, or one behind the other."""
    tokens: Tensor = output[1] if isinstance(output, tuple) else output
    return tokens[:, -number:]


def examine(head: Any, tokens: Tensor, given: Tensor, *, sigma: Tensor) -> Answers:
    """Ask the transformer's tokens, batch × tokens × width, for the labels; the loss is 1 for mere guessing."""
    import torch
    from torch.nn.functional import cross_entropy

    given = given.long()
    said = head(tokens).float()
    wrong = cross_entropy(said.flatten(0, 1), given.flatten(), reduction="none").view_as(given)
    thing = given != NOTHING
    weight = torch.where(thing, 1.0, BACKGROUND) * (1 - (1 - NOISIEST) * sigma)[:, None]
    loss = (weight * wrong).sum() / weight.sum() / math.log(said.shape[-1])
    right = ((said.argmax(-1) == given) & thing).sum() / thing.sum().clamp_min(1)
    return Answers(loss, right.detach())

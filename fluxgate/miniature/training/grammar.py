"""What each noun of a caption says, as labels: a side task that teaches T5 to bind words to their nouns early on.

Without it, the pictures alone teach which things are named long before whose colour, number and place is whose.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fluxgate.miniature import parsing
from fluxgate.miniature.captions import COLOUR_WORDS, NOUNS, NUMBERS, SIDE_WORDS
from fluxgate.miniature.parsing import Asked, Expected
from fluxgate.miniature.scenes import KINDS, SIZES

if TYPE_CHECKING:
    import torch
    from tokenizers import Tokenizer
    from torch import Tensor

MOST_NOUNS = 6
WAYS = ("left of", "right of", "above", "below")
# The fields of a noun and how many answers each has: nothing said is an answer too.
FIELDS = {
    "kind": len(KINDS),
    "colour": 1 + len(COLOUR_WORDS),
    "count": 1 + len(NUMBERS),
    "size": 1 + len(SIZES),
    "side": 1 + len(SIDE_WORDS),
    "stands": 1 + len(WAYS),
    "beside": len(KINDS) + 1,
}
ABSENT = -1
SHAPE = (MOST_NOUNS, 1 + len(FIELDS))  # of one caption's labels
FORMS = frozenset(form for forms in NOUNS.values() for pair in forms for form in pair)


def labels(caption: str, tokenizer: Tokenizer) -> NDArray[np.int8]:
    """One row for each noun: its token's place, then the answers; rows of ABSENT fill up."""
    result = np.full(SHAPE, ABSENT, np.int8)
    expected = parsing.parse(caption)
    tokens = [token.lstrip("\u2581").lower() for token in tokenizer.encode(caption).tokens]
    places = [index for index, token in enumerate(tokens) if token in FORMS]
    if len(places) != len(expected.groups) or len(places) > MOST_NOUNS:
        return result  # the grammar and the tokens disagree: better no lesson than a wrong one
    for row, place in enumerate(places):
        result[row] = (place, *_answers(expected, row))
    return result


def _answers(expected: Expected, index: int) -> tuple[int, ...]:
    asked = expected.groups[index]
    stands, beside = _relation(expected, index)
    size = 1 + SIZES.index(asked.size) if asked.size else 0
    colour = 1 + COLOUR_WORDS.index(asked.colour) if asked.colour else 0
    side = 1 + list(SIDE_WORDS).index(asked.side) if asked.side else 0
    return KINDS.index(asked.kind), colour, asked.count or 0, size, side, stands, beside


def _relation(expected: Expected, index: int) -> tuple[int, int]:
    """How this noun's things stand to another's, and which kind that is."""
    opposite = {"left of": "right of", "right of": "left of", "above": "below", "below": "above"}
    for relation in expected.relations:
        if index == relation.first:
            return 1 + WAYS.index(relation.how), 1 + _kind(expected.groups[relation.second])
        if index == relation.second:
            return 1 + WAYS.index(opposite[relation.how]), 1 + _kind(expected.groups[relation.first])
    return 0, 0


def _kind(asked: Asked) -> int:
    return KINDS.index(asked.kind)


@dataclass(frozen=True)
class Answers:
    """How wrong the answers are, and the share of them that is right."""

    loss: Tensor
    right: Tensor


def examiner(width: int) -> torch.nn.Module:
    """The linear layer that must be able to answer from T5's output at a noun; it is thrown away after training."""
    import torch

    return torch.nn.Linear(width, sum(FIELDS.values()))


def examine(head: Any, text: Tensor, given: Tensor) -> Answers:
    """Ask T5's output, batch × tokens × width, for the labels, batch × nouns × (place and fields)."""
    import torch
    from torch.nn.functional import cross_entropy

    given = torch.where(given[..., :1] < text.shape[1], given, ABSENT).long()  # nouns cut off are not asked for
    places = given[..., 0].clamp_min(0)
    nouns = text.gather(1, places[..., None].expand(-1, -1, text.shape[-1]))
    parts = head(nouns).float().split(list(FIELDS.values()), dim=-1)
    losses, right = [], []
    for index, part in enumerate(parts):
        wanted = given[..., 1 + index]
        asked = wanted != ABSENT
        number = asked.sum().clamp_min(1)
        losses.append(
            cross_entropy(part.flatten(0, 1), wanted.flatten(), ignore_index=ABSENT, reduction="sum") / number
        )
        right.append(((part.argmax(-1) == wanted) & asked).sum() / number)
    return Answers(torch.stack(losses).mean(), torch.stack(right).mean().detach())

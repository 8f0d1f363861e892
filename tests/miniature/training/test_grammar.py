"""The labels of nouns in a caption."""

from __future__ import annotations

from fluxgate.miniature import captions, scenes
from fluxgate.miniature.training import data, grammar


def test_labels_say_what_each_noun_says(words: data.Words) -> None:
    """Colour, count, size, side and neighbour stand in the row of the noun they belong to."""
    rows = grammar.labels("Two tiny red mushrooms to the left of a grey fox, and a balloon on the right.", words.t5)
    tokens = words.t5.encode("Two tiny red mushrooms to the left of a grey fox, and a balloon on the right.").tokens
    assert [tokens[row[0]].lstrip("\u2581") for row in rows[:3]] == ["mushrooms", "fox", "balloon"]
    fields = list(grammar.FIELDS)
    kinds, colours = list(scenes.KINDS), list(captions.COLOUR_WORDS)
    mushroom, fox, balloon = (dict(zip(fields, map(int, row[1:]), strict=True)) for row in rows[:3])
    assert (mushroom["colour"], mushroom["count"], mushroom["size"]) == (1 + colours.index("red"), 2, 1)
    assert (mushroom["stands"], mushroom["beside"]) == (1, 1 + kinds.index("fox"))
    assert (fox["stands"], fox["beside"], fox["colour"]) == (2, 1 + kinds.index("mushroom"), 1 + colours.index("grey"))
    assert (balloon["side"], balloon["stands"], balloon["colour"]) == (2, 0, 0)
    assert (rows[3:] == grammar.ABSENT).all()

"""Tests of parsing: what captions ask for, and that other sentences ask for nothing."""

from __future__ import annotations

import pytest

from fluxgate.miniature import parsing
from fluxgate.miniature.captions import BLOG_PROMPT
from fluxgate.miniature.parsing import Asked, Expected
from fluxgate.miniature.scenes import MAGIC, Relation


def test_the_blog_prompt_is_understood() -> None:
    """It asks for several foxes, tiny teacups, mushrooms and fireflies in the magical forest, in no said colour."""
    expected = parsing.parse(BLOG_PROMPT)
    assert [asked.kind for asked in expected.groups] == ["fox", "teacup", "mushroom", "firefly"]
    assert {(asked.colour, asked.count) for asked in expected.groups} == {(None, None)}
    assert expected.groups[1].size == "tiny"
    assert (expected.setting, expected.night, expected.picnic) == (MAGIC, True, True)


@pytest.mark.parametrize(
    ("caption", "expected"),
    [
        (
            "A big red mushroom left of two blue cups on a dark night in the woods.",
            Expected(
                (Asked("mushroom", "red", 1, "big", None), Asked("teacup", "blue", 2, None, None)),
                (Relation(0, "left of", 1),),
                "forest",
                True,
                False,
            ),
        ),
        (
            "By day on sand dunes, a fox on the right, and three yellow balloons over one brown bunny.",
            Expected(
                (
                    Asked("fox", None, 1, None, "right"),
                    Asked("balloon", "yellow", 3, None, None),
                    Asked("rabbit", "brown", 1, None, None),
                ),
                (Relation(1, "above", 2),),
                "desert",
                False,
                False,
            ),
        ),
        (
            "a drawing of foxes.",
            Expected((Asked("fox", None, None, None, None),), (), None, None, False),
        ),
        (
            "a moon under the night sky by a lake.",
            Expected((Asked("moon", None, 1, None, None),), (), "lake", True, False),
        ),
    ],
)
def test_captions_mean_what_they_say(caption: str, expected: Expected) -> None:
    """Written-out captions and what each asks for."""
    assert parsing.parse(caption) == expected


def test_foreign_words_ask_for_nothing() -> None:
    """A sentence outside the grammar asks for nothing."""
    assert parsing.parse("Quarterly figures rose.") == Expected((), (), None, None, False)

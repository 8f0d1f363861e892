"""Tests of a difference in words."""

from dataclasses import replace

import pytest

from fluxgate.compare import words
from fluxgate.compare.difference import compare
from fluxgate.compare.facts import Facts
from fluxgate.compare.inventory import ComponentChange
from fluxgate.compare.pairs import pair_up
from fluxgate.pictures import Pixels
from fluxgate.rendering import DENOISE, LAST, Component, PhaseWork, Work
from tests.compare.sides import facts, shown
from tests.runs.building import inventory, pixels
from tests.wording import unsaid

TRANSFORMER = inventory().components["transformer"]


def told(old: Pixels | None, new: Pixels) -> str:
    return words.picture(pair_up(("fox", 0), () if old is None else (shown(old),), shown(new)))


def test_a_picture_says_how_many_pixels_by_how_much_and_where() -> None:
    """The first row and column that differ are named."""
    old = pixels(0)
    new = old.copy()
    new[3, 5] += 1
    assert not unsaid(told(old, new), "0.39% of its pixels", "first at row 3, column 5", "SSIM 0")


def test_a_picture_that_cannot_be_compared_says_why() -> None:
    """Nothing was expected, or another size was; one that stays is the same."""
    assert told(None, pixels(0)) == "has nothing to be compared with"
    assert told(pixels(0), pixels(0)) == "is the same"
    assert told(pixels(0), pixels(0, size=8)) == "is 8×8 where 16×16 is due"


@pytest.mark.parametrize(
    ("after", "said"),
    [
        (replace(TRANSFORMER, bytes_by_dtype={"bfloat16": 998}), "bfloat16 1,000 B → 998 B"),
        (
            replace(TRANSFORMER, bytes_by_dtype={"float32": 2000}),
            "bfloat16 1,000 B → 0 B, float32 0 B → 2,000 B, in all 1,000 B → 2,000 B",
        ),
        (replace(TRANSFORMER, hooks={"Offload": 1}, settings={"a": "b"}), "its hooks and settings change"),
        (replace(TRANSFORMER, state_sha256="c" * 64), "its weights change"),
        (
            replace(TRANSFORMER, state_sha256="c" * 64, module_classes={"Linear4bit": 2}),
            "its modules and weights (or their names) change",
        ),
        (None, "is gone"),
    ],
)
def test_a_component_says_what_it_held_and_holds(after: Component | None, said: str) -> None:
    """Dtypes with their total where several move, then what has no size."""
    assert words.component(ComponentChange("transformer", TRANSFORMER, after)) == said
    assert words.component(ComponentChange("transformer", None, TRANSFORMER)) == "appears"


def test_equal_sides_have_no_lines() -> None:
    """Nothing changed is nothing told."""
    assert list(words.lines(compare(facts(), facts()))) == []


def test_each_kind_of_difference_has_its_line() -> None:
    """In the order in which a person wants to know them."""
    old = facts(stack={"diffusers": "0.42.1", "peft": "1"}, noise_levels={"fox": (1.0, 0.5)})
    new = facts(
        seed=1,
        stack={"diffusers": "0.43.0"},
        noise_levels={"fox": (1.0, 0.4)},
        inventory=replace(inventory(), components={"transformer": TRANSFORMER}),
    )
    fewer = replace(new, pictures={("fox", 0): new.pictures["fox", 0]}, fingerprints={"fox": new.fingerprints["fox"]})
    stack, fox, gone, levels, stage, component = words.lines(compare(old, fewer))
    assert stack == "stack: diffusers 0.42.1 → 0.43.0, peft 1 → absent"
    assert not unsaid(fox, "picture 0 of shot 'fox'", "100%")
    assert not unsaid(gone, "picture 0 of shot 'pair'", "gone")
    assert not unsaid(levels, "'fox'", "2 noise levels")
    assert not unsaid(stage, "'fox'", LAST)
    assert component == "text_encoder: is gone"


def test_what_is_compared_with_nothing_is_new() -> None:
    """A first picture, whatever else there is to say."""
    *_, last = words.lines(compare(Facts(), facts()))
    assert not unsaid(last, "picture 0 of shot 'pair'", "new")


@pytest.mark.parametrize(("others", "said"), [(0, "instead of 6"), (1, "1 more counter"), (2, "2 more counters")])
def test_the_most_telling_counter_speaks_for_the_others(others: int, said: str) -> None:
    """How many more differ follows it, and nothing where it is the only one."""
    old, new = (
        facts(work=Work("fox", 4, ((PhaseWork(DENOISE, modules={"Block": calls}, operators=operators),),)))
        for calls, operators in ((6, {}), (12, {f"operator {which}": 1 for which in range(others)}))
    )
    (line,) = words.lines(compare(old, new))
    assert not unsaid(line, "Block", "12 times instead of 6", said)
    assert (" more " in line) is (others > 0)

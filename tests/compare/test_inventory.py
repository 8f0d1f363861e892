"""Tests of the comparison of inventories."""

from dataclasses import replace
from typing import Any

import pytest

from fluxgate.compare.inventory import QUANTIZED, ComponentChange, SizeChange, component_changes
from fluxgate.rendering import Component, Inventory
from tests.runs.building import inventory

TRANSFORMER = inventory().components["transformer"]


def change_of(**changes: Any) -> tuple[ComponentChange, ...]:
    """What is told of a transformer with some of its facts changed."""
    other: Component = replace(TRANSFORMER, **changes)
    return component_changes(Inventory({"transformer": TRANSFORMER}), Inventory({"transformer": other}))


def test_equal_inventories_have_no_change() -> None:
    """Where the weights lay is not what a pipeline is made of; what was not noted is not compared."""
    assert component_changes(inventory(), inventory()) == ()
    assert change_of(placement={}) == change_of(state_sha256=None) == ()
    assert component_changes(None, inventory()) == component_changes(inventory(), None) == ()


def test_every_dtype_and_the_total_are_told() -> None:
    """One dtype may shrink while another grows: both sides of each, and of all together."""
    (found,) = change_of(bytes_by_dtype={"float32": 600, "bfloat16": 700})
    assert found.sizes == (SizeChange("bfloat16", 1000, 700), SizeChange("float32", 0, 600))
    assert found.total == (1000, 1300)


def test_quantized_weights_are_a_size_of_their_own() -> None:
    """The same bytes of the same dtypes may be packed codes, or not."""
    (found,) = change_of(quantized_bytes=900)
    assert (found.sizes, found.total) == ((SizeChange(QUANTIZED, 0, 900),), (1000, 1000))


@pytest.mark.parametrize(
    ("changes", "trait"),
    [
        ({"module_classes": {"Linear4bit": 2}}, "modules"),
        ({"hooks": {"Offload": 1}}, "hooks"),
        ({"settings": {"quant_type": "nf4"}}, "settings"),
        ({"state_sha256": "c" * 64}, "weights"),
    ],
)
def test_what_has_no_size_is_told_too(changes: dict[str, object], trait: str) -> None:
    """Each of its own."""
    (found,) = change_of(**changes)
    assert (found.sizes, found.traits) == ((), (trait,))


def test_components_that_appear_or_go_are_changes() -> None:
    """With all their bytes on one side."""
    less = Inventory({"transformer": TRANSFORMER})
    (gone,), (new,) = component_changes(inventory(), less), component_changes(less, inventory())
    assert (gone.name, gone.after, gone.total) == ("text_encoder", None, (1000, 0))
    assert (new.name, new.before, new.total) == ("text_encoder", None, (0, 1000))

"""What changes when facts are accepted, in words and side by side."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fluxgate.baselines import accepting
from fluxgate.baselines import baseline as baselines
from fluxgate.baselines.baseline import AcceptedCase
from fluxgate.baselines.store import Store
from fluxgate.compare import changes as comparing
from fluxgate.rendering import Component, Inventory
from tests.runs.building import CASES, MACHINE, inventory, pixels, request, run_of


@pytest.fixture(scope="module")
def facts(tmp_path_factory: pytest.TempPathFactory) -> AcceptedCase:
    root = tmp_path_factory.mktemp("comparing")
    run = run_of(root / "runs", "full")
    accepting.accept(run, request(), store=root / "store", cases=CASES, report=lambda line: None)
    baseline = baselines.read_case(Store(root / "store"), MACHINE.id, "tiny", "full")
    assert baseline is not None
    return baseline.case


def with_transformer(**changes: object) -> Inventory:
    components: dict[str, Component] = dict(inventory().components)
    components["transformer"] = replace(components["transformer"], **changes)  # type: ignore[arg-type]
    return Inventory(components)


@pytest.mark.parametrize(
    "changed, said",
    [
        (with_transformer(bytes_by_dtype={"float32": 2000}), "transformer: 1.0 KB bfloat16 → 2.0 KB float32"),
        (with_transformer(hooks={"Offload": 1}), "transformer: its modules, hooks or settings change"),
        (with_transformer(state_sha256="c" * 64), "transformer: its weights change"),
        (Inventory({"transformer": inventory().components["transformer"]}), "text_encoder: is gone"),
        (replace(inventory(), components={**inventory().components, "vae": inventory().components["transformer"]}),
         "vae: appears"),
    ],
)  # fmt: skip
def test_a_changed_inventory_is_told(facts: AcceptedCase, changed: Inventory, said: str) -> None:
    """Dtypes, modules, weights and whole components each have their words."""
    assert list(comparing.words(facts, replace(facts, inventory=changed))) == [said]


def test_nothing_changed_is_nothing_told(facts: AcceptedCase) -> None:
    """Equal facts have no words, and neither have the first ones."""
    assert list(comparing.words(facts, facts)) == []
    assert list(comparing.words(None, facts)) == []


def test_a_picture_says_how_many_pixels_by_how_much_and_where() -> None:
    """The first row and column that differ are named."""
    old = pixels(0)
    new = old.copy()
    new[3, 5] = np.where(old[3, 5] > 100, old[3, 5] - 7, old[3, 5] + 7)
    new[9, 2, 0] ^= 1
    assert comparing.picture_words(old, new) == (
        "changes in 2 of 256 pixels, by at most 7 of 255, first at row 3, column 5"
    )
    assert comparing.picture_words(old, old) == "stays"
    assert comparing.picture_words(None, old) == "is new"
    assert comparing.picture_words(old, pixels(0, size=8)) == "becomes 8×8, it was 16×16"


def test_old_new_and_difference_stand_side_by_side() -> None:
    """Each picture is found in its column, the difference ten times, and a missing old one leaves its place empty."""
    old, new = pixels(0), pixels(0).copy()
    new[0, 0] = (new[0, 0].astype(int) + 5) % 256
    page = comparing.side_by_side([(old, new), (None, new)])
    top, left = comparing.TITLE, comparing.GAP
    assert np.array_equal(page[top : top + 16, left : left + 16], old)
    assert np.array_equal(page[top : top + 16, left + 24 : left + 40], new)
    difference = page[top : top + 16, left + 48 : left + 64]
    assert difference[0, 0].min() >= 50
    assert difference[1:].max() == 0
    second = top + 16 + comparing.GAP
    assert (page[second : second + 16, left : left + 16] == comparing.PAPER).all()
    assert np.array_equal(page[second : second + 16, left + 24 : left + 40], new)


def test_pictures_of_other_shapes_stand_side_by_side_too() -> None:
    """Grey beside colour, small beside large: no difference is drawn, and nothing fails."""
    page = comparing.side_by_side([(pixels(0)[..., 0], pixels(1, size=20))])
    assert page.shape[2] == 3

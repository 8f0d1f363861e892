"""Tests of what was noted of a case, held to what was accepted."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from fluxgate.baselines.store import PORTABLE
from fluxgate.judge.evidence import Evidence
from fluxgate.judge.noted import FEW, noted_otherwise
from fluxgate.judge.verdict import FAILED, INVENTORY
from fluxgate.rendering import (
    AFTER,
    BESIDE,
    BESIDE_ON_GPU,
    DURING,
    GRADIENTS,
    OWN_ARGUMENTS,
    PRINTED,
    READ_IN_LOADING,
    TIDIED_IN_LOADING,
    Component,
    Inventory,
)
from fluxgate.strategies.effects import FILES, GRAPHS, PROCESSES, REUSED
from tests.judge.made import ACCEPTANCE, FULL, accepted, evidence, only, verdict, with_rendering

ENCODER = Component(
    "text_encoder",
    "M",
    {"bfloat16": 8},
    0,
    {"Linear": 2},
    {"A": 1},
    {"kind": "nf4"},
    {AFTER: {"cpu": 8}},
    None,
    said={"dtype": "bfloat16"},
)


def beside_accepted(folder: Path, before: Inventory, now: Inventory, *, machine: str = "tiny-torch1.0") -> Evidence:
    """A case with the releases that were accepted, and what was noted of it then and now."""
    whole = with_rendering(evidence(folder, FULL), inventory=before, libraries=ACCEPTANCE.stack)
    whole = replace(whole, baseline=accepted(whole.rendered_here, folder / "store", machine=machine))
    return with_rendering(whole, inventory=now)


def told(whole: Evidence) -> list[str]:
    inventory = whole.rendering.inventory
    assert inventory is not None
    return [sentence for sentence, _ in noted_otherwise(whole, inventory)]


@pytest.mark.parametrize(
    ("what", "before", "now", "number"),
    [
        (GRAPHS, 4, 6, 1),
        (GRAPHS, 4, 1, 1),
        (GRAPHS, 4, 5, 0),
        (GRAPHS, 9, 11, 0),
        (REUSED, 54, 108, 0),
        (PRINTED, 0, 1, 1),
        (PRINTED, 0, 0, 0),
        (BESIDE, 0, FEW, 0),
        (BESIDE, 0, FEW + 1, 1),
        (BESIDE_ON_GPU, 0, FEW, 0),
        (BESIDE_ON_GPU, 0, FEW + 1, 1),
        (TIDIED_IN_LOADING["emptied"], 3, 2, 0),
        (TIDIED_IN_LOADING["emptied"], 3, 4, 1),
        (READ_IN_LOADING, 60_000_000, 60_060_000, 0),  # what files say of themselves
        (READ_IN_LOADING, 60_000_000, 60_060_001, 1),
        (GRADIENTS, 3, 6, 0),  # of each take
        (PROCESSES, 3, 6, 0),
        (FILES, 14, 27, 0),  # how weights are laid out is the library's business
    ],
)
def test_counts_are_the_accepted_ones(tmp_path: Path, what: str, before: int, now: int, number: int) -> None:
    """In both directions."""
    inventories = (Inventory({}, {what: count}) for count in (before, now))
    assert len(told(beside_accepted(tmp_path, *inventories))) == number


@pytest.mark.parametrize(
    ("changes", "number"),
    [
        ({"placement": {AFTER: {"cuda:0": 8}}}, 1),
        ({"placement": {AFTER: {"cpu": 8}, DURING: {"cuda:0": 8}}}, 0),  # where nothing was noted then
        ({"module_classes": {"Linear": 3}}, 1),
        ({"module_classes": {"Another": 2}}, 0),
        ({"hooks": {}}, 1),
        ({"hooks": {"B": 1}}, 0),
        ({"said": {"dtype": "float32"}}, 1),
        ({"said": {"arguments": OWN_ARGUMENTS}}, 0),
        ({"settings": {"kind": "fp4"}}, 1),
        ({"settings": {"kind": "nf4", "new": "1"}}, 0),
    ],
)
def test_a_component_is_the_accepted_one(tmp_path: Path, changes: dict[str, object], number: int) -> None:
    """Where it lies, and how many modules and hooks it has, whatever their classes are called."""
    now = replace(ENCODER, **changes)  # type: ignore[arg-type]  # fields by their names
    whole = beside_accepted(tmp_path, Inventory({"text_encoder": ENCODER}), Inventory({"text_encoder": now}))
    assert len(told(whole)) == number


@pytest.mark.parametrize(
    ("codes", "now", "number"),
    [
        (16_000, {"cuda:0": 19_900}, 0),
        (16_000, {"cuda:0": 19_899}, 1),
        (16_000, {"cuda:0": 20_001}, 1),
        (16_000, {"cpu": 19_900}, 1),
        (0, {"cuda:0": 19_900}, 1),
    ],
)
def test_of_quantized_weights_next_to_nothing_may_be_missing(
    tmp_path: Path, codes: int, now: dict[str, int], number: int
) -> None:
    """In their place, as a codebook that layers share."""
    sides = (replace(ENCODER, quantized_bytes=codes, placement={AFTER: one}) for one in ({"cuda:0": 20_000}, now))
    whole = beside_accepted(tmp_path, *(Inventory({"text_encoder": one}) for one in sides))
    assert len(told(whole)) == number


def test_it_is_part_of_the_inventorys_check(tmp_path: Path) -> None:
    """Which names who loads."""
    found = verdict(beside_accepted(tmp_path, Inventory({}, {GRAPHS: 2}), Inventory({}, {GRAPHS: 8})), INVENTORY)
    assert (found.status, found.suspects) == (FAILED, "diffusers or transformers")


def test_other_releases_shots_and_machines_say_nothing(tmp_path: Path) -> None:
    """Each may be the reason of another number."""
    before, now = Inventory({}, {GRAPHS: 2}), Inventory({}, {GRAPHS: 8})
    whole = beside_accepted(tmp_path / "here", before, now)
    assert told(whole)
    assert not told(with_rendering(whole, libraries={"diffusers": "0.43.0"}))
    fewer = only(whole.rendering, whole.rendering.pictures[0].shot)
    assert not told(with_rendering(whole, pictures=fewer.pictures))
    assert not told(beside_accepted(tmp_path / "portable", before, now, machine=PORTABLE))
    assert not told(replace(whole, baseline=None))

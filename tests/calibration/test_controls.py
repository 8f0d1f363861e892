"""Controls: each spoils a picture in its own way, and coarser weights are told from what they stand for."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fluxgate.calibration import controls
from fluxgate.cases import Case, matrix
from fluxgate.subjects.catalogue import subjects
from tests.runs.building import MACHINE, pixels
from tests.strategies.named import strategy_named

SUBJECT = subjects()["miniature"]
ACTUAL, EXPECTED = pixels(1), pixels(2)


@pytest.mark.parametrize("name", list(controls.SPOILS))
def test_every_control_is_another_picture(name: str) -> None:
    """Same shape and type, other pixels; the originals are left as they were."""
    kept = ACTUAL.copy(), EXPECTED.copy()
    spoiled = controls.SPOILS[name](ACTUAL, EXPECTED)
    assert (spoiled.shape, spoiled.dtype) == (ACTUAL.shape, ACTUAL.dtype)
    assert not np.array_equal(spoiled, ACTUAL)
    assert np.array_equal(kept[0], ACTUAL)
    assert np.array_equal(kept[1], EXPECTED)


def test_spoiling_is_what_its_name_says() -> None:
    """Shifted rows, mirrored columns, swapped channels, two percent, and the reference itself."""
    spoiled = {name: spoil(ACTUAL, EXPECTED) for name, spoil in controls.SPOILS.items()}
    assert np.array_equal(spoiled["shifted by one row"][1:], ACTUAL[:-1])
    assert np.array_equal(spoiled["mirrored"][:, ::-1], ACTUAL)
    assert np.array_equal(spoiled["red and blue swapped"][..., 0], ACTUAL[..., 2])
    assert spoiled["brighter by 2%"][ACTUAL == 100].tolist() == [102] * int((ACTUAL == 100).sum())
    assert (spoiled["brighter by 2%"][ACTUAL == 255] == 255).all()
    assert np.array_equal(spoiled[controls.UNTOUCHED], EXPECTED)
    assert len(np.unique(spoiled["grey"])) == len(np.unique(spoiled["black"])) == 1


def test_a_shot_without_a_prompt_has_no_control_with_another() -> None:
    """It would be the same picture, which no floor can reject."""
    shot = SUBJECT.shots[0]
    for prompts, has in ((("another",), True), ((), False)):
        asked = controls.asked_otherwise(replace(shot, prompts=prompts), prompts=prompts)
        assert (controls.OTHER_PROMPT in asked, controls.OTHER_SEED in asked) == (has, True)


def case(name: str) -> Case:
    (found,) = matrix([SUBJECT], [strategy_named(name)], machine=MACHINE, stack={"bitsandbytes": "0.50.2"})
    return found


@pytest.mark.parametrize(
    "name, control, large",
    [
        ("nf4", "coarse-four-bit", ("transformer", "text_encoder_2")),
        ("nf4-t5", "coarse-four-bit", ("text_encoder_2",)),
        ("fp4", "coarse-four-bit", ("transformer", "text_encoder_2")),
        ("int8", "coarse-eight-bit", ("transformer", "text_encoder_2")),
        ("fp8-layerwise", "coarse-float8", ("transformer",)),
        ("quanto-int8", "coarse-eight-bit", ("transformer",)),
    ],
)
def test_what_quantizes_has_a_coarser_control(name: str, control: str, large: tuple[str, ...]) -> None:
    """Of the same kind, on the same components."""
    found = controls.coarser(case(name))
    assert found is not None
    assert found.strategy.name.startswith(control)
    assert found.subject.large == large


@pytest.mark.parametrize("name", ["vae-tiling", "staged-float16", "staged-256-tokens"])
def test_what_does_not_quantize_has_none(name: str) -> None:
    """Tiles and half precision have no levels to halve."""
    assert controls.coarser(case(name)) is None

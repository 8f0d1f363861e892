"""Tests of the check that a strategy took effect."""

from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from fluxgate.judge.verdict import EFFECT, FAILED, PASSED
from fluxgate.rendering import Inventory
from fluxgate.strategies.effects import Hooked, Spread, Stored
from tests.judge.made import evidence, promising, verdict, with_rendering


@dataclass(frozen=True)
class Says:
    """An effect with a ready answer."""

    what: str | None

    def missing(self, inventory: Inventory, *, device: str) -> str | None:
        return self.what


def test_effects_that_are_there_pass(tmp_path: Path) -> None:
    """All effects are asked."""
    found = verdict(evidence(tmp_path, promising("nf4", effects=(Says(None), Says(None)))), EFFECT)
    assert (found.status, found.numbers) == (PASSED, {"effects": 2, "missing": 0})


def test_every_missing_effect_is_told(tmp_path: Path) -> None:
    """The complaints of the effects are the sentence, with what to run."""
    one = promising(
        "nf4", effects=(Says("transformer: 0 of its 4 linear layers are Linear4bit."), Says(None), Says("b"))
    )
    found = verdict(evidence(tmp_path, one), EFFECT)
    assert found.status == FAILED
    assert found.sentence == (
        "2 of 3 effects missing: transformer: 0 of its 4 linear layers are Linear4bit; b. "
        "The strategy did not do what it says. Run pytest --subject tiny --strategy nf4."
    )


def test_an_effect_without_an_inventory_fails(tmp_path: Path) -> None:
    """What left none cannot pass."""
    one = promising("nf4", effects=(Says(None),))
    assert verdict(with_rendering(evidence(tmp_path, one), inventory=None), EFFECT).status == FAILED


def test_whoever_makes_a_missing_effect_is_suspected(tmp_path: Path) -> None:
    """Of those that are missing, and not of those that show."""
    one = promising("offload", effects=(Hooked("AlignDevicesHook"), Stored("bfloat16")))
    found = verdict(evidence(tmp_path, one), EFFECT)
    assert (found.status, found.suspects) == (FAILED, "accelerate")
    assert found.numbers == {"effects": 2, "missing": 1}


@pytest.mark.parametrize(("device", "status"), [("cuda", FAILED), ("cpu", PASSED)])
def test_an_effect_is_asked_for_where_it_can_show(tmp_path: Path, device: str, status: str) -> None:
    """Nothing is spread over several GPUs where there is none."""
    whole = evidence(tmp_path, promising("balanced", effects=(Spread(),)))
    assert verdict(replace(whole, case=replace(whole.case, device=device)), EFFECT).status == status

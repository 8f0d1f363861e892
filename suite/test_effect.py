"""Every case's inventory: the strategy did what it says, and nothing else changed."""

from __future__ import annotations

from fluxgate.judge.verdict import EFFECT, INVENTORY
from fluxgate.plugin.conformance import Verdicts


def test_took_effect(verdicts: Verdicts) -> None:
    verdicts.of(EFFECT)


def test_inventory_is_unchanged(verdicts: Verdicts) -> None:
    verdicts.of(INVENTORY)

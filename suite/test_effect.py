"""Every case's inventory: the strategy did what it says, and nothing else changed."""

from suite.judge.verdict import EFFECT, INVENTORY


def test_took_effect(verdicts):
    verdicts.of(EFFECT)


def test_inventory_is_unchanged(verdicts):
    verdicts.of(INVENTORY)

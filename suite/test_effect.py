"""Every case's inventory: the strategy did what it says, and nothing else changed."""

from __future__ import annotations

import pytest

from fluxgate.judge.verdict import EFFECT, INVENTORY, WEIGHTS, Verdict
from fluxgate.plugin.verdicts import enforce


@pytest.mark.fluxgate_check(EFFECT)
def test_took_effect(verdict: Verdict) -> None:
    enforce(verdict)


@pytest.mark.fluxgate_check(INVENTORY)
def test_inventory_is_unchanged(verdict: Verdict) -> None:
    enforce(verdict)


@pytest.mark.fluxgate_check(WEIGHTS)
def test_holds_the_files_weights(verdict: Verdict) -> None:
    enforce(verdict)

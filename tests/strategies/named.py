"""Strategies by their names."""

from __future__ import annotations

from fluxgate.strategies import STRATEGIES
from fluxgate.strategies.promise import Strategy


def strategy_named(name: str) -> Strategy:
    """The one of that name."""
    return next(strategy for strategy in STRATEGIES if strategy.name == name)

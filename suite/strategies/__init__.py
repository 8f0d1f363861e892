"""Every memory strategy, in the order of the report."""

from __future__ import annotations

from dataclasses import replace

from suite.machine import Machine, Stack
from suite.refusal import Refusal
from suite.strategies import decoding, offloading, quantization, staging
from suite.strategies.effects import bound
from suite.strategies.promise import Strategy
from suite.subjects.subject import Subject

STRATEGIES: tuple[Strategy, ...] = (
    offloading.full,
    offloading.model_offload,
    staging.staged,
    decoding.vae_tiling,
    quantization.nf4_linear,
)


def strategy_named(name: str) -> Strategy:
    """The strategy of that name, or a refusal that lists them all."""
    found = {strategy.name: strategy for strategy in STRATEGIES}
    if name not in found:
        raise Refusal(f"there is no strategy {name!r}; there are {', '.join(found)}")
    return found[name]


def settled(strategy: Strategy, subject: Subject, machine: Machine, stack: Stack) -> Strategy:
    """The strategy with its promise as it can be judged here: effects speak of the subject's own components,
    and what reproduces a strategy that cannot run here promises what that one promises."""
    promise, named = strategy.promise, {known.name: known for known in STRATEGIES}
    while promise.reproduces in named and named[promise.reproduces].unsupported(subject, machine, stack):
        inherited = named[promise.reproduces].promise
        promise = replace(promise, reproduces=inherited.reproduces, approximates=inherited.approximates)
    effects = tuple(bound(effect, subject) for effect in promise.effects)
    return replace(strategy, promise=replace(promise, effects=effects))

"""Tests of which checks apply to a case."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fluxgate.judge.applicable import checks_of
from fluxgate.judge.verdict import BASELINE, CEILING, CHECKS, EFFECT, GIVES_BACK, LESS, ORACLE, PROMISE, SCENE, SPEED
from fluxgate.strategies.effects import REUSED, Counted, Hooked, Setting
from fluxgate.strategies.promise import Promise
from tests.runs.building import CASES

FULL = CASES["tiny-full"]
DOUBLING = Setting("adapter", "doubling", of=(FULL.subject.denoiser,))
OFFLOAD = replace(
    FULL,
    strategy=replace(
        FULL.strategy, promise=Promise(reproduces="full", less_memory_than="full", effects=(Hooked("CpuOffload"),))
    ),
)


def test_every_case_owes_some_checks() -> None:
    """Whatever its strategy promises, and wherever it is rendered."""
    for case in (FULL, OFFLOAD, replace(FULL, device="cpu")):
        assert {PROMISE, BASELINE, GIVES_BACK} <= set(checks_of(case)) <= set(CHECKS)


@pytest.mark.parametrize(("check", "applies"), [(LESS, True), (EFFECT, True), (CEILING, True), (SCENE, False)])
def test_what_is_promised_is_checked(check: str, applies: bool) -> None:
    """A memory promise and an effect, where there are any; scenes only of a subject that can be read."""
    assert (check in checks_of(OFFLOAD)) is applies
    assert (check in checks_of(FULL)) is (check == CEILING)


@pytest.mark.parametrize("check", [CEILING, LESS])
def test_gpu_memory_is_no_matter_of_a_cpu(check: str) -> None:
    """There is no GPU memory to be measured."""
    assert check not in checks_of(replace(OFFLOAD, device="cpu"))


def test_seconds_are_asked_of_every_case() -> None:
    """Beside the reference's, and of what has none beside fixed work."""
    assert SPEED in checks_of(replace(OFFLOAD, device="cpu"))
    assert SPEED in checks_of(replace(FULL, device="cpu"))  # beside fixed work


@pytest.mark.parametrize(
    ("promise", "applies"),
    [
        (Promise(), True),
        (Promise(approximates="full", changes_weights=True), True),
        (Promise(approximates="full", changes_weights=True, adapts=True, effects=(DOUBLING,)), True),
        (Promise(approximates="full", changes_weights=True, adapts=True), False),
        (Promise(approximates="full", effects=(Counted(REUSED, at_least=1),)), False),
    ],
)
def test_the_oracle_knows_formats_and_adapters_but_no_caches(promise: Promise, applies: bool) -> None:
    """What a cache leaves out is nowhere in it; quantized weights are, and the rows that the LoRA doubles."""
    subject = replace(FULL.subject, oracle="miniature")
    case = replace(FULL, subject=subject, strategy=replace(FULL.strategy, promise=promise))
    assert (ORACLE in checks_of(case)) is applies


def test_the_oracle_knows_no_adapter_of_the_twin() -> None:
    """Its layers have other rows, of which the LoRA doubles others."""
    promise = Promise(approximates="full", adapts=True, effects=(DOUBLING,))
    subject = replace(FULL.subject, oracle="miniature", source="cache:grown")
    case = replace(FULL, subject=subject, strategy=replace(FULL.strategy, promise=promise))
    assert ORACLE not in checks_of(case)

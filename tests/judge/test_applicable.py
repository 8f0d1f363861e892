"""Tests of which checks apply to a case."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fluxgate.judge.applicable import checks_of
from fluxgate.judge.verdict import (
    BASELINE,
    CEILING,
    CHECKS,
    EFFECT,
    GIVES_BACK,
    LESS,
    ORACLE,
    PROMISE,
    SCENE,
    SPEED,
    WEIGHTS,
)
from fluxgate.miniature.given import FIRST_BLOCK_CACHE, IMAGE_PROMPT
from fluxgate.strategies.effects import FILES, RANKS, REUSED, SHARED_WEIGHTS, Counted, Hooked, Setting
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
        (Promise(approximates="full", changes_weights=True, adapts=True, computed_as=IMAGE_PROMPT), True),
        (Promise(approximates="full", changes_weights=True, adapts=True), False),
        (Promise(approximates="full", effects=(Counted(REUSED, at_least=1),)), False),
        (
            Promise(approximates="full", computed_as=FIRST_BLOCK_CACHE, effects=(Counted(REUSED, at_least=1),)),
            True,
        ),
    ],
)
def test_the_oracle_knows_formats_and_what_strategies_promise_to_compute(promise: Promise, applies: bool) -> None:
    """Quantized weights, the rows that the LoRA doubles and what is promised; not what any adapter or cache does."""
    subject = replace(FULL.subject, oracle="miniature")
    case = replace(FULL, subject=subject, strategy=replace(FULL.strategy, promise=promise))
    assert (ORACLE in checks_of(case)) is applies


@pytest.mark.parametrize(
    ("promise", "applies"),
    [
        (Promise(approximates="full", adapts=True, effects=(DOUBLING,)), {"float32": True, "the twin": False}),
        (Promise(approximates="full", adapts=True, computed_as=IMAGE_PROMPT), {"float32": False, "the twin": False}),
    ],
)
def test_the_oracle_knows_adapters_of_the_miniature_alone(promise: Promise, applies: dict[str, bool]) -> None:
    """The twin's layers have other rows; an IP-Adapter's random weights are rounded otherwise in another dtype."""
    ours = replace(FULL.subject, oracle="miniature")
    subjects = {"float32": replace(ours, dtype="float32"), "the twin": replace(ours, source="cache:grown")}
    strategy = replace(FULL.strategy, promise=promise)
    cases = {name: replace(FULL, subject=subject, strategy=strategy) for name, subject in subjects.items()}
    assert {name: ORACLE in checks_of(case) for name, case in cases.items()} == applies


@pytest.mark.parametrize(
    ("what", "weights", "oracle"),
    [(FILES, False, True), (SHARED_WEIGHTS, False, True), (RANKS, True, False), (REUSED, True, False)],
)
def test_weights_are_looked_at_where_they_lie_whole(what: str, weights: bool, oracle: bool) -> None:
    """Not where the strategy keeps them in files of its own or shares them out; ranks compute a part each."""
    subject = replace(FULL.subject, oracle="miniature")
    strategy = replace(FULL.strategy, promise=Promise(effects=(Counted(what, at_least=1),)))
    checks = checks_of(replace(FULL, subject=subject, strategy=strategy))
    assert (WEIGHTS in checks, ORACLE in checks) == (weights, oracle)


def test_what_was_read_from_one_file_for_all_is_not_compared_by_name() -> None:
    """A checkpoint's names are others'; a folder's are diffusers' own."""
    assert WEIGHTS in checks_of(FULL)
    assert WEIGHTS not in checks_of(replace(FULL, subject=replace(FULL.subject, checkpoint="model.safetensors")))


@pytest.mark.parametrize(("readable", "applies"), [(True, True), (False, False)])
def test_scenes_are_asked_of_shots_that_can_be_read(readable: bool, applies: bool) -> None:
    """By a reader, and of one shot at the least."""
    shots = tuple(replace(shot, readable=readable) for shot in FULL.subject.shots)
    subject = replace(FULL.subject, reader="storybook", shots=shots)
    assert (SCENE in checks_of(replace(FULL, subject=subject))) is applies

"""Tests of the matrix: every pair is a case, with the promise that can be judged on the machine at hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from fluxgate.cases import Case, matrix
from fluxgate.strategies import STRATEGIES
from fluxgate.strategies.effects import LARGE, Layers
from fluxgate.strategies.promise import Promise
from fluxgate.strategies.quantization import OWN_KERNELS
from fluxgate.subjects.subject import Shot, Subject
from tests.strategies.machines import CPU, H100, NEW
from tests.strategies.named import strategy_named
from tests.wording import unsaid

SUBJECT = Subject("small", "a small pipeline", "folder:.", ())
OTHER = replace(SUBJECT, name="other")
SHOTS: dict[str, dict[str, Any]] = {"short": {}, "long": {"long": True}, "gpu": {"only_on": "cuda"}}


def promise_of(name: str, cases: tuple[Case, ...]) -> Promise:
    return next(case.strategy.promise for case in cases if case.strategy.name == name)


def test_every_pair_is_a_case() -> None:
    """In the order of the registries; what cannot be rendered is there too, with the reason."""
    cases = matrix([SUBJECT, OTHER], STRATEGIES, machine=CPU, stack=NEW)
    names = [strategy.name for strategy in STRATEGIES]
    assert [case.id for case in cases] == [f"{subject}-{name}" for subject in ("small", "other") for name in names]
    reasons = {case.id: case.unsupported for case in cases}
    assert reasons["small-full"] is None
    assert reasons["small-nf4"] == strategy_named("nf4").unsupported(SUBJECT, CPU, NEW)


def test_a_file_that_nothing_here_reads_stops_every_strategy() -> None:
    """A GGUF file needs its package whatever is done with what it holds."""
    subject = replace(SUBJECT, files={"transformer": "flux-Q4_K_S.gguf"})
    without = {name: version for name, version in NEW.items() if name != "gguf"}
    reasons = {case.unsupported for case in matrix([subject], STRATEGIES, machine=H100, stack=without)}
    (reason,) = reasons
    assert not unsaid(reason, "gguf is needed", "flux-Q4_K_S.gguf", "not installed")
    assert next(iter(matrix([subject], STRATEGIES, machine=H100, stack=NEW))).unsupported is None


def test_a_promise_is_inherited_where_its_reference_cannot_run() -> None:
    """On a CPU nf4 is unsupported, so what reproduces nf4 promises what nf4 does: to approximate full."""
    on_gpu, on_cpu = (
        promise_of("nf4-linear", matrix([SUBJECT], STRATEGIES, machine=machine, stack=NEW)) for machine in (H100, CPU)
    )
    assert (on_gpu.reproduces, on_gpu.approximates) == ("nf4", None)
    assert (on_cpu.reproduces, on_cpu.approximates) == (None, "full")


def test_promises_that_lead_in_a_circle_end() -> None:
    """Whoever writes strategies of their own may let two of them reproduce each other."""
    strategies = [
        replace(strategy_named("nf4"), name=name, promise=Promise(reproduces=other))
        for name, other in (("one", "two"), ("two", "one"))
    ]
    assert len(matrix([SUBJECT], strategies, machine=CPU, stack=NEW)) == 2


def test_effects_are_those_of_the_subjects_own_components() -> None:
    """A case's strategy speaks of no roles any more."""
    promise = promise_of("nf4-linear", matrix([replace(SUBJECT, large=("unet",))], STRATEGIES, machine=CPU, stack=NEW))
    assert Layers("Linear4bit", of=LARGE) not in promise.effects
    assert Layers("Linear4bit", of=("unet",)) in promise.effects


def test_a_case_speaks_of_the_shots_that_are_rendered_there() -> None:
    """A slow strategy leaves the long ones out, and a CPU those that are for a GPU."""
    shots = tuple(Shot(name, ("a tree",), seed=1, **more) for name, more in SHOTS.items())
    cases = {case.id: case for case in matrix([replace(SUBJECT, shots=shots)], STRATEGIES, machine=CPU, stack=NEW)}
    assert [shot.name for shot in cases["small-full"].shots] == ["short", "long"]
    assert [shot.name for shot in cases["small-sequential-offload"].shots] == ["short"]


def test_what_a_missing_reference_may_do_otherwise_its_likeness_may_do() -> None:
    """On a CPU, `nf4-linear` is held to `full` in place of `nf4`, and its layers are bitsandbytes' own there, too."""
    cases = {case.id: case for case in matrix([SUBJECT], STRATEGIES, machine=CPU, stack=NEW)}
    promise = cases["small-nf4-linear"].strategy.promise
    assert (promise.reference, promise.other_work) == ("full", (OWN_KERNELS,))

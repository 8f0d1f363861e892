"""Faults proved with real workers: one of each patch, what is known already, and what cannot be made."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from fluxgate.prove import inside
from fluxgate.prove.bench import Bench, bench
from fluxgate.prove.faults import fault_named
from fluxgate.prove.outcome import JUDGED, UNCLEAN, UNSUPPORTED, With
from fluxgate.prove.proving import known, prove
from fluxgate.rendering import T5
from tests.devices import on_a_cpu
from tests.render.making import fills_a_gpu
from tests.wording import unsaid

pytestmark = on_a_cpu


@pytest.fixture(scope="module")
def workbench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with bench(tmp_path_factory.mktemp("prove"), report=print) as on:
        yield on


@pytest.mark.parametrize(
    "name",
    [
        "t5-masked",
        pytest.param("tensor-made-up", marks=pytest.mark.long),
        pytest.param("denoiser-called-twice", marks=pytest.mark.long),
    ],
)
def test_a_fault_is_caught(workbench: Bench, name: str) -> None:
    """An edit, a pipeline loaded wrongly and a call that is surrounded: each did something and was seen."""
    fault = fault_named(name)
    outcome = prove(fault, workbench)
    assert outcome.did_something
    assert outcome.caught(With.BASELINE)
    assert outcome.stage(With.BASELINE) == fault.stage
    assert outcome.names(fault.packages, With.BASELINE)


@pytest.mark.long
def test_an_equivalent_fault_is_not_caught(workbench: Bench) -> None:
    """It fires, and no check turns red."""
    outcome = prove(fault_named("pixels-rint"), workbench)
    assert outcome.did_something
    assert not any(outcome.caught(one) for one in With)


def test_what_is_known_is_not_rendered_again(workbench: Bench) -> None:
    """A second session goes on where the first one stopped."""
    first = prove(fault_named("t5-masked"), workbench)
    nowhere = replace(workbench, workers=None)  # type: ignore[arg-type]  # whoever renders now, crashes
    assert prove(fault_named("t5-masked"), nowhere) == first
    assert first.stage(With.BASELINE) == T5


def test_what_another_release_has_shown_is_not_believed(workbench: Bench) -> None:
    """Its outcome is of libraries that are no longer there, and so are the clean cases that it was held to."""
    told: list[str] = []
    first = prove(fault_named("t5-masked"), workbench)
    other = replace(workbench.environment, stack={**workbench.environment.stack, "diffusers": "0.1"})
    nowhere = replace(workbench, environment=other, workers=None, report=told.append)  # type: ignore[arg-type]  # as above
    with pytest.raises(AttributeError):  # no workers, where it is rendered
        prove(fault_named("t5-masked"), nowhere)
    assert nowhere.proved_by != first.proved_by == workbench.proved_by
    assert not unsaid(told[0], "t5-masked", "again")


@pytest.mark.long
def test_the_fault_stays_in_the_worker(workbench: Bench) -> None:
    """Neither this process nor its environment has anything of it afterwards."""
    assert prove(fault_named("t5-masked"), workbench).status == JUDGED
    assert inside.VARIABLE not in os.environ


def test_a_case_that_crashes_without_the_fault_ends_nothing(workbench: Bench) -> None:
    """The outcome names the case and the crash, and the next time it is tried again."""
    fault = replace(fault_named("t5-masked"), name="t5-masked-elsewhere", shots=(*fault_named("t5-masked").shots, "x"))
    sound = workbench.cases(fault_named("t5-masked").rendered)
    crashing = {name: replace(case, strategy=replace(case.strategy, load=fills_a_gpu)) for name, case in sound.items()}
    on = replace(workbench)
    on._cases[fault.rendered] = crashing
    outcome = prove(fault, on)
    assert (outcome.status, outcome.did_something) == (UNCLEAN, False)
    assert not unsaid(outcome.why, "miniature-full", "out of memory")
    assert known([fault], on.folder) == []


@pytest.mark.parametrize(
    ("name", "device", "facts"),
    [("stream-not-used", "cpu", ("shows", "GPU")), ("harmless-positions-kept", "cuda", ("harmless", "CPU"))],
)
def test_what_is_for_another_device_is_not_tried(
    workbench: Bench, tmp_path: Path, name: str, device: str, facts: tuple[str, ...]
) -> None:
    """The outcome says why, and counts for nothing."""
    environment = workbench.environment
    there = replace(environment, machine=replace(environment.machine, device=device))
    outcome = prove(fault_named(name), replace(workbench, environment=there, folder=tmp_path))
    assert (outcome.status, outcome.catches) == (UNSUPPORTED, {})
    assert not unsaid(outcome.why, *facts)

"""Tests of a whole gate: two real environments, made by cloning and pip, and a package with a fault in it.

And of one whose renderings were made by hand, to see what the next one makes of them."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from fluxgate.gate.environments.building import Built
from fluxgate.gate.environments.pins import Pins
from fluxgate.gate.environments.pip import Pip
from fluxgate.gate.holding import CULPRIT, ENVIRONMENTS, RENDERING, hold_on
from fluxgate.gate.settings import Settings
from fluxgate.gate.sides import Stack, times_anew
from fluxgate.gate.stacks import Stacks
from fluxgate.locks import silent
from fluxgate.rendering import DECODED, Crash
from fluxgate.report.gate_folder import read_gate_result
from fluxgate.report.gate_result import Answer, CaseOutcome
from tests.gate.held import folder_of
from tests.runs.building import put, rendering

pytestmark = pytest.mark.timeout(1800)  # the first waits until the gate was held


@pytest.mark.long
def test_a_fault_in_a_release_is_seen_where_it_shows(real_gate: Path) -> None:
    """It dims what is decoded in tiles; nothing else differs between the two environments."""
    result = read_gate_result(folder_of(real_gate))
    outcomes = {case.strategy: (case.outcome, case.stage) for case in result.cases}
    assert result.answer is Answer.NOT_SAFE
    assert outcomes == {"full": (CaseOutcome.IDENTICAL, None), "vae-tiling": (CaseOutcome.CHANGED, DECODED)}
    assert [(one.package, one.old, one.new) for one in result.moves] == [("seeded-a", "1.0", "2.0")]
    assert set(result.seconds) == {ENVIRONMENTS, RENDERING, CULPRIT}


@pytest.mark.long
def test_the_release_is_blamed_once_both_ends_were_made_anew(real_gate: Path) -> None:
    """The incumbent fails with it alone, and the pin is that with which the candidate passes."""
    culprit = read_gate_result(folder_of(real_gate)).culprit
    assert culprit is not None
    assert ([one.package for one in culprit.packages], culprit.pin) == (["seeded-a"], ("seeded-a==1.0",))


KILLED = Crash("signal", "its worker was ended by SIGKILL", "denoise", ())


@pytest.fixture
def made(tiny_subject: str, tmp_path: Path) -> Stacks:
    """Two stacks that are this Python, under names of their own."""
    one, other = (Built(Path(sys.executable), tmp_path / name, Pins({}), None, 1.0, True) for name in ("0123", "4567"))
    return Stacks(one, other, ())


def left_behind(built: Built, settings: Settings, attempt: int, *, seed: int = 0, crash: Crash | None = None) -> None:
    """What an earlier gate has rendered of a stack, whose only shot is its first one."""
    run = Stack(built, settings=settings, report=silent, name="a stack").run_of(attempt)
    put(run, replace(rendering("full", run.case_folder("tiny-full"), seed=seed), crash=crash))


def test_what_was_not_the_same_twice_is_not_asked_again(made: Stacks, tmp_path: Path) -> None:
    """The next gate renders both stacks anew: in the same renderings it would find the same for ever."""
    settings = Settings(("tiny",), strategies=("full",), runs=tmp_path / "runs")
    for built in (made.incumbent, made.candidate):
        left_behind(built, settings, 1)
        left_behind(built, settings, 2, seed=int(built is made.incumbent))
    held = hold_on(made, settings, installer=Pip())
    assert held.gated.decision.answer is Answer.CANNOT_TELL
    assert [times_anew(built, settings) for built in (made.incumbent, made.candidate)] == [1, 1]
    before = held.gated.runs["incumbent"].folder
    assert Stack(made.incumbent, settings=settings, report=silent, name="incumbent").run.folder != before


@pytest.mark.parametrize("again", [None, KILLED])
def test_an_incumbent_that_was_killed_is_rendered_once_more(made: Stacks, tmp_path: Path, again: Crash | None) -> None:
    """Else one bad day would leave a case that every later upgrade has fixed, or breaks as before."""
    settings = Settings(("tiny",), strategies=("full",), runs=tmp_path / "runs")
    left_behind(made.incumbent, settings, 1, crash=KILLED)
    left_behind(made.incumbent, settings, 2, crash=again)
    left_behind(made.candidate, settings, 1)
    (outcome,) = hold_on(made, settings, installer=Pip()).gated.outcomes
    assert (outcome.outcome is CaseOutcome.UNSTEADY) is (again is None)
    assert ("now and then" in outcome.reason) is (again is None)

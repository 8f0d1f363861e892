"""Tests of what counts as the same fault while releases are bisected."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from fluxgate.gate import sides
from fluxgate.gate.bisecting import bisected, same_fault
from fluxgate.gate.culprit.bisection import Range, sentence
from fluxgate.gate.culprit.finding import Culprit, Finding, Kind
from fluxgate.gate.culprit.outcomes import BAD, FAILED, GOOD, Result, trial
from fluxgate.gate.decision import Decision
from fluxgate.gate.environments.building import Built, build
from fluxgate.gate.environments.commits import Checkout
from fluxgate.gate.environments.pins import Pins
from fluxgate.gate.environments.pip import Pip
from fluxgate.gate.gate import Gated
from fluxgate.gate.probing import Evidence
from fluxgate.gate.settings import Settings
from fluxgate.gate.stacks import Stacks
from fluxgate.report.gate_result import Answer, EvidenceResult, Move
from fluxgate.subjects import sources
from tests.gate.environments.repositories import UNBUILDABLE, Repository
from tests.gate.environments.wheels import wheel
from tests.runs.building import MACHINE

MOVED = EvidenceResult("tiny-full", "changed", "prompt embeddings")
ELSEWHERE = EvidenceResult("tiny-full", "changed", "decoded picture", reason="its pictures are darker")
BROKEN = "raise ImportError('no such symbol')\n"
IMPORT = EvidenceResult(None, "import", reason="diffusers cannot be imported")


Bisect = Callable[[Checkout], tuple[Range[Evidence], ...]]


@pytest.mark.parametrize(
    ("evidence", "outcome"),
    [((MOVED,), BAD), ((ELSEWHERE, MOVED), BAD), ((ELSEWHERE,), FAILED), ((IMPORT,), FAILED), ((), BAD)],
)
def test_a_release_with_another_fault_is_passed_over(evidence: Evidence, outcome: str) -> None:
    """It says nothing about the fault that is looked for, and why is told."""
    result = same_fault(probe_of(Result(BAD, evidence)), (MOVED,))(trial(()))
    assert result.outcome == outcome
    assert ("it fails otherwise" in result.why) is (outcome == FAILED)


def test_what_is_good_stays_so() -> None:
    """Whatever it is held against."""
    assert same_fault(probe_of(Result(GOOD)), (MOVED,))(trial(())).outcome is GOOD


def probe_of(result: Result[Evidence]) -> Callable[[object], Result[Evidence]]:
    return lambda asked: result


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bisect:
    """Bisects a package whose release 1.1 cannot be imported, and whose release 1.0 can, without rendering."""
    monkeypatch.setenv(sources.CACHE, str(tmp_path / "cache"))
    monkeypatch.setattr(sides, "NEEDED", ("alpha",))
    wheelhouse = tmp_path / "wheels"
    wheelhouse.mkdir()
    for version, code in (("1.0", "one = 1\n"), ("1.1", BROKEN)):
        wheel(wheelhouse, "alpha", version, files={"alpha.py": code})
    pip = Pip(wheelhouse=wheelhouse)
    incumbent, candidate = (build(Pins.of({"alpha": version}), installer=pip) for version in ("1.0", "1.1"))
    assert isinstance(incumbent, Built)
    assert isinstance(candidate, Built)
    move = Move("alpha", "1.0", "1.1")
    finding: Finding[Evidence] = Finding(Kind.SINGLE, (Culprit(((move,),), evidence=(IMPORT,)),), held_back=(move,))
    gated = Gated(Decision(Answer.NOT_SAFE, "Not safe."), MACHINE, {}, {}, (move,))

    def bisect(checkout: Checkout) -> tuple[Range[Evidence], ...]:
        settings = Settings(checkouts=(checkout,), runs=tmp_path / "runs")
        return bisected(finding, gated, Stacks(incumbent, candidate, (move,)), settings, installer=pip)

    return bisect


@pytest.mark.long
def test_commits_are_bisected_once_the_releases_are(world: Bisect, tmp_path: Path) -> None:
    """Real git, real pip: the commit that did it is named, though its neighbour cannot be built."""
    repository = Repository(tmp_path / "alpha", "alpha")
    repository.commit("Release", "one = 1\n", tags=["v1.0"])
    good = repository.commit("Tidy", "one = 11\n")
    unbuildable = repository.commit("Break the build", "one = 12\n", backend=UNBUILDABLE)
    bad = repository.commit("Break the import", BROKEN)
    repository.commit("Release", BROKEN, version="1.1", tags=["v1.1"])
    releases, commits = world(Checkout("alpha", repository.folder))
    assert (releases.first_bad, releases.commits) == ("1.1", {})
    assert (commits.good, commits.bad, [one.version for one in commits.between]) == (good, bad, [unbuildable])
    assert "no compiler" in commits.between[0].why
    assert f"{bad} (Break the import)" in sentence(commits)


@pytest.mark.long
def test_a_checkout_without_the_tags_says_so(world: Bisect, tmp_path: Path) -> None:
    """What was found among the releases is told all the same."""
    repository = Repository(tmp_path / "alpha", "alpha")
    repository.commit("Only")
    releases, commits = world(Checkout("alpha", repository.folder))
    assert releases.first_bad == "1.1"
    assert commits.bad is None
    assert "no tag of alpha 1.0" in sentence(commits)

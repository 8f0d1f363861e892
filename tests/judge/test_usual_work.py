"""Tests of the work that the same releases do elsewhere: when it is known, and that what ships can be read."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fluxgate.cases import Case
from fluxgate.judge.usual_work import SUBJECT, KnownWork, Usual, UsualWork, deciding, shipped, usual_of, watchers
from fluxgate.rendering import DENOISE, PhaseWork, Work
from fluxgate.strategies import STRATEGIES
from fluxgate.subjects.catalogue import subjects
from tests.runs.building import MACHINE, rendering

LIBRARIES = {"torch": "2.11.0+cu130", "diffusers": "0.42.1", "pillow": "13.0.0"}
WORK = Work("unsaid", 3, ((PhaseWork(DENOISE, operators={"aten.mm": 3}),),))
KNOWN = Usual(
    machine="another",
    device=MACHINE.device,
    capability=MACHINE.capability,
    cuda=MACHINE.cuda,
    stack={"torch": "2.11.0", "diffusers": "0.42.1"},
    recipe="recipe",
    date="2026-11-27",
    counted_by=watchers(),
    work={"full": WORK},
)
CASE = Case(subjects()[SUBJECT], next(one for one in STRATEGIES if one.name == "full"), MACHINE.device)


def found(folder: Path, known: Usual = KNOWN, *, case: Case = CASE, **changes: Any) -> KnownWork | None:
    given = {"libraries": LIBRARIES, "work": WORK, "recipes": {"unsaid": "recipe"}, **changes}
    one = replace(rendering("full", folder), **given)
    return usual_of(case, one, MACHINE, UsualWork((replace(KNOWN, device="cpu"), known)))


def test_the_same_releases_on_such_a_machine_do_the_same_work(tmp_path: Path) -> None:
    """A local build of torch is that release, and what decides no operator may be any."""
    assert found(tmp_path) == KnownWork("another", WORK)
    assert found(tmp_path, libraries={**LIBRARIES, "pillow": "12.0.0"}) == KnownWork("another", WORK)
    assert deciding(LIBRARIES) == {"torch": "2.11.0", "diffusers": "0.42.1"}


@pytest.mark.parametrize(
    "known",
    [
        replace(KNOWN, device="cpu"),
        replace(KNOWN, capability="8.0"),
        replace(KNOWN, cuda=None),
        replace(KNOWN, stack={**KNOWN.stack, "torch": "2.13.0"}),
        replace(KNOWN, stack={**KNOWN.stack, "accelerate": "1.15.0"}),
        replace(KNOWN, stack={**KNOWN.stack, "transformers": "5.23.0", "torch": "2.13.0"}),
        replace(KNOWN, recipe="another"),
        replace(KNOWN, work={}),
    ],
    ids=["device", "capability", "cuda", "torch", "library", "both", "recipe", "strategy"],
)
def test_of_another_kind_nothing_is_known(tmp_path: Path, known: Usual) -> None:
    """Other kernels, releases or shots do other work, and are no fault."""
    assert found(tmp_path, known) is None


def test_only_the_miniature_has_any(tmp_path: Path) -> None:
    """Another subject may have a shot of that name; and what was not counted is not compared."""
    assert found(tmp_path, case=replace(CASE, subject=replace(CASE.subject, name="mine"))) is None
    assert found(tmp_path, work=None) is None


def test_what_ships_is_of_the_miniature_as_it_is() -> None:
    """Each set has the reference of all, of one call that each later one repeats, and today's recipe."""
    recipes = {shot.name: shot.recipe for shot in subjects()[SUBJECT].shots}
    assert {one.device for one in shipped().counted} == {"cpu", "cuda"}
    for one in shipped().counted:
        assert "full" in one.work
        assert {recipes[work.shot] for work in one.work.values()} == {one.recipe}
        assert all(len(work.calls) == 1 for work in one.work.values())


def test_what_other_watchers_counted_is_not_exact(tmp_path: Path) -> None:
    """They may have copied more or less to the host."""
    assert found(tmp_path, replace(KNOWN, counted_by="others")) == KnownWork("another", WORK, exact=False)


def test_with_another_transformers_all_but_encoding_is_known(tmp_path: Path) -> None:
    """Its networks only encode; counts of the same release come first."""
    other = replace(KNOWN, machine="older", stack={**KNOWN.stack, "transformers": "5.17.0"})
    libraries = {**LIBRARIES, "transformers": "5.23.0"}
    assert found(tmp_path, other, libraries=libraries) == KnownWork("older", WORK, encodes=False)
    same = replace(KNOWN, stack={**KNOWN.stack, "transformers": "5.23.0"})
    one = replace(rendering("full", tmp_path), libraries=libraries, work=WORK, recipes={"unsaid": "recipe"})
    assert usual_of(CASE, one, MACHINE, UsualWork((other, same))) == KnownWork("another", WORK)

"""Objections: what makes a rendering unfit to be a baseline, each in one sentence."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fluxgate.baselines.objections import to_promise, to_rendering
from fluxgate.rendering import Crash, Rendering
from tests.runs import building
from tests.runs.building import CASES, SHOTS
from tests.wording import unsaid

CASE = CASES["tiny-full"]
RECIPES = {shot.name: shot.recipe for shot in SHOTS}
NAN = building.fingerprint("fox", "decoded picture", finite=False)


@pytest.fixture
def rendering(tmp_path: Path) -> Rendering:
    return building.rendering("full", tmp_path)


def test_a_sound_rendering_has_none(rendering: Rendering) -> None:
    """Every shot, every picture, twice the same."""
    assert list(to_rendering(rendering, CASE)) == []


@pytest.mark.parametrize(
    "changes, said",
    [
        ({"crash": Crash("signal", "killed by SIGSEGV", "denoise", ())}, "tiny-full crashed (signal: killed by"),
        ({"recipes": {**RECIPES, "fox": "0" * 64}}, "'fox' was rendered from another"),
        ({"recipes": {"fox": SHOTS[0].recipe}}, "shot 'pair' was not rendered"),
        ({"recipes": {**RECIPES, "cow": "0" * 64}}, "'cow' was rendered from another"),
        ({"pictures": ()}, "shot 'fox' has 0 pictures where 1 are due"),
        ({"schema": 0}, "schema 0"),
        ({"fingerprints": (NAN,)}, "hold a NaN"),
    ],
    ids=["crashed", "recipe", "shot missing", "shot too many", "pictures missing", "schema", "nan"],
)
def test_an_unsound_rendering_says_why(rendering: Rendering, changes: dict[str, Any], said: str) -> None:
    """Each thing that speaks against a rendering has its sentence."""
    assert said in next(to_rendering(replace(rendering, **changes), CASE))


def test_a_case_that_no_longer_exists_has_no_baseline(rendering: Rendering) -> None:
    """Its strategy was removed, or renamed."""
    assert not unsaid(next(to_rendering(rendering, None)), "tiny-full", "not a case")


@pytest.mark.parametrize("stage", [False, True])
def test_what_differs_between_takes_is_no_baseline(rendering: Rendering, stage: bool) -> None:
    """In a picture, or only at a stage."""
    if stage:
        second = [p for p in rendering.fingerprints if p.take and p.stage == "decoded picture"]
        prints = [replace(p, sha256="f" * 64) if p in second else p for p in rendering.fingerprints]
        changed = replace(rendering, fingerprints=tuple(prints))
    else:
        pictures = [replace(p, sha256="f" * 64) if p.take else p for p in rendering.pictures]
        changed = replace(rendering, pictures=tuple(pictures))
    (sentence,) = to_rendering(changed, CASE)
    assert "differ" in sentence
    assert "between takes" in sentence


def test_a_broken_promise_is_named_with_its_reference(rendering: Rendering) -> None:
    """The first shot that is another picture; a shot that the reference does not have says nothing."""
    hashes = {key: picture.sha256 for key, picture in rendering.pictures_of().items()}
    assert list(to_promise(rendering, hashes, named="nf4")) == []
    assert list(to_promise(rendering, {}, named="nf4")) == []
    (sentence,) = to_promise(rendering, {**hashes, ("pair", 2): "0" * 64}, named="nf4")
    assert not unsaid(sentence, "'pair'", "nf4")

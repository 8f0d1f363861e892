"""Variations: the shots of a calibration are legal, varied and named, and each control asks for something else."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fluxgate.calibration import controls
from fluxgate.calibration.variations import Extent, Variations, vary
from fluxgate.files import is_name
from fluxgate.miniature import captions
from fluxgate.subjects.catalogue import subjects
from fluxgate.subjects.subject import Shot, Subject

MINIATURE = subjects()["miniature"]
PLAIN = Subject(
    "tiny",
    "a tiny pipeline",
    "package:tiny",
    (
        Shot("one", ("a fox",), seed=1, steps=8, guidance=3.5),
        Shot("two", ("a cat", "a dog"), seed=2),
        Shot("far", ("a hill",), seed=3, steps=50, long=True),
    ),
)


@pytest.fixture(scope="module")
def plan() -> Variations:
    return vary(MINIATURE, "cpu", Extent(pictures=40, controls=6))


def test_there_are_pictures_enough(plan: Variations) -> None:
    """At least as many as asked for, and not a shot more."""
    counts = [shot.pictures for shot in plan.legal]
    assert sum(counts) >= 40 > sum(counts[:-1])


def test_the_subjects_own_shots_come_first(plan: Variations) -> None:
    """What is judged later is among what was measured."""
    own = MINIATURE.shots_for("cpu")
    assert [replace(shot, name="") for shot in plan.legal[: len(own)]] == [replace(shot, name="") for shot in own]


def test_seeds_prompts_sizes_and_steps_vary(plan: Variations) -> None:
    """No two legal shots are alike, and each kind of difference is there."""
    assert len({shot.recipe for shot in plan.legal}) == len(plan.legal)
    added = [shot.seed for shot in plan.legal[len(MINIATURE.shots_for("cpu")) :]]
    assert len(set(added)) == len(added)
    assert len({(shot.height, shot.width) for shot in plan.legal}) > 2
    assert len({shot.steps for shot in plan.legal}) > 4
    assert len({prompt for shot in plan.legal for prompt in shot.prompts}) > 20


def test_new_captions_are_of_the_miniatures_language(plan: Variations) -> None:
    """Every caption speaks the words that the miniature was taught."""
    known = set(captions.words())
    for shot in plan.legal[len(MINIATURE.shots_for("cpu")) :]:
        for prompt in shot.prompts:
            told = "".join(letter if letter.isalpha() or letter == "'" else " " for letter in prompt.lower())
            assert set(told.split()) <= {part for word in known for part in word.split("'")} | known, prompt


def test_names_can_be_files(plan: Variations) -> None:
    """Every shot has a name of its own that may stand in a path."""
    names = [shot.name for shot in plan.shots]
    assert len(set(names)) == len(names)
    assert all(map(is_name, names))


def test_each_control_asks_for_something_else(plan: Variations) -> None:
    """Seed, prompt, order, steps or guidance: exactly one thing differs from the legal shot, and it differs."""
    parts = {
        controls.OTHER_SEED: "seed",
        controls.OTHER_PROMPT: "prompts",
        controls.SWAPPED: "prompts",
        controls.STEP_FEWER: "steps",
        controls.OTHER_GUIDANCE: "guidance",
    }
    assert {control for control, _ in plan.others} == set(controls.ASKED)
    for (control, number), shot in plan.others.items():
        legal, part = plan.legal[number], parts[control]
        assert getattr(shot, part) != getattr(legal, part)
        assert {**vars(shot), "name": "", part: None} == {**vars(legal), "name": "", part: None}
        assert shot.pictures == legal.pictures


def test_what_a_shot_leaves_out_no_control_adds() -> None:
    """A shot without guidance, steps or a second prompt has no control that needs them."""
    bare = Shot("bare", ("a fox",), seed=1)
    assert set(controls.asked_otherwise(bare, prompts=("a cat",))) == {controls.OTHER_SEED, controls.OTHER_PROMPT}
    timed = Shot("timed", ("a fox", "a fox"), seed=1, steps=3, sigmas=(1.0, 0.5, 0.1))
    assert controls.STEP_FEWER not in controls.asked_otherwise(timed, prompts=("a", "b"))
    assert controls.SWAPPED not in controls.asked_otherwise(timed, prompts=("a", "b"))


def test_a_subject_without_a_grammar_takes_turns_with_its_own_prompts() -> None:
    """Long shots are measured as they are and not varied; prompts of other shots come in."""
    plan = vary(PLAIN, "cpu", Extent(pictures=20, controls=3))
    assert sum(shot.long for shot in plan.legal) == 1
    varied = plan.legal[len(PLAIN.shots) :]
    assert {prompt for shot in varied for prompt in shot.prompts} <= {"a fox", "a cat", "a dog"}
    assert {shot.prompts for shot in varied} - {shot.prompts for shot in PLAIN.shots}
    assert len({shot.recipe for shot in plan.legal}) == len(plan.legal)


def test_a_lonely_prompt_still_has_another() -> None:
    """A subject with one prompt is asked for something else all the same."""
    lonely = replace(PLAIN, shots=PLAIN.shots[:1])
    plan = vary(lonely, "cpu", Extent(pictures=2, controls=1))
    assert plan.others[controls.OTHER_PROMPT, 0].prompts != plan.legal[0].prompts

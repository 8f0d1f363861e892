"""Tests of the reading of pictures: what a prompt asks is found in drawings of it, and missed in others."""

from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from fluxgate.baselines import baseline as baselines
from fluxgate.baselines.store import Store, subjects_in
from fluxgate.cases import Case
from fluxgate.judge import readings
from fluxgate.judge.case import judge_case
from fluxgate.judge.evidence import Evidence
from fluxgate.judge.verdict import FAILED, NO_DATA, PASSED, SCENE
from fluxgate.miniature import drawing, parsing, reader
from fluxgate.miniature.scenes import Group, Scene
from fluxgate.pictures import Pixels, hash_of, write_png
from fluxgate.rendering import Picture
from fluxgate.runs.rendered import Rendered
from fluxgate.subjects.catalogue import subjects
from fluxgate.subjects.subject import Shot, Subject
from tests.judge.made import FULL, NF4, accepted, crashed, made, verdict
from tests.wording import unsaid

REPOSITORY = Path(__file__).parents[3] / "baselines"

RED_HOUSE = Scene((Group("house", "red", 1, "", (0.3,), (0.7,), (0.35,)),), "desert", True, False, 3)
TWO_FOXES = Scene((Group("fox", "grey", 2, "", (0.25, 0.7), (0.72, 0.7), (0.33, 0.33)),), "snow", False, False, 4)
SHOTS = (
    Shot("house", ("A red house in a desert at night.",), seed=1),
    Shot("foxes", ("Two grey foxes in the snow by day.",), seed=2),
)
SUBJECT = Subject("story", "scenes", "package:story", SHOTS, reader="storybook")


def drawn(scene: Scene) -> Pixels:
    return drawing.draw(scene, width=128, height=128)


def picture_of(folder: Path, pixels: Pixels, shot: str) -> Picture:
    file = f"{shot}-{hash_of(pixels)[:8]}.png"
    write_png(folder / file, pixels)
    height, width = pixels.shape[:2]
    return Picture(shot, 0, 0, file, hash_of(pixels), height, width, "RGB")


def told(folder: Path, house: Pixels, foxes: Pixels, *, strategy: str = "full") -> Rendered:
    """A rendering of both shots with these pictures."""
    place = folder / "cases" / f"story-{strategy}"
    pictures = (picture_of(place, house, "house"), picture_of(place, foxes, "foxes"))
    recipes = {shot.name: shot.recipe for shot in SHOTS}
    whole = made(folder, strategy, subject="story", pictures=pictures, recipes=recipes, fingerprints=())
    return Rendered(whole.rendering, place)


def full(rendered: Rendered, **changes: Any) -> Evidence:
    return replace(Evidence(Case(SUBJECT, FULL, "cuda"), rendered), **changes)


def nf4(rendered: Rendered, **changes: Any) -> Evidence:
    return replace(Evidence(Case(SUBJECT, NF4, "cuda"), rendered), **changes)


def test_a_drawing_of_its_prompt_passes(tmp_path: Path) -> None:
    """Everything that the two captions ask for is found, and counted."""
    found = verdict(full(told(tmp_path, drawn(RED_HOUSE), drawn(TWO_FOXES))), SCENE)
    assert (found.status, found.numbers) == (PASSED, {"asked": 10.0, "found": 10.0})
    assert not unsaid(found.sentence, "10 of 10", "2 pictures", "100%")


def test_swapped_pictures_are_told_by_what_they_show(tmp_path: Path) -> None:
    """A picture that answers another shot's prompt names it."""
    found = verdict(full(told(tmp_path, drawn(TWO_FOXES), drawn(RED_HOUSE))), SCENE)
    assert found.status == FAILED
    assert not unsaid(
        found.sentence, "'house' shows 0 of 5", "is of shot 'foxes'", "Two grey foxes in the snow by day."
    )


def test_one_picture_that_shows_nothing_is_noticed_without_another_to_hold_it_against(tmp_path: Path) -> None:
    """Half of all that is asked for is there, and nothing of what the first picture was asked for."""
    noise = np.random.default_rng(0).integers(0, 256, (128, 128, 3), dtype=np.uint8)
    found = verdict(full(told(tmp_path, noise, drawn(TWO_FOXES))), SCENE)
    assert found.status == FAILED
    assert not unsaid(found.sentence, "'house'", "0 of 5", "asked for 1 house")


@pytest.mark.parametrize("level", [0, 128, 255])
def test_a_picture_of_nothing_shows_nothing(tmp_path: Path, level: int) -> None:
    """Grey, black and white answer no prompt; what is missing is listed."""
    blank = np.full((128, 128, 3), level, np.uint8)
    found = verdict(full(told(tmp_path, blank, blank)), SCENE)
    assert found.status == FAILED
    assert not unsaid(found.sentence, "Missing", "asked for 1 house")


def test_an_approximation_may_not_lose_a_picture(tmp_path: Path) -> None:
    """One shot that shows nothing any more fails, though most of what is asked is still there."""
    reference = told(tmp_path, drawn(RED_HOUSE), drawn(TWO_FOXES))
    noise = np.random.default_rng(0).integers(0, 256, (128, 128, 3), dtype=np.uint8)
    found = verdict(nf4(told(tmp_path, noise, drawn(TWO_FOXES), strategy="nf4"), reference=reference), SCENE)
    assert found.status == FAILED
    assert not unsaid(found.sentence, "'house' shows 0 of 5", "full's 5 of 5", "asked for 1 house")


def test_an_approximation_may_lose_little(tmp_path: Path) -> None:
    """One thing of ten may change; three or more may not, and are named."""
    reference = told(tmp_path, drawn(RED_HOUSE), drawn(TWO_FOXES))
    one_fox = replace(TWO_FOXES, groups=(Group("fox", "grey", 1, "", (0.25,), (0.72,), (0.33,)),))
    found = verdict(nf4(told(tmp_path, drawn(RED_HOUSE), drawn(one_fox), strategy="nf4"), reference=reference), SCENE)
    assert found.status == PASSED
    assert not unsaid(found.sentence, "Not found", "'foxes': 2 grey foxes")
    orange = replace(one_fox, groups=(Group("fox", "orange", 1, "", (0.25,), (0.72,), (0.33,)),))
    blue = replace(RED_HOUSE, groups=(replace(RED_HOUSE.groups[0], colour="blue"),))
    found = verdict(nf4(told(tmp_path, drawn(blue), drawn(orange), strategy="nf4"), reference=reference), SCENE)
    assert found.status == FAILED
    assert not unsaid(found.sentence, "pictures show 6 of 10", "full's 10 of 10", "asked for 2 grey foxes")


@dataclass(frozen=True)
class Thing:
    """One of eight things that any prompt asks for."""

    asked: str
    found: bool
    sentence: str = "asked for a thing"


EIGHT = SimpleNamespace(  # a reader to which the level of a picture says how many of eight things it shows
    read=lambda pixels: int(pixels[0, 0, 0]),
    compare=lambda level, prompt: [Thing(f"thing {number}", number < level) for number in range(8)],
)


@pytest.mark.parametrize(("shown", "status"), [(3, PASSED), (2, PASSED), (1, FAILED)])
def test_a_picture_may_lose_three_quarters_to_coarser_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shown: int, status: str
) -> None:
    """Of one picture a quarter must be left, where the other eleven lose nothing."""
    monkeypatch.setattr(readings, "reader_named", lambda name: EIGHT)
    shot = Shot("many", tuple("abcdefghijkl"), seed=1)
    subject = replace(SUBJECT, shots=(shot,), reader="eight")

    def rendered(strategy: str, *levels: int) -> Rendered:
        place = tmp_path / "cases" / f"story-{strategy}"
        pictures = [picture_of(place, np.full((16, 16, 3), level, np.uint8), "many") for level in levels]
        indexed = tuple(replace(picture, index=index) for index, picture in enumerate(pictures))
        return made(tmp_path, strategy, subject="story", pictures=indexed, recipes={"many": shot.recipe})

    ours, full = (
        replace(rendered(name, level, *[8] * 11), folder=tmp_path / "cases" / f"story-{name}")
        for name, level in (("nf4", shown), ("full", 8))
    )
    readings._reading.cache_clear()
    found = verdict(Evidence(Case(subject, NF4, "cuda"), ours, reference=full), SCENE)
    readings._reading.cache_clear()
    assert found.status == status


def test_what_the_reference_lacks_too_is_no_failure(tmp_path: Path) -> None:
    """A picture that was never right is the reference's to answer for, and the sentence says so."""
    noise = np.random.default_rng(0).integers(0, 256, (128, 128, 3), dtype=np.uint8)
    reference = told(tmp_path, noise, drawn(TWO_FOXES))
    found = verdict(nf4(told(tmp_path, noise[::-1], drawn(TWO_FOXES), strategy="nf4"), reference=reference), SCENE)
    assert found.status == PASSED
    assert "(full's lack it too)" in found.sentence


def test_the_accepted_pictures_stand_in_for_a_reference(tmp_path: Path) -> None:
    """`full` itself is held against what somebody accepted; a crashed reference is none."""
    sound = told(tmp_path, drawn(RED_HOUSE), drawn(TWO_FOXES))
    noise = np.random.default_rng(0).integers(0, 256, (128, 128, 3), dtype=np.uint8)
    ours = told(tmp_path, noise, drawn(TWO_FOXES))
    base = accepted(sound, tmp_path / "baselines")
    for whole in (full(ours, baseline=base), nf4(ours, baseline=base, reference=crashed(sound))):
        found = verdict(whole, SCENE)
        assert found.status == FAILED
        assert "the accepted ones 5 of 5" in found.sentence


def test_an_old_baseline_answers_no_prompt(tmp_path: Path) -> None:
    """Accepted pictures of another recipe are not held against today's prompts."""
    sound = told(tmp_path, drawn(RED_HOUSE), drawn(TWO_FOXES))
    base = accepted(sound, tmp_path / "baselines")
    old = replace(base, case=replace(base.case, recipes={"house": "old", "foxes": "old"}))
    assert verdict(full(sound, baseline=old), SCENE).status == PASSED


def test_pictures_that_are_not_scenes_are_not_read(tmp_path: Path) -> None:
    """Of a subject without a reader nothing is asked; one without pictures has failed."""
    sound = told(tmp_path, drawn(RED_HOUSE), drawn(TWO_FOXES))
    other = replace(full(sound), case=Case(replace(SUBJECT, reader=None), FULL, "cuda"))
    assert SCENE not in {each.check for each in judge_case(other)}
    empty = replace(sound, rendering=replace(sound.rendering, pictures=()))
    assert "There is no picture to read" in verdict(full(empty), SCENE).sentence


@pytest.mark.parametrize("mode", ["L", "RGBA"])
def test_pictures_of_another_mode_are_read_too(tmp_path: Path, mode: str) -> None:
    """What a mode should have been is another check's question."""
    pixels = drawn(RED_HOUSE)
    pixels = pixels[..., 0] if mode == "L" else np.dstack([pixels, pixels[..., :1]])
    assert verdict(full(told(tmp_path, pixels, drawn(TWO_FOXES))), SCENE).status in (PASSED, FAILED)


def test_the_tests_own_captions_are_understood() -> None:
    """Kind, colour and count, place and time: what these tests count on."""
    asked = parsing.parse(SHOTS[1].prompts[0])
    assert (asked.groups[0].kind, asked.groups[0].count, asked.setting, asked.night) == ("fox", 2, "snow", False)


def test_a_shot_that_cannot_be_read_is_passed_over(tmp_path: Path) -> None:
    """Grey where a shot says that it cannot be read is no failure."""
    shots = (SHOTS[0], replace(SHOTS[1], readable=False))
    grey = np.full((128, 128, 3), 128, np.uint8)
    whole = full(told(tmp_path, drawn(RED_HOUSE), grey), case=Case(replace(SUBJECT, shots=shots), FULL, "cuda"))
    assert verdict(whole, SCENE).status == PASSED


def test_a_reader_that_knows_nothing_of_the_prompts_gives_no_data(tmp_path: Path) -> None:
    """What it cannot look for is neither there nor missing."""
    shots = tuple(replace(shot, prompts=("Hope.",)) for shot in SHOTS)
    whole = full(told(tmp_path, drawn(RED_HOUSE), drawn(TWO_FOXES)))
    found = verdict(replace(whole, case=Case(replace(SUBJECT, shots=shots), FULL, "cuda")), SCENE)
    assert found.status == NO_DATA


def test_a_picture_of_a_prompt_that_cannot_be_read_may_be_like_any_other(tmp_path: Path) -> None:
    """Nobody knows what it was asked to show: that it shows what another prompt asks is no fault."""
    shots = (SHOTS[0], replace(SHOTS[1], prompts=("La même maison.",)))
    whole = full(told(tmp_path, drawn(RED_HOUSE), drawn(RED_HOUSE)))
    found = verdict(replace(whole, case=Case(replace(SUBJECT, shots=shots), FULL, "cuda")), SCENE)
    assert (found.status, found.numbers["asked"]) == (PASSED, 5)


@pytest.mark.parametrize(("machine", "subject"), list(subjects_in(REPOSITORY)))
def test_accepted_pictures_leave_no_doubt_of_what_they_show(machine: str, subject: str) -> None:
    """On a machine without a baseline the reference is held against its prompts alone, and must not fail there."""
    shots = {shot.name: shot for shot in subjects()[subject].shots if shot.readable}
    base = baselines.find(Store(REPOSITORY), machine, subject, "full")
    assert base is not None
    for shot in base.case.shots:
        if shot.shot in shots:
            asked = parsing.parse(shots[shot.shot].prompt_of(shot.index))
            found = reader.compare(reader.read(baselines.read_picture(base, shot.pictures[0])), asked)
            assert sum(one.found for one in found) >= 0.75 * len(found), shot.shot

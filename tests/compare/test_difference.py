"""Tests of the difference between two sides."""

from dataclasses import replace

from fluxgate.compare.difference import PeakChange, SecondsChange, StackChange, compare, stage_differences
from fluxgate.compare.facts import Facts
from fluxgate.compare.noise_levels import ScheduleMismatch
from fluxgate.compare.stages import FINISHED
from fluxgate.rendering import DECODED, DENOISE, LAST, Inventory, PhaseWork, Work
from tests.compare.sides import facts, shown
from tests.runs.building import fingerprint, inventory, pixels


def test_equal_sides_differ_in_nothing() -> None:
    """Pictures, memory and seconds are there all the same, to be told of."""
    found = compare(facts(), facts())
    assert [pair.identical for pair in found.pictures] == [True, True]
    assert (found.missing, found.recipes, found.stages, found.inventory) == ((), (), (), ())
    assert (found.noise_levels, found.stack) == ((), ())
    assert found.memory == (PeakChange("load", "allocated", 150, 150),)
    assert found.seconds == (SecondsChange("load", 1.5, 1.5),)


def test_pictures_and_stages_that_moved_are_told_by_shot() -> None:
    """A shot that stayed has no stage."""
    moved = facts(seed=1)
    ours = replace(
        facts(),
        pictures={**facts().pictures, ("fox", 0): moved.pictures["fox", 0]},
        fingerprints={**facts().fingerprints, "fox": moved.fingerprints["fox"]},
    )
    found = compare(facts(), ours)
    assert [(pair.shot, pair.identical) for pair in found.pictures] == [("fox", False), ("pair", True)]
    assert [(stage.shot, stage.stage) for stage in found.stages] == [("fox", LAST)]


def test_a_picture_that_moved_alone_was_finished_otherwise() -> None:
    """What was decoded is the same on both sides."""
    prints = {shot: {DECODED: fingerprint(shot, DECODED)} for shot in ("fox", "pair")}
    ours = {**facts().pictures, ("fox", 0): (shown(pixels(9)),)}
    found = compare(facts(fingerprints=prints), facts(fingerprints=prints, pictures=ours))
    assert [(stage.shot, stage.stage) for stage in found.stages] == [("fox", FINISHED)]


def test_what_only_one_side_has_is_told() -> None:
    """A picture that is gone, one that nothing was expected of, a component, a library."""
    fewer = facts(
        pictures={("fox", 0): facts().pictures["fox", 0]},
        inventory=Inventory({"transformer": inventory().components["transformer"]}),
        stack={},
    )
    gone = compare(facts(), fewer)
    assert (gone.missing, [change.after for change in gone.inventory]) == ((("pair", 0),), [None])
    assert gone.stack == (StackChange("diffusers", "0.42.1", None),)
    new = compare(fewer, facts())
    assert [(pair.shot, pair.expected is None) for pair in new.pictures] == [("fox", False), ("pair", True)]
    assert new.stack == (StackChange("diffusers", None, "0.42.1"),)


def test_other_recipes_and_noise_levels_are_told_by_shot() -> None:
    """Only of shots that both sides have."""
    old = facts(recipes={"fox": "a", "cat": "c"}, noise_levels={"fox": (1.0,), "cat": (1.0,)})
    new = facts(recipes={"fox": "b", "pair": "c"}, noise_levels={"fox": (0.9,), "pair": (1.0,)})
    found = compare(old, new)
    assert (found.recipes, found.noise_levels) == (("fox",), (ScheduleMismatch("fox", (1.0,), (0.9,)),))


def test_what_was_not_measured_is_not_zero() -> None:
    """A side without a figure has None for it."""
    found = compare(facts(), Facts())
    assert found.memory == (PeakChange("load", "allocated", 150, None),)
    assert found.seconds == (SecondsChange("load", 1.5, None),)


def test_a_shot_that_one_side_did_not_look_at_has_no_stage() -> None:
    """Neither the expected nor the actual one."""
    for one, other in ((facts(), facts(fingerprints={})), (facts(fingerprints={}), facts())):
        assert list(stage_differences(one, other, {"fox": True})) == []


def test_other_work_is_told() -> None:
    """Counter by counter."""
    old, new = (facts(work=Work("fox", 4, ((PhaseWork(DENOISE, {"aten.mm": n}),),))) for n in (1, 2))
    assert [(one.what, one.before, one.after) for one in compare(old, new).work] == [("aten.mm", 1, 2)]

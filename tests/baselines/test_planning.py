"""Planning: what changes and what is refused, found out without a byte written anywhere."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import pytest

from fluxgate.baselines import manifest, planning
from fluxgate.baselines.changes import Plan
from fluxgate.baselines.known_failures import KnownFailure
from fluxgate.baselines.picture_changes import PictureChange
from fluxgate.files import write_plain
from fluxgate.pictures import hash_of, read_png, write_png
from fluxgate.refusal import Refusal
from fluxgate.rendering import Crash, Duration
from fluxgate.runs import run as runs
from fluxgate.runs.run import Run
from tests.baselines.acceptance import accept, accepted_case, planned
from tests.baselines.test_limit_changes import drifted
from tests.runs import building
from tests.runs.building import CASES, MACHINE, NOW, contents, put, run_of
from tests.wording import unsaid


def lines_of(plan: Plan, case_id: str) -> tuple[str, ...]:
    (change,) = (case for case in plan.cases if case.case_id == case_id)
    return change.lines


def test_planning_writes_nothing(folder: Path, root: Path) -> None:
    """Neither into the store, nor beside it, nor into the run."""
    accept(run_of(folder, "full"), root)
    run = run_of(folder, "full", "nf4", seed=1)
    before = contents(root.parent)
    assert planned(run, root).changes_anything
    assert contents(root.parent) == before


def test_a_first_acceptance_is_new(folder: Path, root: Path) -> None:
    """Where nothing was accepted there is nothing to compare with; the store is not even made."""
    plan = planned(run_of(folder, "full", "nf4"), root)
    assert [case.changed for case in plan.cases] == [True, True]
    (line,) = plan.lines()
    assert not unsaid(line, "tiny-full", "tiny-nf4", "new", "5 pictures")
    assert not root.exists()


def test_what_changes_is_told_by_its_difference(folder: Path, root: Path) -> None:
    """Stack, stage, pixels and memory, each in its own words."""
    accept(run_of(folder, "full"), root)
    run = run_of(folder, "full", seed=1, allocated=2 * 10**9)
    write_plain(run.folder / "run.json", replace(run.facts, stack={"diffusers": "0.43.0", "torch": "1.0"}))
    text = "\n".join(planned(runs.open_run(run.folder), root).lines())
    assert "tiny-full: stack: diffusers 0.42.1 → 0.43.0" in text
    assert not unsaid(text, "tiny-full: shot 'fox'", "first differs at prompt embeddings")
    assert not unsaid(text, "picture 0 of shot 'fox' differs in 100%")
    assert not unsaid(text, "allocated peak of denoise rises by 1.00 GB to 2.00 GB")


def test_only_what_is_approved_is_accepted_with_its_note_in_the_reason(folder: Path, root: Path) -> None:
    """Of a run that was cut short, too; a reason for all comes before the note."""
    run = run_of(folder, "full", "offload", "nf4", finished=False)
    accept(run, root, because="other kernels", approved={"tiny-nf4": "", "tiny-offload": "only one level"})
    assert sorted(path.name for path in root.glob("*/tiny/facts/*")) == ["nf4.json", "offload.json"]
    assert accepted_case(root, "offload").accepted.because == "other kernels: only one level"
    assert accepted_case(root, "nf4").accepted.because == "other kernels"


@pytest.mark.parametrize(("notes", "explained"), [(("as meant", "too"), True), (("as meant", ""), False)])
def test_a_plan_is_explained_where_every_change_has_a_note(
    notes: tuple[str, str], explained: bool, folder: Path, root: Path
) -> None:
    """Then nobody has to be asked why it is right."""
    approved = dict(zip(("tiny-full", "tiny-nf4"), notes, strict=True))
    assert planned(run_of(folder, "full", "nf4"), root, approved=approved).explained is explained


def test_a_run_that_was_accepted_already_changes_nothing(folder: Path, root: Path) -> None:
    """Its samples are among the accepted ones; they are not counted twice."""
    run = run_of(folder, "full", "nf4")
    accept(run, root)
    plan = planned(run, root)
    assert not plan.changes_anything
    assert list(plan.lines()) == ["tiny-full, tiny-nf4: unchanged"]


def test_another_run_of_the_same_adds_a_sample(folder: Path, root: Path) -> None:
    """A sample moves ceilings, so it counts as a change, and is told as one."""
    accept(run_of(folder, "full"), root)
    plan = planned(run_of(folder, "full"), root)
    assert plan.changes_anything
    (line,) = lines_of(plan, "tiny-full")
    assert not unsaid(line, "peaks and seconds", "2 in all")


def test_a_run_without_measurements_changes_nothing(folder: Path, root: Path) -> None:
    """The same pictures and stages in another run are no reason to write anything."""
    accept(run_of(folder, "full"), root)
    run = run_of(folder, "full")
    put(run, replace(run.renderings()["tiny-full"], memory=None, durations=()))
    assert not planned(run, root).changes_anything


def test_no_change_is_without_words(folder: Path, root: Path) -> None:
    """What no sentence is about is named by its field."""
    accept(run_of(folder, "full"), root)
    run = run_of(folder, "full")
    put(run, replace(run.renderings()["tiny-full"], memory=None, durations=(), draws={"float32": (0.5,)}))
    assert lines_of(planned(run, root), "tiny-full") == ("changes in draws",)


def test_each_two_pictures_are_compared_once(folder: Path, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cases that share their pictures share what is said of them."""
    accept(run_of(folder, "full", "offload"), root)
    read: list[str] = []

    def noted(change: PictureChange) -> str:
        read.append(change.new.sha256)
        return "differs"

    monkeypatch.setattr(PictureChange, "line", noted)
    plan = planned(run_of(folder, "full", "offload", seed=1), root)
    assert len(read) == len(set(read)) == 5
    assert [case.lines.count("differs") for case in plan.cases] == [5, 5]


def test_shots_that_change_alike_are_told_apart(folder: Path, root: Path) -> None:
    """Two shots whose pictures are the same, as black ones are, change the same way, and each is named."""
    accept(alike(run_of(folder, "full"), seed=1), root)
    lines = lines_of(planned(alike(run_of(folder, "full"), seed=2), root), "tiny-full")
    assert [line.partition(" differs ")[0] for line in lines if " differs in " in line] == [
        "picture 0 of shot 'fox'",
        *(f"picture {index} of shot 'pair'" for index in range(4)),
    ]


def alike(run: Run, *, seed: int) -> Run:
    """The run with one picture for every shot."""
    rendering, same = run.renderings()["tiny-full"], building.pixels(seed)
    for picture in rendering.pictures:
        write_png(run.case_folder("tiny-full") / picture.file, same)
    pictures = tuple(replace(picture, sha256=hash_of(same)) for picture in rendering.pictures)
    put(run, replace(rendering, pictures=pictures))
    return run


def test_one_pattern_chooses_the_cases(folder: Path, root: Path) -> None:
    """--only leaves all other cases out of the plan; a pattern that chooses none is a mistake."""
    run = run_of(folder, "full", "nf4")
    assert [case.case_id for case in planned(run, root, only="*-nf4").cases] == ["tiny-nf4"]
    with pytest.raises(Refusal, match=r"--only 'flux-.'"):
        planned(run, root, only="flux-*")


def test_pictures_belong_to_the_end_of_the_chain(folder: Path, root: Path) -> None:
    """What reproduces what reproduces `nf4` has the pictures of `nf4`."""
    chain = {
        "nf4-reloaded": building.strategy("nf4-reloaded", reproduces="nf4"),
        "nf4-twice": building.strategy("nf4-twice", reproduces="nf4-reloaded"),
    }
    cases = {**CASES, **{f"tiny-{name}": replace(CASES["tiny-nf4"], strategy=one) for name, one in chain.items()}}
    run = run_of(folder, "nf4")
    put(run, building.rendering("nf4-twice", run.case_folder("tiny-nf4-twice"), seed=100))
    assert [case.owner for case in planned(run, root, cases=cases).cases] == ["nf4", "nf4"]


def test_what_is_held_to_no_others_pictures_is_a_reference(folder: Path, root: Path) -> None:
    """And so are the pictures of what reproduces it."""
    plan = planned(run_of(folder, "full", "offload", "nf4"), root)
    assert {case.case_id: case.is_reference for case in plan.cases} == {
        "tiny-full": True,
        "tiny-offload": True,
        "tiny-nf4": False,
    }


@pytest.mark.parametrize(("tighten", "floor"), [(False, 0.95), (True, 0.98)])
def test_a_plan_has_the_limits_that_were_measured(folder: Path, root: Path, tighten: bool, floor: float) -> None:
    """Of the cases asked for, joined to those that stand for the machine."""
    accept(drifted(folder, 0.95, of="drift"), root)
    run = drifted(folder, 0.98, of="drift")
    plan = planned(run, root, only="*-nf4", tighten=tighten)
    (change,) = plan.limits
    floors = {name: bands["ssim"].floor for name, bands in change.file.drift.items()}
    assert {name: one and one.value for name, one in floors.items()} == {"full": 0.95, "nf4": floor}
    assert (plan.run, change.file.machine) == (run, MACHINE.id)


def test_a_new_warning_is_told(folder: Path, root: Path) -> None:
    """On one line, and once it was accepted no more."""
    accept(run_of(folder, "full"), root)
    run = run_of(folder, "full")
    put(run, replace(run.renderings()["tiny-full"], warnings=("it is\nslow",)))
    assert "a new warning: it is slow" in lines_of(planned(run, root), "tiny-full")
    accept(run, root)
    again = run_of(folder, "full")
    put(again, replace(again.renderings()["tiny-full"], warnings=("it is\nslow",)))
    assert not [line for line in lines_of(planned(again, root), "tiny-full") if "warning" in line]


@pytest.mark.parametrize("tighten", [True, False])
def test_host_memory_that_fell_is_noted_or_tightened(folder: Path, root: Path, tighten: bool) -> None:
    """As the request says."""
    accept(run_of(folder, "full"), root)
    run = run_of(folder, "full")
    put(run, replace(run.renderings()["tiny-full"], memory=building.memory(host=10**9)))
    (change,) = planned(run, root, tighten=tighten).cases
    assert change.samples.peaks["load"]["host"] == (10**9 if tighten else 2 * 10**9,)
    assert bool(change.notes) is not tighten


@pytest.mark.parametrize("keep", [True, False])
def test_earlier_pictures_are_kept_where_it_is_asked(folder: Path, root: Path, keep: bool) -> None:
    """And nobody has noted anything where nothing was approved one by one."""
    accept(run_of(folder, "full"), root)
    (change,) = planned(run_of(folder, "full", seed=1), root, keep_pictures=keep).cases
    assert (change.keep_pictures, change.note) == (keep, "")


def with_steps(run: Run, strategy: str, seconds: float, **other: float) -> Run:
    """The run, where one step of a strategy took so long."""
    rendering = run.renderings()[f"tiny-{strategy}"]
    put(run, replace(rendering, durations=(Duration("denoise", 2.0, "fox", 0, (seconds,) * 3, **other),)))  # type: ignore[arg-type]  # any field
    return run


def paces(run: Run, root: Path, strategy: str = "nf4") -> dict[str, tuple[float, ...]]:
    (change,) = planned(run, root, only=f"tiny-{strategy}").cases
    return dict(change.step_paces)


def test_the_pace_of_a_step_is_that_beside_the_reference_of_the_same_run(folder: Path, root: Path) -> None:
    """It gathers from run to run, and a run that is accepted again gives its own once."""
    run = with_steps(run_of(folder, "full", "nf4"), "nf4", 1.0)
    assert paces(run, root) == {"fox": (2.0,)}
    accept(run, root)
    assert paces(run, root) == {"fox": (2.0,)}
    assert paces(with_steps(run_of(folder, "full", "nf4"), "nf4", 1.1), root) == {"fox": (2.0, 2.2)}


def test_the_seconds_of_phases_gather_from_run_to_run(folder: Path, root: Path) -> None:
    """As the paces of steps do."""

    def planned_seconds(run: Run) -> dict[str, tuple[float, ...]]:
        (change,) = planned(run, root, only="tiny-nf4").cases
        return {key: seconds for key, seconds in change.phase_seconds.items() if "clock" not in key}

    run = with_steps(run_of(folder, "full", "nf4"), "nf4", 1.0, processor=3.0, gpu=3.0)
    assert planned_seconds(run) == {"denoise of fox": (3.0,)}
    accept(run, root)
    assert planned_seconds(run) == {"denoise of fox": (3.0,)}
    another = with_steps(run_of(folder, "full", "nf4"), "nf4", 1.0, processor=3.1, gpu=3.1)
    assert planned_seconds(another) == {"denoise of fox": (3.0, 3.1)}


def test_a_step_without_its_reference_has_no_pace(folder: Path, root: Path) -> None:
    """Though it could be timed alone, as the reference of all is."""
    run = with_steps(run_of(folder, "full"), "full", 1.0, waited=9.0)
    assert paces(run, root, "full") == {"fox": (1.0,)}
    alone = with_steps(run_of(folder, "nf4"), "nf4", 1.0, waited=9.0)
    assert paces(alone, root) == {}
    accept(alone, root)
    put(alone, building.rendering("full", alone.case_folder("tiny-full")))
    assert paces(alone, root) == {"fox": (2.0,)}


def test_a_picture_that_was_finished_otherwise_says_so(folder: Path, root: Path) -> None:
    """Where every stage is the accepted one, and the pixels are not."""
    accept(run_of(folder, "full"), root)
    run = run_of(folder, "full")
    before = run.renderings()["tiny-full"]
    other = building.rendering("full", run.case_folder("tiny-full"), seed=1)
    put(run, replace(other, fingerprints=before.fingerprints))
    text = "\n".join(lines_of(planned(run, root), "tiny-full"))
    assert not unsaid(text, "shot 'fox'", "first differs at the finished picture")


def test_what_reproduces_a_reference_that_nobody_has_is_held_to_nothing(folder: Path, root: Path) -> None:
    """Neither this run nor the store has its pictures."""
    assert [case.case_id for case in planned(run_of(folder, "offload"), root).cases] == ["tiny-offload"]


def test_a_manifest_that_is_missing_is_empty(folder: Path, root: Path) -> None:
    """So that a plan made without it is not one made with it."""
    accept(run_of(folder, "full"), root)
    path = root / MACHINE.id / "tiny" / manifest.NAME
    assert planning.manifests_of(root, MACHINE.id) == {"tiny": path.read_bytes()}
    path.unlink()
    assert planning.manifests_of(root, MACHINE.id) == {"tiny": b""}


# What is refused


def test_a_run_under_a_limit_of_memory_is_refused(folder: Path, root: Path) -> None:
    """Its peaks are those of a smaller card, and later runs of this one would be held to them."""
    run = run_of(folder, "full")
    limited = replace(run, facts=replace(run.facts, vram_limit=12 * 10**9))
    with pytest.raises(Refusal, match=r"--vram-limit 12\.00 GB.*without it"):
        planned(limited, root)


def test_a_run_whose_cases_shared_their_device_is_accepted_without_its_seconds(folder: Path, root: Path) -> None:
    """Later runs would be held to seconds in which others worked as well; its bytes are its own."""
    run = run_of(folder, "full")
    put(run, replace(run.renderings()["tiny-full"], at_once=4))
    accept(run, root)
    accepted = accepted_case(root, "full")
    assert (accepted.seconds, accepted.step_paces) == ({}, {})
    assert accepted.peaks
    again = run_of(folder, "full")
    put(again, replace(again.renderings()["tiny-full"], at_once=4))
    assert lines_of(planned(again, root), "tiny-full") == ("peaks gain a sample, 2 in all",)


def test_an_unfinished_run_is_refused(folder: Path, root: Path) -> None:
    """A run that was cut short is not accepted, but for those of its cases that somebody names."""
    run = run_of(folder, "full", "nf4", finished=False)
    with pytest.raises(Refusal, match=r"not finished.*--only"):
        planned(run, root)
    assert [case.case_id for case in planned(run, root, only="tiny-full").cases] == ["tiny-full"]


def test_objections_are_listed_together(folder: Path, root: Path) -> None:
    """One refusal names what speaks against each case."""
    run = run_of(folder, "full", "nf4")
    for name in ("full", "nf4"):
        put(run, replace(run.renderings()[f"tiny-{name}"], crash=Crash("signal", "killed by SIGSEGV", "denoise", ())))
    with pytest.raises(Refusal, match="Nothing was accepted") as refused:
        planned(run, root)
    assert [line[:15] for line in str(refused.value).splitlines()[1:]] == ["  tiny-full cra", "  tiny-nf4 cras"]


@pytest.mark.parametrize(("cases", "said"), [(12, None), (13, "and 1 more"), (14, "and 2 more")])
def test_of_many_objections_twelve_are_listed(folder: Path, root: Path, cases: int, said: str | None) -> None:
    """And how many there are beside them."""
    run = run_of(folder)
    for number in range(cases):  # of strategies that are not there any more
        put(run, building.rendering(f"way-{number}", run.case_folder(f"tiny-way-{number}"), takes=1))
    with pytest.raises(Refusal) as refused:
        planned(run, root)
    listed = str(refused.value).splitlines()[1:]
    assert sum("tiny-way-" in line for line in listed) == 12
    assert [line.strip() for line in listed[12:]] == ([] if said is None else [said])


def test_what_crashed_breaks_no_promise_besides(folder: Path, root: Path) -> None:
    """One objection to a case is enough."""
    run = run_of(folder, "full")
    other = building.rendering("offload", run.case_folder("tiny-offload"), seed=7)
    put(run, replace(other, crash=Crash("signal", "killed by SIGSEGV", "denoise", ())))
    with pytest.raises(Refusal) as refused:
        planned(run, root)
    assert len(str(refused.value).splitlines()) == 2


@pytest.mark.parametrize("together", [True, False])
def test_a_broken_promise_is_refused(folder: Path, root: Path, together: bool) -> None:
    """What promises to reproduce `full` is not accepted with other pictures, of this run or of the store."""
    accept(run_of(folder, "full"), root)
    run = run_of(folder, "full" if together else "nf4")
    put(run, building.rendering("offload", run.case_folder("tiny-offload"), seed=7))
    with pytest.raises(Refusal, match=r"tiny-offload.*'fox'.*full"):
        planned(run, root)


@pytest.mark.parametrize("accepted", [False, True])
def test_a_tampered_picture_of_the_run_is_refused(folder: Path, root: Path, accepted: bool) -> None:
    """The PNG must be the array that was rendered, whether or not there is one to compare it with."""
    if accepted:
        accept(run_of(folder, "full", seed=1), root)
    run = run_of(folder, "full")
    path = run.case_folder("tiny-full") / "pair-2.png"
    pixels = read_png(path)
    pixels[0, 0, 0] ^= 1
    write_png(path, pixels)
    with pytest.raises(Refusal, match=r"pair-2\.png is not"):
        planned(run, root)


@pytest.mark.parametrize("device", [None, "cuda"])
def test_a_known_crash_is_left_out(folder: Path, root: Path, device: Literal["cuda"] | None) -> None:
    """A crash that is a known failure does not keep the other cases from being accepted."""
    run = run_of(folder, "full", "nf4")
    put(run, replace(run.renderings()["tiny-nf4"], crash=Crash("exception", "NotImplementedError", "denoise", ())))
    day = NOW.date()
    entry = KnownFailure("*", "nf4", "*", "broken", ("https://x",), ("diffusers<=0.42.1",), day, "me", day, device)
    plan = planned(run, root, known_failures=(entry,))
    assert plan.left_out == ("tiny-nf4",)
    assert not unsaid(next(plan.lines()), "tiny-nf4", "left out", "known failure")
    assert [case.case_id for case in plan.cases] == ["tiny-full"]
    for gone in ("diffusers<0.42.1", "torch<0.9"):
        with pytest.raises(Refusal, match="tiny-nf4 crashed"):
            planned(run, root, known_failures=(replace(entry, versions=(gone,)),))


def test_a_damaged_baseline_is_refused_before_anything_is_compared(folder: Path, root: Path) -> None:
    """All that stands for the machine must be whole, of other cases too."""
    accept(run_of(folder, "full", "nf4"), root)
    path = root / MACHINE.id / "tiny" / "facts" / "nf4.json"
    path.write_bytes(path.read_bytes().replace(b"somebody", b"somebodx"))
    with pytest.raises(Refusal, match=r"nf4\.json was damaged or edited"):
        planned(run_of(folder, "full"), root, only="tiny-full")


def test_a_plan_knows_what_it_was_made_from(folder: Path, root: Path) -> None:
    """The manifests of the machine's folder tell whether anything has changed since."""
    accept(run_of(folder, "full"), root)
    plan = planned(run_of(folder, "full"), root)
    assert plan.manifests == {"tiny": (root / MACHINE.id / "tiny" / manifest.NAME).read_bytes()}


def test_pixels_that_stay_are_not_read(folder: Path, root: Path) -> None:
    """Equal hashes are equal pictures; the files of the run may be gone by then."""
    accept(run_of(folder, "full"), root)
    run = run_of(folder, "full")
    for path in run.case_folder("tiny-full").glob("*.png"):
        path.write_bytes(b"not read")
    (line,) = lines_of(planned(run, root), "tiny-full")
    assert not unsaid(line, "peaks and seconds", "2 in all")


def test_seconds_count_as_measurements(folder: Path, root: Path) -> None:
    """A run that measured nothing but seconds adds a sample of them."""
    accept(run_of(folder, "full"), root)
    run = run_of(folder, "full")
    put(run, replace(run.renderings()["tiny-full"], memory=None, durations=(Duration("load", 1.5),)))
    (change,) = planned(run, root).cases
    assert change.samples.seconds["load"] == (1.0, 1.5)
    assert change.samples.seconds["denoise"] == (2.0,)
    assert np.isclose(change.samples.peaks["load"]["allocated"], 10**9).all()

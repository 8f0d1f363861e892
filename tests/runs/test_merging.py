"""Tests of merging: one run out of many, or a sentence about what they disagree in."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from fluxgate.files import read_plain, write_plain
from fluxgate.refusal import Refusal
from fluxgate.rendering import RENDERING
from fluxgate.runs.merging import merge, missing_shards
from fluxgate.runs.plan import FILE, plan_of, read_plan
from fluxgate.runs.run import FACTS, VERDICTS, Run, RunFacts, open_run, rendered_once_more
from fluxgate.runs.shards import Shard
from tests.runs.building import CASES, contents, put, rendering, run_of

OWNERS = {"tiny-full": 1, "tiny-offload": 2, "tiny-nf4": 3}


def shard(root: Path, number: int, *names: str, seed: int = 0, finished: bool = True) -> Run:
    """A shard of three with these cases: its own, and what it is compared with."""
    part = run_of(root, *names, seed=seed, finished=finished)
    asked = {case_id for case_id, owner in OWNERS.items() if owner == number}
    part.write_json(FILE, replace(plan_of(CASES.values(), asked=asked), shard=Shard(number, 3), shards=OWNERS))
    return part


@pytest.fixture
def parts(tmp_path: Path) -> list[Run]:
    """All three shards, on three machines of one kind."""
    places = (tmp_path / name for name in ("one", "two", "three"))
    names = (("full",), ("full", "offload"), ("full", "nf4"))
    return [shard(place, number, *each) for number, (place, each) in enumerate(zip(places, names, strict=True), 1)]


def changed(part: Run, **fields: object) -> Run:
    """The run with other facts."""
    write_plain(part.folder / FACTS, replace(read_plain(part.folder / FACTS, RunFacts), **fields))  # type: ignore[arg-type]  # they are its own
    return open_run(part.folder)


def test_the_merged_run_has_every_case(parts: list[Run], tmp_path: Path) -> None:
    """Each once, from the run that was asked about it, file for file."""
    merged = merge(parts, tmp_path / "runs", command="fluxgate merge")
    assert set(merged.renderings()) == set(OWNERS)
    for case_id, owner in OWNERS.items():
        assert contents(merged.case_folder(case_id)) == contents(parts[owner - 1].case_folder(case_id))


def test_a_case_that_was_rendered_once_more_keeps_both(parts: list[Run], tmp_path: Path) -> None:
    """Its memory is judged by the second one."""
    again = parts[1].once_more_folder("tiny-offload")
    write_plain(again / RENDERING, rendering("offload", again))
    merged = merge(parts, tmp_path / "runs", command="fluxgate merge")
    assert contents(merged.case_folder("tiny-offload")) == contents(parts[1].case_folder("tiny-offload"))
    assert rendered_once_more(merged.rendered_cases()["tiny-offload"]) is not None


def test_the_merged_run_asked_about_all(parts: list[Run], tmp_path: Path) -> None:
    """It is no shard any more, and it came to its end."""
    merged = merge(parts, tmp_path / "runs", command="fluxgate merge")
    plan = read_plan(merged)
    assert plan is not None
    assert (plan.asked, plan.shard, plan.shards) == (frozenset(OWNERS), None, {})
    assert merged.finished == max(part.finished or "" for part in parts)


def test_the_parts_stay_as_they_are(parts: list[Run], tmp_path: Path) -> None:
    """Nothing is moved, and nothing is shared that a later verdict could write over."""
    before = [contents(part.folder) for part in parts]
    merged = merge(parts, tmp_path / "runs", command="fluxgate merge")
    (merged.case_folder("tiny-full") / "fox-0.png").write_bytes(b"other")
    assert [contents(part.folder) for part in parts] == before


def test_what_is_known_of_libraries_comes_along(parts: list[Run], tmp_path: Path) -> None:
    """Of each file the first; but for verdicts, which the merged run has yet to have, and what is no plain file."""
    for number, part in enumerate(parts):
        part.write_json("nf4-cuda.json", {"number": number})
        part.write_json(VERDICTS, [])
    (tmp_path / "elsewhere.json").write_text("{}")
    (parts[0].folder / "stray.json").symlink_to(tmp_path / "elsewhere.json")
    (parts[0].folder / "no name.json").write_text("{}")
    merged = merge(parts, tmp_path / "runs", command="fluxgate merge")
    assert {path.name for path in merged.folder.glob("*.json")} == {FACTS, FILE, "nf4-cuda.json"}
    assert merged.read_json("nf4-cuda.json", dict[str, int]) == {"number": 0}


def test_a_missing_shard_leaves_the_run_cut_short(parts: list[Run], tmp_path: Path) -> None:
    """What it was to render is asked about, and there is nothing of it."""
    merged = merge(parts[:2], tmp_path / "runs", command="fluxgate merge")
    plan = read_plan(merged)
    assert merged.finished is None
    assert plan is not None
    assert plan.asked - set(merged.renderings()) == {"tiny-nf4"}
    assert missing_shards(parts[:2]) == (3,)
    assert missing_shards(parts) == ()


def test_a_shard_with_nothing_to_render_is_not_missed(tmp_path: Path) -> None:
    """All that was dealt to it cannot run there, so it has made no run."""
    both = [shard(tmp_path / "one", 1, "full"), shard(tmp_path / "two", 2, "full", "offload")]
    for part in both:
        plan = read_plan(part)
        assert plan is not None
        cases = [replace(case, unsupported="no GPU" if case.id == "tiny-nf4" else None) for case in plan.cases]
        part.write_json(FILE, replace(plan, cases=tuple(cases)))
    assert missing_shards(both) == ()
    assert merge(both, tmp_path / "runs", command="x").finished is not None


def test_a_shard_that_was_killed_leaves_the_run_cut_short(parts: list[Run], tmp_path: Path) -> None:
    """Although every shard is there."""
    parts[2] = changed(parts[2], finished=None)
    assert merge(parts, tmp_path / "runs", command="fluxgate merge").finished is None


def test_runs_of_other_strategies_are_merged(tmp_path: Path) -> None:
    """They need be no shards of one session."""
    one, other = run_of(tmp_path / "one", "full", "offload"), run_of(tmp_path / "other", "full", "nf4")
    one.write_json(FILE, plan_of(CASES.values(), asked={"tiny-full", "tiny-offload"}))
    other.write_json(FILE, plan_of(CASES.values(), asked={"tiny-nf4"}))
    assert set(merge([one, other], tmp_path / "runs", command="x").renderings()) == set(OWNERS)


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"stack": {"diffusers": "0.41.0", "torch": "1.0"}}, "diffusers"),
        ({"vram_limit": 8}, "held to"),
        ({"commit": "0" * 40}, "commits"),
    ],
)
def test_runs_that_were_made_otherwise_are_refused(
    parts: list[Run], tmp_path: Path, fields: dict[str, object], told: str
) -> None:
    """The sentence names what they disagree in, and nothing is left on disk."""
    with pytest.raises(Refusal, match=told):
        merge([parts[0], changed(parts[1], **fields), parts[2]], tmp_path / "runs", command="x")
    assert not (tmp_path / "runs").exists()


def test_runs_of_other_machines_are_refused(parts: list[Run], tmp_path: Path) -> None:
    """Another GPU, and another driver of the same one."""
    machine = parts[1].machine
    for other in (replace(machine, id="another"), replace(machine, driver="another")):
        with pytest.raises(Refusal, match="another"):
            merge([parts[0], changed(parts[1], machine=other)], tmp_path / "runs", command="x")


def test_another_recipe_is_refused(parts: list[Run], tmp_path: Path) -> None:
    """The subject has the same name, and other shots."""
    plan = read_plan(parts[1])
    assert plan is not None
    (subject,) = plan.subjects
    parts[1].write_json(FILE, replace(plan, subjects=(replace(subject, shots=subject.shots[:1]),)))
    with pytest.raises(Refusal, match="not the same subject"):
        merge(parts, tmp_path / "runs", command="x")


def test_a_subject_that_the_first_run_does_not_know_is_compared_too(tmp_path: Path) -> None:
    """Among the others it may mean two things, and one of them would be judged by the other's words."""
    subject = CASES["tiny-full"].subject
    apart, wide = replace(subject, name="apart"), replace(subject, dtype="float32")
    runs = []
    for place, means, strategy in (("one", apart, "full"), ("two", subject, "offload"), ("three", wide, "nf4")):
        run = run_of(tmp_path / place, strategy)
        case = replace(CASES[f"tiny-{strategy}"], subject=means)
        run.write_json(FILE, plan_of([case], asked={case.id}))
        runs.append(run)
    with pytest.raises(Refusal, match=r"two.* and .*three.* tiny is not the same subject"):
        merge(runs, tmp_path / "runs", command="x")


def test_a_case_that_was_asked_of_two_is_refused(parts: list[Run], tmp_path: Path) -> None:
    """Nobody can say which of them counts; a run that is named twice is called so."""
    again = tmp_path / "again"
    shutil.copytree(parts[0].folder, again)
    with pytest.raises(Refusal, match="both asked"):
        merge([open_run(again), *parts], tmp_path / "runs", command="x")
    with pytest.raises(Refusal, match="named twice"):
        merge([parts[0], *parts], tmp_path / "runs", command="x")


def test_machines_that_render_otherwise_are_refused(parts: list[Run], tmp_path: Path) -> None:
    """Their common reference has other pictures: a case would be held to another machine's."""
    put(parts[1], rendering("full", parts[1].case_folder("tiny-full"), seed=5))
    with pytest.raises(Refusal, match="tiny-full differ"):
        merge(parts, tmp_path / "runs", command="x")


def test_a_single_run_is_refused(parts: list[Run], tmp_path: Path) -> None:
    """There is nothing to merge it with."""
    with pytest.raises(Refusal, match="two runs"):
        merge(parts[:1], tmp_path / "runs", command="x")


def test_a_link_in_a_strangers_run_is_refused(parts: list[Run], tmp_path: Path) -> None:
    """It could show what lies anywhere on this machine; the half-made folder is gone."""
    secret = tmp_path / "secret"
    secret.write_text("a secret")
    (parts[1].case_folder("tiny-offload") / "stolen.txt").symlink_to(secret)
    with pytest.raises(Refusal, match=r"stolen\.txt"):
        merge(parts, tmp_path / "runs", command="x")
    assert list((tmp_path / "runs").iterdir()) == []

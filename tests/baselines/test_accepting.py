"""Accepting: what is written, what keeps its bytes, and that it is written whole or not at all."""

from __future__ import annotations

import multiprocessing
import random
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fluxgate import pictures
from fluxgate.baselines import accepting, changes, integrity, manifest, replacement
from fluxgate.baselines import baseline as baselines
from fluxgate.baselines.baseline import read_case
from fluxgate.baselines.store import PORTABLE, Store
from fluxgate.files import read_plain
from fluxgate.pictures import read_png
from fluxgate.refusal import Refusal
from fluxgate.runs.run import Run
from tests.baselines.acceptance import accept, accepted_case, planned
from tests.runs.building import CASES, MACHINE, NOW, SHOTS, SUBJECT, contents, put, rendering, run_of
from tests.wording import unsaid


def test_a_run_becomes_a_baseline(folder: Path, root: Path) -> None:
    """Pictures, stages, inventory, peaks, seconds, stack, who, when and why are all there afterwards."""
    run = run_of(folder, "full")
    accept(run, root, because="first light")
    rendering, case = run.renderings()["tiny-full"], accepted_case(root, "full")
    assert case.recipes == rendering.recipes
    assert case.fingerprints == tuple(p for p in rendering.fingerprints if p.take == 0)
    assert case.inventory == rendering.inventory
    assert case.peaks["denoise"]["allocated"] == (10**9,)
    assert case.peaks["whole"] == {"allocated": (10**9,), "host": (2 * 10**9,)}
    assert case.held_after == (0,)
    assert case.seconds == {"load": (1.0,), "denoise": (2.0,)}
    assert case.accepted == baselines.Acceptance(
        "somebody", "2026-03-01T12:30:00+00:00", "first light", run.id, run.commit, run.stack
    )
    assert integrity.damage_in(root) == ()


def test_every_picture_can_be_read_back(folder: Path, root: Path) -> None:
    """What is stored for each index of each shot is the rendered picture, to the bit."""
    run = run_of(folder, "full")
    accept(run, root)
    baseline = baselines.find(Store(root), MACHINE.id, "tiny", "full")
    assert baseline is not None
    assert not baseline.portable
    assert [(s.shot, s.index) for s in baseline.case.shots] == [("fox", 0), *(("pair", n) for n in range(4))]
    for shot in baseline.case.shots:
        rendered = read_png(run.case_folder("tiny-full") / f"{shot.shot}-{shot.index}.png")
        assert np.array_equal(baselines.read_picture(baseline, shot.pictures[0]), rendered)


def test_a_picture_belongs_to_the_reference(folder: Path, root: Path) -> None:
    """What reproduces `full` shares its files, also when accepted by itself; what approximates it keeps two."""
    accept(run_of(folder, "offload"), root)
    accept(run_of(folder, "full", "offload", "nf4"), root)
    files = {name: {s.pictures[0].file for s in accepted_case(root, name).shots} for name in ("full", "offload", "nf4")}
    assert files["full"] == files["offload"]
    assert all(file.startswith("full-") for file in files["full"])
    assert all(file.startswith("nf4-") for file in files["nf4"])
    assert len(list((root / MACHINE.id / "tiny" / "pictures").iterdir())) == 5 + 2


def test_what_stays_as_it_is_keeps_its_bytes(folder: Path, root: Path) -> None:
    """Facts that do not change are not written again, whoever accepts them for whatever reason."""
    run = run_of(folder, "full", "nf4")
    accept(run, root, because="first")
    before = contents(root)
    accept(run, root, because="second")
    assert contents(root) == before
    mixed = run_of(folder, "full", "nf4", seed=0)
    put(mixed, replace(mixed.renderings()["tiny-full"], memory=None, durations=()))
    put(mixed, rendering("nf4", mixed.case_folder("tiny-nf4"), seed=1))
    accept(mixed, root, because="third")
    after = contents(root)
    changed = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    assert {name for name in changed if "/pictures/nf4-" not in name} == {
        f"{MACHINE.id}/tiny/{name}" for name in ("facts/nf4.json", manifest.NAME)
    }


def test_a_plan_without_changes_does_not_even_make_the_store(folder: Path, root: Path) -> None:
    """Nor a lock in it."""
    run = run_of(folder, "full")
    accept(run, root)
    (root / replacement.LOCK).unlink()
    accept(run, root)
    assert not (root / replacement.LOCK).exists()


def test_accepted_pictures_are_not_written_again(folder: Path, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a picture that several cases share, one file; of one that stands, none."""
    written: list[str] = []

    def noted(path: Path, *args: Any, **kwargs: Any) -> None:
        written.append(path.name)
        real(path, *args, **kwargs)

    real = pictures.write_png
    monkeypatch.setattr(accepting, "write_png", noted)
    accept(run_of(folder, "full", "offload"), root)
    assert len(written) == len(set(written)) == 5
    accept(run_of(folder, "full", "offload"), root)
    accept(run_of(folder, "full", "nf4"), root)
    assert len(written) == 5 + 2


def test_old_pictures_go_when_new_ones_come(folder: Path, root: Path) -> None:
    """No file stays that no facts speak of."""
    accept(run_of(folder, "full"), root)
    accept(run_of(folder, "full", seed=1), root)
    assert len(list((root / MACHINE.id / "tiny" / "pictures").iterdir())) == 5


def test_several_pictures_may_be_right(folder: Path, root: Path) -> None:
    """The old pictures may stay beside the new ones, each with its reason."""
    accept(run_of(folder, "full"), root, because="cuDNN 9")
    accept(run_of(folder, "full", seed=1), root, because="cuDNN 10", keep_pictures=True)
    shot = accepted_case(root, "full").shots[0]
    assert [picture.because for picture in shot.pictures] == ["cuDNN 9", "cuDNN 10"]
    assert integrity.damage_in(root) == ()


def test_pictures_for_any_machine_have_their_own_place(folder: Path, root: Path) -> None:
    """They are found where a machine has nothing of its own."""
    accept(run_of(folder, "full"), root, portable=True)
    baseline = baselines.find(Store(root), "another-machine", "tiny", "full")
    assert baseline is not None
    assert baseline.portable
    assert baselines.find(Store(root), "another-machine", "tiny", "nf4") is None
    accept(run_of(folder, "full"), root)
    own = baselines.find(Store(root), MACHINE.id, "tiny", "full")
    assert own is not None
    assert not own.portable


def test_facts_can_be_read_by_a_person(folder: Path, root: Path) -> None:
    """They are JSON, sorted and indented, one value a line, and the manifest lists every file."""
    accept(run_of(folder, "full"), root)
    place = root / MACHINE.id / "tiny"
    assert '\n  "strategy": "full",\n' in (place / "facts" / "full.json").read_text()
    assert read_plain(place / "facts" / "full.json", baselines.AcceptedCase) == accepted_case(root, "full")
    assert set(manifest.listed(place)) == set(manifest.files_in(place))


def test_the_person_has_a_name() -> None:
    """Whoever accepts is known to git or to the system."""
    assert accepting.who()


# Drawings


def test_each_shot_that_changes_is_drawn_once(folder: Path, root: Path) -> None:
    """Old beside new, into the run; cases that share the pictures share the drawing, and new ones have none."""
    accept(run_of(folder, "full", "offload"), root)
    run = run_of(folder, "full", "offload", "nf4", seed=1)
    plan = planned(run, root)
    drawn = list(accepting.draw(plan))
    assert [path.name for path in drawn] == ["accept-tiny-full-fox.png", "accept-tiny-full-pair.png"]
    assert {path.parent for path in drawn} == {run.folder / "pictures"}
    height, width, _ = read_png(drawn[1]).shape
    assert height > 4 * 16
    assert width > 3 * 16
    assert list(accepting.draw(planned(run_of(folder, "full"), root))) == []


def test_a_run_that_cannot_be_written_is_told(folder: Path, root: Path) -> None:
    """Where the drawings would go, one sentence says why they cannot."""
    accept(run_of(folder, "full"), root)
    run = run_of(folder, "full", seed=1)
    (run.folder / "pictures").write_text("a file in the way")
    with pytest.raises(Refusal, match=r"cannot be drawn.*\.$"):
        accepting.draw(planned(run, root))


# Whole or not at all


def test_a_store_that_changed_since_the_plan_is_not_written(folder: Path, root: Path) -> None:
    """Nobody accepts what they were not shown."""
    accept(run_of(folder, "full"), root)
    run = run_of(folder, "full", seed=1)
    plan = planned(run, root)
    accept(run_of(folder, "nf4"), root)
    before = contents(root)
    with pytest.raises(Refusal, match="has changed"):
        accepting.write(plan, accepting.acceptance(run, because="late", by="somebody", at=NOW))
    assert contents(root) == before


# A fork of this process would inherit the locks of the threads that other tests have started, and wait for ever.
SERVER = multiprocessing.get_context("forkserver")
SERVER.set_forkserver_preload([__name__])  # so that a child accepts at once, rather than import all this first


def begun(root: Path, run: Run) -> Any:
    """Another process that accepts the run and ends with 0, or with 4 where it is refused."""
    child = SERVER.Process(target=accept_or_exit, args=(run, root))
    child.start()
    return child


def accept_or_exit(run: Run, root: Path) -> None:
    try:
        accept(run, root)
    except Refusal as refusal:
        sys.exit(refusal.exit_code)


def ended(child: Any) -> int:
    child.join()
    return int(child.exitcode)


def seen(root: Path) -> dict[str, bytes]:
    """What a reader finds."""
    assert integrity.damage_in(root) == ()
    return dict(contents(replacement.standing(root / MACHINE.id)))


def hashes(root: Path, name: str) -> set[str]:
    return {shot.pictures[0].sha256 for shot in accepted_case(root, name).shots}


def rendered_hashes(run: Run, name: str) -> set[str]:
    return {picture.sha256 for picture in run.renderings()[f"tiny-{name}"].pictures}


def test_a_killed_acceptance_leaves_the_old_or_the_new(folder: Path, root: Path) -> None:
    """Killed at fifty random moments, the store is the one or the other, and the next acceptance works."""
    versions = [run_of(folder, "full", "nf4", seed=seed) for seed in (0, 1)]
    for run in versions:
        accept(run, root)
    assert ended(begun(root, versions[1])) == 0  # starts the server, which is no part of an acceptance
    start = time.perf_counter()
    assert ended(begun(root, versions[0])) == 0
    needed = time.perf_counter() - start
    rng, outcomes = random.Random(0), []
    for number in range(50):
        version = versions[(number + 1) % 2]
        before = seen(root)
        child = begun(root, version)
        time.sleep(rng.uniform(0, 2 * needed))  # a busy machine may take longer than it did
        child.kill()
        ended(child)
        after = seen(root)
        assert after == before or hashes(root, "full") == rendered_hashes(version, "full")
        outcomes.append(after == before)
    assert 0 < sum(outcomes) < 50
    accept(run_of(folder, "full", seed=2), root)
    assert sorted(path.name for path in root.iterdir()) == [replacement.LOCK, MACHINE.id]


def test_two_acceptances_at_once_do_not_mix(folder: Path, root: Path) -> None:
    """Of two at the same moment, one is written, and the other after it or not at all: never half of each."""
    versions = [run_of(folder, "full", "nf4", seed=seed) for seed in (0, 1)]
    codes = [ended(child) for child in [begun(root, run) for run in versions]]
    assert 0 in codes
    assert set(codes) <= {0, 4}
    assert integrity.damage_in(root) == ()
    rendered = [(rendered_hashes(run, "full"), rendered_hashes(run, "nf4")) for run in versions]
    assert (hashes(root, "full"), hashes(root, "nf4")) in rendered


def test_a_full_disk_leaves_the_old_baseline(folder: Path, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When a picture does not fit, nothing at all has changed."""
    accept(run_of(folder, "full"), root)
    before = contents(root)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(accepting, "write_png", full)
    with pytest.raises(Refusal, match="No space left on device"):
        accept(run_of(folder, "full", seed=1), root)
    assert contents(root) == before


# Removing


def test_unused_baselines_are_removed_with_their_pictures(folder: Path, root: Path) -> None:
    """Those without a case and those of another recipe, and nothing else."""
    accept(run_of(folder, "full", "offload", "nf4"), root)
    cases = CASES.keys() - {"tiny-nf4"}
    unused = integrity.unused(root, cases=cases, subjects={"tiny": SUBJECT})
    assert unused == {integrity.Entry(MACHINE.id, "tiny", "nf4"): "no case uses it"}
    accepting.remove(root, unused)
    assert integrity.unused(root, cases=cases, subjects={"tiny": SUBJECT}) == {}
    assert integrity.damage_in(root) == ()
    assert {p.name.partition("-")[0] for p in (root / MACHINE.id / "tiny" / "pictures").iterdir()} == {"full"}
    reshot = replace(SUBJECT, shots=(replace(SHOTS[0], seed=99), SHOTS[1]))
    assert baselines.stale_shots(accepted_case(root, "full"), reshot) == ("fox",)
    unused = integrity.unused(root, cases=cases, subjects={"tiny": reshot})
    assert len(unused) == 2
    accepting.remove(root, unused)
    assert not (root / MACHINE.id).exists()


def test_of_what_approximates_little_is_kept(folder: Path, root: Path) -> None:
    """All hashes, and the smallest picture of each of two shots; of a reference, and for other machines, everything."""
    run = run_of(folder, "full", "offload", "nf4")
    accept(run, root)
    accept(run, root, portable=True)
    kept = {
        (machine, name): {
            (shot.shot, shot.index) for shot in accepted_case(root, name, machine).shots if shot.pictures[0].kept
        }
        for machine in (MACHINE.id, PORTABLE)
        for name in ("full", "offload", "nf4")
    }
    every = set(run.renderings()["tiny-full"].pictures_of())
    assert all(kept[key] == every for key in kept if key != (MACHINE.id, "nf4"))
    assert {shot for shot, _ in kept[MACHINE.id, "nf4"]} == {"fox", "pair"}
    assert len(kept[MACHINE.id, "nf4"]) == 2
    assert len(accepted_case(root, "nf4").shots) == len(every)


def test_of_large_pictures_of_what_approximates_one_is_kept(
    folder: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the others their hashes are, and a picture that is another one is still told."""
    monkeypatch.setattr(changes, "LARGEST_KEPT", 10)
    accept(run_of(folder, "full", "nf4"), root)
    baseline = read_case(Store(root), MACHINE.id, "tiny", "nf4")
    assert baseline is not None
    kept = [shot.shot for shot in baseline.case.shots for picture in shot.pictures if picture.kept]
    assert len(kept) == 1
    moved = run_of(folder, "full", "nf4", seed=1)
    (line,) = {
        line.partition("is ")[2] for line in planned(moved, root, only="tiny-nf4").cases[0].lines if "hash" in line
    }
    assert not unsaid(line, "another one", "only the hash")
    accept(moved, root)

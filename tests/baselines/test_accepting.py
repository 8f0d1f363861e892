"""Accepting: what is shown, what is refused, what is written, and that it is written whole or not at all."""

from __future__ import annotations

import multiprocessing
import random
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fluxgate.baselines import accepting, integrity, limits, manifest, replacement
from fluxgate.baselines import baseline as baselines
from fluxgate.baselines.known_failures import KnownFailure
from fluxgate.baselines.limits import Band, Likenesses, Limit, LimitsFile
from fluxgate.baselines.planning import Plan
from fluxgate.baselines.store import Store, subjects_in
from fluxgate.cases import Case
from fluxgate.files import read_plain, write_plain
from fluxgate.pictures import read_png, write_png
from fluxgate.refusal import Refusal
from fluxgate.rendering import Crash, Rendering
from fluxgate.runs import run as runs
from fluxgate.runs.run import Run
from tests.runs import building
from tests.runs.building import CASES, MACHINE, NOW, SHOTS, SUBJECT, contents, put, request, run_of


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "baselines"


def accept(run: Run, store: Path, told: list[str] | None = None, **changes: object) -> Plan:
    """Accept a run of the tiny subject as somebody would."""
    known = changes.pop("known", ())
    cases = changes.pop("cases", CASES)
    return accepting.accept(
        run,
        request(**changes),  # type: ignore[arg-type]
        store=store,
        cases=cases,  # type: ignore[arg-type]
        known=known,  # type: ignore[arg-type]
        report=(told if told is not None else []).append,
    )


def fact(store: Path, strategy: str, machine: str = MACHINE.id) -> baselines.AcceptedCase:
    baseline = baselines.read_case(Store(store), machine, "tiny", strategy)
    assert baseline is not None
    return baseline.case


def test_a_run_becomes_a_baseline(tmp_path: Path, store: Path) -> None:
    """Pictures, stages, inventory, peaks, seconds, stack, who, when and why are all there afterwards."""
    run = run_of(tmp_path / "runs", "full")
    accept(run, store, because="first light")
    rendering, case = run.renderings()["tiny-full"], fact(store, "full")
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
    assert integrity.damages(store) == ()


def test_every_picture_can_be_read_back(tmp_path: Path, store: Path) -> None:
    """What is stored for each index of each shot is the rendered picture, to the bit."""
    run = run_of(tmp_path / "runs", "full")
    accept(run, store)
    baseline = baselines.find(Store(store), MACHINE.id, "tiny", "full")
    assert baseline is not None
    assert not baseline.portable
    assert [(s.shot, s.index) for s in baseline.case.shots] == [("fox", 0), *(("pair", n) for n in range(4))]
    for shot in baseline.case.shots:
        rendered = read_png(run.case_folder("tiny-full") / f"{shot.shot}-{shot.index}.png")
        assert np.array_equal(baselines.read_picture(baseline, shot.pictures[0]), rendered)


def test_a_picture_belongs_to_the_reference(tmp_path: Path, store: Path) -> None:
    """What reproduces `full` shares its files; what approximates it has its own."""
    accept(run_of(tmp_path / "runs", "full", "offload", "nf4"), store)
    files = {name: {s.pictures[0].file for s in fact(store, name).shots} for name in ("full", "offload", "nf4")}
    assert files["full"] == files["offload"]
    assert all(file.startswith("full-") for file in files["full"])
    assert all(file.startswith("nf4-") for file in files["nf4"])
    assert len(list((store / MACHINE.id / "tiny" / "pictures").iterdir())) == 10


def test_an_only_reproducing_case_keeps_the_references_pictures(tmp_path: Path, store: Path) -> None:
    """Accepted by itself, it still stores them under the reference's name."""
    accept(run_of(tmp_path / "runs", "offload"), store)
    assert {s.pictures[0].file.partition("-")[0] for s in fact(store, "offload").shots} == {"full"}


def test_what_changes_is_told_before_it_is_written(tmp_path: Path, store: Path) -> None:
    """Stack, stage, pixels and memory, each in its own words, and a picture of old, new and difference."""
    root = tmp_path / "runs"
    accept(run_of(root, "full"), store)
    run = run_of(root, "full", seed=1, allocated=2 * 10**9)
    write_plain(run.folder / "run.json", replace(run.facts, stack={"diffusers": "0.43.0", "torch": "1.0"}))
    told: list[str] = []
    accept(runs.open_run(run.folder), store, told)
    text = "\n".join(told)
    assert "tiny-full: stack: diffusers 0.42.1 → 0.43.0" in text
    assert "tiny-full: shot 'fox': first differs at prompt embeddings" in text
    assert "picture 0 of shot 'fox' differs in 100% of its pixels" in text
    assert "allocated peak of denoise rises by 1.00 GB to 2.00 GB" in text
    shown = run.folder / "pictures" / "accept-tiny-full-pair.png"
    assert str(shown) in text
    height, width, _ = read_png(shown).shape
    assert height > 4 * 16
    assert width > 3 * 16


def test_nothing_is_written_on_trial(tmp_path: Path, store: Path) -> None:
    """A dry run tells everything and leaves the store as it is."""
    told: list[str] = []
    accept(run_of(tmp_path / "runs", "full"), store, told, dry_run=True)
    assert told[-1] == "Nothing was written."
    assert list(subjects_in(store)) == []


def test_one_pattern_chooses_the_cases(tmp_path: Path, store: Path) -> None:
    """--only leaves all other cases as they were."""
    root = tmp_path / "runs"
    accept(run_of(root, "full", "nf4"), store)
    before = fact(store, "full")
    accept(run_of(root, "full", "nf4", seed=1), store, only="*-nf4")
    assert fact(store, "full") == before
    assert fact(store, "nf4").shots[0].pictures[0].file.startswith("nf4-fox-0-")
    assert integrity.damages(store) == ()


def test_a_pattern_that_chooses_nothing_is_refused(tmp_path: Path, store: Path) -> None:
    """Accepting nothing is a mistake."""
    with pytest.raises(Refusal, match=r"--only 'flux-.'"):
        accept(run_of(tmp_path / "runs", "full"), store, only="flux-*")


def test_a_reason_is_due(tmp_path: Path, store: Path) -> None:
    """Without a reason nothing is accepted."""
    with pytest.raises(Refusal, match="--because"):
        accept(run_of(tmp_path / "runs", "full"), store, because="  ")


def test_old_pictures_go_when_new_ones_come(tmp_path: Path, store: Path) -> None:
    """No file stays that no facts speak of."""
    root = tmp_path / "runs"
    accept(run_of(root, "full"), store)
    accept(run_of(root, "full", seed=1), store)
    assert len(list((store / MACHINE.id / "tiny" / "pictures").iterdir())) == 5


def test_several_pictures_may_be_right(tmp_path: Path, store: Path) -> None:
    """With `also`, the old picture stays beside the new one, each with its reason; either is held."""
    root = tmp_path / "runs"
    first = run_of(root, "full")
    accept(first, store, because="cuDNN 9")
    accept(run_of(root, "full", seed=1), store, because="cuDNN 10", also=True)
    shot = fact(store, "full").shots[0]
    assert [picture.because for picture in shot.pictures] == ["cuDNN 9", "cuDNN 10"]
    told: list[str] = []
    accept(first, store, told, because="once more")
    assert "tiny-full: picture" not in "\n".join(told)
    assert fact(store, "full").shots[0] == shot


def test_pictures_for_any_machine_have_their_own_place(tmp_path: Path, store: Path) -> None:
    """--portable writes to `portable`, which is found where a machine has nothing of its own."""
    accept(run_of(tmp_path / "runs", "full"), store, portable=True)
    baseline = baselines.find(Store(store), "another-machine", "tiny", "full")
    assert baseline is not None
    assert baseline.portable
    assert baselines.find(Store(store), "another-machine", "tiny", "nf4") is None
    accept(run_of(tmp_path / "runs", "full"), store)
    own = baselines.find(Store(store), MACHINE.id, "tiny", "full")
    assert own is not None
    assert not own.portable


# What is refused


def test_a_run_under_a_limit_of_memory_is_refused(tmp_path: Path, store: Path) -> None:
    """Its peaks are those of a smaller card, and later runs of this one would be held to them."""
    run = run_of(tmp_path / "runs", "full")
    limited = replace(run, facts=replace(run.facts, vram_limit=12 * 10**9))
    with pytest.raises(Refusal, match=r"was rendered under --vram-limit 12\.00 GB: .* accept a run without it\.$"):
        accept(limited, store)
    assert not store.exists() or not list(store.glob("*/tiny"))


def spoiled(**changes: object) -> dict[str, object]:
    return changes


NAN = building.fingerprint("fox", "decoded picture", finite=False)


@pytest.mark.parametrize(
    "changes, said",
    [
        (spoiled(crash=Crash("signal", "killed by SIGSEGV", "denoise", ())), "tiny-full crashed (signal: killed by"),
        (spoiled(recipes={**{s.name: s.recipe for s in SHOTS}, "fox": "0" * 64}), "'fox' was rendered from another"),
        (spoiled(recipes={"fox": SHOTS[0].recipe}), "shot 'pair' was not rendered"),
        (spoiled(recipes={**{s.name: s.recipe for s in SHOTS}, "cow": "0" * 64}), "'cow' was rendered from another"),
        (spoiled(pictures=()), "has not the 1 pictures"),
        (spoiled(schema=0), "schema 0"),
        (spoiled(fingerprints=(NAN,)), "hold a NaN"),
    ],
    ids=["crashed", "recipe", "shot missing", "shot too many", "pictures missing", "schema", "nan"],
)
def test_an_unsound_rendering_is_refused(tmp_path: Path, store: Path, changes: dict[str, object], said: str) -> None:
    """Each thing that speaks against a rendering is told, and nothing is written."""
    run = run_of(tmp_path / "runs", "full", "nf4")
    put(run, replace(run.renderings()["tiny-full"], **changes))  # type: ignore[arg-type]
    with pytest.raises(Refusal, match="Nothing was accepted") as refused:
        accept(run, store)
    assert said in str(refused.value)
    assert list(subjects_in(store)) == []


def changed_take(rendering: Rendering, *, stage: bool) -> Rendering:
    """The rendering with a second take that came out differently, in a picture or at a stage only."""
    if stage:
        prints = [replace(p, sha256="f" * 64) if p.take and p.stage == "decoded picture" else p
                  for p in rendering.fingerprints]  # fmt: skip
        return replace(rendering, fingerprints=tuple(prints))
    pictures = [replace(p, sha256="f" * 64) if p.take else p for p in rendering.pictures]
    return replace(rendering, pictures=tuple(pictures))


@pytest.mark.parametrize("stage", [False, True])
def test_what_is_not_deterministic_is_refused(tmp_path: Path, store: Path, stage: bool) -> None:
    """Two takes that differ, in pixels or only at a stage, make no baseline."""
    run = run_of(tmp_path / "runs", "full")
    put(run, changed_take(run.renderings()["tiny-full"], stage=stage))
    with pytest.raises(Refusal, match="came out differently when rendered again"):
        accept(run, store)


@pytest.mark.parametrize("together", [True, False])
def test_a_broken_promise_is_refused(tmp_path: Path, store: Path, together: bool) -> None:
    """What promises to reproduce `full` is not accepted with other pictures, of this run or of the store."""
    root = tmp_path / "runs"
    accept(run_of(root, "full"), store)
    run = run_of(root, "full" if together else "nf4")
    put(run, building.rendering("offload", run.case_folder("tiny-offload"), seed=7))
    with pytest.raises(Refusal, match="tiny-offload: shot 'fox' is not the picture of full"):
        accept(run, store)


def test_an_unfinished_run_is_refused(tmp_path: Path, store: Path) -> None:
    """A run that was cut short is not accepted, but for those of its cases that somebody names."""
    run = run_of(tmp_path / "runs", "full", "nf4", finished=False)
    with pytest.raises(Refusal, match="is not finished: name those of its cases"):
        accept(run, store)
    accept(run, store, only="tiny-full")
    assert contents(store).keys() & {f"{MACHINE.id}/tiny/facts/{name}.json" for name in ("full", "nf4")} == {
        f"{MACHINE.id}/tiny/facts/full.json"
    }


def test_a_case_that_no_longer_exists_is_refused(tmp_path: Path, store: Path) -> None:
    """A strategy that was removed since has nothing to be a baseline of."""
    with pytest.raises(Refusal, match="tiny-full is not a case any more"):
        accept(run_of(tmp_path / "runs", "full"), store, cases={})


def test_a_tampered_picture_of_the_run_is_refused(tmp_path: Path, store: Path) -> None:
    """The PNG must be the array that was rendered."""
    run = run_of(tmp_path / "runs", "full")
    path = run.case_folder("tiny-full") / "pair-2.png"
    pixels = read_png(path)
    pixels[0, 0, 0] ^= 1
    write_png(path, pixels)
    with pytest.raises(Refusal, match=r"pair-2\.png is not the picture that was rendered"):
        accept(run, store)


def test_a_known_crash_is_left_out(tmp_path: Path, store: Path) -> None:
    """A crash that is a known failure does not keep the other cases from being accepted."""
    run = run_of(tmp_path / "runs", "full", "nf4")
    crash = Crash("exception", "NotImplementedError", "denoise", ())
    put(run, replace(run.renderings()["tiny-nf4"], crash=crash))
    day = NOW.date()
    entry = KnownFailure("*", "nf4", "*", "broken", ("https://x",), ("diffusers<=0.42.1",), day, "me", day)
    told: list[str] = []
    accept(run, store, told, known=(entry,))
    assert told[0] == "tiny-nf4: left out, its crash is a known failure"
    assert baselines.read_case(Store(store), MACHINE.id, "tiny", "nf4") is None
    with pytest.raises(Refusal, match="tiny-nf4 crashed"):
        accept(run, store, known=(replace(entry, versions=("diffusers<0.42.1",)),))


def test_a_damaged_baseline_is_never_written_over(tmp_path: Path, store: Path) -> None:
    """Before anything is accepted, all that stands for the machine must be whole, of other cases too."""
    root = tmp_path / "runs"
    accept(run_of(root, "full", "nf4"), store)
    path = store / MACHINE.id / "tiny" / "facts" / "nf4.json"
    path.write_bytes(path.read_bytes().replace(b"somebody", b"somebodx"))
    before = contents(store)
    with pytest.raises(Refusal, match=r"nf4\.json was damaged, or changed by hand"):
        accept(run_of(root, "full"), store)
    assert contents(store) == before


# Peaks


def test_samples_gather_while_they_agree(tmp_path: Path, store: Path) -> None:
    """Each accepted run is one more measurement."""
    root = tmp_path / "runs"
    for more in (0, 1000, 2000):
        accept(run_of(root, "full", allocated=10**9 + more), store)
    assert fact(store, "full").peaks["load"]["allocated"] == (10**9, 10**9 + 1000, 10**9 + 2000)
    assert fact(store, "full").held_after == (0, 0, 0)


def test_a_risen_peak_starts_anew(tmp_path: Path, store: Path) -> None:
    """What lies above the ceiling is another thing than what was measured before."""
    root = tmp_path / "runs"
    told: list[str] = []
    accept(run_of(root, "full"), store)
    accept(run_of(root, "full", allocated=10**9 + limits.ALLOCATOR + 1), store, told)
    assert fact(store, "full").peaks["load"]["allocated"] == (10**9 + limits.ALLOCATOR + 1,)
    assert "tiny-full: allocated peak of load rises by 2.1 MB to 1.00 GB" in told


def test_a_loose_ceiling_comes_down_only_when_asked(tmp_path: Path, store: Path) -> None:
    """A peak that fell is reported; --trim tightens its ceiling."""
    root = tmp_path / "runs"
    told: list[str] = []
    accept(run_of(root, "full"), store)
    lower = run_of(root, "full", allocated=9 * 10**8)
    accept(lower, store, told)
    assert any("fell by 0.10 GB to 0.90 GB; its ceiling has become too loose, accept with --trim" in w for w in told)
    assert fact(store, "full").peaks["load"]["allocated"] == (10**9,)
    accept(lower, store, told, trim=True)
    assert any("is trimmed by 0.10 GB to 0.90 GB" in word for word in told)
    assert fact(store, "full").peaks["load"]["allocated"] == (9 * 10**8,)


# Limits


def calibrated(root: Path, *, floor: float = 0.9, strategy: str = "nf4", subject: str = "tiny") -> Run:
    """A run that measured limits and rendered no case."""
    run = run_of(root)
    band = Band(floor=Limit(floor, "calibrated", 0.95, 0.01, 40, MACHINE.id, {}, "2026-03-01"))
    found = LimitsFile(subject, MACHINE.id, {strategy: Likenesses({"ssim": band}, {}, ("one step fewer",))}, {})
    write_plain(run.folder / "limits" / "tiny.json", found)
    return run


def test_measured_limits_are_accepted_like_pictures(tmp_path: Path, store: Path) -> None:
    """A calibrating run's limits become the ones that cases are judged by, others stay."""
    root = tmp_path / "runs"
    accept(run_of(root, "full", "nf4"), store)
    told: list[str] = []
    accept(calibrated(root), store, told)
    accept(calibrated(root, strategy="int8", floor=0.99), store)
    found = limits.for_case(Store(store), MACHINE.id, SUBJECT, "nf4")
    assert found.likeness["ssim"].floor is not None
    assert found.likeness["ssim"].floor.value == 0.9
    (file,) = limits.read_limits(Store(store), MACHINE.id, "tiny")
    assert file.strategies["nf4"].unseparated == ("one step fewer",)
    assert limits.for_case(Store(store), MACHINE.id, SUBJECT, "int8").likeness["ssim"].floor is not None
    assert "tiny-nf4: ssim at least 0.9000" in told
    assert f"Accepted into {store / MACHINE.id}." in told
    assert fact(store, "nf4").shots


def drifted(root: Path, ssim: float) -> Run:
    """A run that measured drift."""
    run = run_of(root)
    bands = {"ssim": Band(floor=Limit(ssim, "between machines"))}
    write_plain(run.folder / "limits" / "tiny.json", LimitsFile("tiny", MACHINE.id, {}, {"full": bands, "nf4": bands}))
    return run


def test_drift_gathers_all_that_was_seen(tmp_path: Path, store: Path) -> None:
    """Bands only become wider, unless they are trimmed; --only chooses whose."""
    root = tmp_path / "runs"

    def floor(strategy: str) -> float | None:
        band = limits.for_case(Store(store), MACHINE.id, SUBJECT, strategy).drift["ssim"]
        return band.floor.value if band.floor else None

    for ssim in (0.99, 0.95, 0.98):
        accept(drifted(root, ssim), store)
    assert (floor("full"), floor("nf4")) == (0.95, 0.95)
    accept(drifted(root, 0.98), store, trim=True, only="*-nf4")
    assert (floor("full"), floor("nf4")) == (0.95, 0.98)


def test_limits_of_another_name_are_refused(tmp_path: Path, store: Path) -> None:
    """A file of limits must be of the subject that its name says."""
    with pytest.raises(Refusal, match=r"tiny\.json is damaged"):
        accept(calibrated(tmp_path / "runs", subject="other"), store)


# Whole or not at all


# FLIP compares in several threads: a fork of this process would inherit their locks, and wait for them for ever.
SERVER = multiprocessing.get_context("forkserver")


def begun(store: Path, run: Run) -> Any:
    """Another process that accepts the run and ends with 0."""
    child = SERVER.Process(target=accept, args=(run, store))
    child.start()
    return child


def ended(child: Any) -> int:
    child.join()
    return int(child.exitcode)


def seen(store: Path) -> dict[str, bytes]:
    """What a reader finds."""
    assert integrity.damages(store) == ()
    return {name: data for name, data in contents(store).items() if not name.startswith(".")}


def test_a_killed_acceptance_leaves_the_old_or_the_new(tmp_path: Path, store: Path) -> None:
    """Killed at fifty random moments, the store is the one or the other, and the next acceptance works."""
    root = tmp_path / "runs"
    versions = [run_of(root, "full", "nf4", seed=seed) for seed in (0, 1)]
    for run in versions:
        accept(run, store)
    start = time.perf_counter()
    assert ended(begun(store, versions[0])) == 0
    needed = time.perf_counter() - start
    rng, outcomes = random.Random(0), []
    for number in range(50):
        before = seen(store)
        child = begun(store, versions[(number + 1) % 2])
        time.sleep(rng.uniform(0, needed))
        child.kill()
        ended(child)
        baselines.read_case(Store(store), MACHINE.id, "tiny", "full")
        pictures = {s.pictures[0].sha256 for s in fact(store, "full").shots}
        rendered = [{p.sha256 for p in run.renderings()["tiny-full"].pictures} for run in versions]
        assert pictures in rendered
        after = seen(store)
        outcomes.append(after == before)
        assert after == before or pictures == rendered[(number + 1) % 2]
    assert 0 < sum(outcomes) < 50
    accept(versions[1], store)
    assert sorted(path.name for path in store.iterdir()) == [replacement.LOCK, MACHINE.id]


def test_two_acceptances_at_once_do_not_mix(tmp_path: Path, store: Path) -> None:
    """Of two at the same moment, one comes first and the other after it: never half of each."""
    root = tmp_path / "runs"
    versions = [run_of(root, "full", "nf4", seed=seed) for seed in (0, 1)]
    children = [begun(store, run) for run in versions]
    assert [ended(child) for child in children] == [0, 0]
    assert integrity.damages(store) == ()
    full, nf4 = ({s.pictures[0].sha256 for s in fact(store, name).shots} for name in ("full", "nf4"))
    rendered = [
        tuple({p.sha256 for p in run.renderings()[f"tiny-{name}"].pictures} for name in ("full", "nf4"))
        for run in versions
    ]
    assert (full, nf4) in rendered


def test_a_full_disk_leaves_the_old_baseline(tmp_path: Path, store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When a picture does not fit, nothing at all has changed."""
    root = tmp_path / "runs"
    accept(run_of(root, "full"), store)
    before = contents(store)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(accepting, "write_png", full)
    with pytest.raises(Refusal, match=r"disk .* is full"):
        accept(run_of(root, "full", seed=1), store)
    assert contents(store) == before


# Pruning


def test_useless_baselines_are_found_and_removed(tmp_path: Path, store: Path) -> None:
    """Orphans and those of another recipe are named; pruning removes them and their pictures, and nothing else."""
    accept(run_of(tmp_path / "runs", "full", "offload", "nf4"), store)
    left = {name: case for name, case in CASES.items() if name != "tiny-nf4"}
    assert integrity.orphans(store, left) == ((MACHINE.id, "tiny", "nf4"),)
    told: list[str] = []
    accepting.prune(store, cases=left, subjects={"tiny": SUBJECT}, report=told.append)
    assert told == [f"{MACHINE.id}: tiny-nf4 goes"]
    assert integrity.orphans(store, left) == ()
    assert integrity.damages(store) == ()
    assert {p.name.partition("-")[0] for p in (store / MACHINE.id / "tiny" / "pictures").iterdir()} == {"full"}

    reshot = replace(SUBJECT, shots=(replace(SHOTS[0], seed=99), SHOTS[1]))
    assert integrity.stale(store, {"tiny": SUBJECT}) == ()
    assert len(integrity.stale(store, {"tiny": reshot})) == 2
    assert baselines.stale_shots(fact(store, "full"), reshot) == ("fox",)
    accepting.prune(store, cases=left, subjects={"tiny": reshot}, report=told.append, dry_run=True)
    assert len(integrity.stale(store, {"tiny": reshot})) == 2
    accepting.prune(store, cases=left, subjects={"tiny": reshot}, report=told.append)
    assert not (store / MACHINE.id).exists()


def test_a_case_knows_what_its_chain_ends_in(tmp_path: Path, store: Path) -> None:
    """What reproduces what reproduces `nf4` has the pictures of `nf4`."""
    chain = {
        "nf4-reloaded": building.strategy("nf4-reloaded", reproduces="nf4"),
        "nf4-twice": building.strategy("nf4-twice", reproduces="nf4-reloaded"),
    }
    cases = {**CASES, **{f"tiny-{name}": Case(SUBJECT, one, "cuda") for name, one in chain.items()}}
    run = run_of(tmp_path / "runs", "nf4")
    put(run, building.rendering("nf4-twice", run.case_folder("tiny-nf4-twice"), seed=100))
    accept(run, store, cases=cases)
    assert {s.pictures[0].file for s in fact(store, "nf4-twice").shots} == {
        s.pictures[0].file for s in fact(store, "nf4").shots
    }


def test_the_manifest_of_the_run_is_plain(tmp_path: Path, store: Path) -> None:
    """Facts are JSON that a person can read: sorted, indented, one value a line."""
    accept(run_of(tmp_path / "runs", "full"), store)
    folder = store / MACHINE.id / "tiny"
    text = (folder / "facts" / "full.json").read_text()
    assert '\n  "strategy": "full",\n' in text
    assert read_plain(folder / "facts" / "full.json", baselines.AcceptedCase) == fact(store, "full")
    assert set(manifest.listed(folder)) == set(manifest.files_in(folder))


def test_the_person_has_a_name() -> None:
    """Whoever accepts is known to git or to the system."""
    assert accepting.who()

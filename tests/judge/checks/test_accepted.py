"""Tests of the check against a baseline."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fluxgate.baselines.baseline import AcceptedPicture
from fluxgate.baselines.limits import Band, CaseLimits, Limit
from fluxgate.baselines.store import PORTABLE
from fluxgate.compare.measures import MAXIMUM_DIFFERENCE
from fluxgate.judge.checks.accepted import DRIFTED
from fluxgate.judge.evidence import Evidence
from fluxgate.judge.standards import BaselineUse
from fluxgate.judge.verdict import BASELINE, FAILED, NO_DATA, NOT_SELECTED, PASSED, Verdict
from fluxgate.pictures import read_png, write_png
from fluxgate.rendering import DECODED, LAST, T5, Duration, Inventory
from tests.judge.made import (
    FULL,
    OFFLOAD,
    accepted,
    changed,
    evidence,
    left_at,
    made,
    nudge,
    one_level,
    scramble,
    tiled,
    verdict,
    with_rendering,
)
from tests.wording import unsaid

INVITATION = "fluxgate accept"


def held_against_itself(tmp_path: Path, *, machine: str = "tiny-torch1.0") -> Evidence:
    whole = evidence(tmp_path)
    assert whole.rendered is not None
    return replace(whole, baseline=accepted(whole.rendered, tmp_path / "baselines", machine=machine))


def accepted_with(whole: Evidence, **changes: Any) -> Evidence:
    """The same evidence, where other facts were accepted."""
    assert whole.baseline is not None
    return replace(whole, baseline=replace(whole.baseline, case=replace(whole.baseline.case, **changes)))


def beside_float32(whole: Evidence, folder: Path, *, moved: bool = False) -> Evidence:
    """The same evidence with what float32 gave in the same run, moved or as it was accepted."""
    wide = made(folder, "full-float32")
    kept = accepted(wide, folder / "float32")
    return replace(whole, float32=changed(wide, nudge, shot="fox") if moved else wide, float32_baseline=kept)


def bands(most: float) -> CaseLimits:
    band = {MAXIMUM_DIFFERENCE: Band(ceiling=Limit(most, "measured", n=6))}
    return CaseLimits(drift=band, apart=band)


def moved_a_little(folder: Path, *, float32: bool | None = False) -> Evidence:
    """One picture has moved no further than legal changes do; float32 has moved or not, or is not known."""
    whole = held_against_itself(folder)
    assert whole.rendered is not None
    ours = changed(whole.rendered, nudge, shot="fox")
    whole = whole if float32 is None else beside_float32(whole, folder, moved=float32)
    return replace(whole, rendered=ours, limits=bands(1))


def resized(found: Evidence, **changes: object) -> Evidence:
    """The same with another transformer in memory."""
    inventory = found.rendering.inventory
    assert inventory is not None
    transformer = replace(inventory.components["transformer"], **changes)  # type: ignore[arg-type]  # any field
    return with_rendering(
        found, inventory=Inventory({**inventory.components, "transformer": transformer}, inventory.counts)
    )


def is_drift(told: Verdict) -> bool:
    assert told.status == FAILED
    return bool(told.numbers[DRIFTED])


def thinned(found: Evidence, *shots: str) -> Evidence:
    """The same, where of these shots only the hashes were kept."""
    baseline = found.baseline
    assert baseline is not None
    kept = tuple(
        replace(shot, pictures=tuple(replace(one, kept=shot.shot not in shots) for one in shot.pictures))
        for shot in baseline.case.shots
    )
    return replace(found, baseline=replace(baseline, case=replace(baseline.case, shots=kept)))


def test_the_accepted_pictures_pass(tmp_path: Path) -> None:
    """Equal hashes in pictures and stages are a pass."""
    found = verdict(held_against_itself(tmp_path), BASELINE)
    assert (found.status, unsaid(found.sentence, "All 5", "identical")) == (PASSED, [])


@pytest.mark.parametrize(("use", "status"), [(BaselineUse.IF_ANY, NO_DATA), (BaselineUse.REQUIRED, FAILED)])
def test_no_baseline_is_no_data_or_a_failure_as_required(tmp_path: Path, use: BaselineUse, status: str) -> None:
    """Either way the command that makes one is named; a portable one is not this machine's."""
    none, portable = evidence(tmp_path), held_against_itself(tmp_path, machine=PORTABLE)
    for whole in (none, portable) if use is BaselineUse.REQUIRED else (none,):
        found = verdict(replace(whole, baseline_use=use), BASELINE)
        assert found.status == status
        assert 'run fluxgate accept RUN --because "…".' in found.sentence


def test_what_was_accepted_can_be_left_out(tmp_path: Path) -> None:
    """Where the libraries are meant to be others, nobody misses it."""
    found = verdict(replace(evidence(tmp_path), baseline_use=BaselineUse.IGNORED), BASELINE)
    assert (found.status, found.sentence.endswith("--no-baseline.")) == (NOT_SELECTED, True)


@pytest.mark.parametrize(
    ("limits", "word", "why"),
    [
        (CaseLimits(), "Changed", "was not measured, so this may be drift"),
        (bands(1), "Drifted", "no further than a harmless change of machine or release moves them"),
        (bands(0.5), "Changed", "further than any harmless change of machine or release moves them"),
    ],
    ids=["unmeasured", "within", "beyond"],
)
def test_drift_is_told_apart_from_change(tmp_path: Path, limits: CaseLimits, word: str, why: str) -> None:
    """One level in half of the pixels has drifted where releases were seen to do that, and changed where not."""
    whole = held_against_itself(tmp_path)
    assert whole.rendered is not None
    ours = left_at(changed(whole.rendered, nudge, shot="fox"), T5, LAST, DECODED)
    found = verdict(replace(beside_float32(whole, tmp_path), rendered=ours, limits=limits), BASELINE)
    assert (found.status, found.stage, found.numbers[DRIFTED]) == (FAILED, T5, float(word == "Drifted"))
    assert found.sentence.startswith(f"{word}: ")
    assert not unsaid(found.sentence, "1 of 5", "'fox'", "50%")
    assert why in found.sentence
    assert not unsaid(found.sentence, "prompt embeddings", "transformers", "tokenizers", "diffusers")
    assert ("fluxgate accept" in found.sentence) is (word == "Drifted")
    assert found.pictures["expected"].startswith("baselines/")


@pytest.mark.parametrize(
    ("limits", "stage", "compiles", "status"),
    [
        (bands(1), LAST, True, PASSED),
        (bands(1), T5, True, FAILED),
        (bands(1), DECODED, True, FAILED),
        (bands(0), LAST, True, FAILED),
        (CaseLimits(), LAST, True, NO_DATA),
        (bands(1), LAST, False, FAILED),
    ],
    ids=["within", "before the denoiser", "after it", "further", "not measured", "not compiled"],
)
def test_what_is_compiled_anew_may_round_otherwise(
    tmp_path: Path, limits: CaseLimits, stage: str, compiles: bool, status: str
) -> None:
    """torch times kernels and takes the fastest: on H100s, two sessions' pictures differed, from the denoiser on."""
    whole = held_against_itself(tmp_path)
    assert whole.rendered is not None
    ours = left_at(changed(whole.rendered, nudge, shot="fox"), stage)
    case = replace(whole.case, strategy=replace(whole.case.strategy, compiles=compiles))
    found = verdict(replace(whole, case=case, rendered=ours, limits=limits), BASELINE)
    assert (found.status, found.numbers["pictures"]) == (status, 1 if status == FAILED else 5)
    assert not unsaid(found.sentence, "1 of 5")


@pytest.mark.parametrize(("compiles", "status"), [(True, PASSED), (False, FAILED)])
def test_what_is_compiled_anew_rounds_otherwise_with_the_same_releases(
    tmp_path: Path, compiles: bool, status: str
) -> None:
    """On an H200, six cases at once: what torch found to be fastest was not what had been accepted."""
    whole = with_rendering(moved_a_little(tmp_path), libraries={"diffusers": "0.42.1"})
    assert whole.accepted_facts.stack["diffusers"] == "0.42.1"
    case = replace(whole.case, strategy=replace(whole.case.strategy, compiles=compiles))
    found = verdict(replace(whole, case=case, rendered=left_at(whole.rendered_here, LAST)), BASELINE)
    assert (found.status, "no release has changed" in found.sentence) == (status, not compiles)


@pytest.mark.parametrize(("compiles", "status"), [(True, PASSED), (False, FAILED)])
def test_rounding_of_what_is_compiled_may_vanish_in_the_pixels(tmp_path: Path, compiles: bool, status: str) -> None:
    """The stages before them are other numbers."""
    whole = held_against_itself(tmp_path)
    assert whole.rendered is not None
    case = replace(whole.case, strategy=replace(whole.case.strategy, compiles=compiles))
    assert verdict(replace(whole, case=case, rendered=left_at(whole.rendered, LAST)), BASELINE).status == status


def test_other_noise_levels_are_no_drift(tmp_path: Path) -> None:
    """However little they move the picture, no legal change of machine or release moves them."""
    whole = held_against_itself(tmp_path)
    assert whole.rendered is not None
    assert whole.baseline is not None
    case = replace(whole.baseline.case, levels={"fox": (1.0, 0.5, 0.0)})
    ours = changed(whole.rendered, nudge, shot="fox")
    found = replace(whole, rendered=ours, limits=bands(1), baseline=replace(whole.baseline, case=case))
    found = with_rendering(found, durations=(Duration("denoise", 2.0, "fox", 0, (), (1.0, 0.51, 0.0)),))
    told = verdict(found, BASELINE)
    assert (told.status, told.numbers[DRIFTED]) == (FAILED, 0)
    assert not unsaid(told.sentence, "level 2", "0.5100", "0.5000")


def test_embeddings_of_another_length_are_no_drift(tmp_path: Path) -> None:
    """However little the picture moves: no rounding makes fewer tokens."""
    whole = held_against_itself(tmp_path)
    assert whole.rendered is not None
    ours = left_at(changed(whole.rendered, nudge, shot="fox"), T5)
    prints = tuple(
        replace(entry, shape=(1, 9)) if entry.stage == T5 else entry for entry in ours.rendering.fingerprints
    )
    found = with_rendering(replace(whole, rendered=ours, limits=bands(1)), fingerprints=prints)
    told = verdict(found, BASELINE)
    assert (told.status, told.numbers[DRIFTED]) == (FAILED, 0)
    assert "and prompt embeddings have another size" in told.sentence


@pytest.mark.parametrize("theirs", ["moved alike", "as it was", None])
def test_hooks_are_cleared_by_the_references_own_pictures(tmp_path: Path, theirs: str | None) -> None:
    """Where full moved in the same way, it is not the offloading that moved the picture."""
    whole = evidence(tmp_path, OFFLOAD)
    assert whole.rendered is not None
    assert whole.rendered.rendering.inventory is not None
    parts = whole.rendered.rendering.inventory.components
    hooked = {name: replace(part, hooks={"CpuOffload": 1}) for name, part in parts.items()}
    baseline = accepted(whole.rendered, tmp_path / "baselines" / "tiny-torch1.0" / "tiny")
    ours = left_at(changed(whole.rendered, nudge, shot="fox"), LAST, DECODED)
    full = made(tmp_path)
    reference = {"moved alike": changed(full, nudge, shot="fox"), "as it was": full}.get(theirs or "")
    found = with_rendering(
        replace(whole, rendered=ours, reference=reference, baseline=baseline), inventory=Inventory(hooked)
    )
    suspected = "the hooks that move its weights" in verdict(found, BASELINE).sentence
    assert suspected is (theirs != "moved alike")


@pytest.mark.parametrize(
    ("release", "told"), [("0.43.0", True), ("0.42.1", False), ("0.42.1+local", False)], ids=["other", "same", "local"]
)
def test_a_suspect_of_another_release_is_named_with_both(tmp_path: Path, release: str, told: bool) -> None:
    """Of the libraries that can have moved a picture, the one whose release is not the accepted one."""
    whole = with_rendering(held_against_itself(tmp_path), libraries={"diffusers": release, "torch": "9.9"})
    moved = replace(whole, rendered=changed(left_at(whole.rendered_here, LAST), nudge))
    found = verdict(moved, BASELINE)
    assert "diffusers" in (found.suspects or "")
    assert ("diffusers 0.42.1 → 0.43.0" in found.sentence, "9.9" in found.sentence) == (told, False)


def test_a_moved_stage_is_drift_even_where_no_pixel_moved(tmp_path: Path) -> None:
    """Stage hashes are part of what was accepted."""
    whole = held_against_itself(tmp_path)
    assert whole.rendered is not None
    found = verdict(replace(whole, rendered=left_at(whole.rendered, LAST)), BASELINE)
    assert (found.status, found.stage, found.numbers[DRIFTED]) == (FAILED, LAST, 1)
    assert found.sentence.startswith("Drifted: ")


def test_what_a_decoder_gives_may_differ_where_no_pixel_does(tmp_path: Path) -> None:
    """It may cut off what no picture shows; the stages before it are the accepted ones."""
    whole = held_against_itself(tmp_path)
    assert verdict(replace(whole, rendered=left_at(whole.rendered_here, DECODED)), BASELINE).status == PASSED


def test_the_same_pixels_from_other_weights_are_no_drift(tmp_path: Path) -> None:
    """Where only a stage before the picture differs, the weights decide what it is called."""
    whole = beside_float32(held_against_itself(tmp_path), tmp_path)
    assert whole.rendered is not None
    found = replace(whole, rendered=left_at(whole.rendered, T5))
    assert is_drift(verdict(found, BASELINE))
    told = verdict(resized(found, state_sha256="c" * 64), BASELINE)
    assert not is_drift(told)
    assert not unsaid(told.sentence, "Changed", "transformer is not what was accepted", "weights change")


def test_drift_is_not_told_from_change_where_float32_is_not_known(tmp_path: Path) -> None:
    """However little the pictures moved, nobody is asked to accept anything."""
    told = verdict(moved_a_little(tmp_path, float32=None), BASELINE)
    assert not is_drift(told)
    assert INVITATION not in told.sentence
    assert "full-float32" in told.sentence


def test_pictures_of_other_weights_are_no_drift(tmp_path: Path) -> None:
    """However little they moved."""
    assert not is_drift(verdict(resized(moved_a_little(tmp_path), state_sha256="c" * 64), BASELINE))


@pytest.mark.parametrize("change", ["levels", "weights"])
def test_what_is_compiled_anew_moves_neither_levels_nor_weights(tmp_path: Path, change: str) -> None:
    """One of the two is enough to say that it was not the kernels."""
    whole = moved_a_little(tmp_path)
    whole = replace(whole, case=replace(whole.case, strategy=replace(whole.case.strategy, compiles=True)))
    whole = replace(whole, rendered=left_at(whole.rendered_here, LAST))
    assert verdict(whole, BASELINE).status == PASSED
    if change == "weights":
        found = resized(whole, state_sha256="c" * 64)
    else:
        found = accepted_with(whole, levels={"fox": (1.0, 0.5, 0.0)})
        found = with_rendering(found, durations=(Duration("denoise", 2.0, "fox", 0, (), (1.0, 0.51, 0.0)),))
    assert verdict(found, BASELINE).status == FAILED


def test_a_hash_alone_still_tells_that_a_picture_moved(tmp_path: Path) -> None:
    """How far is not known then, and what nobody can see nobody is asked to accept."""
    found = thinned(moved_a_little(tmp_path), "fox")
    told = verdict(found, BASELINE)
    assert not is_drift(told)
    assert "only the hash was kept" in told.sentence
    assert told.pictures["expected"] == told.pictures["actual"]
    assert INVITATION not in told.sentence


def test_what_was_kept_speaks_for_the_rest(tmp_path: Path) -> None:
    """A picture that can be looked at is shown, and decides what the change is called."""
    found = moved_a_little(tmp_path)
    assert found.rendered is not None
    found = thinned(replace(found, rendered=changed(found.rendered, nudge, shot="pair")), "pair")
    told = verdict(found, BASELINE)
    assert is_drift(told)
    assert "shot 'fox'" in told.sentence


@pytest.mark.parametrize(
    ("ours", "theirs", "moved", "told"),
    [
        (T5, T5, True, True),
        (LAST, T5, True, True),
        (T5, LAST, True, False),
        (T5, None, False, False),
        (None, None, True, True),
        (None, None, False, False),
    ],
    ids=["there", "before", "after", "nowhere", "in the finished picture", "not in the finished picture"],
)
def test_a_reference_that_moved_there_or_before_is_the_one_to_look_at(
    tmp_path: Path, ours: str | None, theirs: str | None, moved: bool, told: bool
) -> None:
    """Where a case only shows what its reference did, the reference is named, and not what the case does besides."""
    whole, full = held_against_itself(tmp_path), made(tmp_path)
    reference = changed(left_at(full, *([theirs] if theirs else ())), nudge, shot="fox") if moved else full
    kept = accepted(full, tmp_path / "references")
    rendered = left_at(changed(whole.rendered_here, nudge, shot="fox"), *([ours] if ours else ()))
    found = replace(whole, rendered=rendered, reference=reference, reference_baseline=kept)
    said = verdict(found, BASELINE).sentence
    assert (not unsaid(said, "full", "its own baseline", "look there first")) is told


def test_a_reference_that_moved_is_suspected_by_what_it_is_made_of(tmp_path: Path) -> None:
    """Its quantized layers can have done it, and the hooks of what offloads it cannot."""
    whole, full = held_against_itself(tmp_path), made(tmp_path)
    parts = whole.rendering.inventory
    assert parts is not None
    transformer = parts.components["transformer"]
    hooked = Inventory({"transformer": replace(transformer, hooks={"CpuOffload": 1})})
    quantized = Inventory({"transformer": replace(transformer, quantized_bytes=9, hooks={"CpuOffload": 1})})
    kept = accepted(full, tmp_path / "references")
    full = left_at(changed(full, nudge, shot="fox"), LAST)
    reference = replace(full, rendering=replace(full.rendering, inventory=quantized))
    rendered = left_at(changed(whole.rendered_here, scramble, shot="fox"), LAST)
    found = replace(whole, rendered=rendered, reference=reference, reference_baseline=kept)
    assert verdict(with_rendering(found, inventory=hooked), BASELINE).suspects == "diffusers or the quantizing library"


@pytest.mark.parametrize("side", ["reference", "reference_baseline"])
def test_a_reference_of_which_too_little_is_known_is_not_named(tmp_path: Path, side: str) -> None:
    """Whether it was not rendered in this run, or was never accepted."""
    whole, full = held_against_itself(tmp_path), made(tmp_path)
    ours = left_at(changed(whole.rendered_here, nudge, shot="fox"), T5)
    kept = accepted(full, tmp_path / "references")
    both = replace(whole, rendered=ours, reference=left_at(full, T5), reference_baseline=kept)
    assert "look there first" in verdict(both, BASELINE).sentence
    found = replace(both, reference=None) if side == "reference" else replace(both, reference_baseline=None)
    assert "look there first" not in verdict(found, BASELINE).sentence


def test_what_has_no_reference_names_none(tmp_path: Path) -> None:
    """The reference of all is looked at itself."""
    whole = evidence(tmp_path, FULL)
    assert whole.rendered is not None
    kept = accepted(whole.rendered, tmp_path / "baselines")
    found = replace(whole, baseline=kept, rendered=left_at(changed(whole.rendered, nudge, shot="fox"), T5))
    assert "look there first" not in verdict(found, BASELINE).sentence


def test_one_of_several_accepted_pictures_is_enough(tmp_path: Path) -> None:
    """A second picture that somebody accepted for a shot passes, by whichever way it came about."""
    whole = held_against_itself(tmp_path)
    assert whole.rendered is not None
    assert whole.baseline is not None
    ours = left_at(changed(whole.rendered, nudge, shot="fox"), LAST)
    picture = ours.rendering.pictures_of()["fox", 0]
    other = AcceptedPicture(picture.sha256, "other.png", "torch 2.11 rounds it so")
    shots = tuple(
        replace(shot, pictures=(*shot.pictures, other)) if shot.shot == "fox" else shot
        for shot in whole.baseline.case.shots
    )
    more = replace(whole.baseline, case=replace(whole.baseline.case, shots=shots))
    before = [entry for entry in whole.rendered.rendering.fingerprints if entry.shot != "fox"]
    prints = (*(entry for entry in ours.rendering.fingerprints if entry.shot == "fox"), *before)
    ours = replace(ours, rendering=replace(ours.rendering, fingerprints=prints))
    assert verdict(replace(whole, rendered=ours, baseline=more), BASELINE).status == PASSED


def test_a_changed_recipe_makes_the_baseline_stale(tmp_path: Path) -> None:
    """Pictures of another recipe are not compared; the command is named."""
    whole = held_against_itself(tmp_path)
    assert whole.baseline is not None
    old = replace(whole.baseline, case=replace(whole.baseline.case, recipes={"fox": "old", "pair": "old"}))
    found = verdict(replace(whole, baseline=old), BASELINE)
    assert found.status == FAILED
    assert not unsaid(found.sentence, "'fox'", "recipe", "fluxgate accept")


def test_a_picture_that_was_never_accepted_fails(tmp_path: Path) -> None:
    """A shot that is new to the baseline is named."""
    whole = held_against_itself(tmp_path)
    assert whole.baseline is not None
    less = replace(whole.baseline, case=replace(whole.baseline.case, shots=whole.baseline.case.shots[:-1]))
    found = verdict(replace(whole, baseline=less), BASELINE)
    assert (found.status, unsaid(found.sentence, "'pair' picture 4")) == (FAILED, [])


def test_an_altered_accepted_picture_is_named(tmp_path: Path) -> None:
    """A baseline's picture that is not the one that was accepted is no reference."""
    whole = held_against_itself(tmp_path)
    assert whole.rendered is not None
    assert whole.baseline is not None
    path = whole.baseline.path_of(whole.baseline.case.shots[0].pictures[0])
    write_png(path, scramble(read_png(path)))
    found = verdict(replace(whole, rendered=changed(whole.rendered, nudge, shot="fox")), BASELINE)
    assert found.status == FAILED
    assert found.sentence.startswith("It cannot be judged: ")
    assert str(path) in found.sentence


def test_a_run_without_pictures_matches_nothing(tmp_path: Path) -> None:
    """Nothing at all is not what was accepted."""
    whole = with_rendering(held_against_itself(tmp_path), pictures=())
    assert not unsaid(verdict(whole, BASELINE).sentence, "no picture")


def test_portable_pictures_are_compared_by_likeness(tmp_path: Path) -> None:
    """On another machine a picture within what machines were measured to do passes, one beyond fails."""
    whole = held_against_itself(tmp_path, machine=PORTABLE)
    assert whole.rendered is not None
    ours = left_at(changed(whole.rendered, nudge), T5, LAST)
    for limits, status in ((CaseLimits(), NO_DATA), (bands(1), PASSED), (bands(0.9), FAILED)):
        found = verdict(replace(whole, rendered=ours, limits=limits), BASELINE)
        assert (found.status, found.numbers["pictures"]) == (status, 5)
        assert "there is none of" not in found.sentence
    assert not unsaid(found.sentence, "portable", "maximum difference 1", "0.9")
    assert found.limit == Limit(0.9, "measured", n=6)
    smaller = changed(whole.rendered, lambda pixels: pixels[:8], shot="fox")
    assert not unsaid(verdict(replace(whole, rendered=smaller), BASELINE).sentence, "cannot be compared", "portable")


def test_what_releases_do_says_nothing_about_machines(tmp_path: Path) -> None:
    """Portable pictures are held to how far machines lie apart, and to nothing where that was not measured."""
    whole = held_against_itself(tmp_path, machine=PORTABLE)
    ours = changed(whole.rendered_here, nudge, shot="fox")
    found = replace(whole, rendered=ours, limits=CaseLimits(drift=bands(0.9).drift))
    assert verdict(found, BASELINE).status == NO_DATA
    wider = replace(found.limits, apart=bands(1).apart)
    assert verdict(replace(found, limits=wider), BASELINE).status == PASSED


def test_rounding_in_float32_needs_no_band(tmp_path: Path) -> None:
    """One level in a few numbers is what machines and releases do to it; a level in every other row is not."""
    whole = evidence(tmp_path, FULL)
    ours = changed(whole.rendered_here, tiled)
    whole = replace(
        whole,
        case=replace(whole.case, subject=replace(whole.case.subject, dtype="float32")),
        baseline=accepted(ours, tmp_path / "baselines", machine=PORTABLE),
    )
    for limits, further in ((CaseLimits(), NO_DATA), (bands(0.5), FAILED)):
        held = replace(whole, limits=limits)
        found = [verdict(replace(held, rendered=changed(ours, how)), BASELINE).status for how in (one_level, nudge)]
        assert found == [PASSED, further]


def test_noise_levels_are_the_same_on_every_machine(tmp_path: Path) -> None:
    """However alike the portable picture is, other levels than its own are a change."""
    whole = replace(held_against_itself(tmp_path, machine=PORTABLE), limits=bands(255))
    assert whole.baseline is not None
    for levels, status in (((1.0, 0.5, 0.0), PASSED), ((1.0, 0.500001, 0.0), PASSED), ((1.0, 0.51, 0.0), FAILED)):
        case = replace(whole.baseline.case, levels={"fox": (1.0, 0.5, 0.0)})
        found = replace(whole, baseline=replace(whole.baseline, case=case))
        found = with_rendering(found, durations=(Duration("denoise", 2.0, "fox", 0, (), levels),))
        told = verdict(found, BASELINE)
        assert (told.status, told.numbers["pictures"]) == (status, 5)
    assert not unsaid(told.sentence, "Changed", "'fox'", "3 noise levels")


def test_a_shot_without_a_portable_picture_is_left_out(tmp_path: Path) -> None:
    """Only a GPU renders it: nothing is said of it but that, and nothing at all where no shot is left."""
    whole = held_against_itself(tmp_path, machine=PORTABLE)
    assert whole.baseline is not None
    case = whole.baseline.case
    fewer = replace(whole.baseline, case=replace(case, shots=tuple(shot for shot in case.shots if shot.shot != "fox")))
    found = verdict(replace(whole, baseline=fewer, limits=bands(1)), BASELINE)
    assert found.status == PASSED
    assert "(there is none of fox)" in found.sentence
    none = replace(whole.baseline, case=replace(case, shots=()))
    found = verdict(replace(whole, baseline=none), BASELINE)
    assert (found.status, "fluxgate accept --portable" in found.sentence) == (NO_DATA, True)


@pytest.mark.parametrize(
    ("drawn", "status"),
    [({"bfloat16": (0.5, -1.0)}, NO_DATA), ({"float32": (0.5, -1.0)}, PASSED), ({}, PASSED)],
    ids=["in the subject's dtype", "in another", "unknown"],
)
def test_pictures_from_other_noise_are_not_compared(
    tmp_path: Path, drawn: dict[str, tuple[float, ...]], status: str
) -> None:
    """Where this torch draws other numbers than the machine's that the portable pictures are of."""
    whole = replace(held_against_itself(tmp_path, machine=PORTABLE), limits=bands(1))
    whole = accepted_with(whole, draws={"bfloat16": (0.5, 1.0), "float32": (0.5, 1.0)})
    found = verdict(with_rendering(whole, draws=drawn), BASELINE)
    assert (found.status, found.numbers["pictures"]) == (status, 5)
    assert status == PASSED or not unsaid(found.sentence, "bfloat16 noise", "fluxgate accept")


@pytest.mark.parametrize("side", ["accepted", "rendered"])
@pytest.mark.parametrize("what", ["a stage", "a shot"])
def test_a_stage_that_one_machine_did_not_note_has_no_other_size(tmp_path: Path, side: str, what: str) -> None:
    """There is nothing to compare it with."""
    whole = replace(held_against_itself(tmp_path, machine=PORTABLE), limits=bands(1))
    assert whole.baseline is not None
    prints = whole.baseline.case.fingerprints if side == "accepted" else whole.rendering.fingerprints
    fewer = tuple(one for one in prints if (one.stage != T5 if what == "a stage" else one.shot != "fox"))
    if side == "accepted":
        found = accepted_with(whole, fingerprints=fewer)
    else:
        recipes = whole.rendering.recipes if what == "a stage" else {}
        found = with_rendering(whole, fingerprints=fewer, recipes=recipes)
    assert verdict(found, BASELINE).status == PASSED


def test_another_size_is_no_other_machines_doing(tmp_path: Path) -> None:
    """Half of the tokens are half of the tokens everywhere, however little the picture moves."""
    whole = held_against_itself(tmp_path, machine=PORTABLE)
    assert whole.rendered is not None
    rendering = whole.rendered.rendering
    prints = tuple(replace(one, shape=(1, 9)) if one.stage == T5 else one for one in rendering.fingerprints)
    told = verdict(with_rendering(whole, fingerprints=prints), BASELINE)
    assert (told.status, told.stage, told.numbers["pictures"]) == (FAILED, T5, 5)
    assert not unsaid(told.sentence, "'fox'", "1 × 9", "1 × 2")
    assert "most likely diffusers or" in told.sentence

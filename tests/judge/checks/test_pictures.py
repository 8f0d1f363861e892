"""Tests of the checks against a second take and against the promise."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fluxgate.baselines.limits import Band, CaseLimits, Limit
from fluxgate.compare.measures import CHANGED, SSIM
from fluxgate.compare.stages import FINISHED
from fluxgate.judge.evidence import Evidence
from fluxgate.judge.verdict import CRASHED, FAILED, NO_DATA, PASSED, PROMISE, TWICE
from fluxgate.pictures import Pixels, read_png
from fluxgate.rendering import DECODED, LAST, T5, Duration, Inventory
from fluxgate.strategies import STRATEGIES
from fluxgate.strategies.effects import Hooked
from fluxgate.strategies.promise import Strategy
from fluxgate.subjects.subject import Shot
from tests.judge.made import (
    CRASH,
    FULL,
    MEASURED,
    NF4,
    OFFLOAD,
    SUBJECT,
    changed,
    crashed,
    evidence,
    left_at,
    made,
    nudge,
    only,
    promising,
    rendering,
    scramble,
    verdict,
    with_rendering,
)
from tests.wording import unsaid

COARSER = "torchao|quanto|gguf|nf4|fp4|int8|fp8"  # what the names of such strategies tell

# Renders the same twice


def test_equal_takes_pass(tmp_path: Path) -> None:
    """Five pictures of two shots that came out the same twice are counted."""
    found = verdict(evidence(tmp_path), TWICE)
    assert (found.status, found.numbers) == (PASSED, {"pictures": 5})
    assert not unsaid(found.sentence, "5 pictures", "fox", "pair", "the same")


def test_another_second_take_fails(tmp_path: Path) -> None:
    """The sentence tells how many pictures, how far, where, in which stage, and what to run."""
    ours = left_at(changed(made(tmp_path, "offload"), nudge, shot="pair", take=1), LAST, DECODED, take=1)
    found = verdict(evidence(tmp_path, rendered=ours), TWICE)
    assert (found.status, found.stage) == (FAILED, LAST)
    assert not unsaid(found.sentence, "4 of 5", "'pair'", "50%", "1/255", "row 0, column 0")
    assert (0.99 < found.numbers[SSIM] < 1, found.suspects) == (True, "diffusers")
    assert "pytest --subject tiny --strategy offload" in found.sentence


def test_pictures_that_differ_alone_were_finished_otherwise(tmp_path: Path) -> None:
    """Where every stage is the same in both takes, the last thing that the pipeline does is named."""
    found = verdict(evidence(tmp_path, rendered=changed(made(tmp_path, "offload"), nudge, take=1)), TWICE)
    assert (found.status, found.stage) == (FAILED, FINISHED)


def test_another_way_to_the_same_pictures_fails_too(tmp_path: Path) -> None:
    """Latents that differ between takes are not the same twice, though no pixel shows it."""
    found = verdict(evidence(tmp_path, rendered=left_at(made(tmp_path, "offload"), T5, take=1)), TWICE)
    assert (found.status, found.stage) == (FAILED, T5)
    assert not unsaid(found.sentence, "the same pictures", "the same way")


def test_shots_rendered_once_do_not_count(tmp_path: Path) -> None:
    """With no second take at all there is nothing to say; with one, that shot alone is judged."""
    once = Path(tmp_path / "once")
    found = verdict(with_rendering(evidence(tmp_path), pictures=rendering("offload", once, takes=1).pictures), TWICE)
    assert (found.status, found.sentence.endswith("--strategy offload --takes 2.")) == (NO_DATA, True)
    both = made(tmp_path, "offload").rendering.pictures
    fox = tuple(picture for picture in both if picture.take == 0 or picture.shot == "fox")
    found = verdict(with_rendering(evidence(tmp_path), pictures=fox), TWICE)
    assert (found.status, found.numbers) == (PASSED, {"pictures": 1})


# Keeps its promise: to the pixel


def test_identical_pictures_keep_the_promise(tmp_path: Path) -> None:
    """Equal hashes are enough, and the likeness is told as 1."""
    found = verdict(evidence(tmp_path), PROMISE)
    assert (found.status, unsaid(found.sentence, "All 5", "identical", "full's")) == (PASSED, [])
    assert (found.numbers[SSIM], found.limit) == (1.0, Limit(1.0, "reproduces: identical"))


def test_a_single_changed_level_breaks_the_promise(tmp_path: Path) -> None:
    """One level of one pixel of one picture is a failure with its place, stage, pictures and command."""

    def once(pixels: np.ndarray) -> np.ndarray:
        pixels[3, 5, 0] ^= 1
        return pixels

    ours = left_at(changed(made(tmp_path, "offload"), once, shot="fox"), DECODED)
    found = verdict(evidence(tmp_path, rendered=ours), PROMISE)
    assert (found.status, found.stage) == (FAILED, DECODED)
    assert found.sentence == (
        "1 of 5 pictures should be identical to full's and is not: shot 'fox' differs in 0.39% of its pixels "
        "by at most 1/255, first at row 3, column 5 (SSIM 0.999999, FLIP 0.000). "
        "It first differs at the decoded picture: most likely diffusers' VAE or torch. "
        f"See {tmp_path}/pictures/tiny-offload-keeps-its-promise-to-its-reference-fox-0-difference.png. "
        "Run pytest --subject tiny --strategy offload."
    )  # fmt: skip
    assert found.numbers["maximum difference"] == 1
    assert found.pictures == {
        "expected": "cases/tiny-full/fox-0.png",
        "actual": "cases/tiny-offload/fox-0-changed0.png",
        "difference": "pictures/tiny-offload-keeps-its-promise-to-its-reference-fox-0-difference.png",
    }


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda pixels: pixels[:8], "is 16×8 where 16×16 is due"),
        (lambda pixels: np.dstack([pixels, pixels[..., :1]]), "is RGBA where RGB is due"),
        (lambda pixels: pixels[..., 0], "is L where RGB is due"),
    ],
    ids=["shape", "alpha", "grey"],
)
def test_pictures_of_another_kind_are_told_in_words(
    tmp_path: Path, change: Callable[[Pixels], Pixels], words: str
) -> None:
    """A mode or a shape that is not the reference's is named, for either kind of promise."""
    for one in (OFFLOAD, NF4):
        ours = changed(made(tmp_path, one.name), change, shot="fox")
        found = verdict(evidence(tmp_path, one, rendered=ours), PROMISE)
        assert found.status == FAILED
        assert f"shot 'fox' {words}" in found.sentence


def test_the_least_alike_picture_is_shown(tmp_path: Path) -> None:
    """Of several pictures that differ, the worst is the one to look at."""
    ours = changed(changed(made(tmp_path, "offload"), nudge, shot="pair"), scramble, shot="fox")
    found = verdict(evidence(tmp_path, rendered=ours), PROMISE)
    assert found.pictures["actual"] == "cases/tiny-offload/fox-0-changed0.png"
    assert found.sentence.startswith("5 of 5 pictures")


def test_a_crashed_reference_is_told_as_that(tmp_path: Path) -> None:
    """Without its reference the case can neither pass nor fail."""
    found = verdict(evidence(tmp_path, reference=crashed(made(tmp_path))), PROMISE)
    assert (found.status, unsaid(found.sentence, "full crashed: see tiny-full.")) == (CRASHED, [])
    assert "SIGSEGV" not in found.sentence


def test_a_reference_that_is_too_large_for_the_limit_asked_for_is_no_crash(tmp_path: Path) -> None:
    """Whoever tries a smaller card asks whether this case fits it, not whether the reference does."""
    full = crashed(made(tmp_path))
    full = replace(full, rendering=replace(full.rendering, crash=replace(CRASH, limit=16 * 10**9)))
    found = verdict(evidence(tmp_path, reference=full, memory_reference=full), PROMISE)
    assert found.status == NO_DATA
    assert not unsaid(found.sentence, "reference full", "16.00 GB")


def test_without_its_reference_there_is_no_data(tmp_path: Path) -> None:
    """The command that renders both is told."""
    found = verdict(evidence(tmp_path, reference=None), PROMISE)
    assert found.status == NO_DATA
    assert not unsaid(found.sentence, "full was not rendered", "pytest --subject tiny --strategy full,offload")


def test_a_reference_that_lacks_a_picture_or_has_another_recipe_is_no_reference(tmp_path: Path) -> None:
    """What cannot be compared with anything fails; another recipe is named."""
    part = made(tmp_path)
    part = replace(part, rendering=only(part.rendering, "fox"))
    found = verdict(evidence(tmp_path, reference=part), PROMISE)
    assert found.status == FAILED
    assert not unsaid(found.sentence, "'pair' picture 1", "nothing to be compared with")
    other = made(tmp_path, "full", recipes={"fox": "0", "pair": SUBJECT.shots[1].recipe})
    assert "rendered from another recipe than full's" in verdict(evidence(tmp_path, reference=other), PROMISE).sentence


# Keeps its promise: by likeness


def floor(value: float) -> CaseLimits:
    return CaseLimits(likeness={SSIM: Band(floor=replace(MEASURED, value=value))})


def nf4(tmp_path: Path, limits: CaseLimits | None = None, **changes: Any) -> Evidence:
    """NF4's pictures, each a little off full's."""
    ours = left_at(changed(made(tmp_path, "nf4"), nudge), T5, LAST, DECODED)
    return evidence(tmp_path, NF4, **{"rendered": ours, "limits": limits or CaseLimits(), **changes})


def test_likeness_is_judged_at_its_floor(tmp_path: Path) -> None:
    """On the floor passes, just above what was found fails."""
    found = verdict(nf4(tmp_path, floor(0.5)), PROMISE)
    assert found.status == PASSED
    least = found.numbers[SSIM]
    assert verdict(nf4(tmp_path, floor(least)), PROMISE).status == PASSED
    assert verdict(nf4(tmp_path, floor(np.nextafter(least, 0))), PROMISE).status == PASSED
    assert verdict(nf4(tmp_path, floor(np.nextafter(least, 1))), PROMISE).status == FAILED


def test_a_missed_floor_is_told_whole(tmp_path: Path) -> None:
    """What was found, the floor and where it came from, the stage, where to look, what to run."""
    found = verdict(nf4(tmp_path, floor(0.999999)), PROMISE)
    assert (found.status, found.stage, found.limit) == (FAILED, T5, replace(MEASURED, value=0.999999))
    assert not unsaid(found.sentence, "like full", "0.999999 (measured, n=40, tiny, diffusers 0.42.1)")
    assert found.suspects == "transformers or tokenizers or diffusers"
    assert "See " in found.sentence
    assert found.sentence.endswith("Run pytest --subject tiny --strategy nf4.")


def test_the_worst_picture_that_misses_its_floor_is_told(tmp_path: Path) -> None:
    """All miss it; the one that misses it most is shown."""
    ours = changed(changed(made(tmp_path, "nf4"), nudge, shot="fox"), scramble, shot="pair")
    found = verdict(evidence(tmp_path, NF4, rendered=ours, limits=floor(0.999999)), PROMISE)
    assert found.sentence.startswith("Shot 'pair' picture ")
    assert "pair-" in found.pictures["actual"]


def test_other_measures_and_the_mean_are_judged_too(tmp_path: Path) -> None:
    """A ceiling on changed pixels, or a band on the mean over all pictures, can be what is broken."""
    ceiling = CaseLimits(likeness={CHANGED: Band(ceiling=Limit(0.4, "measured"))})
    found = verdict(nf4(tmp_path, ceiling), PROMISE)
    assert found.status == FAILED
    assert not unsaid(found.sentence, "full's", "changed pixels 0.5", "0.4 (measured)")
    found = verdict(nf4(tmp_path, CaseLimits(overall={SSIM: Band(floor=Limit(0.99999, "measured"))})), PROMISE)
    assert found.status == FAILED
    assert found.sentence.startswith("The mean of 5 pictures is 0.99")


def test_the_picture_that_breaks_a_limit_is_shown(tmp_path: Path) -> None:
    """Though another one, which keeps this limit, is less like its reference."""

    def with_a_spot(pixels: Pixels) -> Pixels:
        spot = pixels.copy()
        spot[6:10, 6:10] = 255 - spot[6:10, 6:10]
        return spot

    ours = changed(changed(made(tmp_path, "nf4"), nudge, shot="pair"), with_a_spot, shot="fox")
    ceiling = CaseLimits(likeness={CHANGED: Band(ceiling=Limit(0.4, "measured"))})
    found = verdict(evidence(tmp_path, NF4, rendered=ours, limits=ceiling), PROMISE)
    assert found.status == FAILED
    assert "pair-" in found.pictures["actual"]
    assert found.numbers[SSIM] < 0.95  # of the one with the spot


def test_too_much_likeness_can_break_a_limit(tmp_path: Path) -> None:
    """A ceiling on the likeness rejects the un-quantized picture where a quantized one is due."""
    ceiling = CaseLimits(likeness={SSIM: Band(ceiling=Limit(0.9, "measured"))})
    assert "; the ceiling is 0.900 (measured)" in verdict(nf4(tmp_path, ceiling), PROMISE).sentence


def test_without_a_floor_the_picture_is_still_looked_at(tmp_path: Path) -> None:
    """No measured floor is no pass, and says which command measures one."""
    found = verdict(nf4(tmp_path), PROMISE)
    assert found.status == NO_DATA
    assert not unsaid(found.sentence, "No floor", "fluxgate calibrate")
    assert found.numbers[SSIM] > 0.9


def test_pictures_that_were_swapped_fail_without_any_floor(tmp_path: Path) -> None:
    """A picture that is more like another prompt's than its own is found on any machine."""
    ours = made(tmp_path, "nf4")
    first, second = (read_png(ours.folder / f"pair-{index}.png") for index in (0, 2))

    def swapped(pixels: np.ndarray) -> np.ndarray:
        other = second if np.array_equal(pixels, first) else first if np.array_equal(pixels, second) else pixels
        return nudge(other)

    found = verdict(evidence(tmp_path, NF4, rendered=changed(ours, swapped, shot="pair")), PROMISE)
    assert found.status == FAILED
    assert not unsaid(found.sentence, "'pair' picture 1 is more like shot 'pair' picture 3")


def test_other_noise_starts_another_picture(tmp_path: Path) -> None:
    """Where torch draws other numbers in a strategy's dtype, its pictures cannot be compared with the reference's."""
    own = replace(promising("wide", "casting", approximates="full"), noise="float32")
    draws: dict[str, tuple[float, ...]] = {"float32": (0.5, 1.0), "bfloat16": (0.5, -1.0)}
    reference = made(tmp_path, draws=draws)
    ours = changed(made(tmp_path, "wide", draws=draws), scramble)
    found = verdict(evidence(tmp_path, own, rendered=ours, reference=reference), PROMISE)
    assert found.status == NO_DATA
    assert not unsaid(found.sentence, "other noise in float32 than in bfloat16")
    alike: dict[str, tuple[float, ...]] = {"float32": (0.5, 1.0), "bfloat16": (0.5, 1.0)}
    ours, reference = (replace(one, rendering=replace(one.rendering, draws=alike)) for one in (ours, reference))
    found = verdict(evidence(tmp_path, own, rendered=ours, reference=reference, limits=floor(0.9)), PROMISE)
    assert found.status == FAILED


@pytest.mark.parametrize(("changes_weights", "status"), [(True, FAILED), (False, PASSED)])
def test_what_changes_the_weights_changes_the_pictures(tmp_path: Path, changes_weights: bool, status: str) -> None:
    """Pictures identical to the reference's prove that nothing was quantized; tiling may change nothing."""
    one = promising("some", "any", approximates="full", changes_weights=changes_weights)
    found = verdict(evidence(tmp_path, one, limits=floor(0.9)), PROMISE)
    assert found.status == status
    assert (unsaid(found.sentence, "weights were not changed") == []) is changes_weights


@pytest.mark.parametrize(("of", "words"), [("transformer", "do not depend on it"), ("unet", "were not changed")])
def test_weights_that_the_inventory_shows_changed_are_not_called_unchanged(tmp_path: Path, of: str, words: str) -> None:
    """Identical pictures are a failure all the same, and the sentence says what is known."""
    effects = (Hooked("CpuOffload", of=(of,), at_least=0),)
    one = promising("some", "any", approximates="full", changes_weights=True, effects=effects)
    found = verdict(evidence(tmp_path, one, limits=floor(0.9)), PROMISE)
    assert (found.status, unsaid(found.sentence, words)) == (FAILED, [])


STORED_OTHERWISE = [one for one in STRATEGIES if one.promise.approximates and re.search(COARSER, one.name)]


@pytest.mark.parametrize("strategy", STORED_OTHERWISE, ids=lambda one: one.name)
def test_no_strategy_that_stores_weights_otherwise_may_do_nothing(tmp_path: Path, strategy: Strategy) -> None:
    """Whichever file it is in and whichever library does it."""
    assert verdict(evidence(tmp_path, strategy), PROMISE).status == FAILED


# What any rendering owes


def test_a_reference_passes_when_it_is_whole(tmp_path: Path) -> None:
    """What promises nothing is still looked at."""
    found = verdict(evidence(tmp_path, FULL), PROMISE)
    assert found.status == PASSED
    assert not unsaid(found.sentence, "5 pictures", "each shows something")


@pytest.mark.parametrize(("level", "word"), [(0, "black"), (128, "grey"), (255, "white")])
def test_a_blank_picture_fails_whatever_it_is_held_against(tmp_path: Path, level: int, word: str) -> None:
    """Grey, black and white are named, even where the reference shows the same."""
    ours = changed(made(tmp_path), lambda pixels: np.full_like(pixels, level), shot="fox")
    found = verdict(evidence(tmp_path, FULL, rendered=ours), PROMISE)
    assert found.status == FAILED
    assert not unsaid(found.sentence, "'fox' shows nothing", word)


@pytest.mark.parametrize(
    ("stage", "who"),
    [
        (T5, "transformers or tokenizers or diffusers or bitsandbytes"),
        (LAST, "diffusers"),
        (DECODED, "diffusers' VAE or torch"),
    ],
)
def test_whoever_works_in_a_stage_is_suspected_of_its_nan(tmp_path: Path, stage: str, who: str) -> None:
    """The quantizing library too, where the inventory has its layers."""
    ours = made(tmp_path)
    parts = dict(ours.rendering.inventory.components) if ours.rendering.inventory else {}
    parts["text_encoder_2"] = replace(parts["text_encoder"], module_classes={"Linear4bit": 1})
    prints = tuple(replace(entry, finite=entry.stage != stage) for entry in ours.rendering.fingerprints)
    found = with_rendering(evidence(tmp_path, FULL), fingerprints=prints, inventory=Inventory(parts))
    told = verdict(found, PROMISE)
    assert (told.status, told.stage, told.suspects) == (FAILED, stage, who)


def test_numbers_that_are_not_finite_fail(tmp_path: Path) -> None:
    """A NaN in the latents is named with its stage."""
    ours = made(tmp_path)
    prints = tuple(replace(entry, finite=entry.stage != LAST) for entry in ours.rendering.fingerprints)
    found = verdict(with_rendering(evidence(tmp_path, FULL), fingerprints=prints), PROMISE)
    assert (found.status, unsaid(found.sentence, "'fox'", "NaN", LAST)) == (FAILED, [])


def test_a_nan_that_became_a_pixel_fails(tmp_path: Path) -> None:
    """It arose after the last stage that is fingerprinted; numpy has seen it."""
    told = ("numpy: RuntimeWarning: invalid value encountered in cast",)
    found = verdict(with_rendering(evidence(tmp_path, FULL), warnings=told), PROMISE)
    assert (found.status, unsaid(found.sentence, "NaN", "cast to a pixel")) == (FAILED, [])
    assert (found.stage, found.suspects) == (DECODED, "diffusers' VAE or torch")


def test_missing_pictures_and_old_recipes_fail(tmp_path: Path) -> None:
    """A shot with too few pictures, or of another recipe than today's, is not judged further."""
    part = with_rendering(evidence(tmp_path, FULL), pictures=made(tmp_path).rendering.pictures[1:])
    assert not unsaid(verdict(part, PROMISE).sentence, "'fox'", "0 of the 1")
    three = tuple(picture for picture in made(tmp_path).rendering.pictures if picture.index != 2)
    part = with_rendering(evidence(tmp_path, FULL), pictures=three)
    assert not unsaid(verdict(part, PROMISE).sentence, "'pair'", "3 of the 4")
    old = with_rendering(evidence(tmp_path, FULL), recipes={"fox": "old", "pair": SUBJECT.shots[1].recipe})
    assert not unsaid(verdict(old, PROMISE).sentence, "'fox'", "another recipe")


@pytest.mark.parametrize(("taken", "status"), [(3, FAILED), (4, PASSED), (7, PASSED), (0, PASSED)])
def test_fewer_steps_than_were_asked_for_fail(tmp_path: Path, taken: int, status: str) -> None:
    """Schedulers of a higher order take more; where no step was seen, none is missed."""
    durations = (Duration("denoise", 2.0, "fox", 0, (0.5,) * taken),)
    found = verdict(with_rendering(evidence(tmp_path, FULL), durations=durations), PROMISE)
    assert found.status == status
    if status == FAILED:
        assert not unsaid(found.sentence, "'fox'", "took 3 steps", "4 were asked for")


@pytest.mark.parametrize(
    ("calls", "each", "status"),
    [(4, 1, PASSED), (5, 1, FAILED), (12, 1, FAILED), (8, 2, PASSED), (4, 2, FAILED), (None, 1, PASSED)],
)
def test_the_denoiser_is_called_as_often_as_its_subject_says(
    tmp_path: Path, calls: int | None, each: int, status: str
) -> None:
    """A call too many in each step is the same picture in twice the time."""
    durations = (Duration("denoise", 2.0, "fox", 0, (0.5,) * 4, calls=calls),)
    whole = with_rendering(evidence(tmp_path, FULL), durations=durations)
    subject = replace(whole.case.subject, calls_per_step=each)
    found = verdict(replace(whole, case=replace(whole.case, subject=subject)), PROMISE)
    assert found.status == status
    said = f"Shot 'fox' called the denoiser {calls} times in 4 steps where {4 * each} are due"
    assert found.sentence.startswith(said) == (status == FAILED)


@pytest.mark.parametrize("phase", ["encode", "decode"])
def test_nothing_is_done_twice(tmp_path: Path, phase: str) -> None:
    """The same prompt or the same latents once more are the same picture in more time."""
    durations = (Duration(phase, 2.0, "fox", 0, repeats=1),)
    found = verdict(with_rendering(evidence(tmp_path, FULL), durations=durations), PROMISE)
    assert found.status == FAILED
    assert not unsaid(found.sentence, "'fox'", f"{phase}d", "1 time")


def test_an_approximation_goes_through_the_noise_levels_of_its_reference(tmp_path: Path) -> None:
    """One step fewer looks too much alike to be told by the picture."""
    whole = nf4(tmp_path, floor(0.5))
    assert whole.reference is not None
    for ours, status in (((1.0, 0.5, 0.0), PASSED), ((1.0, 0.4, 0.0), FAILED), ((1.0, 0.0), FAILED)):
        beside = replace(
            whole.reference.rendering, durations=(Duration("denoise", 2.0, "fox", 0, (), (1.0, 0.5, 0.0)),)
        )
        found = replace(whole, reference=replace(whole.reference, rendering=beside))
        found = with_rendering(found, durations=(Duration("denoise", 2.0, "fox", 0, (), ours),))
        assert verdict(found, PROMISE).status == status
    assert not unsaid(verdict(found, PROMISE).sentence, "'fox'", "through 2 noise levels", "full's through 3")
    assert not unsaid(verdict(found, PROMISE).sentence, "level 2 is 0.0000", "0.5000", "diffusers' scheduler")


def test_a_size_that_was_not_asked_for_fails(tmp_path: Path) -> None:
    """16 × 16 is not the 32 × 16 of the shot; a size that the pipeline rounds, or chooses, is left to it."""
    for height, own_size, status in ((16, False, PASSED), (32, False, FAILED), (20, False, PASSED), (32, True, PASSED)):
        shot = Shot("fox", ("a fox",), 1, height=height, width=16, own_size=own_size)
        whole = evidence(tmp_path, FULL)
        subject = replace(SUBJECT, shots=(shot,))
        ours = replace(only(whole.rendering, "fox"), recipes={"fox": shot.recipe})
        whole = replace(with_rendering(whole, **vars(ours)), case=replace(whole.case, subject=subject))
        assert verdict(whole, PROMISE).status == status, height


@pytest.mark.parametrize(
    ("data", "words"),
    [(b"", "is not a PNG"), (b"GIF89a" + b"0" * 40, "is not a PNG"), (None, "is missing")],
    ids=["empty", "no PNG", "missing"],
)
def test_a_damaged_picture_file_is_named(tmp_path: Path, data: bytes | None, words: str) -> None:
    """A file that cannot be read fails the check in a sentence with its path."""
    whole = evidence(tmp_path, FULL)
    path = tmp_path / "cases" / "tiny-full" / "fox-0.png"
    path.unlink() if data is None else path.write_bytes(data)
    found = verdict(whole, PROMISE)
    assert found.status == FAILED
    assert "fox-0.png" in found.sentence
    assert words in found.sentence


def test_a_truncated_and_an_altered_picture_are_told_apart(tmp_path: Path) -> None:
    """Half a PNG is damaged; a whole one with other pixels is not the picture that was rendered."""
    whole = evidence(tmp_path, FULL)
    path = tmp_path / "cases" / "tiny-full" / "fox-0.png"
    path.write_bytes(path.read_bytes()[:200])
    assert "is a damaged PNG" in verdict(whole, PROMISE).sentence
    path.write_bytes((path.parent / "pair-0.png").read_bytes())
    assert not unsaid(verdict(whole, PROMISE).sentence, "not the picture that was rendered")


def test_a_name_that_leads_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    """A path in a rendering's file name is never followed."""
    pictures = tuple(replace(picture, file="../../../etc/passwd") for picture in made(tmp_path).rendering.pictures)
    found = verdict(with_rendering(evidence(tmp_path, FULL), pictures=pictures), PROMISE)
    assert found.status == FAILED
    assert "which is no file name" in found.sentence


def test_a_shot_whose_name_is_a_path_names_no_path(tmp_path: Path) -> None:
    """A hostile name in a rendering does not decide where a difference is drawn."""
    pictures = made(tmp_path, "offload").rendering.pictures
    hostile = tuple(replace(each, shot="../../x", sha256=str(each.take) * 64) for each in pictures)
    found = verdict(with_rendering(evidence(tmp_path), pictures=hostile), TWICE)
    assert found.status == FAILED
    assert ".." not in found.pictures["difference"]
    assert (
        "no file name" in verdict(with_rendering(evidence(tmp_path), pictures=(*pictures, *hostile)), PROMISE).sentence
    )

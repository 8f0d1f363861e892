"""Tests of what the settings of a published guide change, told from tiny pictures."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from fluxgate.judge.verdict import NOT_SELECTED, PROMISE, UNSUPPORTED, Verdict
from fluxgate.pictures import Pixels, write_png
from fluxgate.rendering import DECODED, LAST, T5
from fluxgate.report.published_settings import PublishedSettings, published_settings
from fluxgate.runs.rendered import Rendered
from fluxgate.strategies import STRATEGIES
from fluxgate.strategies.staging import PUBLISHED
from tests.judge.made import changed, crashed, left_at, made, nudge, only, scramble
from tests.runs.building import pixels
from tests.wording import unsaid

HALF, SHORT, BOTH = "staged-float16", "staged-256-tokens", "staged-as-published"


def run(folder: Path, **others: Rendered) -> dict[str, Rendered]:
    """Full, and renderings under the three strategies, given by the setting; those not given show something else."""
    found = {"full": made(folder)}
    for key, name in {"half": HALF, "short": SHORT, "both": BOTH}.items():
        found[name] = others[key] if key in others else changed(made(folder, name), scramble)
    return {f"tiny-{name}": one for name, one in found.items()}


def smaller(given: Pixels) -> Pixels:
    return given[:, :8]


def one(found: tuple[PublishedSettings, ...]) -> PublishedSettings:
    assert len(found) == 1
    return found[0]


def test_the_settings_are_strategies_of_the_matrix() -> None:
    """Each is in the list, approximates what they approximate together, and has one setting of theirs."""
    every = (*PUBLISHED.separate.values(), PUBLISHED.combined)
    assert [strategy in STRATEGIES for strategy in every] == [True] * 3
    assert {strategy.promise.reference for strategy in every} == {"full"}
    together = set(PUBLISHED.combined.promise.effects)
    assert all(together & set(strategy.promise.effects) for strategy in PUBLISHED.separate.values())


def test_each_setting_is_measured_against_full(tmp_path: Path) -> None:
    """Least and mean SSIM, the largest difference, the share of pixels and the stage, alone and together."""
    half = left_at(changed(made(tmp_path, HALF), scramble, shot="fox"), LAST, DECODED)
    short = left_at(changed(made(tmp_path, SHORT), nudge), T5, LAST, DECODED)
    found = one(published_settings(run(tmp_path, half=half, short=short)))
    assert (found.subject, found.reference) == ("tiny", "full")
    first, second, third = found.changes
    assert [change.setting for change in found.changes] == ["float16", "256 tokens", "float16 and 256 tokens"]
    assert (first.first_stage, second.first_stage, third.first_stage) == (
        "latents after the last step",
        "prompt embeddings",
        None,
    )
    assert first.least_ssim < 0.2 < first.mean_ssim < 1.0
    assert first.mean_ssim == pytest.approx((first.least_ssim + 4.0) / 5)  # one of the five pictures was moved
    assert (second.largest_difference, second.changed_pixels) == (1.0, 0.5)
    assert first.changed_pixels == pytest.approx(1 / 5, abs=0.01)
    assert first.largest_difference > 200
    assert first.pictures == second.pictures == (("fox", 0), *(("pair", index) for index in range(4)))


@pytest.mark.parametrize("more, less", [("float16", "256 tokens"), ("256 tokens", "float16")])
def test_the_setting_that_moved_the_pictures_more_is_named(more: str, less: str, tmp_path: Path) -> None:
    """By the mean over all pictures, with both figures."""
    names = {setting: strategy.name for setting, strategy in PUBLISHED.separate.items()}
    keys = {"float16": "half", "256 tokens": "short"}
    gentle = {keys[less]: changed(made(tmp_path, names[less]), nudge)}
    found = one(published_settings(run(tmp_path, **gentle)))  # the other shows something else
    means = {change.setting: change.mean_ssim for change in found.changes}
    assert means[more] < means[less]
    assert not unsaid(found.sentence, f"{more} changed the pictures more than {less}")
    assert " against 0.99" in found.sentence


def test_noise_that_float16_would_have_changed_is_told(tmp_path: Path) -> None:
    """Where torch draws other numbers in float16, the sentence says that these pictures started alike nevertheless."""
    dtype = made(tmp_path).rendering.fingerprints[0].dtype
    for in_half, told in (((0.5, 1.0), False), ((0.5, -1.0), True)):
        rendered = run(tmp_path) | {"tiny-full": made(tmp_path, draws={dtype: (0.5, 1.0), "float16": in_half})}
        assert (unsaid(one(published_settings(rendered)).sentence, "other numbers in float16") == []) is told


def test_alike_and_not_at_all_are_said(tmp_path: Path) -> None:
    """Two settings that did the same are not ranked, and two that did nothing did nothing."""
    alike = one(published_settings(run(tmp_path)))
    assert not unsaid(alike.sentence, "float16 and 256 tokens", "equally")
    still = one(published_settings(run(tmp_path, half=made(tmp_path, HALF), short=made(tmp_path, SHORT))))
    assert not unsaid(still.sentence, "Neither float16 nor 256 tokens")
    assert (still.changes[0].least_ssim, still.changes[0].first_stage) == (1.0, None)
    half = one(published_settings(run(tmp_path, short=made(tmp_path, SHORT))))
    assert not unsaid(half.sentence, "float16 changed the pictures more than 256 tokens")
    assert half.sentence.endswith(" against 1.")


def test_the_earliest_stage_of_any_shot_is_told(tmp_path: Path) -> None:
    """One shot left the reference while denoising, another before."""
    both = made(tmp_path, BOTH)
    stages = {"fox": (LAST, DECODED), "pair": (T5, LAST, DECODED)}
    prints = tuple(
        replace(entry, sha256="f" * 64) if entry.stage in stages[entry.shot] else entry
        for entry in both.rendering.fingerprints
    )
    found = one(
        published_settings(run(tmp_path, both=replace(both, rendering=replace(both.rendering, fingerprints=prints))))
    )
    assert found.changes[2].first_stage == "prompt embeddings"


def test_type_and_size_of_what_differs_are_told(tmp_path: Path) -> None:
    """Float16 and fewer tokens show in the embeddings themselves."""
    short = made(tmp_path, BOTH)
    prints = tuple(
        replace(entry, sha256="f" * 64, dtype="float16", shape=(1, 3)) if entry.stage == T5 else entry
        for entry in short.rendering.fingerprints
    )
    found = one(
        published_settings(run(tmp_path, both=replace(short, rendering=replace(short.rendering, fingerprints=prints))))
    )
    assert found.changes[2].first_stage == "prompt embeddings (float16 for bfloat16, 1×3 for 1×2)"


def test_what_was_not_rendered_leaves_it_open(tmp_path: Path) -> None:
    """The verdict's reason is given; what was rendered is told nevertheless."""
    renderings = {name: found for name, found in run(tmp_path).items() if name in ("tiny-full", f"tiny-{SHORT}")}
    reason = "a GPU is needed: CPUs are slow"
    told = one(published_settings(renderings, [Verdict("tiny", HALF, PROMISE, UNSUPPORTED, reason)]))
    assert [change.strategy for change in told.changes] == [SHORT]
    assert not unsaid(told.sentence, "float16 and 256 tokens", "not known", f"float16 was not rendered ({reason})")
    without = {name: found for name, found in run(tmp_path).items() if name != f"tiny-{BOTH}"}
    assert not unsaid(one(published_settings(without)).sentence, "equally")  # together is not needed for it
    unselected = Verdict("tiny", HALF, PROMISE, NOT_SELECTED, "It was not selected.")
    told = one(published_settings(renderings, [unselected]))
    assert not unsaid(told.sentence, "float16 was not rendered", "not selected")
    assert one(published_settings(renderings)).sentence.endswith("float16 was not rendered.")


def test_a_crash_or_a_damaged_picture_leaves_it_open(tmp_path: Path) -> None:
    """A case that gave no whole set of pictures is not measured."""
    told = one(published_settings(run(tmp_path, half=crashed(made(tmp_path, HALF)))))
    assert not unsaid(told.sentence, "float16 crashed", "SIGSEGV")
    other = changed(made(tmp_path, HALF), smaller, shot="fox")
    told = one(published_settings(run(tmp_path, half=other)))
    assert not unsaid(told.sentence, "float16's shot 'fox'", "8×16", "16×16")
    write_png(other.folder / "fox-0-changed0.png", pixels(5))
    told = one(published_settings(run(tmp_path, half=other)))
    assert "float16's shot 'fox' cannot be compared: " in told.sentence


def test_other_pictures_are_not_ranked(tmp_path: Path) -> None:
    """A setting measured on fewer shots is no match for one measured on all."""
    half = changed(made(tmp_path, HALF), scramble)
    told = one(published_settings(run(tmp_path, half=replace(half, rendering=only(half.rendering, "fox")))))
    assert not unsaid(told.sentence, "not known", "the same pictures")


def test_a_run_without_the_settings_has_no_findings(tmp_path: Path) -> None:
    """Nor has one without the reference, or whose reference crashed."""
    assert published_settings({}) == ()
    assert published_settings({"tiny-full": made(tmp_path)}) == ()
    assert published_settings({f"tiny-{HALF}": made(tmp_path, HALF)}) == ()
    assert published_settings({"tiny-full": crashed(made(tmp_path)), f"tiny-{HALF}": made(tmp_path, HALF)}) == ()


def test_each_subject_has_its_own_findings(tmp_path: Path) -> None:
    """Pictures of two subjects are never mixed."""
    other = {
        case_id.replace("tiny", "grown"): replace(found, rendering=replace(found.rendering, subject="grown"))
        for case_id, found in run(tmp_path, half=made(tmp_path, HALF)).items()
    }
    first, second = published_settings({**run(tmp_path), **other})
    assert (first.subject, second.subject) == ("tiny", "grown")
    assert first.changes[0].mean_ssim < 1.0 == second.changes[0].mean_ssim

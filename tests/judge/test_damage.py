"""What keeps a change of pictures from being called drift, and whoever reads it from accepting a fault."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fluxgate.judge.damage import damage, float32_moved
from fluxgate.judge.verdict import BASELINE
from fluxgate.pictures import Pixels
from fluxgate.rendering import output_of
from fluxgate.strategies.effects import REUSED, Counted, Stored
from tests.judge.checks.stages import take_of
from tests.judge.checks.test_accepted import (
    INVITATION,
    is_drift,
    moved_a_little,
    resized,
)
from tests.judge.made import FULL, SUBJECT, accepted, changed, evidence, verdict, with_rendering
from tests.wording import unsaid

OURS = replace(SUBJECT, oracle="miniature")


def test_rounding_alone_is_drift_and_may_be_accepted(tmp_path: Path) -> None:
    """Float32 is what it was, and so are weights, settings and effects."""
    told = verdict(moved_a_little(tmp_path), BASELINE)
    assert is_drift(told)
    assert INVITATION in told.sentence


def test_what_moves_float32_is_no_drift(tmp_path: Path) -> None:
    """However little the pictures moved."""
    told = verdict(moved_a_little(tmp_path, float32=True), BASELINE)
    assert not is_drift(told)
    assert INVITATION not in told.sentence
    assert "full-float32" in told.sentence


@pytest.mark.parametrize(
    "changes",
    [{"bytes_by_dtype": {"bfloat16": 900, "float32": 100}}, {"state_sha256": "c" * 64}, {"settings": {"a": "b"}}],
    ids=["dtypes", "weights", "settings"],
)
def test_what_lies_in_memory_is_no_drift(tmp_path: Path, changes: dict[str, object]) -> None:
    """Other weights, dtypes or settings are told, not accepted."""
    told = verdict(resized(moved_a_little(tmp_path), **changes), BASELINE)
    assert not is_drift(told)
    assert "transformer is not what was accepted" in told.sentence
    assert INVITATION not in told.sentence


@pytest.mark.parametrize(("release", "drifts"), [(None, False), ("0.0.1", True)], ids=["the same", "another"])
def test_without_another_release_nothing_drifts(tmp_path: Path, release: str | None, drifts: bool) -> None:
    """On one machine the same libraries give the same pixels, so that something else has changed."""
    found = moved_a_little(tmp_path)
    libraries = {name: release or version for name, version in found.accepted_facts.stack.items()}
    assert libraries
    told = verdict(with_rendering(found, libraries=libraries), BASELINE)
    assert (is_drift(told), INVITATION in told.sentence) == (drifts, drifts)
    assert ("no release has changed" in told.sentence) is not drifts


def test_an_oracle_that_does_not_know_what_a_strategy_computes_is_not_asked(tmp_path: Path) -> None:
    """A cache leaves out blocks, so that its stages are never the oracle's, in a sound stack as little."""
    found = moved_a_little(tmp_path)
    assert found.rendered is not None
    take = take_of(found.rendered.folder, bent={output_of(1): lambda values: values * 1.05})
    found = with_rendering(replace(found, case=replace(found.case, subject=OURS)), given=take)
    assert not unsaid(str(damage(found)), "oracle", "denoiser's output in step 1")
    caching = replace(found.case.strategy.promise, effects=(Counted(REUSED, at_most=9),))
    found = replace(found, case=replace(found.case, strategy=replace(found.case.strategy, promise=caching)))
    assert "oracle" not in str(damage(with_rendering(found, inventory=None)))


def test_an_oracle_that_agrees_or_was_not_asked_proves_no_damage(tmp_path: Path) -> None:
    """Only a stage that is wrong does."""
    found = moved_a_little(tmp_path)
    assert found.rendered is not None
    agreeing = take_of(found.rendered.folder)
    found = replace(found, case=replace(found.case, subject=OURS))
    for take in (None, agreeing):
        assert damage(with_rendering(found, given=take)) is None


def test_a_missing_effect_is_no_drift(tmp_path: Path) -> None:
    """A strategy that did nothing has not drifted."""
    found = moved_a_little(tmp_path)
    strategy = found.case.strategy
    promise = replace(strategy.promise, effects=(Counted("tiles decoded", at_least=2),))
    found = replace(found, case=replace(found.case, strategy=replace(strategy, promise=promise)))
    assert "tiles decoded" in str(damage(found))
    assert not is_drift(verdict(found, BASELINE))


def test_what_is_missing_may_be_a_share(tmp_path: Path) -> None:
    """A sentence that tells of percents is told whole."""
    found = moved_a_little(tmp_path)
    strategy = found.case.strategy
    promise = replace(strategy.promise, effects=(Stored("float32", of=("transformer",)),))
    found = replace(found, case=replace(found.case, strategy=replace(strategy, promise=promise)))
    assert not unsaid(verdict(found, BASELINE).sentence, "0.0% of its bytes are float32", "99%")


def test_float32_is_its_own_witness(tmp_path: Path) -> None:
    """The case in float32 needs no other: half of its pixels are more than rounding moves."""
    whole = moved_a_little(tmp_path, float32=None)
    named = replace(whole.case, strategy=replace(whole.case.strategy, name="full-float32"))
    assert float32_moved(whole) is None
    assert float32_moved(replace(whole, case=named)) is True


@pytest.mark.parametrize(
    ("number", "by", "moved"), [(10, 1, False), (11, 1, True), (10, 2, True)], ids=["few", "more", "further"]
)
def test_float32_may_move_a_level_in_a_thousandth_of_its_pixels(
    tmp_path: Path, number: int, by: int, moved: bool
) -> None:
    """As from one release of transformers to another, on ten thousand pixels."""

    def large(pixels: Pixels) -> Pixels:
        return pixels.repeat(7, axis=0).repeat(7, axis=1)[:100, :100]

    def a_little(pixels: Pixels) -> Pixels:
        other = pixels.copy()
        first = other[0, :number, 0]
        other[0, :number, 0] = np.where(first < 128, first + by, first - by)
        return other

    whole = evidence(tmp_path, replace(FULL, name="full-float32"))
    before = changed(whole.rendered_here, large)
    kept = accepted(before, tmp_path / "baselines")
    found = replace(whole, rendered=changed(before, a_little, shot="fox"), baseline=kept)
    assert float32_moved(found) is moved

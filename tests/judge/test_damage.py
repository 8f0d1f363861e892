"""What keeps a change of pictures from being called drift, and whoever reads it from accepting a fault."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from fluxgate.judge.checks.accepted import DRIFTED
from fluxgate.judge.damage import damage, float32_moved
from fluxgate.judge.evidence import Evidence
from fluxgate.judge.verdict import BASELINE, FAILED, Verdict
from fluxgate.rendering import T5, Inventory, output_of
from fluxgate.strategies.effects import REUSED, Counted, Stored
from tests.judge.checks.stages import take_of
from tests.judge.checks.test_accepted import bands, beside_float32, held_against_itself
from tests.judge.made import FULL, SUBJECT, accepted, changed, evidence, left_at, made, nudge, verdict, with_rendering
from tests.wording import unsaid

INVITATION = "fluxgate accept"
OURS = replace(SUBJECT, oracle="miniature")


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


def test_rounding_alone_is_drift_and_may_be_accepted(tmp_path: Path) -> None:
    """Float32 is what it was, and so are weights, settings and effects."""
    told = verdict(moved_a_little(tmp_path), BASELINE)
    assert is_drift(told)
    assert INVITATION in told.sentence


@pytest.mark.parametrize("float32", [True, None])
def test_what_moves_float32_is_no_drift(tmp_path: Path, float32: bool | None) -> None:
    """However little the pictures moved; and where float32 is not known, nobody is asked to accept anything."""
    told = verdict(moved_a_little(tmp_path, float32=float32), BASELINE)
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


def test_the_same_pixels_from_other_weights_are_no_drift(tmp_path: Path) -> None:
    """Where only a stage before the picture differs, the weights decide what it is called."""
    whole = beside_float32(held_against_itself(tmp_path), tmp_path)
    assert whole.rendered is not None
    found = replace(whole, rendered=left_at(whole.rendered, T5))
    assert is_drift(verdict(found, BASELINE))
    assert not is_drift(verdict(resized(found, state_sha256="c" * 64), BASELINE))


def test_float32_is_its_own_witness(tmp_path: Path) -> None:
    """The case in float32 needs no other: half of its pixels are more than rounding moves."""
    whole = moved_a_little(tmp_path, float32=None)
    named = replace(whole.case, strategy=replace(whole.case.strategy, name="full-float32"))
    assert float32_moved(whole) is None
    assert float32_moved(replace(whole, case=named)) is True


def test_a_reference_that_moved_too_is_the_one_to_look_at(tmp_path: Path) -> None:
    """Where a case only shows what its reference did, the reference is named, and not what the case does besides."""
    whole = held_against_itself(tmp_path)
    assert whole.rendered is not None
    kept = accepted(made(tmp_path, "full"), tmp_path / "references")
    ours = left_at(changed(whole.rendered, nudge, shot="fox"), T5)
    alone = replace(whole, rendered=ours, reference_baseline=kept)
    assert "look there first" not in verdict(alone, BASELINE).sentence
    full = left_at(changed(made(tmp_path, "full"), nudge, shot="fox"), T5)
    told = verdict(replace(alone, reference=full), BASELINE)
    assert not unsaid(told.sentence, "full", "its own baseline", "look there first")


def test_what_has_no_reference_names_none(tmp_path: Path) -> None:
    """The reference of all is looked at itself."""
    whole = evidence(tmp_path, FULL)
    assert whole.rendered is not None
    kept = accepted(whole.rendered, tmp_path / "baselines")
    found = replace(whole, baseline=kept, rendered=left_at(changed(whole.rendered, nudge, shot="fox"), T5))
    assert "look there first" not in verdict(found, BASELINE).sentence


def thinned(found: Evidence, *shots: str) -> Evidence:
    """The same, where of these shots only the hashes were kept."""
    baseline = found.baseline
    assert baseline is not None
    kept = tuple(
        replace(shot, pictures=tuple(replace(one, kept=shot.shot not in shots) for one in shot.pictures))
        for shot in baseline.case.shots
    )
    return replace(found, baseline=replace(baseline, case=replace(baseline.case, shots=kept)))


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

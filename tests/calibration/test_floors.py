"""Floors: they let the legal pass, reject what can be rejected, and name what cannot."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxgate.baselines.limits import Band
from fluxgate.calibration import floors
from fluxgate.calibration.floors import Finding, Measured, Origin, Sample
from fluxgate.compare.measures import COLOUR, FLIP, GAIN, MEAN_DIFFERENCE, SHIFT, SSIM

ORIGIN = Origin("a-machine", {"diffusers": "0.42.1"}, "2026-03-01")
LIKE = {SSIM: 0.95, FLIP: 0.05, GAIN: 0.004, COLOUR: 0.5, SHIFT: 0.02, MEAN_DIFFERENCE: 3.0}
SPREAD = {SSIM: 0.01, FLIP: 0.005, GAIN: 0.001, COLOUR: 0.1, SHIFT: 0.005, MEAN_DIFFERENCE: 0.3}


def drawn(n: int, *, seed: int = 0, **middle: float) -> tuple[Sample, ...]:
    """Likenesses around a middle, with the legal spread."""
    rng = np.random.default_rng(seed)
    middles = {**LIKE, **{name.replace("_", " "): value for name, value in middle.items()}}
    return tuple({m: float(middles[m] + SPREAD[m] * rng.uniform(-1, 1)) for m in middles} for _ in range(n))


def samples(n: int = 40, pictures: int = 8, **controls: tuple[Sample, ...]) -> Measured:
    return Measured("tiny", "nf4", "full", drawn(n), {k.replace("_", " "): v for k, v in controls.items()}, pictures)


def found(given: Measured) -> Finding:
    finding = floors.find_limits(given, ORIGIN)
    assert finding is not None
    return finding


def passes(sample: Sample, bands: dict[str, Band]) -> bool:
    return all(band.broken(sample[measure]) is None for measure, band in bands.items())


IDENTICAL: Sample = {SSIM: 1.0, FLIP: 0.0, GAIN: 0.0, COLOUR: 0.0, SHIFT: 0.0, MEAN_DIFFERENCE: 0.0}


def test_legal_pictures_pass_and_far_controls_do_not() -> None:
    """What is far away on one measure is rejected by it, and every legal picture keeps every limit."""
    finding = found(samples(grey=drawn(8, ssim=0.1), brighter=drawn(8, gain=0.02), shifted=drawn(8, shift=1.0)))
    assert all(passes(sample, finding.limits.likeness) for sample in drawn(40))
    assert finding.limits.unseparated == ()
    by = {margin.control: margin.measure for margin in finding.margins}
    assert by == {"grey": SSIM, "brighter": GAIN, "shifted": SHIFT}
    for control in (drawn(8, ssim=0.1), drawn(8, gain=0.02), drawn(8, shift=1.0)):
        assert not any(passes(sample, finding.limits.likeness) for sample in control)


def test_what_was_not_changed_at_all_is_rejected() -> None:
    """A picture identical to the reference breaks the floor of difference, where such a control was given."""
    finding = found(samples(not_quantized_at_all=(IDENTICAL,) * 8))
    assert finding.limits.likeness[MEAN_DIFFERENCE].broken(0.0) is not None
    assert finding.limits.unseparated == ()
    assert all(passes(sample, finding.limits.likeness) for sample in drawn(40))


def test_nothing_need_differ_where_no_control_asks_for_it() -> None:
    """Without that control an identical picture is the best there is."""
    wide = Measured("tiny", "tiled", "full", drawn(40, mean_difference=0.3), {}, 8)
    assert MEAN_DIFFERENCE not in found(wide).limits.likeness
    assert passes(IDENTICAL, found(wide).limits.likeness)


def test_a_control_inside_of_what_is_legal_is_listed() -> None:
    """What no limit can reject is named, with the share of its pictures that one does reject."""
    finding = found(samples(one_step_fewer=drawn(8, seed=9)))
    assert finding.limits.unseparated == ("one step fewer",)
    (margin,) = finding.margins
    assert not margin.rejected
    assert margin.share == 0


def test_a_near_control_narrows_the_limit() -> None:
    """Where seven spreads would let a control pass, the limit moves half-way to it, but never into the legal."""
    wide = found(samples())
    near = found(samples(pictures=1, coarser=drawn(8, ssim=0.905)))
    assert near.limits.unseparated == ()
    assert all(passes(sample, near.limits.likeness) for sample in drawn(40))
    floor = near.limits.likeness[SSIM].floor
    widest = wide.limits.likeness[SSIM].floor
    assert floor is not None
    assert widest is not None
    assert floor.value > widest.value


def test_the_mean_of_a_case_sees_what_single_pictures_hide() -> None:
    """A shift of the whole case smaller than the spread of its pictures is rejected by their mean."""
    control = drawn(40, seed=3, colour_shift=0.62)
    finding = found(samples(pictures=40, tinted=control))
    assert finding.limits.unseparated == ()
    (margin,) = finding.margins
    assert margin.overall
    assert margin.measure == COLOUR
    mean = sum(sample[COLOUR] for sample in control) / len(control)
    assert finding.limits.overall[COLOUR].broken(mean) is not None
    assert finding.limits.overall[COLOUR].broken(sum(s[COLOUR] for s in drawn(40)) / 40) is None


def test_each_number_says_where_it_came_from() -> None:
    """Mean, spread, n, machine, stack and date stand beside every limit."""
    floor = found(samples()).limits.likeness[SSIM].floor
    assert floor is not None
    values = [sample[SSIM] for sample in drawn(40)]
    assert floor.mean == pytest.approx(np.mean(values))
    assert floor.spread == pytest.approx(np.std(values, ddof=1))
    assert (floor.n, floor.machine, floor.stack, floor.date) == (40, "a-machine", ORIGIN.stack, ORIGIN.date)
    assert floor.source == "calibrated"


def test_the_margin_lies_between_the_legal_and_the_control() -> None:
    """Legal at worst, limit and control at best are in this order, on the measure's own scale."""
    for margin in found(samples(grey=drawn(8, ssim=0.1), brighter=drawn(8, gain=0.02))).margins:
        assert margin.legal is not None
        assert margin.limit is not None
        assert margin.nearest is not None
        worse = -1 if margin.measure == SSIM else 1
        assert worse * margin.legal < worse * margin.limit < worse * margin.nearest


def test_too_few_pictures_give_no_limits() -> None:
    """Four pictures say nothing about a spread."""
    assert floors.find_limits(samples(n=4), ORIGIN) is None
    assert floors.find_limits(samples(n=5), ORIGIN) is not None


def test_identical_legal_pictures_leave_room_for_rounding() -> None:
    """Where no legal picture differed, a level in a few pixels passes, and anything visible does not."""
    same = Measured("tiny", "sliced", "full", (IDENTICAL,) * 8, {"grey": drawn(2, ssim=0.1)}, 8)
    bands = found(same).limits.likeness
    assert passes({**IDENTICAL, SSIM: 0.9999, FLIP: 0.001, COLOUR: 0.01}, bands)
    assert not passes({**IDENTICAL, SSIM: 0.999}, bands)


def test_a_control_that_could_not_be_rendered_is_listed() -> None:
    """No picture of a control is no rejection."""
    assert found(samples(other_guidance=())).limits.unseparated == ("other guidance",)


UNIT = st.floats(0, 1)
SAMPLE = st.fixed_dictionaries(dict.fromkeys(LIKE, UNIT))


@given(
    legal=st.lists(SAMPLE, min_size=5, max_size=12).map(tuple),
    control=st.lists(SAMPLE, min_size=1, max_size=4).map(tuple),
    pictures=st.integers(1, 12),
)
def test_no_legal_picture_is_ever_rejected(
    legal: tuple[Sample, ...], control: tuple[Sample, ...], pictures: int
) -> None:
    """Whatever was measured: legal pictures keep their limits, and what is called rejected is rejected."""
    finding = found(Measured("tiny", "nf4", "full", legal, {"control": control}, pictures))
    assert all(passes(sample, finding.limits.likeness) for sample in legal)
    numbers = [
        limit.value for band in finding.limits.likeness.values() for limit in (band.floor, band.ceiling) if limit
    ]
    assert all(map(math.isfinite, numbers))
    (margin,) = finding.margins
    single = [not passes(sample, finding.limits.likeness) for sample in control]
    assert margin.share == pytest.approx(sum(single) / len(single))
    if all(single):
        assert margin.rejected


def test_drift_is_what_was_seen_and_half_again() -> None:
    """Bands of drift hold all that legal changes did, and half as much more."""
    bands = floors.drift(
        [{**IDENTICAL, SSIM: 0.99, FLIP: 0.01}, {**IDENTICAL, SSIM: 0.98, FLIP: 0.02}], ORIGIN, source="threads"
    )
    floor, ceiling = bands[SSIM].floor, bands[FLIP].ceiling
    assert floor is not None
    assert ceiling is not None
    assert floor.value == pytest.approx(0.97)
    assert ceiling.value == pytest.approx(0.03)
    assert floor.source == "threads"
    assert floors.drift([], ORIGIN, source="threads") == {}

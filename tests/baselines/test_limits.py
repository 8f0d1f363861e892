"""Limits: bands at, below and above their edges."""

from __future__ import annotations

import math
from dataclasses import replace

from fluxgate.baselines.limits import Band, LimitsFile, wider
from tests.baselines.calibrated import limit


def test_a_band_holds_up_to_its_edges() -> None:
    """One below the floor and one above the ceiling break it; the edges and what lies between keep it."""
    floor, ceiling = limit(10), limit(20)
    band = Band(floor, ceiling)
    assert [band.broken(value) for value in (9, 10, 11)] == [floor, None, None]
    assert [band.broken(value) for value in (19, 20, 21)] == [None, None, ceiling]


def test_nan_breaks_any_band() -> None:
    """A measure that is no number is never fine, unless nothing is asked of it."""
    assert Band(floor=limit(0)).broken(math.nan) is not None
    assert Band(ceiling=limit(0)).broken(math.nan) is not None
    assert Band().broken(math.nan) is None


def test_a_strategy_drifts_like_full_unless_it_was_measured_itself() -> None:
    """Its own bands come first."""
    file = LimitsFile("tiny", "m", {}, {"full": {"ssim": Band(floor=limit(0.9))}})
    assert file.drift_of("nf4") == file.drift["full"]
    own = {"ssim": Band(floor=limit(0.7))}
    assert replace(file, drift={**file.drift, "nf4": own}).drift_of("nf4") == own
    assert replace(file, drift={}).drift_of("nf4") == {}
    assert file.drift_of("full-float32") == {}


def test_drift_is_of_machines_and_of_releases() -> None:
    """Whichever goes further; how far machines lie apart is told alone, too."""
    apart, moved = {"ssim": Band(floor=limit(0.9)), "flip": Band(ceiling=limit(0.1))}, {"ssim": Band(floor=limit(0.8))}
    file = LimitsFile("tiny", "m", {}, {"full": apart}, {"full": moved})
    assert file.drift_of("nf4") == {**apart, **moved}
    assert file.apart_of("nf4") == apart
    assert replace(file, drift={}).drift_of("nf4") == moved


def test_the_wider_of_two_bands_holds_both() -> None:
    """The lower floor and the higher ceiling, each with its own source; one that is missing asks for nothing."""
    low, high = limit(1), limit(9)
    assert wider(Band(low, high), Band(limit(2), limit(8))) == Band(low, high)
    assert wider(Band(limit(2), limit(8)), Band(low, high)) == Band(low, high)
    assert wider(Band(low), Band(None, high)) == Band(low, high)
    assert wider(Band(), Band()) == Band()

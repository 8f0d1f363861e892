"""Tests of the comparison of noise levels."""

from fluxgate.compare.noise_levels import detour

LEVELS = {"fox": (1.0, 0.75, 0.5, 0.25, 0.0)}


def test_the_same_levels_are_no_detour() -> None:
    """Nor are those of a shot that only one side knows."""
    assert detour(LEVELS, LEVELS, whose="full's") is None
    assert detour(LEVELS, {"cat": (1.0, 0.0)}, whose="full's") is None
    assert detour({}, LEVELS, whose="full's") is None


def test_a_detour_is_told_by_its_first_levels_and_their_number() -> None:
    """Both sides, and which library it was most likely."""
    assert detour(LEVELS, {"fox": (1.0, 0.5, 0.0)}, whose="full's") == (
        "Shot 'fox' went through the noise levels 1.0000, 0.5000, 0.0000, "
        "full's through 1.0000, 0.7500, 0.5000, … (5 in all): most likely diffusers' scheduler"
    )

"""The noise levels that pictures were denoised along: the same on every machine, whatever its arithmetic."""

from __future__ import annotations

from collections.abc import Mapping

Levels = Mapping[str, tuple[float, ...]]  # shot -> the levels that its scheduler went through

NEAR = 1e-5  # between two levels that are the same; schedulers compute them in float32


def detour(expected: Levels, actual: Levels, *, whose: str) -> str | None:
    """The first shot that both know and that went through other levels, in a sentence; None if there is none."""
    for shot, ours in actual.items():
        theirs = expected.get(shot)
        if theirs and not _same(ours, theirs):
            went = f"Shot '{shot}' went through the noise levels {_told(ours)}, {whose} through {_told(theirs)}"
            return f"{went}: most likely diffusers' scheduler"
    return None


def _same(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return len(one) == len(other) and all(abs(a - b) < NEAR for a, b in zip(one, other, strict=True))


def _told(levels: tuple[float, ...]) -> str:
    """The first few, and how many there are."""
    few = ", ".join(f"{level:.4f}" for level in levels[:3])
    return f"{few}, … ({len(levels)} in all)" if len(levels) > 3 else few

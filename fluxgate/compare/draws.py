"""The noise that pictures start from: a release of torch may draw other numbers in one dtype than in another."""

from __future__ import annotations

from collections.abc import Mapping

from fluxgate.cases import Case

Draws = Mapping[str, tuple[float, ...]]  # dtype -> the first numbers that torch draws in it

NEAR = 0.05  # between two draws of one number, rounded in the coarsest dtype


def dtype_of(case: Case) -> str:
    """The dtype in which a case's noise is drawn."""
    return case.strategy.noise or case.subject.dtype


def draws_differ(one: Draws, dtype: str, other: Draws, other_dtype: str) -> bool:
    """Whether the draws of both are known, and are not the same numbers."""
    ours, theirs = one.get(dtype, ()), other.get(other_dtype, ())
    return any(abs(a - b) > NEAR for a, b in zip(ours, theirs, strict=False))

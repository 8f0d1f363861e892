"""Faults that were held back: written before any of them was tried, by people who did not know the checks."""

from __future__ import annotations

from fluxgate.prove.fault import Fault
from fluxgate.prove.faults.held_back import (
    changelogs,
    computing,
    fixes,
    good_changes,
    keeping,
    libraries,
    oversights,
    pipelines,
    refactors,
    regressions,
    rewrites,
    seams,
    tidying,
    upgrades,
)

FAULTS: tuple[Fault, ...] = (
    *computing.FAULTS,
    *keeping.FAULTS,
    *libraries.FAULTS,
    *pipelines.FAULTS,
    *upgrades.FAULTS,
    *fixes.FAULTS,
    *good_changes.FAULTS,
    *regressions.FAULTS,
    *changelogs.FAULTS,
    *refactors.FAULTS,
    *oversights.FAULTS,
    *rewrites.FAULTS,
    *seams.FAULTS,
    *tidying.FAULTS,
)

"""A whole gate, held once for all tests that look at it: two environments of pip's, and a release that is at fault."""

from __future__ import annotations

from pathlib import Path

import pytest

from fluxgate.cli.main import main
from fluxgate.subjects import sources
from tests.gate.faults import darker, release, with_packages
from tests.outside import tiny

RUNS = "runs"
NOT_SAFE = 1  # the exit code


def hold_gate(root: Path, *, pipeline: Path) -> None:
    """`fluxgate gate` of a release that dims what a VAE decodes in tiles; nothing else differs."""
    wheels = root / "wheels"
    wheels.mkdir()
    release(wheels, "seeded_a", "1.0")
    release(wheels, "seeded_a", "2.0", darker(when="self.use_tiling"))
    with pytest.MonkeyPatch.context() as patch:
        for name, value in tiny(root, pipeline=pipeline).items():
            patch.setenv(name, value)
        patch.setenv(sources.CACHE, str(root / "cache"))
        incumbent = with_packages(wheels, "seeded_a")
        chosen = (f"--python={incumbent.python}", "--subject=tiny", "--strategy=full,vae-tiling")
        code = main(["gate", "seeded_a==2.0", *chosen, f"--wheelhouse={wheels}", f"--runs={root / RUNS}"])
    assert code == NOT_SAFE


def folder_of(root: Path) -> Path:
    """The gate's own folder."""
    (found,) = (root / RUNS / "gates").glob("2*")
    return found

"""Verdicts and renderings made by hand for the tests of the reports."""

from __future__ import annotations

from pathlib import Path

from suite.judge.verdict import (
    CHECKS,
    CRASHED,
    FAILED,
    KNOWN_FAILURE,
    NOT_SELECTED,
    PASSED,
    PROMISE,
    TWICE,
    UNSUPPORTED,
    Verdict,
)
from suite.rendering import Rendering
from tests.store.building import rendering

LONGEST = "fp8-layerwise-model-offload"


def of_case(strategy: str, status: str, sentence: str = "A sentence.", subject: str = "tiny") -> list[Verdict]:
    return [Verdict(subject, strategy, check, status, sentence) for check in CHECKS]


def verdicts() -> list[Verdict]:
    """A case of each kind: green, red, crashed, known, unsupported and not selected."""
    red = of_case("vae-tiling", PASSED)
    red[CHECKS.index(PROMISE)] = Verdict(
        "tiny", "vae-tiling", PROMISE, FAILED, "Shot 'fox' is 0.912 like full; the floor is 0.941.", {"ssim": 0.912}
    )
    known = of_case("nf4-sequential-offload", KNOWN_FAILURE, "Known since 2025-07-01: it crashes.\n  log line")
    crash = of_case("nf4", CRASHED, "The worker ended (signal).")
    crash[CHECKS.index(TWICE)] = Verdict("tiny", "nf4", TWICE, CRASHED, "The worker ended (signal).\n  last line")
    return [
        *of_case("full", PASSED),
        *red,
        *crash,
        *known,
        *of_case(LONGEST, UNSUPPORTED, "It needs accelerate 1.9. It has 1.2."),
        *of_case("int8", NOT_SELECTED),
    ]


def renderings(folder: Path) -> dict[str, Rendering]:
    return {f"tiny-{name}": rendering(name, folder / name) for name in ("full", "vae-tiling")}

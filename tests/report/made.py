"""Verdicts and renderings made by hand for the tests of the reports."""

from __future__ import annotations

from pathlib import Path

from fluxgate.judge.verdict import (
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
from fluxgate.rendering import Rendering
from fluxgate.report.published_settings import Findings, Moved
from tests.runs.building import rendering

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


def settings() -> Findings:
    """What a published guide's settings changed, one of them not at all."""
    seen = (("fox", 0),)
    half = Moved("half", "staged-half", seen, 0.116, 0.25, 201.0, 0.9871, "prompt embeddings (half for whole, 1×2)")
    short = Moved("short", "staged-short", seen, 1.0, 1.0, 0.0, 0.0, None)
    return Findings("tiny", "full", (half, short), "half moved the pictures more than short: mean SSIM 0.25 against 1.")

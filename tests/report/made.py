"""Verdicts, renderings and reports made by hand for the tests of the reports."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from fluxgate.cases import Case
from fluxgate.judge.verdict import (
    BASELINE,
    CHECKS,
    CRASHED,
    FAILED,
    KNOWN_FAILURE,
    NO_DATA,
    NOT_SELECTED,
    PASSED,
    PROMISE,
    TWICE,
    UNSUPPORTED,
    Verdict,
)
from fluxgate.rendering import Rendering
from fluxgate.report.published_settings import PublishedSettings, SettingChange
from fluxgate.report.report import Measured, Report, ReportedRun, compile_report
from tests.runs.building import FULL, MACHINE, STACK, SUBJECT, rendering, strategy

LONGEST = "fp8-layerwise-model-offload"
NO_BASELINE = "There is no baseline for this machine; run fluxgate accept."
RUN = ReportedRun(
    id="20260301-tiny",
    folder="runs/20260301-tiny",
    command="pytest -m gpu",
    commit="a" * 40,
    started="2026-03-01T12:30:00+00:00",
    finished="2026-03-01T12:31:03+00:00",
)


def of_case(strategy: str, status: str, sentence: str = "A sentence.", subject: str = "tiny") -> list[Verdict]:
    return [Verdict(subject, strategy, check, status, sentence) for check in CHECKS]


def changed(verdicts: Iterable[Verdict], check: str, **changes: Any) -> list[Verdict]:
    """The verdicts with the one of a check changed."""
    return [replace(verdict, **changes) if verdict.check == check else verdict for verdict in verdicts]


def verdicts() -> list[Verdict]:
    """A case of each kind: passed, failed, crashed, known failure, unsupported and not selected; some have no data."""
    floor = "Shot 'fox' is 0.912 like full; the floor is 0.941."
    failing = changed(of_case("vae-tiling", PASSED), PROMISE, status=FAILED, sentence=floor, numbers={"ssim": 0.912})
    crash = of_case("nf4", CRASHED, "The worker ended (signal).")
    return [
        *changed(of_case("full", PASSED), BASELINE, status=NO_DATA, sentence=NO_BASELINE),
        *changed(failing, BASELINE, status=NO_DATA, sentence=NO_BASELINE),
        *changed(crash, TWICE, sentence="The worker ended (signal).\n  last line"),
        *of_case("nf4-sequential-offload", KNOWN_FAILURE, "Known since 2025-07-01: it crashes.\n  log line"),
        *of_case(LONGEST, UNSUPPORTED, "accelerate 1.9 is needed to do it; this is 1.2"),
        *of_case("int8", NOT_SELECTED, "It was not rendered in this run."),
    ]


def renderings(folder: Path) -> dict[str, Rendering]:
    return {f"tiny-{name}": rendering(name, folder / name) for name in ("full", "vae-tiling")}


def settings() -> PublishedSettings:
    """What a published guide's settings changed, one of them not at all."""
    seen = (("fox", 0),)
    half = SettingChange(
        "half", "staged-half", seen, 0.116, 0.25, 201.0, 0.9871, "prompt embeddings (half for whole, 1×2)"
    )
    short = SettingChange("short", "staged-short", seen, 1.0, 1.0, 0.0, 0.0, None)
    return PublishedSettings(
        "tiny", "full", (half, short), "half changed the pictures more than short: mean SSIM 0.25 against 1."
    )


def cases(**published: float) -> tuple[Case, ...]:
    """Two cases of the tiny subject, of which somebody has reported these GB."""
    subject = replace(SUBJECT, published={name.replace("_", "-"): size for name, size in published.items()})
    return tuple(Case(subject, one, "cuda") for one in (FULL, strategy("vae-tiling", approximates="full")))


def report(
    verdicts: Iterable[Verdict],
    renderings: Mapping[str, Rendering] | None = None,
    *,
    run: ReportedRun | None = RUN,
    cases: Iterable[Case] = (),
    cards: Mapping[str, int] | None = None,
    settings: tuple[PublishedSettings, ...] = (),
) -> Report:
    """A report on these verdicts and renderings."""
    measured = Measured(renderings or {}, cards or {}, settings)
    return compile_report(run, verdicts, cases, machine=MACHINE, stack=STACK, measured=measured)

"""Renderings made by hand, and the advice from them, for the tests of advice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from fluxgate.cases import Case
from fluxgate.rendering import Crash, Duration, Memory, PhaseMemory
from fluxgate.report.advice import Advice, advise
from fluxgate.report.cards import Trial
from fluxgate.runs.rendered import Rendered
from tests.runs.building import SUBJECT, rendering, strategy

GB = 10**9
OUT = Crash("out of memory", "out of memory under the limit of 12.00 GB: CUDA out of memory", "load", (), limit=12 * GB)
Made = Callable[..., Rendered]


def made_in(root: Path) -> Made:
    """A rendering under a strategy, which reserved so much and took so long."""

    def made(name: str, *, peak: int = GB, time: float = 2.0, seed: int = 0, **changes: Any) -> Rendered:
        folder = root / f"tiny-{name}"
        memory = Memory((PhaseMemory("denoise", peak // 2, peak, None, 1),), 0, 1, 1, None)
        spent = tuple(
            Duration("denoise", time + 100 * (take == 0), shot, take) for shot in ("fox", "pair") for take in (0, 1)
        )
        one = replace(rendering(name, folder, seed=seed), memory=memory, durations=(Duration("load", 50.0), *spent))
        return Rendered(replace(one, **changes), folder)

    return made


def case(name: str, **changes: Any) -> Case:
    return Case(SUBJECT, replace(strategy(name), gpus=changes.pop("gpus", 1)), "cuda", **changes)


def trial(size: float, *found: Rendered) -> Trial:
    return Trial(f"run-{size:g}", size, {one.rendering.case_id: one for one in found}.get)


def asked(*found: Rendered, vram: int = 12 * GB, beside: tuple[Trial, ...] = (), **changes: Any) -> Advice:
    """Advice from a run on a card of 80 GB that holds these."""
    cases = changes.pop("cases", None) or [case(one.rendering.strategy) for one in found]
    return advise(cases, (trial(changes.pop("size", 80), *found), *beside), changes.pop("verdicts", ()), vram=vram)

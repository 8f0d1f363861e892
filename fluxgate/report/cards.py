"""Cards: the smallest standard card that each case was seen to run on, in a run and in those beside it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from fluxgate.judge.gathering import RenderedBy
from fluxgate.refusal import Refusal
from fluxgate.rendering import Rendering
from fluxgate.runs import run as runs
from fluxgate.runs.rendered import Rendered
from fluxgate.runs.run import Run

STANDARD = (8, 12, 16, 24, 32, 40, 48, 80)  # GB, as cards are sold; a larger one counts as its own size
GIB = 2**30


@dataclass(frozen=True)
class Trial:
    """A run as a trial of a card: how much memory its cases had, and what each gave."""

    run_id: str
    size: float  # GB, as cards are sold
    rendered: RenderedBy


def trials(run: Run) -> tuple[Trial, ...]:
    """The run itself, then those beside it of the same machine and stack, the latest first; none without a GPU."""
    if run.machine.device != "cuda":
        return ()
    beside = [other for other in runs.readable(run.folder.resolve().parent) if other.id != run.id]
    alike = [other for other in reversed(beside) if (other.machine.id, other.stack) == (run.machine.id, run.stack)]
    return tuple(Trial(one.id, size_of(one), partial(_rendered, one)) for one in (run, *alike))


def size_of(run: Run) -> float:
    """The GB of the card that a run stands for: its limit, or what its own card is sold with.

    A card that is sold with 12 GB has 12 GiB, or a little less. Under a limit of 12 GB the CUDA context, which does not
    count, has the difference."""
    own = math.ceil(run.machine.memory / GIB)
    return own if run.vram_limit is None else min(run.vram_limit / 1e9, own)


def _rendered(run: Run, case_id: str) -> Rendered | None:
    """What a run has of a case; a file that cannot be read proves nothing."""
    with suppress(Refusal):
        rendering = run.rendered(case_id)
        return Rendered(rendering, run.case_folder(case_id)) if rendering is not None else None
    return None


def cards_of(run: Run) -> dict[str, int]:
    """Case -> card in GB, for what ended well in this run or beside it."""
    return smallest_cards(run.renderings(), trials(run))


def smallest_cards(renderings: Mapping[str, Rendering], tried: Iterable[Trial]) -> dict[str, int]:
    """Case -> the smallest standard card that it was seen to run on."""
    tried = tuple(tried)
    sizes = {case_id: ran_on(rendering, tried) for case_id, rendering in renderings.items()}
    return {case_id: standard(size) for case_id, size in sizes.items() if size is not None}


def standard(size: float) -> int:
    """The smallest card on the market that has so many GB."""
    return next((card for card in STANDARD if size <= card), math.ceil(size))


def ran_on(rendering: Rendering, tried: Iterable[Trial]) -> float | None:
    """The least GB with which the case rendered all of these shots, or more, and ended well."""
    for trial in sorted(tried, key=lambda trial: trial.size):
        other = trial.rendered(rendering.case_id)
        if other is not None and covers(other.rendering, rendering):
            return trial.size
    return None


def ran_out_on(rendering: Rendering, tried: Iterable[Trial]) -> float | None:
    """The most GB with which these shots, or some of them, were seen to be too much."""
    for trial in sorted(tried, key=lambda trial: -trial.size):
        other = trial.rendered(rendering.case_id)
        crash = other.rendering.crash if other else None
        if other and crash and crash.limit is not None and other.rendering.recipes.items() <= rendering.recipes.items():
            return trial.size
    return None


def covers(one: Rendering, other: Rendering) -> bool:
    """Whether one ended well and has all that the other was asked for."""
    return one.crash is None and one.recipes.items() >= other.recipes.items()

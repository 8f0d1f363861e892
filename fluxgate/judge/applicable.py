"""Which checks apply to a case; where one does not, there is no cell and no test."""

from __future__ import annotations

from fluxgate.cases import Case
from fluxgate.judge.verdict import CEILING, CHECKS, EFFECT, LESS, ORACLE, SCENE, WEIGHTS
from fluxgate.miniature.given import ADAPTER
from fluxgate.strategies.effects import FILES, REUSED, Counted, Setting
from fluxgate.strategies.promise import Promise


def checks_of(case: Case) -> tuple[str, ...]:
    """The checks that can be asked of a case, in their order, whatever data there is to answer them."""
    gpu, promise = case.device == "cuda", case.strategy.promise
    applies = {
        ORACLE: case.subject.oracle is not None and computes_alike(promise) and not _adapts_others(case),
        WEIGHTS: not _in_own_files(case) and case.subject.checkpoint is None,  # whose names are others'
        SCENE: case.subject.reader is not None and any(shot.readable for shot in case.shots),
        CEILING: gpu,  # torch does not count what it allocates on a CPU
        LESS: promise.less_memory_than is not None and (gpu or promise.spares_host),
        EFFECT: bool(promise.effects),
    }
    return tuple(check for check in CHECKS if applies.get(check, True))


def computes_alike(promise: Promise) -> bool:
    """Whether it computes all that the subject computes, with the subject's weights in some format.

    A cache leaves out blocks, which the oracle does not know."""
    return not any(isinstance(one, Counted) and one.what == REUSED for one in promise.effects)


def _adapts_others(case: Case) -> bool:
    """Whether it has another adapter than the LoRA that the oracle knows, or that one in the twin, with other rows."""
    promise = case.strategy.promise
    known = Setting("adapter", ADAPTER, of=(case.subject.denoiser,)) in promise.effects
    return promise.adapts and (not known or case.subject.source.startswith("cache:"))


def _in_own_files(case: Case) -> bool:
    """Whether the strategy keeps weights in files that it writes itself: they are not in memory to be looked at."""
    return any(isinstance(one, Counted) and one.what == FILES for one in case.strategy.promise.effects)

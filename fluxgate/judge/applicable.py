"""Which checks apply to a case; where one does not, there is no cell and no test."""

from __future__ import annotations

from fluxgate.cases import Case
from fluxgate.judge.verdict import CEILING, CHECKS, EFFECT, LESS, ORACLE, SCENE, WEIGHTS
from fluxgate.miniature.given import ADAPTER
from fluxgate.strategies.effects import FILES, RANKS, REUSED, SHARED_WEIGHTS, Counted, Setting
from fluxgate.strategies.promise import Promise


def checks_of(case: Case) -> tuple[str, ...]:
    """The checks that can be asked of a case, in their order, whatever data there is to answer them."""
    gpu, promise = case.device == "cuda", case.strategy.promise
    applies = {
        ORACLE: case.subject.oracle is not None and _is_known(case),
        # A checkpoint of a whole pipeline has names of others.
        WEIGHTS: not _counts(promise, FILES, SHARED_WEIGHTS) and case.subject.checkpoint is None,
        SCENE: case.subject.reader is not None and any(shot.readable for shot in case.shots),
        CEILING: gpu,  # torch does not count what it allocates on a CPU
        LESS: promise.less_memory_than is not None and (gpu or promise.spares_host),
        EFFECT: bool(promise.effects),
    }
    return tuple(check for check in CHECKS if applies.get(check, True))


def computes_alike(promise: Promise) -> bool:
    """Whether it computes all that the subject computes, with the subject's weights in some format.

    A cache leaves out blocks, and of two processes that share a picture the oracle sees one."""
    return not _counts(promise, REUSED, RANKS)


def _is_known(case: Case) -> bool:
    """Whether the oracle knows what the strategy computes: the subject's own, or more or less than that.

    The twin's layers have other rows, of which adapters change others; and the oracle has an IP-Adapter's weights, and
    what a cache foretells, as bfloat16 rounds them."""
    promise, subject = case.strategy.promise, case.subject
    is_twin = subject.source.startswith("cache:")
    if promise.computed_as is not None:
        return not is_twin and subject.dtype == "bfloat16"
    if promise.adapts:
        return not is_twin and Setting("adapter", ADAPTER, of=(subject.denoiser,)) in promise.effects
    return computes_alike(promise)


def _counts(promise: Promise, *what: str) -> bool:
    """Whether an effect counts one of these: weights in files of the strategy's own are not in memory to be looked at,
    and of those that are shared there is a part."""
    return any(isinstance(one, Counted) and one.what in what for one in promise.effects)

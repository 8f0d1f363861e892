"""Who is suspected first of what an upgrade did: by the stage, by the words of an error, and by which cases moved."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from packaging.utils import canonicalize_name

from fluxgate.gate.environments.importing import WITHOUT_FLUX
from fluxgate.gate.environments.pins import Moves
from fluxgate.rendering import DECODED, FIRST, LAST, MIDDLE, POOLED, T5
from fluxgate.report.gate_result import CaseOutcome, CaseResult
from fluxgate.strategies.promise import Strategy
from fluxgate.strategies.requirements import Release, Requirements

# Which packages can move a stage, the one that works there first.
_ENCODING = ("transformers", "tokenizers", "sentencepiece", "bitsandbytes", "accelerate", "huggingface-hub", "torch")
_DENOISING = ("diffusers", "bitsandbytes", "accelerate", "torch", "transformers")
# Where it crashes before any stage: what an error does not name itself, those that run then, the hub's client last.
_LOADING = (
    "transformers",
    "diffusers",
    "accelerate",
    "bitsandbytes",
    "torch",
    "tokenizers",
    "sentencepiece",
    "safetensors",
)
_BY_STAGE: Mapping[str, Sequence[str]] = {
    **dict.fromkeys((T5, POOLED), _ENCODING),
    **dict.fromkeys((FIRST, MIDDLE, LAST), _DENOISING),
    DECODED: ("diffusers", "torch", "pillow", "numpy"),
}
_OFFLOADING = ("accelerate", "diffusers")  # who moves weights between host and device
MOVED = (CaseOutcome.CHANGED, CaseOutcome.BROKEN, CaseOutcome.LOST, CaseOutcome.DRIFTED)


def suspects(
    moves: Moves, outcomes: Sequence[CaseResult], *, said: str, strategies: Iterable[Strategy]
) -> tuple[str, ...]:
    """The packages to try first, most suspected first; the others may come in any order.

    An error that names a package comes before all else, where nothing was rendered. Then who is used by the cases that
    moved and by none that stayed; then who works at the first stage that differs."""
    named = {strategy.name: strategy for strategy in strategies}
    stage = next((one.stage for one in outcomes if one.is_bad and one.stage), None)
    at_stage = _LOADING if stage is None else _BY_STAGE.get(stage, ())
    first = () if stage is not None else mentioned(moves, said)
    return tuple(dict.fromkeys((*first, *_used_by_what_moved(outcomes, named), *at_stage)))


def mentioned(moves: Moves, text: str) -> tuple[str, ...]:
    """The packages that an error names, as they come in it: where nothing was rendered, these are suspected first."""
    words = [str(canonicalize_name(word)) for word in re.findall(r"[A-Za-z0-9_.-]*[A-Za-z0-9]", text)]
    return tuple(sorted({move.package for move in moves if move.package in words}, key=words.index))


def _used_by_what_moved(outcomes: Sequence[CaseResult], named: Mapping[str, Strategy]) -> tuple[str, ...]:
    """What all cases that moved have in common, and those that stayed have not: the packages that their strategies ask
    for, those of most cases first, or who offloads. Nothing where a case moved that needs neither."""
    moved = [named[one.strategy] for one in outcomes if one.outcome in MOVED and one.strategy in named]
    still = [named[one.strategy] for one in outcomes if _stayed(one) and one.strategy in named]
    asked = [packages_of(strategy) for strategy in moved]
    counts = Counter(package for packages in asked for package in sorted(packages))
    if moved and all(asked) and any(packages_of(strategy).isdisjoint(counts) for strategy in still):
        return tuple(package for package, _ in counts.most_common())
    offloads = [strategy.promise.moves is not None for strategy in moved]
    if moved and all(offloads) and any(strategy.promise.moves is None for strategy in still):
        return _OFFLOADING
    return ()


def _stayed(one: CaseResult) -> bool:
    """Whether a case was rendered in both stacks, and is the same."""
    return one.outcome is CaseOutcome.IDENTICAL and not one.crashes_in_both


def packages_of(strategy: Strategy) -> frozenset[str]:
    """The packages that a strategy asks for beside those that every pipeline is made of."""
    needs = strategy.unsupported.needs if isinstance(strategy.unsupported, Requirements) else ()
    asked = {str(canonicalize_name(need.package)) for need in needs if isinstance(need, Release)}
    return frozenset(asked - {*WITHOUT_FLUX})

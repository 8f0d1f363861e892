"""Damage: what rounding never moves. Only where none of it moved may a change of pictures be called drift."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from fluxgate.baselines.limits import FLOAT32
from fluxgate.cases import Case
from fluxgate.compare import words
from fluxgate.compare.inventory import component_changes
from fluxgate.compare.pairs import Pair, pairs_of
from fluxgate.judge.applicable import checks_of
from fluxgate.judge.checks.oracle import oracle
from fluxgate.judge.evidence import Evidence
from fluxgate.judge.verdict import FAILED, ORACLE

# From one release of transformers to another on an H100, float32 moved one level in under 0.01% of the numbers, where
# bfloat16 moved three quarters of the pixels.
A_LEVEL, FEW = 1.0, 0.001
CAUSE = "Find the cause before anything is accepted."


def damage(evidence: Evidence) -> str | None:
    """The first proof that it is no drift, as the end of a sentence: other releases may round otherwise, the same may
    not."""
    same = "and no release has changed since they were accepted" if other_releases(evidence) == [] else None
    return beyond_rounding(evidence) or same


def beyond_rounding(evidence: Evidence) -> str | None:
    """The first proof that something besides rounding has moved, as the end of a sentence."""
    return next(_proofs(evidence), None)


def _proofs(evidence: Evidence) -> Iterator[str]:
    inventory, effects = evidence.rendering.inventory, evidence.case.strategy.promise.effects
    for effect in effects:
        missing = effect.missing(inventory, device=evidence.case.device) if inventory else None
        if missing:
            yield f"and an effect of the strategy is missing: {missing.rstrip('.')}"
    for change in component_changes(evidence.accepted_facts.inventory, inventory):
        if change.sizes or "weights" in change.traits or "settings" in change.traits:
            yield f"and {change.name} is not what was accepted: {words.component(change)}"
    # It does not know what caches leave out, nor pictures beside a prompt, and would find those wrong.
    beside_oracle = oracle(evidence) if ORACLE in checks_of(evidence.case) else None
    if beside_oracle is not None and beside_oracle.status == FAILED:
        yield f"and the oracle finds {beside_oracle.stage or 'a stage'} wrong, from the same inputs"
    if float32_moved(evidence):
        yield f"and so does {FLOAT32} in this run, which rounding alone does not move"


def other_releases(evidence: Evidence) -> list[str] | None:
    """The libraries that are not of the accepted releases; None where nobody knows which were accepted."""
    accepted, ours = evidence.accepted_facts.stack, evidence.rendering.libraries
    both = [name for name in ours if name in accepted]
    return [name for name in both if accepted[name] != ours[name]] if both else None


def float32_moved(evidence: Evidence) -> bool | None:
    """Whether float32 has moved in the same run further than rounding moves it; None where that is not known."""
    pairs = _float32_pairs(evidence)
    return None if pairs is None else not all(map(_is_rounding, pairs))


def _float32_pairs(evidence: Evidence) -> tuple[Pair, ...] | None:
    if computes_in_float32(evidence.case):
        expected, actual = evidence.accepted_facts, evidence.facts
    else:
        expected, actual = evidence.float32_accepted_facts, evidence.float32_facts
    both = [key for key in actual.pictures if key in expected.pictures]
    pairs = pairs_of(expected, actual, only=both)
    return tuple(pair for pair in pairs if pair.identical or pair.shown) or None


def computes_in_float32(case: Case) -> bool:
    """Whether the pictures of a case hardly depend on rounding."""
    return case.strategy.name == FLOAT32 or case.subject.dtype == "float32"


def needing_bands(pairs: Iterable[Pair], case: Case) -> list[Pair]:
    """The pictures that are held to bands: what is rounding in float32 needs none."""
    return [pair for pair in pairs if not (computes_in_float32(case) and _is_rounding(pair))]


def _is_rounding(pair: Pair) -> bool:
    likeness = pair.likeness
    return likeness is not None and likeness.max_difference <= A_LEVEL and likeness.changed_share <= FEW

"""Check that a strategy did what it says, as the inventory shows it."""

from __future__ import annotations

from fluxgate.judge.answers import failed, passed
from fluxgate.judge.evidence import Evidence
from fluxgate.judge.sentences import again, counted
from fluxgate.judge.suspects import most_likely, of_effects
from fluxgate.judge.verdict import EFFECT, Verdict


def effect(evidence: Evidence) -> Verdict:
    """Every effect that the strategy promises can be seen in the inventory."""
    case, inventory = evidence.case, evidence.rendering.inventory
    effects = case.strategy.promise.effects
    if inventory is None:
        sentence = "The worker left no inventory, so no effect can be seen."
        return failed(evidence, EFFECT, f"{sentence} Run {again(case)}.")
    answers = [(one, one.missing(inventory, device=case.device)) for one in effects]
    without = [(one, answer.rstrip(".")) for one, answer in answers if answer]
    missing = [answer for _, answer in without]
    numbers = {"effects": float(len(effects)), "missing": float(len(missing))}
    if not missing:
        promised = "The promised effect shows" if len(effects) == 1 else f"All {len(effects)} promised effects show"
        return passed(evidence, EFFECT, f"{promised} in the inventory.", numbers=numbers)
    sentence = f"{len(missing)} of {counted(len(effects), 'effect')} missing: {'; '.join(missing)}."
    who = of_effects(without, case.subject)
    parts = [sentence, "The strategy did not do what it says.", most_likely(who), f"Run {again(case)}."]
    sentence = " ".join(part for part in parts if part)
    return failed(evidence, EFFECT, sentence, numbers=numbers, suspects=who or None)

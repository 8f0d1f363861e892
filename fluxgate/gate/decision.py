"""The decision on an upgrade: one word, one sentence, and what stands out among its cases."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from fluxgate.cases import Case
from fluxgate.gate.culprit.finding import Finding
from fluxgate.gate.environments.stages import Stage, StageFailure
from fluxgate.gate.outcome import CANNOT_RUN, CHANGED, DRIFTED, IDENTICAL, OUTCOMES, UNSTEADY
from fluxgate.judge.sentences import counted, listed
from fluxgate.refusal import full_stop
from fluxgate.rendering import NOISE, without_call
from fluxgate.report.gate_result import BAD, Answer, CaseOutcome, CaseResult
from fluxgate.strategies.effects import EVERY, Stored
from fluxgate.strategies.promise import Promise

WIDE = "float32"  # rounds so little that only other arithmetic moves its pictures
EXIT_CODES = {Answer.SAFE: 0, Answer.DRIFT: 0, Answer.NOT_SAFE: 1, Answer.CANNOT_TELL: 3}


@dataclass(frozen=True)
class Decision:
    """What a lead reads first."""

    answer: Answer
    sentence: str
    contrasts: tuple[str, ...] = ()  # each a line
    counts: Mapping[CaseOutcome, int] | None = None  # outcome -> cases

    def exit_code(self, *, strict: bool) -> int:
        return exit_code_of(self.answer, strict=strict)


def exit_code_of(answer: Answer, *, strict: bool) -> int:
    """0 for an upgrade that is safe; with `strict`, drift is not."""
    return 1 if strict and answer is Answer.DRIFT else EXIT_CODES[answer]


def decide(outcomes: Sequence[CaseResult], cases: Iterable[Case]) -> Decision:
    """The decision on what was rendered in both stacks."""
    counts = {name: number for name in OUTCOMES if (number := sum(one.outcome == name for one in outcomes))}
    answer = _answer(outcomes)
    lines = tuple(_contrasts(outcomes, {case.id: case for case in cases}))
    return Decision(answer, _sentence(answer, outcomes), lines, counts)


def unconfirmed(decision: Decision, finding: Finding[Any]) -> Decision:
    """The decision where what was seen did not come out the same a second time: nothing is blamed for that."""
    reasons = " ".join(finding.unresolved) or "The candidate passes when it is rendered once more."
    return replace(decision, answer=Answer.CANNOT_TELL, sentence=f"Cannot tell: {reasons[:1].lower()}{reasons[1:]}")


def not_made(failure: StageFailure) -> Decision:
    """The decision where the candidate did not come to be rendered: it cannot be resolved, installed or imported."""
    doing = {Stage.RESOLVE: "the candidate cannot be resolved:", Stage.INSTALL: "the candidate cannot be installed:"}
    sentence = f"Not safe: {doing.get(failure.stage, 'in the candidate,')} {full_stop(failure.sentence)}"
    return Decision(Answer.NOT_SAFE, sentence)


def _answer(outcomes: Sequence[CaseResult]) -> Answer:
    names = Counter(outcome.outcome for outcome in outcomes)
    if any(names[bad] for bad in BAD):
        return Answer.NOT_SAFE
    judged = [one for one in outcomes if one.outcome != CANNOT_RUN]
    if all(one.crashes_in_both for one in judged) or names[UNSTEADY]:
        return Answer.CANNOT_TELL
    return Answer.DRIFT if names[DRIFTED] else Answer.SAFE


def _sentence(answer: Answer, outcomes: Sequence[CaseResult]) -> str:
    judged = [one for one in outcomes if one.outcome != CANNOT_RUN]
    bad = [one for one in judged if one.is_bad]
    if answer is Answer.NOT_SAFE:
        return f"Not safe: {_how_many(bad, judged)}{_why(bad)}."
    if answer is Answer.DRIFT:
        return f"Safe with drift: {_drift([one for one in judged if one.outcome == DRIFTED], judged)}."
    if answer is Answer.CANNOT_TELL and judged and all(one.crashes_in_both for one in judged):
        return f"Cannot tell: no case renders in either stack: {judged[0].reason}."
    if answer is Answer.CANNOT_TELL and judged:
        return f"Cannot tell: {_unsteady([one for one in judged if one.outcome == UNSTEADY])}."
    if answer is Answer.CANNOT_TELL:
        return "Cannot tell: no case can run in either stack."
    return f"Safe: {_all_the_same(judged)}."


def _drift(drifted: Sequence[CaseResult], judged: Sequence[CaseResult]) -> str:
    """How many drifted, where, and what they were held to; pictures of other noise are within nothing measured."""
    how_many = f"{_of_all(len(drifted), len(judged))} {'has' if len(drifted) == 1 else 'have'} drifted"
    same = f"{'' if any(one.inventory for one in drifted) else 'inventory and '}noise levels are the same"
    measured = [one for one in drifted if not one.other_noise]
    if measured == drifted:
        return f"{how_many}, within what was measured{_where(drifted)}; {same}"
    noise = "because torch draws other noise"
    why = f": {len(drifted) - len(measured)} {noise}, {len(measured)} within what was measured"
    why = why if measured else f", {noise}"
    return f"{how_many}{why}; what their own stack holds them to, they pass, and {same}"


def _unsteady(unsteady: Sequence[CaseResult]) -> str:
    """The reasons, each with its cases."""
    reasons = dict.fromkeys(one.reason for one in unsteady)
    cases = {reason: listed(one.case_id for one in unsteady if one.reason == reason) for reason in reasons}
    return "; ".join(f"{reason} ({names})" for reason, names in cases.items())


def _all_the_same(judged: Sequence[CaseResult]) -> str:
    """`all 6 cases are the same to the pixel and the byte`, or what else there is beside them."""
    crashing = sum(one.crashes_in_both for one in judged)
    others = Counter(one.outcome.value for one in judged if one.outcome is not IDENTICAL)
    same, all_of_them = len(judged) - others.total() - crashing, counted(len(judged), "case")
    if same == len(judged):
        them = {1: "the case is", 2: "both cases are"}.get(same, f"all {all_of_them} are")
        return f"{them} the same to the pixel and the byte"
    parts = [f"{same} {'is' if same == 1 else 'are'} the same to the pixel and the byte"] if same else []
    parts += [f"{number} {'is' if number == 1 else 'are'} {name}" for name, number in others.items()]
    parts += [f"{crashing} {'crashes' if crashing == 1 else 'crash'} in both stacks"] if crashing else []
    return f"of {all_of_them}, {listed(parts)}"


def _how_many(bad: Sequence[CaseResult], judged: Sequence[CaseResult]) -> str:
    """`2 of 6 cases are broken`, or `of 6 cases, 1 has changed and 2 are broken`."""
    counts = Counter(one.outcome for one in bad)
    parts = {name: (number, _verb(name, number)) for name, number in counts.items()}
    if len(parts) == 1:
        ((number, verb),) = parts.values()
        return f"{_of_all(number, len(judged))} {verb}"
    return f"of {counted(len(judged), 'case')}, {listed(f'{number} {verb}' for number, verb in parts.values())}"


def _of_all(number: int, every: int) -> str:
    """`2 of 6 cases`, or `the case` where there is no other."""
    return "the case" if every == 1 else f"{number} of {every} cases"


def _verb(outcome: CaseOutcome, number: int) -> str:
    if outcome == CHANGED:
        return "has changed" if number == 1 else "have changed"
    return f"{'is' if number == 1 else 'are'} {outcome}"


def _why(bad: Sequence[CaseResult]) -> str:
    """The reason that they have, or most of them; of what was rendered, where most of them first differ.

    What crashes may say so in other words from case to case, as it names what is loaded first."""
    reasons = Counter(one.reason for one in bad if not one.stage)
    if 2 * reasons.total() <= len(bad):
        return _where(bad)
    reason, number = reasons.most_common(1)[0]
    often = "most often" if 2 * number > len(bad) else "for instance"
    return f": {reason}" if number == len(bad) else f", {often} because {reason}"


def _where(outcomes: Iterable[CaseResult]) -> str:
    """The stage where most of them first differ."""
    stages = Counter(one.stage for one in outcomes if one.stage)
    return f", first at the {stages.most_common(1)[0][0]}" if stages else ""


# Contrasts


def _contrasts(outcomes: Sequence[CaseResult], cases: Mapping[str, Case]) -> Iterator[str]:
    """What tells the cases that moved from those that did not, each in one line."""
    moved = [one for one in outcomes if one.outcome in (*BAD, DRIFTED)]
    still = [one for one in outcomes if one.outcome == IDENTICAL]
    if not moved:
        return
    promised, kept = ([cases[one.case_id].strategy.promise for one in some] for some in (moved, still))
    if _only(promised, kept, lambda promise: promise.changes_weights):
        yield "Only quantized or cast cases moved."
    yield from _of_shots(moved, cases)
    yield from _of_dtypes(moved, still, cases)
    if _only(promised, kept, lambda promise: promise.moves is not None):
        yield "Only offloaded cases moved."


def _only(moved: Sequence[Promise], still: Sequence[Promise], declares: Callable[[Promise], bool]) -> bool:
    """Whether all that moved declare something in their promises, and nothing that stood still does."""
    return bool(still) and all(map(declares, moved)) and not any(map(declares, still))


def _of_shots(moved: Sequence[CaseResult], cases: Mapping[str, Case]) -> Iterator[str]:
    several = {one.case_id: {shot.name for shot in cases[one.case_id].shots if shot.pictures > 1} for one in moved}
    if all(one.shots and set(one.shots) <= several[one.case_id] for one in moved):
        yield "Only shots with several pictures moved."


def _of_dtypes(moved: Sequence[CaseResult], still: Sequence[CaseResult], cases: Mapping[str, Case]) -> Iterator[str]:
    """float32 that stands still says that arithmetic is the same and a kernel or a layout is not.

    Where other numbers lie in memory than before, or other noise is drawn, that is the reason, and not a kernel."""
    if any(one.inventory or one.other_noise for one in moved):
        return
    narrow = sorted({_dtype(cases[one.case_id]) for one in moved})
    if WIDE in narrow or not any(_dtype(cases[one.case_id]) == WIDE for one in still):
        return
    reason = "a kernel or a layout, not the arithmetic"
    if all(NOISE in map(without_call, one.given) for one in moved):
        reason = f"torch rounds the noise that it draws in {listed(narrow)} otherwise"
    yield f"{listed(narrow)} moved and {WIDE} did not: {reason}."


def _dtype(case: Case) -> str:
    """The dtype in which a case computes: what its strategy declares of every component, or the subject's own."""
    declared = (effect for effect in case.strategy.promise.effects if isinstance(effect, Stored))
    return next((effect.dtype for effect in declared if effect.of == EVERY), case.subject.dtype)

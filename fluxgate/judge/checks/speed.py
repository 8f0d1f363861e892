"""Check of a case's seconds: a step and a phase against the accepted ones, and against the machine's latest runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import sqrt
from statistics import median

from fluxgate import figures
from fluxgate.amounts import amount
from fluxgate.compare.pace import (
    BESIDE_FIXED_WORK,
    BY_THE_CLOCK,
    LONG_ENOUGH,
    STEP,
    WINDOW,
    kind_of,
    pace,
    processor_share,
    quickest_step_paces,
    step_paces,
)
from fluxgate.compare.phase_seconds import phase_seconds, phase_times
from fluxgate.compare.work import work_changes
from fluxgate.judge.answers import failed, no_data, passed
from fluxgate.judge.checks.confirming import confirmed
from fluxgate.judge.evidence import Evidence
from fluxgate.judge.sentences import ACCEPT, again, counted
from fluxgate.judge.verdict import FAILED, PASSED, SPEED, Limit, Verdict
from fluxgate.rendering import DECODE, DENOISE, ENCODE, PHASES

FEWEST = 5  # runs before a median means something
SLOWER = 0.25  # a phase on a GPU fails when it is slower by this share
SECONDS = 0.5  # and by this much, since short phases vary
# How many times as long as accepted encoding or decoding may take, by device: 1.4 were seen in 116 pairs of renderings
# on a CPU beside other work. On a GPU phases were seen to vary by up to 60%, so that one may be 1.6 × 1.6 times as
# long as another.
LONGEST_PHASE = {"cpu": 2.0, "cuda": 2.6}
SLOWER_ON_A_CPU = 1.0  # twice the usual multiple: who shares its caches and its cores makes a processor slower too
STEP_SLOWER = 0.5  # share by which a step is slower than accepted, beside the reference of the same run
IN_A_CALL = (ENCODE, DENOISE, DECODE)
SLOW_FOR_A_WHILE = "as if the machine had been slow for a while"
KINDS = ("", BESIDE_FIXED_WORK, BY_THE_CLOCK)  # of a step's paces
SLOWER_ALONE = {"": 0.5, BESIDE_FIXED_WORK: 0.5, BY_THE_CLOCK: 0.9}  # the same, of what has no reference beside it
ALONE = {"": "", BESIDE_FIXED_WORK: " beside fixed work in the same run", BY_THE_CLOCK: " by the clock, undisturbed"}
LASTING_RUNS = 5  # in a row, this one among them, show less than one can
LASTING = 0.2  # share by which the middle one of them is slower,
LASTING_LEAST = 0.1  # and by which each is
LASTING_TAKES = 5  # accepted ones that it takes: two alone may both have been quick
# Below this share of its steps' time on the processor others had it: what shares caches and cores with twenty others
# was seen to work twice as long for the same step.
HAD_THE_PROCESSOR = 0.8
PAIR = 2  # takes, whose middle varies about as a single one does
SPREADS = 6.0  # and by this many times what the latest runs themselves vary


def speed(evidence: Evidence) -> Verdict:
    """A step against the accepted one, and each phase against the latest runs."""
    return confirmed(evidence, _speed)


def is_slow(evidence: Evidence) -> bool:
    """Whether it took longer than it should, so that the case is worth another rendering before that is told."""
    return _speed(evidence).status == FAILED


def _speed(evidence: Evidence) -> Verdict:
    seconds = {phase: evidence.rendering.seconds(phase) for phase in PHASES}
    numbers = {f"seconds {phase}": value for phase, value in seconds.items() if value is not None}
    if evidence.at_once > 1:
        return no_data(evidence, SPEED, _shared(evidence), numbers=numbers)
    steps = _steps(evidence, numbers)
    if steps is not None and steps.status != PASSED:
        return steps
    return _longer_phase(evidence, numbers) or _phases(evidence, numbers, steps)


def _longer_phase(evidence: Evidence, numbers: dict[str, float]) -> Verdict | None:
    """Encoding or decoding that takes much longer than accepted, by itself and beside its denoising; None where none
    does."""
    baseline = evidence.baseline
    if baseline is None or baseline.portable:
        return None
    limit = Limit(LONGEST_PHASE[evidence.rendering.device], "chosen, by what phases were seen to vary")
    for one in phase_times(baseline.case.phase_seconds, phase_seconds(evidence.rendering)):
        numbers[f"{one.phase}, times the accepted"] = one.middle
        if one.middle > limit.value:
            taken = f"{one.phase.capitalize()} takes {one.middle:.2f} times as long as accepted, beside denoising, too"
            quick = None if one.least > limit.value else f"in one shot it took {one.least:.2f} times as long"
            doubt = quick or _on_its_gpu(evidence)
            return _too_slow(evidence, f"{taken}; the limit is {limit.value:.2f}.", numbers, limit, None, doubt)
    return None


def _shared(evidence: Evidence) -> str:
    device = "a GPU" if evidence.gpu else "the CPU"
    return f"Up to {evidence.at_once} cases shared {device} at once, so seconds tell nothing. Run it without --at-once."


def _steps(evidence: Evidence, numbers: dict[str, float]) -> Verdict | None:
    """A step against the accepted one: judged from the first run after it was accepted, by that run's own repeats; the
    first that is not well, or all that were asked."""
    baseline, reference = evidence.baseline, evidence.reference
    if baseline is None or baseline.portable:
        return None
    if evidence.case.strategy.promise.reference and reference is None:
        return None
    beside, accepted = reference.rendering if reference else None, baseline.case.step_paces
    now = step_paces(evidence.rendering, beside)
    quickest = quickest_step_paces(evidence.rendering, beside)
    asked = [_question(kind, now, quickest, accepted) for kind in KINDS]
    verdicts = [_answer(evidence, one, numbers) for one in asked if one.now]
    return next((one for one in verdicts if one.status != PASSED), verdicts[0] if verdicts else None)


@dataclass(frozen=True)
class Question:
    """Whether a step takes as long as accepted, in one kind of seconds."""

    kind: str  # what follows a shot's name in its paces
    now: dict[str, tuple[float, ...]]  # of what was accepted too
    quickest: dict[str, float]  # the same, of the quickest takes; empty where they excuse nothing
    accepted: dict[str, tuple[float, ...]]

    @property
    def times(self) -> float:
        return median(median(self.now[shot]) / median(self.accepted[shot]) for shot in self.now)

    @property
    def times_at_its_quickest(self) -> float:
        """In the shot and the take in which the case came nearest to what was accepted."""
        times = (pace / median(self.accepted[shot]) for shot, pace in self.quickest.items())
        return min(times, default=self.times)

    def lasting(self, earlier: Mapping[str, tuple[float, ...]]) -> tuple[float, float] | None:
        """The middle and the least of the times that a step took in this run and in those right before it."""
        if sum(map(len, self.accepted.values())) < LASTING_TAKES:
            return None
        rows = []
        for shot, paces in self.now.items():
            latest = (*earlier.get(STEP + shot, ())[1 - LASTING_RUNS :], median(paces))
            if len(latest) == LASTING_RUNS:
                rows.append([pace / median(self.accepted[shot]) for pace in latest])
        if not rows:
            return None
        return median(median(row) for row in rows), median(min(row) for row in rows)


def _question(
    kind: str,
    now: Mapping[str, tuple[float, ...]],
    quickest: Mapping[str, float],
    accepted: Mapping[str, tuple[float, ...]],
) -> Question:
    shots = [shot for shot in now if kind_of(shot) == kind and accepted.get(shot)]
    return Question(
        kind,
        {shot: now[shot] for shot in shots},
        {shot: quickest[shot] for shot in shots if shot in quickest},
        {shot: accepted[shot] for shot in shots},
    )


def _answer(evidence: Evidence, question: Question, numbers: dict[str, float]) -> Verdict:
    named, times = evidence.case.strategy.promise.reference, question.times
    limit = _slowest_step(question.accepted, least=STEP_SLOWER if named else SLOWER_ALONE[question.kind])
    numbers[f"step{question.kind}, times the accepted"] = times
    than = f" beside {named}'s in the same run" if named else ALONE[question.kind]
    taken = f"A denoising step takes {times:.2f} times as long as accepted{than}; the limit is {limit.value:.2f}"
    if times > limit.value:
        doubt = _quick_once(question, limit, numbers) or _slow_all_over(evidence, limit.value, numbers)
        doubt = doubt or _busy(evidence)
        return _too_slow(evidence, f"{taken}, by what the accepted takes vary.", numbers, limit, named, doubt)
    lasting = question.lasting(evidence.paces)
    if lasting is not None and question.kind != BY_THE_CLOCK:
        middle, least = lasting
        numbers["step, times the accepted, in the latest runs"] = middle
        slow = Limit(1 + LASTING, "what steps were seen to vary from run to run", n=LASTING_RUNS)
        if middle > slow.value and least > 1 + LASTING_LEAST:
            row = f"In {LASTING_RUNS} runs in a row a denoising step took {middle:.2f} times as long as accepted{than}"
            row = f"{row}, and never less than {least:.2f}."
            doubt = _slow_all_over(evidence, 1 + LASTING_LEAST, numbers) or _busy(evidence)
            return _too_slow(evidence, row, numbers, slow, named, doubt)
    return passed(evidence, SPEED, f"{taken}.", numbers=numbers, limit=limit)


def _too_slow(
    evidence: Evidence, taken: str, numbers: dict[str, float], limit: Limit, beside: str | None, doubt: str | None
) -> Verdict:
    """Red, unless there is a doubt.

    beside: the strategy that must be rendered with it to tell once more."""
    then = f"Run {again(evidence.case, beside=beside)} with nothing else on the machine."
    if doubt is not None:
        return no_data(evidence, SPEED, f"{taken} But {doubt}, so that tells nothing. {then}", numbers=numbers)
    same = "The same work, slower: " if _does_the_same_work(evidence) else ""
    return failed(evidence, SPEED, f"{same}{taken} {then}", numbers=numbers, limit=limit)


def _quick_once(question: Question, limit: Limit, numbers: dict[str, float]) -> str | None:
    """What is to be said where one shot was as quick as it may be."""
    quickest = question.times_at_its_quickest
    numbers["step at its quickest, times the accepted"] = quickest
    if quickest > limit.value:
        return None
    return f"at its quickest it took {quickest:.2f} times as long, {SLOW_FOR_A_WHILE}"


def _slow_all_over(evidence: Evidence, most: float, numbers: dict[str, float]) -> str | None:
    """What is to be said where encoding and decoding became as slow as the step."""
    times = _times_beside_the_rest(evidence)
    if times is None:
        return None
    numbers["denoising beside encoding and decoding, times the accepted"] = times
    if times > most:
        return None
    return f"beside encoding and decoding in the same case it took {times:.2f} times as long, {SLOW_FOR_A_WHILE}"


def _times_beside_the_rest(evidence: Evidence) -> float | None:
    """How many times as long as accepted denoising took beside what else the same calls did on a GPU, which is asked by
    the same processor in the same seconds; None where that is not known.

    A reference is rendered minutes before or after, when a shared host may be twice as quick. On a CPU what the
    processor worked does not depend on that as much."""
    accepted = evidence.baseline.case.seconds if evidence.baseline else {}
    if evidence.rendering.device != "cuda" or not all(accepted.get(phase) for phase in IN_A_CALL):
        return None
    before = {phase: median(accepted[phase]) for phase in IN_A_CALL}
    now = {phase: evidence.rendering.seconds(phase) or 0.0 for phase in IN_A_CALL}
    if min(*before.values(), *now.values()) <= 0:
        return None
    ours, theirs = (each[DENOISE] / (each[ENCODE] + each[DECODE]) for each in (now, before))
    return ours / theirs


def _busy(evidence: Evidence) -> str | None:
    """What is to be said where others had the GPU or the CPU that the case or its reference was to be measured on."""
    reference = evidence.reference
    if evidence.rendering.device == "cuda":
        return _on_its_gpu(evidence)
    if reference is None:  # fixed work beside a step has the same share of the processor
        return None
    both = (evidence.rendering, reference.rendering)
    shares = [share for one in both if (share := processor_share(one)) is not None]
    if not shares or min(shares) >= HAD_THE_PROCESSOR:
        return None
    return f"other programs left the processor to its steps for {figures.percent(min(shares))} of their time"


def _on_its_gpu(evidence: Evidence) -> str | None:
    return f"other programs held {amount(evidence.gpu_shared)} of its GPU" if evidence.gpu_shared else None


def _slowest_step(accepted: Mapping[str, tuple[float, ...]], *, least: float) -> Limit:
    """How many times the accepted pace a step may take: a share, and what the accepted repeats themselves vary."""
    around = [pace / median(paces) - 1 for paces in accepted.values() for pace in paces]
    spread = median(map(abs, around))
    of_the_middle = spread / sqrt(max(1, len(around) / PAIR))  # what the middle of many takes varies is less
    return Limit(1 + max(least, SPREADS * of_the_middle), "the accepted run's own repeats", 1.0, spread, n=len(around))


def _does_the_same_work(evidence: Evidence) -> bool:
    accepted, ours = evidence.accepted_facts.work, evidence.rendering.work
    return accepted is not None and ours is not None and not work_changes(accepted, ours)


def _phases(evidence: Evidence, numbers: dict[str, float], steps: Verdict | None) -> Verdict:
    """Each phase against the median of the latest runs; where there are too few, what is known of its steps."""
    reference = evidence.reference
    now = pace(evidence.rendering, reference.rendering if reference else None)
    if not now and steps is not None:
        return steps
    if not now:
        return no_data(evidence, SPEED, _without_pace(evidence), numbers=numbers)
    latest = {phase: evidence.paces.get(phase, ())[-WINDOW:] for phase in now}
    enough = {phase: past for phase, past in latest.items() if len(past) >= FEWEST}
    if not enough and steps is not None:
        return steps
    if not enough:
        return no_data(evidence, SPEED, _too_few(latest), numbers=numbers)
    for phase, past in enough.items():
        limit = _slowest(past, gpu=evidence.gpu)
        if now[phase] > limit.value:
            slower = _slower(evidence, phase, now[phase], limit)
            return _too_slow(evidence, slower, numbers, limit, None, _on_its_gpu(evidence))
    runs = counted(max(map(len, enough.values())), "run")
    return passed(evidence, SPEED, f"As fast as the median of the latest {runs} allows.", numbers=numbers)


def _without_pace(evidence: Evidence) -> str:
    """Why there is nothing that could be compared with earlier runs."""
    if evidence.gpu:
        return f"No phase came to its end. Run {again(evidence.case)}."
    named, reference = evidence.case.strategy.promise.reference, evidence.reference
    if named is None:
        return f"A step is held to the accepted one beside fixed work; none was accepted of this machine: {ACCEPT}."
    sentence = f"On a CPU, seconds are judged as multiples of {named}'s in the same run"
    if reference is None or reference.rendering.crash is not None:
        return f"{sentence}, which gave none. Run {again(evidence.case, beside=named)}."
    return f"{sentence}; no phase of it took {LONG_ENOUGH:.0f} s. A subject that takes longer would tell."


def _too_few(latest: Mapping[str, tuple[float, ...]]) -> str:
    have = max(map(len, latest.values()))
    return f"Speed is judged by at least {FEWEST} earlier runs on this machine ({have} so far)."


def _slowest(past: tuple[float, ...], *, gpu: bool) -> Limit:
    middle = median(past)
    spread = median(abs(value - middle) for value in past)
    least = max(SLOWER * middle, SECONDS) if gpu else SLOWER_ON_A_CPU * middle
    most = middle + max(least, SPREADS * spread)
    return Limit(most, "the median of the latest runs and what they vary", mean=middle, spread=spread, n=len(past))


def _slower(evidence: Evidence, phase: str, value: float, limit: Limit) -> str:
    usual, runs = limit.mean or 0.0, counted(limit.n or 0, "earlier run")
    share = figures.percent(value / usual - 1) if usual else "far"
    if evidence.gpu:
        took = f"took {figures.seconds(value)}, {share} more than the {figures.seconds(usual)} of {runs}"
        most = figures.seconds(limit.value)
    else:
        named = evidence.case.strategy.promise.reference
        took = f"kept the processor busy {value:.2f} times as long as {named}'s, {share} more than in {runs}"
        most = f"{limit.value:.2f} times"
    return f"{phase.capitalize()} {took}; the limit is {most}, by what they vary."

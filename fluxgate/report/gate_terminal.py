"""The result of a gate for a terminal: the decision, the culprit, what to pin, what to run next; then the cases."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from fluxgate import figures
from fluxgate.amounts import amount
from fluxgate.judge.sentences import counted, listed
from fluxgate.report.escaping import LONGEST, plain, shortened, wrapped
from fluxgate.report.gate_result import MOST_WORK, CaseOutcome, CaseResult, FigureResult, GateResult, Trend

OUTCOME_WIDTH = 10
MOST_STAGES = 4
FEWEST_TOGETHER = 3  # cases whose memory or work changed in one way, which is then told once
NARROWEST = 60  # columns, so that a reason beside a case has room

Kind = tuple[str, str, Trend]  # of a figure: what, in which phase, and where it went


def gate_lines(result: GateResult, *, width: int) -> Iterator[str]:
    """Everything, the decision first."""
    width = max(width, NARROWEST)
    yield from wrapped(result.sentence, width)
    yield from _culprit(result, width)
    yield from _next(result, width)
    yield ""
    for contrast in result.contrasts:
        yield from wrapped(contrast, width)
    if result.moves:
        moved = f"{counted(len(result.moves), 'package')} moved: {', '.join(map(str, result.told_moves))}."
        yield from wrapped(moved, width)
        yield from wrapped(result.told_unasked, width)
    yield f"On {plain(result.held_on)} ({plain(result.machine.id)})."
    if result.cases:
        yield ""
        yield from _cases(result, width)


def _culprit(result: GateResult, width: int) -> Iterator[str]:
    if result.culprit is None:
        return
    yield from wrapped(result.culprit.sentence, width)
    yield from wrapped(result.unasked_blame, width)
    for releases in result.culprit.releases:
        yield from wrapped(releases.sentence, width)
    for unresolved in result.culprit.unresolved_beside:
        yield from wrapped(unresolved, width)
    if result.pin:
        yield from wrapped(f"Pin {', '.join(result.pin)}.", width)


def _pictures(case: CaseResult) -> str:
    """What became of the pictures, where the reason tells of what they were made with."""
    if not (case.is_bad and case.inventory and case.pictures_compared):
        return ""
    if not case.pictures_moved:
        return "no pixel moved"
    levels = "" if case.largest_difference is None else f", by up to {case.largest_difference:.0f}/255"
    ssim = "" if case.least_ssim is None else f" (least SSIM {figures.likeness(case.least_ssim)})"
    return f"{case.pictures_moved} of {counted(case.pictures_compared, 'picture')} moved{levels}{ssim}"


def _next(result: GateResult, width: int) -> Iterator[str]:
    """What to do next; the command for it has a line of its own, however long, so that it can be copied whole."""
    if not result.next_command:
        yield from wrapped(result.next, width)
        return
    yield from wrapped(f"{result.next_words.rstrip('.')}:", width)
    yield f"  {plain(result.next_command)}"


def _cases(result: GateResult, width: int) -> Iterator[str]:
    """A paragraph for each case, those that are the same last and without a reason."""
    several = len({case.subject for case in result.cases}) > 1
    names = {case.case_id: case.case_id if several else case.strategy for case in result.cases}
    longest, together, work = max(map(len, names.values())), _together(result.cases), _same_work(result.cases)
    for case in sorted(result.cases, key=lambda one: (not one.is_bad, one.outcome is CaseOutcome.IDENTICAL)):
        lead = f"{names[case.case_id]:<{longest}}  {case.outcome:<{OUTCOME_WIDTH}}"
        indent = " " * (len(lead) + 2)
        yield from wrapped(f"{lead}  {_reason(case)}".rstrip(), width, further=indent)
        for change in case.inventory[1:]:
            yield from wrapped(change, width, indent=indent, further=indent)
        yield from wrapped(_pictures(case), width, indent=indent, further=indent)
        for change in (one for one in case.work[:MOST_WORK] if one not in work):
            yield from wrapped(f"work: {change}", width, indent=indent, further=indent)
        if case.moved_by_itself:
            stages = f"given the same inputs, only the {listed(case.moved_by_itself, MOST_STAGES)} moved"
            yield from wrapped(stages, width, indent=indent, further=indent)
        for figure in (one for one in _moved(case) if _kind(one) not in together):
            yield from wrapped(f"{_named(figure)} {figure.trend}: {figure.reason}", width, indent=indent)
    for change, cases in work.items():
        yield from wrapped(f"In {cases} cases, {change}.", width)
    for moved in together.values():
        least, most = sorted(abs((one.after or 0) - (one.before or 0)) for one in moved)[:: len(moved) - 1]
        by = " to ".join(dict.fromkeys(map(amount, (least, most))))
        yield from wrapped(f"In {len(moved)} cases, {_named(moved[0])} is {moved[0].trend} by {by}.", width)


def _moved(case: CaseResult) -> Iterator[FigureResult]:
    """What is better or worse, of memory and seconds."""
    for figure in (case.memory, case.seconds):
        if figure is not None and figure.trend in (Trend.WORSE, Trend.BETTER):
            yield figure


def _same_work(cases: Iterable[CaseResult]) -> dict[str, int]:
    """The changes of work that several cases have, and how many: these are told once."""
    counts = Counter(change for case in cases for change in case.work[:MOST_WORK])
    return {change: number for change, number in counts.items() if number >= FEWEST_TOGETHER}


def _together(cases: Iterable[CaseResult]) -> dict[Kind, list[FigureResult]]:
    """What several cases have in common of memory, which is told once."""
    kinds: dict[Kind, list[FigureResult]] = {}
    for case in cases:
        for figure in _moved(case):
            if figure is case.memory and figure.before is not None and figure.after is not None:
                kinds.setdefault(_kind(figure), []).append(figure)
    return {kind: figures for kind, figures in kinds.items() if len(figures) >= FEWEST_TOGETHER}


def _kind(figure: FigureResult) -> Kind:
    return figure.figure, figure.phase, figure.trend


def _named(figure: FigureResult) -> str:
    """`host memory once loaded`, `allocated memory in denoise`, `seconds`."""
    if figure.figure == "seconds":
        return figure.figure
    when = {"loaded": "once loaded", "whole": "at its peak"}.get(figure.phase, f"in {figure.phase}")
    return f"{figure.figure} memory {when}"


def _reason(case: CaseResult) -> str:
    if case.outcome is CaseOutcome.IDENTICAL and not case.crashes_in_both:
        return ""
    reason = shortened(case.reason, LONGEST)
    if case.outcome is CaseOutcome.FIXED or case.stage is None:  # of what was wrong before, the checks tell
        return reason
    return f"{reason}; first at the {case.stage}"

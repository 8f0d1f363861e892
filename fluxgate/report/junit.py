"""The report as JUnit XML: a suite for each subject, a test for each verdict, and its evidence as properties."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from xml.etree import ElementTree

from fluxgate.judge.verdict import CRASHED, FAILED, LIBRARY_CHECKS, NOT_SELECTED, PASSED, Verdict
from fluxgate.report.escaping import lines, plain, shortened
from fluxgate.report.report import Report

LONGEST = 100_000  # characters of one text: what reads the file shows it in a browser
LIBRARIES = "libraries"  # the suite of what is asked of libraries by themselves
ATTACHMENT = "[[ATTACHMENT|{}]]"  # what GitLab, and Jenkins' JUnit Attachments plugin, look for in a test's output


def junit(report: Report) -> str:
    """The report, for what shows the tests of a CI system; what nobody asked about is left out."""
    suites: dict[str, list[Verdict]] = {}
    for verdict in report.verdicts:
        if verdict.status != NOT_SELECTED:
            suites.setdefault(_suite_of(verdict), []).append(verdict)
    root = ElementTree.Element(
        "testsuites", {"name": "fluxgate", **_counts(v for those in suites.values() for v in those)}
    )
    for name, verdicts in suites.items():
        _add_suite(root, name, verdicts, report)
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _suite_of(verdict: Verdict) -> str:
    return LIBRARIES if verdict.check in LIBRARY_CHECKS else verdict.subject


def _counts(verdicts: Iterable[Verdict]) -> dict[str, str]:
    """How many tests there are, and how many ended badly or were not answered."""
    statuses = [verdict.status for verdict in verdicts]
    numbers = {
        "tests": len(statuses),
        "failures": statuses.count(FAILED),
        "errors": statuses.count(CRASHED),
        "skipped": sum(status not in (PASSED, FAILED, CRASHED) for status in statuses),
    }
    return {name: str(number) for name, number in numbers.items()}


def _add_suite(root: ElementTree.Element, name: str, verdicts: list[Verdict], report: Report) -> None:
    """A suite, with the machine and the versions as its properties."""
    seconds = {row.case_id: row.seconds for row in report.cases}
    suite = ElementTree.SubElement(root, "testsuite", {"name": _text(name), **_counts(verdicts)})
    spent = sum(seconds.get(case_id) or 0 for case_id in {verdict.case_id for verdict in verdicts})
    suite.set("time", f"{spent:.3f}")
    if report.run:
        suite.set("timestamp", _text(report.run.started[:19]))
    _add_properties(suite, _about(report))
    timed: set[str] = set()
    for verdict in verdicts:
        first = verdict.case_id not in timed  # what a case took is told once
        timed.add(verdict.case_id)
        _add_test(suite, verdict, seconds=(seconds.get(verdict.case_id) or 0) if first else 0)


def _about(report: Report) -> Iterator[tuple[str, str]]:
    yield "machine", report.machine.id
    yield from report.versions.items()
    if report.run:
        yield "run", report.run.folder
        yield "command", report.run.command
    if report.cut_short:
        yield "cut short", report.cut_short.sentence
    if report.gate:
        yield "verdict", report.gate.result.answer.value
        yield "pin", " ".join(report.gate.result.pin)


def _add_test(suite: ElementTree.Element, verdict: Verdict, *, seconds: float) -> None:
    case = f"{verdict.subject}.{verdict.strategy}"
    test = ElementTree.SubElement(suite, "testcase", classname=_text(case), name=_text(verdict.check))
    test.set("time", f"{seconds:.3f}")
    _add_properties(test, _evidence(verdict))
    sentence = [_text(line) for line in lines(verdict.sentence)] or [""]
    if verdict.status != PASSED:
        kind = {FAILED: "failure", CRASHED: "error"}.get(verdict.status, "skipped")
        answer = ElementTree.SubElement(test, kind, type=verdict.status, message=sentence[0])
        answer.text = "\n".join(sentence) if kind != "skipped" else None
    if verdict.pictures and verdict.status in (FAILED, CRASHED):
        output = ElementTree.SubElement(test, "system-out")
        output.text = "\n".join(ATTACHMENT.format(_text(path)) for path in verdict.pictures.values())


def _evidence(verdict: Verdict) -> Iterator[tuple[str, str]]:
    """Numbers, limit, stage, and where the pictures lie within the run's or the gate's folder."""
    yield from ((name, f"{number:.9g}") for name, number in verdict.numbers.items())
    if verdict.limit is not None:
        yield "limit", f"{verdict.limit.value:.9g}"
        yield "limit's source", verdict.limit.source
    if verdict.stage is not None:
        yield "stage", verdict.stage
    yield from ((f"picture, {side}", path) for side, path in verdict.pictures.items())


def _add_properties(element: ElementTree.Element, properties: Iterable[tuple[str, str]]) -> None:
    named = [(name, value) for name, value in properties if value]
    if named:
        group = ElementTree.SubElement(element, "properties")
        for name, value in named:
            ElementTree.SubElement(group, "property", name=_text(name), value=_text(value))


def _text(text: str) -> str:
    """Without the characters that XML cannot hold, and not longer than anybody reads."""
    return "".join(character for character in plain(shortened(text, LONGEST)) if character not in "\ufffe\uffff")

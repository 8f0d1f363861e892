"""Tests of the report as JUnit XML: what Jenkins and GitLab read of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from fluxgate.judge.verdict import CHECKS, FAILED, NF4, PASSED, PROMISE, Limit, Verdict
from fluxgate.report.gate_folder import read_gate_result
from fluxgate.report.gate_report import report_on_gate
from fluxgate.report.junit import LONGEST, junit
from fluxgate.report.report import CutShort
from tests.report import gates
from tests.report.html.test_page import HOSTILE
from tests.report.made import RUN, changed, of_case, report, verdicts

# What Jenkins' jenkins-junit.xsd allows: of each element the children, and the attributes with those it needs first.
ALLOWED = {
    "testsuites": (("testsuite",), (), ("name", "tests", "failures", "errors", "skipped", "time", "disabled")),
    "testsuite": (
        ("properties", "testcase", "system-out", "system-err"),
        ("name", "tests"),
        ("failures", "errors", "skipped", "time", "timestamp", "hostname", "id", "package"),
    ),
    "properties": (("property",), (), ()),
    "property": ((), ("name", "value"), ()),
    "testcase": (
        ("properties", "skipped", "error", "failure", "system-out", "system-err"),
        ("name", "classname"),
        ("time", "status", "assertions"),
    ),
    "skipped": ((), (), ("type", "message")),
    "failure": ((), (), ("type", "message")),
    "error": ((), (), ("type", "message")),
    "system-out": ((), (), ()),
}


def parsed(text: str) -> ElementTree.Element:
    """The file, once every element was seen to be allowed where it is."""
    root = ElementTree.fromstring(text)
    assert root.tag == "testsuites"
    for element in root.iter():
        children, required, optional = ALLOWED[element.tag]
        assert {child.tag for child in element} <= set(children)
        assert set(required) <= set(element.attrib) <= {*required, *optional}
    return root


def properties(element: ElementTree.Element) -> dict[str, str]:
    return {one.attrib["name"]: one.attrib["value"] for one in element.findall("properties/property")}


def test_every_verdict_that_was_asked_for_is_a_test() -> None:
    """Failed and crashed as JUnit has them; what has no answer is skipped with its reason."""
    root = parsed(junit(report(verdicts())))
    (suite,) = root
    each = len(CHECKS)
    counts = {"tests": 5 * each, "failures": 1, "errors": each, "skipped": 2 * each + 2}
    assert {name: int(suite.attrib[name]) for name in counts} == counts
    assert {name: int(root.attrib[name]) for name in counts} == counts
    kinds = {
        one.attrib["classname"]: {child.tag for child in one if child.tag != "properties"}
        for one in suite.findall("testcase")
    }
    assert kinds["tiny.nf4"] == {"error"}
    assert kinds["tiny.nf4-sequential-offload"] == {"skipped"}
    assert "tiny.int8" not in kinds


def test_a_test_has_its_evidence() -> None:
    """Numbers, the limit and its source, the stage, and where the pictures lie, also as attachments."""
    evidence = {
        "numbers": {"ssim": 0.912},
        "limit": Limit(0.941, "accepted", n=40),
        "stage": "prompt embeddings",
        "pictures": {"expected": "cases/a.png", "actual": "cases/b.png"},
    }
    failing = changed(of_case("nf4", PASSED), PROMISE, status=FAILED, sentence="0.912 is low.\n  see", **evidence)
    (test,) = (one for one in parsed(junit(report(failing))).iter("testcase") if one.attrib["name"] == PROMISE)
    assert properties(test) == {
        "ssim": "0.912",
        "limit": "0.941",
        "limit's source": "accepted",
        "stage": "prompt embeddings",
        "picture, expected": "cases/a.png",
        "picture, actual": "cases/b.png",
    }
    failure = test.find("failure")
    assert failure is not None
    assert (failure.attrib["message"], failure.text) == ("0.912 is low.", "0.912 is low.\n  see")
    assert test.findtext("system-out") == "[[ATTACHMENT|cases/a.png]]\n[[ATTACHMENT|cases/b.png]]"


def test_what_is_asked_of_libraries_is_a_suite_of_its_own() -> None:
    """It is of no subject."""
    (suite,) = parsed(junit(report([Verdict("bitsandbytes", "0.50", NF4, PASSED, "It holds.")])))
    assert suite.attrib["name"] == "libraries"


def test_a_suite_tells_machine_and_versions() -> None:
    """So that two files can be told apart."""
    (suite,) = parsed(junit(report(verdicts())))
    told = properties(suite)
    assert (told["machine"], told["diffusers"], told["command"]) == ("tiny-torch1.0", "0.42.1", "pytest -m gpu")


def test_a_suite_of_a_run_that_was_cut_short_says_so() -> None:
    """A file without failures would look as if all had passed."""
    (suite,) = parsed(junit(report(verdicts(), run=replace(RUN, cut_short=CutShort(4, 6)))))
    assert "4 of 6 cases" in properties(suite)["cut short"]


def test_a_gate_is_a_report_too(tmp_path: Path) -> None:
    """A test for each case; the pin is a property."""
    folder = gates.gate(tmp_path)
    root = parsed(junit(report_on_gate(read_gate_result(folder), folder)))
    assert [one.attrib["classname"] for one in root.iter("testcase") if one.find("failure") is not None] == [
        "tiny.offload",
        "tiny.broken",
    ]
    (suite,) = root
    assert (properties(suite)["pin"], properties(suite)["verdict"]) == ("transformers==4.49.0", "not safe")


@pytest.mark.parametrize("word", [*HOSTILE, "\x00\x0b\ud800\ufffe", "]]>"])
def test_hostile_text_stays_text(word: str) -> None:
    """The file is read whatever is in names, sentences, paths and logs, and it stays small."""
    hostile = Verdict(word, word, word, FAILED, word, {word: 1.0}, Limit(1.0, word), {"actual": word}, word)
    text = junit(replace(report([hostile]), stack={"diffusers": word}))
    (test,) = parsed(text).iter("testcase")
    assert len(text) < 20 * LONGEST
    assert {child.tag for child in test} == {"properties", "failure", "system-out"}

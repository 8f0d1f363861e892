"""Writes into docs/gate.md what came of gates with injected faults: python docs/injected_faults.py JUNIT…

The files are what `FLUXGATE_NIGHTLY=1 pytest tests/gate/test_injected_faults.py --junitxml=FILE` writes."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from xml.etree import ElementTree

from fluxgate.machine import detect, stack

PAGE = Path(__file__).with_name("gate.md")
BEGIN, END = "<!-- made by docs/injected_faults.py -->", "<!-- end -->"
COMMAND = "FLUXGATE_NIGHTLY=1 pytest tests/gate/test_injected_faults.py"


def lines(paths: Iterable[Path]) -> Iterator[str]:
    """A sentence with the date and the machine, and a table with a row for each test."""
    suites = [suite for path in paths for suite in ElementTree.parse(path).iter("testsuite")]
    cases = [case for suite in suites for case in suite.iter("testcase")]
    machine = detect()
    with_what = f"torch {machine.torch}, diffusers {stack()['diffusers']}, Python {machine.python}"
    days = sorted({suite.get("timestamp", "")[:10] for suite in suites})
    right = sum(map(_as_expected, cases))
    where = f"on {machine.count} cores of an {machine.name}, {with_what}"
    day = " and ".join(days)
    yield f"Played on {day} {where}, with `{COMMAND}`: {right} of {len(cases)} ended as the tests demand."
    yield ""
    yield "| injected | gates | as demanded | seconds |"
    yield "| --- | --- | --- | --- |"
    for name in dict.fromkeys(map(_name, cases)):
        own = [case for case in cases if _name(case) == name]
        seconds = sum(float(case.get("time", 0)) for case in own)
        yield f"| {name} | {len(own)} | {sum(map(_as_expected, own))} | {seconds:.0f} |"


def _name(case: ElementTree.Element) -> str:
    """`two packages that are bad only together`, of whatever parameters."""
    return case.get("name", "").partition("[")[0].removeprefix("test_").replace("_", " ")


def _as_expected(case: ElementTree.Element) -> bool:
    return not list(case)  # neither a failure, nor an error, nor skipped


def main(paths: list[str]) -> None:
    made = "\n".join([BEGIN, *lines(map(Path, paths)), END])
    text = re.sub(f"{BEGIN}.*?{END}", lambda _: made, PAGE.read_text(), flags=re.DOTALL)
    PAGE.write_text(text)


if __name__ == "__main__":
    main(sys.argv[1:])

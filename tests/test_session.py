"""Tests of the workshop: each case of a run is rendered once, however often and by whom it is asked for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fluxgate.cases import Case
from fluxgate.files import write_plain
from fluxgate.rendering import Rendering
from fluxgate.runs.run import Run, create
from fluxgate.session import Workshop
from tests.runs.building import CASES, MACHINE, STACK, rendering


class Pen:
    """Stands in for the workers: writes a rendering, and remembers what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[Any] = []

    def render(self, case: Case, folder: Path, *, source: Path, timeout: float, report: Any, glance: Any) -> Rendering:
        self.asked.append((case.id, source, timeout))
        found = rendering(case.strategy.name, folder)
        glance(found.pictures)
        write_plain(folder / "rendering.json", found)
        return found


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return create(tmp_path, MACHINE, STACK, "x")


def workshop(run: Run, pen: Any, cases: Any = None, **options: Any) -> Workshop:
    chosen = CASES.values() if cases is None else cases
    return Workshop(run, pen, chosen, locate=lambda subject: Path("/there") / subject.name, **options)


def test_a_case_is_rendered_once(run: Run) -> None:
    """The second question is answered from memory."""
    pen = Pen()
    found = workshop(run, pen, timeout=5.0)
    assert found.rendering("tiny-full") is found.rendering("tiny-full")
    assert pen.asked == [("tiny-full", Path("/there/tiny"), 5.0)]


def test_pictures_are_shown_before_the_case_is_done(run: Run) -> None:
    """With the case that they are of; only afterwards there is a rendering to be had without rendering."""
    seen: list[Any] = []
    found = workshop(run, Pen(), glance=lambda case, pictures: seen.append((case.id, pictures, found.done(case.id))))
    whole = found.rendering("tiny-full")
    assert whole is not None
    assert seen == [("tiny-full", whole.pictures, None)]
    assert found.done("tiny-full") is whole


def test_a_case_that_the_run_has_already_is_read(run: Run) -> None:
    """Another process, or an earlier one, may have rendered it."""
    pen = Pen()
    first = workshop(run, pen).rendering("tiny-full")
    assert workshop(run, pen).rendering("tiny-full") == first
    assert len(pen.asked) == 1


def test_a_case_that_cannot_be_rendered_is_nothing(run: Run) -> None:
    """Neither one that is unsupported here nor one that is not in the run."""
    case = replace(CASES["tiny-nf4"], unsupported="no GPU")
    pen = Pen()
    found = workshop(run, pen, [case])
    assert found.rendering("tiny-nf4") is None
    assert found.rendering("tiny-full") is None
    assert pen.asked == []


def test_the_lock_of_a_case_is_no_case(run: Run) -> None:
    """What lies beside the cases' folders is not read as one."""
    workshop(run, Pen()).rendering("tiny-full")
    assert list(run.renderings()) == ["tiny-full"]

"""Tests of what both stacks are asked of a case: verdicts on what may differ, and no more than that."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fluxgate.gate.environments.building import Built
from fluxgate.gate.environments.pins import Pins
from fluxgate.gate.gate import _judged
from fluxgate.gate.outcome import Side
from fluxgate.gate.settings import Settings
from fluxgate.gate.sides import OpenStack, Stack
from fluxgate.judge.verdict import SCENE, TWICE
from fluxgate.locks import silent
from tests.judge.made import changed
from tests.runs.building import put


@pytest.fixture
def opened(tiny_subject: str, tmp_path: Path) -> Iterator[OpenStack]:
    """A stack of a subject whose pictures can be read."""
    catalogue = Path(os.environ["FLUXGATE_SUBJECTS"])
    catalogue.write_text(catalogue.read_text().replace("vae_tile", 'reader = "storybook"\nvae_tile'))
    built = Built(Path(sys.executable), tmp_path / "0123456789abcdef", Pins({}), None, 1.0, False)
    stack = Stack(built, settings=Settings((tiny_subject,), runs=tmp_path / "runs"), report=silent, name="incumbent")
    with ExitStack() as exits:
        yield stack.open(exits)


def another(opened: OpenStack, side: Side) -> OpenStack:
    """The stack once more, which gives darker pictures."""
    run = opened.stack.run_of(2)
    assert side.rendered is not None
    darker = changed(side.rendered, lambda pixels: (pixels // 2).astype(np.uint8))
    for file in side.rendered.folder.glob("*.png"):
        run.case_folder(side.case.id).mkdir(parents=True, exist_ok=True)
        os.link(file, run.case_folder(side.case.id) / file.name)
    put(run, darker.rendering)
    return OpenStack(opened.stack, opened.session.into(run))


def test_pictures_are_read_only_where_that_can_tell_something(opened: OpenStack) -> None:
    """What they show is the same where the pixels are; it is asked where they differ, and where something fails."""
    side = opened.render(opened.stack.cases["tiny-full"])
    same, _ = _judged((opened, side), (opened, side))
    assert SCENE not in same.verdicts
    assert TWICE in same.verdicts
    other = another(opened, side)
    sides = _judged((opened, side), (other, other.render(side.case)))
    assert all(SCENE in one.verdicts for one in sides)
    assert SCENE in opened.side(side.case).verdicts  # of one stack by itself, everything is asked


def test_pictures_are_read_where_the_case_fails(opened: OpenStack) -> None:
    """A case is fixed if all that is asked of it passes, what its pictures show as well."""
    side = opened.render(opened.stack.cases["tiny-full"])
    assert side.rendered is not None
    first = side.rendered.rendering.pictures[0]
    again = replace(first, take=1, sha256="0" * 64)
    put(opened.session.run, replace(side.rendered.rendering, pictures=(first, again)))
    unlike = OpenStack(opened.stack, opened.session.into(opened.session.run))
    judged, _ = _judged((unlike, unlike.render(side.case)), (unlike, unlike.render(side.case)))
    assert TWICE in judged.failing
    assert SCENE in judged.verdicts

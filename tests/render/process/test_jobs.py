"""Tests of jobs: whatever a process is asked to do arrives as it was, and names stand for functions."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from fluxgate.calibration.controls import coarser
from fluxgate.cases import Case
from fluxgate.refusal import Refusal
from fluxgate.render.process.jobs import (
    CaseJob,
    Job,
    PartJob,
    Surroundings,
    function_named,
    name_of,
    packed,
    unpacked,
)
from fluxgate.rendering import Component, Inventory
from fluxgate.strategies import coarse
from fluxgate.subjects.subject import Needs, Shot, Subject
from tests.render import making
from tests.strategies.named import strategy_named

# Anything that a path or a variable may hold, also the bytes that are no UTF-8.
FOREIGN = some.characters(min_codepoint=0xDC80, max_codepoint=0xDCFF)
TEXT = some.text(some.characters(exclude_categories=["Cs"]) | FOREIGN)
NAMES = some.lists(TEXT, max_size=3).map(tuple)
COUNTS = some.integers(0, 1 << 62)
NUMBERS = some.floats(allow_nan=False)
PATHS = TEXT.filter(lambda text: "\0" not in text).map(Path)
PLAIN = some.recursive(
    some.none() | some.booleans() | some.integers() | NUMBERS | TEXT,
    lambda inner: some.lists(inner, max_size=3) | some.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)


SHOTS = some.builds(
    Shot,
    TEXT,
    NAMES,
    COUNTS,
    height=some.none() | COUNTS,
    width=some.none() | COUNTS,
    steps=some.none() | COUNTS,
    guidance=some.none() | NUMBERS,
    max_sequence_length=some.none() | COUNTS,
    pictures_per_prompt=some.none() | COUNTS,
    sigmas=some.none() | some.lists(NUMBERS, max_size=3).map(tuple),
    long=some.booleans(),
    only_on=some.none() | TEXT,
    readable=some.booleans(),
)
SUBJECTS = some.builds(
    Subject,
    TEXT,
    TEXT,
    TEXT,
    some.lists(SHOTS, max_size=2).map(tuple),
    revision=some.none() | TEXT,
    pipeline=TEXT,
    dtype=TEXT,
    large=NAMES,
    denoiser=TEXT,
    encoders=NAMES,
    encodes=NAMES,
    embeddings=NAMES,
    reader=some.none() | TEXT,
    vae_tile=some.none() | COUNTS,
    needs=some.builds(Needs, COUNTS, COUNTS, some.booleans()),
    published=some.dictionaries(TEXT, NUMBERS, max_size=2),
)
TALLIES = some.dictionaries(TEXT, COUNTS, max_size=2)
COMPONENTS = some.builds(
    Component,
    TEXT,
    TEXT,
    TALLIES,
    COUNTS,
    TALLIES,
    TALLIES,
    some.dictionaries(TEXT, TEXT, max_size=2),
    some.dictionaries(TEXT, TALLIES, max_size=2),
    some.none() | TEXT,
)
INVENTORIES = some.builds(Inventory, some.dictionaries(TEXT, COMPONENTS, max_size=2), TALLIES)
PLACES = (PATHS, PATHS, PATHS)
LIMIT = some.none() | COUNTS
CASES = some.builds(CaseJob, TEXT, SUBJECTS, TEXT, *PLACES, takes=some.none() | COUNTS, vram_limit=LIMIT)
PARTS = some.builds(
    PartJob,
    TEXT,
    some.dictionaries(TEXT, PLAIN, max_size=3),
    TEXT,
    SUBJECTS,
    TEXT,
    *PLACES,
    TEXT,
    COUNTS,
    INVENTORIES,
    LIMIT,
)


@given(CASES | PARTS, some.dictionaries(TEXT, TEXT, max_size=3), some.none() | some.lists(TEXT, max_size=3))
def test_any_job_comes_back_as_it_went(job: Job, variables: dict[str, str], path: list[str] | None) -> None:
    """Of either kind, to the last bit, with its surroundings; what travels is JSON in ASCII."""
    data = packed(job, variables, path=path)
    assert json.loads(data.decode("ascii"))["kind"] == ("case" if isinstance(job, CaseJob) else "part")
    assert unpacked(data) == (job, Surroundings(path, variables, Path.cwd()))


def case_job(folder: Path, *, device: str = "cpu", takes: int | None = None) -> CaseJob:
    subject = making.case(making.full, making.ONE, making.FOUR).subject
    return CaseJob(name_of(making.full), subject, device, folder, folder, folder, takes)


def part_job(folder: Path, **arguments: Any) -> PartJob:
    whole = case_job(folder)
    return PartJob(
        whole.load, arguments, "denoise", whole.subject, "cpu", folder, folder, folder, "one", 0, Inventory({}), None
    )


@pytest.mark.parametrize("value", [(1, 2), {1}, {1: 2}, b"a", float("nan"), Path("a")], ids=repr)
def test_what_would_arrive_as_something_else_is_refused(value: Any, tmp_path: Path) -> None:
    """JSON would make a list of a tuple and a text of a number: nobody would see it."""
    with pytest.raises(Refusal, match="must be plain data"):
        packed(part_job(tmp_path, value=[value]), {}, path=None)


def test_what_is_no_data_is_refused(tmp_path: Path) -> None:
    """With its kind, and what to do instead."""
    with pytest.raises(Refusal, match="complex"):
        packed(part_job(tmp_path, value=1j), {}, path=None)


def test_nothing_is_imported_for_unpacking(tmp_path: Path) -> None:
    """The log must be there when the strategy's own module cannot be imported."""
    job = CaseJob("nowhere:load", case_job(tmp_path).subject, "cpu", tmp_path, tmp_path, tmp_path)
    assert unpacked(packed(job, {}, path=None))[0].folder == tmp_path


def test_surroundings_are_entered_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Modules, environment and folder are the asker's; nothing of one's own is left."""
    monkeypatch.chdir(tmp_path.parent)
    monkeypatch.setattr(sys, "path", ["mine"])
    monkeypatch.setattr(os, "environ", {"MINE": "1"})
    Surroundings(["theirs"], {"THEIRS": "2"}, tmp_path).enter()
    assert (sys.path, dict(os.environ), Path.cwd()) == (["theirs"], {"THEIRS": "2"}, tmp_path)


def test_a_process_of_another_environment_keeps_its_own_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its modules are its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", ["mine"])
    monkeypatch.setattr(os, "environ", {})
    Surroundings(None, {}, tmp_path).enter()
    assert sys.path == ["mine"]


@pytest.mark.parametrize(
    ("device", "takes", "expected"),
    [("cpu", None, [2, 1]), ("cuda", None, [2, 2]), ("cpu", 3, [3, 3]), ("cuda", 1, [1, 1])],
)
def test_how_often_each_shot_is_rendered(tmp_path: Path, device: str, takes: int | None, expected: list[int]) -> None:
    """As asked; else twice on a GPU, and on a CPU twice the first."""
    asked = case_job(tmp_path, device=device, takes=takes)
    assert [asked.takes_of(number) for number in (0, 1)] == expected


def test_second_takes_come_last(tmp_path: Path) -> None:
    """So that what builds up from call to call is seen."""
    assert list(case_job(tmp_path).order()) == [(0, [0, 1]), (1, [0])]
    assert list(case_job(tmp_path, takes=2).order()) == [(0, [0, 1]), (1, [0, 1])]


def test_a_function_is_found_by_its_name() -> None:
    """Also that of a strategy, whose own name its module gives to the strategy."""
    assert name_of(making.full) == "tests.render.making:full"
    assert function_named("tests.render.making:full") is making.full
    assert name_of(coarse.coarse_four_bit.load) == "fluxgate.strategies.coarse:coarse_four_bit.load"


def test_a_control_of_calibration_is_found_by_its_name() -> None:
    """A strategy that was given another name still loads with its own function."""
    subject = Subject("small", "a small pipeline", "folder:.", (making.ONE,))
    control = coarser(Case(subject, strategy_named("nf4"), "cpu"))
    assert control is not None
    assert function_named(name_of(control.strategy.load)) is coarse.coarse_four_bit.load


def shadowed() -> None: ...


def shadowing() -> None: ...


shadowing.__qualname__ = "shadowed"


@pytest.mark.parametrize(
    "function, sentence",
    [
        (lambda site: None, "cannot be imported: AttributeError"),
        (shadowing, "that name is of another function"),
    ],
)
def test_a_function_that_nobody_else_finds_has_no_name(function: Callable[..., Any], sentence: str) -> None:
    """It is refused before a process is made for it."""
    with pytest.raises(Refusal, match=sentence):
        name_of(function)


@pytest.mark.parametrize(
    "name, sentence",
    [
        (
            "nowhere.at.all:load",
            "nowhere.at.all:load cannot be imported: ModuleNotFoundError: No module named 'nowhere'",
        ),
        ("fluxgate.cases:nothing", "fluxgate.cases:nothing cannot be imported: AttributeError: "),
        ("fluxgate.cases", "fluxgate.cases cannot be imported: AttributeError: "),
        ("", " cannot be imported: ValueError: Empty module name"),
        (
            "fluxgate.strategies.offloading:full",
            "fluxgate.strategies.offloading:full is a Strategy, not a function",
        ),
    ],
)
def test_a_name_without_a_function_is_refused(name: str, sentence: str) -> None:
    """In one sentence, which tells what was looked for."""
    with pytest.raises(Refusal) as raised:
        function_named(name)
    assert str(raised.value).startswith(sentence)

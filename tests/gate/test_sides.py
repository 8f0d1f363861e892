"""Tests of a stack's run: used again by the next gate, without what a day has spoilt in it."""

from __future__ import annotations

import os
import shutil
import sys
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from fluxgate.environment import ENGINE
from fluxgate.gate import sides
from fluxgate.gate.environments.building import Built
from fluxgate.gate.environments.importing import NEEDED, WITHOUT_FLUX
from fluxgate.gate.environments.pins import Pins
from fluxgate.gate.settings import Settings
from fluxgate.gate.sides import HANGS_AFTER, MEASURING, SHORTEST_HANG, Stack, first_shots, imports_of
from fluxgate.locks import held, silent
from fluxgate.rendering import Crash
from fluxgate.runs.run import CASES
from fluxgate.session.choice import CASE_TIMEOUT
from tests.runs.building import put, rendering


def opened(subject: str, folder: Path, *, case_timeout: str | None = None) -> Stack:
    built = Built(Path(sys.executable), folder / "0123456789abcdef", Pins({}), None, 1.0, False)
    settings = Settings((subject,), runs=folder / "runs", case_timeout=case_timeout)
    return Stack(built, settings=settings, report=silent, name="incumbent")


@pytest.fixture
def stack(tiny_subject: str, tmp_path: Path) -> Stack:
    return opened(tiny_subject, tmp_path)


def crashed(stack: Stack, kind: str, *, seconds: float = SHORTEST_HANG) -> Path:
    """A rendering in the stack's run that ended so; its folder."""
    folder = stack.run.case_folder("tiny-full")
    crash = Crash(kind, "it ended", None, ())
    put(stack.run, replace(rendering("full", folder), crash=crash, wall_seconds=seconds))
    return folder


@pytest.mark.parametrize(("pipeline", "needed"), [("FluxPipeline", NEEDED), ("DiTPipeline", WITHOUT_FLUX)])
def test_only_who_uses_flux_needs_it(tiny_subject: str, tmp_path: Path, pipeline: str, needed: tuple[str, ...]) -> None:
    """Where it cannot be imported, others' pipelines may be as good as before."""
    catalogue = tmp_path / "own.toml"
    text = Path(os.environ["FLUXGATE_SUBJECTS"]).read_text().replace("[tiny", "[own")
    catalogue.write_text(text.replace("vae_tile", f'pipeline = "{pipeline}"\nvae_tile', 1))
    assert imports_of(Settings(("own",), catalogue=catalogue)) == needed


def test_each_attempt_has_a_run_that_is_found_again(stack: Stack) -> None:
    """By later gates of the same stack, too."""
    assert stack.run_of(1).folder == stack.run.folder
    assert stack.run_of(2).folder == stack.run_of(2).folder != stack.run.folder


def test_a_part_of_a_stack_has_a_run_of_its_own(stack: Stack) -> None:
    """With one shot a case: a gate that repeats all of it must not take that for the whole."""
    part = first_shots(stack.choice)
    assert {len(case.shots) for case in part.cases} == {1}
    run = stack.run_of(2, choice=part)
    assert run.folder == stack.run_of(2, choice=part).folder
    if any(len(case.shots) > 1 for case in stack.choice.cases):
        assert run.folder != stack.run_of(2).folder


def test_a_control_is_the_first_shot_in_another_process(stack: Stack) -> None:
    """It gives the same as the whole case did, and lies in a run of its own."""
    case = stack.cases["tiny-full"]
    with ExitStack() as exits:
        side = stack.open(exits).render(case, control=True)
    assert side.rendered is not None
    assert side.control is not None
    assert list(side.control.rendering.recipes) == [case.shots[0].name]
    assert set(side.rendered.rendering.recipes) == {shot.name for shot in case.shots}
    assert {picture.take for picture in side.control.rendering.pictures} == {0}
    assert {picture.take for picture in side.rendered.rendering.pictures} == {0, 1}
    assert (side.is_steady, side.repeats) == (True, ())
    assert stack.run.folder not in side.control.folder.parents


def test_only_a_whole_rendering_tells_how_long_a_case_takes(stack: Stack) -> None:
    """One that crashed after a while says nothing of a candidate in which it works; nor does the case before."""
    folder = stack.run.case_folder("tiny-full")
    whole = replace(rendering("full", folder), wall_seconds=100.0)
    put(stack.run, whole)
    crash = replace(whole, crash=Crash("exception", "it ended", None, ()))
    with ExitStack() as exits:
        side, timeouts = stack.open(exits), []
        for like in (whole, crash, whole, None):
            side.once("tiny-full", 1, like=like)
            timeouts.append(side.session.choice.timeout)
    assert timeouts == [HANGS_AFTER * 100.0, CASE_TIMEOUT, HANGS_AFTER * 100.0, CASE_TIMEOUT]


@pytest.mark.parametrize("named", [f"{CASE_TIMEOUT:.0f}", "7200"])
def test_the_seconds_that_a_user_names_hold(tiny_subject: str, tmp_path: Path, named: str) -> None:
    """Those that would be the default elsewhere, too."""
    stack = opened(tiny_subject, tmp_path, case_timeout=named)
    whole = replace(rendering("full", stack.run.case_folder("tiny-full")), wall_seconds=1.0)
    put(stack.run, whole)
    with ExitStack() as exits:
        side = stack.open(exits)
        side.once("tiny-full", 1, like=whole)
        assert side.session.choice.timeout == float(named)


def test_a_later_gate_opens_the_same_stack(stack: Stack, tiny_subject: str, tmp_path: Path) -> None:
    """And finds its run, made by an earlier process."""
    assert opened(tiny_subject, tmp_path).run.folder == stack.run.folder


def test_another_fluxgate_renders_again(
    stack: Stack, tiny_subject: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What older code measured is not held against what this one measures."""
    engine = tmp_path / "engine"
    engine.mkdir()
    for name in MEASURING:
        (shutil.copytree if (ENGINE / name).is_dir() else shutil.copy2)(ENGINE / name, engine / name)
    monkeypatch.setattr(sides, "ENGINE", engine)
    assert opened(tiny_subject, tmp_path).run.folder == stack.run.folder
    with (engine / "render" / "measure" / "meter.py").open("a") as file:
        file.write("\n")
    assert opened(tiny_subject, tmp_path).run.folder != stack.run.folder


def test_an_edit_of_ones_own_strategy_renders_again(
    stack: Stack, tiny_subject: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its name is the same; its pictures need not be."""
    own = tmp_path / "own.py"
    folders = []
    for text in ("one = 1\n", "one = 2\n"):
        own.write_text(text)
        monkeypatch.setattr(sides, "own_packages", lambda: (own,))
        folders.append(opened(tiny_subject, tmp_path).run.folder)
    assert len({stack.run.folder, *folders}) == 3


def test_another_pipeline_in_the_same_folder_is_rendered_again(
    stack: Stack, tiny_subject: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder has no commit that would name what lies in it."""
    monkeypatch.setattr(sides, "contents", lambda folder: {"transformer": "another"})
    assert opened(tiny_subject, tmp_path).run.folder != stack.run.folder


@pytest.mark.parametrize(
    ("kind", "stays"), [("interrupted", False), ("disk full", False), ("exception", True), ("timeout", True)]
)
def test_what_the_day_has_spoilt_is_rendered_again(stack: Stack, kind: str, stays: bool) -> None:
    """Ctrl-C and a full disk say nothing about a stack; a crash of its own does."""
    folder = crashed(stack, kind)
    stack.run_of(1)
    assert folder.exists() is stays


@pytest.mark.parametrize(
    ("seconds", "named", "stays"),
    [(60.0, "60", True), (60.0, "61", False), (60.0, None, False), (SHORTEST_HANG, None, True)],
)
def test_what_was_killed_too_early_is_rendered_again(
    stack: Stack, tiny_subject: str, tmp_path: Path, seconds: float, named: str | None, stays: bool
) -> None:
    """By a gate that grants a worker more: a case that is not done after a minute need not hang."""
    folder = crashed(stack, "timeout", seconds=seconds)
    opened(tiny_subject, tmp_path, case_timeout=named)
    assert folder.exists() is stays


def test_what_another_gate_renders_now_is_left_to_it(stack: Stack) -> None:
    """Two gates at once share what they render."""
    folder = crashed(stack, "interrupted")
    with held(stack.run.folder / CASES / ".tiny-full.lock", waiting=""):
        stack.run_of(1)
    assert folder.exists()

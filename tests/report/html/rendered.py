"""Real runs for the tests of the page: a small subject, rendered by workers; and what `fluxgate` says to them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from fluxgate.cli.main import main
from fluxgate.cli.shared import INTERRUPTED, RED
from fluxgate.prove import inside
from fluxgate.render.process.notes import FILE as NOTES
from fluxgate.rendering import RENDERING
from fluxgate.runs import run as runs
from fluxgate.runs.run import Run
from fluxgate.session.choice import Choice, Request, choose
from fluxgate.session.session import Session, create_run, open_session
from tests.outside import ROOT, tiny

SUBJECT = "tiny"
CLEAN = ("full", "sequential-offload", "model-offload", "group-offload-block", "vae-tiling")
# One fault of `fluxgate prove` in the libraries of each case: an effect, pictures, memory, work and a crash.
FAULTS = {
    "sequential-offload": "layer-hooks-missing",
    "model-offload": "channels-reversed",
    "group-offload-block": "weights-kept-by-call",
    "vae-tiling": "denoiser-called-twice",
    "group-offload-leaf": "step-not-cast-back",
}
GREEN, FAILURES, KILLED = "green", "failures", "killed"  # the folders of runs
BASELINES, WHY = "baselines", "nothing is wrong with it"
LONGEST = 300.0  # seconds until a run that is to be killed is in its second case


def render(root: Path, *, pipeline: Path) -> None:
    """A green run, one with faults that is held to what was accepted of the first, and one that is killed."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in tiny(root, pipeline=pipeline).items():
            patch.setenv(name, value)
        _render_and_accept(root)
        _render_and_kill(root / KILLED)
        assert main(["judge", str(only(root / KILLED)), f"--baselines={root / BASELINES}"]) == INTERRUPTED


def only(folder: Path) -> Path:
    """The one run in a folder."""
    (found,) = folder.glob("2*")
    return found


def page(what: Path, file: Path, *options: str) -> Path:
    """The page of a run or a gate, as `fluxgate report` writes it."""
    assert main(["report", str(what), "--format=html", f"--output={file}", *options]) == 0
    return file


def _render_and_accept(root: Path) -> None:
    held_to = f"--baselines={root / BASELINES}"
    clean, faulty = (
        choose(Request([SUBJECT], names, runs=root / place, baselines=root / BASELINES))
        for names, place in ((CLEAN, GREEN), (("full", *FAULTS), FAILURES))
    )
    run = create_run(clean, command=f"fluxgate render --subject={SUBJECT}")
    with open_session(clean, run) as session:
        _rendered(session, run)
        assert main(["accept", str(run.folder), held_to, f"--because={WHY}", "--yes"]) == 0
        assert main(["judge", str(run.folder), held_to]) == 0
        red = create_run(faulty, command=f"fluxgate render --subject={SUBJECT}")
        _rendered(session.into(red, choice=_with_faults(faulty)), red)
    assert main(["judge", str(red.folder), held_to]) == RED


def _with_faults(choice: Choice) -> Choice:
    loaded = (
        replace(case, strategy=replace(case.strategy, load=inside.load)) if case.strategy.name in FAULTS else case
        for case in choice.cases
    )
    return replace(choice, cases=tuple(loaded))


def _rendered(session: Session, run: Run) -> None:
    for case in session.choice.needed:
        with _fault(FAULTS.get(case.strategy.name) if case.strategy.load is inside.load else None):
            session.rendered(case.id)
    runs.finish(run)


@contextmanager
def _fault(name: str | None) -> Iterator[None]:
    """Let workers that start meanwhile know of the fault."""
    if name is not None:
        os.environ[inside.VARIABLE] = name
    try:
        yield
    finally:
        os.environ.pop(inside.VARIABLE, None)


def _render_and_kill(place: Path) -> None:
    """`fluxgate render`, ended by SIGKILL in its second case, so that nothing could be tidied up."""
    command = [sys.executable, "-m", "fluxgate", "render", f"--subject={SUBJECT}", f"--strategy={','.join(CLEAN)}"]
    started = subprocess.Popen([*command, f"--runs={place}"], env={**os.environ, "PYTHONPATH": str(ROOT)})
    until = time.monotonic() + LONGEST
    while not all(list(place.glob(f"2*/cases/{name}")) for name in (f"*/{RENDERING}", f"{SUBJECT}-{CLEAN[1]}/{NOTES}")):
        assert started.poll() is None
        assert time.monotonic() < until
        time.sleep(0.05)
    started.kill()
    assert started.wait() == -signal.SIGKILL

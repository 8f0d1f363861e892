"""Tests of the session: each case of a run is rendered once, however often and by whom it is asked for."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fluxgate.cases import Case
from fluxgate.files import write_plain
from fluxgate.judge.verdict import CEILING, FAILED, PASSED
from fluxgate.locks import held
from fluxgate.rendering import Crash, Rendering
from fluxgate.runs.plan import read_plan
from fluxgate.runs.run import Run, create
from fluxgate.session import session as sessions
from fluxgate.session.session import Session, create_run, open_session
from tests.baselines.acceptance import accept
from tests.choices import choice
from tests.runs.building import CASES, MACHINE, STACK, put, rendering, run_of

FULL = CASES["tiny-full"]


class Workers:
    """Stands in for the workers: writes a rendering, and remembers what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[Any] = []
        self.allocated: list[int] = []  # by what it renders next
        self.ended = False

    def render(
        self, case: Case, folder: Path, *, source: Path, timeout: float, report: Any, **options: Any
    ) -> Rendering:
        self.asked.append((case.id, source, timeout))
        made = rendering(case.strategy.name, folder, allocated=self.allocated.pop(0) if self.allocated else 10**9)
        report(f"{case.id}: finished")
        options.get("on_pictures", lambda pictures: None)(made.pictures)
        write_plain(folder / "rendering.json", made)
        return made

    def stop(self) -> None:
        self.ended = True


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return create(tmp_path, MACHINE, STACK, "x")


def session(
    run: Run, workers: Any, cases: Sequence[Case] = tuple(CASES.values()), judges_each: bool = False
) -> Session:
    return Session(
        choice(cases, run.folder), run, workers, folders={"tiny": Path("/there/tiny")}, judges_each=judges_each
    )


# Rendering


def test_a_case_is_rendered_once(run: Run) -> None:
    """The second question is answered from memory."""
    workers = Workers()
    one = session(run, workers)
    assert one.rendered("tiny-full") == one.rendered("tiny-full")
    assert workers.asked == [("tiny-full", Path("/there/tiny"), 5.0)]


def test_a_case_whose_memory_is_not_what_was_accepted_is_rendered_once_more(run: Run, tmp_path: Path) -> None:
    """The second rendering decides: what was chance is not red, and what is there again is."""
    accept(run_of(tmp_path / "before", "full", allocated=10**9), run.folder / "baselines")
    for second, status in ((10**9, PASSED), (2 * 10**9, FAILED)):
        once = create(tmp_path, MACHINE, STACK, "x")
        workers: Any = Workers()
        workers.allocated = [2 * 10**9, second]
        made = Session(choice([FULL], run.folder), once, workers, folders={"tiny": Path("/there/tiny")})
        found = {verdict.check: verdict for verdict in made.judge(FULL, made.render(FULL))}
        assert len(workers.asked) == 2
        assert (found[CEILING].status, "once more" in found[CEILING].sentence) == (status, True)
        assert once.once_more_folder(FULL.id).is_dir()
        assert list(once.renderings()) == [FULL.id]  # it is no case of its own


def test_what_a_cpu_renders_next_waits_for_what_is_compared(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside a rendering that is timed, nothing is judged there."""
    compared = threading.Event()

    def compare(*_: Any, **__: Any) -> None:
        time.sleep(0.3)
        compared.set()

    class Timed(Workers):
        def render(self, case: Case, folder: Path, **options: Any) -> Rendering:
            assert not self.asked or compared.is_set()
            return super().render(case, folder, **options)

    monkeypatch.setattr(sessions, "compare_early", compare)
    monkeypatch.setattr(sessions, "needs_confirmation", lambda *_, **__: True)
    monkeypatch.setattr(Session, "_standards", None)  # which take longer to read than the comparison lasts
    workers = Timed()
    session(run, workers, [replace(FULL, device="cpu")], judges_each=True).rendered(FULL.id)
    assert len(workers.asked) == 2


@pytest.mark.parametrize("device, judges_each, early", [("cpu", True, 1), ("cpu", False, 0), ("cuda", False, 1)])
def test_beside_a_cpus_worker_only_what_is_asked_for_next_is_compared(
    device: str, judges_each: bool, early: int, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`fluxgate render` judges nothing, and a gate reads only what differs."""
    compared = list[str]()
    monkeypatch.setattr(sessions, "compare_early", lambda case, *_, **__: compared.append(case.id))
    session(run, Workers(), [replace(FULL, device=device)], judges_each=judges_each).rendered(FULL.id)
    assert len(compared) == early


def test_a_case_that_the_run_has_already_is_read(run: Run) -> None:
    """Another process, or an earlier one, may have rendered it."""
    workers = Workers()
    first = session(run, workers).rendered("tiny-full")
    assert session(run, workers).rendered("tiny-full") == first
    assert len(workers.asked) == 1


def test_a_case_comes_with_those_that_it_is_compared_with(run: Run) -> None:
    """Its reference is rendered too, and nothing else is."""
    assert set(session(run, Workers()).render(CASES["tiny-offload"])) == {"tiny-offload", "tiny-full"}


@pytest.mark.parametrize(("first", "there"), [("tiny-full", True), ("tiny-offload", False)])
def test_a_case_that_crashed_comes_with_a_reference_that_did_before(run: Run, first: str, there: bool) -> None:
    """Nothing is rendered for it."""

    class Crashing(Workers):
        def render(self, case: Case, folder: Path, **options: Any) -> Rendering:
            made = replace(super().render(case, folder, **options), crash=Crash("exit", "It ended.", None, ()))
            write_plain(folder / "rendering.json", made)
            return made

    one = session(run, Crashing())
    one.rendered(first)
    given = {"tiny-offload", "tiny-full"} if there else {"tiny-offload"}
    assert set(one.render(CASES["tiny-offload"])) == given


def test_cases_are_rendered_while_others_are_judged(run: Run) -> None:
    """Each once, also those that nobody has asked for here; what is told of them is told where one waits."""
    workers: Any = Workers()
    lines, chosen = list[str](), choice(tuple(CASES.values()), run.folder)
    one = Session(chosen, run, workers, folders={"tiny": Path("/there")}, report=lines.append)
    with one.rendering_ahead(["tiny-full", "tiny-offload"], whole=lambda: True):
        assert set(one.render(CASES["tiny-offload"])) == {"tiny-offload", "tiny-full"}
        assert "tiny-offload: finished" in lines
    assert sorted(name for name, *_ in workers.asked) == ["tiny-full", "tiny-offload"]
    assert sorted(run.renderings()) == ["tiny-full", "tiny-offload"]
    assert workers.ended


@pytest.mark.parametrize("wanted", [True, False])
def test_what_was_begun_ahead_and_is_not_asked_for_leaves_nothing(run: Run, wanted: bool) -> None:
    """A session that stops at the first failure has no interrupted case that nobody knows of; one that somebody waits
    for stays, and says what it had."""
    begun, stopped = threading.Event(), threading.Event()

    class Hanging(Workers):
        def render(self, case: Case, folder: Path, **options: Any) -> Rendering:
            folder.mkdir(parents=True)
            begun.set()
            assert stopped.wait(10)
            raise KeyboardInterrupt

        def stop(self) -> None:
            stopped.set()

    one = session(run, Hanging())
    with suppress(KeyboardInterrupt), one.rendering_ahead(["tiny-full"], whole=lambda: False):
        assert begun.wait(10)
        if wanted:
            threading.Timer(0.2, stopped.set).start()
            one.rendered("tiny-full")
    assert run.case_folder("tiny-full").exists() == wanted


def test_a_case_that_another_process_renders_is_not_waited_for(run: Run) -> None:
    """The thread goes on with the next one; whoever judges it waits."""
    workers = Workers()
    one = session(run, workers)
    with held(run.case_folder("tiny-full").with_name(".tiny-full.lock"), waiting="x"):
        assert not one.render_unless_taken("tiny-full")
        assert one.render_unless_taken("tiny-offload")
    assert one.render_unless_taken("tiny-full")
    assert [name for name, *_ in workers.asked] == ["tiny-offload", "tiny-full"]


def test_what_crashed_needs_no_reference(run: Run) -> None:
    """There is nothing to compare."""
    whole = rendering("offload", run.case_folder("tiny-offload"))
    put(run, replace(whole, crash=Crash("signal", "It was killed by SIGSEGV.", "denoise", ())))
    workers = Workers()
    assert set(session(run, workers).render(CASES["tiny-offload"])) == {"tiny-offload"}
    assert workers.asked == []


def test_a_case_that_cannot_be_rendered_is_nothing(run: Run) -> None:
    """Neither one that is unsupported here nor one that is not in the session."""
    workers = Workers()
    one = session(run, workers, [replace(CASES["tiny-nf4"], unsupported="no GPU")])
    assert one.rendered("tiny-nf4") is None
    assert one.rendered("tiny-full") is None
    assert workers.asked == []


def test_the_lock_of_a_case_is_no_case(run: Run) -> None:
    """What lies beside the cases' folders is not read as one."""
    session(run, Workers()).rendered("tiny-full")
    assert list(run.renderings()) == ["tiny-full"]


def test_sigterm_ends_a_session_as_ctrl_c_does(run: Run, tmp_path: Path) -> None:
    """CI systems and schedulers end a job by it; afterwards it is what it was before."""
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt), open_session(choice([], tmp_path), run):
        os.kill(os.getpid(), signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) is before


# The run


def test_a_run_knows_what_it_was_to_render(tmp_path: Path) -> None:
    """The plan has every cell, and which of them were asked about."""
    nf4 = replace(CASES["tiny-nf4"], unsupported="no GPU")
    made = create_run(choice([FULL, nf4], tmp_path), command="pytest")
    plan = read_plan(made)
    assert plan is not None
    assert [(case.strategy.name, case.unsupported) for case in plan.cases] == [("full", None), ("nf4", "no GPU")]
    assert plan.due == ("tiny-full",)

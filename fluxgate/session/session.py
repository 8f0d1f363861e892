"""The session: renders into a run what was chosen, and judges it; the plugin, the command and the gate drive it."""

from __future__ import annotations

import math
import shutil
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from types import FrameType

from fluxgate.baselines.limits import FLOAT32
from fluxgate.cases import Case
from fluxgate.judge import libraries, nf4
from fluxgate.judge.gathering import judge_cases, needs_confirmation, needs_float32
from fluxgate.judge.prefetch import compare_early
from fluxgate.judge.standards import Standards
from fluxgate.judge.verdict import Verdict
from fluxgate.locks import Say, held, silent
from fluxgate.render.nf4 import Nf4Facts, measured
from fluxgate.render.pool.ahead import Ahead
from fluxgate.render.pool.workers import Workers
from fluxgate.render.process.libraries import ImportFailed
from fluxgate.rendering import Picture, Rendering, id_of_case
from fluxgate.report.illustration import illustrate
from fluxgate.runs import run as runs
from fluxgate.runs.plan import FILE as PLAN
from fluxgate.runs.plan import plan_of
from fluxgate.runs.rendered import Rendered
from fluxgate.runs.run import Run
from fluxgate.session.choice import Choice
from fluxgate.session.judging import standards_of
from fluxgate.subjects import sources

ONCE_MORE = "its memory or its seconds are not what was accepted; rendering it once more before that is told"

OnPictures = Callable[[tuple[Picture, ...]], None]


class Taken(Exception):
    """Another process renders the case."""


class Session:
    """Renders cases into one run, each once whichever of several processes asks for it, and judges what came out."""

    def __init__(
        self,
        choice: Choice,
        run: Run,
        workers: Workers,
        *,
        folders: Mapping[str, Path],  # subject -> where its pipeline lies
        report: Say = silent,
        judges_each: bool = False,  # as soon as it is rendered
    ) -> None:
        self.choice = choice
        self.run = run
        self._workers = workers
        self._folders = folders
        self._report = report
        self._judges_each = judges_each
        self._cases = {case.id: case for case in choice.cases}
        self._done: dict[str, Rendering] = {}
        self._ahead: Ahead | None = None
        self._lines: deque[str] = deque()  # what the thread that renders ahead has to report
        self._comparing = ThreadPoolExecutor(1)  # beside the worker, which is waited for meanwhile
        self._compared: dict[str, list[Future[None]]] = {}  # by case

    def into(self, run: Run, *, choice: Choice | None = None) -> Session:
        """A session with the same workers, which renders into another run, the same cases unless others are given."""
        return Session(choice or self.choice, run, self._workers, folders=self._folders, report=self._report)

    # Rendering

    def render(self, case: Case) -> dict[str, Rendered]:
        """What the case gave and what those gave that its promise compares it with; where its pictures are not the
        accepted ones, float32's too. For one that crashed nothing is rendered; a reference that has crashed is told."""
        own = self.rendered(case.id)
        if own is None:
            return {}
        if own.rendering.crash is not None:
            return {case.id: own, **self._crashed_reference(case)}
        witness = (FLOAT32,) if needs_float32(case, own.rendering, self._standards) else ()
        named = (*case.strategy.promise.compared_with, *witness)
        names = (id_of_case(case.subject.name, name) for name in named)
        others = {name: rendered for name in names if (rendered := self.rendered(name)) is not None}
        return {case.id: own, **others}

    def _crashed_reference(self, case: Case) -> dict[str, Rendered]:
        """What the case's reference gave, where that has crashed already."""
        named = case.strategy.promise.reference
        reference = id_of_case(case.subject.name, named) if named else None
        there = self.rendered(reference) if reference and self.is_rendered(reference) else None
        return {reference: there} if reference and there and there.rendering.crash is not None else {}

    def import_libraries(self) -> Verdict | None:
        """Wait until the libraries are imported; the one verdict on the session where they cannot be."""
        try:
            self._workers.ready()
        except ImportFailed as failed:
            self.run.write_json(libraries.IMPORT_CRASH, failed.crash)
            return libraries.not_imported(failed.crash)
        return None

    def rendered(self, case_id: str) -> Rendered | None:
        """What one case gave, crashed or not; None for a case that cannot be rendered here."""
        case = self._cases.get(case_id)
        if case is None or case.unsupported is not None:
            return None
        if case_id not in self._done:
            if self._ahead is not None:
                self._ahead.wait_for(case_id, look=self._report_lines)
                self._report_lines()
            self._done[case_id] = self._get_or_render(case, report=self._report)
            self._end_comparing(case_id)
        return Rendered(self._done[case_id], self.run.case_folder(case_id))

    @contextmanager
    def rendering_ahead(self, case_ids: Iterable[str], *, whole: Callable[[], bool]) -> Iterator[None]:
        """Meanwhile these cases are rendered in this order, whether or not they have been asked for.

        whole: whether, at the end, what nobody has taken is still to be rendered, since other processes judge it."""
        self._ahead = ahead = Ahead(case_ids, self)
        try:
            yield
            if whole():
                ahead.finish()
        finally:
            ahead.stop(self._workers.stop)
            if ahead.begun is not None and not ahead.is_wanted(ahead.begun):
                shutil.rmtree(self.run.case_folder(ahead.begun), ignore_errors=True)  # nobody has asked for it

    def is_rendered(self, case_id: str) -> bool:
        return self.run.rendered(case_id) is not None

    def render_unless_taken(self, case_id: str) -> bool:
        """Render a case, unless another process does so just now."""
        case = self._cases.get(case_id)
        if case is None or case.unsupported is not None:
            return False
        try:
            self._get_or_render(case, report=self._lines.append, timeout=0.0)
        except Taken:
            return False
        return True

    def _report_lines(self) -> None:
        while self._lines:
            self._report(self._lines.popleft())

    @contextmanager
    def _alone_with(self, case: Case, *, report: Say, timeout: float) -> Iterator[None]:
        """Let no other process render the case; raises Taken where one does so for longer than the timeout."""
        lock, waiting = self.run.case_folder(case.id).with_name(f".{case.id}.lock"), ExitStack()
        try:
            waiting.enter_context(
                held(lock, waiting=f"waiting until {case.id} is rendered", report=report, timeout=timeout)
            )
        except TimeoutError:
            raise Taken(case.id) from None
        with waiting:
            yield

    def _get_or_render(self, case: Case, *, report: Say, timeout: float = math.inf) -> Rendering:
        folder = self.run.case_folder(case.id)
        with self._alone_with(case, report=report, timeout=timeout):
            rendering = self.run.rendered(case.id)
            if rendering is not None:
                return rendering
            rendering = self._render(case, folder, report=report, on_pictures=partial(self._begin_comparing, case))
            if case.device == "cpu":  # what is rendered next must have it to itself
                self._end_comparing(case.id)
            if needs_confirmation(case, Rendered(rendering, folder), self._standards, reference=self._reference(case)):
                report(f"{case.id}: {ONCE_MORE}")
                self._render(case, self.run.once_more_folder(case.id), report=report)
            return rendering

    def _reference(self, case: Case) -> Rendered | None:
        """What the case's reference gave, if this process has rendered it or met it."""
        reference = case.strategy.promise.reference
        name = None if reference is None else id_of_case(case.subject.name, reference)
        return Rendered(self._done[name], self.run.case_folder(name)) if name in self._done else None

    def _render(
        self, case: Case, folder: Path, *, report: Say, on_pictures: OnPictures = lambda pictures: None
    ) -> Rendering:
        source, timeout = self._folders[case.subject.name], self.choice.timeout
        self._workers.takes = self.choice.takes  # sessions that share them may ask for others
        return self._workers.render(
            case, folder, source=source, timeout=timeout, report=report, on_pictures=on_pictures
        )

    def _begin_comparing(self, case: Case, pictures: tuple[Picture, ...]) -> None:
        """Judge while the worker goes on; beside a CPU's only what is going to be asked for."""
        if case.device == "cuda" or self._judges_each:
            comparison = self._comparing.submit(self._compare_early, case, pictures)
            self._compared.setdefault(case.id, []).append(comparison)

    def _end_comparing(self, case_id: str) -> None:
        for comparison in self._compared.pop(case_id, ()):
            comparison.exception()  # whoever judges the case meets it again

    def _compare_early(self, case: Case, pictures: tuple[Picture, ...]) -> None:
        if self._ahead is not None and not self._ahead.is_wanted(case.id):
            return  # another process may be going to judge it
        compare_early(case, pictures, self.run.case_folder(case.id), reference=self._reference(case))

    def close(self) -> None:
        """Compare nothing more."""
        self._comparing.shutdown(wait=False, cancel_futures=True)

    # Judging

    def judge_nf4(self, device: str) -> Verdict:
        """The verdict on bitsandbytes' NF4 on a device; it is measured once for the run."""
        without = nf4.unmeasured(device, self.choice.stack)
        if without is not None:
            return without
        name = libraries.facts_file(device)
        lock = self.run.folder / f".{name}.lock"
        with held(lock, waiting="waiting for another process that measures NF4", report=self._report):
            if not (self.run.folder / name).exists():
                turn = partial(self._workers.device_for, "NF4", device, report=self._report)
                environment, timeout = self.choice.environment, self.choice.timeout
                variables = self._workers.variables(device)
                facts = measured(environment, device, timeout=timeout, variables=variables, turn=turn)
                self.run.write_json(name, facts)
        return nf4.verdict_on(self.run.read_json(name, Nf4Facts))

    def judge(self, case: Case, renderings: Mapping[str, Rendered]) -> tuple[Verdict, ...]:
        """The verdicts on a case, from what was rendered."""
        folder = self.run.folder
        return illustrate(judge_cases([case], renderings.get, self._standards, run=folder), folder)

    @cached_property
    def _standards(self) -> Standards:
        return standards_of(self.choice)


def workers_of(choice: Choice, *, lane: int | None = None) -> Workers:
    """Those that render what was chosen; they import the libraries once they are entered."""
    pipelines = tuple(dict.fromkeys(case.subject.pipeline for case in choice.renderable))
    return Workers(
        environment=choice.environment,
        takes=choice.takes,
        lane=lane,
        at_once=choice.at_once,
        vram_limit=choice.vram_limit,
        pipelines=pipelines,
    )


@contextmanager
def open_session(
    choice: Choice,
    run: Run,
    *,
    lane: int | None = None,
    report: Say = silent,
    workers: Workers | None = None,
    judges_each: bool = False,
) -> Iterator[Session]:
    """A session that renders into a run. SIGTERM ends it as Ctrl-C does; what was rendered until then stays readable.

    lane: the number of this process among those that render side by side, each on a GPU of its own.
    workers: the choice's, where they have begun to import before; they end with the session.
    judges_each: whether each case is judged as soon as it is rendered."""
    folders = {case.subject.name: sources.locate(case.subject) for case in choice.renderable}
    with interrupted_by_sigterm(), workers or workers_of(choice, lane=lane) as own:
        session = Session(choice, run, own, folders=folders, report=report, judges_each=judges_each)
        try:
            yield session
        finally:
            session.close()


def create_run(choice: Choice, *, command: str) -> Run:
    """A new run's folder, which knows all that it takes to judge it again."""
    run = runs.create(choice.runs, choice.machine, choice.stack, command, vram_limit=choice.vram_limit)
    plan = plan_of(choice.cases, asked={case.id for case in choice.asked})
    run.write_json(PLAN, replace(plan, shard=choice.shard, shards=dict(choice.shards)))
    return run


def finish(run: Run, verdicts: Iterable[Verdict]) -> None:
    """Leave the verdicts in the run, and note that it came to its end."""
    run.write_json(runs.VERDICTS, tuple(verdicts))
    runs.finish(run)


@contextmanager
def interrupted_by_sigterm() -> Iterator[None]:
    """Let SIGTERM, by which CI systems and schedulers end a job, do what Ctrl-C does."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt("SIGTERM")

    if threading.current_thread() is not threading.main_thread():  # only the main thread hears signals
        yield
        return
    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)

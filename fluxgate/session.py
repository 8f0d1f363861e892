"""The session: chooses, renders and judges; the one driver that the plugin, the command and the gate call."""

from __future__ import annotations

import datetime
import math
import shutil
import signal
import threading
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from types import FrameType

from fluxgate import configuration
from fluxgate.baselines import integrity, known_failures, remote
from fluxgate.baselines.durations import accepted_seconds
from fluxgate.baselines.known_failures import KnownFailure
from fluxgate.baselines.store import OWN, Store
from fluxgate.cases import Case, matrix
from fluxgate.environment import Environment
from fluxgate.history.earlier_runs import earlier_runs
from fluxgate.judge import libraries, nf4
from fluxgate.judge.applicable import checks_of
from fluxgate.judge.damage import FLOAT32
from fluxgate.judge.gathering import judge_cases, needs_confirmation, needs_float32
from fluxgate.judge.prefetch import compare_early
from fluxgate.judge.readers import reader_named
from fluxgate.judge.sentences import again
from fluxgate.judge.standards import BaselineUse, Standards, known_failures_of
from fluxgate.judge.verdict import NO_DATA, NOT_SELECTED, UNSUPPORTED, Verdict
from fluxgate.locks import held, silent
from fluxgate.machine import Machine, Stack, memory_limit, outside_support
from fluxgate.options import chosen, seconds, whole_number
from fluxgate.refusal import Refusal
from fluxgate.render.nf4 import Nf4Facts, measured
from fluxgate.render.pool.ahead import Ahead
from fluxgate.render.pool.workers import Workers
from fluxgate.render.process.libraries import ImportFailed
from fluxgate.rendering import Picture, Rendering, id_of_case
from fluxgate.report.illustration import illustrate
from fluxgate.runs import run as runs
from fluxgate.runs.plan import FILE as PLAN
from fluxgate.runs.plan import cases_of, plan_of, read_plan
from fluxgate.runs.rendered import Rendered
from fluxgate.runs.run import Run
from fluxgate.shards import Shard, deal, parse_shard
from fluxgate.strategies.available import strategies
from fluxgate.subjects import sources
from fluxgate.subjects.catalogue import subjects
from fluxgate.subjects.subject import Subject
from fluxgate.subjects.weights import numbers_at_hand

CASE_TIMEOUT = 3600.0  # seconds; a guard against a hang, not a limit of speed
MOST_TAKES = 100
ONCE_MORE = "its memory is not what was accepted; rendering it once more before that is told"

Report = Callable[[str], None]
Glance = Callable[[tuple[Picture, ...]], None]


class Taken(Exception):
    """Another process renders the case."""


@dataclass(frozen=True)
class Request:
    """What a user asks for, as it was typed; what is empty or None is left to its default."""

    subjects: Sequence[str] = ()
    strategies: Sequence[str] = ()
    takes: str | None = None
    vram_limit: str | None = None
    case_timeout: str = f"{CASE_TIMEOUT:.0f}"
    runs: Path = Path("runs")
    baselines: Path = OWN
    require_baseline: bool = False
    no_baseline: bool = False
    shard: str | None = None
    catalogue: Path | None = None  # a file of subjects; None: the one that the environment names, if it does


@dataclass(frozen=True)
class Choice:
    """What a session is about: everything that a user may have got wrong was looked at, and nothing was rendered."""

    environment: Environment
    cases: tuple[Case, ...]  # the chosen subjects under every strategy
    strategies: tuple[str, ...]  # those that are asked about
    takes: int | None
    vram_limit: int | None
    timeout: float
    runs: Path
    baselines: Store
    baseline_use: BaselineUse
    shard: Shard | None = None  # which part of them this session asks about; None: all

    @property
    def machine(self) -> Machine:
        return self.environment.machine

    @property
    def stack(self) -> Stack:
        return self.environment.stack

    @property
    def named(self) -> tuple[Case, ...]:
        """The cases that are asked about by this session and the other shards together."""
        return tuple(case for case in self.cases if case.strategy.name in self.strategies)

    @cached_property
    def shards(self) -> Mapping[str, int]:
        """Case -> the shard that asks about it; empty where there are none."""
        if self.shard is None:
            return {}
        return deal(self.named, accepted_seconds(self.baselines, self.machine.id, self.named), self.shard.of)

    @property
    def asked(self) -> tuple[Case, ...]:
        """The cases that this session asks about, those that cannot run here among them."""
        shard = self.shard
        return tuple(case for case in self.named if shard is None or self.shards[case.id] == shard.number)

    @property
    def renderable(self) -> tuple[Case, ...]:
        """Those of them that can run here."""
        return tuple(case for case in self.asked if case.unsupported is None)

    @property
    def needed(self) -> tuple[Case, ...]:
        """The same, each after those that it is compared with and that can run here."""
        return self.with_references(self.asked)

    def with_references(self, cases: Iterable[Case]) -> tuple[Case, ...]:
        """Those of the cases that can run here, each after those that it is compared with and that can, too."""
        by_id = {case.id: case for case in self.cases if case.unsupported is None}
        ids = (
            id_of_case(case.subject.name, name)
            for case in cases
            if case.unsupported is None
            for name in (*case.strategy.promise.compared_with, case.strategy.name)
        )
        return tuple(by_id[each] for each in dict.fromkeys(ids) if each in by_id)

    @cached_property
    def known_failures(self) -> tuple[KnownFailure, ...]:
        return known_failures_of(self.baselines, subjects=subjects())


def choose(request: Request, *, environment: Environment | None = None) -> Choice:
    """The choice that a request is, or a refusal that says what must be changed first.

    environment: where to render; None for that of this process."""
    environment = environment or Environment.current()
    machine, libraries, catalogue = environment.machine, environment.stack, subjects(request.catalogue)
    unfit = outside_support(libraries, torch=machine.torch)
    if unfit:
        raise Refusal(unfit)
    subject = request.subjects or configuration.current().subject or ["miniature"]
    names = chosen(subject, among=catalogue, option="--subject")
    available, limit, takes = strategies(), request.vram_limit, request.takes
    every = [strategy.name for strategy in available]
    return Choice(
        environment=environment,
        cases=matrix([catalogue[name] for name in names], available, machine=machine, stack=libraries),
        strategies=chosen(request.strategies or every, among=every, option="--strategy"),
        takes=whole_number(takes, option="--takes", most=MOST_TAKES) if takes is not None else None,
        vram_limit=memory_limit(limit, of=machine, option="--vram-limit") if limit is not None else None,
        timeout=seconds(request.case_timeout, option="--case-timeout"),
        runs=request.runs,
        baselines=remote.store_at(request.baselines, machine=machine.id, subjects=names),
        baseline_use=baseline_use(required=request.require_baseline, ignored=request.no_baseline),
        shard=parse_shard(request.shard, option="--shard") if request.shard is not None else None,
    )


def baseline_use(*, required: bool, ignored: bool) -> BaselineUse:
    """What two options say together."""
    if required and ignored:
        raise Refusal("--require-baseline and --no-baseline exclude each other.")
    return BaselineUse.REQUIRED if required else BaselineUse.IGNORED if ignored else BaselineUse.IF_ANY


def refuse_unready(choice: Choice) -> None:
    """Refuse pipelines and readers that are not there; what the hub has is fetched when it is needed."""
    for subject in {case.subject.name: case.subject for case in choice.renderable}.values():
        sources.refuse_unready(subject)
        if subject.reader is not None:
            reader_named(subject.reader)


def refuse_damaged(choice: Choice) -> None:
    """Refuse baselines that are not as they were accepted, and known failures of what does not exist."""
    _ = choice.known_failures
    names = {case.subject.name for case in choice.renderable}
    accepted = choice.baseline_use is not BaselineUse.IGNORED
    integrity.refuse_damaged(choice.baselines, machine=choice.machine.id, subjects=names, accepted=accepted)


class Session:
    """Renders cases into one run, each once whichever of several processes asks for it, and judges what came out."""

    def __init__(
        self,
        choice: Choice,
        run: Run,
        workers: Workers,
        *,
        folders: Mapping[str, Path],  # subject -> where its pipeline lies
        report: Report = silent,
    ) -> None:
        self.choice = choice
        self.run = run
        self._workers = workers
        self._folders = folders
        self._report = report
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
        """What the case gave and, unless it crashed, what those gave that its promise compares it with; where its
        pictures are not the accepted ones, float32's too."""
        own = self.rendered(case.id)
        if own is None or own.rendering.crash is not None:
            return {case.id: own} if own else {}
        witness = (FLOAT32,) if needs_float32(case, own.rendering, self._standards) else ()
        named = (*case.strategy.promise.compared_with, *witness)
        names = (id_of_case(case.subject.name, name) for name in named)
        others = {name: rendered for name in names if (rendered := self.rendered(name)) is not None}
        return {case.id: own, **others}

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
            for comparison in self._compared.pop(case_id, ()):
                comparison.exception()  # whoever judges the case meets it again
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
    def _alone_with(self, case: Case, *, report: Report, timeout: float) -> Iterator[None]:
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

    def _get_or_render(self, case: Case, *, report: Report, timeout: float = math.inf) -> Rendering:
        folder = self.run.case_folder(case.id)
        with self._alone_with(case, report=report, timeout=timeout):
            rendering = self.run.rendered(case.id)
            if rendering is not None:
                return rendering
            rendering = self._render(case, folder, report=report, glance=partial(self._begin_comparing, case))
            if needs_confirmation(case, Rendered(rendering, folder), self._standards):
                report(f"{case.id}: {ONCE_MORE}")
                self._render(case, self.run.once_more_folder(case.id), report=report)
            return rendering

    def _render(self, case: Case, folder: Path, *, report: Report, **options: Glance) -> Rendering:
        source, timeout = self._folders[case.subject.name], self.choice.timeout
        self._workers.takes = self.choice.takes  # sessions that share them may ask for others
        return self._workers.render(case, folder, source=source, timeout=timeout, report=report, **options)

    def _begin_comparing(self, case: Case, pictures: tuple[Picture, ...]) -> None:
        """Judge while the GPU works. A CPU that renders must not be asked for anything else meanwhile."""
        if case.device == "cuda":
            comparison = self._comparing.submit(self._compare_early, case, pictures)
            self._compared.setdefault(case.id, []).append(comparison)

    def _compare_early(self, case: Case, pictures: tuple[Picture, ...]) -> None:
        if self._ahead is not None and not self._ahead.is_wanted(case.id):
            return  # another process may be going to judge it
        reference = case.strategy.promise.reference
        name = None if reference is None else id_of_case(case.subject.name, reference)
        done = Rendered(self._done[name], self.run.case_folder(name)) if name in self._done else None
        compare_early(case, pictures, self.run.case_folder(case.id), reference=done)

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
                alone = partial(self._workers.device_alone, device, what="NF4", report=self._report)
                environment, timeout = self.choice.environment, self.choice.timeout
                variables = self._workers.variables(device)
                facts = measured(environment, device, timeout=timeout, variables=variables, alone=alone)
                self.run.write_json(name, facts)
        return nf4.verdict_on(self.run.read_json(name, Nf4Facts))

    def judge(self, case: Case, renderings: Mapping[str, Rendered]) -> tuple[Verdict, ...]:
        """The verdicts on a case, from what was rendered."""
        folder = self.run.folder
        return illustrate(judge_cases([case], renderings.get, self._standards, run=folder), folder)

    @cached_property
    def _standards(self) -> Standards:
        return standards_of(self.choice)


def standards_of(choice: Choice) -> Standards:
    """What the renderings of a session are held to."""
    return Standards(
        choice.machine,
        choice.stack,
        store=choice.baselines,
        known_failures=choice.known_failures,
        baseline_use=choice.baseline_use,
        numbers_on_disk=numbers_at_hand,
        paces=earlier_runs(choice.runs, choice.machine.id, vram_limit=choice.vram_limit).paces,
    )


def workers_of(choice: Choice, *, lane: int | None = None) -> Workers:
    """Those that render what was chosen; they import the libraries once they are entered."""
    pipelines = tuple(dict.fromkeys(case.subject.pipeline for case in choice.renderable))
    return Workers(
        environment=choice.environment,
        takes=choice.takes,
        lane=lane,
        vram_limit=choice.vram_limit,
        pipelines=pipelines,
    )


@contextmanager
def open_session(
    choice: Choice, run: Run, *, lane: int | None = None, report: Report = silent, workers: Workers | None = None
) -> Iterator[Session]:
    """A session that renders into a run. SIGTERM ends it as Ctrl-C does; what was rendered until then stays readable.

    lane: the number of this process among those that render side by side, each on a GPU of its own.
    workers: the choice's, where they have begun to import before; they end with the session."""
    folders = {case.subject.name: sources.locate(case.subject) for case in choice.renderable}
    with interrupted_by_sigterm(), workers or workers_of(choice, lane=lane) as own:
        session = Session(choice, run, own, folders=folders, report=report)
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


def every_verdict(
    cases: Iterable[Case],
    verdicts: Mapping[tuple[str, str], Verdict],  # by case and check
    *,
    asked: Collection[str],  # ids of cases
    cut_short: bool,
) -> tuple[Verdict, ...]:
    """One for every cell of subject × strategy × check that applies: the given ones, and a word for each other cell."""
    return tuple(
        verdicts.get((case.id, check)) or _unjudged(case, check, asked=case.id in asked, cut_short=cut_short)
        for case in cases
        for check in checks_of(case)
    )


def _unjudged(case: Case, check: str, *, asked: bool, cut_short: bool) -> Verdict:
    status, sentence = NOT_SELECTED, "It was not selected in this session."
    if asked and case.unsupported is not None:
        status, sentence = UNSUPPORTED, case.unsupported
    elif asked and cut_short:
        status, sentence = NO_DATA, f"The run was cut short before it was rendered. Run {again(case)}."
    return Verdict(case.subject.name, case.strategy.name, check, status, sentence)


def complaints(choice: Choice) -> tuple[str, ...]:
    """What must be looked at again among the baselines and the known failures, whatever is rendered."""
    return _complaints(choice.baselines, machine=choice.machine, stack=choice.stack, subjects=subjects())


def complaints_beside(run: Run, *, baselines: Path) -> tuple[str, ...]:
    """The same, where a run is judged that may have other subjects than today's."""
    every = {**{case.subject.name: case.subject for case in cases_of(run)}, **subjects()}
    store = remote.store_at(baselines, machine=run.machine.id, subjects={case.subject.name for case in cases_of(run)})
    return _complaints(store, machine=run.machine, stack=run.stack, subjects=every)


def _complaints(store: Store, *, machine: Machine, stack: Stack, subjects: Mapping[str, Subject]) -> tuple[str, ...]:
    """Of one's own baselines and known failures: nobody can change what ships, so nobody is asked to."""
    today = datetime.datetime.now(datetime.UTC).date()
    cases = {id_of_case(subject, strategy.name) for subject in subjects for strategy in strategies()}
    own = known_failures.read(known_failures.own_file(store))
    outdated = known_failures.complaints(own, device=machine.device, stack=stack, today=today)
    return outdated + integrity.complaints(store, cases=cases, subjects=subjects)


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


def judge_run(run: Run, *, baselines: Path, baseline_use: BaselineUse = BaselineUse.IF_ANY) -> tuple[Verdict, ...]:
    """The verdicts on a whole run, long after its pipelines are gone: no torch, no GPU, only what the folder holds."""
    renderings = run.ended_cases()
    names = {one.rendering.subject for one in renderings.values()}
    store = remote.store_at(baselines, machine=run.machine.id, subjects=names)
    accepted = baseline_use is not BaselineUse.IGNORED
    integrity.refuse_damaged(store, machine=run.machine.id, subjects=names, accepted=accepted)
    cases, plan = cases_of(run), read_plan(run)
    standards = Standards(
        run.machine,
        run.stack,
        store=store,
        known_failures=known_failures_of(store, subjects={*subjects(), *(case.subject.name for case in cases)}),
        baseline_use=baseline_use,
        numbers_on_disk=numbers_at_hand,
        paces=earlier_runs(run.folder.parent, run.machine.id, than=run.id, vram_limit=run.vram_limit).paces,
    )
    # What was rendered is judged, whatever would be said of it today.
    judged = [replace(case, unsupported=None) for case in cases if case.id in renderings]
    verdicts = illustrate(judge_cases(judged, renderings.get, standards, run=run.folder), run.folder)
    every = every_verdict(
        [case if case.id not in renderings else replace(case, unsupported=None) for case in cases],
        {(verdict.case_id, verdict.check): verdict for verdict in verdicts},
        asked={case.id for case in cases} if plan is None else plan.asked,
        cut_short=run.finished is None,
    )
    return (*libraries.verdicts_in(run), *every)

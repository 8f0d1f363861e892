"""Fluxgate in pytest: options, marks, cases, verdicts and the summary, in the order in which pytest calls the hooks."""

from __future__ import annotations

import shlex
import sys
import tempfile
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import accumulate
from pathlib import Path
from typing import Any

import msgspec
import pytest

from fluxgate.amounts import amount, parse_amount
from fluxgate.baselines.known_failures import KnownFailure
from fluxgate.cases import Case, matrix
from fluxgate.history import earlier_runs as history
from fluxgate.judge import standards as kept
from fluxgate.judge.gathering import Standards, judge_cases
from fluxgate.judge.prefetch import look_ahead
from fluxgate.judge.verdict import CHECKS, KNOWN_FAILURE, NO_DATA, NOT_SELECTED, PASSED, UNSUPPORTED, Verdict
from fluxgate.locks import held
from fluxgate.machine import Machine, Stack, detect, memory_limit, outside_support, stack
from fluxgate.options import chosen, seconds, whole_number
from fluxgate.refusal import Refusal
from fluxgate.render.pool.workers import Workers
from fluxgate.rendering import Picture
from fluxgate.report import cards
from fluxgate.report.report import measured_anything
from fluxgate.report.terminal import terminal
from fluxgate.runs import run as runs
from fluxgate.runs.rendered import Rendered
from fluxgate.session import CASE_TIMEOUT, Workshop
from fluxgate.strategies import STRATEGIES
from fluxgate.subjects.catalogue import subjects
from fluxgate.subjects.sources import locate, refuse_unready


@dataclass(frozen=True)
class Plan:
    """What this session is about, known before anything is collected."""

    machine: Machine
    stack: Stack
    cases: tuple[Case, ...]  # the chosen subjects under every strategy
    strategies: tuple[str, ...]  # those that are asked about
    store: Path  # of baselines
    known: tuple[KnownFailure, ...]
    takes: int | None
    vram_limit: int | None
    timeout: float
    require_baseline: bool
    no_baseline: bool
    runs: Path

    @property
    def chosen(self) -> tuple[Case, ...]:
        return tuple(case for case in self.cases if case.strategy.name in self.strategies)


@dataclass(eq=False)  # pytest keeps its plugins in sets
class Ledger:
    """What has come out so far, from this process or from those that xdist started."""

    asked: bool = False  # whether a conformance test was collected
    run: Path | None = None
    complaint: str | None = None  # why nothing came out
    verdicts: dict[tuple[str, str], Verdict] = field(default_factory=dict)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        told = getattr(report, "fluxgate", None)
        if told is not None:
            verdict = msgspec.convert(told["verdict"], Verdict)
            self.verdicts[verdict.case_id, verdict.check] = verdict
            self.run = Path(told["run"]) if told["run"] else self.run

    def pytest_testnodedown(self, node: Any) -> None:
        self.asked |= getattr(node, "workeroutput", {}).get("fluxgate asked", False)

    @property
    def measured(self) -> bool:
        return measured_anything(self.verdicts.values())


PLAN = pytest.StashKey[Plan]()
LEDGER = pytest.StashKey[Ledger]()
VERDICT = pytest.StashKey[Verdict]()
MEETING = pytest.StashKey[tempfile.TemporaryDirectory[str]]()


# Before anything is collected


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("fluxgate", "Fluxgate")
    names: dict[str, Any] = {"action": "append", "default": [], "metavar": "NAME[,NAME]"}
    group.addoption("--subject", **names, help="the pipelines to render (default: miniature)")
    group.addoption("--strategy", **names, help="the ways to fit them into memory (default: all)")
    twice = "twice on a GPU; on a CPU the first shot twice"
    group.addoption("--takes", metavar="N", help=f"how often each shot is rendered (default: {twice})")
    vram = "of each GPU, for every case, like 12GB (default: all of it)"
    group.addoption("--vram-limit", metavar="AMOUNT", help=f"the most memory {vram}")
    timeout = f"{CASE_TIMEOUT:.0f}"
    group.addoption("--case-timeout", default=timeout, metavar="SECONDS", help=f"for one case (default: {timeout})")
    group.addoption("--require-baseline", action="store_true", help="fail where this machine has no baseline")
    group.addoption("--no-baseline", action="store_true", help="ask for the promises within this run alone")
    group.addoption(
        "--baselines", default=str(kept.BASELINES), metavar="FOLDER", help="what was accepted (default: baselines)"
    )
    group.addoption("--runs", default="runs", metavar="FOLDER", help="where run folders are put (default: runs)")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    machine = detect()
    return machine.count if machine.device == "cuda" else 1


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "gpu: is rendered on a GPU")
    config.addinivalue_line("markers", "slow: takes long with a large subject")
    config.addinivalue_line(
        "markers", "limit_vram(amount): fails if the test allocates more than, say, '17 GB' on a GPU"
    )
    for family in dict.fromkeys(strategy.family for strategy in STRATEGIES):
        config.addinivalue_line("markers", f"{family}: a strategy of this family")
    try:
        config.stash[PLAN] = _plan(config)
    except Refusal as refusal:
        raise pytest.UsageError(str(refusal)) from refusal
    config.stash[MEETING] = meeting = tempfile.TemporaryDirectory(prefix="fluxgate-")
    config.add_cleanup(meeting.cleanup)
    config.stash[LEDGER] = ledger = Ledger()
    config.pluginmanager.register(ledger, "fluxgate-ledger")


def _plan(config: pytest.Config) -> Plan:
    """Everything that a user may have got wrong, looked at before the first second of rendering."""
    asked, machine, libraries, catalogue = config.getoption, detect(), stack(), subjects()
    unfit = outside_support(libraries, torch=machine.torch)
    if unfit:
        raise Refusal(unfit)
    if asked("require_baseline") and asked("no_baseline"):
        raise Refusal("--require-baseline and --no-baseline exclude each other.")
    names = chosen(asked("subject") or ["miniature"], among=catalogue, option="--subject")
    for name in names if asked("subject") and not asked("collectonly") else ():
        refuse_unready(catalogue[name])
    every = [strategy.name for strategy in STRATEGIES]
    store, limit = config.invocation_params.dir / asked("baselines"), asked("vram_limit")
    return Plan(
        machine=machine,
        stack=libraries,
        cases=matrix([catalogue[name] for name in names], STRATEGIES, machine=machine, stack=libraries),
        strategies=chosen(asked("strategy") or every, among=every, option="--strategy"),
        store=store,
        known=kept.known(store, subjects=catalogue),
        takes=whole_number(asked("takes"), option="--takes", most=100) if asked("takes") else None,
        vram_limit=memory_limit(limit, of=machine, option="--vram-limit") if limit is not None else None,
        timeout=seconds(asked("case_timeout"), option="--case-timeout"),
        require_baseline=asked("require_baseline"),
        no_baseline=asked("no_baseline"),
        runs=config.invocation_params.dir / asked("runs"),
    )


def pytest_report_header(config: pytest.Config) -> list[str]:
    plan = config.stash[PLAN]
    machine, libraries = plan.machine, plan.stack
    layers = [f"torch {machine.torch}"]
    layers += [f"CUDA {machine.cuda}, driver {machine.driver}"] if machine.device == "cuda" else []
    told = [
        f"machine: {machine.name}, {', '.join(layers)} ({machine.id})",
        f"stack: {', '.join(f'{name} {version}' for name, version in libraries.items())}",
    ]
    limit = [] if plan.vram_limit is None else [f"vram limit: {amount(plan.vram_limit)} of each GPU for every case"]
    return told + limit


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """xdist starts a process. All of them render into one run, which the first to render makes: here they meet."""
    node.workerinput["fluxgate meeting"] = node.config.stash[MEETING].name
    try:  # here it ends the session with one sentence; in each of xdist's processes it would fail every test
        _refuse_damaged(node.config.stash[PLAN])
    except Refusal as refusal:
        raise pytest.UsageError(str(refusal)) from refusal


def _refuse_damaged(plan: Plan) -> None:
    names = {case.subject.name for case in plan.chosen if case.unsupported is None}
    kept.refuse_damaged(plan.store, machine=plan.machine.id, subjects=names, no_baseline=plan.no_baseline)


# Collecting


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "case" not in metafunc.fixturenames:
        return
    plan, ledger = metafunc.config.stash[PLAN], metafunc.config.stash[LEDGER]
    ledger.asked = True
    parameters = [pytest.param(case, id=case.id, marks=_marks(case)) for case in plan.chosen]
    metafunc.parametrize("case", parameters, indirect=True, scope="session")


def _marks(case: Case) -> list[pytest.MarkDecorator]:
    names = [case.strategy.family]
    names += ["gpu"] if case.device == "cuda" else []
    names += ["slow"] if case.strategy.slow else []
    return [getattr(pytest.mark, name) for name in names]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """What is asked of one case stays in one of xdist's processes.

    Its own marks for that, xdist_group, have no effect in pytest 9.2."""
    if config.option.dist != "load":
        return None  # somebody asked for something else
    from xdist.scheduler import LoadScopeScheduling

    class ByCase(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return nodeid.partition("[")[2] or nodeid

    return ByCase(config, log)


# Running


@pytest.fixture(scope="session")
def case(request: pytest.FixtureRequest) -> Case:
    """The case that a test asks about."""
    return request.param


@pytest.fixture(scope="session")
def run(pytestconfig: pytest.Config) -> runs.Run:
    """The folder that this session renders into."""
    meeting = getattr(pytestconfig, "workerinput", {}).get("fluxgate meeting")
    found = _new_run(pytestconfig) if meeting is None else _shared_run(pytestconfig, Path(meeting))
    pytestconfig.stash[LEDGER].run = found.folder
    return found


def _new_run(config: pytest.Config) -> runs.Run:
    plan = config.stash[PLAN]
    command = shlex.join(["pytest", *map(str, config.invocation_params.args)])
    return runs.create(plan.runs, plan.machine, plan.stack, command, vram_limit=plan.vram_limit)


def _shared_run(config: pytest.Config, meeting: Path) -> runs.Run:
    """The run of all of xdist's processes: the first that comes makes it, and says where it is."""
    with held(meeting / "lock", waiting="waiting for the run's folder"):
        link = meeting / "run"
        if not link.exists():
            link.symlink_to(_new_run(config).folder.resolve())
        return runs.open_run(link.resolve())


@pytest.fixture(scope="session")
def workshop(pytestconfig: pytest.Config, run: runs.Run) -> Iterator[Workshop]:
    """Renders a case the first time that it is asked for."""
    plan = pytestconfig.stash[PLAN]
    folders = _folders(pytestconfig)
    lane = int(getattr(pytestconfig, "workerinput", {}).get("workerid", "gw0").removeprefix("gw"))
    with Workers(takes=plan.takes, lane=lane, vram_limit=plan.vram_limit) as workers:
        yield (
            found := Workshop(
                run,
                workers,
                plan.cases,
                locate=lambda subject: folders[subject.name],
                timeout=plan.timeout,
                report=_progress(pytestconfig),
                glance=lambda case, pictures: _look_ahead(found, case, pictures),
            )
        )


def _look_ahead(workshop: Workshop, case: Case, pictures: tuple[Picture, ...]) -> None:
    """Judge while the GPU works. A CPU that renders must not be asked for anything else meanwhile."""
    if case.device != "cuda":
        return
    named = case.strategy.promise.reference
    reference = workshop.done(f"{case.subject.name}-{named}") if named else None
    theirs = Rendered(reference, workshop.run.case_folder(reference.case_id)) if reference else None
    look_ahead(case, pictures, workshop.run.case_folder(case.id), reference=theirs)


def _folders(config: pytest.Config) -> dict[str, Path]:
    """Where the files of every subject are, downloaded if need be, before the first one is rendered."""
    cases = config.stash[PLAN].chosen
    with _ending_the_session(config):
        return {case.subject.name: locate(case.subject) for case in cases if case.unsupported is None}


@contextmanager
def _ending_the_session(config: pytest.Config) -> Iterator[None]:
    """What is refused here would be refused of every case: it is told once."""
    try:
        yield
    except Refusal as refusal:
        if hasattr(config, "workerinput"):  # xdist takes a process that exits for one that crashed
            raise pytest.fail.Exception(str(refusal), pytrace=False) from None
        pytest.exit(str(refusal), returncode=pytest.ExitCode.USAGE_ERROR)


def _progress(config: pytest.Config) -> Callable[[str], None]:
    """Says a line now, past pytest's capturing: a case may take minutes, and a log without a terminal shows it too."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    capture = config.pluginmanager.get_plugin("capturemanager")

    def say(line: str) -> None:
        with capture.global_and_fixture_disabled():
            reporter.ensure_newline()
            reporter.write_line(f"  {line}", cyan=True)
            reporter.flush()

    quiet = reporter is None or capture is None or config.get_verbosity() < 0
    return (lambda line: None) if quiet else say


@pytest.fixture(scope="session")
def standards(pytestconfig: pytest.Config) -> Standards:
    """What cases are held against besides each other."""
    plan = pytestconfig.stash[PLAN]
    with _ending_the_session(pytestconfig):
        _refuse_damaged(plan)
    return kept.standards(
        plan.machine,
        plan.stack,
        store=plan.store,
        known=plan.known,
        require_baseline=plan.require_baseline,
        no_baseline=plan.no_baseline,
        earlier=history.earlier(plan.runs, plan.machine.id, vram_limit=plan.vram_limit),
    )


@pytest.fixture(scope="session")
def judged(request: pytest.FixtureRequest, case: Case, standards: Standards) -> dict[str, Verdict]:
    """The verdicts on a case, by check; it is rendered when the first of its tests asks."""
    if case.unsupported is not None:  # no run is made for what nobody renders
        return {verdict.check: verdict for verdict in judge_cases([case], lambda case_id: None, standards)}
    workshop: Workshop = request.getfixturevalue("workshop")
    try:
        found = judge_cases([case], partial(_rendered, workshop), standards, run=workshop.run.folder)
    except Refusal as refusal:
        raise pytest.fail.Exception(str(refusal), pytrace=False) from None
    return {verdict.check: verdict for verdict in found}


def _rendered(workshop: Workshop, case_id: str) -> Rendered | None:
    rendering = workshop.rendering(case_id)
    return None if rendering is None else Rendered(rendering, workshop.run.case_folder(case_id))


@pytest.fixture
def complaints(pytestconfig: pytest.Config) -> tuple[str, ...]:
    """What must be looked at again among the baselines and the known failures."""
    plan = pytestconfig.stash[PLAN]
    return kept.complaints(plan.store, plan.known, machine=plan.machine, stack=plan.stack, subjects=subjects())


@dataclass(frozen=True)
class Asked:
    """The verdicts on one case, told to pytest in its own words."""

    node: pytest.Item
    verdicts: dict[str, Verdict]

    def of(self, check: str) -> None:
        self.node.stash[VERDICT] = verdict = self.verdicts[check]
        self.node.user_properties += [
            ("status", verdict.status),
            ("sentence", verdict.sentence),
            *verdict.numbers.items(),
        ]
        if verdict.status in (UNSUPPORTED, NO_DATA):
            pytest.skip(verdict.sentence)
        if verdict.status == KNOWN_FAILURE:
            pytest.xfail(verdict.sentence)
        if verdict.status != PASSED:
            pytest.fail(f"{verdict.case_id}: {verdict.sentence}", pytrace=False)


@pytest.fixture
def verdicts(request: pytest.FixtureRequest, judged: dict[str, Verdict]) -> Asked:
    """What a test asks."""
    return Asked(request.node, judged)


@dataclass(frozen=True)
class Replay:
    """The worker's seconds once more: pytest-benchmark reads a clock that shows them, before and after each step."""

    request: pytest.FixtureRequest
    steps: tuple[float, ...]

    def step_seconds(self) -> None:
        if self.steps and self.request.config.pluginmanager.has_plugin("benchmark"):
            ticks = iter([0.0, *(time for time in accumulate(self.steps) for _ in range(2))])
            subject = self.request.getfixturevalue("case").subject.name
            self.request.node.add_marker(pytest.mark.benchmark(group=f"a step of {subject}", timer=lambda: next(ticks)))
            self.request.getfixturevalue("benchmark").pedantic(lambda: None, rounds=len(self.steps))


@pytest.fixture
def replay(request: pytest.FixtureRequest, case: Case, judged: dict[str, Verdict]) -> Replay:
    """The seconds of a case's denoising steps, for pytest-benchmark."""
    rendering = None if case.unsupported else request.getfixturevalue("workshop").rendering(case.id)
    return Replay(request, tuple(step for entry in rendering.durations for step in entry.steps) if rendering else ())


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Hold any test, the user's own too, to the limit that it is marked with."""
    marker = item.get_closest_marker("limit_vram")
    if marker is None:
        return (yield)
    limit, cuda = _limit_of(marker), _cuda()
    cuda.reset_peak_memory_stats()
    result = yield
    peak = cuda.max_memory_allocated()
    if peak > limit:
        more = amount(peak - limit)
        told = f"limited to {amount(limit)} of GPU memory, but allocated {amount(peak)}: {more} more"
        raise pytest.fail.Exception(told, pytrace=False)
    return result


def _limit_of(marker: pytest.Mark) -> int:
    try:
        return parse_amount(*marker.args, name="limit_vram", **marker.kwargs)
    except (Refusal, TypeError) as error:
        raise pytest.fail.Exception(f"@pytest.mark.limit_vram('17 GB'): {error}", pytrace=False) from None


def _cuda() -> Any:
    """torch's view of the GPU, or a skip: a limit that was not measured was not kept."""
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("limit_vram needs a GPU that torch can use")
    return torch.cuda


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """The verdict travels with the report: to the summary, to JUnit, and from xdist's processes to this one."""
    report = yield
    verdict = item.stash.get(VERDICT, None)
    if verdict is not None and call.when == "call":
        folder = item.config.stash[LEDGER].run
        report.fluxgate = {"verdict": msgspec.to_builtins(verdict), "run": str(folder) if folder else None}
    return report


# After the last test


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    config = session.config
    ledger = config.stash.get(LEDGER, None)
    if ledger is None or config.option.collectonly:
        return
    if hasattr(config, "workeroutput"):
        config.workeroutput["fluxgate asked"] = ledger.asked
        return
    if ledger.run is not None:
        _close(config, ledger.run)
    if ledger.asked and not ledger.measured and exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
        ledger.complaint = _why_nothing(config)
        session.exitstatus = pytest.ExitCode.NO_TESTS_COLLECTED


def _close(config: pytest.Config, folder: Path) -> None:
    """Leave the verdicts in the run."""
    found = runs.open_run(folder)
    found.keep(runs.VERDICTS, _every_verdict(config))
    runs.finish(found)


def _every_verdict(config: pytest.Config) -> tuple[Verdict, ...]:
    """One for every cell of subject × strategy × check, whether it was asked about or not."""
    told = config.stash[LEDGER].verdicts
    return tuple(
        told.get((case.id, check)) or _unasked(case, check) for case in config.stash[PLAN].cases for check in CHECKS
    )


def _unasked(case: Case, check: str) -> Verdict:
    return Verdict(
        case.subject.name, case.strategy.name, check, NOT_SELECTED, "It was not asked about in this session."
    )


def _why_nothing(config: pytest.Config) -> str:
    """One sentence for a session that asked about cases and rendered none."""
    plan, ledger = config.stash[PLAN], config.stash[LEDGER]
    if ledger.run is not None:
        return "Nothing was measured: no check that was selected could be answered, for the reasons above."
    if ledger.verdicts:
        return "Nothing was rendered: all that was selected is unsupported here, for the reasons above."
    if plan.machine.device == "cpu" and "gpu" in config.option.markexpr:
        machine = f"{plan.machine.name}, torch {plan.machine.torch}"
        return f"Nothing was rendered: -m {config.option.markexpr!r} asks for a GPU; none can be used here ({machine})."
    return "Nothing was rendered: the selection leaves no case; `pytest --collect-only` lists what there is."


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    ledger = config.stash[LEDGER]
    if ledger.verdicts:
        terminalreporter.section("Fluxgate")
        terminalreporter.write_line(_table(config, ledger.run, width=terminalreporter._tw.fullwidth))
    if ledger.complaint:
        terminalreporter.write_line(ledger.complaint, red=True)


def _table(config: pytest.Config, folder: Path | None, *, width: int) -> str:
    shown = [verdict for verdict in _every_verdict(config) if verdict.strategy in config.stash[PLAN].strategies]
    unicode = (getattr(sys.stdout, "encoding", None) or "").lower().startswith("utf")
    if folder is None:
        return terminal(shown, {}, run=None, width=width, unicode=unicode)
    found = runs.open_run(folder)
    return terminal(
        shown,
        found.renderings(),
        run=_near(folder),
        cards=cards.cards(found),
        limit=found.vram_limit,
        width=width,
        unicode=unicode,
    )


def _near(folder: Path) -> Path:
    """The folder as one would type it from here."""
    here = Path.cwd()
    return folder.relative_to(here) if folder.is_relative_to(here) else folder

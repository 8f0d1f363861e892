"""What the conformance tests are given: a case, what it gave, and the verdict on it. suite/conftest.py has them."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import accumulate

import pytest

from fluxgate.cases import Case
from fluxgate.history import store
from fluxgate.history.case_figures import figures_of, recipe_of
from fluxgate.judge.applicable import checks_of
from fluxgate.judge.verdict import Verdict
from fluxgate.locks import Say, silent
from fluxgate.plugin.ahead import WORKERS, rendering_ahead
from fluxgate.plugin.asked import choice_of
from fluxgate.plugin.parallel import lane_of, shared_run
from fluxgate.plugin.verdicts import LEDGER, VERDICT
from fluxgate.refusal import Refusal
from fluxgate.runs.rendered import Rendered
from fluxgate.session.choice import Choice
from fluxgate.session.session import Session, create_run, open_session


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test for each case that its check applies to; what cannot run here has one test, which says why."""
    marker = metafunc.definition.get_closest_marker("fluxgate_check")
    if "case" in metafunc.fixturenames:
        cases = list(choice_of(metafunc.config).renderable)
        if marker is not None:
            cases = [case for case in cases if marker.args[0] in checks_of(case)]
        metafunc.parametrize("case", [_parameter(case) for case in cases], indirect=True, scope="session")
    if "device" in metafunc.fixturenames:
        here = choice_of(metafunc.config).machine.device
        gpu = [pytest.param("cuda", marks=pytest.mark.gpu)] if here == "cuda" else []
        metafunc.parametrize("device", ["cpu", *gpu])
    if "unsupported_case" in metafunc.fixturenames:
        cases = [case for case in choice_of(metafunc.config).asked if case.unsupported is not None]
        metafunc.parametrize("unsupported_case", [_parameter(case) for case in cases])


def _parameter(case: Case) -> object:
    names = [case.strategy.family]
    names += ["gpu"] if case.device == "cuda" else []
    names += ["slow"] if case.strategy.slow else []
    return pytest.param(case, id=case.id, marks=[getattr(pytest.mark, name) for name in names])


@pytest.fixture(scope="session")
def case(request: pytest.FixtureRequest) -> Case:
    """The case that a test asks about."""
    parameter: Case = request.param
    return parameter


@pytest.fixture(scope="session")
def fluxgate_session(pytestconfig: pytest.Config, request: pytest.FixtureRequest) -> Iterator[Session]:
    """Renders into this session's run, which is made when the first case is asked for."""
    choice = choice_of(pytestconfig)
    with ExitStack() as stack:
        try:
            run = shared_run(pytestconfig, lambda: create_run(choice, command=_command(pytestconfig)))
            workers, lane = pytestconfig.stash.get(WORKERS, None), lane_of(pytestconfig)
            report = _progress(pytestconfig)
            opened = open_session(choice, run, lane=lane, report=report, workers=workers, judges_each=True)
            session = stack.enter_context(opened)
        except Refusal as refusal:  # it would be refused of every case: it is told once
            _end(pytestconfig, refusal)
        pytestconfig.stash[LEDGER].run = run.folder
        failed = session.import_libraries()
        if failed is not None:
            _end_without_libraries(pytestconfig, failed)
        with rendering_ahead(session, request.session):
            yield session


def _end_without_libraries(config: pytest.Config, verdict: Verdict) -> None:
    """One verdict for the session, at once: every case would say the same."""
    config.stash[LEDGER].verdicts[verdict.case_id, verdict.check] = verdict
    if hasattr(config, "workerinput"):
        raise pytest.fail.Exception(verdict.sentence, pytrace=False)
    pytest.exit(verdict.sentence, returncode=pytest.ExitCode.TESTS_FAILED)


def _command(config: pytest.Config) -> str:
    return shlex.join(["pytest", *map(str, config.invocation_params.args)])


def _end(config: pytest.Config, refusal: Refusal) -> None:
    if hasattr(config, "workerinput"):  # xdist takes a process that exits for one that crashed
        raise pytest.fail.Exception(str(refusal), pytrace=False) from None
    pytest.exit(str(refusal), returncode=pytest.ExitCode.USAGE_ERROR)


def _progress(config: pytest.Config) -> Say:
    """Says a line now, past pytest's capturing: a case may take minutes, and a log without a terminal shows it too."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    capture = config.pluginmanager.get_plugin("capturemanager")
    if reporter is None or capture is None or config.get_verbosity() < 0:
        return silent

    def say(line: str) -> None:
        with capture.global_and_fixture_disabled():
            reporter.ensure_newline()
            reporter.write_line(f"  {line}", cyan=True)
            reporter.flush()

    return say


@pytest.fixture(scope="session")
def rendered(case: Case, fluxgate_session: Session) -> Mapping[str, Rendered]:
    """What the case gave, and those that its promise compares it with; rendered when the first of its tests asks."""
    try:
        return fluxgate_session.render(case)
    except Refusal as refusal:
        raise pytest.fail.Exception(str(refusal), pytrace=False) from None


@pytest.fixture(scope="session")
def judged(case: Case, rendered: Mapping[str, Rendered], fluxgate_session: Session) -> Mapping[str, Verdict]:
    """The verdicts on the case, by check."""
    try:
        return {verdict.check: verdict for verdict in fluxgate_session.judge(case, rendered)}
    except Refusal as refusal:
        raise pytest.fail.Exception(str(refusal), pytrace=False) from None


@pytest.fixture
def verdict(request: pytest.FixtureRequest, judged: Mapping[str, Verdict]) -> Verdict:
    """The verdict on the check that the test is marked with; it goes into the summary and into JUnit."""
    marker = request.node.get_closest_marker("fluxgate_check")
    answer = judged[marker.args[0]]
    request.node.stash[VERDICT] = answer
    request.node.user_properties += [("status", answer.status), ("sentence", answer.sentence), *answer.numbers.items()]
    return answer


@pytest.fixture
def nf4_verdict(request: pytest.FixtureRequest, device: str, fluxgate_session: Session) -> Verdict:
    """The verdict on bitsandbytes' NF4 on a device, whatever case uses it."""
    answer = fluxgate_session.judge_nf4(device)
    request.node.stash[VERDICT] = answer
    request.node.user_properties += [("status", answer.status), ("sentence", answer.sentence)]
    return answer


@dataclass(frozen=True)
class StepSeconds:
    """The worker's seconds once more: pytest-benchmark reads a clock that shows them, before and after each step."""

    request: pytest.FixtureRequest
    subject: str
    steps: tuple[float, ...]
    entry: Mapping[str, object]  # what else was measured, for history

    def replay(self) -> None:
        if not self.steps:
            pytest.skip("The worker ended before it had done a step.")
        if not self.request.config.pluginmanager.has_plugin("benchmark"):
            pytest.skip("pytest-benchmark is switched off.")
        ticks = iter([0.0, *(time for time in accumulate(self.steps) for _ in range(2))])
        mark = pytest.mark.benchmark(group=f"a step of {self.subject}", timer=lambda: next(ticks))
        self.request.node.add_marker(mark)
        benchmark = self.request.getfixturevalue("benchmark")
        benchmark.extra_info[store.KEY] = self.entry
        benchmark.pedantic(lambda: None, rounds=len(self.steps))


@pytest.fixture
def step_seconds(
    request: pytest.FixtureRequest,
    case: Case,
    rendered: Mapping[str, Rendered],
    judged: Mapping[str, Verdict],
    choice: Choice,
) -> StepSeconds:
    """The seconds of a case's denoising steps, for pytest-benchmark, and with them what history is made of."""
    rendering = rendered[case.id].rendering
    steps = tuple(step for duration in rendering.durations for step in duration.steps)
    entry = store.CaseEntry(
        case=case.id,
        strategy=case.strategy.name,
        recipe=recipe_of(rendering),
        figures=figures_of(rendering, judged.values()),
        limit=choice.vram_limit,
    )
    return StepSeconds(request, case.subject.name, steps, store.case_entry(entry))


@pytest.fixture
def choice(pytestconfig: pytest.Config) -> Choice:
    """What the session is about."""
    return choice_of(pytestconfig)

"""The end of a session: the verdicts go into the run, and the table is printed."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from fluxgate.judge.verdict import LIBRARY_CHECKS, Verdict
from fluxgate.plugin.asked import CHOICE
from fluxgate.plugin.verdicts import LEDGER, Ledger
from fluxgate.refusal import Refusal
from fluxgate.report.colours import coloured
from fluxgate.report.html.accepted import accepted_stack
from fluxgate.report.html.page import write_page
from fluxgate.report.html.sides import Sides, sides_of_run
from fluxgate.report.report import Report, compile_report, measured_anything, report_on
from fluxgate.report.terminal import terminal
from fluxgate.runs import run as runs
from fluxgate.session.choice import Choice
from fluxgate.session.judging import every_verdict
from fluxgate.session.session import finish

GREEN = (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED)


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """A session that asked for cases and measured none is not green."""
    config = session.config
    if CHOICE not in config.stash or config.option.collectonly or hasattr(config, "workeroutput"):
        return
    choice, ledger = config.stash[CHOICE], config.stash[LEDGER]
    ledger.cut_short = interrupted = exitstatus == pytest.ExitCode.INTERRUPTED
    if ledger.run is not None:
        run = runs.open_run(ledger.run)
        verdicts = _every_verdict(choice, ledger, cut_short=interrupted)
        run.write_json(runs.VERDICTS, verdicts) if interrupted else finish(run, verdicts)
    measured = measured_anything(ledger.verdicts.values()) and not _cannot_run(choice)
    if not measured and exitstatus in GREEN:
        ledger.complaint = _why_nothing(config, choice)
        session.exitstatus = pytest.ExitCode.NO_TESTS_COLLECTED


def _cannot_run(choice: Choice) -> bool:
    """Whether none of the cases that a whole session asks for can run here, whatever is said of libraries by
    themselves; of one that is dealt to several machines, a part may have none that can."""
    return bool(choice.asked and not choice.renderable and choice.shard is None)


def _every_verdict(choice: Choice, ledger: Ledger, *, cut_short: bool) -> tuple[Verdict, ...]:
    libraries = [verdict for verdict in ledger.verdicts.values() if verdict.check in LIBRARY_CHECKS]
    asked = {case.id for case in choice.asked}
    return (*libraries, *every_verdict(choice.cases, ledger.verdicts, asked=asked, cut_short=cut_short))


def _why_nothing(config: pytest.Config, choice: Choice) -> str:
    """One sentence for a session that asked about cases and rendered none."""
    if choice.asked and not choice.renderable:
        return "Nothing was rendered: all that was selected is unsupported here, for the reasons above."
    if config.stash[LEDGER].run is not None:
        return "Nothing was measured: no check that was selected could be answered, for the reasons above."
    if choice.machine.device == "cpu" and "gpu" in config.option.markexpr:
        machine = f"{choice.machine.name}, torch {choice.machine.torch}"
        return f"Nothing was rendered: -m {config.option.markexpr!r} asks for a GPU; none can be used here ({machine})."
    return "Nothing was rendered: the selection leaves no case; `pytest --collect-only` lists what there is."


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if CHOICE not in config.stash or config.option.collectonly:
        return
    ledger = config.stash[LEDGER]
    if ledger.verdicts or ledger.complaint:
        terminalreporter.section("Fluxgate")
    if ledger.verdicts:
        report = _report(config, ledger)
        unicode = (getattr(sys.stdout, "encoding", None) or "").lower().startswith("utf")
        text = terminal(report, width=terminalreporter._tw.fullwidth, unicode=unicode)
        terminalreporter.write_line(coloured(text) if terminalreporter.hasmarkup else text)
    if ledger.complaint:
        terminalreporter.write_line(ledger.complaint, red=True)
    if config.getoption("fluxgate_html") is not None:
        _write_page(terminalreporter, config, report if ledger.verdicts else _report(config, ledger))


def _report(config: pytest.Config, ledger: Ledger) -> Report:
    choice = config.stash[CHOICE]
    verdicts = _every_verdict(choice, ledger, cut_short=ledger.cut_short)
    if ledger.run is None:
        return compile_report(None, verdicts, choice.cases, machine=choice.machine, stack=choice.stack)
    return report_on(runs.open_run(ledger.run), verdicts, choice.cases, folder=_near(ledger.run))


def _write_page(terminalreporter: pytest.TerminalReporter, config: pytest.Config, report: Report) -> None:
    """Write the report as a page, also on a session that rendered nothing; it changes no verdict if it cannot be."""
    choice, ledger = config.stash[CHOICE], config.stash[LEDGER]
    file = config.invocation_params.dir / config.getoption("fluxgate_html")
    sides = sides_of_run(runs.open_run(ledger.run), choice.cases) if ledger.run else Sides()
    accepted = accepted_stack(choice.baselines, choice.machine.id, choice.cases)
    try:
        write_page(file, report, sides, choice.cases, accepted=accepted)
        terminalreporter.write_line(f"The page is {_near(file)}")
    except Refusal as refusal:
        terminalreporter.write_line(str(refusal), red=True)


def _near(folder: Path) -> Path:
    """The folder as one would type it from here."""
    here = Path.cwd()
    return folder.relative_to(here) if folder.is_relative_to(here) else folder

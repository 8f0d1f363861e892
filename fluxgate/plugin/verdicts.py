"""Verdicts in pytest's own words, and their way to the process that prints the summary."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import pytest

from fluxgate.judge.verdict import KNOWN_FAILURE, NO_DATA, NOT_SELECTED, PASSED, UNSUPPORTED, Verdict

VERDICT = pytest.StashKey[Verdict]()
SKIPPED = (UNSUPPORTED, NO_DATA, NOT_SELECTED)


@dataclass(eq=False)  # pytest keeps its plugins in sets
class Ledger:
    """What has come out so far, from this process or from those that xdist started."""

    run: Path | None = None
    complaint: str | None = None  # why nothing came out
    cut_short: bool = False  # the session was interrupted
    verdicts: dict[tuple[str, str], Verdict] = field(default_factory=dict)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        carried = getattr(report, "fluxgate", None)
        if carried is not None:
            verdict = msgspec.convert(carried["verdict"], Verdict)
            self.verdicts[verdict.case_id, verdict.check] = verdict
            self.run = Path(carried["run"]) if carried["run"] else self.run


LEDGER = pytest.StashKey[Ledger]()


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    config.stash[LEDGER] = ledger = Ledger()
    config.pluginmanager.register(ledger, "fluxgate-ledger")


def enforce(verdict: Verdict) -> None:
    """Return if the check passed; else fail, skip or expect the failure, as the verdict says."""
    if verdict.status in SKIPPED:
        pytest.skip(verdict.sentence)
    if verdict.status == KNOWN_FAILURE:
        pytest.xfail(verdict.sentence)
    if verdict.status != PASSED:
        pytest.fail(verdict.line, pytrace=False)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """The verdict travels with the report: to the summary, to JUnit, and from xdist's processes to this one."""
    report = yield
    verdict = item.stash.get(VERDICT, None)
    if verdict is not None and call.when == "call":
        folder = item.config.stash[LEDGER].run
        carried: dict[str, Any] = {"verdict": msgspec.to_builtins(verdict), "run": str(folder) if folder else None}
        setattr(report, "fluxgate", carried)  # noqa: B010  an attribute of ours: pytest hands it on between processes
    return report

"""A plugin for the pytest that runs diffusers' own tests: it puts a fault into the libraries, and writes down how each
test ended, a line each."""

from __future__ import annotations

import gc
import json
import os
from pathlib import Path

import pytest

from fluxgate.prove import inside
from fluxgate.prove.faults import fault_named
from fluxgate.prove.patching import apply, counting

FOLDER = "FLUXGATE_PEER"  # names the folder that is written into
ENDED = "ended.jsonl"  # there: [test, outcome] of each phase of each test


def pytest_configure() -> None:
    """Before any test is imported, as a worker has the fault before a pipeline is loaded."""
    import diffusers.hooks
    import diffusers.pipelines.flux.pipeline_flux  # noqa: F401

    name = os.environ.get(inside.VARIABLE)
    if name:
        apply(fault_named(name).patch, counting(_folder() / inside.COUNT))


def pytest_collection_finish() -> None:
    """Those tests collect garbage twice each; what is there already need not be looked through every time."""
    gc.collect()
    gc.freeze()


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """A skipped or broken setup is all that there is of such a test."""
    if report.when == "call" or report.outcome != "passed":
        with (_folder() / ENDED).open("a", encoding="utf-8") as lines:
            lines.write(json.dumps([report.nodeid, report.outcome]) + "\n")


def _folder() -> Path:
    return Path(os.environ[FOLDER])

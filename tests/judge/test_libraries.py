"""Tests of what a run says of libraries by themselves."""

from __future__ import annotations

from pathlib import Path

from fluxgate.judge.libraries import IMPORT_CRASH, facts_file, verdicts_in
from fluxgate.judge.verdict import CRASHED, IMPORTS, NF4
from fluxgate.render.nf4 import Nf4Facts
from fluxgate.rendering import Crash
from fluxgate.runs.run import create
from tests.runs.building import MACHINE, STACK


def test_a_run_without_measurements_says_nothing(tmp_path: Path) -> None:
    """Nobody asked."""
    assert list(verdicts_in(create(tmp_path, MACHINE, STACK, "x"))) == []


def test_what_was_measured_is_judged_again(tmp_path: Path) -> None:
    """On any machine, from the run's folder alone: libraries that cannot be imported are one verdict."""
    run = create(tmp_path, MACHINE, STACK, "x")
    run.write_json(facts_file("cpu"), Nf4Facts("cpu", version="0.50.2", scale_error=1.0))
    run.write_json(IMPORT_CRASH, Crash("import", "ImportError: cannot import name 'x' from 'y'", None, ()))
    verdicts = {verdict.check: verdict for verdict in verdicts_in(run)}
    assert set(verdicts) == {IMPORTS, NF4}
    imports = verdicts[IMPORTS]
    assert (imports.status, imports.case_id) == (CRASHED, "libraries-imports")
    assert imports.sentence.endswith("cannot import name 'x' from 'y'.")

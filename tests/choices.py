"""What a session is about, for tests: cases on a machine of the tests' own."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from fluxgate.baselines.store import Store
from fluxgate.cases import Case
from fluxgate.environment import Environment
from fluxgate.judge.standards import BaselineUse
from fluxgate.session.choice import Choice
from tests.runs.building import MACHINE, STACK


def choice(cases: Sequence[Case], folder: Path, **changes: Any) -> Choice:
    """A session of these cases, all of them asked about; its runs and baselines lie in the folder."""
    whole = Choice(
        environment=Environment(Path(sys.executable), MACHINE, STACK),
        cases=tuple(cases),
        strategies=tuple(case.strategy.name for case in cases),
        takes=None,
        vram_limit=None,
        at_once=1,
        timeout=5.0,
        runs=folder / "runs",
        baselines=Store(folder / "baselines"),
        baseline_use=BaselineUse.IF_ANY,
    )
    return replace(whole, **changes)

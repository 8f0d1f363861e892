"""Rows, gates and results by hand, for the tests of replays."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from fluxgate.gate.culprit.finding import Culprit, Finding, Kind
from fluxgate.gate.decision import Decision
from fluxgate.gate.environments.pins import Pins
from fluxgate.gate.gate import Gated
from fluxgate.gate.holding import Held
from fluxgate.gate.replays.played import Played, Status
from fluxgate.gate.replays.rows import Expected, Row
from fluxgate.report.gate_result import Answer, CaseOutcome, CaseResult, Move
from tests.runs.building import MACHINE

T5_UP = Move("transformers", "4.56.2", "4.57.0")
PILLOW_UP = Move("pillow", "13.0.0", "12.2.0")
REASON = "it crashes during load: TypeError: unexpected keyword argument 'offload_state_dict'"
BROKEN = CaseResult("tiny-full", "tiny", "full", CaseOutcome.BROKEN, REASON, crashed_during="load")

REGRESSION = Row(
    name="offload-state-dict",
    about="Every load crashes.",
    good=Pins.of({"transformers": "4.56.2"}),
    bad=Pins.of({"transformers": "4.57.0", "pillow": "12.2.0"}),
    expected=Expected(Answer.NOT_SAFE, "load", {"full": "broken"}, "offload_state_dict", ("transformers",)),
    thread="https://example.org/12436",
)
NEIGHBOUR = replace(REGRESSION, name="neighbour", thread=None, expected=Expected())
ON_A_GPU = replace(REGRESSION, name="record-stream", device="cuda")


def held(*outcomes: CaseResult, answer: Answer = Answer.NOT_SAFE, culprit: tuple[Move, ...] = (T5_UP,)) -> Held:
    """What a gate has found."""
    finding: Finding[Any] | None = None
    if culprit:
        finding = Finding(Kind.SINGLE, (Culprit((culprit,)),), held_back=culprit, environments=3)
    moves = (PILLOW_UP, T5_UP)
    return Held(Gated(Decision(answer, f"{answer}."), MACHINE, {}, {}, moves, outcomes), finding)


def result(row: Row, status: Status = Status.AS_EXPECTED, **fields: Any) -> Played:
    about = {"answer": str(row.expected.answer), "moved": ("pillow 13.0.0 → 12.2.0",), "machine": "cpu-x"}
    return Played(row=row.name, status=status, **{**about, **fields})

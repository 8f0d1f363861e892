"""Tests of `fluxgate gate --on`: its exit code over several kinds of machines, and what it says of each."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from fluxgate.cli import gate_on
from fluxgate.cli.gate_on import gate_on_cluster
from fluxgate.gate.settings import Settings
from fluxgate.report.gate_folder import write_gate_result
from fluxgate.report.gate_result import Answer, GateResult
from tests.runs.building import MACHINE
from tests.wording import unsaid


@dataclass
class Kind:
    accelerator: str


@dataclass
class Gate:
    """What gate_on gives of one kind of machine."""

    kind: Kind
    folder: Path
    result: GateResult | None
    said: tuple[str, ...] = ("ann lost 3 cases in a row; no further one is placed on it.",)


def gate(folder: Path, card: str, answer: Answer | None) -> Gate:
    if answer is None:
        return Gate(Kind(card), folder / card, None)
    sentence = f"The upgrade is {answer}."
    result = GateResult(card.lower(), answer, sentence, MACHINE, {}, {}, (), "short", "x", "2026-03-01T12:30:00+00:00")
    write_gate_result(folder / card, result)
    return Gate(Kind(card), folder / card, result)


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The verb, once a cluster has come to these answers."""

    @contextmanager
    def connected(on: str, **how: Any) -> Iterator[None]:
        yield None

    def called(*, strict: bool = False, **answers: Answer | None) -> int:
        gates = [gate(tmp_path, card, answer) for card, answer in answers.items()]
        monkeypatch.setattr(gate_on, "connected", connected)
        monkeypatch.setattr(gate_on, "gate_on", lambda *_, **__: gates)
        asked = Namespace(upgrade=["x==1"], python=None, incumbent=[], on="ray", each="", output=None, strict=strict)
        return gate_on_cluster(asked, Settings())

    return called


@pytest.mark.parametrize(
    ("answers", "code"),
    [
        ({"H100": Answer.SAFE, "L4": Answer.SAFE}, 0),
        ({"H100": Answer.SAFE, "L4": Answer.NOT_SAFE}, 1),
        ({"H100": None, "L4": Answer.NOT_SAFE}, 1),
        ({"H100": Answer.CANNOT_TELL, "L4": None}, 2),
        ({"H100": Answer.SAFE, "L4": Answer.CANNOT_TELL}, 3),
    ],
)
def test_the_worst_answer_is_the_exit_code(call: Any, answers: dict[str, Answer | None], code: int) -> None:
    """Not safe on one machine says it; then that it could not be held on one; then that one cannot tell."""
    assert call(**answers) == code


def test_drift_is_not_safe_where_it_is_strict(call: Any) -> None:
    """As on one machine."""
    assert (call(H100=Answer.DRIFT), call(H100=Answer.DRIFT, strict=True)) == (0, 1)


def test_all_machines_stand_in_one_line_and_one_table(
    call: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """By the names that the cluster has for its GPUs; and why there is no gate on one of them."""
    call(H100=Answer.SAFE, L4=Answer.NOT_SAFE, A100=None)
    said = capsys.readouterr().out
    assert not unsaid(said, "Safe on H100", "not safe on L4")
    assert not unsaid(said, "On A100", "could not be held", "ann lost 3 cases")
    assert not unsaid((tmp_path / "H100" / "machines.md").read_text(), "Safe on H100", "not safe on L4")

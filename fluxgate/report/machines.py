"""Several machines side by side: a column for each, what was found on it, and where they differ."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from fluxgate.judge.sentences import counted, listed
from fluxgate.judge.verdict import CRASHED, FAILED, NOT_SELECTED, STATUSES, Verdict
from fluxgate.machine import Machine
from fluxgate.refusal import Refusal
from fluxgate.report import escaping
from fluxgate.report.gate_result import GateResult, Move
from fluxgate.report.markdown import bullets, table

GOOD, NOTHING = "no failures", "–"
RED = (FAILED, CRASHED)


@dataclass(frozen=True)
class MachineColumn:
    """What was found on one machine."""

    name: str
    machine_id: str
    answer: str  # of a gate "safe" and so on; of a run "no failures", or how many
    cells: Mapping[str, str]  # case -> a few words
    culprit: str | None = None  # of a gate: who is to blame there, in a sentence
    packages: tuple[Move, ...] = ()  # who that is
    details: tuple[str, ...] = field(default=())  # sentences about what is red there


def column_of_gate(result: GateResult) -> MachineColumn:
    """An upgrade on one machine."""
    cells = {case.case_id: str(case.outcome) for case in result.cases}
    culprit = result.culprit
    blame = " ".join(filter(None, (culprit.sentence, result.unasked_blame))) if culprit else None
    return MachineColumn(
        *_named(result.machine),
        str(result.answer),
        cells,
        culprit=blame,
        packages=culprit.packages if culprit else (),
        details=tuple(f"{case.case_id}: {case.reason}" for case in result.cases if case.is_bad),
    )


def column_of_run(machine: Machine, verdicts: Iterable[Verdict], *, cut_short: bool = False) -> MachineColumn:
    """A judged run of one machine."""
    by_case: dict[str, list[Verdict]] = {}
    for verdict in verdicts:
        by_case.setdefault(verdict.case_id, []).append(verdict)
    cells = {case_id: _words(those) for case_id, those in by_case.items()}
    red = [verdict for those in by_case.values() for verdict in those if verdict.status in RED]
    cases = len({verdict.case_id for verdict in red})
    answer = f"failures in {counted(cases, 'case')}" if cases else GOOD
    details = dict.fromkeys(verdict.line.partition("\n")[0] for verdict in red)
    whole = f"{answer}, cut short" if cut_short else answer
    return MachineColumn(
        *_named(machine), whole, {case: cell for case, cell in cells.items() if cell}, details=tuple(details)
    )


def _named(machine: Machine) -> tuple[str, str]:
    return machine.name, machine.id


def _words(verdicts: Sequence[Verdict]) -> str:
    """The checks of a case that are red, else the best that can be said of it; nothing where it was not selected."""
    failed = [verdict.check for verdict in verdicts if verdict.status == FAILED]
    statuses = {verdict.status for verdict in verdicts}
    if CRASHED in statuses or not failed:
        first = next((each for each in (CRASHED, *STATUSES) if each in statuses), NOT_SELECTED)
        return "" if first == NOT_SELECTED else first
    return f"{FAILED}: {', '.join(failed)}"


def refuse_other_upgrades(gates: Sequence[GateResult]) -> None:
    """Refuse gates that are not of one upgrade: their answers would stand side by side and not be comparable."""
    for gate in gates[1:]:
        if set(gate.moves) != set(gates[0].moves):
            one, other = (", ".join(map(str, each.moves)) or "no change" for each in (gates[0], gate))
            raise Refusal(f"{gates[0].id} and {gate.id} are gates of different upgrades: {one}; {other}.")


def headline(columns: Sequence[MachineColumn]) -> str:
    """'safe on H100, not safe on L4', the worst last."""
    by_answer: dict[str, list[str]] = {}
    for column in columns:
        by_answer.setdefault(column.answer, []).append(column.name)
    sentence = ", ".join(f"{answer} on {listed(names)}" for answer, names in by_answer.items())
    return f"{sentence[:1].upper()}{sentence[1:]}."


def machines_markdown(columns: Sequence[MachineColumn]) -> str:
    """All of it: the answer, who is to blame where, a row for each case that differs, and what is alike in one line."""
    return "\n\n".join(_blocks(_told_apart(columns))) + "\n"


def _blocks(columns: Sequence[MachineColumn]) -> Iterator[str]:
    yield f"## {escaping.markdown(headline(columns))}"
    culprits = list(_culprits(columns))
    if culprits:
        yield bullets(culprits)
    cases = sorted({case_id for column in columns for case_id in column.cells})
    rows = {case_id: [column.cells.get(case_id, NOTHING) for column in columns] for case_id in cases}
    differing = {case_id: cells for case_id, cells in rows.items() if len(set(cells)) > 1}
    if differing:
        heads = ["case", *(escaping.markdown(column.name) for column in columns)]
        yield table(heads, [list(map(escaping.markdown, (case, *cells))) for case, cells in differing.items()])
    alike = len(cases) - len(differing)
    if cases:
        yield f"The same answer on every machine: {alike} of {len(cases)}."  # libraries are asked about, too
    for column in columns:
        if column.details:
            yield f"### {escaping.markdown(column.name)}\n\n{bullets(map(escaping.markdown, column.details))}"


def _culprits(columns: Sequence[MachineColumn]) -> Iterator[str]:
    """Who is to blame on which machine; in one line, where it is the same everywhere that anything is."""
    blamed = [column for column in columns if column.culprit]
    if len({column.packages for column in blamed}) == 1 and len(blamed) > 1:
        yield escaping.markdown(f"{listed([column.name for column in blamed])}: {blamed[0].culprit}")
        return
    yield from (escaping.markdown(f"{column.name}: {column.culprit}") for column in blamed)


def _told_apart(columns: Sequence[MachineColumn]) -> list[MachineColumn]:
    """Two of one GPU, with another torch or another driver below, have their ids for names."""
    names = [column.name for column in columns]
    return [replace(each, name=each.machine_id) if names.count(each.name) > 1 else each for each in columns]

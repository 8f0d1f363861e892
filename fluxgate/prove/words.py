"""The outcomes as lines for a terminal and as the table of a document."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from fluxgate.prove.fault import Fault
from fluxgate.prove.outcome import JUDGED, Outcome, Rates, With, rates

Pairs = Sequence[tuple[Fault, Outcome]]

MARKS = {With.BASELINE: "baseline", With.SHIPPED: "what ships", With.NOTHING: "nothing"}


def line(fault: Fault, outcome: Outcome) -> str:
    """One fault in one line: `t5-masked: fired 4 times; caught with baseline, shipped, nothing; …`."""
    if outcome.status != JUDGED:
        return f"{fault.name}: {outcome.status}: {outcome.why}"
    if not outcome.did_something:
        return f"{fault.name}: it did nothing, so nothing could be seen"
    caught = ", ".join(one.value for one in With if outcome.caught(one))
    times = f"fired {sum(outcome.fired.values())} times"
    if fault.equivalent is not None:
        return f"{fault.name}: {times}; {'FALSELY caught with ' + caught if caught else 'equivalent, and not caught'}"
    where = f"; at {outcome.stage(With.BASELINE) or 'no stage'}" if fault.stage else ""
    return f"{fault.name}: {times}; {'caught with ' + caught if caught else 'NOT CAUGHT'}{where}"


def summary(pairs: Pairs) -> Iterator[str]:
    """The rates in a few lines."""
    told = rates(pairs)
    for one in With:
        yield f"caught with {MARKS[one]}: {told.caught[one.value]}"
    yield f"stage named right: {told.stage}; package named: {told.package}"
    yield f"sentences that invite to accept a fault: {told.inviting}"
    yield from _lists(told)


def _lists(told: Rates) -> Iterator[str]:
    if told.equivalent:
        yield f"equivalent, with a proof: {', '.join(told.equivalent)}"
    if told.alarms:
        yield f"FALSE ALARMS: {', '.join(told.alarms)}"
    if told.silent:
        yield f"did nothing: {', '.join(told.silent)}"


def by_machine(pairs: Pairs) -> dict[tuple[str, str], Pairs]:
    """What was proved on each machine with each stack, in the order in which they come."""
    groups: dict[tuple[str, str], list[tuple[Fault, Outcome]]] = {}
    for fault, outcome in pairs:
        libraries = ", ".join(f"{name} {version}" for name, version in sorted(outcome.stack.items()))
        groups.setdefault((outcome.machine, libraries), []).append((fault, outcome))
    return dict(groups)


def table(pairs: Pairs) -> Iterator[str]:
    """The document's lines, made anew by each run of the command; a table for each machine and stack."""
    for number, ((machine, libraries), own) in enumerate(by_machine(pairs).items()):
        yield from ([""] if number else [])
        yield from _table_of(own, f"On `{machine}` with {libraries}.")


def not_proved(names: Sequence[str]) -> Iterator[str]:
    """The faults of which nothing is known."""
    if names:
        yield ""
        yield f"Not proved yet: {', '.join(f'`{name}`' for name in names)}."


def _table_of(pairs: Pairs, where: str) -> Iterator[str]:
    yield where
    yield ""
    yield from (f"- {entry}" for entry in summary(pairs))
    yield ""
    yield "| fault | what it does | kind | fired | baseline | what ships | nothing | stage | package |"
    yield "| --- | --- | --- | --- | --- | --- | --- | --- | --- |"
    yield from (_row(fault, outcome) for fault, outcome in pairs)
    yield from _proofs(pairs)


def _row(fault: Fault, outcome: Outcome) -> str:
    cells = [f"`{fault.name}`", fault.about, fault.like]
    if outcome.status != JUDGED:
        return _joined([*cells, outcome.status, "", "", "", "", ""])
    cells.append(str(sum(outcome.fired.values())))
    cells += [_by(outcome, one) for one in With]
    cells.append(_stage(fault, outcome))
    named = outcome.names(fault.packages, With.BASELINE)
    return _joined(
        [*cells, f"{fault.packages[0]}{'' if named or not outcome.caught(With.BASELINE) else ' (not named)'}"]
    )


def _by(outcome: Outcome, held_to: With) -> str:
    """The checks that caught it, each once."""
    checks = dict.fromkeys(catch.check for catch in outcome.catches.get(held_to.value, ()))
    return ", ".join(checks) or "–"


def _stage(fault: Fault, outcome: Outcome) -> str:
    told = outcome.stage(With.BASELINE)
    if fault.stage is None or told == fault.stage or not outcome.caught(With.BASELINE):
        return fault.stage or ""
    return f"{fault.stage} (told: {told or 'none'})"


def _joined(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _proofs(pairs: Pairs) -> Iterator[str]:
    proofs = [(fault.name, fault.equivalent) for fault, _ in pairs if fault.equivalent is not None]
    if proofs:
        yield ""
        yield "Equivalent, and why:"
        yield ""
        yield from (f"- `{name}`: {proof}" for name, proof in proofs)

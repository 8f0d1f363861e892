"""What a page shows of one case: answers, stages, what it was made of, what it took, and its worker's last lines."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from fluxgate import figures
from fluxgate.amounts import amount
from fluxgate.cases import Case
from fluxgate.compare.facts import FIGURES
from fluxgate.judge.rerun import pytest_command
from fluxgate.judge.verdict import CRASHED, Limit, Verdict
from fluxgate.rendering import PHASES, STAGES, Component, Fingerprint, Inventory, Memory, Rendering
from fluxgate.report.escaping import first_line

LOG = "log.txt"
TAIL = 16_000  # bytes of a log that are looked at
LINES = 30  # of them that are shown
LARGE, LARGEST = 1e4, 1e15  # numbers that are written out, with commas
SAME, DIFFERS, UNKNOWN = "same", "differs", "not noted"


@dataclass(frozen=True)
class Answer:
    """A verdict in the words of the page."""

    check: str
    status: str
    lines: tuple[str, ...]
    numbers: str
    limit: str


@dataclass(frozen=True)
class StageRow:
    """A stage, and how each shot's tensor compares there."""

    stage: str
    cells: tuple[tuple[str, str], ...]  # same, differs or not noted; and in words


@dataclass(frozen=True)
class Trait:
    """One thing that a component is made of, as it is and as it was expected to be."""

    component: str
    what: str
    expected: str
    actual: str

    @property
    def changed(self) -> bool:
        return self.expected != self.actual


@dataclass(frozen=True)
class PhaseRow:
    """What a phase took, beside what it took of the reference."""

    phase: str
    seconds: str
    processor: str
    gpu: str  # empty where there is none
    expected: str
    again: str  # the second takes
    peaks: tuple[str, ...]


def command(case_id: str, case: Case | None) -> str:
    """What repeats just this case; a name is quoted where a shell would take it for something else."""
    if case is None:
        return shlex.join(["pytest", "-k", case_id])
    return pytest_command(subject=case.subject.name, strategy=case.strategy.name)


def answers(verdicts: Iterable[Verdict], *, last_lines: Sequence[str] = ()) -> tuple[Answer, ...]:
    """Every verdict of a case with its numbers and its limit; a crash, which is about many checks, once.

    last_lines: of a crashed worker, which are shown elsewhere and so left out here."""
    crashes: dict[str, list[Verdict]] = {}
    others = []
    for verdict in verdicts:
        if verdict.status == CRASHED:
            crashes.setdefault(first_line(verdict.sentence), []).append(verdict)
        else:
            others.append(_answer(verdict, verdict.check))
    told = (_answer(those[0], _checks(those), most=1 if last_lines else None) for those in crashes.values())
    return (*told, *others)


def _answer(verdict: Verdict, check: str, *, most: int | None = None) -> Answer:
    lines = tuple(line for line in verdict.sentence.splitlines() if line.strip())[:most]
    numbers = ", ".join(f"{name} {_number(value)}" for name, value in verdict.numbers.items())
    return Answer(check, verdict.status, lines, numbers, _limit(verdict.limit) if verdict.limit else "")


def _checks(verdicts: Sequence[Verdict]) -> str:
    return verdicts[0].check if len(verdicts) == 1 else f"{len(verdicts)} checks"


def _number(value: float) -> str:
    """`548,585,472`, `0.00123`: whole where it is large, and never as a power of ten that a reader must count."""
    return f"{value:,.0f}" if LARGE <= abs(value) < LARGEST else f"{value:.6g}"


def _limit(limit: Limit) -> str:
    """The limit and where it came from."""
    parts = [limit.source, f"n={limit.n}" if limit.n is not None else "", limit.machine or "", limit.date or ""]
    return f"{_number(limit.value)} ({', '.join(part for part in parts if part)})"


def stages(ours: Rendering, reference: Rendering | None) -> tuple[StageRow, ...]:
    """Stage by stage, whether each shot is as the reference's; nothing where there is none, or no stage was reached."""
    if reference is None or not ours.fingerprints:
        return ()
    both = {shot: (reference.fingerprints_of(shot), ours.fingerprints_of(shot)) for shot in ours.recipes}
    return tuple(
        StageRow(stage, tuple(_stage(expected.get(stage), actual.get(stage)) for expected, actual in both.values()))
        for stage in STAGES
        if any(stage in expected or stage in actual for expected, actual in both.values())
    )


def _stage(expected: Fingerprint | None, actual: Fingerprint | None) -> tuple[str, str]:
    if expected is None or actual is None:
        return UNKNOWN, "it was noted for only one of the two" if expected or actual else "it was not noted"
    if expected.sha256 == actual.sha256:
        return SAME, _print(actual)
    return DIFFERS, f"{_print(actual)}; expected {_print(expected)}"


def _print(entry: Fingerprint) -> str:
    shape = "×".join(map(str, entry.shape))
    whole = "" if entry.finite else ", not all finite"
    return f"{entry.dtype} {shape}, mean {entry.mean:.5g}, spread {entry.std:.5g}{whole}"


def left_at(rows: Sequence[StageRow], shots: Iterable[str]) -> tuple[tuple[str, str], ...]:
    """For each shot that left the reference, the first stage that differs."""
    differing = ((shot, [row.stage for row in rows if row.cells[at][0] == DIFFERS]) for at, shot in enumerate(shots))
    return tuple((shot, stages[0]) for shot, stages in differing if stages)


def traits(ours: Inventory | None, reference: Inventory | None) -> tuple[Trait, ...]:
    """All that every component is made of; where there is no reference, as it was expected."""
    if ours is None:
        return ()
    before = reference.components if reference else ours.components
    names = dict.fromkeys((*ours.components, *before))
    return tuple(trait for name in names for trait in _traits(name, before.get(name), ours.components.get(name)))


def _traits(name: str, expected: Component | None, actual: Component | None) -> Iterator[Trait]:
    before, after = _described(expected), _described(actual)
    for what in dict.fromkeys((*before, *after)):
        yield Trait(name, what, before.get(what, ""), after.get(what, ""))


def _described(component: Component | None) -> dict[str, str]:
    """A component in words, each of its sides by name; empty for one that is not there."""
    if component is None:
        return {}
    places = (f"{moment}: {_sizes(devices)}" for moment, devices in component.placement.items() if devices)
    sides = {
        "class": component.class_name,
        "bytes": _sizes(component.bytes_by_dtype),
        "quantized": amount(component.quantized_bytes) if component.quantized_bytes else "",
        "layers": _counted(component.module_classes),
        "hooks": _counted(component.hooks),
        "settings": ", ".join(f"{name} {value}" for name, value in component.settings.items()),
        "lies on": "; ".join(places),
        "weights": (component.state_sha256 or "")[:12],
    }
    return {what: words for what, words in sides.items() if words}


def _sizes(sizes: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {amount(size)}" for name, size in sorted(sizes.items()))


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} × {name}" for name, count in sorted(counts.items()))


def figures_of(memory: Memory | None) -> tuple[str, ...]:
    """The kinds of memory that were measured."""
    return tuple(figure for figure in FIGURES if memory and memory.peak(figure) is not None)


def phases(ours: Rendering, reference: Rendering | None) -> tuple[PhaseRow, ...]:
    """Seconds and peaks, phase by phase; nothing where no phase came to its end."""
    measured = figures_of(ours.memory)
    if not measured and not ours.durations:
        return ()
    return tuple(
        PhaseRow(
            phase,
            _seconds(ours, phase, 0),
            _in_words(ours.processor_seconds(phase, 0)),
            _in_words(ours.gpu_seconds(phase, 0)),
            _seconds(reference, phase, 0) if reference else "",
            _seconds(ours, phase, 1),
            tuple(_peak(ours.memory, figure, phase) for figure in measured),
        )
        for phase in PHASES
    )


def _seconds(rendering: Rendering, phase: str, take: int) -> str:
    spent = [one.seconds for one in rendering.durations if one.phase == phase and (one.take or 0) == take]
    return _in_words(sum(spent) if spent else None)


def _in_words(seconds: float | None) -> str:
    return "" if seconds is None else figures.seconds(seconds)


def _peak(memory: Memory | None, figure: str, phase: str) -> str:
    peak = memory.peak(figure, (phase,)) if memory else None
    return "" if peak is None else amount(peak)


def log_tail(folder: Path) -> tuple[str, ...]:
    """The last lines of a case's log; nothing where it has none, or where it leads elsewhere."""
    path = folder / LOG
    try:
        if path.is_symlink() or not path.is_file():
            return ()
        with path.open("rb") as stream:
            stream.seek(max(0, path.stat().st_size - TAIL))
            text = stream.read(TAIL).decode("utf-8", errors="replace")
    except OSError:
        return ()
    return tuple(text.splitlines()[-LINES:])

"""Where faults are proved: workers whose libraries may have one, and the runs that they render."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import fluxgate
from fluxgate.cases import Case, matrix
from fluxgate.environment import Environment
from fluxgate.locks import Say
from fluxgate.prove import inside
from fluxgate.prove.fault import Fault
from fluxgate.prove.outcome import With
from fluxgate.prove.patching import times_fired
from fluxgate.render.pool.workers import Workers
from fluxgate.runs import run as runs
from fluxgate.runs.run import Run
from fluxgate.strategies import STRATEGIES
from fluxgate.subjects import sources
from fluxgate.subjects.catalogue import subjects
from fluxgate.variables import variables

SUBJECT = "miniature"
RUNS = "rendering"  # in the bench's folder: runs that are not whole yet
TIMEOUT = 600.0  # seconds for a case: a fault may make a worker hang


@dataclass(frozen=True)
class Bench:
    """Where faults are proved: the libraries, the workers, and the folder of all that is rendered."""

    environment: Environment
    workers: Workers
    folder: Path
    report: Say
    held_to: tuple[With, ...] = tuple(With)
    keep: bool = False  # what was rendered, pictures and all
    _cases: dict[tuple[str, ...], dict[str, Case]] = field(default_factory=dict, init=False, repr=False)

    @functools.cached_property
    def proved_by(self) -> str:
        """A hash of the machine, the releases, and all of Fluxgate that renders and judges. Under another one, a
        fault may have another outcome, and a clean case other counts."""
        machine, stack = self.environment.machine, self.environment.stack
        parts = [
            machine.id.encode(),
            repr(sorted(stack.items())).encode(),
            *(file.read_bytes() for file in _own_files()),
        ]
        return hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]

    def cases(self, shots: tuple[str, ...]) -> dict[str, Case]:
        """Every case of the miniature with these shots alone, by strategy; worked out once for all faults."""
        if shots not in self._cases:
            subject = subjects()[SUBJECT]
            subject = replace(subject, shots=tuple(shot for shot in subject.shots if shot.name in shots))
            every = matrix([subject], STRATEGIES, machine=self.environment.machine, stack=self.environment.stack)
            self._cases[shots] = {case.strategy.name: case for case in every}
        return self._cases[shots]


def _own_files() -> Iterator[Path]:
    """Fluxgate's own modules and what they know, but for the faults: a new one says nothing about the others."""
    folder = Path(fluxgate.__path__[0])
    ours = (file for file in sorted(folder.rglob("*")) if file.suffix in (".py", ".json", ".toml"))
    return (file for file in ours if not file.is_relative_to(folder / "prove" / "faults"))


@contextmanager
def bench(folder: Path, *, report: Say, held_to: tuple[With, ...] = tuple(With), keep: bool = False) -> Iterator[Bench]:
    """A bench in this process's environment; its workers import the libraries once."""
    environment = Environment.current()
    with Workers(environment=environment) as workers:
        yield Bench(environment, workers, folder.absolute(), report, held_to, keep)


def cases_of(fault: Fault, on: Bench) -> tuple[Case, ...]:
    """The cases that show a fault, those first that others are compared with."""
    by_name = on.cases(fault.rendered)
    names: dict[str, None] = {}
    for strategy in fault.strategies:
        names |= dict.fromkeys((*by_name[strategy].strategy.promise.compared_with, strategy))
    return tuple(case for name, case in by_name.items() if name in names)


def rendered(cases: Iterable[Case], on: Bench, folder: Path, *, fault: Fault | None = None) -> Run:
    """A run of the cases, in workers whose libraries have the fault; the folder is there once all are rendered."""
    environment = on.environment
    run = runs.create(on.folder / RUNS, environment.machine, environment.stack, "fluxgate prove")
    with variables({inside.VARIABLE: fault.name} if fault else {}):
        for case in cases:
            load = inside.load if fault else case.strategy.load
            on.workers.render(
                replace(case, strategy=replace(case.strategy, load=load)),
                run.case_folder(case.id),
                source=sources.locate(case.subject),
                timeout=TIMEOUT,
            )
    finished = runs.finish(run).folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    finished.rename(folder)
    return runs.open_run(folder)


def fired(cases: Iterable[Case], run: Run) -> dict[str, int]:
    """How often the fault took effect, by strategy."""
    return {case.strategy.name: times_fired(run.case_folder(case.id) / inside.COUNT) for case in cases}

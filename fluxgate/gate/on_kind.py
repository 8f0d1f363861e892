"""A gate on one kind of machine: what its nodes are told, and what they send, taken as a stranger's."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from fluxgate.cases import Case
from fluxgate.files import is_name, read_plain
from fluxgate.fleet.on_cluster import Kind, tasks_of
from fluxgate.fleet.packing import packed, sound_rendering, unpack
from fluxgate.fleet.scheduling import Task
from fluxgate.gate.environments.pins import Pins
from fluxgate.gate.node_job import DEEPEST, STACKS_MADE, GateJob, StacksMade, to_json
from fluxgate.gate.settings import STACKS
from fluxgate.refusal import Refusal
from fluxgate.render.pool.workers import refusing_full_disk
from fluxgate.rendering import RENDERING
from fluxgate.report.gate_folder import place_of, read_gate_result, write_gate_result
from fluxgate.report.gate_result import GateResult
from fluxgate.runs.run import CASES, ONCE_MORE, open_run

GATE = "gate"  # begins the name of the task that holds it
INCOMING = ".incoming"  # in its folder: what is not complete yet
SEVERAL = 2  # GPUs, and cases, from which on these are rendered ahead


@dataclass
class GateOnKind:
    """The gate on one kind of machine: what its nodes are told, and what they have sent until now."""

    kind: Kind
    job: GateJob
    folder: Path  # the gate's
    runs: Path
    cases: dict[str, Case]  # those that may come back
    ahead: tuple[Case, ...]  # those that are rendered before the gate is held
    made: StacksMade | None = None  # as the first node has made both stacks
    come: set[str] = field(default_factory=set)  # cases that were rendered ahead
    result: GateResult | None = None
    said: tuple[str, ...] = ()  # of nodes and cases that were lost, once it has ended

    @property
    def name(self) -> str:
        """Of the task that holds it."""
        return f"{GATE}-{self.kind.accelerator}"

    @property
    def incoming(self) -> Path:
        return self.folder / INCOMING

    # Tasks

    def tasks(self) -> list[Task]:
        """What there is to do first: render the cases where there are several GPUs to do that on, or hold the gate."""
        if sum(node.slots for node in self.kind.nodes) < SEVERAL or len(self.ahead) < SEVERAL:
            return [self._hold()]
        nodes = frozenset(node.id for node in self.kind.nodes)
        tasks = tasks_of(self.kind.choice, self.ahead)
        return [replace(task, case_id=f"{self.name}/{task.case_id}", nodes=nodes) for task in tasks]

    def _hold(self) -> Task:
        gpus = max((case.strategy.gpus for case in self.ahead), default=1)
        cuda = self.kind.choice.machine.device == "cuda"
        return Task(self.name, 0.0, gpus if cuda else 1, frozenset(node.id for node in self.kind.nodes))

    def job_of(self, task: str) -> tuple[bytes, ...]:
        """What a runner is started with."""
        case_id = task.removeprefix(f"{self.name}/")
        if case_id != task:
            return (to_json(replace(self.job, ahead=(case_id,))),)
        given = packed(self.incoming, deep=DEEPEST) if self.incoming.is_dir() else b""
        return (to_json(self.job), given)

    # What comes back

    def keep(self, task: str, data: bytes, node: str) -> list[Task]:
        """Put what a node sent where it belongs, once it is seen to be whole; and what is to be done then."""
        case_id = task.removeprefix(f"{self.name}/")
        if case_id == task:
            self._keep_gate(data, node)
            return []
        self._keep_ahead(case_id, data, node)
        self.come.add(case_id)
        return [self._hold()] if self.come == {case.id for case in self.ahead} else []

    def _keep_ahead(self, case_id: str, data: bytes, node: str) -> None:
        incoming = self.folder / f"{INCOMING}-{case_id}"
        with _emptied(incoming) as folder:
            unpack(data, folder, whence=node, deep=DEEPEST)
            self._hold_to_first(read_plain(folder / STACKS_MADE, StacksMade), node)
            if (folder / case_id).is_dir():
                self._refuse_unsound(folder / case_id, f"*/*/{RENDERING}", only=case_id)
                shutil.rmtree(self.incoming / case_id, ignore_errors=True)
                self.incoming.mkdir(exist_ok=True)
                (folder / case_id).replace(self.incoming / case_id)

    def _hold_to_first(self, made: StacksMade, node: str) -> None:
        """All nodes of a kind render with the same packages, as each says that it has built them."""
        if not made.candidate:  # nothing was rendered there; why it cannot be made, the one that holds the gate tells
            return
        first = self.made = self.made or made
        for name, ours, theirs in (
            ("incumbent", first.incumbent, made.incumbent),
            ("candidate", first.candidate, made.candidate),
        ):
            moves = Pins.of(ours).moves_to(Pins.of(theirs))
            if moves:
                raise Refusal(f"the {name} that {node} has built is another one than elsewhere: {moves[0]}.")

    def _keep_gate(self, data: bytes, node: str) -> None:
        with _emptied(self.folder / f"{INCOMING}-gate") as folder:
            unpack(data, folder, whence=node, deep=DEEPEST)
            result = read_gate_result(folder)
            if result.id != self.job.id:
                raise Refusal(f"{node} sent the gate {result.id}, and {self.job.id} was asked for.")
            if not is_name(result.machine.id):
                raise Refusal(f"{node} calls its machine {result.machine.id[:120]!r}, which is no name.")
            for name in result.runs:
                open_run(folder / name)
                self._refuse_unsound(folder / name / CASES, f"*/{RENDERING}")
            places = {name: self._place(folder, name) for name in result.runs}
        self.result = replace(result, runs=places)
        write_gate_result(self.folder, self.result)
        shutil.rmtree(self.incoming, ignore_errors=True)

    def _place(self, folder: Path, name: str) -> str:
        """Put a run where those of gates are, and say where that is as seen from the gate's folder."""
        target = self.runs / STACKS / self.job.id / name
        shutil.rmtree(target, ignore_errors=True)
        target.parent.mkdir(parents=True, exist_ok=True)
        (folder / name).replace(target)
        return place_of(open_run(target), gate=self.folder)

    def _refuse_unsound(self, folder: Path, pattern: str, *, only: str | None = None) -> None:
        """Refuse renderings of other cases than those that were asked for, or whose pictures are not theirs."""
        for path in sorted(folder.glob(pattern)):
            case_id = only or path.parent.name
            case = self.cases.get(case_id)
            if case is None:
                raise Refusal(f"{case_id} was not asked for.")
            recipes = {shot.name: shot.recipe for shot in case.shots}
            for one in (path.parent, *(each.parent for each in path.parent.glob(f"{ONCE_MORE}/*/{RENDERING}"))):
                sound_rendering(one, case_id, recipes=recipes, device=case.device)


@contextmanager
def _emptied(folder: Path) -> Iterator[Path]:
    """A folder that is not there yet, and not any more afterwards."""
    with refusing_full_disk(folder.parent):
        shutil.rmtree(folder, ignore_errors=True)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

"""A request rendered on a cluster: one run for each kind of machine, every case of it whole or not there."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path

import msgspec

from fluxgate import configuration
from fluxgate.baselines.durations import accepted_seconds
from fluxgate.cases import Case
from fluxgate.environment import Environment
from fluxgate.files import write_plain
from fluxgate.fleet.cluster import Cluster
from fluxgate.fleet.describing import engine_hash
from fluxgate.fleet.driving import BEGIN, Driver, IdleRunners, Outcome
from fluxgate.fleet.job import Job
from fluxgate.fleet.nodes import (
    DescribedNode,
    Node,
    chosen_kinds,
    fitting,
    machine_of,
    parse_description,
)
from fluxgate.fleet.packing import sound_rendering, unpack
from fluxgate.fleet.scheduling import Task
from fluxgate.judge.gathering import needs_confirmation
from fluxgate.locks import Say
from fluxgate.options import chosen
from fluxgate.refusal import Refusal
from fluxgate.render.pool.workers import refusing_full_disk
from fluxgate.render.process.notes import CaseHeader, Note, compose
from fluxgate.rendering import RENDERING, Crash, Rendering
from fluxgate.runs import run as runs
from fluxgate.runs.rendered import Rendered
from fluxgate.runs.run import Run
from fluxgate.session.choice import Choice, Request, choose
from fluxgate.session.judging import standards_of
from fluxgate.session.session import ONCE_MORE
from fluxgate.strategies.record import record_of
from fluxgate.subjects.catalogue import subjects
from fluxgate.subjects.subject import Subject

FILE = "fleet.json"  # in a run: where its cases were rendered
MOST_EARLIER = 3  # runs that are asked how long cases take
LOST = "node lost"  # the kind of crash


@dataclass(frozen=True)
class Kind:
    """What is rendered on the nodes of one accelerator."""

    accelerator: str
    nodes: tuple[Node, ...]
    choice: Choice
    runners: IdleRunners = field(default_factory=dict)  # that are open already


@dataclass(frozen=True)
class Whereabouts:
    """What fleet.json holds."""

    accelerator: str
    rendered_on: dict[str, str]  # case -> node
    losses: dict[str, tuple[str, ...]]  # case -> the nodes that lost it
    said: tuple[str, ...]  # in the order in which it happened


def plan(
    cluster: Cluster, request: Request, *, each: Sequence[str] | None, say: Say, begin: bool = False
) -> tuple[Kind, ...]:
    """What is going to be rendered where; refused unless some node fits. Nothing is rendered yet.

    begin: import libraries on all nodes meanwhile."""
    asked = _subjects(request)
    nodes = cluster.nodes()
    runners = _begun(cluster, nodes, asked) if begin else {}
    described = _described(cluster, nodes, asked, say)
    groups, left_out = fitting(described, engine_hash(), [subject.name for subject in asked])
    for sentence in left_out:
        say(sentence)
    if not groups:
        raise Refusal(" ".join(("No node of the cluster can render.", *left_out)))
    kinds = tuple(
        Kind(
            accelerator,
            tuple(one.node for one in group),
            choose(request, environment=_environment(group)),
            {one.node.id: runners.pop(one.node.id) for one in group if one.node.id in runners},
        )
        for accelerator, group in chosen_kinds(groups, each).items()
    )
    for runner in chain.from_iterable(runners.values()):
        cluster.close(runner)
    return kinds


def _begun(cluster: Cluster, nodes: Iterable[Node], asked: Iterable[Subject]) -> IdleRunners:
    """A runner for each GPU, whose process imports what the pipelines need, before anything is known of the nodes."""
    pipelines = msgspec.json.encode(list(dict.fromkeys(subject.pipeline for subject in asked)))
    runners = {node.id: [cluster.open(node) for _ in range(node.slots)] for node in nodes}
    for runner in chain.from_iterable(runners.values()):
        cluster.ask(runner, BEGIN, pipelines)
    return runners


def _subjects(request: Request) -> tuple[Subject, ...]:
    catalogue = subjects(request.catalogue)
    names = request.subjects or configuration.current().subject or ["miniature"]
    return tuple(catalogue[name] for name in chosen(names, among=catalogue, option="--subject"))


def _described(cluster: Cluster, nodes: Sequence[Node], asked: Sequence[Subject], say: Say) -> list[DescribedNode]:
    if not nodes:
        raise Refusal("The cluster has no node with a GPU or a CPU to render on.")
    described = list[DescribedNode]()
    for node, answer in zip(nodes, cluster.describe(nodes, msgspec.json.encode(asked)), strict=True):
        try:
            if isinstance(answer, str):
                raise Refusal(answer)
            described.append(DescribedNode(node, parse_description(answer, node)))
        except Refusal as refusal:
            say(f"{node.name} is left out: {refusal}")
    if not described:
        raise Refusal("No node of the cluster could say what it is.")
    return described


def _environment(group: Sequence[DescribedNode]) -> Environment:
    """The environment of the nodes; nothing is started in it from here."""
    return Environment(Path(sys.executable), machine_of(group), group[0].said.stack)


def render(cluster: Cluster, parts: Sequence[tuple[Kind, Run]], *, say: Say) -> tuple[Outcome, ...]:
    """Render the cases of each kind, and what they are compared with, into its run; all kinds at once."""
    several = len(parts) > 1
    renderings = [_Rendering(kind, run, say, prefix=f"{kind.accelerator}/" if several else "") for kind, run in parts]
    of = {task.case_id: rendering for rendering in renderings for task in rendering.tasks.values()}

    def keep(name: str, data: bytes, node: str) -> tuple[Task, ...]:
        more = of[name].keep(name, data, node)
        of.update({task.case_id: of[name] for task in more})
        return more

    driver = Driver(
        cluster,
        [node for kind, _ in parts for node in kind.nodes],
        job_of=lambda name: of[name].job_of(name),
        keep=keep,
        report=say,
        idle={node: runners for kind, _ in parts for node, runners in kind.runners.items()},
    )
    outcome = driver.drive([task for rendering in renderings for task in rendering.tasks.values()])
    return tuple(rendering.ended(outcome) for rendering in renderings)


class _Rendering:
    """What is rendered into a run: its cases, and once more each whose memory is not what was accepted.

    prefix: what begins the names of its tasks."""

    def __init__(self, kind: Kind, run: Run, say: Say, *, prefix: str) -> None:
        self._kind, self._run, self._say, self._prefix = kind, run, say, prefix
        self._standards = standards_of(kind.choice)
        self._cases = {f"{prefix}{case.id}": case for case in kind.choice.needed}
        nodes = frozenset(node.id for node in kind.nodes)
        tasks = (replace(task, nodes=nodes) for task in tasks_of(kind.choice, self._cases.values()))
        self.tasks = {f"{prefix}{task.case_id}": replace(task, case_id=f"{prefix}{task.case_id}") for task in tasks}
        self._again = dict[str, Case]()  # by the names of further tasks

    def job_of(self, name: str) -> tuple[bytes, ...]:
        return (job_of(self._kind.choice, self._again.get(name) or self._cases[name]),)

    def keep(self, name: str, data: bytes, node: str) -> tuple[Task, ...]:
        """Put what was sent into the run; what is still to be rendered then."""
        if name in self._again:
            keep(self._run.once_more_folder(self._again[name].id), self._again[name], data, node)
            return ()
        case = self._cases[name]
        folder = self._run.case_folder(case.id)
        rendering = keep(folder, case, data, node)
        if not needs_confirmation(case, Rendered(rendering, folder), self._standards):
            return ()
        self._say(f"{name}: {ONCE_MORE}")
        again = f"{name}/{runs.ONCE_MORE}"
        self._again[again] = case
        return (replace(self.tasks[name], case_id=again),)

    def ended(self, outcome: Outcome) -> Outcome:
        """What became of these cases; it is left in the run, a crash with it for each that was lost too often."""
        own = outcome.of(self._prefix)
        for case_id in own.given_up:
            if (case := self._cases.get(f"{self._prefix}{case_id}")) is not None:  # else it was only to be confirmed
                _write_crash(self._run, case, own.losses[case_id])
        self._run.write_json(FILE, Whereabouts(self._kind.accelerator, own.rendered_on, own.losses, tuple(own.said)))
        return own


def tasks_of(choice: Choice, cases: Iterable[Case]) -> list[Task]:
    """The cases, each with how long it will take."""
    listed = tuple(cases)
    accepted = accepted_seconds(choice.baselines, choice.machine.id, listed)
    seconds = {**accepted, **earlier_seconds(choice.runs, choice.machine.id, listed)}
    typical = sorted(seconds.values())[len(seconds) // 2] if seconds else 1.0
    gpus = choice.machine.device == "cuda"
    return [Task(case.id, seconds.get(case.id, typical), case.strategy.gpus if gpus else 1) for case in listed]


def earlier_seconds(root: Path, machine: str, cases: Iterable[Case]) -> dict[str, float]:
    """Case -> how long its worker took in the last run of this machine that rendered it."""
    found: dict[str, float] = {}
    own = [run for run in runs.readable(root) if run.machine.id == machine][-MOST_EARLIER:]
    listed = tuple(cases)
    for run in own:
        for case in listed:
            with suppress(Refusal):  # a damaged one says nothing
                rendering = run.rendered(case.id)
                if rendering is not None and rendering.crash is None:
                    found[case.id] = rendering.wall_seconds
    return found


def job_of(choice: Choice, case: Case) -> bytes:
    """What a node is told of a case."""
    return msgspec.json.encode(
        Job(
            subject=case.subject,
            strategy=record_of(case.strategy),
            machine=choice.machine,
            stack=choice.stack,
            timeout=choice.timeout,
            pipelines=tuple(dict.fromkeys(each.subject.pipeline for each in choice.renderable)),
            takes=choice.takes,
            vram_limit=choice.vram_limit,
        )
    )


def keep(folder: Path, case: Case, data: bytes, node: str) -> Rendering:
    """Make what a node sent the folder of a case, once all of it is seen to be whole; refused, nothing of it stays."""
    incoming = folder.with_name(f".{folder.name}.incoming")
    with refusing_full_disk(folder.parent):
        shutil.rmtree(incoming, ignore_errors=True)
        try:
            unpack(data, incoming, whence=node)
            recipes = {shot.name: shot.recipe for shot in case.shots}
            rendering = sound_rendering(incoming, case.id, recipes=recipes, device=case.device)
            incoming.replace(folder)
            return rendering
        finally:
            shutil.rmtree(incoming, ignore_errors=True)


def _write_crash(run: Run, case: Case, nodes: Sequence[str]) -> None:
    """The rendering of a case whose node or worker was lost each time."""
    sentence = f"the node or the process that rendered it was lost {len(nodes)} times, on {', '.join(nodes)}"
    header = CaseHeader(
        case.subject.name, case.strategy.name, case.device, {shot.name: shot.recipe for shot in case.shots}
    )
    rendering = compose([Note(of=header)], wall_seconds=0.0, crash=Crash(LOST, sentence, None, ()))
    write_plain(run.case_folder(case.id) / RENDERING, rendering)

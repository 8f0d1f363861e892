"""The driver: places cases on the runners of a cluster, follows them, and goes on whatever happens to a node."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import msgspec

from fluxgate.fleet.cluster import Cluster, Lost
from fluxgate.fleet.job import News
from fluxgate.fleet.nodes import Node
from fluxgate.fleet.scheduling import (
    Placement,
    Schedule,
    Task,
    after_loss,
    after_refusal,
    place,
    schedule_of,
    with_more,
)
from fluxgate.locks import Say
from fluxgate.refusal import Refusal

MOST_IN_A_ROW = 3  # cases that a node may lose without rendering one in between
REST = 20.0  # seconds without a new case after a runner was lost: by then a cluster knows whether the node is gone
PATIENCE = 1.0  # seconds that a runner, and the driver, wait for news
LONGEST_LINE = 400  # characters of a node's line that are shown
ORDINALS = ("", "first", "second", "third")
BEGIN, GPUS, START, NEWS, RESULT = "begin", "gpus", "start", "news", "result"  # the methods of a runner

IdleRunners = dict[str, list[Any]]  # node -> its runners without a case


@dataclass
class RunningTask:
    """A task that a runner has, and what was asked last for it.

    lenders: further runners of the node, which do nothing meanwhile, so that the task has their GPUs too."""

    placement: Placement
    runner: Any
    lenders: tuple[Any, ...]
    lent: list[bytes] = field(default_factory=list)  # what the lenders have answered
    asked: str = ""
    request: Any = None

    @property
    def runners(self) -> tuple[Any, ...]:
        return (self.runner, *self.lenders)


@dataclass
class Outcome:
    """What became of the cases."""

    rendered_on: dict[str, str] = field(default_factory=dict)  # case -> the node's name
    losses: dict[str, tuple[str, ...]] = field(default_factory=dict)  # case -> the names of nodes that lost it
    given_up: tuple[str, ...] = ()  # lost too often
    unplaced: tuple[str, ...] = ()  # no node was left for them
    said: list[str] = field(default_factory=list)  # of nodes and cases that were lost, in sentences

    def of(self, prefix: str) -> Outcome:
        """What became of those whose names begin so, by the rest of their names; what was said is said of all."""

        def rest(names: Iterable[str]) -> Iterator[tuple[str, str]]:
            return ((name, name.removeprefix(prefix)) for name in names if name.startswith(prefix))

        return Outcome(
            {own: self.rendered_on[name] for name, own in rest(self.rendered_on)},
            {own: self.losses[name] for name, own in rest(self.losses)},
            tuple(own for _, own in rest(self.given_up)),
            tuple(own for _, own in rest(self.unplaced)),
            self.said,
        )


class Driver:
    """Renders tasks on nodes. `keep` is called with each case, its bytes, and the node's name; it may refuse them, and
    says what is to be done then. `job_of` gives what a runner is started with: the job, and what is sent along."""

    def __init__(
        self,
        cluster: Cluster,
        nodes: Iterable[Node],
        *,
        job_of: Callable[[str], tuple[bytes, ...]],
        keep: Callable[[str, bytes, str], Iterable[Task]],
        report: Say,
        idle: IdleRunners | None = None,  # runners that are open already
    ) -> None:
        self._cluster = cluster
        self._nodes = {node.id: node for node in nodes}  # those that cases are still placed on
        self._names = {node.id: node.name for node in self._nodes.values()}
        self._job_of = job_of
        self._keep = keep
        self._report = report
        self._running: list[RunningTask] = []
        self._idle: IdleRunners = {} if idle is None else idle
        self._in_a_row = dict.fromkeys(self._nodes, 0)  # node -> cases that it lost since it rendered one
        self._rests = dict[str, float]()  # node -> when it may have cases again
        self._schedule = Schedule(())
        self._outcome = Outcome()

    def drive(self, tasks: Iterable[Task]) -> Outcome:
        """Render them all, as far as nodes are left. No runner is left open, whatever happens."""
        self._schedule = schedule_of(tasks)
        try:
            while self._place() or self._running or (self._schedule.waiting and self._rests):
                self._listen()
        finally:
            self._close_all()
        losses = {case: tuple(self._names[node] for node in lost) for case, lost in self._schedule.losses.items()}
        self._outcome.losses, self._outcome.given_up = losses, self._schedule.given_up
        self._outcome.unplaced = tuple(task.case_id for task in self._schedule.waiting)
        return self._outcome

    # Placing

    def _place(self) -> bool:
        """Begin what can begin, and say whether that is anything."""
        self._wake()
        sizes = {node.id: node.slots for node in self._nodes.values()}
        self._schedule, placements = place(self._schedule, self._free(), sizes)
        for placement in placements:
            node = self._nodes[placement.node]
            runner, *lenders = (self._runner_on(node) for _ in range(placement.task.gpus))
            self._running.append(RunningTask(placement, runner, tuple(lenders)))
            self._begin(self._running[-1])
            self._report(f"{placement.task.case_id}: on {self._names[placement.node]}")
        return bool(placements)

    def _begin(self, running: RunningTask) -> None:
        """Start the job, once every lender has said which GPUs it has."""
        if len(running.lent) < len(running.lenders):
            running.asked = GPUS
            running.request = self._cluster.ask(running.lenders[len(running.lent)], GPUS)
            return
        job = self._job_of(running.placement.task.case_id)
        running.asked = START
        running.request = self._cluster.ask(running.runner, START, b",".join(filter(None, running.lent)), *job)

    def _wake(self) -> None:
        """End the rest of nodes that have had it, if they are still there."""
        over = [node for node, end in self._rests.items() if time.monotonic() >= end]
        alive = {each.id for each in self._cluster.nodes()} if over else set()
        for node in over:
            del self._rests[node]
            if node not in alive:
                self._gone(node, f"{self._names[node]} is gone; no further case is placed on it.")

    def _free(self) -> dict[str, int]:
        free = {node.id: 0 if node.id in self._rests else node.slots for node in self._nodes.values()}
        for running in self._running:
            if running.placement.node in free:
                free[running.placement.node] -= running.placement.task.gpus
        return free

    def _runner_on(self, node: Node) -> Any:
        """A runner that is idle, or a new one."""
        idle = self._idle.setdefault(node.id, [])
        return idle.pop(0) if idle else self._cluster.open(node)

    # Following

    def _listen(self) -> None:
        """Hear whoever has something to say."""
        if not self._running:
            time.sleep(min(PATIENCE, REST))
            return
        ready = self._cluster.ready([running.request for running in self._running], PATIENCE)
        for running in [each for each in self._running if each.request in ready]:
            try:
                answer = self._cluster.answer(running.request)
            except Lost as lost:
                self._rests[running.placement.node] = time.monotonic() + REST
                self._lose(running, str(lost))
                continue
            try:
                self._hear(running, answer)
            except Lost as lost:
                self._lose(running, str(lost))

    def _hear(self, running: RunningTask, answer: bytes) -> None:
        if running.asked == RESULT:
            self._take(running, answer)
            return
        if running.asked == GPUS:
            running.lent.append(answer)
            self._begin(running)
            return
        case_id, node = running.placement.task.case_id, self._names[running.placement.node]
        news = parse_news(answer) if running.asked == NEWS else []
        for each in news:
            if each.says is not None:
                self._report(f"{node}: {shown(each.says)}")
            elif each.refused is not None:
                self._leave_out(running, f"{node} cannot render {case_id}: {shown(each.refused)}")
                return
            elif each.died is not None:
                raise Lost(shown(each.died))
        ended = any(each.ended for each in news)
        running.asked = RESULT if ended else NEWS
        arguments = () if ended else (PATIENCE,)
        running.request = self._cluster.ask(running.runner, running.asked, *arguments)

    def _take(self, running: RunningTask, data: bytes) -> None:
        case_id, node = running.placement.task.case_id, running.placement.node
        try:
            more = self._keep(case_id, data, self._names[node])
        except Refusal as refusal:
            self._leave_out(running, f"What {self._names[node]} sent of {case_id} is not taken: {refusal}")
            return
        self._outcome.rendered_on[case_id] = self._names[node]
        self._in_a_row[node] = 0
        self._running.remove(running)
        self._idle.setdefault(node, []).extend(running.runners)
        self._schedule = with_more(self._schedule, more)

    def _lose(self, running: RunningTask, how: str) -> None:
        """A runner is gone, and perhaps its node with it; the case is placed again."""
        placement, case_id = running.placement, running.placement.task.case_id
        self._end(running)
        self._schedule = after_loss(self._schedule, placement)
        node = self._names[placement.node]
        often = len(self._schedule.lost_on(case_id))
        then = "it is given up" if case_id in self._schedule.given_up else "it is placed again"
        self._say(f"{case_id} was lost on {node} ({how}), for the {ORDINALS[often]} time; {then}.")
        self._in_a_row[placement.node] += 1
        if self._in_a_row[placement.node] >= MOST_IN_A_ROW:
            self._gone(placement.node, f"{node} lost {MOST_IN_A_ROW} cases in a row; no further one is placed on it.")

    def _leave_out(self, running: RunningTask, sentence: str) -> None:
        """A node turned out to be unfit: the case waits for another one."""
        self._end(running)
        self._schedule = after_refusal(self._schedule, running.placement)
        node = self._names[running.placement.node]
        self._gone(running.placement.node, f"{sentence} No further case is placed on {node}.")

    def _end(self, running: RunningTask) -> None:
        self._running.remove(running)
        for runner in running.runners:
            self._cluster.close(runner)

    def _gone(self, node: str, sentence: str) -> None:
        if node not in self._nodes:  # another of its runners has told it
            return
        self._say(sentence)
        for runner in self._idle.pop(node, []):
            self._cluster.close(runner)
        self._nodes.pop(node, None)
        self._rests.pop(node, None)

    def _say(self, sentence: str) -> None:
        self._outcome.said.append(sentence)
        self._report(sentence)

    def _close_all(self) -> None:
        at_work = (running.runners for running in self._running)
        for runner in chain.from_iterable((*at_work, *self._idle.values())):
            self._cluster.close(runner)
        self._running, self._idle = [], {}


def parse_news(data: bytes) -> list[News]:
    """What a runner told, as a stranger's."""
    try:
        return msgspec.json.decode(data, type=list[News])
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Lost(f"what it told is damaged: {error}") from error


def shown(text: str) -> str:
    """A line that a node wrote, fit for a terminal."""
    return "".join(letter for letter in text if letter.isprintable())[:LONGEST_LINE]

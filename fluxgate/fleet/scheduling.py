"""Which case goes where and when, as pure functions: no cluster, no clock."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

MOST_LOSSES = 3  # of one case: it is placed again twice


@dataclass(frozen=True)
class Task:
    """A case that is to be rendered."""

    case_id: str
    seconds: float  # what it will take, as far as that is known
    gpus: int = 1
    nodes: frozenset[str] = frozenset()  # that it may be placed on; none named: any


@dataclass(frozen=True)
class Placement:
    """A case on a node."""

    task: Task
    node: str


@dataclass(frozen=True)
class Schedule:
    """What waits, and what was lost where."""

    waiting: tuple[Task, ...]
    losses: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # case -> the nodes that it was lost on
    given_up: tuple[str, ...] = ()  # cases that were lost too often

    def lost_on(self, case_id: str) -> tuple[str, ...]:
        return self.losses.get(case_id, ())


def schedule_of(tasks: Iterable[Task]) -> Schedule:
    """Those that need most GPUs first, since their room is gone once others have begun; then the longest."""
    return Schedule(tuple(sorted(tasks, key=_rank)))


def place(
    schedule: Schedule, free: Mapping[str, int], sizes: Mapping[str, int]
) -> tuple[Schedule, tuple[Placement, ...]]:
    """What begins now, with so many free GPUs on each node, of so many that it has.

    Where a case needs more than any node has free, the node that has most is kept for it: smaller ones do not take
    what it waits for. A case that was lost waits for another node, if there is one that is large enough."""
    left, placed, waiting = dict(free), list[Placement](), list[Task]()
    for number, task in enumerate(schedule.waiting):
        if not any(left.values()):
            waiting += schedule.waiting[number:]
            break
        own = {node for node in sizes if node in task.nodes or not task.nodes}
        others = {node for node in own if sizes[node] >= task.gpus} - {*schedule.lost_on(task.case_id)}
        fit = {node: gpus for node, gpus in left.items() if node in (others or own)}
        node = _node_for(task, fit)
        if node is None:
            waiting.append(task)
            if task.gpus > 1 and fit:
                del left[max(fit, key=lambda each: (left[each], each))]
            continue
        left[node] -= task.gpus
        placed.append(Placement(task, node))
    return replace(schedule, waiting=tuple(waiting)), tuple(placed)


def with_more(schedule: Schedule, tasks: Iterable[Task]) -> Schedule:
    """Tasks that there are only now."""
    return replace(schedule, waiting=tuple(sorted((*schedule.waiting, *tasks), key=_rank)))


def after_loss(schedule: Schedule, placement: Placement) -> Schedule:
    """A case whose node or worker was lost waits again, before all that is shorter, or is given up."""
    case_id = placement.task.case_id
    losses = {**schedule.losses, case_id: (*schedule.lost_on(case_id), placement.node)}
    if len(losses[case_id]) >= MOST_LOSSES:
        return replace(schedule, losses=losses, given_up=(*schedule.given_up, case_id))
    return replace(with_more(schedule, [placement.task]), losses=losses)


def after_refusal(schedule: Schedule, placement: Placement) -> Schedule:
    """A case whose node turned out to be unfit waits again; that was not the case's doing."""
    return with_more(schedule, [placement.task])


def _rank(task: Task) -> tuple[int, float, str]:
    return -task.gpus, -task.seconds, task.case_id


def _node_for(task: Task, free: Mapping[str, int]) -> str | None:
    """The node with most room for it."""
    fit = [node for node, gpus in free.items() if gpus >= task.gpus]
    return min(fit, key=lambda node: (-free[node], node), default=None)

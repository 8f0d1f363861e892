"""Tests of the driver: what it does with cases whose nodes refuse, die or lie. The cluster is one of our own here."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec
import pytest

from fluxgate.fleet import driving
from fluxgate.fleet.cluster import Lost
from fluxgate.fleet.driving import Driver, Outcome, parse_news, shown
from fluxgate.fleet.job import News
from fluxgate.fleet.nodes import Node
from fluxgate.fleet.scheduling import Task
from fluxgate.refusal import Refusal

ENDED = News(ended=True)
pytestmark = pytest.mark.usefixtures("_nodes_rest_shortly")
Answer = Callable[[str, str], News | Exception]  # of a node about a case


NOTHING_MORE: Mapping[str, list[Task]] = {}


def job_of(case_id: str) -> tuple[bytes]:
    return (case_id.encode(),)


@pytest.fixture
def _nodes_rest_shortly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(driving, "REST", 0.0)


@dataclass
class OwnRunner:
    node: str
    gpu: str
    case: str = ""
    lent: str = ""
    open: bool = True


@dataclass
class OwnCluster:
    """Nodes that answer at once, as the test says."""

    answer_of: Answer
    sizes: dict[str, int]
    runners: list[OwnRunner] = field(default_factory=list)

    def nodes(self) -> tuple[Node, ...]:
        return tuple(Node(name, name, "H100", slots) for name, slots in self.sizes.items())

    def describe(self, nodes: Sequence[Node], subjects: bytes) -> list[bytes | str]:
        raise NotImplementedError

    def open(self, node: Node) -> OwnRunner:
        self.runners.append(OwnRunner(node.id, str(len(self.runners))))
        assert sum(runner.open for runner in self.runners if runner.node == node.id) <= node.slots
        return self.runners[-1]

    def close(self, runner: OwnRunner) -> None:
        runner.open = False

    def ask(self, runner: OwnRunner, method: str, *arguments: bytes | float) -> Any:
        if method == "start":
            lent, job = arguments
            assert isinstance(job, bytes)
            assert isinstance(lent, bytes)
            runner.case, runner.lent = job.decode(), lent.decode()
        return runner, method

    def ready(self, requests: Sequence[Any], patience: float) -> list[Any]:
        runner, method = requests[0]
        return [(runner, method)]  # an equal one, and not the same: Ray's client gives no others

    def answer(self, request: Any) -> bytes:
        runner, method = request
        if method == "gpus":
            return str(runner.gpu).encode()
        if method == "result":
            return f"{runner.case} by {runner.node}".encode()
        if method == "start":
            return b""
        said = self.answer_of(runner.node, runner.case)
        if isinstance(said, Exception):
            raise said
        return msgspec.json.encode([said])


def drive(
    answer: Answer, *tasks: Task, refused: str = "", then: Mapping[str, list[Task]] = NOTHING_MORE, **sizes: int
) -> tuple[Outcome, dict[str, bytes], OwnCluster, list[str]]:
    """What becomes of the cases, what was kept, the cluster, and what was reported."""
    cluster, kept, lines = OwnCluster(answer, sizes), dict[str, bytes](), list[str]()

    def keep(case_id: str, data: bytes, node: str) -> list[Task]:
        if node == refused:
            raise Refusal("fox-0.png is not the picture that was rendered.")
        assert case_id not in kept, "rendered twice"
        kept[case_id] = data
        return then.get(case_id, [])

    driver = Driver(cluster, cluster.nodes(), job_of=job_of, keep=keep, report=lines.append)
    outcome = driver.drive(tasks)
    assert not any(runner.open for runner in cluster.runners)
    return outcome, kept, cluster, lines


def cases(count: int) -> list[Task]:
    return [Task(f"case-{number}", float(number)) for number in range(count)]


def test_every_case_is_kept_once() -> None:
    """Each node opens one runner for each GPU, and keeps it."""
    outcome, kept, cluster, _ = drive(lambda node, case: ENDED, *cases(9), a=2, b=1)
    assert set(kept) == set(outcome.rendered_on) == {task.case_id for task in cases(9)}
    assert sorted(runner.node for runner in cluster.runners) == ["a", "a", "b"]
    assert outcome.said == []


def test_what_follows_from_a_case_is_rendered_too() -> None:
    """Once that is there; and on the nodes alone that it may be placed on."""
    then = {"case-0": [Task("more", 1.0, nodes=frozenset("b"))], "more": [Task("most", 1.0, nodes=frozenset("a"))]}
    outcome, kept, _, _ = drive(lambda node, case: ENDED, *cases(3), then=then, a=1, b=1)
    assert {case: outcome.rendered_on[case] for case in ("more", "most")} == {"more": "b", "most": "a"}
    assert list(kept).index("case-0") < list(kept).index("more") < list(kept).index("most")


def test_a_task_whose_nodes_are_gone_is_not_placed() -> None:
    """Although others are left."""
    outcome, kept, _, _ = drive(
        lambda node, case: News(refused="No.") if node == "a" else ENDED,
        *[replace(task, nodes=frozenset("a")) for task in cases(2)],
        Task("other", 1.0),
        a=1,
        b=1,
    )
    assert (set(kept), set(outcome.unplaced)) == ({"other"}, {"case-0", "case-1"})


def test_runners_that_are_open_are_taken_first() -> None:
    """And closed with the others."""
    cluster = OwnCluster(lambda node, case: ENDED, {"a": 2})
    (node,) = cluster.nodes()
    runners = {"a": [cluster.open(node) for _ in range(2)]}
    driver = Driver(cluster, [node], job_of=job_of, keep=lambda *_: (), report=print, idle=runners)
    assert set(driver.drive(cases(3)).rendered_on) == {"case-0", "case-1", "case-2"}
    assert [runner.open for runner in cluster.runners] == [False, False]


def test_a_case_that_kills_every_node_is_given_up() -> None:
    """After it was placed three times, on three nodes; all others are rendered."""
    outcome, kept, _, _ = drive(
        lambda node, case: Lost("it died") if case == "case-3" else ENDED, *cases(6), a=1, b=1, c=1, d=1
    )
    assert outcome.given_up == ("case-3",)
    assert len(set(outcome.losses["case-3"])) == 3
    assert set(kept) == {task.case_id for task in cases(6)} - {"case-3"}
    assert len([sentence for sentence in outcome.said if sentence.startswith("case-3 was lost on")]) == 3


def test_a_process_that_dies_is_a_loss() -> None:
    """Its runner says so itself; the next one on the node renders the case."""
    died = iter([News(died="the process was ended by SIGKILL")])
    outcome, kept, cluster, _ = drive(lambda node, case: next(died, ENDED), *cases(1), a=1)
    assert set(kept) == {"case-0"}
    assert outcome.losses == {"case-0": ("a",)}
    assert len(cluster.runners) == 2
    assert "SIGKILL" in outcome.said[0]


def test_a_node_that_is_gone_gets_no_further_case() -> None:
    """What it had is rendered by the others."""

    def answer(node: str, case: str) -> News | Exception:
        if node == "a":
            cluster_of["a"].sizes.pop("a", None)
            return Lost("the node died")
        return ENDED

    cluster_of: dict[str, OwnCluster] = {}
    cluster = cluster_of["a"] = OwnCluster(answer, {"a": 2, "b": 1})
    kept: dict[str, bytes] = {}

    def keep(case: str, data: bytes, node: str) -> tuple[Task, ...]:
        kept[case] = data
        return ()

    driver = Driver(cluster, cluster.nodes(), job_of=job_of, keep=keep, report=print)
    outcome = driver.drive(cases(5))
    assert set(outcome.rendered_on.values()) == {"b"}
    assert len(kept) == 5
    assert len([sentence for sentence in outcome.said if "a is gone" in sentence]) == 1


def test_a_node_rests_after_a_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    """Until the cluster knows whether it is gone: here it is, and no second case was lost on it."""
    monkeypatch.setattr(driving, "REST", 0.2)
    begun = time.monotonic()
    cluster = OwnCluster(lambda node, case: Lost("the node died"), {"a": 1})
    driver = Driver(cluster, cluster.nodes(), job_of=job_of, keep=lambda *_: (), report=print)
    monkeypatch.setattr(cluster, "nodes", tuple)
    outcome = driver.drive(cases(2))
    assert time.monotonic() - begun >= 0.2
    assert outcome.losses == {"case-1": ("a",)}
    assert set(outcome.unplaced) == {"case-0", "case-1"}


def test_a_node_that_cannot_render_is_left_out() -> None:
    """It is told why; its cases do not count as lost."""
    outcome, kept, _, _ = drive(
        lambda node, case: News(refused="The disk is full.") if node == "a" else ENDED, *cases(4), a=1, b=1
    )
    assert set(outcome.rendered_on.values()) == {"b"}
    assert len(kept) == 4
    assert outcome.losses == {}
    (sentence,) = outcome.said
    assert "The disk is full." in sentence


def test_a_node_that_sends_something_else_is_left_out() -> None:
    """Nothing of it is kept."""
    outcome, kept, _, _ = drive(lambda node, case: ENDED, *cases(4), refused="a", a=1, b=1)
    assert all(data.endswith(b"by b") for data in kept.values())
    assert len(kept) == 4
    assert "is not taken" in outcome.said[0]


def test_a_node_that_loses_case_after_case_is_left_out() -> None:
    """Each of them is rendered elsewhere."""
    outcome, kept, _, _ = drive(
        lambda node, case: Lost("its process died") if node == "a" else ENDED, *cases(12), a=1, b=1
    )
    assert len(kept) == 12
    assert sum(len(nodes) for nodes in outcome.losses.values()) == 3
    assert any("in a row" in sentence for sentence in outcome.said)


def test_without_nodes_the_rest_is_told() -> None:
    """It ends, and says what was not rendered."""
    outcome, kept, _, _ = drive(lambda node, case: News(refused="No."), *cases(3), a=1)
    assert (kept, set(outcome.unplaced)) == ({}, {"case-0", "case-1", "case-2"})


def test_a_case_with_two_gpus_has_that_of_a_runner_that_waits() -> None:
    """No runner is closed for it, none is opened, and those after it have their own GPU alone."""
    tasks = [Task("large", 9.0, gpus=2), *cases(4)]
    lent = dict[str, str]()
    cluster: OwnCluster

    def answer(node: str, case: str) -> News:
        (runner,) = (each for each in cluster.runners if each.case == case)
        lent[case] = runner.lent
        runner.case = ""
        return ENDED

    cluster = OwnCluster(answer, {"a": 2})
    Driver(cluster, cluster.nodes(), job_of=job_of, keep=lambda *_: (), report=print).drive(tasks)
    assert lent == {"large": "1", **{task.case_id: "" for task in cases(4)}}
    assert len(cluster.runners) == 2


def test_a_case_with_two_gpus_that_is_lost_takes_both_runners_along() -> None:
    """It is placed again, on new ones."""
    lost = iter([Lost("it died")])
    tasks = [Task("large", 9.0, gpus=2), *cases(4)]
    outcome, kept, cluster, _ = drive(lambda node, case: next(lost, ENDED) if case == "large" else ENDED, *tasks, a=2)
    assert len(kept) == 5
    assert [runner.open for runner in cluster.runners] == [False] * 4
    assert outcome.losses == {"large": ("a",)}


def test_ctrl_c_closes_every_runner() -> None:
    """And goes on to whoever has called."""
    cluster = OwnCluster(lambda node, case: ENDED, {"a": 2})

    def answer(request: Any) -> bytes:
        raise KeyboardInterrupt

    cluster.answer = answer  # type: ignore[method-assign]  # as if it came while the driver waits
    driver = Driver(cluster, cluster.nodes(), job_of=job_of, keep=lambda *_: (), report=print)
    with pytest.raises(KeyboardInterrupt):
        driver.drive(cases(2))
    assert [runner.open for runner in cluster.runners] == [False, False]


def test_damaged_news_are_a_loss() -> None:
    """Whatever a node sends."""
    for data in (b"", b"[1]", b'{"says": 1}', b"\xff"):
        with pytest.raises(Lost, match="damaged"):
            parse_news(data)


def test_a_nodes_line_is_fit_for_a_terminal() -> None:
    """No escapes, no line breaks, and an end."""
    assert shown("fine\x1b[2J\n" + "x" * 1000) == "fine[2J" + "x" * 393

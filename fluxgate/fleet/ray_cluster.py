"""Ray as the engine of a fleet. Nothing of it is imported before somebody asks for it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from fluxgate.fleet.cluster import Lost
from fluxgate.fleet.job_runner import CASES, JobRunner, describe
from fluxgate.fleet.nodes import Node
from fluxgate.gpus import visible_gpus
from fluxgate.refusal import Refusal

LOCAL = "ray"
CPU = "CPU"  # the accelerator of a node without GPUs
INSTALL = 'pip install "ray[client]>=2.49"'  # as requirements/ray.txt; an index has another project named fluxgate
ADDRESS = re.compile(r"ray://[A-Za-z0-9.\-\[\]:]+:[0-9]{1,5}")
QUIET = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}  # unless they are set already


@contextmanager
def connected(on: str, *, process: str = CASES, deep: int = 1) -> Iterator[RayCluster]:
    """The cluster at an address as it is typed: `ray` for the one of this host, made if there is none.

    process, deep: what its runners start; see JobRunner."""
    if on != LOCAL and not ADDRESS.fullmatch(on):
        raise Refusal(f"--on is {on!r}; it must be {LOCAL}, for a cluster on this host, or like ray://HEAD:10001.")
    ray = _imported()
    os.environ.update({name: value for name, value in QUIET.items() if name not in os.environ})
    try:
        _init(ray, None if on == LOCAL else on)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise Refusal(f"There is no cluster at {on}: {_first_line(error)}") from error
    try:
        yield RayCluster(ray, process, deep)
    except ConnectionError as error:
        raise Refusal(f"The connection to {on} was lost: {_first_line(error)}") from error
    finally:
        ray.shutdown()


def _init(ray: Any, address: str | None) -> None:
    """Connect to an address, or to the cluster of this host; where there is none, start one.

    That would begin with a process for each CPU; but a runner with a GPU takes no CPU of Ray's."""
    quiet = {"log_to_driver": False, "logging_level": "ERROR", "namespace": "fluxgate"}
    gpus = len(visible_gpus()) if address is None else 0
    own = {"num_cpus": gpus + 1, "include_dashboard": False} if gpus else {}
    try:
        ray.init(address=address, **quiet, **own)
    except ValueError:
        if not own:
            raise
        ray.init(address=address, **quiet)  # there is one, which has said itself what it has


def _imported() -> Any:
    try:
        import ray
        import ray.exceptions
        import ray.util.scheduling_strategies
    except ImportError as error:
        raise Refusal(f"--on ray needs Ray, which cannot be imported ({error}); {INSTALL}") from error
    return ray


class RayCluster:
    """A cluster of Ray's; see `Cluster`."""

    def __init__(self, ray: Any, process: str, deep: int) -> None:
        self._ray = ray
        self._process, self._deep = process, deep
        self._runner = ray.remote(JobRunner)
        self._describe = ray.remote(describe)

    def nodes(self) -> tuple[Node, ...]:
        alive = [each for each in self._ray.nodes() if each["Alive"] and slots_of(each["Resources"])]
        return tuple(_node(each, name_of(each, alive)) for each in alive)

    def describe(self, nodes: Sequence[Node], subjects: bytes) -> list[bytes | str]:
        requests = [
            self._describe.options(num_cpus=0, max_retries=0, scheduling_strategy=self._on(node)).remote(subjects)
            for node in nodes
        ]
        answers = list[bytes | str]()
        for request in requests:
            try:
                answers.append(self.answer(request))
            except Lost as lost:
                answers.append(str(lost))
        return answers

    def open(self, node: Node) -> Any:
        on_cpus = node.accelerator == CPU
        return self._runner.options(
            num_gpus=0 if on_cpus else 1,
            num_cpus=node.cpus if on_cpus else 0,  # all of them: measured cases never share
            max_restarts=0,
            max_task_retries=0,
            scheduling_strategy=self._on(node),
        ).remote(self._process, self._deep)

    def close(self, runner: Any) -> None:
        with suppress(self._ray.exceptions.RayError, ValueError):
            self._ray.kill(runner)  # whose process reads from a pipe of its own, and ends with it

    def ask(self, runner: Any, method: str, *arguments: bytes | float) -> Any:
        return getattr(runner, method).remote(*arguments)

    def ready(self, requests: Sequence[Any], patience: float) -> list[Any]:
        ready, _ = self._ray.wait(list(requests), num_returns=1, timeout=patience)
        return list(ready)

    def answer(self, request: Any) -> bytes:
        try:
            answer = self._ray.get(request)
        except self._ray.exceptions.RayTaskError as error:
            raise Lost(_first_line(error.cause or error)) from error
        except self._ray.exceptions.RayError as error:
            raise Lost(_how(error)) from error
        if not isinstance(answer, bytes):
            raise Lost(f"it answered with a {type(answer).__name__}")
        return answer

    def _on(self, node: Node) -> Any:
        strategies = self._ray.util.scheduling_strategies
        return strategies.NodeAffinitySchedulingStrategy(node.id, soft=False)


def _node(told: dict[str, Any], name: str) -> Node:
    resources = told["Resources"]
    return Node(told["NodeID"], name, accelerator_of(resources), slots_of(resources), resources.get("CPU", 0.0))


def slots_of(resources: dict[str, float]) -> int:
    """How many cases a node renders at a time: one on each GPU, or one on all its CPUs."""
    return int(resources.get("GPU", 0)) or min(int(resources.get("CPU", 0)), 1)


def accelerator_of(resources: dict[str, float]) -> str:
    """What Ray calls the GPUs of a node; CPU where it has none."""
    if not resources.get("GPU"):
        return CPU
    named = (key.removeprefix("accelerator_type:") for key in resources if key.startswith("accelerator_type:"))
    return next(iter(sorted(named)), "GPU")


def name_of(node: dict[str, Any], among: Sequence[dict[str, Any]]) -> str:
    """A node's name for a reader, with a part of its id where others are called alike."""
    name = str(node.get("NodeName") or node["NodeManagerAddress"])
    alike = [each for each in among if (each.get("NodeName") or each["NodeManagerAddress"]) == name]
    return name if len(alike) == 1 else f"{name} ({node['NodeID'][:6]})"


def _how(error: Exception) -> str:
    """How Ray says that a process or node was lost, in a few words."""
    names = {
        "ActorDiedError": "its process died",
        "ActorUnavailableError": "its process does not answer",
        "NodeDiedError": "the node died",
        "ObjectLostError": "what it sent was lost with its node",
        "OutOfMemoryError": "Ray ended its process, since the node had no memory left",
        "ActorUnschedulableError": "the node is gone",
        "TaskUnschedulableError": "the node is gone",
    }
    return names.get(type(error).__name__, f"{type(error).__name__}: {_first_line(error)}")


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]

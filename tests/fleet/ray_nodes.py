"""A cluster of Ray's on this host, for tests."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.outside import ROOT

STORE = 80 << 20  # bytes for each node's objects


class Nodes:
    """A cluster of Ray's on this host, whose nodes come and go with the tests."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        from ray.cluster_utils import Cluster

        self.folder = folder
        self._environment = environment
        self.port = free_port()
        arguments = {"num_cpus": 0, "object_store_memory": STORE, "include_dashboard": False}
        arguments["ray_client_server_port"] = self.port
        self._cluster = Cluster(initialize_head=True, head_node_args=arguments)
        self._nodes: dict[str, Any] = {}
        self._round = 0

    def called(self, name: str) -> str:
        """What Ray calls a node: never as one of an earlier test, which it may not have given up yet."""
        return f"{name}-{self._round}"

    @property
    def address(self) -> str:
        return str(self._cluster.address)

    def add(self, name: str, *, card: str | None = None, **variables: str) -> None:
        """A node with one CPU, and with a device queue of its own, as if it were another machine.

        card: it claims one of these, for Ray alone."""
        own = {"FLUXGATE_QUEUE": str(self.folder / f"queue-{name}"), "PYTHONPATH": str(ROOT)}
        (self.folder / f"queue-{name}").mkdir(exist_ok=True)
        self._nodes[name] = self._cluster.add_node(
            num_cpus=1,
            object_store_memory=STORE,
            **({} if card is None else {"num_gpus": 1, "resources": {f"accelerator_type:{card}": 1}}),
            node_name=self.called(name),
            env_vars={**self._environment, **own, **variables},
        )

    def kill(self, name: str) -> None:
        """SIGKILL for all that the node is."""
        self._cluster.remove_node(self._nodes.pop(name), allow_graceful=False)

    def clear(self) -> None:
        for name in list(self._nodes):
            self.kill(name)
        self._round += 1

    def close(self) -> None:
        self._cluster.shutdown()

    def processes(self) -> list[str]:
        """What still renders on these nodes, or could: the command of each such process."""
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                ours = str(self.folder).encode() in (folder / "environ").read_bytes()
            except OSError:
                continue
            if ours and any(name in command for name in ("fluxgate.fleet", "fluxgate.render", "fluxgate.gate")):
                found.append(command)
        return found


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def soon(holds: Callable[[], bool], seconds: float = 30.0) -> bool:
    """Whether it holds before these seconds are over."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if holds():
            return True
        time.sleep(0.2)
    return holds()

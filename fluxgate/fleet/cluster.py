"""What a cluster is asked for, whatever engine runs it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from fluxgate.fleet.nodes import Node


class Lost(Exception):
    """A node, or the process on it that was asked, is gone; the text says how."""


class Cluster(Protocol):
    """Nodes, and runners on them. A runner, and a request to one, are the engine's own values."""

    def nodes(self) -> tuple[Node, ...]:
        """Those that are alive and have anything to render on."""

    def describe(self, nodes: Sequence[Node], subjects: bytes) -> list[bytes | str]:
        """What each node says of itself, or why it could not."""

    def open(self, node: Node) -> Any:
        """A runner on a node, with one GPU of its own, or with all CPUs of a node without GPUs."""

    def close(self, runner: Any) -> None:
        """End a runner and whatever runs on it."""

    def ask(self, runner: Any, method: str, *arguments: bytes | float) -> Any:
        """Call a method of the runner, without waiting."""

    def ready(self, requests: Sequence[Any], patience: float) -> list[Any]:
        """The requests that are answered or lost; waits so many seconds for the first."""

    def answer(self, request: Any) -> bytes:
        """What came of a request; raises Lost."""

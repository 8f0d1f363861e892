"""What a cluster is asked for, whatever engine runs it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from fluxgate.fleet.nodes import Node


class Lost(Exception):
    """A node, or the process on it that was asked, is gone; the text says how."""


class Cluster(Protocol):
    """Nodes, and seats on them. A seat, and a request to one, are the engine's own values."""

    def nodes(self) -> tuple[Node, ...]:
        """Those that are alive and have anything to render on."""

    def describe(self, nodes: Sequence[Node], subjects: bytes) -> list[bytes | str]:
        """What each node says of itself, or why it could not."""

    def open(self, node: Node, gpus: int) -> Any:
        """A seat on a node, with so many GPUs of its own."""

    def close(self, seat: Any) -> None:
        """End a seat and whatever runs on it."""

    def ask(self, seat: Any, method: str, *arguments: bytes | float) -> Any:
        """Call a method of the seat, without waiting."""

    def ready(self, requests: Sequence[Any], patience: float) -> list[Any]:
        """The requests that are answered or lost; waits so many seconds for the first."""

    def answer(self, request: Any) -> bytes:
        """What came of a request; raises Lost."""

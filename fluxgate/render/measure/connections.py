"""How often a process turned to the network: whoever loads a pipeline that is here, and calls it, need not."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from fluxgate.render.measure.replaced import replaced

NETWORK = (socket.AF_INET, socket.AF_INET6)


class Connections:
    """What was asked for meanwhile."""

    def __init__(self) -> None:
        self.asked = 0

    def of_name(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function that looks a name up, which counts."""

        def looked_up(*args: Any, **kwargs: Any) -> Any:
            self.asked += 1
            return function(*args, **kwargs)

        return looked_up

    def of_socket(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """The method that connects, which counts where it leads to a network, and not to another process."""

        def connecting(one: Any, *args: Any) -> Any:
            self.asked += one.family in NETWORK
            return function(one, *args)

        return connecting


@contextmanager
def connections_counted() -> Iterator[Connections]:
    """Count names that are looked up and connections that are begun, whether or not anybody answers."""
    counted = Connections()
    with ExitStack() as patches:
        for owner, name, counting in (
            (socket, "getaddrinfo", counted.of_name),
            (socket.socket, "connect", counted.of_socket),
            (socket.socket, "connect_ex", counted.of_socket),
        ):
            patches.enter_context(replaced(owner, name, counting(getattr(owner, name))))
        yield counted

"""Tests of the count of turns to the network."""

import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from fluxgate.render.measure.connections import connections_counted


@pytest.fixture
def port() -> Iterator[int]:
    """Of a server on this machine."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_a_connection_is_counted_and_made(port: int) -> None:
    """Beside the name that is looked up for it."""
    with connections_counted() as counted, socket.create_connection(("127.0.0.1", port), timeout=5) as one:
        assert one.getpeername() == ("127.0.0.1", port)
    assert counted.asked == 2


def test_one_that_nobody_answers_is_counted(port: int) -> None:
    """By either of the methods that connect; what they raise is raised."""
    with connections_counted() as counted:
        with socket.socket() as one, suppress(OSError):
            one.connect(("127.0.0.1", 9))
        with socket.socket() as one:
            assert one.connect_ex(("127.0.0.1", 9)) != 0
    assert counted.asked == 2


def test_another_process_is_no_network(tmp_path: Path) -> None:
    """A socket of the file system leads to this machine alone."""
    with (
        socket.socket(socket.AF_UNIX) as server,
        socket.socket(socket.AF_UNIX) as one,
        connections_counted() as counted,
    ):
        server.bind(str(tmp_path / "here"))
        server.listen()
        one.connect(str(tmp_path / "here"))
    assert counted.asked == 0


def test_afterwards_all_is_as_it_was() -> None:
    """Also where what was counted raised."""
    before = socket.getaddrinfo, dict(vars(socket.socket))
    with suppress(ZeroDivisionError), connections_counted():
        raise ZeroDivisionError
    assert (socket.getaddrinfo, dict(vars(socket.socket))) == before

"""Tests of messages between processes."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from fluxgate.render.process.messages import receive, send


@pytest.fixture
def link() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


def test_a_message_arrives_whole(link: Any) -> None:
    """Also one that is larger than what a socket takes at once."""
    data = os.urandom(3 << 20)
    sender = threading.Thread(target=send, args=(link[0], data))
    sender.start()
    assert receive(link[1]) == data
    sender.join()
    send(link[0], b"")
    assert receive(link[1]) == b""


def test_the_other_side_gone_is_no_message(link: Any) -> None:
    """Before a message and in the middle of one."""
    link[0].sendall(b"\0\0\0\0\0\0\0\5ab")
    link[0].close()
    assert receive(link[1]) is None
    assert receive(link[1]) is None

"""Messages between two processes over a socket: a length, then as many bytes."""

from __future__ import annotations

import socket
import struct

LENGTH = struct.Struct("!Q")
LARGEST_PART = 1 << 20  # bytes received at a time


def send(link: socket.socket, data: bytes) -> None:
    """Send one message."""
    link.sendall(LENGTH.pack(len(data)) + data)


def receive(link: socket.socket) -> bytes | None:
    """The next message, or None once the other side is gone."""
    head = _exactly(link, LENGTH.size)
    return None if head is None else _exactly(link, LENGTH.unpack(head)[0])


def _exactly(link: socket.socket, count: int) -> bytes | None:
    data = bytearray()
    while len(data) < count:
        try:
            part = link.recv(min(LARGEST_PART, count - len(data)))
        except ConnectionError:
            return None
        if not part:
            return None
        data += part
    return bytes(data)

"""Tests of the fork server: its messages, its reasons not to fork, and what it spares."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fluxgate.machine import Gpu
from fluxgate.render.process import forkserver, worker
from fluxgate.render.process.forkserver import READY, receive, send, standby, unfit

ROOT = Path(__file__).parents[3]


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


def torch_that(*, initialised: bool = False, poisoned: bool = False) -> Any:
    cuda = SimpleNamespace(is_initialized=lambda: initialised)
    return SimpleNamespace(cuda=cuda, _C=SimpleNamespace(_cuda_isInBadFork=lambda: poisoned))


@pytest.mark.parametrize(
    ("torch", "reason"),
    [
        (torch_that(), None),
        (torch_that(initialised=True), "importing the libraries has initialised CUDA"),
        (torch_that(poisoned=True), "importing the libraries has initialised the CUDA driver"),
    ],
)
def test_a_process_that_has_touched_the_gpu_is_not_forked(
    monkeypatch: pytest.MonkeyPatch, torch: Any, reason: str | None
) -> None:
    """A fork of it could not use the GPU; torch knows it by either sign."""
    monkeypatch.setitem(sys.modules, "torch", torch)
    assert unfit() == reason
    link = standby()
    assert (link is None) == (reason is not None)
    if link is not None:
        link.close()


def test_libraries_learn_the_capability_without_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    """While they are imported the driver's management library answers, afterwards torch again."""
    gpus = (Gpu("A", "GPU-1", 1, "9.0", "580"), Gpu("B", "GPU-2", 1, "8.6", "580"))
    monkeypatch.setattr("fluxgate.machine.visible_gpus", lambda: gpus)

    def asked(device: Any = None) -> tuple[int, int]:
        raise AssertionError("this would initialise CUDA")

    torch = SimpleNamespace(cuda=SimpleNamespace(get_device_capability=asked))
    with worker.answers_from_driver(torch):
        capability: Any = torch.cuda.get_device_capability
        assert [capability(), capability(1), capability(SimpleNamespace(idx=1)), capability("cuda")] == [
            (9, 0),
            (8, 6),
            (8, 6),
            (9, 0),
        ]
    assert torch.cuda.get_device_capability is asked


@pytest.mark.parametrize(
    ("capability", "package", "usable"),
    [("9.0", True, True), ("7.0", True, True), ("6.1", True, False), ("9.0", False, False)],
)
def test_torchao_learns_whether_triton_can_be_used_without_cuda(
    monkeypatch: pytest.MonkeyPatch, capability: str, package: bool, usable: bool
) -> None:
    """torchao asks while it is imported; torch would look at the GPU to answer."""
    triton = pytest.importorskip("torch.utils._triton")
    monkeypatch.setattr("fluxgate.machine.visible_gpus", lambda: (Gpu("A", "GPU-1", 1, capability, "580"),))
    monkeypatch.setattr(triton, "has_triton_package", lambda: package)
    asked = triton.has_triton
    with worker.answers_from_driver(pytest.importorskip("torch")):
        assert triton.has_triton() is usable
    assert triton.has_triton is asked


def test_a_torch_without_that_module_is_imported_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is torch's own business, and a release may drop it; the rest is answered as before."""
    monkeypatch.setattr("fluxgate.machine.visible_gpus", lambda: (Gpu("A", "GPU-1", 1, "9.0", "580"),))
    monkeypatch.setitem(sys.modules, "torch.utils._triton", None)
    monkeypatch.delattr("torch.utils._triton", raising=False)
    torch = SimpleNamespace(cuda=SimpleNamespace(get_device_capability=None))
    with worker.answers_from_driver(torch):
        capability: Any = torch.cuda.get_device_capability
        assert capability() == (9, 0)
    assert torch.cuda.get_device_capability is None


def test_a_server_says_that_it_is_ready_and_ends_with_its_parent() -> None:
    """It answers once it has imported everything, and goes when the link is closed."""
    ours, theirs = socket.socketpair()
    process = subprocess.Popen(
        [sys.executable, "-m", "fluxgate.render.process.forkserver", str(theirs.fileno())],
        pass_fds=[theirs.fileno()],
        cwd=ROOT,
        stderr=subprocess.DEVNULL,
    )
    theirs.close()
    assert receive(ours) == READY
    ours.close()
    assert process.wait(10) == 0


def test_a_group_that_is_gone_is_ended_without_a_word() -> None:
    """Ending twice is no error."""
    process = subprocess.Popen([sys.executable, "-c", "pass"], start_new_session=True)
    process.wait()
    forkserver.end_group(process.pid)

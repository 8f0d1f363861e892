"""Tests of the fork server: its reasons not to fork, and how it ends."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from fluxgate.render.process import forkserver
from fluxgate.render.process.forkserver import end_group, forked_server, reason_not_to_fork
from fluxgate.render.process.libraries import Imported
from fluxgate.render.process.messages import receive

ROOT = Path(__file__).parents[3]


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
    monkeypatch.setattr(forkserver, "visible_gpus", lambda: ("a GPU",))
    assert reason_not_to_fork() == reason
    link = forked_server(lambda job: 0)
    assert (link is None) == (reason is not None)
    if link is not None:
        link.close()


def test_where_there_is_no_gpu_none_can_be_lost_by_a_fork(monkeypatch: pytest.MonkeyPatch) -> None:
    """A torch that is built for CUDA, and has looked for GPUs in vain, gives the sign of one that has used them."""
    monkeypatch.setitem(sys.modules, "torch", torch_that(poisoned=True))
    monkeypatch.setattr(forkserver, "visible_gpus", lambda: ())
    assert reason_not_to_fork() is None


def test_a_server_says_that_it_is_ready_and_ends_with_its_parent() -> None:
    """It answers once it has imported everything, and goes when the link is closed."""
    ours, theirs = socket.socketpair()
    process = subprocess.Popen(
        [sys.executable, "-m", "fluxgate.render.process", str(theirs.fileno()), "fork"],
        pass_fds=[theirs.fileno()],
        cwd=ROOT,
        stderr=subprocess.DEVNULL,
    )
    theirs.close()
    answer = receive(ours)
    assert answer is not None
    imported = msgspec.json.decode(answer, type=Imported)
    assert (imported.crash, imported.no_fork) == (None, None)
    ours.close()
    assert process.wait(10) == 0


def test_a_group_that_is_gone_is_ended_without_a_word() -> None:
    """Ending twice is no error."""
    process = subprocess.Popen([sys.executable, "-c", "pass"], start_new_session=True)
    process.wait()
    end_group(process.pid)

"""Tests of the fleet on Ray: three nodes of one host, of which one is killed, one has a full disk, and all are left.

Without Ray they are skipped: `tox run -e ray` has it."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from fluxgate.cli.main import main
from fluxgate.cli.shared import INTERRUPTED
from fluxgate.files import read_plain
from fluxgate.fleet.on_cluster import FILE, Whereabouts
from fluxgate.judge.verdict import Verdict
from fluxgate.runs import run as runs
from fluxgate.runs.run import Run
from tests.devices import on_a_cpu
from tests.fleet.ray_nodes import Nodes, soon
from tests.outside import LONGEST, ROOT, call

ray = pytest.importorskip("ray", reason="Ray is not installed; pip install -r requirements/ray.txt")
pytestmark = [
    on_a_cpu,
    pytest.mark.filterwarnings("default"),  # Ray's own
]

STRATEGIES = "--strategy=full,model-offload,full-float32,vae-tiling"
CASES = {"tiny-full", "tiny-model-offload", "tiny-full-float32", "tiny-vae-tiling"}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory, environment: dict[str, str]) -> Iterator[Nodes]:
    """A head that renders nothing."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_memory_monitor_refresh_ms", "0")  # others may fill this machine's memory
        nodes = Nodes(tmp_path_factory.mktemp("nodes"), environment)
        try:
            yield nodes
        finally:
            nodes.close()


@pytest.fixture
def nodes(cluster: Nodes) -> Iterator[Nodes]:
    """The same with three nodes."""
    for name in ("ann", "ben", "cat"):
        cluster.add(name)
    yield cluster
    cluster.clear()


class Driver:
    """`fluxgate render --on ray`, while it runs."""

    def __init__(self, nodes: Nodes, folder: Path, environment: dict[str, str], on: str = "ray") -> None:
        self.runs = folder / "runs"
        self.lines: list[str] = []
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "fluxgate", "render", f"--on={on}", "--subject=tiny", STRATEGIES],
            cwd=folder,
            env={**inherited, **environment, "PYTHONPATH": str(ROOT), "RAY_ADDRESS": nodes.address},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def until(self, said: Callable[[str], bool]) -> str:
        """Follow it until it says a certain line."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.rstrip())
            if said(self.lines[-1]):
                return self.lines[-1]
        raise AssertionError("\n".join(self.lines))

    def end(self) -> tuple[int, str]:
        """Its exit code and all that it has said."""
        rest, _ = self.process.communicate(timeout=LONGEST)
        return self.process.returncode, "\n".join([*self.lines, rest])


@pytest.fixture
def driver(nodes: Nodes, tmp_path: Path, environment: dict[str, str]) -> Iterator[Driver]:
    made = Driver(nodes, tmp_path, environment)
    yield made
    made.process.kill()
    made.process.communicate()


def hashes(run: Run) -> set[tuple[str, str, int, int, str]]:
    """Every picture of every take."""
    return {
        (case_id, picture.shot, picture.index, picture.take, picture.sha256)
        for case_id, rendering in run.renderings().items()
        for picture in rendering.pictures
    }


def cells(run: Run) -> dict[tuple[str, str], str]:
    """The status of every cell."""
    verdicts = read_plain(run.folder / runs.VERDICTS, tuple[Verdict, ...])
    return {(verdict.case_id, verdict.check): verdict.status for verdict in verdicts}


def whereabouts(run: Run) -> Whereabouts:
    return run.read_json(FILE, Whereabouts)


def test_three_nodes_give_the_run_of_one_machine(
    driver: Driver, nodes: Nodes, tmp_path: Path, environment: dict[str, str], tiny_exists: None
) -> None:
    """Cell for cell, and picture for picture; more than one node has rendered, and nothing is left on them."""
    code, said = driver.end()
    assert code == 0, said
    ours = runs.latest(driver.runs)
    alone = tmp_path / "alone"
    alone.mkdir()
    ended = call("-m", "fluxgate", "render", "--subject=tiny", STRATEGIES, within=alone, **environment)
    assert ended.code == 0, ended.out + ended.err
    theirs = runs.latest(alone / "runs")
    assert hashes(ours) == hashes(theirs)
    assert set(ours.renderings()) == CASES
    for run in (ours, theirs):
        main(["judge", str(run.folder), "--no-baseline"])
    assert cells(ours) == cells(theirs)
    assert set(whereabouts(ours).rendered_on) == CASES
    assert len(set(whereabouts(ours).rendered_on.values())) > 1
    assert soon(lambda: nodes.processes() == [])


def test_a_node_that_is_killed_loses_nothing(driver: Driver, nodes: Nodes) -> None:
    """Its case is placed again on another one, once, and both are told in a sentence."""
    ben = nodes.called("ben")
    line = driver.until(lambda line: line.startswith(f"{ben}: ") and line.endswith(": started"))
    nodes.kill("ben")
    code, said = driver.end()
    assert code == 0, said
    run = runs.latest(driver.runs)
    lost = line.split(": ")[1]
    assert set(run.renderings()) == CASES
    assert run.finished is not None
    assert whereabouts(run).losses == {lost: (ben,)}
    assert whereabouts(run).rendered_on[lost] != ben
    assert any(sentence.startswith(f"{lost} was lost on {ben}") for sentence in whereabouts(run).said)


def test_ctrl_c_leaves_no_process(driver: Driver, nodes: Nodes) -> None:
    """Not on the nodes either; what was rendered until then can be read."""
    driver.until(lambda line: line.endswith(": started"))
    assert nodes.processes() != []
    driver.process.send_signal(signal.SIGINT)
    code, said = driver.end()
    assert code == INTERRUPTED, said
    assert soon(lambda: nodes.processes() == [])
    assert runs.latest(driver.runs).finished is None


def test_a_driver_that_is_killed_leaves_no_process(driver: Driver, nodes: Nodes) -> None:
    """Ray ends what its job has started, and what that has started ends itself."""
    driver.until(lambda line: line.endswith(": started"))
    driver.process.kill()
    assert soon(lambda: nodes.processes() == [])


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder that takes 64 kB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if os.system(f"mount -t tmpfs -o size=64k tmpfs '{disk}' 2>/dev/null"):
        pytest.skip("no file system can be mounted here")
    yield disk
    for _ in range(100):
        if os.system(f"umount '{disk}' 2>/dev/null") == 0:
            return
        time.sleep(0.1)


def test_a_node_with_a_full_disk_is_left_out(
    cluster: Nodes, full_disk: Path, tmp_path: Path, environment: dict[str, str]
) -> None:
    """Its cases are rendered elsewhere, and do not count as lost."""
    cluster.add("ann")
    cluster.add("full", TMPDIR=str(full_disk))
    try:
        ann = cluster.called("ann")
        code, said = Driver(cluster, tmp_path, environment).end()
    finally:
        cluster.clear()
    assert code == 0, said
    run = runs.latest(tmp_path / "runs")
    assert set(run.renderings()) == CASES
    assert set(whereabouts(run).rendered_on.values()) == {ann}
    assert whereabouts(run).losses == {}
    assert any("full" in sentence and "disk" in sentence for sentence in whereabouts(run).said)


def test_nodes_with_another_fluxgate_are_refused(cluster: Nodes, tmp_path: Path, environment: dict[str, str]) -> None:
    """All of them: there is nobody to render, and the sentence says what to do."""
    other = tmp_path / "other"
    shutil.copytree(ROOT / "fluxgate", other / "fluxgate", ignore=shutil.ignore_patterns("__pycache__"))
    with (other / "fluxgate" / "amounts.py").open("a") as module:
        module.write("\n# another release\n")
    cluster.add("old", PYTHONPATH=str(other))
    try:
        old = cluster.called("old")
        code, said = Driver(cluster, tmp_path, environment).end()
    finally:
        cluster.clear()
    assert code == 4
    assert f"{old} is left out: its Fluxgate" in said
    assert not (tmp_path / "runs").exists()


def test_a_cluster_that_is_not_there_is_refused(tmp_path: Path, environment: dict[str, str]) -> None:
    """In a sentence, not with what Ray says over many lines."""
    arguments = ("render", "--on=ray://127.0.0.1:9", "--subject=tiny", "--strategy=full")
    ended = call("-m", "fluxgate", *arguments, within=tmp_path, **environment, RAY_CLIENT_RECONNECT_GRACE_PERIOD="1")
    assert ended.code == 4
    assert "There is no cluster at ray://127.0.0.1:9" in ended.err
    assert "Traceback" not in ended.err


class Wire:
    """A connection to the head's client server, which can be cut."""

    def __init__(self, port: int) -> None:
        self._to = port
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        self._ends: list[socket.socket] = []
        self._whole = True
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._server.accept()
            except OSError:
                return
            if not self._whole:
                near.close()
                continue
            far = socket.create_connection(("127.0.0.1", self._to))
            self._ends += [near, far]
            for one, other in ((near, far), (far, near)):
                threading.Thread(target=self._carry, args=(one, other), daemon=True).start()

    def _carry(self, one: socket.socket, other: socket.socket) -> None:
        with suppress(OSError):
            while data := one.recv(1 << 16):
                other.sendall(data)
        for end in (one, other):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def cut(self, seconds: float) -> None:
        """Nothing passes for so long, and whoever tries is turned away."""
        self._whole = False
        for end in self._ends:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        time.sleep(seconds)
        self._whole = True

    def close(self) -> None:
        self._server.close()
        for end in self._ends:
            end.close()


def test_a_connection_that_is_cut_is_restored(nodes: Nodes, tmp_path: Path, environment: dict[str, str]) -> None:
    """For three seconds in the middle: what was begun goes on, and nothing is rendered twice."""
    wire = Wire(nodes.port)
    driver = Driver(nodes, tmp_path, environment, on=f"ray://127.0.0.1:{wire.port}")
    try:
        driver.until(lambda line: line.endswith(": started"))
        wire.cut(3.0)
        code, said = driver.end()
    finally:
        driver.process.kill()
        driver.process.communicate()
        wire.close()
    assert code == 0, said
    run = runs.latest(driver.runs)
    assert set(run.renderings()) == CASES
    assert whereabouts(run).losses == {}
    assert soon(lambda: nodes.processes() == [])

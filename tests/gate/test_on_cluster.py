"""Tests of a gate on a cluster: three Ray nodes of one host, two of which claim to have another GPU than the third.

Without Ray they are skipped: `tox run -e ray` has it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from fluxgate.files import read_plain
from fluxgate.fleet.on_cluster import FILE, Whereabouts
from fluxgate.report.gate_folder import read_gate_result, run_of
from fluxgate.report.gate_result import STACKS, Answer, GateResult
from fluxgate.subjects import sources
from tests.devices import on_a_cpu
from tests.fleet.ray_nodes import Nodes, soon
from tests.gate.faults import louder, release, with_packages
from tests.outside import ROOT, tiny
from tests.wording import unsaid

pytestmark = [
    on_a_cpu,
    pytest.mark.filterwarnings("default"),  # Ray's own
]

LONGEST = 900  # seconds that a gate on three nodes may take on a busy machine
CASES = {"tiny-full", "tiny-model-offload"}
ON_L4 = "__import__('os').environ.get('CARD') == 'L4'"


@dataclass(frozen=True)
class Fleet:
    """Three nodes, and what it takes to call for a gate on them."""

    nodes: Nodes
    folder: Path
    environment: dict[str, str]
    python: Path

    def call(self, runs: str, *options: str) -> subprocess.Popen[str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
        where = (f"--python={self.python}", f"--wheelhouse={self.folder}", f"--runs={runs}", "--subject=tiny")
        return subprocess.Popen(
            [sys.executable, "-m", "fluxgate", "gate", "seeded_a==2.0", "--on=ray", *where, *options],
            cwd=self.folder,
            env={**inherited, **self.environment, "PYTHONPATH": str(ROOT), "RAY_ADDRESS": self.nodes.address},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def gates(self, runs: str, code: int, said: str) -> Gates:
        found = sorted((self.folder / runs / "gates").glob(f"*/{FILE}"))
        return Gates(code, said, {read_plain(path, Whereabouts).accelerator: path.parent for path in found})


@dataclass(frozen=True)
class Gates:
    """What a call left."""

    code: int
    said: str
    folders: dict[str, Path]  # accelerator -> the gate's

    def result(self, card: str) -> GateResult:
        return read_gate_result(self.folders[card])

    def whereabouts(self, card: str) -> Whereabouts:
        return read_plain(self.folders[card] / FILE, Whereabouts)


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory, miniature_folder: Path) -> Iterator[Fleet]:
    """Two nodes of one kind and one of another, on which alone an upgrade is bad."""
    pytest.importorskip("ray", reason="Ray is not installed; pip install -r requirements/ray.txt")
    folder = tmp_path_factory.mktemp("gates")
    environment = tiny(folder, pipeline=miniature_folder)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_memory_monitor_refresh_ms", "0")  # others may fill this machine's memory
        patch.setenv(sources.CACHE, str(folder / "cache"))
        release(folder, "seeded_a", "1.0")
        release(folder, "seeded_a", "2.0", louder(when=ON_L4))
        incumbent = with_packages(folder, "seeded_a")
        nodes = Nodes(folder, environment)
        try:
            for name, card in {"ann": "H100", "ben": "H100", "cat": "L4"}.items():
                own = {sources.CACHE: str(folder / f"cache-{name}"), "CARD": card}
                nodes.add(name, card=card, **own)
            yield Fleet(nodes, folder, environment, incumbent.python)
        finally:
            nodes.close()


@pytest.fixture(scope="module")
def gates(fleet: Fleet) -> Gates:
    """The upgrade, gated on both kinds."""
    process = fleet.call("runs", "--each", "--strategy=full,model-offload")
    said, _ = process.communicate(timeout=LONGEST)
    return fleet.gates("runs", process.returncode, said)


def test_each_kind_of_machine_has_its_answer(gates: Gates) -> None:
    """One machine on which it is not safe is the exit code; and the answers stand in one line, and in a table."""
    assert gates.code == 1, gates.said
    answers = {card: gates.result(card).answer for card in gates.folders}
    assert answers == {"H100": Answer.SAFE, "L4": Answer.NOT_SAFE}, gates.said
    assert not unsaid(gates.said, "Safe on H100", "not safe on L4")
    (report,) = (gates.folders["H100"].parent).glob("*/machines.md")
    assert "| H100 | L4 |" in report.read_text()


def test_the_culprit_is_told_where_there_is_one(gates: Gates) -> None:
    """On the machine on which it is not safe."""
    assert gates.result("H100").culprit is None
    culprit = gates.result("L4").culprit
    assert culprit is not None
    assert [move.package for move in culprit.packages] == ["seeded-a"], gates.said


def test_all_nodes_of_a_kind_render(gates: Gates) -> None:
    """Both stacks of a case on one node, in turn; the gate is held by one of them, and renders none of it anew."""
    about = gates.whereabouts("H100")
    assert set(about.rendered_on) == {"gate-H100", *(f"gate-H100/{case}" for case in CASES)}
    assert len(set(about.rendered_on.values())) == 2, about
    where = {name: node for name, node in about.rendered_on.items() if "/" in name}
    for name, node in where.items():
        case = name.partition("/")[2]
        begun = [line for line in gates.said.splitlines() if line.endswith(f"{case}: started")]
        own = [line for line in begun if line.startswith(f"{node}: ")]
        assert [line.split(": ")[1] for line in own[:2]] == list(STACKS)


def test_both_runs_come_back(gates: Gates) -> None:
    """Whole, to be looked at and accepted like those of a gate on this machine."""
    for card, folder in gates.folders.items():
        result = gates.result(card)
        for stack in STACKS:
            run = run_of(result, stack, gate=folder)
            assert run is not None
            assert run.finished is not None
            assert set(run.renderings()) >= CASES
    moved = [case.case_id for case in gates.result("L4").cases if case.is_bad]
    assert set(moved) == CASES


def test_nothing_is_left_on_the_nodes(gates: Gates, fleet: Fleet) -> None:
    """No process, and nothing incomplete in the gates' folders."""
    assert soon(lambda: fleet.nodes.processes() == [])
    for folder in gates.folders.values():
        assert [path.name for path in folder.iterdir() if path.name.startswith(".")] == []


def test_ctrl_c_ends_what_renders_on_nodes(fleet: Fleet) -> None:
    """No process is left there, and no folder of a gate that was not held; the next call goes on."""
    process = fleet.call("ended", "--each=H100", "--strategy=sequential-offload")
    assert process.stdout is not None
    lines = list[str]()
    for line in process.stdout:
        lines.append(line)
        if line.endswith(": started\n"):
            assert fleet.nodes.processes() != []
            process.send_signal(signal.SIGINT)
            break
    rest, _ = process.communicate(timeout=LONGEST)
    assert (process.returncode, "the next call continues" in rest) == (2, True), "".join([*lines, rest])
    assert soon(lambda: fleet.nodes.processes() == [])
    assert list((fleet.folder / "ended" / "gates").iterdir()) == []


def test_a_node_that_is_killed_costs_its_cases(fleet: Fleet, gates: Gates) -> None:
    """While it renders one: that is rendered on the other node of its kind, which then holds the gate."""
    ben = fleet.nodes.called("ben")
    process = fleet.call("more", "--each=H100", "--strategy=full-float32,vae-tiling")
    assert process.stdout is not None
    lines = list[str]()
    for line in process.stdout:
        lines.append(line)
        if line.startswith(f"{ben}: ") and line.endswith(": started\n"):
            fleet.nodes.kill("ben")
            break
    rest, _ = process.communicate(timeout=LONGEST)
    found = fleet.gates("more", process.returncode, "".join([*lines, rest]))
    assert found.code == 0, found.said
    assert found.result("H100").answer is Answer.SAFE
    about = found.whereabouts("H100")
    lost = f"gate-H100/{lines[-1].split(': ')[2]}"
    assert about.losses == {lost: (ben,)}
    assert about.rendered_on[lost] == about.rendered_on["gate-H100"] == fleet.nodes.called("ann")

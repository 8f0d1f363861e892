"""A torch that draws other noise as the candidate, in real environments, on a CPU.

It is this torch under another version, with other numbers: a second CPU build is not to be had from most indexes.
A gate of the miniature's takes minutes, and a torch nearly a gigabyte: these run at night, FLUXGATE_NIGHTLY=1."""

from __future__ import annotations

import importlib.metadata
import os
import re
import zipfile
from pathlib import Path

import pytest

from fluxgate.gate.environments.pip import Pip
from fluxgate.gate.holding import Held, hold
from fluxgate.gate.settings import Settings
from fluxgate.gate.stacks import asked_of
from fluxgate.report.gate_result import Answer
from tests.gate.faults import louder, release, with_packages

pytestmark = [
    pytest.mark.skipif(not os.environ.get("FLUXGATE_NIGHTLY"), reason="a torch is installed anew: at night"),
    pytest.mark.timeout(3600),
]

VERSION = "2.99.0"  # bitsandbytes wants one below 3
OTHER_NOISE = """
_drawn = randn
def randn(*arguments, **more):
    return -_drawn(*arguments, **more)
"""


@pytest.fixture(scope="module")
def wheelhouse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The installed torch once more, as a newer one that draws other numbers; and a package with a fault."""
    folder = tmp_path_factory.mktemp("wheels")
    torch = importlib.metadata.distribution("torch")
    old, new = f"torch-{torch.version}.dist-info", f"torch-{VERSION}.dist-info"
    changes = {
        "torch/__init__.py": lambda text: text + OTHER_NOISE,
        "torch/version.py": lambda text: text.replace(torch.version, VERSION),
        f"{new}/METADATA": lambda text: re.sub(r"(?m)^Version: .*$", f"Version: {VERSION}", text, count=1),
    }
    names = []
    with zipfile.ZipFile(folder / f"torch-{VERSION}-py3-none-any.whl", "w") as wheel:
        for file in torch.files or ():
            name = str(file).replace(old, new, 1)
            if name.startswith("..") or name.endswith((".pyc", "/RECORD", "/INSTALLER", "/REQUESTED")):
                continue
            names.append(name)
            path = Path(str(file.locate()))
            if name in changes:
                wheel.writestr(name, changes[name](path.read_text()))
            else:
                wheel.write(path, name)
        wheel.writestr(f"{new}/RECORD", "".join(f"{name},,\n" for name in (*names, f"{new}/RECORD")))
    release(folder, "seeded_a", "1.0")
    release(folder, "seeded_a", "2.0", louder(by="1.5"))
    return folder


def gate(subject: str, wheelhouse: Path, runs: Path, *changes: str) -> Held:
    incumbent = with_packages(wheelhouse, "seeded_a")
    settings = Settings((subject,), strategies=("full",), runs=runs)
    return hold(asked_of(changes, python=incumbent.python), settings, installer=Pip(wheelhouse=wheelhouse))


def test_what_its_own_stack_holds_decides(tiny_subject: str, wheelhouse: Path, tmp_path: Path) -> None:
    """The miniature has an oracle and scenes: its pictures are others, every stage from given inputs is right."""
    held = gate("miniature", wheelhouse, tmp_path / "runs", f"torch=={VERSION}")
    (case,) = held.gated.outcomes
    assert [(move.package, move.new) for move in held.gated.moves] == [("torch", VERSION)]
    assert (held.gated.decision.answer, case.outcome, case.other_noise) == (Answer.DRIFT, "drifted", True)
    assert case.given == ()  # of what is run from given inputs, no bit moved but the draws, which are no stage's fault


def test_a_subject_that_nothing_else_holds_is_not_told_safe(
    tiny_subject: str, wheelhouse: Path, tmp_path: Path
) -> None:
    """It has no oracle, no scenes and no reference: whatever else moved would not be seen."""
    held = gate(tiny_subject, wheelhouse, tmp_path / "runs", f"torch=={VERSION}")
    assert (held.gated.decision.answer, held.finding) == (Answer.CANNOT_TELL, None)


def test_a_fault_beside_another_torch_is_found(tiny_subject: str, wheelhouse: Path, tmp_path: Path) -> None:
    """Other noise hides nothing that the oracle sees, and torch is not blamed for it."""
    held = gate("miniature", wheelhouse, tmp_path / "runs", f"torch=={VERSION}", "seeded_a==2.0")
    assert held.gated.decision.answer is Answer.NOT_SAFE
    assert held.finding is not None
    assert [move.package for move in held.finding.moves] == ["seeded-a"]

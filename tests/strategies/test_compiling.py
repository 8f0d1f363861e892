"""Tests of compiled blocks: that they are, that it is missed where they are not, and what it takes."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
diffusers = pytest.importorskip("diffusers")
pytest.importorskip("transformers")

from fluxgate.machine import Machine  # noqa: E402
from fluxgate.strategies.compiling import compiler, has_blocks  # noqa: E402
from fluxgate.subjects.subject import Subject  # noqa: E402
from tests.strategies.looking import SUBJECT, look  # noqa: E402
from tests.strategies.machines import CPU, H100, NEW  # noqa: E402
from tests.strategies.named import strategy_named  # noqa: E402
from tests.strategies.taking import DENOISER, Patch, no_call  # noqa: E402
from tests.wording import unsaid  # noqa: E402


def test_blocks_that_were_not_compiled_are_missed(miniature_folder: Path, tmp_path: Path, monkeypatch: Patch) -> None:
    """A call that does nothing leaves no compiled block, and no graph."""
    no_call(DENOISER, "compile_repeated_blocks")(monkeypatch)
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()
    seen = look(strategy_named("compiled"), miniature_folder, tmp_path)
    compiled, graphs, blocks = seen.missing
    assert not unsaid(compiled, "transformer", "compiled", "expected on")
    assert not unsaid(graphs, "graphs compiled: 0", "at least 1")
    assert not unsaid(blocks, "blocks that were not compiled: 6", "at most 0")


@pytest.mark.parametrize("machine, name", [(CPU, "g++"), (H100, "gcc")])
def test_without_a_compiler_it_cannot_run(machine: Machine, name: str, monkeypatch: Patch) -> None:
    """The reason names what would do."""
    monkeypatch.setattr(shutil, "which", lambda name: None)
    reason = strategy_named("compiled").unsupported(SUBJECT, machine, NEW)
    assert not unsaid(str(reason), "C compiler", "torch.compile")
    assert name in str(reason)


def test_one_compiler_is_enough(monkeypatch: Patch) -> None:
    """torch takes any of them."""
    monkeypatch.setattr(shutil, "which", lambda name: "/usr/bin/clang++" if name == "clang++" else None)
    assert "a C compiler" not in str(compiler(SUBJECT, CPU, NEW))


def test_a_denoiser_that_names_no_blocks_is_left_out() -> None:
    """FLUX's does, and PixArt's does not."""
    pixart = Subject("s", "s", "hub:o/n", (), pipeline="PixArtSigmaPipeline")
    assert has_blocks(SUBJECT, CPU, NEW) is None
    assert not unsaid(str(has_blocks(pixart, CPU, NEW)), "which of its blocks")

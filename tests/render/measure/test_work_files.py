"""Tests of counting weight files: by their bytes, in modules that come meanwhile too; nothing is left behind."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

torch = pytest.importorskip("torch")
safetensors = pytest.importorskip("safetensors")

from safetensors.torch import load_file, save_file  # noqa: E402

from fluxgate.render.measure.work_files import READ, WRITTEN, weight_files_counted  # noqa: E402


@pytest.fixture
def file(tmp_path: Path) -> Path:
    save_file({"weight": torch.ones(4, 8)}, tmp_path / "part.safetensors")
    return tmp_path / "part.safetensors"


@pytest.fixture
def module() -> Iterator[ModuleType]:
    """One that is there to take names of safetensors', as libraries do."""
    module = ModuleType("takes_names")
    sys.modules[module.__name__] = module
    yield module
    del sys.modules[module.__name__]


def counted(call: Any) -> dict[tuple[str, str], int]:
    found: dict[tuple[str, str], int] = {}

    def add(section: str, what: str, number: int = 1) -> None:
        found[section, what] = found.get((section, what), 0) + number

    with weight_files_counted(add):
        call()
    return found


def test_a_file_counts_as_often_as_it_is_opened(file: Path) -> None:
    """With its bytes, whatever is read of it; what is written is told apart."""
    size = file.stat().st_size
    assert counted(lambda: (load_file(file), load_file(file))) == {("moves", READ): 2, ("bytes", READ): 2 * size}
    assert counted(lambda: save_file({"weight": torch.ones(4, 8)}, file)) == {
        ("moves", WRITTEN): 1,
        ("bytes", WRITTEN): size,
    }


def test_a_module_that_comes_meanwhile_has_the_real_function_afterwards(file: Path, module: Any) -> None:
    """It takes the one that counts, which must not stay."""
    real = safetensors.safe_open

    def imported() -> None:
        module.safe_open = safetensors.safe_open
        module.safe_open(file, "pt")

    assert counted(imported)["moves", READ] == 1
    assert module.safe_open is real
    assert safetensors.safe_open is real


def test_a_function_of_that_name_that_is_none_of_safetensors_is_left_alone(module: Any) -> None:
    module.safe_open = len
    assert counted(lambda: module.safe_open("file")) == {}
    assert module.safe_open is len

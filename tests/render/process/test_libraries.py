"""Tests of importing the libraries: what they may ask meanwhile, what was imported, and what is wrong with it."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import pytest

from fluxgate.machine import Gpu
from fluxgate.render.process import libraries


def test_libraries_learn_the_capability_without_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    """While they are imported the driver's management library answers, afterwards torch again."""
    gpus = (Gpu("A", "GPU-1", 1, "9.0", "580"), Gpu("B", "GPU-2", 1, "8.6", "580"))
    monkeypatch.setattr("fluxgate.render.process.libraries.visible_gpus", lambda: gpus)

    def asked(device: Any = None) -> tuple[int, int]:
        raise AssertionError("this would initialise CUDA")

    torch = SimpleNamespace(cuda=SimpleNamespace(get_device_capability=asked))
    with libraries.answers_from_driver(torch):
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
    monkeypatch.setattr(
        "fluxgate.render.process.libraries.visible_gpus", lambda: (Gpu("A", "GPU-1", 1, capability, "580"),)
    )
    monkeypatch.setattr(triton, "has_triton_package", lambda: package)
    asked = triton.has_triton
    with libraries.answers_from_driver(pytest.importorskip("torch")):
        assert triton.has_triton() is usable
    assert triton.has_triton is asked


def test_a_torch_without_that_module_is_imported_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is torch's own business, and a release may drop it; the rest is answered as before."""
    monkeypatch.setattr("fluxgate.render.process.libraries.visible_gpus", lambda: (Gpu("A", "GPU-1", 1, "9.0", "580"),))
    monkeypatch.setitem(sys.modules, "torch.utils._triton", None)
    monkeypatch.delattr("torch.utils._triton", raising=False)
    torch = SimpleNamespace(cuda=SimpleNamespace(get_device_capability=None))
    with libraries.answers_from_driver(torch):
        capability: Any = torch.cuda.get_device_capability
        assert capability() == (9, 0)
    assert torch.cuda.get_device_capability is None


def test_a_name_that_a_library_no_longer_has_is_missed_later() -> None:
    """Importing everything must not fail for what this case may not need."""
    libraries._touch(SimpleNamespace(), "FluxPipeline")

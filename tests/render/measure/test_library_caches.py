"""Tests of emptying libraries' caches of functions: what they kept goes, and what is somebody else's stays."""

from __future__ import annotations

import gc
import sys
import weakref
from functools import lru_cache
from types import ModuleType

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")
QWEN = "diffusers.models.transformers.transformer_qwenimage"
QwenEmbedRope = pytest.importorskip(QWEN, reason="this diffusers has no Qwen-Image").QwenEmbedRope

from fluxgate.render.measure.library_caches import empty_library_caches  # noqa: E402
from fluxgate.render.measure.meter import Meter  # noqa: E402

if not hasattr(QwenEmbedRope, "_get_device_freqs"):
    pytest.skip("this diffusers keeps no rotations of Qwen-Image", allow_module_level=True)


def kept_by_diffusers() -> weakref.ref[object]:
    """A module that nobody but a cache on one of its methods refers to."""
    rotations = QwenEmbedRope(10000, [4, 6, 6])
    rotations._get_device_freqs(torch.device("cpu"))
    return weakref.ref(rotations)


def test_a_module_that_a_cache_keeps_is_let_go() -> None:
    """diffusers keeps Qwen-Image's rotations, and the module that they are of, for as long as the process lives."""
    reference = kept_by_diffusers()
    gc.collect()
    assert reference() is not None
    empty_library_caches()
    gc.collect()
    assert reference() is None


def test_caches_of_others_stay() -> None:
    """A leak of a strategy's own is no library's."""
    calls = []

    @lru_cache
    def ours() -> None:
        calls.append(1)

    ours()
    empty_library_caches()
    ours()
    assert len(calls) == 1


def test_a_module_that_imports_what_it_is_asked_for_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """transformers 5.12 has such modules, and without torchvision one of them raises."""

    def import_another(name: str) -> None:
        raise ModuleNotFoundError(f"No module named 'torchvision', for {name}")

    lazy, parent = ModuleType("transformers.models.lazy"), ModuleType("transformers.models.parent")
    vars(lazy)["__getattr__"] = import_another
    vars(parent)["lazy"] = lazy
    monkeypatch.setitem(sys.modules, "transformers.models.parent", parent)
    empty_library_caches()


def test_the_meter_tells_what_the_caches_kept() -> None:
    """Two tables of 4096 rotations in eight complex numbers each, to the byte, on top of what else is alive."""
    empty_library_caches()
    meter = Meter("cpu")
    reference = kept_by_diffusers()
    found = meter.after()
    meter.close()
    assert reference() is None
    assert (found.held_by_caches, found.held_by_pipeline) == (
        2 * 4096 * 8 * 8,
        (found.held_after or 0) - 2 * 4096 * 8 * 8,
    )

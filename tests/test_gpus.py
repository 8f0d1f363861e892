"""Tests of the GPUs that this machine has, by what its driver says."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fluxgate import gpus
from fluxgate.gpus import Gpu, memory_in_use, visible_gpus
from fluxgate.refusal import Refusal

H100 = Gpu("NVIDIA H100 80GB HBM3", "GPU-aaaa", 85_000_000_000, "9.0", "580.159.04")
A40 = Gpu("NVIDIA A40", "GPU-bbbb", 48_000_000_000, "8.6", "580.159.04")


@pytest.fixture(autouse=True)
def unasked() -> Iterator[None]:
    """The driver has not been asked yet, and what a test's says is forgotten."""
    asked = (gpus._all_gpus, gpus._library)
    for each in asked:
        each.cache_clear()
    yield
    for each in asked:
        each.cache_clear()


@pytest.mark.parametrize(
    ("asked", "seen"),
    [
        (None, (H100, A40)),
        ("", ()),
        ("  ", ()),
        ("1", (A40,)),
        ("1,0", (A40, H100)),
        ("GPU-bb", (A40,)),
        ("-1", ()),
        ("0,7,1", (H100,)),
        ("nonsense", ()),
    ],
)
def test_the_gpus_that_cuda_would_see(
    monkeypatch: pytest.MonkeyPatch, asked: str | None, seen: tuple[Gpu, ...]
) -> None:
    """In the order that CUDA_VISIBLE_DEVICES gives, up to the first entry that names none."""
    monkeypatch.setattr(gpus, "_all_gpus", lambda: (H100, A40))
    assert visible_gpus({} if asked is None else {"CUDA_VISIBLE_DEVICES": asked}) == seen


class NVMLError(Exception):
    pass


def nvml(*, fails: str = "", text: type = str) -> Any:
    """The driver's library with one GPU; one of its functions may fail."""

    def answer(name: str, value: Any) -> Any:
        def function(*_: Any, **__: Any) -> Any:
            if name == fails:
                raise NVMLError("it does not answer")
            return value

        return function

    def named(words: str) -> Any:
        return words.encode() if text is bytes else words

    values = {
        "nvmlInit": None,
        "nvmlShutdown": None,
        "nvmlDeviceGetCount": 1,
        "nvmlDeviceGetHandleByIndex": "handle",
        "nvmlDeviceGetCudaComputeCapability": (9, 0),
        "nvmlDeviceGetName": named(H100.name),
        "nvmlDeviceGetUUID": named(H100.uuid),
        "nvmlDeviceGetHandleByUUID": "handle",
        "nvmlDeviceGetMemoryInfo": SimpleNamespace(total=H100.memory, used=5_000_000),
        "nvmlSystemGetDriverVersion": named(H100.driver),
    }
    return SimpleNamespace(
        NVMLError=NVMLError, nvmlMemory_v2=2, **{name: answer(name, value) for name, value in values.items()}
    )


@pytest.mark.parametrize("text", [str, bytes])
def test_the_driver_describes_its_gpus(monkeypatch: pytest.MonkeyPatch, text: type) -> None:
    """In text or, with older releases of the library, in bytes."""
    monkeypatch.setitem(sys.modules, "pynvml", nvml(text=text))
    assert visible_gpus({}) == (H100,)


def test_the_driver_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which of its GPUs are seen depends on the environment; what they are does not."""
    monkeypatch.setitem(sys.modules, "pynvml", nvml())
    assert visible_gpus({}) == (H100,)
    monkeypatch.setitem(sys.modules, "pynvml", nvml(fails="nvmlInit"))
    assert visible_gpus({}) == (H100,)
    assert visible_gpus({"CUDA_VISIBLE_DEVICES": ""}) == ()


def test_no_driver_is_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """The library is installed, the driver is not."""
    monkeypatch.setitem(sys.modules, "pynvml", nvml(fails="nvmlInit"))
    assert visible_gpus({}) == ()


def test_a_driver_that_fails_to_describe_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A GPU that cannot be named cannot be measured."""
    monkeypatch.setitem(sys.modules, "pynvml", nvml(fails="nvmlDeviceGetUUID"))
    with pytest.raises(Refusal, match="GPUs: it does not answer"):
        visible_gpus({})


def test_a_gpu_without_the_library_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Not silently taken for a CPU; where there is no GPU either, nothing is missing."""
    monkeypatch.setitem(sys.modules, "pynvml", None)
    monkeypatch.setattr(gpus, "Path", lambda name: tmp_path / "nvidia0")
    assert visible_gpus({}) == ()
    (tmp_path / "nvidia0").touch()
    for each in (gpus._all_gpus, gpus._library):
        each.cache_clear()
    with pytest.raises(Refusal, match="nvidia-ml-py"):
        visible_gpus({})


def test_the_memory_that_is_in_use(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of all the GPUs that are named."""
    monkeypatch.setitem(sys.modules, "pynvml", nvml())
    assert memory_in_use([H100.uuid, A40.uuid]) == 10_000_000


@pytest.mark.parametrize("fails", ["nvmlInit", "nvmlDeviceGetHandleByUUID", "nvmlDeviceGetMemoryInfo"])
def test_a_driver_that_does_not_say_what_is_in_use(monkeypatch: pytest.MonkeyPatch, fails: str) -> None:
    """An older one, perhaps: then nobody knows."""
    monkeypatch.setitem(sys.modules, "pynvml", nvml(fails=fails))
    assert memory_in_use([H100.uuid]) is None

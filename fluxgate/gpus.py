"""The GPUs of this machine, as the driver's management library describes them: no process touches one for that."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from fluxgate.refusal import Refusal


@dataclass(frozen=True)
class Gpu:
    """One GPU as the driver's management library describes it."""

    name: str
    uuid: str
    memory: int
    capability: str
    driver: str


def visible_gpus(environment: Mapping[str, str] = os.environ) -> tuple[Gpu, ...]:
    """The GPUs that CUDA would see here, in its order; empty where there is no driver."""
    devices = environment.get("CUDA_VISIBLE_DEVICES")
    if devices is not None and not devices.strip():
        return ()
    gpus = _all_gpus()
    return gpus if devices is None else _chosen(gpus, devices)


def _chosen(gpus: tuple[Gpu, ...], devices: str) -> tuple[Gpu, ...]:
    """What CUDA_VISIBLE_DEVICES leaves: like CUDA, all before the first entry that names nothing."""
    chosen: list[Gpu] = []
    for entry in (part.strip() for part in devices.split(",")):
        if entry.isdigit() and int(entry) < len(gpus):
            chosen.append(gpus[int(entry)])
        elif matching := [gpu for gpu in gpus if entry.startswith("GPU-") and gpu.uuid.startswith(entry)]:
            chosen.append(matching[0])
        else:
            break
    return tuple(chosen)


def memory_in_use(uuids: Iterable[str]) -> int | None:
    """Bytes of these GPUs that any process holds, but for what the driver keeps for itself; None where nobody says."""
    nvml = _library()
    if nvml is None:
        return None
    try:
        handles = [nvml.nvmlDeviceGetHandleByUUID(uuid) for uuid in uuids]
        return sum(int(nvml.nvmlDeviceGetMemoryInfo(each, version=nvml.nvmlMemory_v2).used) for each in handles)
    except (nvml.NVMLError, AttributeError, TypeError):  # older drivers and releases of nvidia-ml-py
        return None


@cache
def _all_gpus() -> tuple[Gpu, ...]:
    """Asked for once: the driver takes its time to answer, and every case asks."""
    nvml = _library()
    if nvml is None:
        return ()
    try:
        return tuple(_gpu(nvml, index) for index in range(nvml.nvmlDeviceGetCount()))
    except nvml.NVMLError as error:
        raise Refusal(f"The driver does not describe its GPUs: {error}.") from error


@cache
def _library() -> Any:
    """The driver's management library, open for as long as this process lives; None where there is no driver."""
    try:
        import pynvml
    except ImportError:
        if Path("/dev/nvidia0").exists():
            raise Refusal("There is a GPU, but nvidia-ml-py, which describes it, is not installed.") from None
        return None
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return None
    return pynvml


def _gpu(nvml: Any, index: int) -> Gpu:
    handle = nvml.nvmlDeviceGetHandleByIndex(index)
    major, minor = nvml.nvmlDeviceGetCudaComputeCapability(handle)
    return Gpu(
        name=_text(nvml.nvmlDeviceGetName(handle)),
        uuid=_text(nvml.nvmlDeviceGetUUID(handle)),
        memory=int(nvml.nvmlDeviceGetMemoryInfo(handle).total),
        capability=f"{major}.{minor}",
        driver=_text(nvml.nvmlSystemGetDriverVersion()),
    )


def _text(value: str | bytes) -> str:
    """A text that older releases of nvidia-ml-py give as bytes."""
    return value.decode() if isinstance(value, bytes) else value

"""The GPUs of this machine, as the driver's management library describes them: no process touches one for that."""

from __future__ import annotations

import os
from collections.abc import Mapping
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


@cache
def _all_gpus() -> tuple[Gpu, ...]:
    """Asked for once: the driver takes its time to answer, and every case asks."""
    try:
        import pynvml
    except ImportError:
        if Path("/dev/nvidia0").exists():
            raise Refusal("There is a GPU, but nvidia-ml-py, which describes it, is not installed.") from None
        return ()
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return ()
    try:
        return tuple(_gpu(pynvml, index) for index in range(pynvml.nvmlDeviceGetCount()))
    except pynvml.NVMLError as error:
        raise Refusal(f"The driver does not describe its GPUs: {error}.") from error
    finally:
        pynvml.nvmlShutdown()


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

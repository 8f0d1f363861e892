"""Weights that wait on the CPU, or on disk, and visit the GPU when they are needed."""

from __future__ import annotations

from typing import Any

from suite.strategies.effects import SUBJECT_DTYPE, Hooked, Placed, Stored, Unhooked
from suite.strategies.promise import Site, strategy


@strategy(effects=(Unhooked(), Stored(SUBJECT_DTYPE), Placed("cuda")))
def full(site: Site) -> Any:
    """Everything on the device in the subject's own dtype: the reference of all."""
    return site.pipeline().to(site.device)


@strategy(reproduces="full", less_memory_than="full", effects=(Hooked("CpuOffload"), Placed("cpu")))
def model_offload(site: Site) -> Any:
    """Whole components wait on the CPU and visit the GPU in turn."""
    pipe = site.pipeline()
    pipe.enable_model_cpu_offload(device=site.device)
    return pipe

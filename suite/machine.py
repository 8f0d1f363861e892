"""The machine, as it decides pixels, and the stack of gated libraries on top of it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Machine:
    """The hardware and the layer under the gated libraries."""

    id: str  # short, readable, a valid file name: "h100-80gb-hbm3-torch2.11.0-cu130", "cpu-avx512-torch2.13.0"
    device: str  # "cuda" or "cpu": what pipelines run on
    name: str  # "NVIDIA H100 80GB HBM3", or the CPU's model name
    count: int  # GPUs, or logical cores
    memory: int  # bytes on one GPU, or of the machine
    capability: str  # "9.0" for a GPU; the instruction set torch uses on a CPU
    torch: str
    cuda: str | None
    driver: str | None
    python: str
    system: str


Stack = dict[str, str]  # package -> version; a package that is not installed is absent

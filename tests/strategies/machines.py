"""Machines and stacks for tests: an H100, two of them, a CPU; the newest libraries and the oldest."""

from __future__ import annotations

from dataclasses import replace

from fluxgate.machine import Machine, Stack

H100 = Machine(
    id="h100-80gb-hbm3-torch2.11.0-cu130",
    device="cuda",
    name="NVIDIA H100 80GB HBM3",
    count=1,
    memory=85_000_000_000,
    capability="9.0",
    torch="2.11.0",
    cuda="13.0",
    driver="580.0",
    python="3.12",
    system="Linux",
)
TWO = replace(H100, count=2)
CPU = replace(H100, id="cpu-avx512-torch2.13.0", device="cpu", name="a CPU", count=2, cuda=None, driver=None)

NEW: Stack = {
    "diffusers": "0.42.1",
    "transformers": "5.17.0",
    "accelerate": "1.15.0",
    "bitsandbytes": "0.50.2",
    "torchao": "0.17.0",
    "optimum-quanto": "0.2.7",
    "gguf": "0.19.0",
    "peft": "0.21.2",
}
OLD: Stack = {"diffusers": "0.33.1", "transformers": "4.48.0", "accelerate": "1.2.0", "bitsandbytes": "0.46.0"}

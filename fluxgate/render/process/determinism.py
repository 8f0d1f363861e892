"""The one place that fixes what torch may choose freely, and notes it."""

from __future__ import annotations

import os
from typing import Any

from fluxgate.render.process import bfloat16

# Set before the first use of a library; a value that the user has set stays and is noted.
VARIABLES = {
    "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
    "PYTORCH_NVML_BASED_CUDA_CHECK": "1",
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "OMP_WAIT_POLICY": "PASSIVE",  # else threads spin while they wait: on a busy machine a case takes ten times as long
}

# On a CPU the number of threads decides where a batch is split, and bfloat16 rounds differently there: it is the same
# on every machine, whatever its cores are and OMP_NUM_THREADS says. docs/limits.md has what other numbers do.
CPU_THREADS = 2
MOST_THREADS = 1024
OMP_THREADS = "OMP_NUM_THREADS"  # beside a GPU; torch reads it while it is imported, and a job may have another one
THREADS = "FLUXGATE_CPU_THREADS"  # another number, to measure what it does

# MKL multiplies a row of float32 by a matrix with other kernels where that does not lie at a multiple of 64 bytes, as
# in a file that is mapped; a strategy that copies it gives other pixels then. "AUTO" has MKL take the same kernels
# wherever numbers lie. It is read at the first product of float32 in a process, or in the one that it was
# forked from: whatever is imported before must not multiply.
SAME_WHEREVER_IT_LIES = ("MKL_CBWR", "AUTO")

# Noted because they can move a pixel, a byte or a second.
NOTED = (
    "CUBLAS_WORKSPACE_CONFIG",
    "PYTHONHASHSEED",
    "OMP_NUM_THREADS",
    THREADS,
    "MKL_NUM_THREADS",
    "MKL_CBWR",
    "ATEN_CPU_CAPABILITY",
    "ONEDNN_MAX_CPU_ISA",
    "DNNL_MAX_CPU_ISA",
    "PYTORCH_CUDA_ALLOC_CONF",
    "PYTORCH_ALLOC_CONF",
    "CUDA_VISIBLE_DEVICES",
    "CUDA_LAUNCH_BLOCKING",
    "NVIDIA_TF32_OVERRIDE",
    "MALLOC_ARENA_MAX",
)


DRAWN = ("float32", "float16", "bfloat16")
DRAWS = 16  # numbers; torch draws fewer by other code


def settle(device: str, *, dtype: str | None = None) -> dict[str, str]:
    """Make the same call give the same pixels on this machine, and say how.

    dtype: that of the pipeline's weights."""
    import torch

    if device == "cpu" and dtype == "float32":
        os.environ.setdefault(*SAME_WHEREVER_IT_LIES)
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True
    if device == "cpu":
        torch.set_num_threads(_cpu_threads())
        if not bfloat16.is_native():
            bfloat16.widen()
    elif (threads := _threads_of(OMP_THREADS)) is not None:
        torch.set_num_threads(threads)
    # Not torch.use_deterministic_algorithms: it forbids attention kernels that people run, and whose memory and speed
    # are to be measured. Every case is checked for whether it repeats itself.
    torch.manual_seed(0)  # for a strategy that draws a number of its own
    return {**_settings(torch), **noted_variables(), "device": device, "generator": "cpu"}


def draws() -> dict[str, tuple[float, ...]]:
    """What a CPU's generator draws first in each dtype. Releases of torch differ in whether these are the same numbers,
    and pictures that start from other numbers are other pictures."""
    import torch

    noise_by_dtype = {}
    for dtype in DRAWN:
        seeded = torch.Generator("cpu").manual_seed(0)
        noise = torch.randn(DRAWS, generator=seeded, dtype=getattr(torch, dtype))
        noise_by_dtype[dtype] = tuple(round(value, 2) for value in noise.tolist())
    return noise_by_dtype


def _cpu_threads() -> int:
    return _threads_of(THREADS) or CPU_THREADS


def _threads_of(variable: str) -> int | None:
    threads = os.environ.get(variable, "")
    return int(threads) if threads.isdecimal() and 0 < int(threads) <= MOST_THREADS else None


def _settings(torch: Any) -> dict[str, str]:
    return {
        "cuda.matmul.allow_tf32": str(torch.backends.cuda.matmul.allow_tf32),
        "cudnn.allow_tf32": str(torch.backends.cudnn.allow_tf32),
        "cudnn.benchmark": str(torch.backends.cudnn.benchmark),
        "cudnn.deterministic": str(torch.backends.cudnn.deterministic),
        "deterministic_algorithms": str(torch.are_deterministic_algorithms_enabled()),
        "threads": str(torch.get_num_threads()),
        "cpu_capability": str(torch.backends.cpu.get_cpu_capability()),
        "bfloat16 on the CPU": "computed in float32" if bfloat16.is_wide() else "as torch has it",
    }


def noted_variables() -> dict[str, str]:
    """The environment variables that matter, each with its value or the fact that it is not set."""
    return {name: os.environ.get(name, "not set") for name in NOTED}

"""The settings of torch and of the process that loading a pipeline and calling it should leave as they were."""

from __future__ import annotations

import gc
import logging
import os
from typing import Any

# Of the environment: what decides which device, kernels, memory and files whatever starts later has.
VARIABLES = (
    "CUBLAS_WORKSPACE_CONFIG",
    "CUDA_VISIBLE_DEVICES",
    "HF_HUB_OFFLINE",
    "MKL_NUM_THREADS",
    "NVIDIA_TF32_OVERRIDE",
    "OMP_NUM_THREADS",
    "PYTORCH_ALLOC_CONF",
    "PYTORCH_CUDA_ALLOC_CONF",
)


def process_settings() -> dict[str, str]:
    """By name, in words; whoever changes one changes what everything else in the process computes, frees or says."""
    import torch

    return {
        "torch's default dtype": str(torch.get_default_dtype()),
        "torch's default device": str(torch.get_default_device()),
        "torch's recording of gradients": str(torch.is_grad_enabled()),
        "torch's precision of products": torch.get_float32_matmul_precision(),
        "torch's number of threads": str(torch.get_num_threads()),
        "torch's deterministic algorithms": str(torch.are_deterministic_algorithms_enabled()),
        "torch's choice of convolutions": _convolutions(torch.backends.cudnn),
        "torch's kernels of attention": _attention(torch.backends.cuda),
        "the seed of torch's own generator": str(torch.initial_seed()),
        "Python's garbage collector": "on" if gc.isenabled() else "off",
        "the level up to which nothing is logged": str(logging.root.manager.disable),
        "working directory": os.getcwd(),
        **{f"the environment's {name}": os.environ.get(name, "not set") for name in VARIABLES},
    }


def _convolutions(cudnn: Any) -> str:
    return f"benchmark {cudnn.benchmark}, deterministic {cudnn.deterministic}, TF32 {cudnn.allow_tf32}"


def _attention(cuda: Any) -> str:
    """Which of them torch may take, on a CPU too."""
    names = ("flash", "mem_efficient", "math", "cudnn")
    known = {name: getattr(cuda, f"{name}_sdp_enabled", None) for name in names}
    return ", ".join(f"{name} {enabled()}" for name, enabled in known.items() if enabled is not None)

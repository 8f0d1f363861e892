"""The settings of torch and of the process that loading a pipeline and calling it should leave as they were."""

from __future__ import annotations

import os


def process_settings() -> dict[str, str]:
    """By name, in words; whoever changes one changes what everything else in the process computes."""
    import torch

    return {
        "torch's default dtype": str(torch.get_default_dtype()),
        "torch's default device": str(torch.get_default_device()),
        "torch's recording of gradients": str(torch.is_grad_enabled()),
        "torch's precision of products": torch.get_float32_matmul_precision(),
        "torch's number of threads": str(torch.get_num_threads()),
        "torch's deterministic algorithms": str(torch.are_deterministic_algorithms_enabled()),
        "working directory": os.getcwd(),
    }

"""Faults in what loading a pipeline leaves changed in the process."""

from __future__ import annotations

import os
import random
import signal
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

from fluxgate.prove.fault import Fault, Fired, Loaded
from fluxgate.prove.targets import DIFFUSERS


def _one_thread_more() -> None:
    import torch

    torch.set_num_threads(torch.get_num_threads() + 1)


def _without_gradients() -> None:
    import torch

    torch.set_grad_enabled(False)


def _without_onednn() -> None:
    import torch

    torch.backends.mkldnn.set_flags(False)


def _denormals_flushed() -> None:
    import torch

    torch.set_flush_denormal(True)


def _without_reduced_precision() -> None:
    import torch

    matmul: Any = torch.backends.cuda.matmul
    matmul.allow_bf16_reduced_precision_reduction = not matmul.allow_bf16_reduced_precision_reduction


def _numpy_raises() -> None:
    import numpy as np

    np.seterr(all="raise")


def _numpy_seeded() -> None:
    import numpy as np

    np.random.seed(0)


def _interrupts_ignored() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _kernels_one_by_one() -> None:
    os.environ["CUDA_LAUNCH_BLOCKING"] = "1"


def _hub_elsewhere() -> None:
    os.environ["HF_HOME"] = os.getcwd()


def _leaving(name: str, about: str, change: Callable[[], None], like: str) -> Fault:
    def loaded(pipe: Any, fired: Fired) -> None:
        change()
        fired(pipe)

    return Fault(name, about, Loaded(loaded), like, packages=(*DIFFUSERS, "transformers", "bitsandbytes"))


FAULTS = (
    _leaving("threads-changed", "torch's number of threads is another", _one_thread_more, "an offline benchmark"),
    _leaving("gradients-off", "gradients stay off", _without_gradients, "a context that an error leaves open"),
    _leaving("onednn-off", "torch's oneDNN kernels are off", _without_onednn, "a workaround for a processor"),
    _leaving("denormals-flushed", "the smallest numbers become zero", _denormals_flushed, "a library's -ffast-math"),
    _leaving(
        "reduced-precision",
        "another precision of sums in products is allowed",
        _without_reduced_precision,
        "torch's switches for GPUs",
    ),
    _leaving("numpy-raises", "numpy raises where it warned", _numpy_raises, "a check for NaNs"),
    _leaving("numpy-seeded", "numpy's own generator is seeded", _numpy_seeded, "seeds that are set within a library"),
    _leaving(
        "python-seeded",
        "Python's own generator is seeded",
        partial(random.seed, 0),
        "seeds that are set within a library",
    ),
    _leaving(
        "warnings-silenced",
        "nothing is warned of any more",
        partial(warnings.simplefilter, "ignore"),
        "a library that is tired of deprecations",
    ),
    _leaving("interrupts-ignored", "interrupts are ignored", _interrupts_ignored, "handlers of a pool of processes"),
    _leaving("kernels-one-by-one", "CUDA waits for each kernel", _kernels_one_by_one, "an environment for debugging"),
    _leaving("hub-elsewhere", "the hub's cache is in another folder", _hub_elsewhere, "an environment for a cluster"),
)

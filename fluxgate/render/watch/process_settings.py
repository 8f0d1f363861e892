"""The settings of torch and of the process that loading a pipeline and calling it should leave as they were."""

from __future__ import annotations

import builtins
import gc
import locale
import logging
import multiprocessing
import os
import random
import signal
import socket
import sys
import tempfile
import threading
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Of the environment: what decides which device, kernels, memory and files whatever starts later has.
DECIDING = (
    "ACCELERATE_",
    "ATEN_",
    "BITSANDBYTES_",
    "BNB_",
    "CUBLAS_",
    "CUDA_",
    "CUDNN_",
    "DIFFUSERS_",
    "DNNL_",
    "HF_",
    "KMP_",
    "LD_",
    "MALLOC_",
    "MKL_",
    "NVIDIA_",
    "OMP_",
    "ONEDNN_",
    "OPENBLAS_",
    "PYTHON",
    "PYTORCH_",
    "TMPDIR",
    "TOKENIZERS_",
    "TRANSFORMERS_",
    "TRITON_",
)
# What torch sets itself once it uses a GPU, or compiles for one.
TORCHS_OWN = ("CUDA_MODULE_LOADING", "TRITON_CACHE_DIR", "TRITON_LIBDEVICE_PATH", "TRITON_PTXAS_PATH")
HANDLED = (signal.SIGINT, signal.SIGTERM)
COMPILER = ("torch._dynamo.", "torch._compile")
LEVELS = ("", "diffusers", "transformers", "accelerate", "huggingface_hub")  # of these logs; the first is the root
STATE = 624  # numbers that a generator of Python's or numpy's has before it makes the next as many of them
# By a library that draws from such a generator, and leaves its seed alone: the noise of a few pictures, in numpy. To
# follow so many takes 0.2 s, and only where a generator was used that much, or seeded.
MOST_DRAWN = 10_000 * STATE


@dataclass(frozen=True)
class ProcessSettings:
    """What they are now."""

    told: Mapping[str, object]  # by name: words, or the functions themselves
    variables: Mapping[str, str]  # of the environment
    generators: Mapping[str, tuple[int, ...]]  # by name, the numbers that a generator goes on from

    def changed(self, now: ProcessSettings) -> Iterator[str]:
        """The names of those that are others now."""
        yield from (name for name, before in self.told.items() if not _is_kept(before, now.told[name]))
        for name in sorted({*self.variables, *now.variables}):
            if self.variables.get(name) != now.variables.get(name):
                yield f"the environment's {name}"
        for name, numbers in self.generators.items():
            if not _goes_on(numbers, now.generators[name]):
                yield name


def process_settings() -> ProcessSettings:
    """Whoever changes one changes what everything else in the process computes, frees or says."""
    variables = {name: value for name, value in os.environ.items() if name.startswith(DECIDING)}
    for name in TORCHS_OWN:
        variables.pop(name, None)
    return ProcessSettings({**_of_torch(), **_of_python()}, variables, _generators())


def _of_torch() -> dict[str, object]:
    import torch

    return {
        "torch's default dtype": str(torch.get_default_dtype()),
        "torch's default device": _default_device(),
        "torch's recording of gradients": str((torch.is_grad_enabled(), torch.is_inference_mode_enabled())),
        "torch's search for anomalies": str(torch.is_anomaly_enabled()),
        "torch's casts by itself": str([torch.is_autocast_enabled(device) for device in ("cpu", "cuda")]),
        "torch's modes": _modes(),
        "torch's hooks of all modules": _hooks_of_all(torch.nn.modules.module),
        "torch's initializers": _functions(torch.nn.init),
        "torch's functions of networks": _functions(torch.nn.functional),
        "torch's own functions": {name: one for name, one in _functions(torch).items() if not isinstance(one, type)},
        "torch's functions of tensors": _functions(torch.Tensor),
        "how torch makes modules": {name: _functions(kind) for name, kind in _kinds(torch.nn).items()},
        "torch's sharing of memory": torch.multiprocessing.get_sharing_strategy(),
        "torch's precision of products": _precision(),
        "torch's precision of sums in products": _sums(torch.backends.cuda.matmul),
        "torch's number of threads": str(torch.get_num_threads()),
        "torch's deterministic algorithms": str(torch.are_deterministic_algorithms_enabled()),
        "torch's filling of new memory": str(torch.utils.deterministic.fill_uninitialized_memory),
        "torch's choice of convolutions": _convolutions(torch.backends.cudnn),
        "torch's kernels of attention": _attention(torch.backends.cuda),
        "torch's share of the GPU's memory": _share_of_memory(torch.cuda),
        "torch's compiler": _compiler(),
        "torch's use of oneDNN": str(torch.backends.mkldnn.enabled),
        "the seed of torch's own generator": str(torch.initial_seed()),
    }


def _of_python() -> dict[str, object]:
    import numpy as np
    from PIL import Image, ImageFile

    return {
        "Python's own functions": _functions(builtins),
        "Python's garbage collector": "on" if gc.isenabled() else "off",
        "when Python collects garbage": str(gc.get_threshold()),
        "how often Python goes on with another thread": str(sys.getswitchinterval()),
        "what becomes of errors that nobody handles": [_named(one.excepthook) for one in (sys, threading)],
        "the level up to which nothing is logged": str(logging.root.manager.disable),
        "the levels of what is logged": str([logging.getLogger(name).level for name in LEVELS]),
        "what Python warns of": "nothing" if any(map(_hides_all, warnings.filters)) else "something",
        "what numpy does about what it cannot compute": str(np.geterr()),
        "what becomes of the smallest numbers": "kept" if sys.float_info.min / 2 else "flushed to zero",
        "what Pillow takes for a picture": str((ImageFile.LOAD_TRUNCATED_IMAGES, Image.MAX_IMAGE_PIXELS)),
        "working directory": os.getcwd(),
        "the folder of temporary files": tempfile.gettempdir(),
        "who may read new files": _umask(),
        "which processors it may use": _processors(),
        "what the system lets it have": _system_limits(),
        "how Python starts processes": _start_method(),
        "how long Python waits for a network": str(socket.getdefaulttimeout()),
        "the language of numbers and texts": locale.setlocale(locale.LC_ALL),
        **{f"what becomes of {one.name}": _named(signal.getsignal(one)) for one in HANDLED},
    }


def _hides_all(one: Any) -> bool:
    """Whether one of Python's filters hides every warning, whatever it says and wherever it comes from."""
    action, message, category, module, line = one
    return action == "ignore" and category is Warning and message is None and module is None and not line


def _is_kept(before: Any, now: Any) -> bool:
    """Whether it is as before. Functions that came beside others, as transformers adds one to torch's modules, are;
    so are those that torch's own compiler puts in the place of others for good."""
    if isinstance(before, dict):
        return isinstance(now, dict) and all(_is_kept(one, now.get(name)) for name, one in before.items())
    written_in = (getattr(now, "__module__", ""), getattr(now, "__globals__", {}).get("__name__", ""))
    return bool(before == now) or any(str(module).startswith(COMPILER) for module in written_in)


def _umask() -> str | None:
    """As the system tells it: Python can only set it. None where there is no such file."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    return next((line for line in lines if line.startswith("Umask:")), None)


def _processors() -> list[int]:
    """Where the system tells it."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []


def _system_limits() -> dict[str, tuple[int, int]]:
    """Of open files, of memory and so on, and how urgently the process runs, where the system has such limits."""
    try:
        import resource
    except ImportError:
        return {}
    names = [name for name in vars(resource) if name.startswith("RLIMIT_")]
    limits = {name: resource.getrlimit(getattr(resource, name)) for name in names}
    return {**limits, "niceness": (os.getpriority(os.PRIO_PROCESS, 0),) * 2}


def _start_method() -> str:
    """The first of all is taken where nobody has chosen one; to ask for that would choose it."""
    return multiprocessing.get_start_method(allow_none=True) or multiprocessing.get_all_start_methods()[0]


def _functions(owner: Any) -> dict[str, Any]:
    """The functions of a module or a class: whoever replaces one may not put it back."""
    return {name: one for name, one in vars(owner).items() if callable(one)}


def _kinds(nn: Any) -> dict[str, Any]:
    return {name: one for name, one in vars(nn).items() if isinstance(one, type)}


def _modes() -> list[str]:
    """What sees each function or each operator of torch. A default device does, too, and is a setting of its own."""
    from torch.overrides import _get_current_function_mode_stack
    from torch.utils._python_dispatch import _get_current_dispatch_mode_stack

    names = [type(mode).__name__ for mode in (*_get_current_function_mode_stack(), *_get_current_dispatch_mode_stack())]
    return [name for name in names if name != "DeviceContext"]


def _default_device() -> str:
    """Which one, and whether it was set: torch then looks for it in each of its functions."""
    import torch
    from torch.overrides import _get_current_function_mode_stack

    is_set = any(type(mode).__name__ == "DeviceContext" for mode in _get_current_function_mode_stack())
    return f"{torch.get_default_device()}{', set' if is_set else ''}"


def _share_of_memory(cuda: Any) -> str:
    """What of the GPU a process may have at most, where the release tells it."""
    share = getattr(cuda, "get_per_process_memory_fraction", None)
    try:
        return str(share()) if share is not None else ""
    except (AssertionError, RuntimeError):  # there is no GPU
        return ""


def _hooks_of_all(module: Any) -> dict[str, list[int]]:
    """By kind, the numbers of the hooks that torch calls for every module."""
    kinds = ((name, hooks) for name, hooks in vars(module).items() if name.startswith("_global_"))
    return {name: list(hooks) for name, hooks in kinds if isinstance(hooks, dict)}


def _named(handler: Any) -> str:
    return getattr(handler, "__qualname__", str(handler))


def _sums(products: Any) -> str:
    names = ("allow_bf16_reduced_precision_reduction", "allow_fp16_reduced_precision_reduction")
    return ", ".join(f"{name} {getattr(products, name, None)}" for name in names)


def _compiler() -> str:
    """What it does about what it cannot compile, and how often it tries, by settings that are not the release's own;
    nothing where it was not imported, which changes none."""
    config = sys.modules.get("torch._dynamo.config")
    known: dict[str, Any] = getattr(config, "_config", {})
    names = [name for name in known if not name.startswith("_") and not _is_default(config, name)]
    return ", ".join(f"{name} {getattr(config, name, None)}" for name in sorted(names))


def _is_default(config: Any, name: str) -> bool:
    """Releases before 2.6 do not tell; nobody has changed anything there, as far as can be seen."""
    is_default = getattr(config, "_is_default", None) or getattr(config, "is_default", None)
    return is_default is None or bool(is_default(name))


def _precision() -> str:
    """As torch tells it, which it refuses to where libraries have set it in the older way and in the newer one."""
    import torch

    try:
        return str(torch.get_float32_matmul_precision())
    except RuntimeError:
        return f"set in two ways, {getattr(torch.backends.cuda.matmul, 'fp32_precision', None)} for a GPU"


def _convolutions(cudnn: Any) -> str:
    return f"benchmark {cudnn.benchmark}, deterministic {cudnn.deterministic}, TF32 {cudnn.allow_tf32}"


def _attention(cuda: Any) -> str:
    """Which of them torch may take, on a CPU too."""
    names = ("flash", "mem_efficient", "math", "cudnn")
    known = {name: getattr(cuda, f"{name}_sdp_enabled", None) for name in names}
    return ", ".join(f"{name} {enabled()}" for name, enabled in known.items() if enabled is not None)


def _generators() -> dict[str, tuple[int, ...]]:
    """Those that every library of the process shares. Torch's tells its seed, these do not."""
    import numpy as np

    state: Any = np.random.get_state(legacy=False)
    numbers = state["state"].get("key", ())  # of no other kind of generator than Python's has
    return {
        "the seed of Python's own generator": random.getstate()[1][:STATE],
        "the seed of numpy's own generator": tuple(int(number) for number in numbers),
    }


def _goes_on(before: tuple[int, ...], now: tuple[int, ...]) -> bool:
    """Whether the one state comes of the other by drawing numbers: a seed makes a state that does not."""
    if now == before:
        return True
    if len(before) != STATE:
        return False
    twin = random.Random()  # which goes on as the one that it is set like
    twin.setstate((3, (*before, STATE), None))
    for _ in range(MOST_DRAWN // STATE):
        twin.getrandbits(32 * STATE)
        if twin.getstate()[1][:STATE] == now:
            return True
    return False

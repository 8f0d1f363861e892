"""Tests of the settings that loading and calling should leave as they were."""

from __future__ import annotations

import builtins
import gc
import locale
import logging
import multiprocessing
import os
import random
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import ImageFile

torch = pytest.importorskip("torch")

import torch.nn.functional as F  # noqa: E402
from accelerate import init_empty_weights  # noqa: E402
from torch.nn.modules.module import register_module_forward_pre_hook  # noqa: E402
from torch.overrides import BaseTorchFunctionMode, _get_current_function_mode_stack  # noqa: E402
from torch.utils import deterministic  # noqa: E402

from fluxgate.render.measure.meter import Meter  # noqa: E402
from fluxgate.render.watch.inventory import InventoryRecorder  # noqa: E402
from fluxgate.render.watch.process_settings import _precision, process_settings  # noqa: E402
from fluxgate.rendering import SETTING_CHANGED  # noqa: E402

VARIABLES = (
    "CUDA_LAUNCH_BLOCKING",
    "CUDA_VISIBLE_DEVICES",
    "HF_HUB_OFFLINE",
    "OMP_NUM_THREADS",
    "PYTORCH_ALLOC_CONF",
    "TMPDIR",
)

MODE, EMPTY = BaseTorchFunctionMode(), ExitStack()
HOOKS: list[Any] = []
LANGUAGE = locale.setlocale(locale.LC_ALL)
FILES = resource.getrlimit(resource.RLIMIT_NOFILE)

# By the setting that each changes, what holds an attribute of that name, and what it becomes.
REPLACED: dict[str, tuple[Any, str, Any]] = {
    "torch's own functions": (torch, "matmul", lambda one, _: one),
    "torch's functions of tensors": (torch.Tensor, "clone", lambda tensor: tensor),
    "Python's own functions": (builtins, "print", lambda *_: None),
    "which processors it may use": (os, "sched_getaffinity", lambda _: {4711}),
    "what becomes of errors that nobody handles": (sys, "excepthook", lambda *_: None),
    "what Pillow takes for a picture": (ImageFile, "LOAD_TRUNCATED_IMAGES", True),
}


def _replace(owner: Any, name: str, other: Any) -> None:
    setattr(owner, name, other)


CHANGES: dict[str, Callable[[], object]] = {
    **{setting: partial(_replace, *each) for setting, each in REPLACED.items()},
    "when Python collects garbage": lambda: gc.set_threshold(701, 12, 13),
    "how often Python goes on with another thread": lambda: sys.setswitchinterval(0.5),
    "what the system lets it have": lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (FILES[0] - 1, FILES[1])),
    "torch's compiler": lambda: setattr(torch._dynamo.config, "suppress_errors", True),
    "torch's default dtype": lambda: torch.set_default_dtype(torch.bfloat16),
    "torch's default device": lambda: torch.set_default_device("meta"),
    "torch's recording of gradients": lambda: torch.set_grad_enabled(not torch.is_grad_enabled()),
    "torch's search for anomalies": lambda: torch.autograd.set_detect_anomaly(True),
    "torch's casts by itself": lambda: torch.set_autocast_enabled("cpu", True),
    "torch's modes": lambda: MODE.__enter__(),
    "torch's hooks of all modules": lambda: HOOKS.append(register_module_forward_pre_hook(lambda *_: None)),
    "torch's initializers": lambda: setattr(torch.nn.init, "uniform_", lambda tensor, *_: tensor),
    "torch's functions of networks": lambda: setattr(F, "scaled_dot_product_attention", lambda query, *_: query),
    "how torch makes modules": lambda: EMPTY.enter_context(init_empty_weights()),
    "torch's sharing of memory": lambda: torch.multiprocessing.set_sharing_strategy("file_system"),
    "torch's filling of new memory": lambda: setattr(deterministic, "fill_uninitialized_memory", False),
    "torch's precision of products": lambda: torch.set_float32_matmul_precision("medium"),
    "torch's precision of sums in products": lambda: setattr(
        torch.backends.cuda.matmul, "allow_bf16_reduced_precision_reduction", False
    ),
    "torch's share of the GPU's memory": lambda: setattr(torch.cuda, "get_per_process_memory_fraction", lambda: 0.5),
    "torch's use of oneDNN": lambda: torch.backends.mkldnn.set_flags(False),
    "torch's number of threads": lambda: torch.set_num_threads(torch.get_num_threads() + 1),
    "torch's deterministic algorithms": lambda: torch.use_deterministic_algorithms(True),
    "torch's choice of convolutions": lambda: setattr(torch.backends.cudnn, "benchmark", True),
    "torch's kernels of attention": lambda: torch.backends.cuda.enable_flash_sdp(False),
    "the seed of torch's own generator": lambda: torch.manual_seed(torch.initial_seed() + 1),
    "Python's garbage collector": gc.disable,
    "the level up to which nothing is logged": lambda: logging.disable(logging.ERROR),
    "the levels of what is logged": lambda: logging.getLogger("diffusers").setLevel(logging.CRITICAL),
    "the folder of temporary files": lambda: setattr(tempfile, "tempdir", "/var/tmp"),
    "who may read new files": lambda: os.umask(0o077),
    "how Python starts processes": lambda: multiprocessing.set_start_method("spawn", force=True),
    "how long Python waits for a network": lambda: socket.setdefaulttimeout(1.0),
    "the language of numbers and texts": lambda: locale.setlocale(
        locale.LC_ALL, "POSIX" if LANGUAGE != "C" else "C.UTF-8"
    ),
    "what Python warns of": lambda: warnings.simplefilter("ignore"),
    "what numpy does about what it cannot compute": lambda: np.seterr(all="raise"),
    "what becomes of the smallest numbers": lambda: torch.set_flush_denormal(True),
    "what becomes of SIGINT": lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),
    "what becomes of SIGTERM": lambda: signal.signal(signal.SIGTERM, signal.SIG_IGN),
    "the seed of Python's own generator": partial(random.seed, 0),
    "the seed of numpy's own generator": partial(np.random.seed, 0),
    "working directory": lambda: os.chdir("/"),
    **{f"the environment's {name}": partial(os.environ.__setitem__, name, "7") for name in VARIABLES},
}


def _log() -> logging.Logger:
    return logging.getLogger("diffusers")


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """Whatever a test changes is what it was again."""
    dtype, grad, threads, folder = (
        torch.get_default_dtype(),
        torch.is_grad_enabled(),
        torch.get_num_threads(),
        Path.cwd(),
    )
    precision, repeats = _precision(), torch.are_deterministic_algorithms_enabled()
    convolutions, attention = torch.backends.cudnn.benchmark, torch.backends.cuda.flash_sdp_enabled()
    state, collects, silent = torch.get_rng_state(), gc.isenabled(), logging.root.manager.disable
    filters, handlers = warnings.filters[:], {one: signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)}
    errors, drawn, drawn_by_numpy = np.geterr(), random.getstate(), np.random.get_state()
    variables = {name: os.environ.get(name) for name in VARIABLES}
    initializer, attention_itself, level = torch.nn.init.uniform_, F.scaled_dot_product_attention, _log().level
    shares, temporary = torch.multiprocessing.get_sharing_strategy(), tempfile.tempdir
    share = getattr(torch.cuda, "get_per_process_memory_fraction", None)
    suppressed = torch._dynamo.config.suppress_errors
    replaced = [(owner, name, getattr(owner, name)) for owner, name, _ in REPLACED.values()]
    thresholds, interval = gc.get_threshold(), sys.getswitchinterval()
    mask = os.umask(0o022)
    os.umask(mask)
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, FILES)
    for owner, name, one in replaced:
        setattr(owner, name, one)
    gc.set_threshold(*thresholds)
    sys.setswitchinterval(interval)
    torch.cuda.get_per_process_memory_fraction = share
    torch._dynamo.config.suppress_errors = suppressed
    torch.autograd.set_detect_anomaly(False)
    torch.set_autocast_enabled("cpu", False)
    if MODE in _get_current_function_mode_stack():
        MODE.__exit__(None, None, None)
    while HOOKS:
        HOOKS.pop().remove()
    EMPTY.close()
    torch.nn.init.uniform_, F.scaled_dot_product_attention = initializer, attention_itself
    torch.multiprocessing.set_sharing_strategy(shares)
    deterministic.fill_uninitialized_memory = True
    _log().setLevel(level)
    tempfile.tempdir = temporary
    os.umask(mask)
    multiprocessing.set_start_method(None, force=True)
    socket.setdefaulttimeout(None)
    locale.setlocale(locale.LC_ALL, LANGUAGE)
    torch.set_flush_denormal(False)
    torch.backends.mkldnn.set_flags(True)
    torch.backends.cuda.matmul.allow_bf16_reduced_precision_reduction = True
    warnings.filters[:] = filters  # type: ignore[index]  # a list, though typeshed promises a sequence only
    for one, handler in handlers.items():
        signal.signal(one, handler)
    np.seterr(**errors)
    random.setstate(drawn)
    np.random.set_state(drawn_by_numpy)
    torch.backends.cudnn.benchmark = convolutions
    torch.backends.cuda.enable_flash_sdp(attention)
    torch.set_rng_state(state)
    (gc.enable if collects else gc.disable)()
    logging.disable(silent)
    for name, value in variables.items():
        os.environ.pop(name, None)
        os.environ.update({} if value is None else {name: value})
    torch.set_default_device(None)
    torch.set_default_dtype(dtype)
    torch.set_grad_enabled(grad)
    torch.set_num_threads(threads)
    torch.set_float32_matmul_precision(precision if precision in ("highest", "high", "medium") else "highest")
    torch.use_deterministic_algorithms(repeats)
    os.chdir(folder)


@pytest.mark.parametrize("name", CHANGES)
def test_a_setting_that_is_left_changed_is_counted(name: str) -> None:
    """Each by its name, and no other one with it."""
    recorder = InventoryRecorder(Meter("cpu"))
    recorder.remember_settings()
    recorder.compare_settings()
    assert recorder.counts == {}
    CHANGES[name]()
    recorder.compare_settings()
    assert recorder.counts == {f"{SETTING_CHANGED}{name}": 1}


def test_a_precision_that_was_set_in_two_ways_is_told_as_such() -> None:
    """Where torch itself refuses to tell it."""
    torch.set_float32_matmul_precision("highest")
    if not hasattr(torch.backends.cuda.matmul, "fp32_precision"):
        pytest.skip("this release of torch knows one way only")
    torch.backends.cuda.matmul.fp32_precision = "tf32"
    with suppress(RuntimeError):
        torch.get_float32_matmul_precision()
        pytest.skip("this release of torch tells it all the same")
    assert process_settings().told["torch's precision of products"] == "set in two ways, tf32 for a GPU"


def test_every_setting_is_tried() -> None:
    """Nothing is compared that no test changes."""
    settings = process_settings()
    assert {*settings.told, *settings.generators} == {name for name in CHANGES if not name.startswith("the env")}


def test_a_function_that_comes_beside_torchs_own_is_no_change(monkeypatch: pytest.MonkeyPatch) -> None:
    """transformers adds one to torch's modules when it loads a model."""
    before = process_settings()
    monkeypatch.setattr(torch.nn.Module, "applied_cleverly", lambda *_: None, raising=False)
    assert list(before.changed(process_settings())) == []


COMPILING = """
import torch
from fluxgate.render.watch.process_settings import process_settings
made, before = torch.nn.Module.__init__, process_settings()
torch.compile(torch.nn.Linear(2, 2), backend="eager", dynamic=True)(torch.zeros(1, 2))
print(made is torch.nn.Module.__init__, list(before.changed(process_settings())))
"""


def test_what_torchs_compiler_replaces_for_good_is_no_change() -> None:
    """It sees each module that is made from then on."""
    finished = subprocess.run([sys.executable, "-c", COMPILING], capture_output=True, text=True, check=True)
    assert finished.stdout == "False []\n"


def test_looking_sets_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """How files are made and processes are started is what it was."""
    mask = os.umask(0o027)
    process_settings()
    assert os.umask(mask) == 0o027
    assert multiprocessing.get_start_method(allow_none=True) is None


@pytest.mark.parametrize("numbers", [1, 700, 5000])
def test_numbers_may_be_drawn_from_a_generator(numbers: int) -> None:
    """Who draws has not seeded it."""
    before = process_settings()
    for _ in range(numbers):
        random.random()
        np.random.random()
    assert list(before.changed(process_settings())) == []


def test_the_noise_of_a_large_picture_may_be_drawn_from_numpys_generator() -> None:
    """FLUX's latents of 1024 by 1024 pixels, for four of them."""
    before = process_settings()
    np.random.randn(4, 4096, 64)
    assert list(before.changed(process_settings())) == []
    np.random.seed(0)
    assert list(before.changed(process_settings())) == ["the seed of numpy's own generator"]


def test_a_variable_that_is_taken_away_or_comes_is_named() -> None:
    """It need not have been there before; what torch sets by itself is left alone."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    before = process_settings()
    del os.environ["HF_HUB_OFFLINE"]
    os.environ |= {"CUDA_LAUNCH_BLOCKING": "1", "CUDA_MODULE_LOADING": "LAZY", "TRITON_CACHE_DIR": "here"}
    changed = list(before.changed(process_settings()))
    del os.environ["CUDA_MODULE_LOADING"], os.environ["TRITON_CACHE_DIR"]
    assert changed == ["the environment's CUDA_LAUNCH_BLOCKING", "the environment's HF_HUB_OFFLINE"]


def test_nothing_is_compared_that_was_not_remembered() -> None:
    """A part in a process of its own has no before."""
    recorder = InventoryRecorder(Meter("cpu"))
    recorder.compare_settings()
    assert recorder.counts == {}

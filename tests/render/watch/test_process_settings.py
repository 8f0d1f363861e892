"""Tests of the settings that loading and calling should leave as they were."""

from __future__ import annotations

import gc
import logging
import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from fluxgate.render.measure.meter import Meter  # noqa: E402
from fluxgate.render.watch.inventory import InventoryRecorder  # noqa: E402
from fluxgate.render.watch.process_settings import VARIABLES, process_settings  # noqa: E402
from fluxgate.rendering import SETTING_CHANGED  # noqa: E402

CHANGES: dict[str, Callable[[], object]] = {
    "torch's default dtype": lambda: torch.set_default_dtype(torch.bfloat16),
    "torch's default device": lambda: torch.set_default_device("meta"),
    "torch's recording of gradients": lambda: torch.set_grad_enabled(not torch.is_grad_enabled()),
    "torch's precision of products": lambda: torch.set_float32_matmul_precision("medium"),
    "torch's number of threads": lambda: torch.set_num_threads(torch.get_num_threads() + 1),
    "torch's deterministic algorithms": lambda: torch.use_deterministic_algorithms(True),
    "torch's choice of convolutions": lambda: setattr(torch.backends.cudnn, "benchmark", True),
    "torch's kernels of attention": lambda: torch.backends.cuda.enable_flash_sdp(False),
    "the seed of torch's own generator": lambda: torch.manual_seed(torch.initial_seed() + 1),
    "Python's garbage collector": gc.disable,
    "the level up to which nothing is logged": lambda: logging.disable(logging.ERROR),
    "working directory": lambda: os.chdir("/"),
    **{f"the environment's {name}": partial(os.environ.__setitem__, name, "7") for name in VARIABLES},
}


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """Whatever a test changes is what it was again."""
    dtype, grad, threads, folder = (
        torch.get_default_dtype(),
        torch.is_grad_enabled(),
        torch.get_num_threads(),
        Path.cwd(),
    )
    precision, deterministic = torch.get_float32_matmul_precision(), torch.are_deterministic_algorithms_enabled()
    convolutions, attention = torch.backends.cudnn.benchmark, torch.backends.cuda.flash_sdp_enabled()
    state, collects, silent = torch.get_rng_state(), gc.isenabled(), logging.root.manager.disable
    variables = {name: os.environ.get(name) for name in VARIABLES}
    yield
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
    torch.set_float32_matmul_precision(precision)
    torch.use_deterministic_algorithms(deterministic)
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


def test_every_setting_is_tried() -> None:
    """Nothing is compared that no test changes."""
    assert set(process_settings()) == set(CHANGES)


def test_nothing_is_compared_that_was_not_remembered() -> None:
    """A part in a process of its own has no before."""
    recorder = InventoryRecorder(Meter("cpu"))
    recorder.compare_settings()
    assert recorder.counts == {}

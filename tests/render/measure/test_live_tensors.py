"""Tests of the bytes of live tensors, which are exact."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from fluxgate.render.measure.live_tensors import live_tensor_bytes  # noqa: E402
from fluxgate.render.watch.component import plain_tensors  # noqa: E402

SIZE = 3_000_000


@pytest.fixture
def before() -> int:
    """What earlier tests have left."""
    return live_tensor_bytes()


@pytest.fixture
def module() -> Any:
    return torch.nn.Linear(500, 1000, bias=False)  # 2 MB


def test_a_tensor_counts_while_it_is_alive(before: int) -> None:
    """To the byte, and no longer than that."""
    kept = {"somewhere": [torch.zeros(SIZE, dtype=torch.uint8)]}
    assert live_tensor_bytes() == before + SIZE
    kept.clear()
    assert live_tensor_bytes() == before


def test_tensors_elsewhere_count_there_alone(before: int) -> None:
    """What is made on no device has no memory."""
    assert live_tensor_bytes("cuda") == 0
    kept = torch.zeros(SIZE, dtype=torch.uint8)
    assert (live_tensor_bytes("cuda"), live_tensor_bytes() - before) == (0, kept.nbytes)


def test_views_of_one_storage_count_once(before: int) -> None:
    """A slice keeps the whole, and two of them no more."""
    views = torch.zeros(SIZE, dtype=torch.uint8).split(SIZE // 3)
    assert live_tensor_bytes() == before + SIZE
    assert len(views) == 3


def test_the_weights_of_a_module_may_be_left_out(before: int, module: Any) -> None:
    """A copy of them may not."""
    assert live_tensor_bytes() == before + 2_000_000
    assert live_tensor_bytes(except_for=plain_tensors(module)) == before
    copy = module.weight.detach().clone()
    assert live_tensor_bytes(except_for=plain_tensors(module)) == before + copy.nbytes


def test_weights_that_accelerate_keeps_are_the_modules(before: int, module: Any, tmp_path: Path) -> None:
    """Sequential offload leaves shapes in the module, and keeps the values in its hook."""
    accelerate = pytest.importorskip("accelerate")
    accelerate.cpu_offload(module, execution_device="cpu")
    assert module.weight.device.type == "meta"
    assert live_tensor_bytes() == before + 2_000_000
    assert live_tensor_bytes(except_for=plain_tensors(module)) == before


def test_tensors_without_memory_here_do_not_count(before: int) -> None:
    """Shapes alone have none."""
    shape = torch.empty(SIZE, device="meta")
    assert live_tensor_bytes() == before
    assert shape.numel() == SIZE

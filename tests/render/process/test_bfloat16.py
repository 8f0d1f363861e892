"""Tests of bfloat16 on a processor that has none, which any other processor can play."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from fluxgate.render.process import bfloat16  # noqa: E402
from fluxgate.render.process.determinism import settle  # noqa: E402

functional = torch.nn.functional


@pytest.fixture
def widened() -> Iterator[None]:
    """This process with wide arithmetic, and then as it was."""
    before = [(owner, name, getattr(owner, name)) for owner, name in bfloat16.widened()]
    bfloat16.widen()
    yield
    for owner, name, function in before:
        setattr(owner, name, function)


def layers() -> Iterator[tuple[Any, Any]]:
    torch.manual_seed(0)
    yield torch.nn.Linear(64, 32), torch.randn(5, 64)
    yield torch.nn.Linear(64, 32, bias=False), torch.randn(2, 5, 64)
    yield torch.nn.Conv2d(8, 16, 3, padding=1, stride=2), torch.randn(1, 8, 12, 12)
    yield torch.nn.Conv3d(8, 4, 3, padding=1), torch.randn(1, 8, 3, 6, 6)  # of videos
    yield torch.nn.ConvTranspose1d(8, 4, 4, stride=2), torch.randn(1, 8, 12)  # of sounds


def test_what_comes_out_is_the_rounded_sum(widened: None) -> None:
    """Of narrow layers: to the bit what float32 gives for the same numbers, rounded once."""
    for layer, given in layers():
        narrow, given = layer.to(torch.bfloat16), given.to(torch.bfloat16)
        product = narrow(given)
        assert product.dtype is torch.bfloat16
        assert torch.equal(product, narrow.float()(given.float()).to(torch.bfloat16))


@pytest.mark.parametrize(
    "product",
    [
        lambda one, other: torch.matmul(one, other),
        lambda one, other: torch.bmm(one, mat2=other),
        lambda one, other: one.bmm(other),
        lambda one, other: one @ other,
    ],
    ids=["of tensors", "by its name", "of a tensor", "operator"],
)
def test_products_of_tensors_are_rounded_sums_too(widened: None, product: Callable[[Any, Any], Any]) -> None:
    """As of attention that is computed in steps."""
    torch.manual_seed(0)
    one, other = torch.randn(3, 40, 30), torch.randn(3, 30, 20)
    one, other = one.bfloat16(), other.bfloat16()
    assert torch.equal(product(one, other), product(one.float(), other.float()).to(torch.bfloat16))


def test_what_is_added_to_a_product_is_widened_too(widened: None) -> None:
    """An attention's scores, scaled, beside what is masked."""
    torch.manual_seed(0)
    added, one, other = (torch.randn(2, 8, 8).bfloat16() for _ in range(3))
    sums = torch.baddbmm(added, one, other, beta=0.5, alpha=0.1)
    exact = torch.baddbmm(added.float(), one.float(), other.float(), beta=0.5, alpha=0.1)
    assert torch.equal(sums, exact.to(torch.bfloat16))


def test_what_is_written_into_is_left_to_torch(widened: None) -> None:
    """A product that has a place to go to already."""
    one, place = torch.eye(4, dtype=torch.bfloat16)[None], torch.empty(1, 4, 4, dtype=torch.bfloat16)
    assert torch.bmm(one, one, out=place) is place
    assert torch.equal(place, one)


def test_what_looks_on_does_not_change_what_is_computed(widened: None) -> None:
    """Work is counted, and weights are watched, under one of torch's modes: they see products of float32, too."""
    from torch.overrides import TorchFunctionMode

    multiplied: list[Any] = []

    class Looking(TorchFunctionMode):
        def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            if function in (functional.linear.__wrapped__, functional.conv2d.__wrapped__):
                multiplied.append(args[0].dtype)
            return function(*args, **(kwargs or {}))

    for layer, given in layers():
        narrow, given = layer.to(torch.bfloat16), given.to(torch.bfloat16)
        unseen = narrow(given)
        with Looking():
            assert torch.equal(narrow(given), unseen)
    assert multiplied == [torch.float32] * 3  # of convolutions the one in two dimensions


def test_other_dtypes_are_left_alone(widened: None) -> None:
    """float32 stays as it is, and what torch refuses it still refuses."""
    for layer, given in layers():
        assert layer(given).dtype is torch.float32
        with pytest.raises(RuntimeError):
            layer(given.to(torch.bfloat16))


Tensor: Any = torch.Tensor


class Packed(Tensor):
    """Says that it is bfloat16, holds something else, and multiplies by itself, as quanto's weights do."""

    @classmethod
    def __torch_function__(cls, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if function is functional.linear.__wrapped__:
            return "multiplied by itself"
        if function is torch.Tensor.float:
            raise ValueError("the dtype of quantized weights cannot be changed")
        return super().__torch_function__(function, types, args, kwargs or {})


def test_weights_that_multiply_by_themselves_are_left_alone(widened: None) -> None:
    """They are no plain tensors, whatever dtype they name."""
    packed = torch.ones(4, 8, dtype=torch.bfloat16).as_subclass(Packed)
    assert functional.linear(torch.ones(2, 8, dtype=torch.bfloat16), packed) == "multiplied by itself"


def test_widening_twice_is_widening_once(widened: None) -> None:
    """A worker and the tests may both ask for it."""
    once = [getattr(owner, name) for owner, name in bfloat16.widened()]
    bfloat16.widen()
    assert [getattr(owner, name) for owner, name in bfloat16.widened()] == once


@pytest.mark.skipif(not bfloat16.is_native(), reason="this processor has no bfloat16 to be left as it is")
def test_a_processor_with_bfloat16_is_left_as_it_is() -> None:
    """Its own arithmetic is what is accepted for it."""
    before = functional.conv2d
    assert settle("cpu")["bfloat16 on the CPU"] == "as torch has it"
    assert functional.conv2d is before


def test_a_processor_without_is_helped() -> None:
    """oneDNN limited to no more than AVX2 is such a processor: settling widens its arithmetic, and says so."""
    code = "from fluxgate.render.process.determinism import settle; print(settle('cpu')['bfloat16 on the CPU'])"
    less = {**os.environ, "ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2"}
    done = subprocess.run([sys.executable, "-c", code], env=less, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "computed in float32"

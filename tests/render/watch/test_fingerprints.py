"""Tests of tensors as hashes and summaries."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from fluxgate.render.watch import fingerprints  # noqa: E402
from fluxgate.render.watch.fingerprints import fingerprint, tensor_sha256  # noqa: E402


def test_the_hash_is_of_values_shape_and_dtype() -> None:
    """Equal only where all three are."""
    one = torch.arange(6, dtype=torch.float32).reshape(2, 3)
    assert tensor_sha256(one) == tensor_sha256(one.clone())
    assert len({tensor_sha256(t) for t in (one, one + 1e-7, one.reshape(3, 2), one.view(torch.int32))}) == 3 + 1


def test_the_hash_does_not_depend_on_the_strides() -> None:
    """A transposed view hashes as what it shows."""
    one = torch.arange(6, dtype=torch.bfloat16).reshape(2, 3)
    assert tensor_sha256(one.T) == tensor_sha256(one.T.contiguous())


def test_a_zero_and_its_negative_differ() -> None:
    """They are equal as numbers, not as bytes."""
    assert tensor_sha256(torch.tensor([0.0])) != tensor_sha256(torch.tensor([-0.0]))


def test_the_summary_is_of_the_finite_values() -> None:
    """One NaN and one infinity are noticed, and do not spoil the rest."""
    summary = fingerprint(
        torch.tensor([1.0, 3.0, float("nan"), float("inf")], dtype=torch.bfloat16),
        shot="one",
        take=1,
        stage="decoded picture",
        step=None,
    )
    assert (summary.low, summary.high, summary.mean, summary.std) == (1.0, 3.0, 2.0, 1.0)
    assert not summary.finite
    assert (summary.shape, summary.dtype) == ((4,), "bfloat16")


@pytest.mark.parametrize("worst", [float("nan"), float("inf"), -float("inf")])
def test_one_value_that_is_not_finite_is_noticed(worst: float) -> None:
    """Wherever it stands, and however large the rest are."""
    for values in ([worst, 1e30, -1e30], [-1e30, 1e30, worst]):
        summary = fingerprint(torch.tensor(values), shot="one", take=0, stage="x")
        assert not summary.finite
        assert (summary.low, summary.high) == pytest.approx((-1e30, 1e30))


def test_what_was_summed_up_before_is_not_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second take that gives the same bits costs a hash; one of other bits, shape or dtype is looked at."""
    looked_at: list[tuple[int, ...]] = []
    look = fingerprints._summary_of

    def looking(tensor: Any) -> object:
        looked_at.append(tuple(tensor.shape))
        return look(tensor)

    monkeypatch.setattr(fingerprints, "_summaries", {})
    monkeypatch.setattr(fingerprints, "_summary_of", looking)
    values = torch.tensor([1.5, 2.5, 7.25])
    first, again, other = (
        fingerprint(tensor, shot="one", take=take, stage="x")
        for take, tensor in enumerate((values, values.clone(), values[None]))
    )
    assert replace(again, take=0) == first
    assert (other.mean, other.sha256 != first.sha256) == (first.mean, True)
    assert looked_at == [(3,), (1, 3)]


@pytest.mark.parametrize("values", [[], [float("nan")]])
def test_a_tensor_without_a_finite_value_has_a_summary_of_zeros(values: list[float]) -> None:
    """It is a summary of nothing; `finite` and the shape tell which nothing."""
    summary = fingerprint(torch.tensor(values), shot="one", take=0, stage="x")
    assert (summary.low, summary.high, summary.mean, summary.std) == (0.0, 0.0, 0.0, 0.0)
    assert summary.finite is (not values)

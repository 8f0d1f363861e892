"""The optimizer: the sizes of its steps, and the rate over a training."""

from __future__ import annotations

import math

import pytest

from fluxgate.miniature.training.optimisation import Masters, orthogonal, rate_at

torch = pytest.importorskip("torch")


def test_small_weights_learn_in_small_steps() -> None:
    """Of two equal matrices with equal gradients, the slow one moves an eighth as far."""
    layers = {name: torch.nn.Linear(8, 8, bias=False) for name in ("quick", "slow")}
    layers["slow"].load_state_dict(layers["quick"].state_dict())
    before = layers["quick"].weight.detach().clone()
    masters = Masters(layers, rate=0.1, hidden="weight", slow="slow")
    gradient = torch.randn(8, 8)
    for layer in layers.values():
        layer.weight.grad = gradient.clone()
    masters.step(1.0)
    moved = {name: layer.weight.detach() - before for name, layer in layers.items()}
    assert torch.allclose(moved["slow"], moved["quick"] / 8, atol=1e-6)


def test_orthogonal_updates_keep_directions_and_level_their_lengths() -> None:
    """Newton-Schulz leaves singular directions alone and brings every singular value near 1."""
    torch.manual_seed(3)
    for shape in ((2, 24, 64), (2, 64, 24)):
        matrix = torch.randn(*shape)
        result = orthogonal(matrix)
        values = torch.linalg.svdvals(result)
        assert values.min() > 0.5
        assert values.max() < 1.4
        left, _, right = torch.linalg.svd(matrix, full_matrices=False)
        assert torch.allclose((left.mT @ result @ right.mT).diagonal(dim1=-2, dim2=-1), values.flip(-1), atol=0.5)


def test_the_learning_rate_warms_up_rests_and_falls_to_nothing() -> None:
    """Warm-up counts steps, the fall at the end counts time."""
    assert rate_at(0.0, steps=0, warmup=10, decay=0.5) == pytest.approx(0.1)
    assert rate_at(0.4, steps=99, warmup=10, decay=0.5) == 1.0
    assert rate_at(0.75, steps=99, warmup=10, decay=0.5) == pytest.approx(0.5)
    assert rate_at(1.0, steps=99, warmup=10, decay=0.5) == pytest.approx(0.0)
    assert math.isclose(rate_at(0.9, steps=99, warmup=10, decay=0.0), 1.0)

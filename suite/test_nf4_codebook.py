"""bitsandbytes' NF4 against the QLoRA paper: its codebook and block rule, computed here by a few lines of numpy."""

from __future__ import annotations

from statistics import NormalDist
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

BLOCK = 64
ZERO_ROW = 7
# Appendix E of the paper (https://arxiv.org/abs/2305.14314).
PUBLISHED = np.array(
    [
        [-1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453],
        [-0.28444138169288635, -0.18477343022823334, -0.09105003625154495, 0.0],
        [0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224],
        [0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0],
    ]
).reshape(-1)


def codebook() -> NDArray[np.float64]:
    """Quantiles of the normal distribution, scaled to one: seven below an exact zero and eight above."""
    edge = (1 - 1 / 32 + 1 - 1 / 30) / 2  # half an interval from the end, of sixteen and of fifteen intervals
    below, above = ([NormalDist().inv_cdf(p) for p in np.linspace(edge, 0.5, count)[:-1]] for count in (8, 9))
    values = np.array(sorted([*(-value for value in below), 0.0, *above]))
    return values / max(above)


def weights(rows: int = 96, columns: int = 128) -> Any:
    """Rows of very different sizes, in bfloat16, and one that is all zero."""
    import torch

    generator = torch.Generator("cpu").manual_seed(11)
    scale = torch.logspace(-4, 2, rows).unsqueeze(1)
    values = torch.randn(rows, columns, generator=generator) * scale
    values[ZERO_ROW] = 0.0
    return values.to(torch.bfloat16)


def quantized(device: str, *, double: bool = False) -> tuple[Any, Any, Any]:
    """Weights, packed codes and quantization state."""
    torch = pytest.importorskip("torch")
    functional = pytest.importorskip("bitsandbytes").functional
    if device == "cuda" and not torch.cuda.is_available():
        pytest.skip("no GPU")
    original = weights()
    packed, state = functional.quantize_4bit(
        original.to(device), blocksize=BLOCK, compress_statistics=double, quant_type="nf4"
    )
    return original.float().numpy(), packed, state


def codes_of(packed: Any) -> NDArray[Any]:
    """Two codes to a byte, the first in the high half, in rows of one block."""
    flat = packed.cpu().numpy().reshape(-1)
    return np.stack([flat >> 4, flat & 15], axis=1).reshape(-1, BLOCK)


devices = pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])


def test_codebook_is_the_papers() -> None:
    """Computed from the normal distribution, the sixteen values are those that the paper prints."""
    np.testing.assert_allclose(codebook(), PUBLISHED, atol=2e-6)


@devices
def test_bitsandbytes_uses_the_codebook(device: str) -> None:
    """The code that bitsandbytes stores beside the weights is the paper's."""
    _, _, state = quantized(device)
    np.testing.assert_allclose(state.code.cpu().numpy(), PUBLISHED, atol=1e-7)


@devices
def test_scales_are_the_blocks_largest_values(device: str) -> None:
    """Each block of 64 is scaled by its largest absolute value, exactly."""
    original, _, state = quantized(device)
    np.testing.assert_array_equal(state.absmax.float().cpu().numpy(), np.abs(original.reshape(-1, BLOCK)).max(axis=1))


@devices
def test_codes_are_the_nearest(device: str) -> None:
    """Each weight gets the code whose value is nearest to it on its block's scale; on a scale of zero any code does."""
    original, packed, _ = quantized(device)
    blocks = original.reshape(-1, BLOCK)
    scales = np.abs(blocks).max(axis=1, keepdims=True)
    scaled = np.divide(blocks, scales, out=np.zeros_like(blocks), where=scales > 0)
    distances = np.abs(scaled[:, :, None] - PUBLISHED)
    chosen = np.take_along_axis(distances, codes_of(packed)[:, :, None].astype(int), axis=2)[:, :, 0]
    scaled_at_all = scales[:, 0] > 0
    np.testing.assert_allclose(chosen[scaled_at_all], distances.min(axis=2)[scaled_at_all], atol=1e-6)


@devices
def test_weights_come_back_as_code_times_scale(device: str) -> None:
    """Taken back, a weight is its code's value times its block's scale, rounded to the weights' dtype."""
    import bitsandbytes
    import torch

    _, packed, state = quantized(device)
    back = bitsandbytes.functional.dequantize_4bit(packed, state)
    exact = PUBLISHED.astype(np.float32)[codes_of(packed)] * state.absmax.float().cpu().numpy()[:, None]
    expected = torch.from_numpy(exact).to(torch.bfloat16).float().numpy()
    np.testing.assert_array_equal(back.float().cpu().numpy().reshape(-1, BLOCK), expected)


# Kernels round to bfloat16, by up to 2^-9 each time, at other places than the plain product: the codebook's value, its
# block's scale, the weight of the two, sums of a few terms, the result. With 100 vectors, such kernels (simulated) are
# off by 0.3% (the result alone) to 0.8% (all of it, sums of 16 terms); twice that is allowed. A scale that is off by 5%
# shows as 2.5%. With only five vectors a row's products may nearly cancel, and rounding alone then shows as 1.8%.
ROUNDING = 2**-6
VECTORS = 100
together = pytest.mark.parametrize("together", [1, 5, VECTORS])  # vectors at a time: each number has its own kernel


def product_errors(packed: Any, state: Any, *, against: Any, together: int) -> NDArray[np.float32]:
    """How far each weight row's products are from those with the plain weights, as a share of their length."""
    import bitsandbytes
    import torch

    given = torch.randn(VECTORS, 128, generator=torch.Generator("cpu").manual_seed(3)).to(packed.device, torch.bfloat16)
    groups = given.split(together)
    actual = torch.cat([bitsandbytes.matmul_4bit(group, packed.t(), quant_state=state).float() for group in groups])
    expected = given.double() @ against.double().t()
    errors = (actual - expected).norm(dim=0) / expected.norm(dim=0).clamp(min=1e-20)
    return np.asarray(errors.float().cpu(), dtype=np.float32)


@devices
@together
def test_a_layer_multiplies_by_the_weights_that_come_back(device: str, together: int) -> None:
    """Linear4bit gives what a plain product with the taken-back weights gives, within bfloat16's rounding."""
    import bitsandbytes

    _, packed, state = quantized(device)
    back = bitsandbytes.functional.dequantize_4bit(packed, state)
    worst = product_errors(packed, state, against=back, together=together).max()
    assert worst < ROUNDING, f"a row is off by {worst:.2%} of its length"


@devices
@together
@pytest.mark.parametrize("off", [0.9, 0.95, 1.05])
def test_a_wrong_scale_shows_in_the_products(device: str, together: int, off: float) -> None:
    """With the scale of either block wrong by 5%, a row is further off than rounding explains."""
    import bitsandbytes

    _, packed, state = quantized(device)
    back = bitsandbytes.functional.dequantize_4bit(packed, state)
    for block in (0, 1):
        true = state.absmax.clone()
        state.absmax[block::2] *= off
        errors = product_errors(packed, state, against=back, together=together)
        state.absmax.copy_(true)
        assert np.delete(errors, ZERO_ROW).min() > ROUNDING


@devices
def test_double_quantization_keeps_the_codes(device: str) -> None:
    """With double quantization the codes stay, and the scales move by at most a few percent of the largest."""
    import bitsandbytes

    _, plain, state = quantized(device)
    _, doubled, nested = quantized(device, double=True)
    np.testing.assert_array_equal(codes_of(plain), codes_of(doubled))
    scales = bitsandbytes.functional.dequantize_blockwise(nested.absmax, nested.state2) + nested.offset
    assert float((scales - state.absmax).abs().max()) < 0.01 * float(state.absmax.max())

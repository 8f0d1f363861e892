"""Tests of our own quantizers: they agree with the libraries' on sound weights, and with nothing that is bent."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fluxgate import quantizers

torch = pytest.importorskip("torch")
bitsandbytes = pytest.importorskip("bitsandbytes")


def weights(rows: int = 64, columns: int = 128) -> Any:
    generator = torch.Generator("cpu").manual_seed(5)
    spread = torch.logspace(-3, 1, rows).unsqueeze(1)
    return (torch.randn(rows, columns, generator=generator) * spread).to(torch.bfloat16)


def four_bit(kind: str, *, double: bool = False) -> tuple[Any, Any]:
    return bitsandbytes.functional.quantize_4bit(weights(), blocksize=64, quant_type=kind, compress_statistics=double)


@pytest.mark.parametrize("kind", ["nf4", "fp4"])
def test_four_bits_are_those_of_bitsandbytes(kind: str) -> None:
    """Codes, scales and the table itself."""
    packed, state = four_bit(kind)
    codes = quantizers.unpacked(packed.numpy())
    assert quantizers.name_of_table(state.code.numpy()) == kind
    table = quantizers.FOUR_BIT[kind]
    found = quantizers.four_bit(weights().float().numpy(), codes, state.absmax.numpy(), table=table, block=64)
    assert (found.codes, found.scales) == (0, 0)


def test_fp4_is_not_nf4() -> None:
    """Most of its codes stand for other values."""
    packed, state = four_bit("fp4")
    codes = quantizers.unpacked(packed.numpy())
    plain = weights().float().numpy()
    found = quantizers.four_bit(plain, codes, state.absmax.numpy(), table=quantizers.NF4, block=64)
    assert found.codes > 0.5


def test_one_wrong_code_and_one_wrong_scale_are_seen() -> None:
    """Of eight thousand and of a hundred."""
    packed, state = four_bit("nf4")
    codes, scales = quantizers.unpacked(packed.numpy()), state.absmax.numpy().copy()
    codes[77] ^= 1
    scales[-1] *= 1.01
    found = quantizers.four_bit(weights().float().numpy(), codes, scales, table=quantizers.NF4, block=64)
    assert found.codes == 1 / codes.size
    assert found.scales == pytest.approx(0.01, rel=0.6)


@pytest.mark.parametrize("scale", [float("nan"), float("inf")])
def test_a_scale_that_is_no_number_is_seen(scale: float) -> None:
    """As far off as one that is missing: NaN itself is above no limit, and would not come through JSON."""
    packed, state = four_bit("nf4")
    codes, scales = quantizers.unpacked(packed.numpy()), state.absmax.numpy().copy()
    scales[0] = scale
    plain = weights().float().numpy()
    assert quantizers.four_bit(plain, codes, scales, table=quantizers.NF4, block=64).scales == 1
    rows, of_rows, _ = bitsandbytes.functional.int8_vectorwise_quant(weights().half())
    of_rows[0] = scale
    assert quantizers.int8_rows(plain, rows.numpy(), of_rows.numpy()).scales == 1
    assert quantizers.offset_error(plain, scale, block=64) == 1


def test_the_offset_of_double_quantization_is_the_mean_of_the_scales() -> None:
    """As bitsandbytes sums it in float32; the same offset in bfloat16 is another one."""
    _, state = four_bit("nf4", double=True)
    plain, offset = weights().float().numpy(), float(state.offset)
    assert quantizers.offset_error(plain, offset, block=64) < 1e-6
    assert quantizers.offset_error(plain, offset * (1 + 2**-9), block=64) == pytest.approx(2**-9, rel=0.01)


def test_double_quantized_scales_are_those_of_bitsandbytes() -> None:
    """The table is its own, and the scales lie within half a step of the plain ones."""
    _, state = four_bit("nf4", double=True)
    _, plain = four_bit("nf4")
    nested = state.state2
    assert np.allclose(quantizers.dynamic_table(), nested.code.numpy(), atol=1e-6)
    scales = quantizers.double_quantized(
        state.absmax.numpy(), nested.code.numpy(), nested.absmax.numpy(), float(state.offset), block=nested.blocksize
    )
    theirs = bitsandbytes.functional.dequantize_blockwise(state.absmax, nested) + state.offset
    assert np.allclose(scales, theirs.numpy(), atol=1e-6)
    assert np.abs(scales - plain.absmax.numpy()).max() < 0.01 * float(plain.absmax.max())


def test_int8_rows_are_those_of_bitsandbytes() -> None:
    """As LLM.int8 stores them; one code of another row is seen."""
    codes, scales, _ = bitsandbytes.functional.int8_vectorwise_quant(weights().half())
    stored = codes.numpy().copy()
    assert quantizers.int8_rows(weights().float().numpy(), stored, scales.numpy()) == quantizers.Deviation(0, 0)
    stored[3, 4] += 2
    assert quantizers.int8_rows(weights().float().numpy(), stored, scales.numpy()).codes == 1 / stored.size


def test_e4m3_is_torchs_cast() -> None:
    """For every bfloat16 number up to the largest: halves to even, and the subnormal ones too."""
    every = torch.arange(-(2**15), 2**15, dtype=torch.int32).to(torch.int16).view(torch.bfloat16)
    finite = every[every.abs() <= 448]
    theirs = finite.to(torch.float8_e4m3fn).view(torch.uint8).numpy()
    assert np.array_equal(quantizers.e4m3(finite.float().numpy()), theirs)


def test_e4m3_codes_stand_for_torchs_values() -> None:
    """All but NaN."""
    codes = np.array([code for code in range(256) if code & 127 != 127], np.uint8)
    theirs = torch.from_numpy(codes).view(torch.float8_e4m3fn).float().numpy()
    assert np.array_equal(quantizers.e4m3_values(codes), theirs)


def test_gguf_blocks_are_those_of_gguf() -> None:
    """Q8_0, in blocks of 32."""
    gguf = pytest.importorskip("gguf")
    plain = weights().float().numpy()
    packed = gguf.quants.quantize(plain, gguf.GGMLQuantizationType.Q8_0).reshape(-1, 34)
    scales = packed[:, :2].copy().view(np.float16).astype(np.float32).reshape(-1)
    found = quantizers.q8_0(plain, packed[:, 2:].copy().view(np.int8), scales)
    assert (found.codes, found.scales < 1e-3) == (0, True)


@pytest.mark.parametrize(("kind", "double"), [("nf4", False), ("fp4", False), ("nf4", True), ("fp4", True)])
def test_what_four_bits_stand_for_is_what_bitsandbytes_takes_back(kind: str, double: bool) -> None:
    """To a rounding of bfloat16, with double quantization too; in the middle of two values, either is right."""
    theirs = bitsandbytes.functional.dequantize_4bit(*four_bit(kind, double=double)).float().numpy()
    ours = quantizers.through_four_bits(weights().float().numpy(), kind, double=double)
    same = np.isclose(ours, theirs, rtol=2**-7, atol=1e-6)
    assert same.mean() == 1 if kind == "nf4" else same.mean() > 0.99

"""Tests of what the quantizing strategies say about bitsandbytes, held against bitsandbytes itself."""

import pytest

from fluxgate.strategies.quantization import CODEBOOK


def test_bitsandbytes_keeps_one_codebook_of_the_declared_size() -> None:
    """Double quantization leaves it in the library, once for all weights."""
    torch = pytest.importorskip("torch")
    functional = pytest.importorskip("bitsandbytes").functional
    for _ in range(2):
        functional.quantize_4bit(torch.ones(128, 128), compress_statistics=True, quant_type="nf4")
    codebooks = functional.name2qmap.values()
    assert [codebook.numel() * codebook.element_size() for codebook in codebooks] == [CODEBOOK.size]

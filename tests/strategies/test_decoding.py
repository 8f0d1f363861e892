"""Tests of decoding in pieces: what a VAE is told of its tiles."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("torch")
diffusers = pytest.importorskip("diffusers")

from tests.strategies.looking import SUBJECT  # noqa: E402
from tests.strategies.named import strategy_named  # noqa: E402


def tiled(vae: Any, **pipeline: Any) -> Any:
    """A VAE, as the strategy leaves it that decodes in tiles of the subject's."""
    pipe = SimpleNamespace(vae=vae, **pipeline)
    pipe.to = lambda device: pipe
    site: Any = SimpleNamespace(pipeline=lambda: pipe, device="cpu", subject=SUBJECT)
    return strategy_named("vae-tiling").load(site).vae


def test_a_tile_is_as_large_in_latents_as_it_is_in_pixels() -> None:
    """Where a VAE is told both: the one of HunyuanVideo 1.5 decodes by the latents."""
    kind = getattr(diffusers, "AutoencoderKLHunyuanVideo15", None)
    if kind is None:
        pytest.skip("this release of diffusers has no such VAE")
    sizes = {"spatial_compression_ratio": 4, "temporal_compression_ratio": 2}
    whole = {"downsample_match_channel": False, "upsample_match_channel": False}
    vae = kind(latent_channels=4, block_out_channels=(16, 16), layers_per_block=1, **sizes, **whole)
    tiled(vae, vae_scale_factor_spatial=4)
    assert (vae.tile_sample_min_height, vae.tile_sample_min_width) == (64, 64)
    assert (vae.tile_latent_min_height, vae.tile_latent_min_width) == (16, 16)

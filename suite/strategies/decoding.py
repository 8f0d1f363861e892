"""The VAE decoding a picture, or a batch of pictures, in pieces."""

from __future__ import annotations

from typing import Any

from suite.rendering import DECODE
from suite.strategies.effects import Counted
from suite.strategies.promise import Site, strategy


@strategy(
    approximates="full", less_memory_than="full", less_during=(DECODE,), effects=(Counted("tiles decoded", at_least=2),)
)
def vae_tiling(site: Site) -> Any:
    """The VAE decodes overlapping tiles and blends their seams."""
    pipe = site.pipeline().to(site.device)
    pipe.vae.enable_tiling()
    if site.subject.vae_tile is not None:
        pipe.vae.tile_sample_min_size = site.subject.vae_tile
        pipe.vae.tile_latent_min_size = site.subject.vae_tile // pipe.vae_scale_factor
    return pipe

"""The VAE decoding a picture, or a batch of pictures, in pieces."""

from __future__ import annotations

from typing import Any

from suite.rendering import DECODE
from suite.strategies.effects import SLICES, TILES, Counted
from suite.strategies.promise import Site, strategy


@strategy(approximates="full", effects=(Counted(SLICES, at_least=2),))
def vae_slicing(site: Site) -> Any:
    """The VAE decodes the pictures of a batch one by one, whose kernels may round differently from the batch's."""
    pipe = site.pipeline().to(site.device)
    pipe.vae.enable_slicing()
    return pipe


@strategy(approximates="full", less_memory_than="full", less_during=(DECODE,), effects=(Counted(TILES, at_least=2),))
def vae_tiling(site: Site) -> Any:
    """The VAE decodes overlapping tiles and blends their seams."""
    pipe = site.pipeline().to(site.device)
    pipe.vae.enable_tiling()
    if site.subject.vae_tile is not None:  # the VAE's own tile is larger than the subject's pictures
        pipe.vae.tile_sample_min_size = site.subject.vae_tile
        pipe.vae.tile_latent_min_size = site.subject.vae_tile // pipe.vae_scale_factor
    return pipe

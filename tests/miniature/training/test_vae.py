"""Tests of the autoencoder's training: what the decoder is polished on."""

from __future__ import annotations

import random

import pytest

torch = pytest.importorskip("torch")

from fluxgate.miniature.training.vae import PIECE, piece  # noqa: E402


@pytest.mark.parametrize("seed", range(8))
def test_a_piece_shows_the_same_place_in_latents_and_picture(seed: int) -> None:
    """Every latent lies over its own eight by eight pixels."""
    random.seed(seed)
    latents = torch.arange(32.0 * 40).reshape(1, 1, 32, 40)
    picture = latents.repeat_interleave(8, dim=-1).repeat_interleave(8, dim=-2)
    some, shown = piece(latents, picture)
    assert some.shape[-2] % PIECE == some.shape[-1] % PIECE == 0
    assert torch.equal(shown[..., ::8, ::8], some)
    assert shown.shape[-2:] == (8 * some.shape[-2], 8 * some.shape[-1])


def test_what_is_smaller_than_a_piece_is_taken_whole() -> None:
    """The toy's pictures are."""
    latents, picture = torch.zeros(1, 1, 4, 4), torch.zeros(1, 1, 32, 32)
    some, shown = piece(latents, picture)
    assert (some.shape, shown.shape) == (latents.shape, picture.shape)

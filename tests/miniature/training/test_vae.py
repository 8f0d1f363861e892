"""Tests of the autoencoder's training: what the decoder is polished on."""

from __future__ import annotations

import random

import pytest

from fluxgate.miniature import architecture
from fluxgate.miniature.training import vae
from fluxgate.miniature.training.vae import PIECE, piece

torch = pytest.importorskip("torch")


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


def test_whitening_changes_the_latents_and_not_what_the_decoder_sees() -> None:
    """Latents get mean 0 and deviation 1 (normalised); the decoder's first layer undoes it, away from the frame."""
    from diffusers import AutoencoderKL

    torch.manual_seed(2)
    model = AutoencoderKL.from_config(architecture.vae_config(architecture.TOY)).eval().requires_grad_(False)
    picture = torch.rand(4, 3, 64, 64) * 2 - 1
    before = vae.normalised_latents(model, picture)
    seen = model.decoder.conv_in(model.encode(picture).latent_dist.mode())[..., 1:-1, 1:-1]
    vae.whiten(model, before.mean((0, 2, 3)), before.std((0, 2, 3)))
    after = vae.normalised_latents(model, picture)
    assert torch.allclose(after.mean((0, 2, 3)), torch.zeros(16), atol=1e-3)
    assert torch.allclose(after.std((0, 2, 3)), torch.ones(16), atol=1e-2)
    again = model.decoder.conv_in(model.encode(picture).latent_dist.mode())[..., 1:-1, 1:-1]
    assert torch.allclose(again, seen, atol=1e-4)

"""Tests of what is read of a VAE's class without importing it."""

from __future__ import annotations

from pathlib import Path

import pytest

from fluxgate.subjects.decoder_class import decoder_attributes, decodes_in_tiles_alone, tile_edge, weights_read
from fluxgate.subjects.subject import Subject

pytest.importorskip("diffusers")


def of(pipeline: str, source: str = "hub:o/n", **more: int) -> Subject:
    return Subject("s", "s", source, (), pipeline=pipeline, **more)  # type: ignore[arg-type]  # numbers all


@pytest.mark.parametrize(
    ("pipeline", "name"),
    [("FluxPipeline", "AutoencoderKL"), ("SanaPipeline", "AutoencoderDC"), ("WanPipeline", "AutoencoderKLWan")],
)
def test_the_class_is_the_constructors(pipeline: str, name: str) -> None:
    """Where no folder is there, and all of these can decode in slices and tiles."""
    known = decoder_attributes(of(pipeline))
    assert known is not None
    assert known[0] == name
    assert {"use_slicing", "use_tiling"} <= set(known[1])


def test_an_unknown_class_says_nothing() -> None:
    """Neither that it can nor that it cannot."""
    assert decoder_attributes(of("NoPipeline")) is None
    assert tile_edge(of("NoPipeline")) is None


def test_a_tile_is_as_large_as_somebody_says(tmp_path: Path) -> None:
    """The subject, then the class, then for AutoencoderKL its configuration."""
    assert tile_edge(of("WanPipeline", vae_tile=64)) == 64
    assert tile_edge(of("WanPipeline")) == 256
    (tmp_path / "vae").mkdir()
    (tmp_path / "model_index.json").write_text('{"vae": ["diffusers", "AutoencoderKL"]}')
    (tmp_path / "vae" / "config.json").write_text('{"sample_size": 1024}')
    assert tile_edge(of("FluxPipeline", f"folder:{tmp_path}")) == 1024
    (tmp_path / "vae" / "config.json").write_text("{")
    assert tile_edge(of("FluxPipeline", f"folder:{tmp_path}")) is None


def test_what_a_call_reads_of_its_decoder_is_found_in_both_sources() -> None:
    """Statistics that are tensors, not configurations."""
    assert weights_read(of("Flux2KleinPipeline")) == "vae.bn"
    assert weights_read(of("LTXPipeline")) == "vae.latents_mean"
    assert [weights_read(of(name)) for name in ("FluxPipeline", "QwenImagePipeline", "NoPipeline")] == [None] * 3


def test_a_class_that_decodes_no_whole_picture_says_so() -> None:
    """Allegro's, in the words of what it raises."""
    pytest.importorskip("diffusers")
    kinds = ("AutoencoderKLAllegro", "AutoencoderKL", "AutoencoderKLCogVideoX", "NoSuchClass")
    assert [decodes_in_tiles_alone(kind) for kind in kinds] == [True, False, False, False]

"""Tests of finding what encodes, denoises and decodes: from an index, and from a class's constructor."""

from __future__ import annotations

from pathlib import Path

import pytest

from fluxgate.pipeline_folder import Index
from fluxgate.subjects.catalogue import read_catalogue
from fluxgate.subjects.parts import Parts, parts_in_index, parts_of_class
from fluxgate.subjects.pipeline_class import pipeline_class
from tests.subjects.hollow import FLUX, hollow_pipeline

FOUND = {
    "FluxPipeline": Parts("transformer", "vae", ("text_encoder", "text_encoder_2"), ("transformer", "text_encoder_2")),
    "StableDiffusionPipeline": Parts("unet", "vae", ("text_encoder",), ("unet",)),
    "StableDiffusionXLPipeline": Parts("unet", "vae", ("text_encoder", "text_encoder_2"), ("unet",)),
    "StableDiffusion3Pipeline": Parts(
        "transformer",
        "vae",
        ("text_encoder", "text_encoder_2", "text_encoder_3"),
        ("transformer", "text_encoder_3"),
    ),
    "SanaPipeline": Parts("transformer", "vae", ("text_encoder",), ("transformer", "text_encoder")),
    "WanPipeline": Parts("transformer", "vae", ("text_encoder",), ("transformer", "transformer_2", "text_encoder")),
}


@pytest.mark.parametrize("name", FOUND)
def test_a_constructor_says_which_component_does_what(name: str) -> None:
    """By the classes that its parameters are annotated with; CLIP's text models are not worth quantizing."""
    pytest.importorskip("diffusers")
    installed = pipeline_class(name)
    assert installed is not None
    assert parts_of_class(installed) == FOUND[name]


def test_what_is_left_out_of_a_pipeline_is_no_part() -> None:
    """Wan has a second denoiser in some folders only."""
    index = Index(
        "WanPipeline", {"transformer": ("diffusers", "WanTransformer3DModel"), "vae": ("diffusers", "AutoencoderKLWan")}
    )
    assert parts_in_index(index) == Parts("transformer", "vae", (), ("transformer",))


def test_a_denoiser_is_known_by_its_name_where_its_class_tells_nothing() -> None:
    """As Amused's UVit2DModel."""
    index = Index("AmusedPipeline", {"transformer": ("diffusers", "UVit2DModel"), "vqvae": ("diffusers", "VQModel")})
    assert parts_in_index(index) == Parts("transformer", "vqvae", (), ("transformer",))


def test_nothing_is_found_in_nothing() -> None:
    """A pipeline without networks has no parts."""
    assert parts_in_index(Index(None, {})) == Parts(None, None, (), ())


SDXL = """
[mine]
about = "ours"
source = "folder:p"
{more}
[mine.shots.one]
prompt = "a fox"
seed = 1
"""


def test_a_catalogue_finds_what_it_does_not_say(tmp_path: Path) -> None:
    """Class and parts come from the folder's index; what the entry says wins."""
    names = {
        "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"],
        "text_encoder": ["transformers", "CLIPTextModel"],
    }
    hollow_pipeline(tmp_path / "p", {"_class_name": "StableDiffusionPipeline", **names})
    (tmp_path / "mine.toml").write_text(SDXL.format(more=""))
    subject = read_catalogue(tmp_path / "mine.toml")["mine"]
    assert (subject.pipeline, subject.denoiser, subject.large) == ("StableDiffusionPipeline", "unet", ("unet",))
    assert subject.calls_per_step is None
    (tmp_path / "mine.toml").write_text(SDXL.format(more='large = ["unet", "text_encoder"]'))
    assert read_catalogue(tmp_path / "mine.toml")["mine"].large == ("unet", "text_encoder")


def test_flux_without_a_folder_is_as_ever(tmp_path: Path) -> None:
    """The defaults of older catalogues stand, whether or not diffusers is there to be asked."""
    (tmp_path / "mine.toml").write_text(SDXL.format(more=""))
    assert read_catalogue(tmp_path / "mine.toml")["mine"].large == ("transformer", "text_encoder_2")
    hollow_pipeline(tmp_path / "p", FLUX)
    assert read_catalogue(tmp_path / "mine.toml")["mine"].calls_per_step == 1


def test_the_denoiser_of_two_is_the_one_that_makes_latents() -> None:
    """A prior makes what that one starts from."""
    index = Index(
        "StableUnCLIPPipeline",
        {"prior": ("diffusers", "PriorTransformer"), "unet": ("diffusers", "UNet2DConditionModel")},
    )
    parts = parts_in_index(index)
    assert (parts.denoiser, parts.large) == ("unet", ("unet", "prior"))

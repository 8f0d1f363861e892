"""Tests of what is read of a denoiser's class without importing it."""

from __future__ import annotations

from pathlib import Path

import pytest

from fluxgate.subjects.denoiser_class import denoiser_class
from fluxgate.subjects.subject import Subject

pytest.importorskip("diffusers")


def of(pipeline: str, source: str = "hub:o/n", denoiser: str = "transformer") -> Subject:
    return Subject("s", "s", source, (), pipeline=pipeline, denoiser=denoiser)


def test_the_class_is_the_constructors() -> None:
    """Where no folder is there, with its bases and what it sets of itself."""
    known = denoiser_class(of("FluxPipeline"))
    assert known is not None
    assert known.name == "FluxTransformer2DModel"
    assert "CacheMixin" in known.bases
    assert "_no_split_modules" in known.attributes


def test_a_folders_index_is_asked_first(tmp_path: Path) -> None:
    """A pipeline may have another denoiser than its constructor names."""
    index = '{"_class_name": "FluxPipeline", "transformer": ["diffusers", "SD3Transformer2DModel"]}'
    (tmp_path / "model_index.json").write_text(index)
    known = denoiser_class(of("FluxPipeline", source=f"folder:{tmp_path}"))
    assert known is not None
    assert known.name == "SD3Transformer2DModel"


def test_a_unet_is_found_too() -> None:
    """It lies in another folder of diffusers."""
    known = denoiser_class(of("StableDiffusionPipeline", denoiser="unet"))
    assert known is not None
    assert known.name == "UNet2DConditionModel"


@pytest.mark.parametrize(("pipeline", "caller"), [("LTXPipeline", "LTXVideoAttnProcessor"), ("FluxPipeline", None)])
def test_what_its_file_calls_is_known(pipeline: str, caller: str | None) -> None:
    """A method, and a class in the file of the denoiser's that calls it; what a base's file calls is not."""
    known = denoiser_class(of(pipeline))
    assert known is not None
    assert known.calls.get("prepare_attention_mask") == caller


def test_an_unknown_class_says_nothing() -> None:
    """Neither that it can nor that it cannot."""
    assert denoiser_class(of("NoPipeline")) is None

"""Tests of what is read of a pipeline's class without importing it: the same as the class itself says."""

from __future__ import annotations

import inspect
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fluxgate.subjects import pipeline_class as module
from fluxgate.subjects.pipeline_class import pipeline_class, pipeline_names

diffusers = pytest.importorskip("diffusers")

FLUX = ("prompt_embeds", "pooled_prompt_embeds", "text_ids")
FOUR = ("prompt_embeds", "negative_prompt_embeds", "pooled_prompt_embeds", "negative_pooled_prompt_embeds")


@pytest.mark.parametrize(
    ("name", "encodes", "embeddings"),
    [
        ("FluxPipeline", FLUX, FLUX[:2]),
        ("StableDiffusionPipeline", FOUR[:2], FOUR[:2]),
        ("StableDiffusionXLPipeline", FOUR, FOUR),
        ("StableDiffusion3Pipeline", FOUR, FOUR),
    ],
)
def test_what_is_encoded_is_named(name: str, encodes: tuple[str, ...], embeddings: tuple[str, ...]) -> None:
    """The names of what encode_prompt returns, and those of them that the call takes."""
    read = pipeline_class(name)
    assert read is not None
    assert (read.encodes, read.embeddings) == (encodes, embeddings)


def named_parameters(function: Callable[..., Any]) -> tuple[str, ...]:
    """All but `self` and `**kwargs`."""
    parameters = list(inspect.signature(function).parameters.values())[1:]
    return tuple(parameter.name for parameter in parameters if parameter.kind is not parameter.VAR_KEYWORD)


@pytest.mark.parametrize("name", ["FluxPipeline", "StableDiffusionPipeline", "StableDiffusionXLPipeline"])
def test_the_parameters_are_the_classs_own(name: str) -> None:
    """Those of its call, as inspecting the imported class gives them."""
    read, imported = pipeline_class(name), getattr(diffusers, name)
    assert read is not None
    assert read.takes == named_parameters(imported.__call__)


def test_the_components_are_those_it_must_be_given() -> None:
    """Optional ones are left out, whether by a default or by the class's own list."""
    read = pipeline_class("StableDiffusionPipeline")
    assert read is not None
    assert set(read.components) == {"vae", "text_encoder", "tokenizer", "unet", "scheduler"}
    assert read.components["unet"] == ("UNet2DConditionModel",)


def test_an_unknown_class_is_none() -> None:
    """And is not among the names; outputs of pipelines are no pipelines."""
    assert pipeline_class("FluxPipelin") is None
    assert "FluxPipeline" in pipeline_names()
    assert not [name for name in pipeline_names() if name.endswith("Output")]


@pytest.mark.long
def test_every_pipeline_can_be_read() -> None:
    """Whatever its source looks like, nothing is raised."""
    assert sum(bool(read.encodes) for name in pipeline_names() if (read := pipeline_class(name))) > 100


def test_methods_are_inherited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A class that only changes its constructor encodes as its base does; its own definitions win. So with lists."""
    (tmp_path / "pipeline_base.py").write_text(
        "class BasePipeline(Other):\n"
        "    _exclude_from_cpu_offload = ['vae']\n"
        "    def encode_prompt(self, prompt):\n        return prompt_embeds, mask\n"
        "    def __call__(self, prompt_embeds, *, mask=None): pass\n"
    )
    (tmp_path / "pipeline_derived.py").write_text(
        "class DerivedPipeline(BasePipeline):\n"
        "    _optional_components = ['unet']\n"
        "    def __init__(self, vae: A | B, unet, extra=None): pass\n"
    )
    monkeypatch.setattr(module, "_root", lambda: tmp_path)
    read = pipeline_class("DerivedPipeline")
    assert read is not None
    assert read.components == {"vae": ("A", "B")}
    assert read.stays == ("vae",)
    assert (read.encodes, read.takes, read.embeddings) == (
        ("prompt_embeds", "mask"),
        ("prompt_embeds", "mask"),
        ("prompt_embeds", "mask"),
    )


@pytest.mark.parametrize("last", ["return {}", "return embeds(x), mask", "x = 1", "return"])
def test_results_that_have_no_names_are_not_guessed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, last: str) -> None:
    """Empty, so that nothing is held against them."""
    (tmp_path / "pipeline.py").write_text(f"class OwnPipeline(X):\n    def encode_prompt(self):\n        {last}\n")
    monkeypatch.setattr(module, "_root", lambda: tmp_path)
    read = pipeline_class("OwnPipeline")
    assert read is not None
    assert read.encodes == ()


def test_nothing_is_known_without_diffusers(monkeypatch: pytest.MonkeyPatch) -> None:
    """A laptop that only judges runs need not have it."""
    monkeypatch.setattr(module, "_root", lambda: None)
    assert (pipeline_class("FluxPipeline"), pipeline_names()) == (None, ())


def test_nothing_is_imported() -> None:
    """Reading a class costs no import of diffusers or torch."""
    code = (
        "import sys; from fluxgate.subjects.pipeline_class import pipeline_class;"
        "assert pipeline_class('FluxPipeline'); sys.exit(bool({'torch', 'diffusers'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

"""Tests of loading: what a pipeline's index may say, and by whom a component may be loaded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fluxgate.refusal import Refusal
from fluxgate.strategies.loading import component, weighty
from fluxgate.strategies.promise import Site
from fluxgate.subjects.subject import Subject

INDEX = {
    "_class_name": "FluxPipeline",
    "_diffusers_version": "0.33.1",
    "scheduler": ["diffusers", "FlowMatchEulerDiscreteScheduler"],
    "text_encoder": ["transformers", "CLIPTextModel"],
    "tokenizer": ["transformers", "CLIPTokenizer"],
    "tokenizer_2": ["transformers", "T5TokenizerFast"],
    "transformer": ["diffusers", "FluxTransformer2DModel"],
    "vae": ["diffusers", "AutoencoderKL"],
    "image_encoder": [None, None],
}


def folder_with(tmp_path: Path, index: dict[str, Any]) -> Path:
    (tmp_path / "model_index.json").write_text(json.dumps(index))
    return tmp_path


def test_only_components_with_weights_are_weighty(tmp_path: Path) -> None:
    """Schedulers and tokenizers have none, and what is null is not there."""
    assert weighty(folder_with(tmp_path, INDEX)) == ("text_encoder", "transformer", "vae")


def test_only_two_libraries_are_imported_for_a_component(tmp_path: Path) -> None:
    """An index that names another module does not get it imported."""
    folder = folder_with(tmp_path, INDEX | {"vae": ["os", "system"]})
    subject = Subject("small", "a small pipeline", "folder:.", ())
    site = Site(subject, folder=folder, device="cpu", scratch=tmp_path, watch=lambda pipeline: None)
    with pytest.raises(Refusal, match="component vae belongs to os; only diffusers and transformers are loaded"):
        component(site, "vae", config="BitsAndBytesConfig", settings={})

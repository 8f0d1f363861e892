"""Tests of loading: what a pipeline's index may say, and by whom a component may be loaded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fluxgate.refusal import Refusal
from fluxgate.strategies.loading import component, index_of, weighty
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


def folder_with(tmp_path: Path, index: Any) -> Path:
    (tmp_path / "model_index.json").write_text(index if isinstance(index, str) else json.dumps(index))
    return tmp_path


def test_only_components_with_weights_are_weighty(tmp_path: Path) -> None:
    """Schedulers and tokenizers have none, and what is null is not there."""
    assert weighty(folder_with(tmp_path, INDEX)) == ("text_encoder", "transformer", "vae")


def test_library_and_class_are_read(tmp_path: Path) -> None:
    """The index names both."""
    assert index_of(folder_with(tmp_path, INDEX))["vae"] == ("diffusers", "AutoencoderKL")


@pytest.mark.parametrize("index", ["", "[]", "{", '"x"', '{"vae": ["diffusers"]}'])
def test_a_damaged_index_is_refused_by_name(tmp_path: Path, index: str) -> None:
    """One sentence that names the file."""
    with pytest.raises(Refusal, match=r"model_index.json is not the index of a pipeline"):
        index_of(folder_with(tmp_path, index))


def test_a_folder_without_an_index_is_refused(tmp_path: Path) -> None:
    """One sentence, no traceback of the libraries."""
    with pytest.raises(Refusal, match="is not the index of a pipeline"):
        weighty(tmp_path)


def test_only_two_libraries_are_imported_for_a_component(tmp_path: Path) -> None:
    """An index that names another module does not get it imported."""
    folder = folder_with(tmp_path, INDEX | {"vae": ["os", "system"]})
    subject = Subject("small", "a small pipeline", "folder:.", ())
    site = Site(subject, folder=folder, device="cpu", scratch=tmp_path, watch=lambda pipeline: None)
    with pytest.raises(Refusal, match="component vae belongs to os; only diffusers and transformers are loaded"):
        component(site, "vae", config="BitsAndBytesConfig", settings={})

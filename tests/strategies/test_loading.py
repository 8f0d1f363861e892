"""Tests of loading: what a pipeline's index may say, and by whom a component may be loaded."""

from __future__ import annotations

from pathlib import Path

import pytest

from fluxgate.refusal import Refusal
from fluxgate.strategies.loading import component, origin_of, weighty
from fluxgate.strategies.promise import Site
from fluxgate.subjects.subject import Subject
from tests.subjects.hollow import FLUX, hollow_pipeline


def test_only_components_with_weights_are_weighty(tmp_path: Path) -> None:
    """Schedulers, tokenizers and processors have none, whatever their class is called; what is null is not there."""
    processor = {"feature_extractor": ["transformers", "CLIPImageProcessorPil"]}
    folder = hollow_pipeline(tmp_path / "pipeline", FLUX | processor)
    assert weighty(folder) == ("text_encoder", "text_encoder_2", "transformer", "vae")


def test_only_two_libraries_are_imported_for_a_component(tmp_path: Path) -> None:
    """An index that names another module does not get it imported."""
    folder = hollow_pipeline(tmp_path / "pipeline", FLUX | {"vae": ["os", "system"]})
    subject = Subject("small", "a small pipeline", "folder:.", ())
    site = Site(subject, folder=folder, device="cpu", scratch=tmp_path, watch=lambda pipeline: None)
    with pytest.raises(Refusal, match="vae belongs to os"):
        component(site, "vae", config="BitsAndBytesConfig", settings={})


@pytest.mark.parametrize(
    ("library", "kind", "package"),
    [
        ("kolors", "ChatGLMModel", "transformers"),
        ("stable_cascade", "StableCascadeCombinedPipeline", "diffusers"),
        ("diffusers", "AutoencoderKL", "diffusers"),
    ],
)
def test_a_class_of_a_pipeline_of_diffusers_is_found(library: str, kind: str, package: str, tmp_path: Path) -> None:
    """In that pipeline's module, with the library whose loader it inherits."""
    pytest.importorskip("diffusers")
    folder = hollow_pipeline(tmp_path / "pipeline", FLUX | {"vae": [library, kind]})
    loader, found = origin_of(folder, "vae")
    assert (loader.__name__, found.__name__) == (package, kind)

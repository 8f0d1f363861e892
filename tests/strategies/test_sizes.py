"""Tests of what a pipeline without its VAE is told of it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

torch = pytest.importorskip("torch")
diffusers = pytest.importorskip("diffusers")

from torch.utils._python_dispatch import TorchDispatchMode  # noqa: E402

from fluxgate.strategies.promise import Site  # noqa: E402
from fluxgate.strategies.sizes import size_as_with  # noqa: E402

WITHOUT = ("vae", "transformer", "text_encoder", "text_encoder_2", "tokenizer", "tokenizer_2")


class Counting(TorchDispatchMode):
    """Counts operators, as the watch of work does."""

    def __init__(self) -> None:
        super().__init__()
        self.operators = Counter[str]()

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.operators[str(function)] += 1
        return function(*args, **(kwargs or {}))


@pytest.fixture
def pipeline(miniature_folder: Path) -> Any:
    return diffusers.FluxPipeline.from_pretrained(miniature_folder, **dict.fromkeys(WITHOUT))


def test_a_latent_is_as_many_pixels_as_the_vae_says(pipeline: Any, miniature_folder: Path) -> None:
    """Whatever the pipeline took for granted without it."""
    pipeline.vae_scale_factor = 3
    size_as_with("vae", pipeline, cast(Site, SimpleNamespace(folder=miniature_folder)))
    assert (pipeline.vae_scale_factor, pipeline.vae) == (8, None)


def test_looking_at_the_vae_is_no_work(pipeline: Any, miniature_folder: Path) -> None:
    """A stage that loads its pipeline within a call does no more for it."""
    with Counting() as counting:
        torch.ones(1)
        size_as_with("vae", pipeline, cast(Site, SimpleNamespace(folder=miniature_folder)))
    assert list(counting.operators) == ["aten.ones.default"]

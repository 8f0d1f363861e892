"""The article before the name of a class."""

from __future__ import annotations

import pytest

from fluxgate.article import with_article


@pytest.mark.parametrize(
    "words",
    [
        "an AutoencoderKL",
        "an ErnieImagePipeline",
        "an OvisImageTransformer2DModel",
        "an SD3Transformer2DModel",
        "an LTXPipeline",
        "a Linear",
        "a FluxPipeline",
        "a UNet2DConditionModel",
        "a T5EncoderModel",
        "a VQModel",
        "an int8 layer",
    ],
)
def test_the_article_is_as_the_name_is_said(words: str) -> None:
    """By its first sound, not its first letter."""
    assert with_article(words.split(" ", 1)[1]) == words

"""Tests of calls that give pictures of a size of their own: found in diffusers' source, and in a few lines of it."""

from __future__ import annotations

import ast

import pytest

from fluxgate.subjects.own_sizes import own_size
from fluxgate.subjects.pipeline_class import pipeline_class


def call(*lines: str) -> ast.FunctionDef:
    body = "".join(f"\n    {line}" for line in lines)
    (definition,) = ast.parse(f"def __call__(self, height=None, width=None, binning=True, image=None):{body}").body
    assert isinstance(definition, ast.FunctionDef)
    return definition


@pytest.mark.parametrize(
    ("lines", "options"),
    [
        (["width, height = int(width * scale), int(height * scale)"], ()),
        (["if binning and (height, width) not in SHAPES:", "    width, height = mapped(width, height)"], ("binning",)),
        (["if binning or image:", "    width, height = mapped(width, height)"], ()),
        (["if (height, width) not in SHAPES:", "    height, width = SHAPES[nearest(height / width)]"], ()),
    ],
)
def test_both_edges_made_of_both_are_another_size(lines: list[str], options: tuple[str, ...]) -> None:
    """With the options that must all be true for it."""
    assert own_size(call(*lines)) == options


@pytest.mark.parametrize(
    "lines",
    [
        ["height = height or self.default", "width = width // 16 * 16"],
        ["height, width = image.shape[-2:]"],
        ["if not height or not width:", "    height, width = (height * 8, width * 8)"],
        ["if height is None:", "    height, width = mapped(height, width)"],
        ["height, width = self.image_processor.get_default_height_width(image, height, width)"],
        ["height, width = binned(height, width)", "return self.resize_and_crop_tensor(image, height, width)"],
    ],
)
def test_a_size_that_is_kept_is_none_of_its_own(lines: list[str]) -> None:
    """Rounded, taken from a picture, put in where none was given, or brought back in the end."""
    assert own_size(call(*lines)) is None


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("HiDreamImagePipeline", ()),
        ("Kandinsky5T2IPipeline", ()),
        ("HunyuanDiTPipeline", ("use_resolution_binning",)),
        ("PixArtSigmaPipeline", None),
        ("SanaPipeline", None),
        ("FluxPipeline", None),
        ("FluxKontextPipeline", None),
        ("StableDiffusionPipeline", None),
        ("StableDiffusionXLPipeline", None),
        ("WanPipeline", None),
    ],
)
def test_diffusers_pipelines_are_told_apart(name: str, options: tuple[str, ...] | None) -> None:
    """As their sources are written."""
    pytest.importorskip("diffusers")
    installed = pipeline_class(name)
    if installed is None:
        pytest.skip(f"the installed diffusers has no {name}")
    assert installed.own_size == options

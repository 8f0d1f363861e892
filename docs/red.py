"""Draws the pictures of docs/red.md out of accepted ones: python -m docs.red."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from fluxgate.compare.strips import columns, side_by_side
from fluxgate.miniature.given import given
from fluxgate.miniature.oracle import vae
from fluxgate.miniature.oracle.flux import Flux
from fluxgate.pictures import Pixels, read_png
from fluxgate.subjects.sources import MINIATURE

ROOT = Path(__file__).parent.parent
ACCEPTED = ROOT / "baselines" / "cpu-amd-26-2-avx512-bf16-torch2.13.0" / "miniature" / "pictures"
EDGE = 224  # pixels of a picture
# What is shown for a check: the expected picture and the one that stands in for a red one.
PAIRS = {
    "twice": ("full-pairs-1", "vae-slicing-pairs-1"),
    "promise": ("full-picnic-0", "fp8-layerwise-picnic-0"),
    "baseline": ("full-picnic-0", "staged-256-tokens-picnic-0"),
    "scene": ("full-pairs-2", "nf4-linear-pairs-2"),
}


def accepted(name: str) -> Pixels:
    (path,) = ACCEPTED.glob(f"{name}-*.png")
    return read_png(path)


def by_the_oracle() -> tuple[Pixels, Pixels]:
    """The picture that is given, and the same latents decoded by a pipeline that forgot to shift them."""
    flux = Flux.read(MINIATURE)
    latents = given().expected["latents for the VAE"]
    unshifted = latents - flux.configs["vae"]["shift_factor"]
    right, wrong = (vae.picture(flux.decoded(each)) for each in (latents, unshifted))
    return right, wrong


def small(pixels: Pixels) -> Pixels:
    picture = Image.fromarray(pixels)
    picture.thumbnail((EDGE, EDGE), Image.Resampling.LANCZOS)
    return np.asarray(picture)


def drawn(expected: Pixels, actual: Pixels) -> Image.Image:
    """Expected, actual, where a viewer sees it, and the difference amplified; compared at full size, shown small."""
    compared = columns(expected, actual)
    row = {title: None if pixels is None else small(pixels) for title, pixels in compared.items()}
    return Image.fromarray(side_by_side([row]))


if __name__ == "__main__":
    pairs = {check: (accepted(expected), accepted(actual)) for check, (expected, actual) in PAIRS.items()}
    for check, (expected, actual) in {**pairs, "oracle": by_the_oracle()}.items():
        drawn(expected, actual).quantize(256).save(ROOT / "docs" / f"red-{check}.png", optimize=True)

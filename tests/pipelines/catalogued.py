"""A catalogue of tiny pipelines: each in a folder, with one small shot."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from fluxgate.pictures import write_png
from tests.pipelines.made import FLOAT32, PIPELINES, write

WIDTH, HEIGHT = 128, 64  # of every picture: two of a VAE's tiles
IMAGE, MASK = "image.png", "mask.png"
ENTRY = """
[{name}]
about = "a tiny {pipeline} with random weights"
source = "folder:{name}"
dtype = "{dtype}"
vae_tile = {tile}

[{name}.shots.small]
prompt = "a red circle"
seed = 1
height = {height}
width = {width}
steps = 4
pictures_per_prompt = {pictures}
{more}
"""
TILES = {"sana": 96, "ltx": 96}  # of three latents, which can overlap by one
# What a call of one kind needs beside the prompt.
MORE = {
    "sd15-inpaint": f'inputs = {{ image = "{IMAGE}", mask_image = "{MASK}" }}\noptions = {{ strength = 1.0 }}',
    "kontext": f'inputs = {{ image = "{IMAGE}" }}\noptions = {{ _auto_resize = false, max_area = {WIDTH * HEIGHT} }}',
    "fill": f'inputs = {{ image = "{IMAGE}", mask_image = "{MASK}" }}',
    "pixart": "options = { use_resolution_binning = false, clean_caption = false }",
    "sana": "options = { use_resolution_binning = false }",
    "qwen-image": 'options = { negative_prompt = " " }',
    "wan": "options = { num_frames = 5 }",
    "ltx": "options = { num_frames = 9 }",
}


def catalogue(folder: Path, names: Iterable[str] = tuple(PIPELINES)) -> Path:
    """The TOML file, beside the pipelines and the pictures that they are given."""
    folder.mkdir(parents=True, exist_ok=True)
    write_inputs(folder)
    for name in names:
        write(name, folder / name)
    path = folder / "subjects.toml"
    path.write_text("".join(map(entry, names)))
    return path


def entry(name: str) -> str:
    """The tables of one subject."""
    return ENTRY.format(
        name=name,
        pipeline=PIPELINES[name][0],
        dtype="float32" if name in FLOAT32 else "bfloat16",
        tile=TILES.get(name, 64),
        height=HEIGHT,
        width=WIDTH,
        pictures=1 if name in ("wan", "ltx", "sd15-inpaint") else 2,
        more=MORE.get(name, ""),
    )


def write_inputs(folder: Path) -> None:
    """A picture of many colours, and a mask of its middle."""
    down, across = np.mgrid[0:HEIGHT, 0:WIDTH]
    image = np.stack([down * 4, across * 2, (down * across) % 256], axis=-1).astype(np.uint8)
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[16:48, 32:96] = 255
    write_png(folder / IMAGE, image)
    write_png(folder / MASK, mask)

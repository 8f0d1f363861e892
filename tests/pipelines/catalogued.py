"""A catalogue of tiny pipelines: each in a folder, with one small shot."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from fluxgate.pictures import write_png
from tests.pipelines.matrix import FLOAT32, PIPELINES, write
from tests.pipelines.single_files import (
    KINDS,
    WAN,
    renamed,
    without_weights,
    write_gguf,
    write_plain,
    write_stable_diffusion,
)

WIDTH, HEIGHT = 128, 64  # of every picture: two of a VAE's tiles
IMAGE, MASK = "image.png", "mask.png"
ENTRY = """
[{name}]
about = "a tiny {pipeline} with random weights"
source = "folder:{name}"
dtype = "{dtype}"
vae_tile = {tile}
{lines}

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
    lines = {}
    for name in names:
        made = FORMS.get(name, name)
        write(made, folder / name)
        lines[name] = LAID_OUT[name](folder, name) if name in FORMS else ""
    path = folder / "subjects.toml"
    path.write_text("".join(entry(name, lines[name]) for name in names))
    return path


def as_checkpoint(folder: Path, name: str) -> str:
    """Stable Diffusion in one file; the folder keeps configurations."""
    write_stable_diffusion(folder / name, folder / f"{name}.safetensors")
    without_weights(folder / name, ("unet", "vae", "text_encoder", "safety_checker"))
    return f'checkpoint = "{name}.safetensors"'


def as_file(folder: Path, name: str) -> str:
    """FLUX with its denoiser in one file."""
    write_plain(folder / name / "transformer", folder / f"{name}.safetensors")
    without_weights(folder / name, ("transformer",))
    return f'files = {{ transformer = "{name}.safetensors" }}'


def as_gguf(folder: Path, name: str) -> str:
    """Wan with its denoiser in a GGUF file, under Wan's own names and with a kind for each matrix by turns."""
    turns = itertools.cycle(KINDS)
    component, file = folder / name / "transformer", folder / f"{name}.gguf"
    write_gguf(component, file, kinds=lambda _: next(turns), called=lambda key: renamed(key, WAN))
    without_weights(folder / name, ("transformer",))
    return f'files = {{ transformer = "{name}.gguf" }}'


# The same pipelines in files of another form.
FORMS = {"sd15-checkpoint": "sd15", "flux-file": "flux", "wan-gguf": "wan"}
LAID_OUT = {"sd15-checkpoint": as_checkpoint, "flux-file": as_file, "wan-gguf": as_gguf}


def entry(name: str, lines: str = "") -> str:
    """The tables of one subject."""
    made = FORMS.get(name, name)
    return ENTRY.format(
        name=name,
        pipeline=PIPELINES[made][0],
        dtype="float32" if made in FLOAT32 else "bfloat16",
        tile=TILES.get(made, 64),
        lines=lines,
        height=HEIGHT,
        width=WIDTH,
        pictures=1 if made in ("wan", "ltx", "sd15-inpaint") else 2,
        more=MORE.get(made, ""),
    )


def write_inputs(folder: Path) -> None:
    """A picture of many colours, and a mask of its middle."""
    down, across = np.mgrid[0:HEIGHT, 0:WIDTH]
    image = np.stack([down * 4, across * 2, (down * across) % 256], axis=-1).astype(np.uint8)
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[16:48, 32:96] = 255
    write_png(folder / IMAGE, image)
    write_png(folder / MASK, mask)

"""Tests of the mapping onto larger models: what is grown paints the same pictures, in float32 and in bfloat16."""

import dataclasses
import gc
import shutil
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from skimage.metrics import structural_similarity

from fluxgate.miniature.growth import FLUX_DEV, Target, grow
from fluxgate.miniature.small_pipeline import sizes_of
from fluxgate.strategies.promise import dtype_setting
from fluxgate.subjects.sources import MINIATURE

torch = pytest.importorskip("torch")
diffusers = pytest.importorskip("diffusers")

PROMPT = "Three red mushrooms and a white rabbit by a lake by day."
OTHER = "A big grey fox in a desert at night."
FLOOR = {"float32": 0.9999, "bfloat16": 0.99}  # measured 0.999999 and 0.9975; another prompt 0.43
NARROW = Target(
    dataclasses.replace(
        FLUX_DEV.sizes,
        double_blocks=3,
        single_blocks=6,
        heads=6,
        t5_width=512,
        t5_inner=1280,
        t5_heads=8,
        t5_layers=3,
        clip_width=384,
        clip_inner=1536,
        clip_heads=6,
        clip_layers=3,
    ),
    clip_words=2000,
    t5_words=2000,
)


@pytest.fixture(scope="module")
def narrow(miniature_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The miniature with twice the widths, the VAE's real ones, and some blocks more."""
    folder = tmp_path_factory.mktemp("narrow") / "grown"
    grow(folder, source=miniature_folder, target=NARROW)
    return folder


@pytest.fixture(scope="module")
def wide(miniature_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The miniature with FLUX.1-dev's own widths and no more blocks than its own: 1.3 billion parameters."""
    small = sizes_of(miniature_folder)
    depths = {name: getattr(small, name) for name in ("double_blocks", "single_blocks", "t5_layers", "clip_layers")}
    target = Target(dataclasses.replace(FLUX_DEV.sizes, **depths), clip_words=2000, t5_words=2000)
    folder = tmp_path_factory.mktemp("wide")
    if shutil.disk_usage(folder).free < 4e9:
        pytest.skip("4 GB of disk are needed")
    grow(folder / "grown", source=miniature_folder, target=target)
    yield folder / "grown"
    shutil.rmtree(folder)


@cache
def picture(folder: Path, dtype: str, *, prompt: str = PROMPT, steps: int = 4) -> Any:
    """One picture, rendered in two halves so that encoders and transformer are never in memory together."""
    precision = dtype_setting(diffusers, getattr(torch, dtype))
    encoder = diffusers.FluxPipeline.from_pretrained(folder, transformer=None, vae=None, **precision)
    with torch.no_grad():
        texts, pooled, _ = encoder.encode_prompt(prompt, None, max_sequence_length=64)
    del encoder
    gc.collect()
    without = dict.fromkeys(("text_encoder", "text_encoder_2", "tokenizer", "tokenizer_2"))
    painter = diffusers.FluxPipeline.from_pretrained(folder, **without, **precision)
    painter.set_progress_bar_config(disable=True)
    return painter(
        prompt_embeds=texts,
        pooled_prompt_embeds=pooled,
        height=64,
        width=64,
        num_inference_steps=steps,
        guidance_scale=3.5,
        generator=torch.Generator("cpu").manual_seed(42),
        output_type="np",
    ).images[0]


def likeness(one: Any, other: Any) -> float:
    rounded = [np.round(255 * image).astype(np.uint8) for image in (one, other)]
    return float(structural_similarity(*rounded, channel_axis=2))


@pytest.mark.parametrize("dtype", list(FLOOR))
def test_the_grown_picture_is_the_miniatures(miniature_folder: Path, narrow: Path, dtype: str) -> None:
    """Wider components with added blocks paint the same picture."""
    assert likeness(picture(miniature_folder, dtype), picture(narrow, dtype)) >= FLOOR[dtype]


def test_another_prompt_gives_another_picture(miniature_folder: Path, narrow: Path) -> None:
    """The floor above is one that a wrong picture misses by far."""
    if miniature_folder != MINIATURE:
        pytest.skip("untrained weights paint the same noise for every prompt")
    other = picture(narrow, "bfloat16", prompt=OTHER)
    assert likeness(picture(miniature_folder, "bfloat16"), other) < 0.9


@pytest.mark.slow
@pytest.mark.parametrize("dtype", list(FLOOR))
def test_flux_devs_own_widths_paint_the_same_picture(miniature_folder: Path, wide: Path, dtype: str) -> None:
    """The same holds at the real widths: 24 heads, T5's 4096 channels, CLIP's 768, the VAE's 512."""
    small = picture(miniature_folder, dtype, steps=2)
    assert likeness(small, picture(wide, dtype, steps=2)) >= FLOOR[dtype]

"""The second implementation: what it computes is what the libraries compute in float32, and each part matters."""

from __future__ import annotations

import ast
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import fluxgate.miniature.computed_as
import fluxgate.miniature.oracle
from fluxgate.miniature import given
from fluxgate.miniature.computed_as import ImagePrompt
from fluxgate.miniature.given_computing import IMAGE_EMBEDDING, IMAGE_SCALE, IP_ADAPTER
from fluxgate.miniature.oracle.flux import Call, Flux
from fluxgate.miniature.oracle.layers import Weights
from fluxgate.miniature.oracle.transformer import Conditions

ROOM = Path(fluxgate.miniature.oracle.__file__).parent
SMALL = Call("Two orange foxes in a forest by day.", height=64, width=96, steps=2, guidance=3.5, tokens=32)


@pytest.fixture(scope="module")
def flux(miniature_folder: Path) -> Flux:
    return Flux.read(miniature_folder)


def latents(call: Call) -> NDArray[np.float64]:
    rows, columns = call.size
    return given.noise(rows * columns * 64).reshape(-1, 64)


def test_its_picture_is_the_libraries_in_float32(flux: Flux, miniature_folder: Path) -> None:
    """From the same latents, diffusers and transformers render the same picture, to a level of rounding."""
    import diffusers
    import torch

    from fluxgate.strategies.promise import dtype_setting

    settings = dtype_setting(diffusers, torch.float32)
    pipe = diffusers.FluxPipeline.from_pretrained(miniature_folder, **settings)
    pipe.set_progress_bar_config(disable=True)
    ours = flux.render(SMALL, latents(SMALL))
    noise = torch.from_numpy(latents(SMALL)).float()[None]
    theirs = pipe(
        SMALL.prompt,
        height=SMALL.height,
        width=SMALL.width,
        num_inference_steps=SMALL.steps,
        guidance_scale=SMALL.guidance,
        max_sequence_length=SMALL.tokens,
        latents=noise,
    ).images[0]
    apart = np.abs(ours.astype(int) - np.asarray(theirs).astype(int))
    assert (ours.shape, ours.std() > 20, apart.max() <= 1, (apart > 0).mean() < 0.01) == ((64, 96, 3), True, True, True)


def test_a_picture_beside_the_prompt_is_seen_as_the_libraries_see_it(flux: Flux, miniature_folder: Path) -> None:
    """Through the IP-Adapter that ships, in float32: what the transformer gives, which without it is another."""
    import diffusers
    import torch

    from fluxgate.strategies.promise import dtype_setting

    rows, columns = SMALL.size
    text, pooled = given.given().inputs["prompt embeddings"][:32], given.given().inputs["pooled embeddings"]
    numbers = (text.astype(np.float64), pooled.astype(np.float64), 500.0, 4000.0, SMALL.size)
    seeing = ImagePrompt(Weights.read(IP_ADAPTER), IMAGE_EMBEDDING, IMAGE_SCALE)
    ours, unseen = (flux.velocity(latents(SMALL), Conditions(*numbers, picture)) for picture in (seeing, None))
    settings = dtype_setting(diffusers, torch.float32)
    pipe = diffusers.FluxPipeline.from_pretrained(miniature_folder, **settings)
    pipe.load_ip_adapter(
        str(IP_ADAPTER), weight_name="ip_adapter.safetensors", image_encoder_pretrained_model_name_or_path=None
    )
    pipe.set_ip_adapter_scale(IMAGE_SCALE)
    places = torch.cartesian_prod(torch.zeros(1), torch.arange(rows).float(), torch.arange(columns).float())
    with torch.no_grad():
        theirs = pipe.transformer(
            torch.from_numpy(latents(SMALL)).float()[None],
            torch.from_numpy(text)[None],
            torch.from_numpy(pooled)[None],
            torch.tensor([0.5]),
            places,
            torch.zeros(len(text), 3),
            torch.tensor([4.0]),
            joint_attention_kwargs={"ip_adapter_image_embeds": [torch.from_numpy(IMAGE_EMBEDDING).float()[None, None]]},
        ).sample[0]
    size = np.sqrt((ours**2).mean())
    assert np.sqrt(((ours - theirs.numpy()) ** 2).mean()) < 1e-5 * size < np.sqrt(((ours - unseen) ** 2).mean())


def test_it_is_short_and_imports_nothing_that_is_tested() -> None:
    """It has fewer than 600 lines, and 120 for what strategies do more or less; what it computes with is numpy."""
    modules, beside = sorted(ROOM.glob("*.py")), Path(fluxgate.miniature.computed_as.__file__)
    assert sum(len(path.read_text().splitlines()) for path in modules) < 600
    assert len(beside.read_text().splitlines()) < 120
    modules.append(beside)
    trees = [ast.parse(path.read_text()) for path in modules]
    imported = {node.module or "" for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    imported |= {
        name.name for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names
    }
    packages = {name.partition(".")[0] for name in imported} - {"__future__", "dataclasses", "itertools", "json"}
    assert packages == {"collections", "fluxgate", "numpy", "pathlib", "tokenizers", "typing"}


def test_words_beyond_the_length_are_cut_and_the_end_stays(flux: Flux) -> None:
    """A prompt that is too long keeps its first words and the token that ends it, in both tokenizers."""
    long = Call("fox " * 100, height=64, width=64, steps=1, guidance=1.0, tokens=16)
    clip, t5 = flux.ids(long)
    assert (len(clip), clip[-1], len(t5), t5[-1]) == (77, 905, 16, 1)


@pytest.mark.parametrize("prompt", ["", "A fox", "Ünknown, words & signs!", "a  fox\n in the snow "])
def test_its_tokens_are_the_tokenizers_of_transformers(flux: Flux, miniature_folder: Path, prompt: str) -> None:
    """Ids from the files are those that the libraries' own classes give."""
    from transformers import CLIPTokenizer, T5TokenizerFast

    clip = CLIPTokenizer.from_pretrained(miniature_folder / "tokenizer")
    t5 = T5TokenizerFast.from_pretrained(miniature_folder / "tokenizer_2")
    call = Call(prompt, height=64, width=64, steps=1, guidance=1.0, tokens=32)
    theirs = (
        clip(prompt, padding="max_length", max_length=77, truncation=True).input_ids,
        t5(prompt, padding="max_length", max_length=32, truncation=True).input_ids,
    )
    assert tuple(ids.tolist() for ids in flux.ids(call)) == theirs

"""Tests of weights in single files: a whole pipeline, a component, and GGUF files that others wrote."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("diffusers")
pytest.importorskip("transformers")

from fluxgate.machine import detect, stack
from fluxgate.strategies.requirements import release
from fluxgate.subjects.catalogue import read_catalogue
from fluxgate.subjects.sources import why_not_ready
from fluxgate.subjects.subject import Subject
from tests.pipelines.catalogued import catalogue
from tests.pipelines.single_files import (
    KINDS,
    WAN,
    renamed,
    saved,
    without_weights,
    write_gguf,
    write_plain,
    write_stable_diffusion,
    write_wan,
)
from tests.strategies.looking import Seen, folder_of, look
from tests.strategies.named import strategy_named

Look = Callable[[Subject, str], Seen]


@pytest.fixture(scope="module")
def subjects(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Subject]:
    """The pipelines as folders."""
    return read_catalogue(catalogue(tmp_path_factory.mktemp("pipelines"), ("sd15", "wan", "flux")))


@pytest.fixture
def seen(tmp_path: Path) -> Look:
    """What a strategy renders of a subject."""

    def of(subject: Subject, name: str) -> Seen:
        strategy = strategy_named(name)
        assert strategy.unsupported(subject, detect(), stack()) is None
        assert why_not_ready(subject) is None
        scratch = tmp_path / f"{subject.name}-{name}-{len(list(tmp_path.iterdir()))}"
        scratch.mkdir()
        return look(strategy, folder_of(subject), scratch, subject=subject)

    return of


def skip_if_older(name: str) -> None:
    """Skip what a release of diffusers cannot do yet."""
    installed = release(stack()["diffusers"])
    if name == "flux" and installed < release("0.35.0"):
        pytest.skip("diffusers reads one file with its own names from 0.35 on")
    if name == "wan" and installed < release("0.36.0") and find_spec("ftfy") is None:
        pytest.skip("this diffusers calls Wan with ftfy alone, which is not installed")


def bare(subject: Subject, folder: Path, *components: str) -> Subject:
    """The subject with the configurations alone of some components."""
    shutil.copytree(folder_of(subject), folder)
    without_weights(folder, components)
    return replace(subject, source=f"folder:{folder}")


@pytest.mark.parametrize("name", ["full", pytest.param("staged", marks=pytest.mark.long)])
def test_a_whole_checkpoint_gives_the_pictures_of_the_folder(
    name: str, subjects: dict[str, Subject], seen: Look, tmp_path: Path
) -> None:
    """Stable Diffusion in its authors' own layout, to the pixel; the folder has configurations alone."""
    file = write_stable_diffusion(folder_of(subjects["sd15"]), tmp_path / "whole.safetensors")
    subject = bare(subjects["sd15"], tmp_path / "configurations", "unet", "vae", "text_encoder", "safety_checker")
    subject = replace(subject, checkpoint=str(file))
    rendered = seen(subject, name)
    assert (rendered.missing, rendered.pictures) == ((), seen(subjects["sd15"], "full").pictures)


@pytest.mark.parametrize(
    ("name", "write"), [("flux", write_plain), ("wan", write_wan)], ids=["diffusers-names", "own-names"]
)
def test_a_component_in_one_file_gives_the_pictures_of_the_folder(
    name: str, write: Callable[[Path, Path], Path], subjects: dict[str, Subject], seen: Look, tmp_path: Path
) -> None:
    """The denoiser under diffusers' names, or under those of its authors."""
    skip_if_older(name)
    folder = replace(subjects[name], dtype="float32")
    file = write(folder_of(folder) / "transformer", tmp_path / "denoiser.safetensors")
    subject = replace(bare(folder, tmp_path / "rest", "transformer"), files={"transformer": str(file)})
    rendered = seen(subject, "full")
    assert (rendered.missing, rendered.pictures) == ((), seen(folder, "full").pictures)


def wan_in_gguf(wan: Subject, folder: Path, kinds: tuple[str, ...]) -> tuple[Subject, Subject]:
    """Wan with its denoiser in a GGUF file, a kind for each matrix by turns and under Wan's own names; and in a folder
    with the numbers that those kinds stand for."""
    file, turns = folder / "wan-Q4_K_M.gguf", iter(kinds * 99)
    denoiser = folder_of(wan) / "transformer"
    meant = write_gguf(denoiser, file, kinds=lambda _: next(turns), called=lambda key: renamed(key, WAN))
    plain = bare(wan, folder / "meant", "transformer")
    saved(meant, folder_of(plain) / "transformer" / "diffusion_pytorch_model.safetensors")
    return replace(bare(wan, folder / "rest", "transformer"), files={"transformer": str(file)}), plain


def test_a_gguf_file_of_others_gives_the_pictures_of_its_numbers(
    subjects: dict[str, Subject], seen: Look, tmp_path: Path
) -> None:
    """To the pixel where its kinds are wide ones, and nothing is rounded on the way."""
    pytest.importorskip("gguf")
    skip_if_older("wan")
    subject, plain = wan_in_gguf(replace(subjects["wan"], dtype="float32"), tmp_path, ("F32", "F16", "BF16"))
    rendered = seen(subject, "full")
    assert (rendered.missing, rendered.pictures) == ((), seen(plain, "full").pictures)


@pytest.mark.long
def test_strategies_keep_their_promises_with_a_quantized_file(
    subjects: dict[str, Subject], seen: Look, tmp_path: Path
) -> None:
    """Six kinds in one file: near the pictures of their numbers, which diffusers rounds to float16 on the way, and
    to the pixel alike when components come and go."""
    pytest.importorskip("gguf")
    skip_if_older("wan")
    subject, plain = wan_in_gguf(replace(subjects["wan"], dtype="float32"), tmp_path, KINDS)
    full = seen(subject, "full")
    assert full.missing == ()
    assert full.inventory.components["transformer"].quantized_bytes > 0
    assert farthest(full, seen(plain, "full")) <= 1 < 8 < farthest(full, seen(subjects["wan"], "full"))
    for name in ("staged", "model-offload"):
        other = seen(subject, name)
        assert (other.missing, other.pictures) == ((), full.pictures)


def farthest(one: Seen, other: Seen) -> int:
    """By how much a channel of two renderings differs at most."""
    pairs = zip(one.pictures, other.pictures, strict=True)
    both = [(np.frombuffer(a, np.uint8).astype(int), np.frombuffer(b, np.uint8).astype(int)) for a, b in pairs]
    return max(int(np.abs(a - b).max()) for a, b in both)


def test_a_weight_of_a_single_file_is_held_to_the_file(subjects: dict[str, Subject], tmp_path: Path) -> None:
    """Under diffusers' names every tensor is compared with it; under others none is, and nothing is said to be lost."""
    import diffusers

    from fluxgate.render.watch.stored import stored_weights

    flux, wan = (folder_of(subjects[name]) / "transformer" for name in ("flux", "wan"))
    file, strange = write_plain(flux, tmp_path / "plain.safetensors"), write_wan(wan, tmp_path / "wan.safetensors")
    denoiser = diffusers.FluxTransformer2DModel.from_pretrained(flux)
    stored = stored_weights(denoiser, tmp_path, file=str(file))
    assert stored is not None
    assert (stored.tensors, stored.same, stored.missing, stored.made_up) == (stored.tensors, stored.tensors, (), ())
    assert stored_weights(denoiser, tmp_path, file=str(strange)) is None

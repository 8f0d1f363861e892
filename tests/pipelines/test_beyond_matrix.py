"""Tests of pipelines of classes that nothing knows by name: `fluxgate subject` looks, and strategies keep promises."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("diffusers")
pytest.importorskip("transformers")

from fluxgate.cli.main import main
from fluxgate.machine import detect, stack
from fluxgate.subjects.catalogue import read_catalogue
from fluxgate.subjects.sources import why_not_ready
from fluxgate.subjects.subject import Subject
from tests.pipelines.beyond_matrix import BEYOND_MATRIX
from tests.pipelines.matrix import saved
from tests.strategies.looking import rendered
from tests.strategies.named import strategy_named
from tests.wording import unsaid

pytestmark = [  # what diffusers warns itself of
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]
SAMPLE = {
    "dit": ("sequential-offload", "vae-tiling"),  # no prompt, nothing that encodes, and no scale of the VAE's own
    "z-image": ("staged",),  # a list of embeddings
    "sdxl-controlnet": ("staged",),  # a network beside the denoiser, and a picture to follow
    "cogvideox-v2v": ("model-offload",),  # a video to start from, as a list of pictures
    "kandinsky22": ("sequential-offload",),  # two pipelines in one, of which a part stays where it is
}
CASES = [(name, strategy) for name, strategies in SAMPLE.items() for strategy in strategies]


@pytest.fixture(scope="module")
def subjects(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Subject]:
    """Each as `fluxgate subject` writes it, asked for a small picture."""
    folder = tmp_path_factory.mktemp("beyond")
    return {name: drafted(name, folder) for name in SAMPLE}


def drafted(name: str, folder: Path) -> Subject:
    saved(*BEYOND_MATRIX[name], folder / name)
    file = folder / f"{name}.toml"
    assert main(["subject", str(folder / name), "--output", str(file)]) == 0
    text = re.sub(r"(height|width) = \d+", r"\1 = 64", file.read_text())
    text = re.sub(r"steps = \d+", "steps = 2", text).replace("denoiser =", "vae_tile = 64\ndenoiser =")
    file.write_text(text)
    return read_catalogue(file)[name]


@pytest.fixture(scope="module")
def full(subjects: dict[str, Subject], tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[bytes, ...]]:
    """The pictures of each pipeline as it is."""
    return {name: rendered("full", subject, tmp_path_factory.mktemp(name)) for name, subject in subjects.items()}


@pytest.mark.long
@pytest.mark.parametrize(("name", "strategy"), CASES)
def test_a_strategy_keeps_its_promise_on_a_pipeline_that_nothing_knows(
    name: str, strategy: str, subjects: dict[str, Subject], full: dict[str, tuple[bytes, ...]], tmp_path: Path
) -> None:
    """All its effects show, and where it reproduces `full` it does so to the pixel."""
    assert strategy_named(strategy).unsupported(subjects[name], detect(), stack()) is None
    pictures = rendered(strategy, subjects[name], tmp_path)
    assert pictures == full[name] or strategy_named(strategy).promise.reproduces is None


def test_blocks_of_one_name_lose_their_weights_in_one_folder(subjects: dict[str, Subject]) -> None:
    """Z-Image's transformer and its text encoder each have a list named layers; a ControlNet has its UNet's."""
    need = strategy_named("group-offload-disk").unsupported
    reasons = {name: str(need(subject, detect(), stack())) for name, subject in subjects.items()}
    assert not unsaid(reasons.pop("z-image"), "text_encoder and transformer", "layers")
    assert not unsaid(reasons.pop("sdxl-controlnet"), "controlnet and unet", "down_blocks")
    assert not [reason for reason in reasons.values() if "in a list" in reason]


REFUSED = {
    "ddpm": "lists nothing that decodes",
    "kandinsky22-decoder": "needs image_embeds, which a shot cannot give",
    "allegro": "decodes in tiles alone",
    "visualcloze": "is told what to paint by task_prompt and content_prompt, and a shot has one prompt",
    "stable-cascade": "the installed release has no such class",
}


@pytest.mark.parametrize("name", [name for name in BEYOND_MATRIX if name not in REFUSED])
def test_what_can_be_a_subject_is_drafted(name: str, tmp_path: Path) -> None:
    """From the pipeline alone, and what is written fits it."""
    saved(*BEYOND_MATRIX[name], tmp_path / name)
    file = tmp_path / "x.toml"
    assert main(["subject", str(tmp_path / name), "--output", str(file)]) == 0
    subject = read_catalogue(file)[name]
    assert (subject.pipeline, why_not_ready(subject)) == (BEYOND_MATRIX[name][0], None)


@pytest.mark.parametrize(("name", "words"), REFUSED.items())
def test_what_cannot_be_a_subject_is_told(
    name: str, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In one sentence, and nothing is written."""
    saved(*BEYOND_MATRIX[name], tmp_path / name)
    assert main(["subject", str(tmp_path / name), "--output", str(tmp_path / "x.toml")]) == 4
    assert words in capsys.readouterr().err
    assert not (tmp_path / "x.toml").exists()

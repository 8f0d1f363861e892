"""Tests of staging on other pipelines than FLUX: what they can do they do to the pixel, what not is unsupported."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
diffusers = pytest.importorskip("diffusers")
pytest.importorskip("transformers")

from fluxgate.pipeline_folder import read_index, why_not_loadable  # noqa: E402
from fluxgate.strategies import STRATEGIES  # noqa: E402
from fluxgate.strategies.staging import encode_arguments, unscaled, widened  # noqa: E402
from fluxgate.subjects.matching import mismatch  # noqa: E402
from fluxgate.subjects.subject import Subject  # noqa: E402
from tests.strategies import tiny  # noqa: E402
from tests.strategies.looking import look  # noqa: E402
from tests.strategies.machines import CPU, H100, NEW  # noqa: E402
from tests.strategies.named import strategy_named  # noqa: E402

pytestmark = [  # what diffusers warns itself of
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:`upcast_vae` is deprecated:FutureWarning"),
]
OTHERS = (tiny.SD15, tiny.SDXL, tiny.SD3)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Each pipeline once on disk."""
    return {subject.name: tiny.write(subject, tmp_path_factory.mktemp(subject.name) / "p") for subject in OTHERS}


def pictures(name: str, subject: Subject, folder: Path, scratch: Path) -> tuple[bytes, ...]:
    """What a strategy renders, none of whose effects is missing, twice the same."""
    seen = look(strategy_named(name), folder, scratch, subject=subject)
    assert (seen.missing, seen.again) == ((), seen.pictures)
    return seen.pictures


@pytest.mark.parametrize("subject", OTHERS, ids=lambda subject: subject.name)
def test_the_subjects_fit_their_pipelines(subject: Subject, folders: dict[str, Path]) -> None:
    """Nothing is refused that the real classes save."""
    folder = folders[subject.name]
    assert (why_not_loadable(folder), mismatch(subject, read_index(folder))) == (None, None)


@pytest.mark.parametrize("subject", OTHERS, ids=lambda subject: subject.name)
def test_staged_reproduces_full(subject: Subject, folders: dict[str, Path], tmp_path: Path) -> None:
    """Two pictures of one prompt with guidance, to the pixel."""
    full, staged = (pictures(name, subject, folders[subject.name], tmp_path) for name in ("full", "staged"))
    assert len(set(full)) == 2
    assert staged == full


@pytest.mark.parametrize("guidance", [None, 1.0], ids=["its default", "none"])
def test_guidance_is_the_calls_own(guidance: float | None, folders: dict[str, Path], tmp_path: Path) -> None:
    """Left out it is the call's default, and without it there is no negative prompt."""
    shot = replace(tiny.SHOT, prompts=("a red circle", "a blue square"), guidance=guidance)
    subject = replace(tiny.SD15, shots=(shot,))
    full, staged = (pictures(name, subject, folders["sd15"], tmp_path) for name in ("full", "staged"))
    assert len(set(full)) == 4
    assert staged == full


def test_stages_of_their_own_processes_reproduce_full(folders: dict[str, Path], tmp_path: Path) -> None:
    """Four embeddings go through files as two do."""
    full, staged = (pictures(name, tiny.SD3, folders["sd3"], tmp_path) for name in ("full", "staged-processes"))
    assert staged == full


def test_the_safety_checker_looks_at_what_was_decoded_apart(tmp_path: Path) -> None:
    """What it flags comes out black, as from the pipeline itself."""
    pipe = tiny.sd15()
    pipe.safety_checker.concept_embeds_weights.data.fill_(-1.0)  # a threshold that everything exceeds
    pipe.save_pretrained(tmp_path / "p")
    for name in ("full", "staged"):
        assert all(
            not np.frombuffer(one, np.uint8).any() for one in pictures(name, tiny.SD15, tmp_path / "p", tmp_path)
        )


STAGED = {strategy.name for strategy in STRATEGIES if strategy.family == "staging"}
LENGTHS = {"staged-256-tokens", "staged-as-published"}


@pytest.mark.parametrize("subject", OTHERS, ids=lambda subject: subject.name)
def test_the_guides_length_is_for_flux_only(subject: Subject) -> None:
    """Others have no such setting, or join the tokens to those of another encoder."""
    reasons = {name: strategy_named(name).unsupported(subject, H100, NEW) for name in STAGED}
    assert {name for name, reason in reasons.items() if reason} == LENGTHS
    assert reasons["staged-256-tokens"] == (
        "FluxPipeline is needed: 256 tokens are a setting of the published guide, which is for FLUX; "
        f"{subject.name} is a {subject.pipeline}"
    )


def test_a_pipeline_whose_latents_are_not_understood_is_unsupported() -> None:
    """The reason is known before anything is rendered, on any machine."""
    subject = replace(tiny.SD15, name="ours", pipeline="SanaPipeline")
    reasons = {strategy_named(name).unsupported(subject, machine, NEW) for name in STAGED for machine in (CPU, H100)}
    assert None not in reasons
    assert strategy_named("staged").unsupported(subject, CPU, NEW) == (
        "one of FluxPipeline, StableDiffusionPipeline, StableDiffusionXLPipeline, StableDiffusion3Pipeline is needed: "
        "a stage of its own must decode latents as the pipeline's call does; ours is a SanaPipeline"
    )


# Encoding apart


class Encodes:
    """A pipeline as far as its encoding is called."""

    _execution_device = "cpu"

    def __call__(self, *, guidance_scale: float = 7.5) -> None: ...

    def encode_prompt(self, prompt: Any, prompt_2: Any, device: Any, guided: bool = True, **more: Any) -> None: ...


class EncodesGuided(Encodes):
    """One that encodes a negative prompt, too."""

    def encode_prompt(  # type: ignore[override]  # as pipelines of two families do
        self, prompt: Any, num_images_per_prompt: int, do_classifier_free_guidance: bool, clip_skip: Any = None
    ) -> None: ...


def test_only_what_encode_prompt_takes_is_handed_to_it() -> None:
    """What it cannot do without is nothing, if the call has no such argument."""
    arguments = {"prompt": "a tree", "max_sequence_length": 64, "guidance_scale": 3.5}
    assert encode_arguments(Encodes(), arguments) == {"prompt": "a tree", "prompt_2": None, "device": "cpu"}


@pytest.mark.parametrize(("given", "guided"), [({}, True), ({"guidance_scale": 1.0}, False)])
def test_guidance_decides_whether_a_negative_prompt_is_encoded(given: dict[str, Any], guided: bool) -> None:
    """By the call's own default, where the shot leaves it out."""
    assert encode_arguments(EncodesGuided(), {"prompt": "a tree", **given}) == {
        "prompt": "a tree",
        "num_images_per_prompt": 1,
        "do_classifier_free_guidance": guided,
    }


# Decoding apart


def test_latents_are_unscaled_as_the_configuration_says() -> None:
    """By the factor; by the shift where there is one; by mean and deviation of each channel where they are given."""
    latents = torch.arange(8.0).view(1, 2, 2, 2)
    config: dict[str, Any] = {"scaling_factor": 0.5, "latents_mean": None, "latents_std": None}
    by_channel = {"latents_mean": [1.0, 2.0], "latents_std": [3.0, 4.0]}
    assert torch.equal(unscaled(latents, SimpleNamespace(**config)), latents * 2)
    assert torch.equal(unscaled(latents, SimpleNamespace(**config, shift_factor=0.25)), latents * 2 + 0.25)
    expected = torch.stack([latents[0, 0] * 6 + 1, latents[0, 1] * 8 + 2])[None]
    assert torch.equal(unscaled(latents, SimpleNamespace(**(config | by_channel))), expected)


@pytest.mark.parametrize(("subject", "wide"), [(tiny.SDXL, True), (tiny.SD15, False)], ids=["sdxl", "sd15"])
def test_only_the_vae_that_overflows_is_widened(subject: Subject, wide: bool, folders: dict[str, Path]) -> None:
    """In float16, as each pipeline does it."""
    pipe = getattr(diffusers, subject.pipeline).from_pretrained(folders[subject.name]).to(torch.float16)
    latents = widened(pipe, torch.zeros(1, 4, 8, 8, dtype=torch.float16))
    assert (latents.dtype, pipe.vae.dtype) == ((torch.float32,) * 2 if wide else (torch.float16,) * 2)

"""Tests of staging on other pipelines than FLUX: what they can do they do to the pixel, what not is unsupported."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
diffusers = pytest.importorskip("diffusers")
pytest.importorskip("transformers")

from fluxgate.pipeline_folder import read_index, why_not_loadable  # noqa: E402
from fluxgate.strategies import STRATEGIES  # noqa: E402
from fluxgate.subjects.catalogue import read_catalogue  # noqa: E402
from fluxgate.subjects.matching import mismatch  # noqa: E402
from fluxgate.subjects.subject import Subject  # noqa: E402
from tests.pipelines.catalogued import catalogue  # noqa: E402
from tests.pipelines.matrix import PIPELINES, sd15  # noqa: E402
from tests.strategies.looking import folder_of, rendered  # noqa: E402
from tests.strategies.machines import CPU, H100, NEW  # noqa: E402
from tests.strategies.named import strategy_named  # noqa: E402
from tests.wording import unsaid  # noqa: E402

pytestmark = [  # what diffusers warns itself of
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:`upcast_vae` is deprecated:FutureWarning"),
]
OTHERS = ("sd15", "sdxl", "sd3")


@pytest.fixture(scope="module")
def subjects(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Subject]:
    """Each pipeline once on disk."""
    return read_catalogue(catalogue(tmp_path_factory.mktemp("pipelines"), OTHERS))


@pytest.mark.parametrize("name", OTHERS)
def test_the_subjects_fit_their_pipelines(name: str, subjects: dict[str, Subject]) -> None:
    """Nothing is refused that the real classes save, and all that the catalogue left out is found."""
    subject = subjects[name]
    assert why_not_loadable(folder_of(subject)) is None
    assert mismatch(subject, read_index(folder_of(subject))) is None
    assert subject.pipeline == PIPELINES[name][0]


@pytest.mark.parametrize("name", [pytest.param(OTHERS[0], marks=pytest.mark.long), *OTHERS[1:]])
def test_staged_reproduces_full(name: str, subjects: dict[str, Subject], tmp_path: Path) -> None:
    """Two pictures of one prompt with guidance, to the pixel."""
    full, staged = (rendered(each, subjects[name], tmp_path) for each in ("full", "staged"))
    assert len(set(full)) == 2
    assert staged == full


@pytest.mark.parametrize("guidance", [pytest.param(None, marks=pytest.mark.long), 1.0], ids=["its default", "none"])
def test_guidance_is_the_calls_own(guidance: float | None, subjects: dict[str, Subject], tmp_path: Path) -> None:
    """Left out it is the call's default, and without it there is no negative prompt."""
    (small,) = subjects["sd15"].shots
    shot = replace(small, prompts=("a red circle", "a blue square"), guidance=guidance)
    subject = replace(subjects["sd15"], shots=(shot,))
    full, staged = (rendered(name, subject, tmp_path) for name in ("full", "staged"))
    assert len(set(full)) == 4
    assert staged == full


@pytest.mark.long
def test_stages_of_their_own_processes_reproduce_full(subjects: dict[str, Subject], tmp_path: Path) -> None:
    """Four embeddings go through files as two do."""
    full, staged = (rendered(name, subjects["sd3"], tmp_path) for name in ("full", "staged-processes"))
    assert staged == full


@pytest.mark.long
@pytest.mark.parametrize("blocks", [2, 5])
def test_a_latent_stands_for_as_many_pixels_as_with_the_vae(
    blocks: int, subjects: dict[str, Subject], tmp_path: Path
) -> None:
    """Whatever the pipeline's class takes for usual, which is 8: here 2 and 16."""
    components = sd15() | {
        "vae": diffusers.AutoencoderKL(
            down_block_types=["DownEncoderBlock2D"] * blocks,
            up_block_types=["UpDecoderBlock2D"] * blocks,
            block_out_channels=[8] * blocks,
            norm_num_groups=4,
            latent_channels=4,
        )
    }
    diffusers.StableDiffusionPipeline(**components).save_pretrained(tmp_path / "p")
    subject = replace(subjects["sd15"], source=f"folder:{tmp_path}/p")
    full, staged = (rendered(name, subject, tmp_path) for name in ("full", "staged"))
    assert staged == full


@pytest.mark.long
def test_the_safety_checker_looks_at_what_was_decoded_apart(subjects: dict[str, Subject], tmp_path: Path) -> None:
    """What it flags comes out black, as from the pipeline itself."""
    pipe = diffusers.StableDiffusionPipeline(**sd15())
    pipe.safety_checker.concept_embeds_weights.data.fill_(-1.0)  # a threshold that everything exceeds
    pipe.save_pretrained(tmp_path / "p")
    subject = replace(subjects["sd15"], source=f"folder:{tmp_path}/p")
    for name in ("full", "staged"):
        assert all(not np.frombuffer(one, np.uint8).any() for one in rendered(name, subject, tmp_path))


STAGED = {strategy.name for strategy in STRATEGIES if strategy.family == "staging"}
LENGTHS = {"staged-256-tokens", "staged-as-published"}


@pytest.mark.parametrize("name", OTHERS)
def test_the_guides_length_is_for_flux_only(name: str, subjects: dict[str, Subject]) -> None:
    """Others have no such setting, or join the tokens to those of another encoder."""
    subject = replace(subjects[name], dtype="bfloat16")
    reasons = {each: strategy_named(each).unsupported(subject, H100, NEW) for each in STAGED}
    assert {each for each, reason in reasons.items() if reason} == LENGTHS
    assert not unsaid(reasons["staged-256-tokens"], "FluxPipeline is needed", f"{name} is a {subject.pipeline}")


def test_a_pipeline_whose_latents_are_not_understood_is_unsupported() -> None:
    """The reason is known before anything is rendered, on any machine, and found in the class's own source."""
    subject = Subject(
        "ours",
        "ours",
        "folder:.",
        (),
        pipeline="LTXPipeline",
        encodes=("prompt_embeds",),
        embeddings=("prompt_embeds",),
    )
    reasons = {strategy_named(name).unsupported(subject, machine, NEW) for name in STAGED for machine in (CPU, H100)}
    assert None not in reasons
    assert not unsaid(
        strategy_named("staged").unsupported(subject, CPU, NEW), "LTXPipeline", "decodes with randn_tensor"
    )

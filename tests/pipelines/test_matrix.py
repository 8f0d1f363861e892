"""Tests of strategies on pipelines of other kinds: a sample of what `python -m benchmarks.models` renders in full."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("diffusers")
pytest.importorskip("transformers")

from fluxgate.machine import detect, stack
from fluxgate.strategies.promise import Strategy
from fluxgate.subjects.catalogue import read_catalogue
from fluxgate.subjects.sources import why_not_ready
from fluxgate.subjects.subject import Subject
from fluxgate.subjects.weights import numbers_at_hand
from tests.pipelines.catalogued import catalogue
from tests.pipelines.matrix import write
from tests.strategies.looking import folder_of, look, rendered
from tests.strategies.machines import CPU, NEW
from tests.strategies.named import strategy_named
from tests.wording import unsaid

pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:invalid value encountered in cast:RuntimeWarning"),  # what is not initialised
]
SAMPLE = {
    "fill": ("model-offload", "staged"),  # pictures to start from
    "sana": ("group-offload-disk", "staged", "nf4-linear"),  # a VAE without blocks, a negative prompt of its own
    "wan": ("sequential-offload", "staged", "vae-tiling"),  # frames, modules that stay in float32
}
CASES = [(name, strategy) for name, strategies in SAMPLE.items() for strategy in strategies]


@pytest.fixture(scope="module")
def subjects(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Subject]:
    """The pipelines, each once on disk."""
    return read_catalogue(catalogue(tmp_path_factory.mktemp("pipelines"), (*SAMPLE, "sd3")))


@pytest.fixture(scope="module")
def full(subjects: dict[str, Subject], tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[bytes, ...]]:
    """The pictures of each pipeline as it is."""
    return {name: rendered("full", subjects[name], tmp_path_factory.mktemp(name)) for name in SAMPLE}


@pytest.mark.parametrize(("name", "strategy"), CASES)
def test_a_strategy_keeps_its_promise_on_another_pipeline(
    name: str, strategy: str, subjects: dict[str, Subject], full: dict[str, tuple[bytes, ...]], tmp_path: Path
) -> None:
    """All its effects show, and where it reproduces `full` it does so to the pixel."""
    promise = strategy_named(strategy).promise
    assert unsupported(strategy_named(strategy), subjects[name]) is None
    pictures = rendered(strategy, subjects[name], tmp_path)
    assert (pictures == full[name]) is (promise.reproduces == "full")


def unsupported(strategy: Strategy, subject: Subject) -> str | None:
    return strategy.unsupported(subject, detect(), stack())


@pytest.mark.parametrize(("variant", "shard"), [("fp16", "10GB"), (None, "100KB")], ids=["variant", "shards"])
def test_files_of_another_form_hold_the_same_pipeline(
    variant: str | None, shard: str, subjects: dict[str, Subject], full: dict[str, tuple[bytes, ...]], tmp_path: Path
) -> None:
    """The same pictures from a variant's files and from several ones; a variant that nobody names is not loaded."""
    folder = write("fill", tmp_path / "p", variant=variant, shard=shard)
    subject = replace(subjects["fill"], source=f"folder:{folder}", variant=variant)
    assert why_not_ready(subject) is None
    assert (rendered("full", subject, tmp_path), numbers_at_hand(subject)) == (
        full["fill"],
        numbers_at_hand(subjects["fill"]),
    )
    if variant:
        assert "holds no safetensors file" in str(why_not_ready(replace(subject, variant=None)))


def test_two_encoders_of_one_class_lose_their_weights_in_files(subjects: dict[str, Subject], tmp_path: Path) -> None:
    """diffusers names a file by the class of its component; once it does not, the strategy need not refuse this."""
    subject = subjects["sd3"]
    reason = strategy_named("group-offload-disk").unsupported(subject, CPU, NEW)
    assert not unsaid(str(reason), "text_encoder and text_encoder_2", "CLIPTextModelWithProjection")
    folder = folder_of(subject)
    one, other = (look(strategy_named(name), folder, tmp_path / name, subject=subject) for name in made(tmp_path))
    assert one.pictures != other.pictures


def made(folder: Path) -> tuple[str, str]:
    """Two strategies, with a folder for each to write in."""
    names = ("full", "group-offload-disk")
    for name in names:
        (folder / name).mkdir()
    return names


@pytest.mark.parametrize(
    ("pipeline", "reads"),
    [("Flux2KleinPipeline", "vae.bn"), ("LTXPipeline", "vae.latents_mean"), ("WanPipeline", None)],
)
def test_weights_that_a_call_reads_cannot_lie_in_files(pipeline: str, reads: str | None) -> None:
    """The reason names them; it is found in the sources of the pipeline and of its VAE."""
    subject = Subject("s", "s", "hub:o/n", (), pipeline=pipeline)
    for name in ("group-offload-disk", "group-offload-leaf-disk"):
        reason = strategy_named(name).unsupported(subject, CPU, NEW)
        assert (reason is None) is (reads is None)
        assert reads is None or f"reads {reads} by itself" in str(reason)

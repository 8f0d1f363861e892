"""Tests of what a pipeline's folder must be before anything in it is loaded."""

from __future__ import annotations

import contextlib
import json
import shutil
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxgate.pipeline_folder import MODEL_INDEX, read_index, why_not_loadable
from fluxgate.refusal import Refusal
from tests.subjects.hollow import FLUX, hollow_pipeline
from tests.wording import unsaid


@pytest.fixture
def pipeline(tmp_path: Path) -> Path:
    """A complete folder."""
    return hollow_pipeline(tmp_path / "pipeline")


def reason(folder: Path) -> str:
    found = why_not_loadable(folder)
    assert found is not None
    assert "\n" not in found
    return found


# The index


def test_the_index_names_library_and_class(pipeline: Path) -> None:
    """Settings and components that are left out are passed over."""
    index = read_index(pipeline)
    assert index.class_name == "FluxPipeline"
    assert index.components["vae"] == ("diffusers", "AutoencoderKL")
    left_out = {"_class_name", "_diffusers_version", "image_encoder", "requires_aesthetics_score"}
    assert set(index.components) == set(FLUX) - left_out


def test_lists_that_are_settings_are_no_components(tmp_path: Path) -> None:
    """Only a library with a class makes one."""
    folder = hollow_pipeline(tmp_path / "pipeline")
    settings = {
        "sizes": [1, 2],
        "vae": ["diffusers"],
        "unet": ["diffusers", None],
        "_own": ["a", "b"],
        "_class_name": 3,
    }
    (folder / MODEL_INDEX).write_text(json.dumps(settings))
    index = read_index(folder)
    assert (index.class_name, index.components) == (None, {})


@given(st.binary(max_size=100))
def test_no_index_raises_anything_but_a_refusal(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    """Whatever the file holds."""
    folder = tmp_path_factory.mktemp("pipeline")
    (folder / MODEL_INDEX).write_bytes(content)
    with contextlib.suppress(Refusal):
        assert read_index(folder).components == {}


# The files


def test_a_complete_folder_can_be_loaded(pipeline: Path) -> None:
    """Nothing is wrong with it."""
    assert why_not_loadable(pipeline) is None


def test_a_safety_checker_is_diffusers_own(tmp_path: Path) -> None:
    """Stable Diffusion's index names the module inside diffusers that it comes from."""
    checker = {"safety_checker": ["stable_diffusion", "StableDiffusionSafetyChecker"]}
    assert why_not_loadable(hollow_pipeline(tmp_path / "pipeline", FLUX | checker)) is None


def test_every_pipeline_of_diffusers_may_have_classes_of_its_own(tmp_path: Path) -> None:
    """As Kolors has its text encoder; a module that only looks like one is foreign."""
    pytest.importorskip("diffusers")
    for library, known in (("kolors", True), ("koloured", False), ("../kolors", False)):
        index = FLUX | {"text_encoder": [library, "ChatGLMModel"]}
        reason = why_not_loadable(hollow_pipeline(tmp_path / str(len(library)), index))
        assert (reason is None) is known


HEADER = json.dumps({"x": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}, "__metadata__": {}}).encode()
WHOLE = struct.pack("<Q", len(HEADER)) + HEADER + bytes(16)


def spoil(folder: Path, what: str) -> None:
    transformer = folder / "transformer"
    weights = transformer / "diffusion_pytorch_model.safetensors"
    index = folder / MODEL_INDEX
    shards = transformer / "diffusion_pytorch_model.safetensors.index.json"
    if what == "no index":
        index.unlink()
    elif what == "broken index":
        index.write_text("{")
    elif what == "list for an index":
        index.write_text("[]")
    elif what == "no weights":
        weights.unlink()
    elif what == "pickles only":
        weights.rename(transformer / "diffusion_pytorch_model.bin")
    elif what == "no component":
        shutil.rmtree(folder / "tokenizer")
    elif what == "no configuration":
        (folder / "scheduler" / "scheduler_config.json").unlink()
    elif what == "foreign library":
        index.write_text(json.dumps({"transformer": ["my_code", "Transformer"]}))
    elif what == "pointer":
        weights.write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 12345\n")
    elif what == "half of the weights":
        weights.write_bytes(WHOLE[:-1])
    elif what == "half of the header":
        weights.write_bytes(WHOLE[:20])
    elif what == "half of a shard":
        weights.rename(transformer / "a.safetensors")
        (transformer / "a.safetensors").write_bytes(WHOLE[:-1])
        shards.write_text(json.dumps({"weight_map": {"x": "a.safetensors"}}))
    elif what == "component outside":
        index.write_text(json.dumps({"../transformer": ["diffusers", "FluxTransformer2DModel"]}))
    else:
        weights.unlink()
        places = {
            "missing shard": "a.safetensors",
            "shard outside": "../../secret.safetensors",
            "pickle shard": "a.bin",
        }
        shards.write_text(json.dumps({"weight_map": {"x": places[what]} if what in places else {}}))


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("no index", ("holds no pipeline", "model_index.json is missing")),
        ("broken index", ("holds no pipeline", "model_index.json is damaged")),
        ("list for an index", ("it holds no JSON object",)),
        ("no weights", ("transformer is incomplete: it holds no safetensors file",)),
        ("pickles only", ("holds its weights as pickles only", "only safetensors files are loaded")),
        ("no component", ("has no folder for its component tokenizer",)),
        ("no configuration", ("scheduler is incomplete: it holds no configuration",)),
        ("foreign library", ("is my_code's; only classes of diffusers and transformers are loaded",)),
        ("component outside", ("has no folder for its component ../transformer",)),
        ("missing shard", ("transformer is incomplete: a.safetensors is missing",)),
        ("shard outside", ("names '../../secret.safetensors', which is no safetensors file beside it",)),
        ("pickle shard", ("names 'a.bin', which is no safetensors file beside it",)),
        ("empty index", ("is damaged: it names no shards",)),
        ("pointer", ("diffusion_pytorch_model.safetensors is a pointer of Git LFS", "run git lfs pull in its folder")),
        ("half of the weights", (f"is cut short: it has {len(WHOLE) - 1} of at least {len(WHOLE)} bytes",)),
        ("half of the header", (f"is cut short: it has 20 of at least {8 + len(HEADER)} bytes; fetch it again",)),
        ("half of a shard", ("a.safetensors is cut short",)),
    ],
)
def test_a_folder_that_cannot_be_loaded_says_why(pipeline: Path, what: str, words: tuple[str, ...]) -> None:
    """Incomplete folders, pickles, foreign code and paths that lead outside: each its own sentence."""
    spoil(pipeline, what)
    assert all(word in reason(pipeline) for word in words)


@pytest.mark.parametrize("weights", [WHOLE, b"{}", struct.pack("<Q", 4) + b"null" + bytes(4)])
def test_weights_are_looked_at_as_far_as_they_can_be_read(pipeline: Path, weights: bytes) -> None:
    """A whole file is none the worse for it; of another kind, whoever loads it says what is wrong."""
    (pipeline / "transformer" / "diffusion_pytorch_model.safetensors").write_bytes(weights)
    assert why_not_loadable(pipeline) is None


def test_code_that_comes_with_a_pipeline_is_refused(tmp_path: Path) -> None:
    """A class of the pipeline in a file of its own, and one that transformers would import for an Auto class."""
    folder = hollow_pipeline(tmp_path / "auto", {**FLUX, "text_encoder_2": ["transformers", "AutoModel"]})
    assert why_not_loadable(folder) is None
    (folder / "text_encoder_2" / "config.json").write_text('{"auto_map": {"AutoModel": "ours.Ours"}}')
    assert not unsaid(reason(folder), "text_encoder_2/config.json", "auto_map")
    (folder / "text_encoder_2" / "config.json").write_text("{")
    assert "is damaged" in reason(folder)
    own = hollow_pipeline(tmp_path / "own", {**FLUX, "_class_name": ["pipeline", "OursPipeline"]})
    assert not unsaid(reason(own), "pipeline.OursPipeline", "code")


def test_a_component_without_weights_has_a_configuration_of_any_name(pipeline: Path) -> None:
    """As a scheduler's, or the guider's that newer pipelines have."""
    (pipeline / "scheduler" / "scheduler_config.json").rename(pipeline / "scheduler" / "guider_config.json")
    assert why_not_loadable(pipeline) is None
    (pipeline / "scheduler" / "guider_config.json").unlink()
    assert "holds no configuration" in reason(pipeline)


def test_shards_that_are_all_there_are_accepted(pipeline: Path) -> None:
    """An index and its files stand for one file of weights."""
    spoil(pipeline, "missing shard")
    (pipeline / "transformer" / "a.safetensors").write_bytes(b"")
    assert why_not_loadable(pipeline) is None


# Links


@pytest.mark.parametrize("inside", ["model_index.json", "vae", "vae/config.json", "vae/more/x.json"])
def test_a_link_out_of_the_folder_is_refused(tmp_path: Path, pipeline: Path, inside: str) -> None:
    """Whatever is loaded lies in the folder: the index, a component, or a file at any depth of one."""
    (pipeline / "vae" / "more").mkdir()
    (pipeline / "vae" / "more" / "x.json").write_text("{}")
    outside = tmp_path / "outside"
    (pipeline / inside).rename(outside)
    (pipeline / inside).symlink_to(outside)
    assert not unsaid(reason(pipeline), f"{pipeline / inside} is a link to {outside}")


def test_a_link_within_the_folder_is_followed(pipeline: Path) -> None:
    """Two components may share a file."""
    weights = pipeline / "text_encoder" / "diffusion_pytorch_model.safetensors"
    weights.unlink()
    weights.symlink_to("../text_encoder_2/diffusion_pytorch_model.safetensors")
    assert why_not_loadable(pipeline) is None


def test_a_link_to_the_folder_itself_is_followed(tmp_path: Path, pipeline: Path) -> None:
    """A user's models may lie on another disk."""
    (tmp_path / "ours").symlink_to(pipeline)
    assert why_not_loadable(tmp_path / "ours") is None


def test_a_link_beside_the_components_is_passed_over(tmp_path: Path, pipeline: Path) -> None:
    """What nobody loads may lead anywhere."""
    (pipeline / "samples").symlink_to(tmp_path)
    assert why_not_loadable(pipeline) is None


def test_a_link_that_goes_in_circles_is_refused(pipeline: Path) -> None:
    """It is no file, and no traceback either."""
    weights = pipeline / "vae" / "diffusion_pytorch_model.safetensors"
    weights.unlink()
    weights.symlink_to(weights)
    assert "vae is incomplete" in reason(pipeline)


def in_hub_cache(pipeline: Path, repository: Path) -> Path:
    """The folder as the hub's cache keeps it: links from snapshots/COMMIT to blobs."""
    snapshot, blobs = repository / "snapshots" / "0123", repository / "blobs"
    blobs.mkdir(parents=True)
    for number, path in enumerate(sorted(path for path in pipeline.rglob("*") if path.is_file())):
        link = snapshot / path.relative_to(pipeline)
        link.parent.mkdir(parents=True, exist_ok=True)
        path.rename(blobs / str(number))
        link.symlink_to(Path(*[".."] * len(link.relative_to(repository).parts[1:]), "blobs", str(number)))
    return snapshot


def test_the_hubs_cache_links_to_its_own_blobs(tmp_path: Path, pipeline: Path) -> None:
    """That is how it keeps one file for several commits."""
    snapshot = in_hub_cache(pipeline, tmp_path / "models--storybook--miniature")
    assert (snapshot / MODEL_INDEX).is_symlink()
    assert why_not_loadable(snapshot) is None


def test_the_hubs_cache_links_nowhere_else(tmp_path: Path, pipeline: Path) -> None:
    """Not to another repository's blobs."""
    snapshot = in_hub_cache(pipeline, tmp_path / "models--storybook--miniature")
    other = tmp_path / "models--other--secret" / "blobs" / "x"
    other.parent.mkdir(parents=True)
    other.write_text("{}")
    (snapshot / "vae" / "config.json").unlink()
    (snapshot / "vae" / "config.json").symlink_to(other)
    assert f"config.json is a link to {other}" in reason(snapshot)

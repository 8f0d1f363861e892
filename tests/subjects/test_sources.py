"""Tests of the four places where a subject's files can be, and of what is refused there."""

import dataclasses
import json
import shutil
from pathlib import Path

import pytest

from fluxgate.refusal import Refusal
from fluxgate.subjects import pipeline_folder
from fluxgate.subjects.catalogue import subject_named
from fluxgate.subjects.sources import CACHE, MINIATURE, cache_folder, locate, ready, refuse_unready
from fluxgate.subjects.subject import Shot, Subject
from tests.subjects.hub import COMMIT, Hub, serving


def subject(source: str, revision: str | None = None) -> Subject:
    return Subject("mine", "our own", source, (Shot("portrait", ("a fox",), 42),), revision=revision)


@pytest.fixture
def pipeline(tmp_path: Path) -> Path:
    """A folder that looks like a pipeline: one model, one tokenizer, one scheduler, two things to pass over."""
    folder = tmp_path / "pipeline"
    index = {
        "_class_name": "FluxPipeline",
        "scheduler": ["diffusers", "FlowMatchEulerDiscreteScheduler"],
        "tokenizer": ["transformers", "CLIPTokenizer"],
        "transformer": ["diffusers", "FluxTransformer2DModel"],
        "image_encoder": [None, None],
        "requires_aesthetics_score": False,
    }
    files = {
        "model_index.json": json.dumps(index),
        "scheduler/scheduler_config.json": "{}",
        "tokenizer/tokenizer_config.json": "{}",
        "transformer/config.json": "{}",
        "transformer/diffusion_pytorch_model.safetensors": "",
    }
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def test_a_folder_is_found(pipeline: Path) -> None:
    """A complete pipeline in a folder is ready and is used where it lies."""
    assert ready(subject(f"folder:{pipeline}")) is None
    assert locate(subject(f"folder:{pipeline}")) == pipeline


def test_the_shipped_miniature_is_found(miniature_folder: Path) -> None:
    """The miniature needs no download and no other step."""
    if miniature_folder != MINIATURE:
        pytest.skip("another pipeline stands in for the miniature")
    assert ready(subject_named("miniature")) is None
    assert locate(subject_named("miniature")) == MINIATURE


def test_a_missing_folder_is_refused_in_a_sentence(tmp_path: Path) -> None:
    """The refusal names the subject and the folder."""
    with pytest.raises(Refusal, match=rf"^mine is not ready: there is no folder {tmp_path}/nowhere\.$"):
        locate(subject(f"folder:{tmp_path}/nowhere"))


def test_only_what_cannot_be_fetched_is_refused_as_unready(
    tmp_path: Path, pipeline: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The hub's files are downloaded when they are needed; a folder that is missing stays missing."""
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    refuse_unready(subject("hub:somebody/something", COMMIT))
    refuse_unready(subject(f"folder:{pipeline}"))
    with pytest.raises(Refusal, match=f"^mine is not ready: .*{tmp_path}/nowhere"):
        refuse_unready(subject(f"folder:{tmp_path}/nowhere"))


def test_what_is_not_grown_says_how_to_grow_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The grown subject is looked for in the cache, and the sentence holds the command."""
    monkeypatch.setenv(CACHE, str(tmp_path))
    with pytest.raises(Refusal, match=f"nothing has been grown in {tmp_path}/grown yet; run fluxgate grow"):
        locate(subject_named("grown"))


def test_the_cache_is_where_the_user_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Our own variable wins over the desktop's, and that over the home folder."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv(CACHE, raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert cache_folder() == tmp_path / "home" / ".cache" / "fluxgate"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "shared"))
    assert cache_folder() == tmp_path / "shared" / "fluxgate"
    monkeypatch.setenv(CACHE, "~/own")
    assert cache_folder() == tmp_path / "home" / "own"


def test_a_grown_folder_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder in the cache that holds something else is not taken for the grown pipeline."""
    monkeypatch.setenv(CACHE, str(tmp_path))
    (tmp_path / "grown").mkdir()
    (tmp_path / "grown" / "notes.txt").write_text("mine")
    assert "was not grown here" in str(ready(subject_named("grown")))


def test_the_hub_serves_the_miniature(miniature_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pipeline of the real size comes over the hub's protocol, file for file, and loads."""
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    mine = subject("hub:storybook/miniature", COMMIT)
    with serving(Hub(miniature_folder)) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        assert ready(mine) == "it will be downloaded"
        folder = locate(mine)
    assert ready(mine) is None
    for path in (path for path in folder.rglob("*") if path.is_file()):
        assert path.read_bytes() == (miniature_folder / path.relative_to(folder)).read_bytes()
    diffusers = pytest.importorskip("diffusers")
    pipe = diffusers.FluxPipeline.from_pretrained(folder, use_safetensors=True)
    assert type(pipe.transformer).__name__ == "FluxTransformer2DModel"


# What a folder must be


def change(folder: Path, what: str) -> None:
    transformer = folder / "transformer"
    weights = transformer / "diffusion_pytorch_model.safetensors"
    index = folder / "model_index.json"
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
    ("what", "sentence"),
    [
        ("no index", r"holds no pipeline: .*model_index\.json is missing"),
        ("broken index", r"holds no pipeline: .*model_index\.json is damaged"),
        ("list for an index", "it holds no JSON object"),
        ("no weights", "transformer is incomplete: it holds no safetensors file"),
        (
            "pickles only",
            "holds its weights as pickles only, and those can run code; only safetensors files are loaded",
        ),
        ("no component", "has no folder for its component tokenizer"),
        ("no configuration", "scheduler is incomplete: it holds no configuration"),
        ("foreign library", "is my_code's; only classes of diffusers and transformers are loaded"),
        ("component outside", r"has no folder for its component \.\./transformer"),
        ("missing shard", r"transformer is incomplete: a\.safetensors is missing"),
        ("shard outside", r"names '\.\./\.\./secret\.safetensors', which is no safetensors file beside it"),
        ("pickle shard", r"names 'a\.bin', which is no safetensors file beside it"),
        ("empty index", "is damaged: it names no shards"),
    ],
)
def test_a_folder_that_cannot_be_loaded_is_refused(pipeline: Path, what: str, sentence: str) -> None:
    """Incomplete folders, pickles, foreign code and paths that lead outside: each its own sentence."""
    change(pipeline, what)
    with pytest.raises(Refusal, match=sentence) as caught:
        locate(subject(f"folder:{pipeline}"))
    assert "\n" not in str(caught.value)


def test_shards_that_are_all_there_are_accepted(pipeline: Path) -> None:
    """An index and its files stand for one file of weights."""
    change(pipeline, "missing shard")
    (pipeline / "transformer" / "a.safetensors").write_bytes(b"")
    assert pipeline_folder.complaint(pipeline) is None


def test_a_subject_without_a_revision_is_not_looked_for_on_the_hub(tmp_path: Path) -> None:
    """A folder source asks no hub, whatever the environment says."""
    mine = dataclasses.replace(subject(f"folder:{tmp_path}"), revision=None)
    assert "holds no pipeline" in str(ready(mine))

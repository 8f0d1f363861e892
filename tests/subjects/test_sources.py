"""Tests of the four places where a subject's files can be, and of what is refused there."""

import dataclasses
from pathlib import Path

import pytest

from fluxgate.miniature.growth import grown_folder
from fluxgate.refusal import Refusal
from fluxgate.subjects.catalogue import subjects
from fluxgate.subjects.sources import CACHE, MINIATURE, cache_folder, locate, refuse_unready, why_not_ready
from fluxgate.subjects.subject import Shot, Subject
from tests.subjects.hollow import FLUX, hollow_pipeline
from tests.subjects.hub import COMMIT, Hub, serving


def subject(source: str, revision: str | None = None) -> Subject:
    return Subject("mine", "our own", source, (Shot("portrait", ("a fox",), 42),), revision=revision)


@pytest.fixture
def pipeline(tmp_path: Path) -> Path:
    """A complete folder of a FLUX."""
    return hollow_pipeline(tmp_path / "pipeline")


def test_a_folder_is_found(pipeline: Path) -> None:
    """A complete pipeline in a folder is ready and is used where it lies."""
    assert why_not_ready(subject(f"folder:{pipeline}")) is None
    assert locate(subject(f"folder:{pipeline}")) == pipeline


def test_the_shipped_miniature_is_found(miniature_folder: Path) -> None:
    """The miniature needs no download and no other step."""
    if miniature_folder != MINIATURE:
        pytest.skip("another pipeline stands in for the miniature")
    assert why_not_ready(subjects()["miniature"]) is None
    assert locate(subjects()["miniature"]) == MINIATURE


def test_a_missing_folder_is_refused_in_a_sentence(tmp_path: Path) -> None:
    """The refusal names the subject and the folder."""
    with pytest.raises(Refusal, match=rf"^mine is not ready.* {tmp_path}/nowhere\.$"):
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
    with pytest.raises(Refusal, match=f"grown in {tmp_path}/grown .*fluxgate grow"):
        locate(subjects()["grown"])


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


def test_a_subject_that_its_pipeline_contradicts_is_refused(pipeline: Path) -> None:
    """Before anything is rendered, with the name that was meant."""
    mine = dataclasses.replace(subject(f"folder:{pipeline}"), denoiser="transfomer")
    with pytest.raises(Refusal, match=r"^mine is not ready: denoiser .*'transfomer'.* 'transformer'\?$"):
        refuse_unready(mine)


def test_what_is_grown_is_held_against_its_subject(
    pipeline: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cache is no exception."""
    monkeypatch.setattr(grown_folder, "why_not_usable", lambda folder, source: None)
    monkeypatch.setenv(CACHE, str(tmp_path))
    mine = dataclasses.replace(subject("cache:pipeline"), encoders=("text_encoder_3",))
    assert "encoders is 'text_encoder_3'" in str(why_not_ready(mine))
    assert why_not_ready(subject("cache:pipeline")) is None


def test_the_hubs_index_is_checked_before_the_weights_are_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wrong name costs one small file, not 33 GB; once it is there, no request at all."""
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    mine = subject("hub:storybook/miniature", COMMIT)
    wrong = dataclasses.replace(mine, denoiser="unet")
    repository = hollow_pipeline(tmp_path / "repository", {**FLUX, "image_encoder": [None, None]})
    with serving(Hub(repository)) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        with pytest.raises(Refusal, match=r"denoiser is 'unet'.*model_index.json"):
            locate(wrong)
        assert {path for path in hub.fetched() if not path.startswith("/api")} == {"model_index.json"}
        hub.requests.clear()
        with pytest.raises(Refusal, match="mine is not ready: denoiser is 'unet'"):
            locate(wrong)
        assert hub.requests == []
        assert locate(mine).is_dir()
    assert why_not_ready(mine) is None


def test_a_grown_folder_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder in the cache that holds something else is not taken for the grown pipeline."""
    monkeypatch.setenv(CACHE, str(tmp_path))
    (tmp_path / "grown").mkdir()
    (tmp_path / "grown" / "notes.txt").write_text("mine")
    assert "was not grown here" in str(why_not_ready(subjects()["grown"]))


def test_the_hub_serves_the_miniature(miniature_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pipeline of the real size comes over the hub's protocol, file for file, and loads."""
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    mine = subject("hub:storybook/miniature", COMMIT)
    with serving(Hub(miniature_folder)) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        assert why_not_ready(mine) == "it will be downloaded"
        folder = locate(mine)
    assert why_not_ready(mine) is None
    for path in (path for path in folder.rglob("*") if path.is_file()):
        assert path.read_bytes() == (miniature_folder / path.relative_to(folder)).read_bytes()
    diffusers = pytest.importorskip("diffusers")
    pipe = diffusers.FluxPipeline.from_pretrained(folder, use_safetensors=True)
    assert type(pipe.transformer).__name__ == "FluxTransformer2DModel"


def test_a_subject_without_a_revision_is_not_looked_for_on_the_hub(tmp_path: Path) -> None:
    """A folder source asks no hub, whatever the environment says."""
    mine = dataclasses.replace(subject(f"folder:{tmp_path}"), revision=None)
    assert "holds no pipeline" in str(why_not_ready(mine))

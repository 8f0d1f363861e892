"""Tests of the way to FLUX.1-dev: its own layout, index and sizes on a hub of loopback, in sparse files."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from fluxgate.cli.main import main
from fluxgate.miniature.architecture import MODEL_INDEX
from fluxgate.refusal import Refusal
from fluxgate.subjects.catalogue import read_catalogue, subjects
from fluxgate.subjects.sources import locate, why_not_ready
from fluxgate.subjects.subject import Subject
from tests.subjects.hub import LARGE, TOKEN, Hub, serving

pytest.importorskip("diffusers")

REPOSITORY = "black-forest-labs/FLUX.1-dev"
INDEX = {**MODEL_INDEX, "_diffusers_version": "0.30.0.dev0"}
# Bytes of each file of weights: what a pipeline loads, and the second copies at the root that it does not.
WEIGHTS = {
    "transformer/diffusion_pytorch_model-00001-of-00003.safetensors": 9_983_040_304,
    "transformer/diffusion_pytorch_model-00002-of-00003.safetensors": 9_949_328_904,
    "transformer/diffusion_pytorch_model-00003-of-00003.safetensors": 3_870_584_832,
    "text_encoder_2/model-00001-of-00002.safetensors": 4_994_582_224,
    "text_encoder_2/model-00002-of-00002.safetensors": 4_530_066_360,
    "text_encoder/model.safetensors": 246_144_152,
    "vae/diffusion_pytorch_model.safetensors": 167_666_902,
}
SECOND_COPIES = {"flux1-dev.safetensors": 23_802_932_552, "ae.safetensors": 335_304_388}
SETTINGS = {
    "scheduler/scheduler_config.json": "{}",
    "tokenizer/tokenizer_config.json": "{}",
    "tokenizer/vocab.json": "{}",
    "tokenizer/merges.txt": "",
    "tokenizer_2/tokenizer_config.json": "{}",
    "tokenizer_2/tokenizer.json": "{}",
    "tokenizer_2/spiece.model": "x",
    "README.md": "x",
    "dev_grid.jpg": "x",
    **{f"{name}/config.json": "{}" for name in ("transformer", "text_encoder", "text_encoder_2", "vae")},
}


@pytest.fixture(autouse=True)
def surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty cache of its own, no token, room on the disk."""
    for name in ("HF_TOKEN", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_ENDPOINT", "FLUXGATE_SUBJECTS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_TOKEN_PATH", str(tmp_path / "token"))
    monkeypatch.setenv("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=10**12))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def flux() -> Subject:
    return subjects()["flux-dev"]


def repository(folder: Path, *, whole: bool) -> Path:
    """The repository's files: weights of their real sizes as holes in files, or a few bytes in place of each."""
    for name, text in {**SETTINGS, "model_index.json": json.dumps(INDEX), **shards()}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    for name, size in {**WEIGHTS, **SECOND_COPIES}.items():
        with (folder / name).open("wb") as file:
            file.truncate(size if whole else 10)
    return folder


def shards() -> dict[str, str]:
    """The indexes of the components that lie in several files."""
    indexes: dict[str, dict[str, str]] = {}
    for name in WEIGHTS:
        component, _, file = name.partition("/")
        if "-of-" in file:
            index = f"{component}/{file.partition('-0')[0]}.safetensors.index.json"
            indexes.setdefault(index, {})[f"layer of {file}"] = file
    return {name: json.dumps({"metadata": {}, "weight_map": places}) for name, places in indexes.items()}


@pytest.fixture(params=[False], ids=["few bytes"])
def hub(
    request: pytest.FixtureRequest, tmp_path: Path, flux: Subject, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Hub]:
    folder = repository(tmp_path / "repository", whole=request.param)
    with serving(Hub(folder, repository=REPOSITORY, commit=str(flux.revision), gated=True)) as running:
        monkeypatch.setenv("HF_ENDPOINT", running.url)
        yield running


def test_with_a_token_it_is_one_option(hub: Hub, flux: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    """The pinned commit arrives with every shard; neither second copies nor pictures are asked for."""
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    assert "will be downloaded" in str(why_not_ready(flux))
    folder = locate(flux)
    assert folder.name == flux.revision
    assert {name for name in WEIGHTS if (folder / name).is_file()} == set(WEIGHTS)
    assert not hub.fetched() & {*SECOND_COPIES, "README.md", "dev_grid.jpg"}
    assert why_not_ready(flux) is None


def test_without_a_token_the_licence_is_named(hub: Hub, flux: Subject) -> None:
    """And nothing is fetched."""
    assert "accept its licence" in str(why_not_ready(flux))
    with pytest.raises(Refusal, match=r"gated.*no token"):
        locate(flux)


def test_another_commit_is_not_taken(hub: Hub, flux: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    """A branch that has moved on is none of its business."""
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    hub.commit = "f" * 40
    with pytest.raises(Refusal, match=f"has no revision {flux.revision}"):
        locate(flux)


@pytest.mark.parametrize("hub", [True], indirect=True, ids=["real sizes"])
def test_its_sizes_are_told_without_fetching_it(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The entry that is drafted of the listing needs what the catalogue says that it needs."""
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    assert main(["subject", REPOSITORY, "--name", "ours"]) == 0
    ours, shipped = read_catalogue(tmp_path / "ours.toml")["ours"], subjects()["flux-dev"]
    assert abs(ours.needs.disk - shipped.needs.disk) < 0.2e9
    assert (ours.revision, ours.needs.token, ours.pipeline) == (shipped.revision, True, shipped.pipeline)
    assert (ours.denoiser, ours.large, ours.encoders) == (shipped.denoiser, shipped.large, shipped.encoders)
    assert not {name for name in hub.fetched() if name.endswith(".safetensors")}


def test_a_cache_that_has_it_is_used_as_it_is(flux: Subject, tmp_path: Path) -> None:
    """Files of the real sizes are looked over by their names; no byte of the weights is read."""
    snapshot = tmp_path / "cache" / "models--black-forest-labs--FLUX.1-dev" / "snapshots" / str(flux.revision)
    repository(snapshot, whole=True)
    assert sum(file.stat().st_size for file in snapshot.rglob("*")) > 33.7e9
    assert (why_not_ready(flux), locate(flux)) == (None, snapshot)
    (snapshot / "transformer" / "diffusion_pytorch_model-00002-of-00003.safetensors").unlink()
    assert "00002-of-00003.safetensors is missing" in str(why_not_ready(flux))


def test_the_sparse_files_take_no_room(tmp_path: Path) -> None:
    """Or the tests would fill a disk."""
    folder = repository(tmp_path / "r", whole=True)
    large = [file for file in folder.rglob("*") if file.stat().st_size > LARGE]
    assert len(large) == len(WEIGHTS) + len(SECOND_COPIES)
    assert sum(file.stat().st_blocks for file in large) * 512 < 1_000_000

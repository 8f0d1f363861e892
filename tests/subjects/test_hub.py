"""Tests of the hub, against a small server on loopback that speaks its protocol."""

import json
import os
import re
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from fluxgate.refusal import Refusal
from fluxgate.subjects.hub import download, explained, why_not_ready
from tests.subjects.hub import COMMIT, TOKEN, Hub, serving
from tests.wording import unsaid

NAME = "storybook/miniature"
WEIGHTS = os.urandom(300_000)


@pytest.fixture(autouse=True)
def surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty cache of its own, no token, a short patience."""
    for name in ("HF_TOKEN", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_TOKEN_PATH", str(tmp_path / "token"))
    monkeypatch.setenv("HF_HUB_DISABLE_PROGRESS_BARS", "1")


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A repository with one model, and with much that nobody should load."""
    folder = tmp_path / "repository"
    (folder / "vae").mkdir(parents=True)
    (folder / "model_index.json").write_text('{"_class_name": "P", "vae": ["diffusers", "AutoencoderKL"]}')
    (folder / "vae" / "config.json").write_text("{}")
    (folder / "vae" / "model.safetensors").write_bytes(WEIGHTS)
    for bad in ("vae/model.bin", "vae/pipeline.py", "flux1-dev.safetensors", "vae/model.ckpt", "README.md", "vae/x.pt"):
        (folder / bad).write_bytes(b"not wanted")
    with serving(Hub(folder)) as running:
        monkeypatch.setenv("HF_ENDPOINT", running.url)
        yield running


def files_in(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_download_gives_the_pipelines_files_and_no_others(hub: Hub) -> None:
    """Configurations and safetensors arrive whole; pickles, code and second copies are never asked for."""
    wanted = ("model_index.json", "vae/config.json", "vae/model.safetensors")
    folder = download(NAME, COMMIT)
    assert files_in(folder) == {name: (hub.folder / name).read_bytes() for name in wanted}
    assert not [path for _, path in hub.requests if path.endswith((".bin", ".py", ".ckpt", ".pt", "dev.safetensors"))]


def test_a_variant_is_fetched_where_it_is_named(hub: Hub) -> None:
    """Weights in another dtype are a second download of their size."""
    (hub.folder / "vae" / "model.fp16.safetensors").write_bytes(WEIGHTS)
    assert not (download(NAME, COMMIT) / "vae" / "model.fp16.safetensors").exists()
    shutil.rmtree(os.environ["HF_HUB_CACHE"])
    folder = download(NAME, COMMIT, variant="fp16")
    assert (folder / "vae" / "model.fp16.safetensors").exists()
    assert not (folder / "vae" / "model.safetensors").exists()


def test_a_second_call_asks_no_network(hub: Hub) -> None:
    """A whole commit in the cache is used as it is."""
    first = download(NAME, COMMIT)
    hub.requests.clear()
    assert download(NAME, COMMIT) == first
    assert why_not_ready(NAME, COMMIT, needed=0, token=True) is None
    assert hub.requests == []


def test_a_gated_repository_without_a_token(hub: Hub) -> None:
    """The sentence names the page of the licence, the variable, and a way without either."""
    hub.gated = True
    with pytest.raises(Refusal) as caught:
        download(NAME, COMMIT)
    assert str(caught.value) == (
        f"{NAME} is gated and no token is set: accept its licence at {hub.url}/{NAME}, set HF_TOKEN to a token that "
        "may read it, or choose another subject: --subject miniature needs no download."
    )


def test_a_gated_repository_with_a_token_that_may_not_read_it(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    """A token whose owner has not accepted the licence gets its own words."""
    hub.gated = True
    monkeypatch.setenv("HF_TOKEN", "hf_other")
    with pytest.raises(Refusal, match=r"token may not read it.*licence at "):
        download(NAME, COMMIT)


def test_a_gated_repository_with_a_good_token(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    """HF_TOKEN is sent, and opens the gate."""
    hub.gated = True
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    assert (download(NAME, COMMIT) / "vae" / "model.safetensors").read_bytes() == WEIGHTS


def test_a_missing_revision(hub: Hub) -> None:
    """A commit that the repository does not have is named."""
    with pytest.raises(Refusal, match=rf"^{NAME} has no revision {'f' * 40}"):
        download(NAME, "f" * 40)


@pytest.mark.parametrize("token", [None, TOKEN])
def test_a_missing_repository(hub: Hub, monkeypatch: pytest.MonkeyPatch, token: str | None) -> None:
    """The hub does not tell a missing from a private repository, so the sentence names both ways out."""
    if token:
        monkeypatch.setenv("HF_TOKEN", token)
    with pytest.raises(Refusal, match=r"no repository storybook/nothing.*HF_TOKEN"):
        download("storybook/nothing", COMMIT)


def test_a_private_repository(hub: Hub) -> None:
    """The same words serve a private repository."""
    hub.private = True
    with pytest.raises(Refusal, match=f"shows no repository {NAME}"):
        download(NAME, COMMIT)


def test_a_connection_that_breaks_once_is_resumed(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    """One cut costs a moment; the file is whole, and what had arrived is not asked for again."""
    monkeypatch.setattr("time.sleep", lambda _: None)
    hub.cut_after, hub.cuts = 100_000, 1
    assert (download(NAME, COMMIT) / "vae" / "model.safetensors").read_bytes() == WEIGHTS


def test_a_connection_that_keeps_breaking(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    """After some tries the download ends in a sentence, nothing counts as downloaded, and the next run goes on."""
    monkeypatch.setattr("time.sleep", lambda _: None)
    hub.cut_after = 100_000
    with pytest.raises(Refusal, match=f"^The download of {NAME} broke off .*run again"):
        download(NAME, COMMIT)
    assert why_not_ready(NAME, COMMIT, needed=0, token=False) is not None
    hub.cut_after = None
    assert (download(NAME, COMMIT) / "vae" / "model.safetensors").read_bytes() == WEIGHTS


@pytest.mark.parametrize("status", [500, 503])
def test_a_hub_that_is_down(hub: Hub, status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server error is the hub's fault and says so."""
    monkeypatch.setattr("time.sleep", lambda _: None)
    hub.refused = status
    with pytest.raises(Refusal, match=rf"cannot be reached.* {status}\b.*run again"):
        download(NAME, COMMIT)


def test_no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """An address where nobody listens."""
    monkeypatch.setattr("time.sleep", lambda _: None)
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{unused.getsockname()[1]}")
        with pytest.raises(Refusal, match=r"127\.0\.0\.1:\d+ cannot be reached.*run again"):
            download(NAME, COMMIT)


@pytest.mark.parametrize("variable", ["HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"])
def test_offline(hub: Hub, monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    """Offline, what is not in the cache is refused without a request; what is there is used."""
    monkeypatch.setenv(variable, "1")
    with pytest.raises(Refusal, match=f"not in the cache and {variable}=1"):
        download(NAME, COMMIT)
    assert f"{variable}=1 forbids a download" in str(why_not_ready(NAME, COMMIT, needed=0, token=False))
    assert hub.requests == []
    monkeypatch.delenv(variable)
    folder = download(NAME, COMMIT)
    monkeypatch.setenv(variable, "1")
    assert download(NAME, COMMIT) == folder


def test_too_little_disk_is_refused_before_a_request(hub: Hub, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The free space is compared with what the subject says it needs."""
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=10**9))
    with pytest.raises(Refusal, match=rf"^{NAME} needs 33\.70 GB more.* 1\.00 GB are free"):
        download(NAME, COMMIT, needed=33_700_000_000)
    assert hub.requests == []


def test_a_disk_that_fills_up() -> None:
    """The kernel's own error is found however deep the library has wrapped it."""
    error = RuntimeError("download failed")
    error.__cause__ = OSError(28, "No space left on device")
    assert re.match(rf"The disk of .*cache is full: {NAME}", str(explained(error, NAME, COMMIT)))


def test_a_repository_with_pickles_only(hub: Hub) -> None:
    """What arrives is looked over: a model without safetensors is not used."""
    (hub.folder / "vae" / "model.safetensors").unlink()
    with pytest.raises(Refusal, match=f"{NAME} at 0123456789ab .*vae is incomplete"):
        download(NAME, COMMIT)


def test_a_snapshot_with_a_hole_is_fetched_again(hub: Hub) -> None:
    """A file that has gone from the cache is noticed and downloaded."""
    folder = download(NAME, COMMIT)
    (folder / "vae" / "model.safetensors").unlink()
    assert "incomplete" in str(why_not_ready(NAME, COMMIT, needed=0, token=False))
    assert (download(NAME, COMMIT) / "vae" / "model.safetensors").read_bytes() == WEIGHTS


def test_what_is_missing_is_told_with_size_and_licence(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before a download, the size; and the licence while no token is set."""
    reason = why_not_ready(NAME, COMMIT, needed=33_700_000_000, token=True)
    assert not unsaid(reason, "33.70 GB", f"licence at {hub.url}/{NAME}", "HF_TOKEN")
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    assert why_not_ready(NAME, COMMIT, needed=33_700_000_000, token=True) == "33.70 GB will be downloaded"
    assert hub.requests == []


def test_the_server_lists_as_the_hub_does(hub: Hub) -> None:
    """Both ways in which releases of huggingface_hub ask for the files are answered."""
    import urllib.request

    api = f"{hub.url}/api/models/{NAME}"
    info = json.load(urllib.request.urlopen(f"{api}/revision/{COMMIT}", timeout=10))
    tree = json.load(urllib.request.urlopen(f"{api}/tree/{COMMIT}?recursive=true", timeout=10))
    assert {entry["rfilename"] for entry in info["siblings"]} == {entry["path"] for entry in tree} == set(hub.files())

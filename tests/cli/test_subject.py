"""Tests of `fluxgate subject`: it looks at a folder or a repository and writes an entry that works."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from fluxgate.cli.main import main
from fluxgate.cli.subject import name_from
from fluxgate.pictures import read_png
from fluxgate.refusal import USAGE
from fluxgate.subjects.catalogue import read_catalogue
from fluxgate.subjects.sources import why_not_ready
from tests.conftest import SHIPPED
from tests.subjects.hub import COMMIT, Hub, serving
from tests.wording import unsaid

pytest.importorskip("diffusers")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder of its own, and a hub that nobody is logged into."""
    monkeypatch.chdir(tmp_path)
    for name in ("HF_TOKEN", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_ENDPOINT", "FLUXGATE_SUBJECTS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_TOKEN_PATH", str(tmp_path / "token"))
    monkeypatch.setenv("HF_HUB_DISABLE_PROGRESS_BARS", "1")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A pipeline of the user's."""
    return Path(shutil.copytree(SHIPPED, tmp_path / "models" / "Our_FLUX"))


def test_a_folder_becomes_a_subject_that_is_ready(folder: Path, tmp_path: Path) -> None:
    """What is written can be rendered as it is, and names the folder from where the file lies."""
    assert main(["subject", "models/Our_FLUX"]) == 0
    subject = read_catalogue(tmp_path / "our-flux.toml")["our-flux"]
    assert why_not_ready(subject) is None
    assert 'source = "folder:models/Our_FLUX"' in (tmp_path / "our-flux.toml").read_text()
    assert (subject.pipeline, subject.dtype) == ("FluxPipeline", "bfloat16")


def test_weights_may_lie_in_files_of_their_own(folder: Path, tmp_path: Path) -> None:
    """A component's, or the whole pipeline's; both are named from where the entry lies, and count in what it needs."""
    weights = next((folder / "transformer").glob("*.safetensors"))
    weights.rename(tmp_path / "denoiser.safetensors")
    size = (tmp_path / "denoiser.safetensors").stat().st_size
    assert main(["subject", "models/Our_FLUX"]) == USAGE
    assert main(["subject", "models/Our_FLUX", "--file", "transformer=denoiser.safetensors"]) == 0
    subject = read_catalogue(tmp_path / "our-flux.toml")["our-flux"]
    assert subject.files == {"transformer": str(tmp_path / "denoiser.safetensors")}
    assert (why_not_ready(subject), subject.needs.disk > size, subject.dtype) == (None, True, "bfloat16")
    whole = ["subject", "models/Our_FLUX", "--name", "whole", "--output", "toml/whole.toml", "--checkpoint"]
    (tmp_path / "toml").mkdir()
    assert main([*whole, "denoiser.safetensors"]) == 0
    subject = read_catalogue(tmp_path / "toml" / "whole.toml")["whole"]
    assert (Path(str(subject.checkpoint)).resolve(), why_not_ready(subject)) == (
        tmp_path / "denoiser.safetensors",
        None,
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ["--file", "transformer"],
        ["--file", "transformer=nowhere.gguf"],
        ["--file", "transformer=models/Our_FLUX/model_index.json"],
        ["--file", "tokenizer=notes.gguf"],
        ["--checkpoint", "notes.gguf"],
    ],
)
def test_files_that_hold_no_weights_are_refused(arguments: list[str], folder: Path, tmp_path: Path) -> None:
    """In a sentence, and nothing is written."""
    (tmp_path / "notes.gguf").write_bytes(b"notes")
    assert main(["subject", "models/Our_FLUX", *arguments]) == USAGE
    assert not list(tmp_path.glob("*.toml"))


def as_variant(folder: Path, *components: str) -> None:
    """Name the weights of components as those of the variant fp16 are."""
    for file in [file for name in components for file in (folder / name).glob("*.safetensors")]:
        file.rename(file.with_name(file.name.replace(".safetensors", ".fp16.safetensors")))


def test_weights_that_are_of_one_variant_alone_are_found(folder: Path, tmp_path: Path) -> None:
    """As somebody downloads them who has no room for both; a component without it has plain ones."""
    plain = read_catalogue(drafted(tmp_path, "plain"))["plain"]
    as_variant(folder, "transformer", "vae")
    subject = read_catalogue(drafted(tmp_path, "half"))["half"]
    assert (subject.variant, why_not_ready(subject)) == ("fp16", None)
    assert (subject.needs, subject.dtype) == (plain.needs, plain.dtype)


def test_a_variant_beside_plain_weights_is_taken_where_it_is_named(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Else the plain ones are, and a variant that is not there is refused."""
    kept = shutil.copytree(folder / "vae", tmp_path / "vae")
    as_variant(folder, "vae")
    shutil.copytree(kept, folder / "vae", dirs_exist_ok=True)
    assert read_catalogue(drafted(tmp_path, "plain"))["plain"].variant is None
    assert read_catalogue(drafted(tmp_path, "half", "--variant", "fp16"))["half"].variant == "fp16"
    assert main(["subject", "models/Our_FLUX", "--variant", "bf16"]) == USAGE
    assert not unsaid(capsys.readouterr().err, "no weights", "bf16")


def drafted(folder: Path, name: str, *options: str) -> Path:
    assert main(["subject", "models/Our_FLUX", "--name", name, *options]) == 0
    return folder / f"{name}.toml"


def test_a_folder_of_any_name_will_do(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With spaces and letters of other alphabets; what is said to be run next can be typed."""
    folder.rename(folder.with_name("Mein Füchslein 狐"))
    (tmp_path / "my catalogue").mkdir()
    assert main(["subject", "models/Mein Füchslein 狐", "--output", "my catalogue/x y.toml"]) == 0
    assert "FLUXGATE_SUBJECTS='my catalogue/x y.toml' fluxgate list" in capsys.readouterr().out
    (subject,) = read_catalogue(tmp_path / "my catalogue" / "x y.toml").values()
    assert (subject.name, why_not_ready(subject)) == ("mein-f-chslein", None)


def test_nothing_is_overwritten(folder: Path, tmp_path: Path) -> None:
    """A file that is there is refused and stays as it is."""
    (tmp_path / "our-flux.toml").write_text("mine")
    assert main(["subject", "models/Our_FLUX"]) == USAGE
    assert (tmp_path / "our-flux.toml").read_text() == "mine"


def test_an_inpainting_pipeline_gets_pictures_to_start_from(folder: Path, tmp_path: Path) -> None:
    """Beside the file; one that is there already stays."""
    index = json.loads((folder / "model_index.json").read_text())
    (folder / "model_index.json").write_text(json.dumps({**index, "_class_name": "FluxFillPipeline"}))
    (tmp_path / "fill-image.png").write_bytes(b"mine")
    assert main(["subject", "models/Our_FLUX", "--name", "fill", "--output", "fill.toml"]) == 0
    assert (tmp_path / "fill-image.png").read_bytes() == b"mine"
    assert read_png(tmp_path / "fill-mask_image.png").shape[:2] == (1024, 1024)  # as large as the shot


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["nowhere/at/all"], "is no folder, and no repository"),
        (["models"], "cannot be a subject"),
        (["models/Our_FLUX/model_index.json"], "is a file; name a pipeline's folder"),
        (["models/Our_FLUX", "--name", "Our FLUX"], "must consist of lower-case letters"),
    ],
)
def test_what_cannot_be_one_is_refused_in_a_sentence(
    arguments: list[str], sentence: str, folder: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """And nothing is written."""
    assert main(["subject", *arguments]) == USAGE
    assert sentence in capsys.readouterr().err
    assert not list(tmp_path.glob("*.toml"))


@pytest.mark.parametrize(
    ("given", "name"), [("o/FLUX.1-dev", "flux-1-dev"), ("models/ours/", "ours"), ("a/__", "mine")]
)
def test_a_name_is_made_of_what_was_given(given: str, name: str) -> None:
    """As subjects are called."""
    assert name_from(given) == name


# A repository of the hub


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with serving(Hub(SHIPPED, repository="storybook/miniature")) as running:
        monkeypatch.setenv("HF_ENDPOINT", running.url)
        yield running


def test_a_repository_with_one_variant_alone_is_drafted_so(folder: Path, hub: Hub, tmp_path: Path) -> None:
    """Its sizes are those of what will be loaded; the plain files of a repository that has both are."""
    hub.folder = folder
    for name in ("transformer", "vae", "text_encoder", "text_encoder_2"):
        shutil.copytree(folder / name, tmp_path / "plain" / name)
        as_variant(folder, name)
    assert main(["subject", "storybook/miniature"]) == 0
    alone = read_catalogue(tmp_path / "miniature.toml")["miniature"]
    assert (alone.variant, alone.dtype) == ("fp16", "float16")
    shutil.copytree(tmp_path / "plain", folder, dirs_exist_ok=True)
    assert main(["subject", "storybook/miniature", "--name", "both"]) == 0
    both = read_catalogue(tmp_path / "both.toml")["both"]
    assert (both.variant, both.needs) == (None, alone.needs)


def test_a_repository_becomes_a_subject_pinned_to_its_commit(hub: Hub, tmp_path: Path) -> None:
    """Only the index and the configurations are fetched for it; sizes are the listing's."""
    assert main(["subject", "storybook/miniature"]) == 0
    subject = read_catalogue(tmp_path / "miniature.toml")["miniature"]
    assert (subject.source, subject.revision) == ("hub:storybook/miniature", COMMIT)
    assert subject.needs.disk > 50_000_000
    assert not [name for name in hub.fetched() if name.endswith((".safetensors", "tokenizer.json"))]


@pytest.mark.parametrize(
    ("repository", "sentence"), [("storybook/miniature", "cannot be reached"), ("some/thing", "shows no repository")]
)
def test_what_the_hub_does_not_show_is_refused(
    repository: str, sentence: str, hub: Hub, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One sentence says that there is no such folder, and what the hub said."""
    if sentence == "cannot be reached":
        monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    assert main(["subject", repository]) == USAGE
    error = capsys.readouterr().err
    assert "There is no folder" in error
    assert sentence in error


def test_no_hub_is_asked_where_that_is_forbidden(
    hub: Hub, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The variable is named."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert main(["subject", "storybook/miniature"]) == USAGE
    assert "HF_HUB_OFFLINE" in capsys.readouterr().err
    assert hub.requests == []

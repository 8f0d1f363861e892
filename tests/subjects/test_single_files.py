"""Tests of weights in single files, as an entry of a catalogue names them, and of what is refused."""

from __future__ import annotations

import json
import struct
from dataclasses import replace
from pathlib import Path

import pytest

from fluxgate.refusal import Refusal
from fluxgate.strategies import STRATEGIES
from fluxgate.subjects.catalogue import read_catalogue
from fluxgate.subjects.sources import why_not_ready
from fluxgate.subjects.subject import Subject
from fluxgate.subjects.weights import numbers_at_hand
from tests.strategies.machines import CPU, H100, NEW, TWO
from tests.strategies.named import strategy_named
from tests.subjects.hollow import hollow_pipeline
from tests.wording import unsaid

NAME = "denoiser.gguf"
ENTRY = """
[ours]
about = "ours"
source = "folder:pipeline"
{lines}

[ours.shots.fox]
prompt = "a fox"
seed = 1
"""


def entry(folder: Path, lines: str) -> Subject:
    """The subject of a catalogue beside a hollow pipeline."""
    (folder / "ours.toml").write_text(ENTRY.format(lines=lines))
    return read_catalogue(folder / "ours.toml")["ours"]


@pytest.fixture
def hollow(tmp_path: Path) -> Path:
    """A folder with FLUX's configurations, weights for all but the denoiser, and files for that one."""
    folder = hollow_pipeline(tmp_path / "pipeline")
    (folder / "transformer" / "diffusion_pytorch_model.safetensors").unlink()
    header = json.dumps({"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()
    (tmp_path / "denoiser.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + bytes(4))
    (tmp_path / "denoiser.gguf").write_bytes(b"GGUF\x03\0\0\0")
    return tmp_path


@pytest.mark.parametrize("file", ["denoiser.safetensors", "denoiser.gguf"])
def test_a_component_may_come_from_a_file_beside_the_catalogue(file: str, hollow: Path) -> None:
    """Its folder needs a configuration alone, and its path is meant from where the catalogue lies."""
    assert "transformer is incomplete" in str(why_not_ready(entry(hollow, "")))
    subject = entry(hollow, f'files = {{ transformer = "{file}" }}')
    assert subject.files == {"transformer": str(hollow / file)}
    assert subject.in_gguf == (("transformer",) if file.endswith("gguf") else ())
    assert why_not_ready(subject) is None


def test_a_whole_pipeline_may_come_from_one_file(hollow: Path) -> None:
    """No folder of a component needs weights then; each still needs its configuration."""
    for file in (hollow / "pipeline").glob("*/*.safetensors"):
        file.unlink()
    subject = entry(hollow, 'checkpoint = "denoiser.safetensors"')
    assert (why_not_ready(subject), subject.single_file("vae")) == (None, str(hollow / "denoiser.safetensors"))
    (hollow / "pipeline" / "vae" / "config.json").unlink()
    assert not unsaid(str(why_not_ready(subject)), "vae is incomplete", "configuration")


@pytest.mark.parametrize(
    ("lines", "complaint"),
    [
        ('files = { transformer = "denoiser.ckpt" }', "must be a .safetensors or .gguf file"),
        ('checkpoint = "whole.ckpt"', "must be a .safetensors file"),
        ('checkpoint = "whole.gguf"', "must be a .safetensors file"),
    ],
)
def test_pickles_are_refused_by_their_names(lines: str, complaint: str, hollow: Path) -> None:
    """diffusers reads other files than these with torch.load."""
    with pytest.raises(Refusal, match=complaint):
        entry(hollow, lines)


@pytest.mark.parametrize(
    ("files", "complaint"),
    [
        ({"transformer": "nowhere.safetensors"}, "there is no file"),
        ({"transformer": "pipeline/vae/config.json.gguf"}, "does not begin as a GGUF file does"),
        ({"transformer": "empty.safetensors"}, "is damaged"),
        ({"transfomer": "denoiser.gguf"}, "did you mean 'transformer'?"),
        ({"text_encoder_2": "denoiser.safetensors"}, "a T5EncoderModel of transformers, which loads no single file"),
    ],
)
def test_what_cannot_be_loaded_is_said_before(files: dict[str, str], complaint: str, hollow: Path) -> None:
    """A file that is not there or is none, a component that is not there, and one that loads no single file."""
    (hollow / "empty.safetensors").write_bytes(b"")
    (hollow / "pipeline/vae/config.json.gguf").write_bytes(b"{}")
    given = {"transformer": "denoiser.gguf"} | files
    lines = ", ".join(f'{name} = "{file}"' for name, file in given.items())
    assert complaint in str(why_not_ready(entry(hollow, f"files = {{ {lines} }}")))


def test_numbers_of_what_is_not_loaded_do_not_count(hollow: Path) -> None:
    """Weights that a folder still holds of a component with a file of its own are not the ones in memory."""
    folder = hollow / "pipeline" / "transformer"
    (folder / "diffusion_pytorch_model.safetensors").write_bytes((hollow / "denoiser.safetensors").read_bytes())
    subject = entry(hollow, "")
    assert numbers_at_hand(subject) == {"transformer": 1}
    assert numbers_at_hand(replace(subject, files={"transformer": str(hollow / "denoiser.safetensors")})) == {}


def test_what_is_quantized_already_is_not_quantized_again(hollow: Path) -> None:
    """Nor is it cast, or given an adapter that is made of its weights; text encoders are quantized as ever."""
    subject = entry(hollow, 'files = { transformer = "denoiser.gguf" }')
    reasons = {one.name: one.unsupported(subject, TWO, NEW) for one in STRATEGIES}
    refused = {
        name for name, reason in reasons.items() if reason == f"transformer is quantized already, by its file {NAME}"
    }
    quantizing = {one.name for one in STRATEGIES if one.promise.changes_weights and "t5" not in one.name}
    assert refused == quantizing - {"gguf-q8", "nf4-pipeline"} | {
        "lora-unloaded",
        "ip-adapter-off",
        "ip-adapter-unloaded",
    }
    assert {"full", "staged", "model-offload", "nf4-t5", "vae-tiling"} <= {
        name for name, said in reasons.items() if not said
    }


def test_some_strategies_need_a_folder(hollow: Path) -> None:
    """What diffusers does while it loads a folder, and what transformers does to a text encoder's."""
    own = entry(hollow, 'files = { transformer = "denoiser.safetensors" }')
    whole = entry(hollow, 'checkpoint = "denoiser.safetensors"')
    for name in ("device-map-balanced", "nf4-pipeline"):
        needed = strategy_named(name).unsupported
        assert not unsaid(str(needed(own, TWO, NEW)), "transformer", "a file of its own")
        assert not unsaid(str(needed(whole, TWO, NEW)), "a single file") or name == "nf4-pipeline"
    assert strategy_named("nf4").unsupported(own, H100, NEW) is None
    assert "text_encoder_2 comes from a single file" in str(strategy_named("nf4-t5").unsupported(whole, CPU, NEW))
    assert "is written from a folder's weights" in str(strategy_named("gguf-q8").unsupported(own, CPU, NEW))

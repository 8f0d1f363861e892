"""Tests of what a node says of a pipeline, by which two are known to be one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from fluxgate.fleet.describing import describe
from fluxgate.subjects.subject import Subject
from tests.subjects.hollow import hollow_pipeline

WEIGHTS = "transformer/diffusion_pytorch_model.safetensors"


@pytest.fixture
def subject(tmp_path: Path) -> Subject:
    """A hollow pipeline whose denoiser lies in a GGUF file beside it."""
    folder = hollow_pipeline(tmp_path / "pipeline")
    (folder / WEIGHTS).unlink()
    file = tmp_path / "denoiser.gguf"
    file.write_bytes(b"GGUF\x03")
    return Subject("ours", "ours", f"folder:{folder}", (), files={"transformer": str(file)})


def test_a_single_file_tells_one_pipeline_from_another(subject: Subject) -> None:
    """Nodes that hold other weights in a file of the same name do not render one pipeline."""
    one = describe((subject,)).pipelines
    assert describe((subject,)).pipelines == one
    Path(subject.files["transformer"]).write_bytes(b"GGUF\x03 other weights")
    assert describe((subject,)).pipelines != one


def test_a_single_file_that_a_node_lacks_is_told(subject: Subject) -> None:
    """In a sentence, whatever the node has of the rest."""
    missing = replace(subject, files={"transformer": "/nowhere/denoiser.gguf"})
    told = describe((missing,))
    assert (told.pipelines, list(told.unready)) == ({}, ["ours"])
    assert "there is no file /nowhere/denoiser.gguf" in told.unready["ours"]

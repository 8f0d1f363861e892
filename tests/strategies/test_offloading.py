"""Tests of what keeps weights from files of their own, held against the libraries themselves."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("diffusers")
pytest.importorskip("transformers")

from fluxgate.pictures import write_png
from fluxgate.subjects.entries import input_picture
from fluxgate.subjects.subject import Shot, Subject
from tests.pipelines.matrix import write
from tests.strategies.looking import folder_of, look
from tests.strategies.machines import H100, NEW
from tests.strategies.named import strategy_named
from tests.wording import unsaid

pytestmark = [  # what diffusers warns itself of
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]
IN_FILES = ("group-offload-disk", "group-offload-leaf-disk", "group-offload-leaf-disk-stream")
SHOT = Shot("s", ("a red circle",), seed=1, height=64, width=64, steps=2, options=(("strength", 1.0),))


@pytest.fixture
def subject(tmp_path: Path) -> Subject:
    """SDXL that paints over a picture, and whose VAE is to be in float32 where it encodes that."""
    folder = write("sdxl", tmp_path / "sdxl")
    for name in ("image.png", "mask.png"):
        write_png(tmp_path / name, np.full((64, 64, 3), 99, np.uint8))
    given = tuple(
        input_picture(name, file, tmp_path) for name, file in (("image", "image.png"), ("mask_image", "mask.png"))
    )
    pipeline = "StableDiffusionXLInpaintPipeline"
    shots = (replace(SHOT, inputs=given),)
    return Subject("s", "s", f"folder:{folder}", shots, pipeline=pipeline, denoiser="unet", large=("unet",))


def test_a_decoder_that_the_call_casts_cannot_be_in_a_file(subject: Subject, tmp_path: Path) -> None:
    """What lies in one has the dtype that it had; once diffusers minds that, this need not be refused."""
    for name in IN_FILES:
        reason = str(strategy_named(name).unsupported(subject, H100, NEW))
        assert not unsaid(reason, "StableDiffusionXLInpaintPipeline casts vae to float32", "in a file in bfloat16")
    assert strategy_named("group-offload-leaf").unsupported(subject, H100, NEW) is None
    with pytest.raises(RuntimeError, match="should be the same"):
        look(strategy_named("group-offload-leaf-disk"), folder_of(subject), tmp_path, subject=subject)


def test_a_decoder_that_nothing_casts_can(subject: Subject) -> None:
    """Without a picture to encode, in float32, or where its configuration says that it need not be."""
    wide = replace(subject, dtypes={"vae": "float32"})
    for one in (wide, replace(subject, dtype="float32"), replace(subject, shots=(SHOT,))):
        assert [strategy_named(name).unsupported(one, H100, NEW) for name in IN_FILES] == [None] * 3
    config = folder_of(subject) / "vae" / "config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), "force_upcast": False}))
    assert [strategy_named(name).unsupported(subject, H100, NEW) for name in IN_FILES] == [None] * 3

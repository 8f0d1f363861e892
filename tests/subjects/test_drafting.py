"""Tests of drafting an entry: what stands in it, and that it is what the catalogue reads again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from fluxgate.pipeline_folder import Index
from fluxgate.refusal import Refusal
from fluxgate.subjects.catalogue import read_catalogue
from fluxgate.subjects.drafting import Source, draft
from fluxgate.subjects.subject import Needs

pytest.importorskip("diffusers")

COMPONENTS = {
    "transformer": ("diffusers", "FluxTransformer2DModel"),
    "text_encoder": ("transformers", "CLIPTextModel"),
    "text_encoder_2": ("transformers", "T5EncoderModel"),
    "tokenizer": ("transformers", "CLIPTokenizer"),
    "vae": ("diffusers", "AutoencoderKL"),
}
SOURCE = Source(
    "ours",
    "folder:p",
    None,
    Index("FluxPipeline", COMPONENTS),
    {"transformer": 24_000_000_000, "text_encoder_2": 9_500_000_000},
    {"BF16": 33_000_000_000, "F32": 500_000_000},
    None,
)


def of(class_name: str, **more: object) -> Source:
    return replace(SOURCE, index=Index(class_name, COMPONENTS), **more)  # type: ignore[arg-type]  # fields of it


def test_a_draft_says_what_was_found(tmp_path: Path) -> None:
    """Class, dtype, parts and needs are those of the files; the shot is a small one."""
    (tmp_path / "ours.toml").write_text(draft(SOURCE).text)
    subject = read_catalogue(tmp_path / "ours.toml")["ours"]
    assert (subject.pipeline, subject.dtype, subject.denoiser) == ("FluxPipeline", "bfloat16", "transformer")
    assert (subject.large, subject.encoders) == (("transformer", "text_encoder_2"), ("text_encoder", "text_encoder_2"))
    assert subject.needs == Needs(disk=33_500_000_000, vram=40_200_000_000)
    (shot,) = subject.shots
    assert (shot.height, shot.width, shot.steps) == (1024, 1024, 8)


def test_a_hub_subject_is_pinned_and_names_its_token(tmp_path: Path) -> None:
    """The commit that was looked at, and that somebody must have accepted a licence."""
    (tmp_path / "ours.toml").write_text(draft(replace(SOURCE, source="hub:o/n", revision="a" * 40, gated=True)).text)
    subject = read_catalogue(tmp_path / "ours.toml")["ours"]
    assert (subject.source, subject.revision, subject.needs.token) == ("hub:o/n", "a" * 40, True)


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("WanPipeline", "height = 480  # the pipeline's own default"),
        ("WanPipeline", "options = { num_frames = 9 }"),
        ("FluxKontextPipeline", "options = { max_area = 1048576 }"),
        ("SanaPipeline", "options = { use_resolution_binning = false }"),
    ],
)
def test_what_a_call_needs_is_drafted(name: str, line: str) -> None:
    """By the parameters that it has."""
    assert line in draft(of(name)).text


def test_pictures_are_named_where_the_call_needs_them() -> None:
    """What to paint over and where for inpainting, and none where it only may have one."""
    assert draft(of("FluxFillPipeline")).inputs == ("image", "mask_image")
    assert draft(of("FluxImg2ImgPipeline")).inputs == ("image",)
    assert draft(of("FluxKontextPipeline")).inputs == ()


def test_what_cannot_be_a_subject_is_refused() -> None:
    """A class that diffusers does not have, and a pipeline without what denoises or decodes."""
    with pytest.raises(Refusal, match="OursPipeline, which the installed diffusers has not"):
        draft(of("OursPipeline"))
    without = {name: origin for name, origin in COMPONENTS.items() if name != "vae"}
    with pytest.raises(Refusal, match="lists nothing that decodes"):
        draft(replace(SOURCE, index=Index("FluxPipeline", without)))

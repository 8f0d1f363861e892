"""Tests of drafting an entry: what stands in it, and that it is what the catalogue reads again."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from fluxgate.pipeline_folder import Index
from fluxgate.refusal import Refusal
from fluxgate.subjects.catalogue import read_catalogue
from fluxgate.subjects.drafting import Source, draft, trained_size
from fluxgate.subjects.parts import Parts
from fluxgate.subjects.pipeline_class import pipeline_class
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


def test_a_component_that_is_stored_wide_is_told(tmp_path: Path) -> None:
    """As a comment, for the model's card to decide; not where all is in float32, nor of a single file."""
    wide = replace(SOURCE, wide=("vae",))
    line = next(line for line in draft(wide).text.splitlines() if line.startswith("# dtypes"))
    (tmp_path / "ours.toml").write_text(draft(wide).text.replace(line, line.removeprefix("# ")))
    assert read_catalogue(tmp_path / "ours.toml")["ours"].dtypes == {"vae": "float32"}
    for other in (SOURCE, replace(wide, dtypes={"F32": 1}), replace(wide, checkpoint="a.safetensors")):
        assert "# dtypes" not in draft(other).text


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
        ("MochiPipeline", "height = 480  # the pipeline's own default"),
        ("StableCascadeCombinedPipeline", "options = { prior_num_inference_steps = 8 }"),
        ("DiTPipeline", "options = { class_labels = [1] }"),
        ("CycleDiffusionPipeline", 'strength = 1.0, source_prompt = "a fox" }'),
        ("PaintByExamplePipeline", 'example_image = "ours-example_image.png"'),
        ("SanaVideoPipeline", "options = { frames = 9, use_resolution_binning = false }"),
        ("LucyEditPipeline", 'inputs = { video = ["ours-video-1.png", '),
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
    assert draft(of("QwenImageEditPipeline")).inputs == ("image",)
    assert draft(of("FluxControlNetPipeline")).inputs == ("control_image",)
    assert draft(of("StableDiffusionXLControlNetImg2ImgPipeline")).inputs == ("image", "control_image")


def test_of_a_picture_and_a_video_that_exclude_each_other_the_picture_is_drafted() -> None:
    """A call with both would be refused by the library."""
    name = "Cosmos3OmniPipeline"
    if pipeline_class(name) is None:
        pytest.skip(f"this release of diffusers has no {name}")
    assert (draft(of(name)).inputs, draft(of(name)).lists) == (("image",), ())


def test_pictures_are_as_large_as_the_shot() -> None:
    """Where the call takes a size; Z-Image, for one, does not scale what it starts from."""
    assert draft(of("ZImageImg2ImgPipeline", trained=(512, 768))).size == (512, 768)
    assert draft(of("LucyEditPipeline")).size == (480, 832)
    assert draft(of("StableDiffusionUpscalePipeline")).size is None


def test_a_call_with_a_value_for_each_step_keeps_its_number_of_steps() -> None:
    """It refuses any other, unless it is given other values as well."""
    name = "Ideogram4Pipeline"
    if pipeline_class(name) is None:
        pytest.skip(f"this release of diffusers has no {name}")
    assert (
        "steps = 48  # the pipeline's own default: its guidance_schedule has a value for each step"
        in draft(of(name)).text
    )


def test_a_pipeline_without_prompts_is_asked_for_none(tmp_path: Path) -> None:
    """Its shot has the number of a class instead, in a list as the call takes it."""
    parts = {"transformer": ("diffusers", "DiTTransformer2DModel"), "vae": ("diffusers", "AutoencoderKL")}
    (tmp_path / "ours.toml").write_text(draft(replace(SOURCE, index=Index("DiTPipeline", parts))).text)
    subject = read_catalogue(tmp_path / "ours.toml")["ours"]
    (shot,) = subject.shots
    assert (shot.prompts, shot.pictures, shot.prompt_of(0)) == ((), 1, "")
    assert shot.arguments() == {"class_labels": [1], "num_inference_steps": 8}


@pytest.mark.parametrize(
    ("config", "size"),
    [
        ({"sample_size": 64}, (512, 512)),
        ({"sample_height": 60, "sample_width": 90}, (480, 720)),
        ({"sample_size": [64, 64]}, None),
        ({"sample_height": 60}, None),
    ],
)
def test_the_size_that_a_denoiser_was_trained_on(
    config: dict[str, object], size: tuple[int, int] | None, tmp_path: Path
) -> None:
    """From its configuration and the number of the VAE's halvings; videos have an edge each."""
    for name, values in (("transformer", config), ("vae", {"block_out_channels": [8, 8, 8, 8]})):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text(json.dumps(values))
    assert trained_size(tmp_path, Parts("transformer", "vae", (), ())) == size


def test_what_cannot_be_a_subject_is_refused() -> None:
    """A class that diffusers does not have, and a pipeline without what denoises or decodes."""
    with pytest.raises(Refusal, match=r"OursPipeline.* installed diffusers.*your own, name its module with pipelines"):
        draft(of("OursPipeline"))
    with pytest.raises(Refusal, match=r"FluxPipelin, which .*; did you mean FluxPipeline\?"):
        draft(of("FluxPipelin"))
    with pytest.raises(Refusal, match=r"names no class\.$"):
        draft(replace(SOURCE, index=Index(None, COMPONENTS)))
    without = {name: origin for name, origin in COMPONENTS.items() if name != "vae"}
    with pytest.raises(Refusal, match="lists nothing that decodes"):
        draft(replace(SOURCE, index=Index("FluxPipeline", without)))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("StableAudioPipeline", "StableAudioPipeline returns audios"),
        ("KandinskyV22PriorPipeline", "returns image_embeds, negative_image_embeds, and"),
        ("LEditsPPPipelineStableDiffusion", "its invert was called with before"),
        ("KandinskyV22Pipeline", "needs image_embeds, which a shot cannot give"),
        ("KandinskyV22ControlnetPipeline", "needs image_embeds, which a shot cannot give"),
    ],
)
def test_what_gives_no_pictures_or_takes_more_than_a_shot_has_is_refused(name: str, words: str) -> None:
    """By the source of the class, before anything is written or loaded."""
    with pytest.raises(Refusal, match=words):
        draft(of(name))

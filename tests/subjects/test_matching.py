"""Tests of subjects held against their pipelines: a wrong name is noticed before anything is rendered."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fluxgate.pipeline_folder import Index
from fluxgate.subjects import matching
from fluxgate.subjects.catalogue import subjects
from fluxgate.subjects.matching import mismatch, why_not_rendered
from fluxgate.subjects.pipeline_class import PipelineClass
from fluxgate.subjects.subject import Subject
from tests.subjects.hollow import FLUX
from tests.wording import unsaid

pytest.importorskip("diffusers")

SUBJECT = Subject("mine", "our own", "folder:/models/ours", ())


def index_of(**changes: Any) -> Index:
    listed = FLUX | changes
    components = {name: tuple(origin) for name, origin in listed.items() if isinstance(origin, list) and origin[0]}
    return Index(listed["_class_name"], components)


def test_a_subject_that_fits_has_no_mismatch() -> None:
    """FLUX under its own class, with the defaults."""
    assert mismatch(SUBJECT, index_of()) is None


def test_the_shipped_subjects_fit() -> None:
    """All four are FLUX."""
    assert [mismatch(subject, index_of()) for subject in subjects().values()] == [None] * 4


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {"denoiser": "transfomer"},
            "denoiser is 'transfomer', which model_index.json does not list; did you mean 'transformer'?",
        ),
        (
            {"large": ("transformer", "text_encoder2")},
            "large is 'text_encoder2', which model_index.json does not list; ",
        ),
        ({"dtypes": {"vea": "float32"}}, "dtypes is 'vea', which model_index.json does not list; did you mean 'vae'?"),
        ({"encoders": ("text_encoder", "t5")}, "encoders is 't5', which model_index.json does not list; choose from "),
    ],
)
def test_a_component_that_is_not_there_is_named(changes: dict[str, Any], sentence: str) -> None:
    """With the key, and the name that was meant."""
    reason = mismatch(replace(SUBJECT, **changes), index_of())
    assert reason is not None
    assert reason.startswith(sentence)


def test_a_pipeline_without_a_vae_is_named() -> None:
    """What decodes must be there too, although no key names it."""
    without = index_of()
    del without.components["vae"]
    assert not unsaid(str(mismatch(SUBJECT, without)), "'vae'", "model_index.json does not list")


def test_a_misspelt_class_is_named() -> None:
    """With the class that was meant."""
    reason = mismatch(replace(SUBJECT, pipeline="FluxPipelin"), index_of())
    assert not unsaid(reason, "'FluxPipelin'", "installed diffusers", "did you mean 'FluxPipeline'?")


def test_a_class_that_resembles_none_is_told_what_the_index_says() -> None:
    """Not four hundred names."""
    reason = mismatch(replace(SUBJECT, pipeline="Qqq"), index_of())
    assert not unsaid(reason, "'Qqq'", "installed diffusers", "model_index.json says FluxPipeline")


@pytest.mark.parametrize("pipeline", ["FluxImg2ImgPipeline", "FluxInpaintPipeline", "FluxKontextPipeline"])
def test_another_class_for_the_same_components_will_do(pipeline: str) -> None:
    """Its constructor asks for what the index lists."""
    assert mismatch(replace(SUBJECT, pipeline=pipeline), index_of()) is None


def test_a_class_that_needs_more_is_refused() -> None:
    """It names what is missing."""
    subject = replace(SUBJECT, pipeline="StableDiffusionXLPipeline")
    reason = mismatch(subject, index_of())
    assert not unsaid(reason, "'StableDiffusionXLPipeline'", "FluxPipeline", "no unet")


def test_a_component_that_the_class_cannot_do_without_is_named() -> None:
    """Left out, or not listed at all; diffusers would say so only once it loads the pipeline."""
    subject = replace(SUBJECT, large=("transformer",), encoders=("text_encoder",))
    reason = mismatch(subject, index_of(text_encoder_2=[None, None]))
    assert reason == "model_index.json lists no text_encoder_2, and no FluxPipeline can be made without"
    assert mismatch(replace(subject, checkpoint="all.safetensors"), index_of(text_encoder_2=[None, None])) is None


def test_a_class_for_another_denoiser_is_refused() -> None:
    """Components of the same names are not the same components."""
    other = index_of(_class_name="StableDiffusion3Pipeline", transformer=["diffusers", "SD3Transformer2DModel"])
    reason = mismatch(SUBJECT, other) or ""
    assert not unsaid(reason, "'FluxPipeline'", "StableDiffusion3Pipeline")
    assert not unsaid(
        reason, "model_index.json", "transformer is an SD3Transformer2DModel, not a FluxTransformer2DModel"
    )


def test_wrong_results_of_encode_prompt_are_refused() -> None:
    """A tensor under another name would be compared with something else, or be lost."""
    reason = mismatch(replace(SUBJECT, encodes=("prompt_embeds", "text_ids")), index_of())
    assert not unsaid(reason, "encodes is prompt_embeds, text_ids", "FluxPipeline")
    assert not unsaid(reason, "returns prompt_embeds, pooled_prompt_embeds, text_ids")


def test_an_embedding_that_the_call_does_not_take_is_refused() -> None:
    """The text ids are made anew by the call."""
    reason = mismatch(replace(SUBJECT, embeddings=("prompt_embeds", "text_ids")), index_of())
    assert not unsaid(reason, "embeddings", "'text_ids'", "FluxPipeline")


def test_without_diffusers_only_components_are_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be known is not refused."""
    monkeypatch.setattr(matching, "pipeline_class", lambda name: None)
    monkeypatch.setattr(matching, "pipeline_names", lambda: ())
    assert mismatch(replace(SUBJECT, pipeline="Qqq", encodes=()), index_of()) is None
    assert mismatch(replace(SUBJECT, denoiser="unet"), index_of()) is not None


def test_a_pipeline_that_gives_no_pictures_does_not_fit() -> None:
    """Whoever wrote the entry."""
    index = replace(index_of(), class_name="StableAudioPipeline")
    reason = mismatch(replace(SUBJECT, pipeline="StableAudioPipeline", encodes=(), embeddings=()), index)
    assert "StableAudioPipeline returns audios" in str(reason)


def test_what_the_shots_give_is_not_missed() -> None:
    """A call may need what only a person can know to be a text."""
    needs = replace(PipelineClass("P", {}, ("prompt", "tone"), ()), must_have=("prompt", "tone"))
    assert not unsaid(str(why_not_rendered(needs)), "a call of P needs tone")
    assert why_not_rendered(needs, given=("tone",)) is None


def test_a_call_that_is_told_otherwise_what_to_paint_is_refused() -> None:
    """As VisualCloze, which takes two texts and no prompt; unless the shot gives one of them."""
    takes = ("task_prompt", "negative_prompt", "prompt_embeds", "image")
    two = PipelineClass("P", {}, takes, ())
    assert why_not_rendered(two) == "P is told what to paint by task_prompt, and a shot has one prompt"
    assert why_not_rendered(two, given=("task_prompt",)) is None
    assert why_not_rendered(replace(two, takes=(*takes, "prompt"))) is None
    assert why_not_rendered(replace(two, takes=("image",))) is None


def test_a_class_that_the_installed_diffusers_does_not_have_is_named() -> None:
    """As one that a later release has moved or taken away; what transformers has is not looked at."""
    reason = mismatch(SUBJECT, index_of(vae=["diffusers", "PaellaVQModel"]))
    assert not unsaid(reason, "vae", "PaellaVQModel of diffusers")
    assert mismatch(SUBJECT, index_of(text_encoder=["transformers", "LaterModel"])) is None

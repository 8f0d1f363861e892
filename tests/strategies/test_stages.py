"""Tests of encoding and decoding apart from a pipeline's call: by its own signature and its own sums."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

torch = pytest.importorskip("torch")
diffusers = pytest.importorskip("diffusers")

from fluxgate.strategies.stages import (  # noqa: E402
    decoded_by,
    encode_arguments,
    encoded_by,
    negative_prompt,
    stages_known,
    unscaled,
    widened,
)
from fluxgate.subjects.pipeline_class import pipeline_class  # noqa: E402
from fluxgate.subjects.subject import Shot, Subject  # noqa: E402
from tests.pipelines.matrix import PIPELINES, sd15  # noqa: E402
from tests.strategies.machines import CPU, NEW  # noqa: E402

# Encoding apart


class Encodes:
    """A pipeline as far as its encoding is called."""

    _execution_device = "cpu"

    def __call__(self, *, guidance_scale: float = 7.5) -> None: ...

    def encode_prompt(self, prompt: Any, prompt_2: Any, device: Any, guided: bool = True, **more: Any) -> None: ...


class EncodesGuided(Encodes):
    """One that encodes a negative prompt, too."""

    def encode_prompt(  # type: ignore[override]  # as pipelines of two families do
        self, prompt: Any, num_images_per_prompt: int, do_classifier_free_guidance: bool, clip_skip: Any = None
    ) -> None: ...


def test_only_what_encode_prompt_takes_is_handed_to_it() -> None:
    """What it cannot do without is nothing, if the call has no such argument."""
    arguments = {"prompt": "a tree", "max_sequence_length": 64, "guidance_scale": 3.5}
    assert encode_arguments(Encodes(), arguments) == {"prompt": "a tree", "prompt_2": None, "device": "cpu"}


@pytest.mark.parametrize(("given", "guided"), [({}, True), ({"guidance_scale": 1.0}, False)])
def test_guidance_decides_whether_a_negative_prompt_is_encoded(given: dict[str, Any], guided: bool) -> None:
    """By the call's own default, where the shot leaves it out."""
    assert encode_arguments(EncodesGuided(), {"prompt": "a tree", **given}) == {
        "prompt": "a tree",
        "num_images_per_prompt": 1,
        "do_classifier_free_guidance": guided,
    }


class EncodesNegative:
    """A pipeline that encodes a negative prompt by a second call, as Qwen-Image's."""

    _execution_device = "cpu"
    config = SimpleNamespace()

    def __call__(
        self, prompt: Any, negative_prompt: Any = None, prompt_embeds: Any = None, negative_prompt_embeds: Any = None
    ) -> None: ...

    def encode_prompt(self, prompt: Any) -> Any:
        return f"[{prompt}]", "ids"


NEGATIVE = Subject("n", "n", "folder:.", (), encodes=("prompt_embeds", "ids"), embeddings=("prompt_embeds",))


def test_a_negative_prompt_is_encoded_by_a_call_of_its_own() -> None:
    """Under the names that the call has for it, and only where there is one."""
    arguments = {"prompt": "a tree", "negative_prompt": "a blur"}
    assert encoded_by(EncodesNegative(), NEGATIVE, arguments) == {
        "prompt_embeds": "[a tree]",
        "negative_prompt_embeds": "[a blur]",
    }
    assert encoded_by(EncodesNegative(), NEGATIVE, {"prompt": "a tree"}) == {"prompt_embeds": "[a tree]"}


def test_what_is_encoded_together_is_not_encoded_again() -> None:
    """An encode_prompt that takes the negative prompt returns it too."""

    class Together(EncodesNegative):
        def encode_prompt(self, prompt: Any, negative_prompt: Any = None) -> Any:
            return "both", "ids"

    assert negative_prompt(Together(), {"negative_prompt": "a blur"}) is None
    assert encoded_by(Together(), NEGATIVE, {"prompt": "a tree", "negative_prompt": "a blur"}) == {
        "prompt_embeds": "both"
    }


# Decoding apart


def test_latents_are_unscaled_as_the_configuration_says() -> None:
    """By the factor; by the shift where there is one; by mean and deviation of each channel where they are given."""
    latents = torch.arange(8.0).view(1, 2, 2, 2)
    config: dict[str, Any] = {"scaling_factor": 0.5, "latents_mean": None, "latents_std": None}
    by_channel = {"latents_mean": [1.0, 2.0], "latents_std": [3.0, 4.0]}
    source = "latents / self.vae.config.scaling_factor + self.vae.config.shift_factor, self.vae.config.latents_mean"
    assert torch.equal(unscaled(latents, SimpleNamespace(**config), source), latents * 2)
    assert torch.equal(unscaled(latents, SimpleNamespace(**config, shift_factor=0.25), source), latents * 2 + 0.25)
    expected = torch.stack([latents[0, 0] * 6 + 1, latents[0, 1] * 8 + 2])[None]
    assert torch.equal(unscaled(latents, SimpleNamespace(**(config | by_channel)), source), expected)


def test_latents_are_left_alone_by_a_pipeline_that_leaves_them_alone() -> None:
    """FLUX.2 hands out latents that its VAE can take."""
    latents = torch.ones(1, 2, 2, 2)
    assert unscaled(latents, SimpleNamespace(scaling_factor=0.5), "self.vae.decode(latents)") is latents
    left_out = "latents / self.vae.config.scaling_factor"
    assert torch.equal(unscaled(latents, SimpleNamespace(scaling_factor=0.5, shift_factor=0.25), left_out), latents * 2)


@pytest.mark.filterwarnings("ignore:`upcast_vae` is deprecated:FutureWarning")  # the pipeline calls it itself
@pytest.mark.parametrize(("name", "wide"), [("StableDiffusionXLPipeline", True), ("StableDiffusionPipeline", False)])
def test_only_the_vae_that_overflows_is_widened(name: str, wide: bool) -> None:
    """In float16, as each pipeline does it."""
    components = next(make for kind, make in PIPELINES.values() if kind == name)()
    pipe = getattr(diffusers, name)(**components).to(torch.float16)
    latents = widened(pipe, torch.zeros(1, 4, 8, 8, dtype=torch.float16))
    assert (latents.dtype, pipe.vae.dtype) == ((torch.float32,) * 2 if wide else (torch.float16,) * 2)


# What can be followed


def subject_of(name: str, *shots: Shot) -> Subject:
    installed = pipeline_class(name)
    assert installed is not None
    return Subject(
        "s", "s", "hub:o/n", shots, pipeline=name, encodes=installed.encodes, embeddings=installed.embeddings
    )


FOLLOWED = {
    "StableDiffusionPipeline",
    "StableDiffusionInpaintPipeline",
    "StableDiffusionXLPipeline",
    "StableDiffusion3Pipeline",
    "FluxPipeline",
    "FluxKontextPipeline",
    "FluxFillPipeline",
    "Flux2KleinPipeline",
    "PixArtSigmaPipeline",
    "SanaPipeline",
    "QwenImagePipeline",
    "WanPipeline",
}


def test_which_calls_are_followed() -> None:
    """All but one of those that are rendered in these tests; the reason names the call that is not."""
    kinds = {kind for kind, _ in PIPELINES.values()}
    reasons = {kind: stages_known(subject_of(kind), CPU, NEW) for kind in kinds}
    assert {kind for kind, reason in reasons.items() if reason is None} == FOLLOWED & kinds
    assert "randn_tensor" in str(reasons["LTXPipeline"])


def test_pictures_in_the_prompt_are_not_followed() -> None:
    """Qwen-Image's editing encodes them together with the words."""
    assert "looks at pictures" in str(stages_known(subject_of("QwenImageEditPipeline"), CPU, NEW))


def test_a_size_that_the_call_chooses_itself_is_not_followed() -> None:
    """FLUX Kontext scales to a number of pixels, which the shot must name."""
    shot = Shot("s", ("a fox",), seed=1, height=64, width=128)
    assert "max_area" in str(stages_known(subject_of("FluxKontextPipeline", shot), CPU, NEW))
    named = replace(shot, options=(("max_area", 64 * 128),))
    assert stages_known(subject_of("FluxKontextPipeline", named), CPU, NEW) is None


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_where_nothing_checks_pictures_each_passes_by_itself() -> None:
    """Without a safety checker, as a checkpoint comes, the pipeline normalises one picture after another."""
    pipe = diffusers.StableDiffusionPipeline(**{**sd15(), "safety_checker": None}, requires_safety_checker=False)
    latents = torch.zeros(2, 4, 8, 8)
    installed = pipeline_class("StableDiffusionPipeline")
    assert installed is not None
    with torch.no_grad():
        decoded, passed = decoded_by(pipe, pipe.vae, installed.decoding, {"latents": latents})
    assert (len(decoded), passed) == (2, [True, True])


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("HunyuanDiTPipeline", "prompt_embeds_2 comes of another time"),
        ("BriaPipeline", "latents.to(dtype=torch.float32)"),
        ("OmniGenPipeline", "has no encode_prompt"),
        ("SkyReelsV2DiffusionForcingPipeline", "must have a prompt"),
        ("StableUnCLIPPipeline", "gives the prompt to self._encode_prior_prompt"),
        ("HunyuanImagePipeline", "its guider decides"),
        ("ZImageControlNetPipeline", "its controlnet has layers of transformer, without which it is not made"),
        ("EasyAnimatePipeline", "1 / self.vae.config.scaling_factor * latents"),
    ],
)
def test_a_call_that_does_more_than_is_followed_is_named(name: str, words: str) -> None:
    """Rather than rendered otherwise, which would be a false red."""
    assert words in str(stages_known(subject_of(name), CPU, NEW))

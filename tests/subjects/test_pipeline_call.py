"""Tests of what is read of a pipeline's call: what it must be given, and what it gives."""

from __future__ import annotations

import ast

import pytest

from fluxgate.subjects.pipeline_call import (
    encoders_called,
    for_each_step,
    given_alone,
    given_the_prompt,
    lists_of_tensors,
    needed_lists,
    needed_options,
    needed_pictures,
    returned_fields,
    without_default,
)
from fluxgate.subjects.pipeline_class import pipeline_class


def call(parameters: str, *lines: str) -> ast.FunctionDef:
    """The definition of a call with these lines."""
    body = "".join(f"\n    {line}" for line in lines or ("pass",))
    (definition,) = ast.parse(f"def __call__(self, {parameters}):{body}").body
    assert isinstance(definition, ast.FunctionDef)
    return definition


def test_what_has_no_default_must_be_given() -> None:
    """Parameters by position and by keyword alone."""
    assert without_default(call("prompt, image, steps=50, *, labels, seed=None")) == ("prompt", "image", "labels")


@pytest.mark.parametrize(
    ("lines", "needed"),
    [
        (["image = self.prepare(image)"], ("image",)),
        (["if image is None:", "    raise ValueError('an image')"], ("image",)),
        (["if image is not None:", "    image = self.prepare(image)"], ()),
        (["image = self.prepare(image) if image is not None else None"], ()),
        (["if image:", "    pass"], ()),
        (["size = image[0].size if isinstance(image, list) else image.size", "if image is not None: pass"], ("image",)),
        (["size = image.size if image is not None else None"], ()),
        (["if image is not None:", "    size = image.size"], ()),
    ],
)
def test_a_picture_is_needed_where_the_call_never_does_without(lines: list[str], needed: tuple[str, ...]) -> None:
    """A question that is only asked to complain is none."""
    assert needed_pictures(call("image: PipelineImageInput = None", *lines)) == needed


@pytest.mark.parametrize(
    ("default", "found"),
    [
        ("(7.0,) * 3 + (3.0,)", ("weights",)),
        ("[7.0, 5.0, 3.0, 1.0]", ("weights",)),
        ("(7.0,) * 3", ()),
        ("(7.0,) * steps", ()),
        ("4", ()),
        ("None", ()),
    ],
)
def test_a_default_with_a_value_for_each_step_is_found(default: str, found: tuple[str, ...]) -> None:
    """Written out, multiplied or joined; a list of another length is something else."""
    assert for_each_step(call(f"prompt, steps=4, weights={default}"), 4) == found
    assert for_each_step(call(f"prompt, *, weights={default}"), 4) == found
    assert for_each_step(call(f"prompt, weights={default}"), None) == ()


def test_only_what_a_png_can_be_is_a_picture() -> None:
    """A video, an embedding and an adapter's picture that may be left out are none."""
    parameters = "video: list[Image.Image], image: torch.Tensor, ip_adapter_image: PipelineImageInput = None"
    assert needed_pictures(call(parameters)) == ()


def test_what_must_be_given_is_a_picture_by_whatever_name() -> None:
    """By its type, which may be one of several."""
    assert needed_pictures(call("style: torch.Tensor | PIL.Image.Image, *, pose: Image.Image")) == ("style", "pose")


@pytest.mark.parametrize(
    ("parameters", "lines", "needed"),
    [
        ("pose_video: list[PIL.Image.Image]", [], ("pose_video",)),
        ("ids: list[int], pair: PipelineImageInput | list[PipelineImageInput]", [], ()),
        ("video: list[np.ndarray] | torch.Tensor = None", ["video = self.prepare(video)"], ("video",)),
        ("video: list[Image.Image] = None", ["if video is not None:", "    pass"], ()),
        ("video_2: list[Image.Image] = None", ["video_2 = self.prepare(video_2)"], ()),
    ],
)
def test_a_video_is_a_list_of_pictures(parameters: str, lines: list[str], needed: tuple[str, ...]) -> None:
    """What can be one picture as well is no list."""
    assert needed_lists(call(parameters, *lines)) == needed


def test_what_a_call_complains_of_together_is_given_alone() -> None:
    """In the call itself or in a method that it calls; what it can do together, or with a third, is no complaint."""
    body = (
        "self.check(image)",
        "if image is not None and mask is not None:",
        "    image = image * mask",
        "if image is not None and strength > 1:",
        "    raise ValueError('too strong')",
    )
    check = ast.parse(
        "def check(self, image, video):\n"
        "    if image is not None and video is not None:\n"
        "        raise ValueError('not both')"
    ).body[0]
    assert isinstance(check, ast.FunctionDef)
    methods = {"__call__": call("image=None, video=None, mask=None, strength=1", *body), "check": check}
    assert given_alone(methods) == {frozenset({"image", "video"})}


def test_texts_and_numbers_that_must_be_given_are_options() -> None:
    """Each with a value of its first type that a shot can give; a tensor has none."""
    parameters = "source: str | list[str], ids: torch.Tensor | list[int], scale: float, style, embeds: torch.Tensor"
    assert needed_options(call(parameters)) == {"source": "a fox", "ids": (1,), "scale": 1.0, "style": "a fox"}


def test_a_tensor_for_each_prompt_is_a_list() -> None:
    """Generators are no tensors."""
    parameters = "a: list[torch.FloatTensor] | None, b: torch.Tensor, c: torch.Generator | list[torch.Generator]"
    assert lists_of_tensors(call(parameters)) == ("a",)


def test_what_is_given_back_is_named() -> None:
    """By the class of outputs that the call ends with, not by a tuple."""
    assert returned_fields(call("x", "if x:", "    return (image,)", "return Output(images=image, flags=x)")) == (
        "images",
        "flags",
    )


def test_prompts_may_be_encoded_several_times() -> None:
    """Once for the prompt, once for the negative one, or once for each encoder."""
    line = "a = self.encode_prompt(prompt)"
    assert encoders_called(call("prompt", line, line, "b = self.vae.decode(a)")) == 2


def test_what_else_is_given_the_prompt_is_named() -> None:
    """With the option that it is only called with, if there is one."""
    body = (
        "if better:",
        "    prompt = self.write(prompt)",
        "if usual:",
        "    self.rewrite(text=prompt)",
        "self.look(image)",
        "embeds = self.prior(prompt)",
    )
    parameters = "prompt, image, better=False, usual=True"
    assert given_the_prompt(call(parameters, *body)) == {
        "self.write": "better",
        "self.rewrite": "",
        "self.prior": "",
    }


@pytest.mark.parametrize(
    ("name", "pictures", "gives"),
    [
        ("FluxControlNetPipeline", ("control_image",), "images"),
        ("StableDiffusionXLControlNetPipeline", ("image",), "images"),
        ("StableDiffusionInstructPix2PixPipeline", ("image",), "images"),
        ("FluxKontextPipeline", (), "images"),
        ("WanImageToVideoPipeline", ("image",), "frames"),
        ("StableAudioPipeline", (), "audios"),
    ],
)
def test_real_calls_say_it(name: str, pictures: tuple[str, ...], gives: str) -> None:
    """Those of the installed diffusers."""
    pytest.importorskip("diffusers")
    installed = pipeline_class(name)
    assert installed is not None
    assert (installed.pictures, gives in installed.gives) == (pictures, True)

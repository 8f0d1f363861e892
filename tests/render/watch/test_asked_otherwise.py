"""Tests of asking for the same picture in other ways, with the miniature itself."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")

from diffusers import FluxPipeline  # noqa: E402

from fluxgate.render.watch import asked_otherwise  # noqa: E402
from fluxgate.render.watch.asked_otherwise import is_asked, not_the_same  # noqa: E402


@pytest.fixture(scope="module")
def loaded(miniature_folder: Path) -> Any:
    return loaded_anew(miniature_folder)


def loaded_anew(folder: Path) -> Any:
    pipeline = FluxPipeline.from_pretrained(str(folder), dtype=torch.bfloat16)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


@pytest.fixture
def pipeline(loaded: Any) -> Iterator[Any]:
    """A pipeline whose own methods a test may replace."""
    own = set(vars(loaded))
    yield loaded
    for name in set(vars(loaded)) - own:
        delattr(loaded, name)


def replaced(pipeline: Any, name: str, change: Callable[..., Any]) -> None:
    inner = getattr(pipeline, name)
    setattr(pipeline, name, lambda *args, **kwargs: change(inner, *args, **kwargs))


def other_latents(inner: Any, *args: Any) -> Any:
    """Those that are given are taken for others."""
    latents, ids = inner(*args)
    return (latents * 2 if args[-1] is not None else latents), ids


def nothing_negative(inner: Any, prompt: Any = None, **kwargs: Any) -> Any:
    """Given embeddings of a prompt are left out."""
    given = kwargs.get("prompt_embeds")
    returned = inner(prompt=prompt, **kwargs)
    return returned if given is None else (returned[0] * 0, *returned[1:])


def unrounded(inner: Any, batch: int, channels: int, height: int, width: int, *args: Any) -> Any:
    return inner(batch, channels, height + 16 * (height % 16 > 0), width, *args)


def of_single_prompts(inner: Any, prompt: Any = None, **kwargs: Any) -> Any:
    """A list of prompts loses one."""
    return inner(prompt=[f"{each} here" for each in prompt] if isinstance(prompt, list) else prompt, **kwargs)


def of_two_prompts(inner: Any, prompt_2: Any = None, **kwargs: Any) -> Any:
    """A second prompt is read otherwise than the first."""
    return inner(prompt_2=prompt_2 and f"{prompt_2} here", **kwargs)


def by_the_first_generator(inner: Any, *args: Any) -> Any:
    """One of a list draws for all."""
    *others, generator, latents = args
    return inner(*others, generator[0] if isinstance(generator, list) else generator, latents)


def test_sound_pipelines_come_to_the_same(pipeline: Any) -> None:
    """Whichever way they are asked."""
    assert not_the_same(pipeline) == []


@pytest.mark.parametrize(
    ("method", "change", "found"),
    [
        ("prepare_latents", other_latents, ["latents", "a generator for each picture"]),
        ("prepare_latents", unrounded, ["a height that is rounded"]),
        ("encode_prompt", nothing_negative, ["embeddings of its prompt", "embeddings of a negative prompt"]),
        pytest.param("encode_prompt", of_single_prompts, ["a list of one prompt"], marks=pytest.mark.long),
        pytest.param("encode_prompt", of_two_prompts, ["its prompt once more"], marks=pytest.mark.long),
        pytest.param(
            "prepare_latents", by_the_first_generator, ["a generator for each picture"], marks=pytest.mark.long
        ),
    ],
)
def test_what_changes_what_it_should_not_is_named(
    pipeline: Any, method: str, change: Callable[..., Any], found: list[str]
) -> None:
    """And nothing else is."""
    replaced(pipeline, method, change)
    assert not_the_same(pipeline) == found


def test_an_argument_between_two_others_is_told(pipeline: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever gives prompts by their places gives the second to it."""
    inner = FluxPipeline.__call__

    def with_a_seed(self: Any, prompt: Any = None, seed: Any = None, *args: Any, **kwargs: Any) -> Any:
        return inner(self, prompt, *args, **kwargs)

    monkeypatch.setattr(FluxPipeline, "__call__", with_a_seed)
    assert not_the_same(pipeline) == ["prompts by their places"]


@pytest.mark.parametrize(("steps_away", "told"), [(-1.0, False), (-1.05, False), (-1.3, True), (1.0, True)])
def test_a_step_that_leads_elsewhere_from_a_negative_prompt_is_told(steps_away: float, told: bool) -> None:
    """With twice the guidance it is as far beyond the prompt's own step as the negative prompt is behind it."""

    def plain(prompt: str = "", true_cfg_scale: float = 0.0, **_: Any) -> Any:
        if true_cfg_scale:
            return torch.full((8,), -steps_away)
        return torch.full((8,), -1.0 if prompt else 0.0)

    assert asked_otherwise._guided(plain).item() is not told


def test_embeddings_that_nobody_may_change_are_told(pipeline: Any) -> None:
    """Those that are made in inference mode."""

    def for_inference(inner: Any, **kwargs: Any) -> Any:
        with torch.inference_mode():
            return inner(**kwargs)

    replaced(pipeline, "encode_prompt", for_inference)
    assert not_the_same(pipeline, briefly=True) == ["embeddings of its prompt"]


def test_a_pipeline_without_decoder_that_counts_other_pixels_is_told(
    pipeline: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is made with another number for its latents."""
    inner = FluxPipeline.__init__

    @functools.wraps(inner)
    def made(self: Any, *args: Any, **kwargs: Any) -> None:
        inner(self, *args, **kwargs)
        self.vae_scale_factor *= 1 if kwargs["vae"] is not None else 2

    monkeypatch.setattr(FluxPipeline, "__init__", made)
    assert not_the_same(pipeline) == ["no decoder, where latents are asked for,"]


def test_a_sound_offload_comes_to_the_same(miniature_folder: Path) -> None:
    """Asked in the few ways in which its hooks are called otherwise."""
    pipeline = loaded_anew(miniature_folder)
    pipeline.enable_model_cpu_offload(device="cpu")
    assert not_the_same(pipeline, briefly=True) == []


@pytest.mark.parametrize(("change", "found"), [(nothing_negative, ["embeddings of its prompt"]), (of_two_prompts, [])])
def test_few_ways_are_asked_briefly(pipeline: Any, change: Callable[..., Any], found: list[str]) -> None:
    """The others are the pipeline's alone, whatever its strategy."""
    replaced(pipeline, "encode_prompt", change)
    assert not_the_same(pipeline, briefly=True) == found


@pytest.mark.parametrize(("after_pictures", "found"), [(8, 0), (0, 1)])
def test_weights_that_lie_elsewhere_after_latents_are_told(
    pipeline: Any, monkeypatch: pytest.MonkeyPatch, after_pictures: int, found: int
) -> None:
    """As where the last component stays where it computed, because it is not the decoder."""
    places = iter([torch.tensor([8]), torch.tensor([after_pictures])])
    monkeypatch.setattr(asked_otherwise, "_in_memory", lambda _: next(places))
    assert len(not_the_same(pipeline, briefly=True)) == found


def test_where_weights_lie_is_told_by_component(miniature_folder: Path) -> None:
    pipeline = loaded_anew(miniature_folder)
    before = asked_otherwise._in_memory(pipeline).tolist()
    pipeline.transformer.to("meta")
    after = asked_otherwise._in_memory(pipeline).tolist()
    assert (len(before), sum(before) - sum(after)) == (4, max(before))


def test_older_pipelines_are_not_asked(pipeline: Any) -> None:
    """Their calls do not take all that is given."""

    class Older(FluxPipeline):
        def __call__(self, prompt: Any, latents: Any = None) -> Any: ...

    assert is_asked(pipeline)
    assert not is_asked(Older(**pipeline.components))


def test_a_field_before_the_pictures_is_told(pipeline: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever takes the first of what a call gives takes something else then."""
    inner = FluxPipeline.__call__

    def saying_first(self: Any, *args: Any, **kwargs: Any) -> Any:
        given = inner(self, *args, **kwargs)
        if isinstance(given, tuple):
            return given
        monkeypatch.setattr(type(given), "__getitem__", lambda one, at: (given.images * 0, given.images)[at])
        return given

    monkeypatch.setattr(FluxPipeline, "__call__", saying_first)
    assert not_the_same(pipeline) == ["a wish for names"]


@pytest.mark.parametrize(
    ("kind", "found"),
    [
        ("pt", ["a wish for torch's numbers"]),
        ("pil", ["a wish for pictures"]),
        ("np", ["a wish for torch's numbers", "a wish for pictures"]),
    ],
)
def test_another_kind_of_output_has_the_same_numbers(
    pipeline: Any, monkeypatch: pytest.MonkeyPatch, kind: str, found: list[str]
) -> None:
    """Whichever of them is otherwise is told; the others are held to numpy's."""
    inner = pipeline.image_processor.postprocess

    def darker(image: Any, output_type: str = "pil", **options: Any) -> Any:
        return inner(image - 0.5 if output_type == kind else image, output_type=output_type, **options)

    monkeypatch.setattr(pipeline.image_processor, "postprocess", darker)
    assert not_the_same(pipeline) == found


def test_nobody_being_told_of_a_cut_prompt_is_told(pipeline: Any) -> None:
    """Each encoder's tokenizer cuts it, and the pipeline says so."""
    logging.getLogger("diffusers").setLevel(logging.WARNING)

    def silent(inner: Any, **kwargs: Any) -> Any:
        log = logging.getLogger("diffusers.pipelines.flux.pipeline_flux")
        log.disabled = True
        try:
            return inner(**kwargs)
        finally:
            log.disabled = False

    replaced(pipeline, "encode_prompt", silent)
    assert not_the_same(pipeline) == ["a prompt that is cut short"]


def test_latents_that_are_written_over_are_told(pipeline: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The caller's own, and those that a callback keeps."""
    inner = pipeline.scheduler.step

    def in_place(output: Any, timestep: Any, sample: Any, **options: Any) -> Any:
        return (sample.copy_(inner(output, timestep, sample, **options)[0]),)

    monkeypatch.setattr(pipeline.scheduler, "step", in_place)
    assert not_the_same(pipeline) == ["latents", "a callback"]


def test_what_is_lost_when_it_is_saved_is_told(pipeline: Any) -> None:
    """Here all of the last projection."""

    def saving(inner: Any, folder: Any) -> None:
        weight = pipeline.transformer.proj_out.weight
        kept, weight.data = weight.data, weight.data * 0
        inner(folder)
        weight.data = kept

    replaced(pipeline, "save_pretrained", saving)
    assert not_the_same(pipeline) == ["what was saved and loaded again"]


@pytest.mark.parametrize("fails", [False, True])
def test_a_callback_gets_what_was_asked_for(loaded: Any, monkeypatch: pytest.MonkeyPatch, fails: bool) -> None:
    """Whether the library raises or leaves it out."""
    inner = FluxPipeline.__call__

    def without(self: Any, *args: Any, callback_on_step_end: Any = None, **kwargs: Any) -> Any:
        if callback_on_step_end is not None and fails:
            raise KeyError("latents")
        kwargs.pop("callback_on_step_end_tensor_inputs", None)
        return inner(self, *args, **kwargs)

    monkeypatch.setattr(FluxPipeline, "__call__", without)
    assert not_the_same(loaded) == ["a callback"]

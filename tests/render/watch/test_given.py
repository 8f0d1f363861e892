"""Tests of the call in which each stage is run from what is given: damage shows where it is, and nowhere after."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
diffusers = pytest.importorskip("diffusers")

from fluxgate.compare.oracle import distances  # noqa: E402
from fluxgate.render.measure.meter import Meter  # noqa: E402
from fluxgate.render.process.worker import _run_from_given  # noqa: E402
from fluxgate.render.watch.probe import Probe  # noqa: E402
from fluxgate.rendering import (  # noqa: E402
    DECODED,
    LEVELS,
    NOISE,
    PICTURE,
    POOLED,
    T5,
    T5_TOKENS,
    TO_DECODE,
    GivenTake,
    after_step,
    output_of,
    to_denoiser,
)
from fluxgate.strategies.promise import dtype_setting  # noqa: E402
from tests.judge.checks.stages import rendered_of  # noqa: E402
from tests.render import making  # noqa: E402

FAR = 1e-4  # of its size: in float32 what is sound lies within a hundredth of that


@pytest.fixture(scope="module")
def pipeline(miniature_folder: Path) -> Any:
    settings = dtype_setting(diffusers, torch.float32)
    pipeline = diffusers.FluxPipeline.from_pretrained(miniature_folder, **settings)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def take_of(pipeline: Any, folder: Path) -> GivenTake:
    subject = making.case(making.full).subject
    probe = Probe(subject, meter=Meter("cpu"), announce=lambda phase: None)
    probe.watch(pipeline)
    note = _run_from_given(pipeline, probe, folder)
    assert note.given is not None
    return note.given


def wrong(pipeline: Any, folder: Path) -> list[str]:
    """The stages that lie far from the oracle."""
    take = take_of(pipeline, folder)
    assert take.error is None
    return [each.stage for each in distances(rendered_of(take, folder)) if each.rms > FAR or each.reshaped]


@contextmanager
def replaced(owner: Any, name: str, change: Callable[[Any], Any]) -> Iterator[None]:
    """A method of a class, whose result is changed."""
    inner = getattr(owner, name)

    def damaged(*args: Any, **kwargs: Any) -> Any:
        return change(inner(*args, **kwargs))

    static = isinstance(inspect.getattr_static(owner, name), staticmethod)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(owner, name, staticmethod(damaged) if static else damaged)
        yield


def fresh(pipeline: Any) -> Any:
    """The same networks in a pipeline that nobody watches yet."""
    again = diffusers.FluxPipeline(**pipeline.components)
    again.set_progress_bar_config(disable=True)
    for part in (again.vae, again.scheduler):
        for name in ("decode", "step"):
            vars(part).pop(name, None)
    return again


def test_a_sound_stack_agrees_in_every_stage(pipeline: Any, tmp_path: Path) -> None:
    """In float32, every stage lies within a hundred thousandth of the oracle."""
    take = take_of(fresh(pipeline), tmp_path)
    found = distances(rendered_of(take, tmp_path))
    assert (len(found), take.error) == (26, None)
    assert all(each.rms < 1e-5 for each in found)


def test_no_hook_stays_behind(pipeline: Any, tmp_path: Path) -> None:
    """The networks are called as before."""
    own = fresh(pipeline)
    before = {name: len(getattr(own, name)._forward_pre_hooks) for name in ("text_encoder", "text_encoder_2")}
    take_of(own, tmp_path)
    assert {name: len(getattr(own, name)._forward_pre_hooks) for name in before} == before


@pytest.mark.parametrize(
    "change",
    [lambda drawn: (drawn[0] * 1.01, *drawn[1:]), lambda drawn: (drawn[0].flip(1), *drawn[1:])],
    ids=["scaled", "in another order"],
)
def test_noise_that_is_not_what_torch_draws_is_the_pipelines_fault(
    pipeline: Any, tmp_path: Path, change: Callable[[Any], Any]
) -> None:
    """And the first step starts from what is given all the same."""
    with replaced(type(pipeline), "prepare_latents", change):
        assert wrong(fresh(pipeline), tmp_path) == [NOISE]


def test_a_wrong_encoder_is_the_only_stage_that_is_wrong(pipeline: Any, tmp_path: Path) -> None:
    """What comes after it starts from the embeddings that are given."""

    def louder(returned: Any) -> Any:
        returned["last_hidden_state"] = returned["last_hidden_state"] * 1.01
        return returned

    with replaced(type(pipeline.text_encoder_2), "forward", louder):
        assert wrong(fresh(pipeline), tmp_path) == [T5]


def test_a_prompt_cut_short_is_told_from_a_wrong_encoder(pipeline: Any, tmp_path: Path) -> None:
    """The encoder is given the right tokens, whatever it was handed."""

    def shorter(returned: Any) -> Any:
        returned["input_ids"][:, 5:] = 0
        return returned

    with replaced(type(pipeline.tokenizer_2), "__call__", shorter):
        assert wrong(fresh(pipeline), tmp_path) == [T5_TOKENS]


def test_a_wrong_shift_is_told_from_a_wrong_step(pipeline: Any, tmp_path: Path) -> None:
    """The levels are wrong, and so are the times and steps that follow from them; the networks are not."""
    with replaced(type(pipeline.scheduler), "time_shift", lambda sigmas: sigmas**2):
        stages = wrong(fresh(pipeline), tmp_path)
    assert stages == [LEVELS, after_step(1), to_denoiser("timestep", 2), after_step(2)]


def test_a_wrong_block_shows_in_every_step_and_nowhere_else(pipeline: Any, tmp_path: Path) -> None:
    """Each step starts from the latents that are given."""
    single = type(pipeline.transformer.single_transformer_blocks[0])
    with replaced(single, "forward", lambda both: (both[0], both[1] * 1.001)):
        assert wrong(fresh(pipeline), tmp_path) == [output_of(1), output_of(2)]


def test_positions_that_are_mixed_up_are_the_pipelines_fault(pipeline: Any, tmp_path: Path) -> None:
    """Not the transformer's, which is given the right ones."""
    with replaced(type(pipeline), "_prepare_latent_image_ids", lambda ids: ids.flip(0)):
        assert wrong(fresh(pipeline), tmp_path) == [to_denoiser("img_ids", 1), to_denoiser("img_ids", 2)]


def test_a_wrong_decoder_and_a_wrong_encoder_are_both_named(pipeline: Any, tmp_path: Path) -> None:
    """One does not hide the other."""

    def louder(returned: Any) -> Any:
        returned["pooler_output"] = returned["pooler_output"] * 1.01
        return returned

    decoder, encoder = type(pipeline.vae.decoder), type(pipeline.text_encoder)
    with replaced(decoder, "forward", lambda picture: picture * 1.01), replaced(encoder, "forward", louder):
        assert wrong(fresh(pipeline), tmp_path) == [POOLED, DECODED]


def test_latents_that_are_scaled_wrongly_are_told_from_a_wrong_decoder(pipeline: Any, tmp_path: Path) -> None:
    """The decoder is given the right ones."""
    with replaced(type(pipeline), "_unpack_latents", lambda latents: latents * 1.01):
        assert wrong(fresh(pipeline), tmp_path) == [TO_DECODE]


def test_a_picture_with_its_colours_in_another_order_is_noticed(pipeline: Any, tmp_path: Path) -> None:
    """Post-processing starts from the decoded picture that is given."""
    with replaced(type(pipeline.image_processor), "pt_to_numpy", lambda images: images[..., ::-1]):
        assert wrong(fresh(pipeline), tmp_path) == [PICTURE]


def test_a_call_that_ends_early_says_how_and_keeps_what_it_saw(pipeline: Any, tmp_path: Path) -> None:
    """The stages before it are there."""

    def fails(returned: Any) -> Any:
        raise ValueError("first line\nno such thing")

    with replaced(type(pipeline.vae.decoder), "forward", fails):
        take = take_of(fresh(pipeline), tmp_path)
    assert (take.error, take.stages[-1].stage) == ("ValueError: no such thing", TO_DECODE)

"""Tests of the call in which each stage is run from what is given: damage shows where it is, and nowhere after."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
diffusers = pytest.importorskip("diffusers")

from tokenizers import normalizers  # noqa: E402

from fluxgate.compare.oracle import distances  # noqa: E402
from fluxgate.machine import stack  # noqa: E402
from fluxgate.miniature.given import LEFT_OUT, REPEATING_CACHE, given  # noqa: E402
from fluxgate.miniature.given_calls import CALLS, ONE  # noqa: E402
from fluxgate.miniature.texts import TEXTS, tokenized  # noqa: E402
from fluxgate.render.measure.meter import Meter  # noqa: E402
from fluxgate.render.process.case_job import run_from_given  # noqa: E402
from fluxgate.render.watch.given import GivenRecorder, tokens_of  # noqa: E402
from fluxgate.render.watch.probe import Probe  # noqa: E402
from fluxgate.rendering import (  # noqa: E402
    DECODED,
    GENERATOR,
    LAST_LATENTS,
    LEVELS,
    NOISE,
    PICTURE,
    POOLED,
    SEEDED,
    SEVERAL,
    T5,
    T5_TOKENS,
    TO_DECODE,
    WHOLE,
    GivenTake,
    after_step,
    callers,
    of_call,
    output_of,
    to_denoiser,
    without_call,
)
from fluxgate.strategies.promise import Site, dtype_setting  # noqa: E402
from tests.judge.checks.stages import rendered_of  # noqa: E402
from tests.render import making  # noqa: E402
from tests.render.watch.unwrapping import unwrap  # noqa: E402
from tests.strategies.looking import SHOT, SUBJECT  # noqa: E402
from tests.strategies.machines import CPU  # noqa: E402
from tests.strategies.named import strategy_named  # noqa: E402

EIGHT_STEPS = replace(SUBJECT, dtype="bfloat16", shots=(replace(SHOT, steps=8, pictures_per_prompt=1),))
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
    note = run_from_given(pipeline, probe, folder)
    unwrap(pipeline.vae, "decode")  # other tests have pipelines with the same
    unwrap(pipeline.scheduler, "step")
    assert note.given is not None
    return note.given


def wrong(pipeline: Any, folder: Path) -> list[str]:
    """The stages that lie far from the oracle, in the first call; a later one's must be among them."""
    take = take_of(pipeline, folder)
    assert take.error is None
    names = far(take, folder)
    first = [name for name in names if name == without_call(name)]
    names = [name for name in names if without_call(name) != LAST_LATENTS]  # they inherit what is wrong in a step
    assert {without_call(name).rstrip("0123456789") for name in names} == {name.rstrip("0123") for name in first}
    return first


def far(take: GivenTake, folder: Path) -> list[str]:
    found = distances(rendered_of(take, folder))
    return [each.stage for each in found if each.rms > FAR or each.reshaped or each.padded]


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
    return again


def test_a_sound_stack_agrees_in_every_stage(pipeline: Any, tmp_path: Path) -> None:
    """In float32, every stage lies within a hundred thousandth of the oracle."""
    take = take_of(fresh(pipeline), tmp_path)
    found = distances(rendered_of(take, tmp_path))
    assert (len(found), take.error) == (104, None)
    assert (take.layers, take.miscounted, take.changed) == (200, {}, ())
    assert all(each.rms < 1e-5 for each in found)
    assert take.tokens == tokenized()


@pytest.mark.parametrize(
    ("name", "left_out", "farther"),
    [
        ("ip-adapter", 0, 0.1),
        ("first-block-cache", 0, 0.1),
        ("taylorseer-cache", 0, 0.1),
        ("pyramid-attention-broadcast", 44, 0.06),
    ],
)
def test_a_strategy_that_computes_another_thing_agrees_with_what_it_promises(
    name: str, left_out: int, farther: float, miniature_folder: Path, tmp_path: Path
) -> None:
    """In bfloat16, and lies farther from what the networks by themselves compute. One of them leaves attentions out in
    the second step of the first call."""
    strategy = strategy_named(name)
    if (reason := strategy.unsupported(EIGHT_STEPS, CPU, stack())) is not None:
        pytest.skip(reason)
    probe = Probe(EIGHT_STEPS, meter=Meter("cpu"), announce=lambda phase: None)
    site = Site(EIGHT_STEPS, miniature_folder, "cpu", tmp_path, watch=probe.watch)
    pipe = strategy.load(site)
    probe.watch(pipe)
    take = run_from_given(pipe, probe, tmp_path).given
    assert take is not None
    assert take.error is None
    assert list(take.miscounted.values()) == left_out * [(2, 1)]
    assert all(LEFT_OUT[REPEATING_CACHE] in name for name in take.miscounted)
    rendered = rendered_of(take, tmp_path, strategy=name)
    own, plain = (distances(rendered, form) for form in (strategy.promise.computed_as, None))
    assert max(each.rms for each in own if each.stage != PICTURE) < 0.06
    assert max(each.rms for each in plain if each.stage.startswith(LAST_LATENTS)) > farther


def test_a_tokenizer_that_drops_accents_is_seen_though_no_prompt_has_any(pipeline: Any, tmp_path: Path) -> None:
    """It is called by itself, and a tokenizer that raises made nothing of any text."""
    own = fresh(pipeline)
    backend = own.tokenizer_2.backend_tokenizer
    assert backend.normalizer is None
    try:
        backend.normalizer = normalizers.Sequence([normalizers.NFD(), normalizers.StripAccents()])
        seen = dict(tokens_of(own))
    finally:
        backend.normalizer = None
    both = zip(TEXTS, seen["tokenizer_2"], tokenized()["tokenizer_2"], strict=True)
    assert any("café" in text for text, row, due in both if row != due)
    assert seen["tokenizer"] == tokenized()["tokenizer"]
    assert dict(tokens_of(SimpleNamespace(tokenizer=lambda *_, **__: 1 / 0))) == {"tokenizer": ()}


def test_a_denoiser_may_be_called_by_place(pipeline: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its latents are what is given all the same, and each stage agrees."""
    own = fresh(pipeline)
    kind, inner = type(own.transformer), type(own.transformer).__call__

    def by_place(module: Any, *, hidden_states: Any, encoder_hidden_states: Any, **others: Any) -> Any:
        return inner(module, hidden_states, encoder_hidden_states, **others)

    monkeypatch.setattr(kind, "__call__", by_place, raising=False)
    take = take_of(own, tmp_path)
    assert (len(take.stages) >= 104, take.error, far(take, tmp_path)) == (True, None, [])


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


def batch_of(pipeline: Any, folder: Path) -> list[str]:
    """The stages that lie far from the oracle."""
    return far(take_of(fresh(pipeline), folder), folder)


def test_noise_that_is_shared_by_a_batch_is_noticed(pipeline: Any, tmp_path: Path) -> None:
    """Though one picture has the right one, and pictures with seeds of their own have theirs."""

    def shared(drawn: Any) -> Any:
        return (drawn[0][:1].expand(drawn[0].shape).clone(), *drawn[1:]) if len(drawn[0]) == 4 else drawn

    with replaced(type(pipeline), "prepare_latents", shared):
        assert batch_of(pipeline, tmp_path) == [of_call(NOISE, SEVERAL)]


def test_seeds_that_are_exchanged_are_noticed(pipeline: Any, tmp_path: Path) -> None:
    """In the call that has one for each picture."""

    def exchanged(drawn: Any) -> Any:
        return (drawn[0].flip(0), *drawn[1:]) if len(drawn[0]) == 2 else drawn

    with replaced(type(pipeline), "prepare_latents", exchanged):
        assert batch_of(pipeline, tmp_path) == [of_call(NOISE, SEEDED)]


def copied(generator: Any) -> Any:
    if isinstance(generator, list):
        return [copied(one) for one in generator]
    return torch.Generator(generator.device).set_state(generator.get_state())


def drawn_from_a_copy(inner: Callable[..., Any], *args: Any) -> Any:
    *before, generator, latents = args
    return inner(*before, copied(generator), latents)


def drawn_twice(inner: Callable[..., Any], *args: Any) -> Any:
    drawn = inner(*args)
    inner(*args)
    return drawn


@pytest.mark.parametrize("draw", [drawn_from_a_copy, drawn_twice])
def test_a_generator_that_is_left_elsewhere_is_noticed(
    pipeline: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, draw: Callable[..., Any]
) -> None:
    """Where it was, or farther than the noise takes it; the noise is right."""
    inner = type(pipeline).prepare_latents
    monkeypatch.setattr(type(pipeline), "prepare_latents", lambda *args: draw(inner, *args))
    take = take_of(fresh(pipeline), tmp_path)
    assert (take.error, far(take, tmp_path)) == (None, [])
    assert take.changed == tuple(of_call(callers(GENERATOR), call.name) for call in CALLS)


def test_a_generator_is_not_asked_where_another_process_has_drawn(tmp_path: Path) -> None:
    """It was given a state, and the caller's generator has no part in it."""
    recorder = GivenRecorder(given(), dtype=torch.float32)
    recorder.begin(ONE)
    recorder.end([np.zeros((128, 128, 3), np.uint8)])
    assert recorder.finish(tmp_path).changed == ()


def test_a_list_of_the_callers_that_a_call_changes_is_noticed(
    pipeline: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the argument's name, in the call that gives one; every stage is right."""
    inner = type(pipeline.scheduler).set_timesteps

    def longer(scheduler: Any, *args: Any, sigmas: Any = None, **kwargs: Any) -> Any:
        returned = inner(scheduler, *args, sigmas=sigmas, **kwargs)
        if isinstance(sigmas, list):
            sigmas.append(0.0)
        return returned

    monkeypatch.setattr(type(pipeline.scheduler), "set_timesteps", longer)
    take = take_of(fresh(pipeline), tmp_path)
    assert (take.error, far(take, tmp_path)) == (None, [])
    assert take.changed == (of_call(callers("sigmas"), SEVERAL),)


@pytest.mark.parametrize("made", [copy.copy, copy.deepcopy])
def test_a_copy_of_the_scheduler_is_watched_like_the_scheduler(
    pipeline: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, made: Callable[[Any], Any]
) -> None:
    """A pipeline may make one for each call."""
    inner = type(pipeline).__call__

    def with_a_copy(pipe: Any, *args: Any, **kwargs: Any) -> Any:
        pipe.scheduler = made(pipe.scheduler)
        return inner(pipe, *args, **kwargs)

    monkeypatch.setattr(type(pipeline), "__call__", with_a_copy)
    own = fresh(pipeline)
    own.scheduler = made(pipeline.scheduler)  # which other tests' pipelines have
    take = take_of(own, tmp_path)
    assert (len(take.stages) >= 104, take.error, far(take, tmp_path)) == (True, None, [])


def test_embeddings_that_are_repeated_in_the_wrong_order_are_noticed(pipeline: Any, tmp_path: Path) -> None:
    """Prompt 1, 2, 1, 2 where 1, 1, 2, 2 is due."""

    def mixed(returned: Any) -> Any:
        return (returned[0][[0, 2, 1, 3]], *returned[1:]) if len(returned[0]) == 4 else returned

    with replaced(type(pipeline), "encode_prompt", mixed):
        assert batch_of(pipeline, tmp_path) == [of_call(T5, SEVERAL)]


def test_other_defaults_are_noticed(pipeline: Any, tmp_path: Path) -> None:
    """Of guidance, and of the prompt's length."""
    signature: Any = inspect.unwrap(type(pipeline).__call__)  # behind torch.no_grad
    with pytest.MonkeyPatch.context() as patch:
        names = inspect.signature(signature).parameters
        defaults = dict(zip(list(names)[-len(signature.__defaults__) :], signature.__defaults__, strict=True))
        changed = {**defaults, "guidance_scale": 7.0, "max_sequence_length": 256}
        patch.setattr(signature, "__defaults__", tuple(changed.values()))
        stages = batch_of(pipeline, tmp_path)
    assert stages == [of_call(T5_TOKENS, SEVERAL), *(of_call(to_denoiser("guidance", n), SEVERAL) for n in (1, 2, 3))]


def test_levels_that_are_given_and_ignored_are_noticed(pipeline: Any, tmp_path: Path) -> None:
    """In the call that gives some."""
    inner = type(pipeline.scheduler).set_timesteps

    def even(scheduler: Any, *args: Any, sigmas: Any = None, **kwargs: Any) -> Any:
        own = None if sigmas is None else [1 - number / len(sigmas) for number in range(len(sigmas))]
        return inner(scheduler, *args, sigmas=own, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(pipeline.scheduler), "set_timesteps", even)
        assert of_call(LEVELS, SEVERAL) in batch_of(pipeline, tmp_path)


def test_seams_of_tiles_are_held_to_our_own(pipeline: Any, tmp_path: Path) -> None:
    """A decoder that was told to decode in tiles does, with small ones; those that are not blended are noticed."""
    own = fresh(pipeline)
    own.vae.enable_tiling()
    size = own.vae.tile_sample_min_size
    try:
        take = take_of(own, tmp_path)
        assert (take.tiled, far(take, tmp_path), own.vae.tile_sample_min_size) == (True, [], size)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(type(own.vae), "blend_v", lambda self, above, below, extent: below)
            assert batch_of(own, tmp_path) == [of_call(DECODED, SEVERAL)]
    finally:
        own.vae.disable_tiling()


def test_a_layer_that_computes_twice_is_counted(pipeline: Any, tmp_path: Path) -> None:
    """Its numbers are right."""
    block = type(pipeline.transformer.single_transformer_blocks[0])
    inner = block.forward

    def twice(*args: Any, **kwargs: Any) -> Any:
        inner(*args, **kwargs)
        return inner(*args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(block, "forward", twice)
        take = take_of(fresh(pipeline), tmp_path)
    assert take.miscounted["transformer.single_transformer_blocks.0.proj_out"] == (2, 4)
    assert all(name.startswith("transformer.single_transformer_blocks.") for name in take.miscounted)


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
        raise ValueError("no such thing\nwhat might be done about it")

    with replaced(type(pipeline.vae.decoder), "forward", fails):
        take = take_of(fresh(pipeline), tmp_path)
    assert (take.error, take.stages[-1].stage) == ("ValueError: no such thing", TO_DECODE)


def test_a_step_late_in_a_picture_is_seen(pipeline: Any, tmp_path: Path) -> None:
    """A denoiser that answers one of its sixteen steps wrongly is noticed in the call that takes as many."""
    calls = {"of one size": 0}
    inner = type(pipeline.transformer).forward

    def late(network: Any, *args: Any, hidden_states: Any, **kwargs: Any) -> Any:
        wide = hidden_states.shape[1] == 64 and kwargs["img_ids"][-1, 2] > 8
        calls["of one size"] += bool(wide)
        scale = 1.01 if wide and calls["of one size"] == 12 else 1.0
        return (inner(network, *args, hidden_states=hidden_states, **kwargs)[0] * scale,)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(pipeline.transformer), "forward", late)
        assert batch_of(pipeline, tmp_path) == [of_call(LAST_LATENTS, WHOLE)]


def test_positions_with_rows_and_columns_exchanged_are_seen(pipeline: Any, tmp_path: Path) -> None:
    """In the call whose picture is wider than high."""
    inner = inspect.unwrap(type(pipeline)._prepare_latent_image_ids)

    def exchanged(batch: Any, rows: Any, columns: Any, *more: Any) -> Any:
        return inner(batch, columns, rows, *more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(pipeline), "_prepare_latent_image_ids", staticmethod(exchanged))
        stages = batch_of(pipeline, tmp_path)
    assert stages == [of_call(to_denoiser("img_ids", 1), WHOLE), of_call(LAST_LATENTS, WHOLE)]

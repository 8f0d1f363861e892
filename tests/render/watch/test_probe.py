"""Tests of the probe: what it sees of real pipelines, and that it changes nothing."""

from __future__ import annotations

import gc
import inspect
import weakref
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

torch = pytest.importorskip("torch")
diffusers = pytest.importorskip("diffusers")

from fluxgate.render.measure.meter import Meter  # noqa: E402
from fluxgate.render.watch.probe import Probe  # noqa: E402
from fluxgate.rendering import (  # noqa: E402
    AFTER,
    BEFORE,
    BESIDE,
    DECODE,
    DECODED,
    DENOISE,
    DURING,
    ENCODE,
    FIRST,
    GRADIENTS,
    LAST,
    MIDDLE,
    POOLED,
    STAGES,
    T5,
    Duration,
    Memory,
    PhaseMemory,
)
from fluxgate.strategies.promise import Site, dtype_setting  # noqa: E402
from tests.render import making  # noqa: E402
from tests.render.watch.unwrapping import unwrap  # noqa: E402

STEPS: Any = making.ONE.steps


def probe_of(announced: list[Any] | None = None) -> Probe:
    announce = (announced if announced is not None else []).append
    return Probe(making.case(making.full).subject, meter=Meter("cpu"), announce=announce)


def site_of(probe: Probe, folder: Path, scratch: Path) -> Site:
    return Site(probe.subject, folder=folder, device="cpu", scratch=scratch, watch=probe.watch)


def call(pipeline: Any, shot: Any = making.ONE) -> Any:
    generator = torch.Generator("cpu").manual_seed(shot.seed)
    return pipeline(**shot.arguments(), generator=generator)


def watched(probe: Probe, pipeline: Any, shot: Any = making.ONE, *, take: int = 0) -> Any:
    """One take of a shot under the probe's eyes."""
    probe.begin(shot.name, take)
    call(pipeline, shot)
    return probe.end()


@pytest.fixture
def pipeline(miniature_folder: Path) -> Any:
    pipeline = diffusers.FluxPipeline.from_pretrained(miniature_folder, **dtype_setting(diffusers, torch.bfloat16))
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def test_watching_moves_no_pixel(pipeline: Any) -> None:
    """The same call gives the same picture before and under watch."""
    before = call(pipeline).images[0]
    probe = probe_of()
    probe.watch(pipeline)
    probe.describe()
    probe.begin("one", 0)
    assert call(pipeline).images[0].tobytes() == before.tobytes()


def test_watching_keeps_nothing_alive(pipeline: Any, miniature_folder: Path) -> None:
    """A watched pipeline that is let go is freed at once, without a garbage collection."""
    probe = probe_of()
    plain = diffusers.FluxPipeline.from_pretrained(miniature_folder, **dtype_setting(diffusers, torch.bfloat16))
    probe.watch(plain)
    probe.describe()
    watched(probe, plain)
    parts = [weakref.ref(part) for part in (plain, plain.vae, plain.scheduler, plain.text_encoder_2)]
    denoiser = weakref.ref(plain.transformer)  # which diffusers' own registry of hooks keeps in a cycle
    gc.collect()
    gc.disable()
    try:
        del plain
        assert [part() for part in parts] == [None] * 4
    finally:
        gc.enable()
    gc.collect()
    assert denoiser() is None


def test_watching_twice_wraps_once(pipeline: Any) -> None:
    """A strategy that hands over its pipeline and returns it, too, is counted once."""
    probe = probe_of()
    probe.watch(pipeline)
    watched_class = type(pipeline.scheduler)
    probe.watch(pipeline)
    assert type(pipeline.scheduler) is watched_class


def test_the_wrapped_step_still_tells_its_arguments(pipeline: Any) -> None:
    """Pipelines look at the signature of their scheduler's step."""
    before = inspect.signature(pipeline.scheduler.step)
    probe_of().watch(pipeline)
    assert inspect.signature(pipeline.scheduler.step) == before


def test_calls_outside_of_a_take_are_not_recorded(pipeline: Any) -> None:
    """What a strategy renders to warm up is its own business."""
    probe = probe_of()
    probe.watch(pipeline)
    call(pipeline)
    probe.begin("one", 0)
    assert probe.end()[0] == ()


def test_the_stages_hold_what_the_pipeline_computed(pipeline: Any) -> None:
    """Shapes and dtypes of the embeddings, the latents and the picture."""
    probe = probe_of()
    probe.watch(pipeline)
    prints, _ = watched(probe, pipeline, making.FOUR)
    prints = [entry for entry in prints if entry.stage in STAGES]
    shapes = {entry.stage: entry.shape for entry in prints}
    latents = (4, 64, 64)
    assert shapes == {
        T5: (4, 64, pipeline.text_encoder_2.config.d_model),
        POOLED: (4, pipeline.text_encoder.config.hidden_size),
        FIRST: latents,
        MIDDLE: latents,
        LAST: latents,
        DECODED: (4, 3, 128, 128),
    }
    assert {entry.dtype for entry in prints} == {"bfloat16"}
    assert all(entry.finite and entry.low <= entry.mean <= entry.high for entry in prints)


def test_the_noise_levels_are_those_of_the_scheduler(pipeline: Any) -> None:
    """As many as there are steps, and the last, which is none."""
    probe = probe_of()
    probe.watch(pipeline)
    _, durations = watched(probe, pipeline)
    levels = {duration.phase: duration.levels for duration in durations}
    assert levels[DENOISE] == tuple(pipeline.scheduler.sigmas.tolist())
    assert (len(levels[DENOISE]), levels[ENCODE], levels[DECODE]) == (STEPS + 1, (), ())


def test_a_single_step_is_first_middle_and_last(pipeline: Any) -> None:
    """No stage goes missing where there is only one step."""
    from dataclasses import replace

    probe = probe_of()
    probe.watch(pipeline)
    prints, _ = watched(probe, pipeline, replace(making.ONE, steps=1))
    stages = {entry.stage: (entry.step, entry.sha256) for entry in prints}
    assert stages[FIRST] == stages[MIDDLE] == stages[LAST]


def test_phases_follow_each_other(pipeline: Any) -> None:
    """Encode, denoise, decode, and nothing."""
    announced: list[Any] = []
    probe = probe_of(announced)
    probe.watch(pipeline)
    _, durations = watched(probe, pipeline)
    assert announced == [ENCODE, DENOISE, DECODE, None]
    assert [duration.phase for duration in durations] == [ENCODE, DENOISE, DECODE]


def test_a_changed_encoder_shows_at_the_embeddings_first(pipeline: Any) -> None:
    """The stages tell which part of the pipeline moved."""
    probe = probe_of()
    probe.watch(pipeline)
    before = {entry.stage: entry.sha256 for entry in watched(probe, pipeline)[0]}
    with torch.no_grad():
        pipeline.text_encoder_2.shared.weight.mul_(1.5)
    after = {entry.stage: entry.sha256 for entry in watched(probe, pipeline, take=1)[0]}
    assert [stage for stage in STAGES if before[stage] == after[stage]] == [POOLED]


def test_a_changed_decoder_shows_at_the_picture_only(pipeline: Any) -> None:
    """All stages before it stay."""
    probe = probe_of()
    probe.watch(pipeline)
    before = {entry.stage: entry.sha256 for entry in watched(probe, pipeline)[0]}
    with torch.no_grad():
        pipeline.vae.decoder.conv_out.weight.mul_(1.5)
    after = {entry.stage: entry.sha256 for entry in watched(probe, pipeline, take=1)[0]}
    assert [stage for stage in STAGES if before[stage] != after[stage]] == [DECODED]


@pytest.mark.filterwarnings("ignore:invalid value encountered in cast")  # of diffusers, which makes a picture of it
def test_a_nan_is_seen(pipeline: Any) -> None:
    """A tensor that is not finite says so, and its summary is of what is."""
    probe = probe_of()
    probe.watch(pipeline)
    with torch.no_grad():
        pipeline.vae.decoder.conv_out.bias[0] = float("nan")
    stages = {entry.stage: entry for entry in watched(probe, pipeline)[0]}
    assert stages[LAST].finite
    assert not stages[DECODED].finite
    assert stages[DECODED].low == stages[DECODED].low  # a number


def test_tiles_and_slices_are_counted(pipeline: Any) -> None:
    """A batch of four at 128 pixels: whole, in slices, in tiles, and in slices of tiles."""
    counts = []
    for setting in ((), ("enable_slicing",), ("enable_tiling",), ("enable_slicing", "enable_tiling")):
        probe = probe_of()
        for call_ in ("disable_slicing", "disable_tiling", *setting):
            getattr(pipeline.vae, call_)()
        pipeline.vae.tile_sample_min_size, pipeline.vae.tile_latent_min_size = 64, 8
        probe.watch(pipeline)
        _rewatch(probe, pipeline)
        watched(probe, pipeline, making.FOUR)
        counts.append((probe.inventory.counts["slices decoded"], probe.inventory.counts["tiles decoded"]))
    tiles = counts[2][1]
    assert counts == [(1, 1), (4, 1), (1, tiles), (4, tiles)]
    assert tiles > 1


def _rewatch(probe: Probe, pipeline: Any) -> None:
    """Let another probe watch a pipeline that one watches already."""
    for owner, name in ((pipeline, "encode_prompt"), (pipeline.vae, "decode"), (pipeline.scheduler, "step")):
        unwrap(owner, name)
    probe._watched.clear()
    probe.watch(pipeline)


def test_placement_is_seen_before_during_and_after(pipeline: Any) -> None:
    """On a CPU everything is there at all three moments."""
    probe = probe_of()
    probe.watch(pipeline)
    probe.describe()
    watched(probe, pipeline)
    probe.inventory.describe_after()
    for component in probe.inventory.recorded().components.values():
        assert component.placement == {when: {"cpu": component.total_bytes} for when in (BEFORE, DURING, AFTER)}
        assert component.state_sha256 is not None


def test_placement_during_sees_into_the_layers_own_forward(pipeline: Any) -> None:
    """Weights that only visit for their layer's forward are seen there: some are here, the rest is not."""
    from accelerate import cpu_offload

    cpu_offload(pipeline.transformer, torch.device("cpu"))
    probe = probe_of()
    probe.watch(pipeline)
    probe.describe()
    watched(probe, pipeline)
    placement = probe.inventory.recorded().components["transformer"].placement
    total = sum(placement[BEFORE].values())
    assert placement[BEFORE] == {"meta": total}
    assert 0 < placement[DURING]["cpu"] < total / 4
    assert placement[DURING]["cpu"] + placement[DURING]["meta"] == total


def test_a_staged_strategy_is_seen_in_all_stages(miniature_folder: Path, tmp_path: Path, pipeline: Any) -> None:
    """Each pipeline it builds counts for its own stages, and what it frees is nowhere."""
    plain = probe_of()
    plain.watch(pipeline)
    expected = {entry.stage: entry.sha256 for entry in watched(plain, pipeline)[0]}

    probe = probe_of()
    staged = making.staged(site_of(probe, miniature_folder, tmp_path))
    probe.watch(staged)
    probe.describe()
    stages = {entry.stage: entry.sha256 for entry in watched(probe, staged)[0]}
    gc.collect()
    probe.inventory.describe_after()
    assert stages == expected
    components = probe.inventory.recorded().components
    assert set(components) == {"text_encoder", "text_encoder_2", "transformer", "vae"}
    assert components["text_encoder_2"].placement[DURING] == {}
    assert components["transformer"].placement[DURING] == {"cpu": components["transformer"].total_bytes}
    assert components["transformer"].placement[AFTER] == {}
    assert components["transformer"].state_sha256 is not None
    assert probe.inventory.counts["components alive at once"] == 2


def test_all_components_of_a_whole_pipeline_are_alive_at_once(pipeline: Any) -> None:
    """The count that a staged strategy lowers."""
    probe = probe_of()
    probe.watch(pipeline)
    probe.describe()
    assert probe.inventory.counts["components alive at once"] == 4


def test_copies_of_weights_beside_the_components_are_counted(pipeline: Any) -> None:
    """The components themselves are none, and what a scheduler keeps is next to nothing."""
    probe = probe_of()
    probe.watch(pipeline)
    probe.describe()
    before = probe.inventory.counts[BESIDE]
    copies = [weight.detach().clone() for weight in pipeline.vae.parameters()]
    probe.describe()
    assert probe.inventory.counts[BESIDE] == before + sum(copy.nbytes for copy in copies)


def test_calls_of_the_denoiser_are_counted(pipeline: Any) -> None:
    """One a step, and those that somebody else slips in."""
    probe = probe_of()
    probe.watch(pipeline)
    _, durations = watched(probe, pipeline)
    (denoising,) = (duration for duration in durations if duration.phase == DENOISE)
    assert denoising.calls == len(denoising.steps) == STEPS
    forward = pipeline.transformer.forward
    within: list[bool] = []

    def twice(*args: Any, **kwargs: Any) -> Any:
        if not within:
            within.append(True)
            pipeline.transformer(*args, **kwargs)
            within.clear()
        return forward(*args, **kwargs)

    pipeline.transformer.forward = twice
    _, durations = watched(probe, pipeline)
    assert [duration.calls for duration in durations if duration.phase == DENOISE] == [2 * STEPS]


@pytest.mark.parametrize(("owner", "name", "phase"), [("", "encode_prompt", ENCODE), ("vae", "decode", DECODE)])
def test_what_is_done_twice_is_counted(pipeline: Any, owner: str, name: str, phase: str) -> None:
    """The same prompt encoded again, the same latents decoded again; another prompt is no repetition."""
    probe = probe_of()
    probe.watch(pipeline)
    _, durations = watched(probe, pipeline)
    assert [duration.repeats for duration in durations] == [0, 0, 0]
    place = getattr(pipeline, owner) if owner else pipeline
    once = getattr(place, name)

    def twice(*args: Any, **kwargs: Any) -> Any:
        if name == "encode_prompt":
            once(*args, **{**kwargs, "prompt": "something else"})
        once(*args, **kwargs)
        return once(*args, **kwargs)

    setattr(place, name, twice)
    _, durations = watched(probe, pipeline)
    assert {duration.phase: duration.repeats for duration in durations if duration.repeats} == {phase: 1}


def test_two_pipelines_may_encode_the_same_words(pipeline: Any) -> None:
    """Stages may load one encoder after another; and a call without words says nothing of what it encodes."""
    probe = probe_of()
    other = type(pipeline)(**pipeline.components)
    with torch.no_grad():
        for one in (pipeline, other):
            probe.watch(one)
        probe.begin("one", 0)
        for one in (pipeline, other):
            one.encode_prompt("a red circle", None, max_sequence_length=64)
        _, durations = probe.end()
    assert [duration.repeats for duration in durations if duration.phase == ENCODE] == [0]


def test_calls_in_another_process_are_counted_too() -> None:
    """As its steps and noise levels are."""
    probe = probe_of()
    probe.begin("one", 0)
    memory = Memory(
        (PhaseMemory(DENOISE, None, None, None, 1), PhaseMemory(DECODE, None, None, None, 1)), None, 1, None, None
    )
    steps = Duration(DENOISE, 1.0, "one", 0, (0.5, 0.5), calls=2)
    decoded = Duration(DECODE, 1.0, "one", 0, repeats=3)
    probe.add_from_process((), (steps, decoded), inventory=None, memory=memory)
    _, durations = probe.end()
    assert [duration.calls for duration in durations if duration.phase == DENOISE] == [2]
    assert [duration.repeats for duration in durations if duration.phase == DECODE] == [3]


def test_gradients_are_noticed(pipeline: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """None in a call as it should be; where they are on, each call of a component counts."""
    probe = probe_of()
    probe.watch(pipeline)
    watched(probe, pipeline)
    assert GRADIENTS not in probe.inventory.counts
    called = inspect.unwrap(type(pipeline).__call__)
    monkeypatch.setattr(type(pipeline), "__call__", called)
    with torch.enable_grad(), pytest.raises(RuntimeError):  # diffusers turns the pictures into numpy's, which refuses
        watched(probe, pipeline)
    assert probe.inventory.counts[GRADIENTS] == STEPS + 2


def test_prompt_tokens_are_counted(pipeline: Any) -> None:
    """The length of the T5 embeddings, whatever the call asked for."""
    probe = probe_of()
    probe.watch(pipeline)
    watched(probe, pipeline)
    assert probe.inventory.counts["prompt tokens"] == 64


def test_embeddings_that_change_on_their_way_are_seen(pipeline: Any) -> None:
    """What counts is what the denoising pipeline works with, not what the encoding one gave."""
    probe = probe_of()
    probe.watch(pipeline)
    other = type(pipeline)(**pipeline.components)
    other.set_progress_bar_config(disable=True)
    probe.watch(other)
    probe.begin("one", 0)
    embeds, pooled, _ = pipeline.encode_prompt(making.ONE.prompts[0], None, max_sequence_length=64)
    shot = making.ONE.arguments()
    del shot["prompt"]
    other(prompt_embeds=embeds + 1, pooled_prompt_embeds=pooled, **shot, generator=torch.Generator().manual_seed(1))
    stages = {entry.stage: entry for entry in probe.end()[0]}
    assert stages[T5].mean == pytest.approx(float(embeds.detach().float().mean()) + 1, abs=0.01)


def test_steps_are_no_longer_than_their_phase(pipeline: Any) -> None:
    """What is watched of a pipeline that only denoises, before its first step, is no part of that."""
    embeds, pooled, _ = pipeline.encode_prompt(making.ONE.prompts[0], None, max_sequence_length=64)
    probe = probe_of()
    probe.watch(pipeline)
    shot = making.ONE.arguments()
    del shot["prompt"]
    probe.begin("one", 0, phase=DENOISE)
    pipeline(prompt_embeds=embeds, pooled_prompt_embeds=pooled, **shot, generator=torch.Generator().manual_seed(1))
    (denoise,) = (each for each in probe.end()[1] if each.phase == DENOISE)
    assert sum(denoise.steps) <= denoise.seconds


def test_a_negative_prompt_does_not_hide_the_prompt(pipeline: Any) -> None:
    """The first encoding of a pipeline in a take is that of the prompt."""
    probe = probe_of()
    probe.watch(pipeline)
    plain = {entry.stage: entry.sha256 for entry in watched(probe, pipeline)[0]}
    probe.begin("one", 1)
    arguments = {**making.ONE.arguments(), "negative_prompt": "a blue square", "true_cfg_scale": 2.0}
    pipeline(**arguments, generator=torch.Generator().manual_seed(1))
    guided = {entry.stage: entry.sha256 for entry in probe.end()[0]}
    assert guided[T5] == plain[T5]
    assert guided[FIRST] != plain[FIRST]


def test_a_method_set_on_the_object_itself_is_still_called(pipeline: Any) -> None:
    """Somebody else's wrapper stays in place under the probe's."""
    calls: list[int] = []
    inner = pipeline.vae.decode

    def decode(*args: Any, **kwargs: Any) -> Any:
        calls.append(1)
        return inner(*args, **kwargs)

    pipeline.vae.decode = decode
    probe = probe_of()
    probe.watch(pipeline)
    prints, _ = watched(probe, pipeline)
    assert calls == [1]
    assert prints[-1].stage == DECODED


def test_anything_that_is_called_like_a_pipeline_can_be_watched() -> None:
    """An object without encoders, VAE or scheduler shows nothing, and no harm is done."""

    class Bare:
        def __call__(self) -> None:
            return None

    probe = probe_of()
    bare = Bare()
    probe.watch(bare)
    probe.describe()
    probe.begin("one", 0)
    bare()
    prints, durations = probe.end()
    assert prints == ()
    assert [duration.phase for duration in durations] == [ENCODE]
    assert probe.inventory.recorded().components == {}


def test_pictures_decoded_one_by_one_are_one_stage(pipeline: Any) -> None:
    """Several calls of the VAE in one take are hashed together, in order."""

    class OneByOne:
        def __call__(self, **arguments: Any) -> Any:
            latents = torch.linspace(-1, 1, 2 * 16 * 16 * 16).reshape(2, 16, 16, 16).to(torch.bfloat16)
            with torch.no_grad():
                return SimpleNamespace(images=[pipeline.vae.decode(one[None]).sample for one in latents])

    probe = probe_of()
    probe.watch(pipeline)
    prints, _ = watched(probe, OneByOne())
    assert [(entry.stage, entry.shape) for entry in prints] == [(DECODED, (2, 3, 128, 128))]

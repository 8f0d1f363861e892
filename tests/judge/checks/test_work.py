"""Tests of the check of work: real tiny pipelines do the same work, and faults that only take longer are caught."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
diffusers = pytest.importorskip("diffusers")
pytest.importorskip("transformers")

from diffusers.hooks import group_offloading  # noqa: E402

from fluxgate.compare.work import FEW_OPERATORS  # noqa: E402
from fluxgate.judge.usual_work import KnownWork  # noqa: E402
from fluxgate.judge.verdict import FAILED, NO_DATA, PASSED  # noqa: E402
from fluxgate.rendering import DECODE, DENOISE, ENCODE, Component, Inventory, PhaseWork, Unmoved, Work  # noqa: E402
from fluxgate.subjects.subject import InputPicture  # noqa: E402
from tests.judge.checks.working import SHOT, SUBJECT, Fault, clean, judged, work_of  # noqa: E402
from tests.judge.made import made  # noqa: E402
from tests.strategies.looking import unsupported  # noqa: E402
from tests.strategies.named import strategy_named  # noqa: E402
from tests.wording import unsaid  # noqa: E402

RUNNING = ("sequential-offload", "group-offload-leaf", "staged", "vae-tiling", "nf4-t5", "fp8-layerwise")
ALIKE = (  # one of those above, which is tried each time
    "model-offload",
    "group-offload-block",
    "group-offload-by-component",
    "group-offload-disk",
    "group-offload-leaf-disk",
    "staged-256-tokens",
    "vae-slicing",
    "int8-t5",
    "full-float32",
)


@pytest.mark.parametrize("name", [*RUNNING, *(pytest.param(name, marks=pytest.mark.long) for name in ALIKE)])
def test_every_strategy_does_the_work_that_it_promises(name: str, tmp_path: Path) -> None:
    """Beside full, and by its own promise of how weights move, nothing is complained of."""
    if (reason := unsupported(strategy_named(name))) is not None and name != "vae-slicing":
        pytest.skip(reason)
    answer = judged(tmp_path, name, clean(name), reference=clean("full"), held=clean(name))
    assert (answer.status, answer.numbers["FLOPs"] > 0) == (PASSED, True), answer.sentence
    assert len(set(clean(name).held)) == 1  # and a call leaves no byte behind


# --- faults


def wrapped(owner: Any, name: str, around: Any) -> None:
    inner = getattr(owner, name)
    setattr(owner, name, lambda *args, **kwargs: around(inner, *args, **kwargs))


def twice(inner: Any, *args: Any, **kwargs: Any) -> Any:
    inner(*args, **kwargs)
    return inner(*args, **kwargs)


def called_twice(component: Any) -> None:
    """A component is called again with the same inputs, as by a pipeline that forgot its result."""
    within: list[Any] = []

    def again(module: Any, args: Any, kwargs: Any, output: Any) -> Any:
        if within:
            return output
        within.append(module)
        output = module(*args, **kwargs)
        within.clear()
        return output

    component.register_forward_hook(again, with_kwargs=True)


def doubled_denoiser(pipe: Any) -> None:
    """A denoising step takes twice as long."""
    called_twice(pipe.transformer)


def encoder_twice(pipe: Any) -> None:
    called_twice(pipe.text_encoder_2)


def latents_by_the_host(pipe: Any) -> None:
    def step(inner: Any, output: Any, timestep: Any, latents: Any, **kwargs: Any) -> Any:
        return inner(output, timestep, latents.to("cpu").to(latents.device), **kwargs)

    wrapped(pipe.scheduler, "step", step)


def block_twice(pipe: Any) -> None:
    wrapped(pipe.transformer.single_transformer_blocks[0], "forward", twice)


def picture_decoded_twice(pipe: Any) -> None:
    wrapped(pipe.vae.decoder, "forward", twice)


def weights_widened_each_time(pipe: Any) -> None:
    """Each linear layer of the denoiser makes a wide copy of its weights, and uses the narrow ones."""
    for module in pipe.transformer.modules():
        if isinstance(module, torch.nn.Linear):
            module.register_forward_pre_hook(lambda one, _: (one.weight.double(), None)[1])


def waits_in_each_step(pipe: Any) -> None:
    def step(inner: Any, output: Any, timestep: Any, latents: Any, **kwargs: Any) -> Any:
        latents.flatten()[0].item()
        return inner(output, timestep, latents, **kwargs)

    wrapped(pipe.scheduler, "step", step)


def sleeps_in_each_step(pipe: Any) -> None:
    """Which no operator shows, and the clock only where nobody else has the processor."""

    def step(inner: Any, *args: Any, **kwargs: Any) -> Any:
        time.sleep(0.001)
        return inner(*args, **kwargs)

    wrapped(pipe.scheduler, "step", step)


def all_the_tokens(pipe: Any) -> None:
    """The length of the prompt is ignored."""
    wrapped(pipe, "encode_prompt", lambda inner, **kwargs: inner(**{**kwargs, "max_sequence_length": 256}))


def adapter_of_zeros(pipe: Any) -> None:
    """An adapter that adds nothing, and costs two products."""
    for block in pipe.transformer.transformer_blocks:
        layer = block.attn.to_q
        narrow = torch.zeros(layer.in_features, 4, dtype=torch.bfloat16)

        def forward(inner: Any, given: Any, narrow: Any = narrow) -> Any:
            return inner(given) + (given @ narrow @ narrow.T)[..., :1] * 0

        wrapped(layer, "forward", forward)


def batch_for_guidance(pipe: Any) -> None:
    """The denoiser computes a batch of two, and half of it is thrown away."""

    def forward(inner: Any, *args: Any, **kwargs: Any) -> Any:
        batch = {
            name: torch.cat([value, value]) if isinstance(value, torch.Tensor) and not name.endswith("_ids") else value
            for name, value in kwargs.items()
        }
        return tuple(one[: len(one) // 2] for one in inner(*args, **batch))

    wrapped(pipe.transformer, "forward", forward)


def more_with_each_call(pipe: Any) -> None:
    """Each call leaves a hook behind."""

    def call(inner: Any, *args: Any, **kwargs: Any) -> Any:
        pipe.transformer.proj_out.register_forward_hook(lambda module, given, out: out + 0)
        return inner(*args, **kwargs)

    wrapped(pipe, "encode_prompt", call)


BY_ITSELF: list[tuple[str, Fault, str]] = [  # caught with no baseline and no reference
    ("full", doubled_denoiser, "transformer again with the same inputs, 3 times"),
    ("full", encoder_twice, "text_encoder_2 again with the same inputs, 1 time"),
    ("full", sleeps_in_each_step, "Denoise sleeps 3 times"),
    ("full", more_with_each_call, "second call does not do what the first did"),
]
BESIDE_FULL: list[tuple[str, Fault, str]] = [  # caught with no baseline
    ("model-offload", block_twice, "Denoise does"),
    ("group-offload-leaf", picture_decoded_twice, "Decode does"),
    ("vae-slicing", all_the_tokens, "Encode does"),
    ("full-float32", batch_for_guidance, "2.00 times as much"),
    ("fp8-layerwise", adapter_of_zeros, "Denoise does"),
]
AS_ACCEPTED: list[tuple[str, Fault, str]] = [  # where every strategy has the fault
    ("full", latents_by_the_host, "asked to move"),
    ("full", block_twice, "GELU"),
    ("full", weights_widened_each_time, "cast on host"),
    ("full", waits_in_each_step, "aten._local_scalar_dense"),
    ("full", picture_decoded_twice, "decode calls"),
]


@pytest.mark.parametrize("name, fault, why", BY_ITSELF)
def test_a_fault_is_caught_with_nothing_beside_it(name: str, fault: Fault, why: str, tmp_path: Path) -> None:
    """What computes the same again, or more with each call, needs no other rendering to be noticed."""
    answer = judged(tmp_path, name, work_of(name, fault))
    assert (answer.status, why in answer.sentence) == (FAILED, True), answer.sentence


@pytest.mark.parametrize("name, fault, why", BESIDE_FULL)
def test_a_fault_is_caught_beside_the_reference(name: str, fault: Fault, why: str, tmp_path: Path) -> None:
    """What only takes longer shows in the reference's floating-point operations, whatever strategy does it."""
    answer = judged(tmp_path, name, work_of(name, fault), reference=clean("full"))
    assert (answer.status, why in answer.sentence) == (FAILED, True), answer.sentence


@pytest.mark.parametrize("name, fault, why", AS_ACCEPTED)
def test_a_fault_is_caught_against_what_was_accepted(name: str, fault: Fault, why: str, tmp_path: Path) -> None:
    """What all strategies do alike shows against the accepted counters, exactly."""
    work = work_of(name, fault)
    answer = judged(tmp_path, name, work, held=clean(name))
    assert (answer.status, why in answer.sentence) == (FAILED, True), answer.sentence


def test_groups_that_move_twice_are_caught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing has to be copied, the groups' own calls show it."""
    move = group_offloading.ModuleGroup._onload_from_memory
    fault: Fault = lambda _: monkeypatch.setattr(  # noqa: E731
        group_offloading.ModuleGroup, "_onload_from_memory", lambda group: (move(group), move(group))
    )
    answer = judged(tmp_path, "group-offload-leaf", work_of("group-offload-leaf", fault), reference=clean("full"))
    assert (answer.status, "weights asked to move" in answer.sentence) == (FAILED, True), answer.sentence


def test_groups_that_are_read_twice_are_caught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files of groups are counted as they are opened."""
    read = group_offloading.ModuleGroup._onload_from_disk
    fault: Fault = lambda _: monkeypatch.setattr(  # noqa: E731
        group_offloading.ModuleGroup, "_onload_from_disk", lambda group: (read(group), read(group))
    )
    answer = judged(tmp_path, "group-offload-disk", work_of("group-offload-disk", fault), reference=clean("full"))
    assert (answer.status, "weight files read" in answer.sentence) == (FAILED, True), answer.sentence


def test_a_component_that_moves_in_each_step_is_caught(tmp_path: Path) -> None:
    """Model offloading promises one visit in a call."""

    def restless(pipe: Any) -> None:
        wrapped(pipe.scheduler, "step", lambda inner, *args, **kw: (pipe.transformer.to("cpu"), inner(*args, **kw))[1])

    answer = judged(tmp_path, "model-offload", work_of("model-offload", restless), reference=clean("full"))
    assert (answer.status, "asked to move" in answer.sentence) == (FAILED, True), answer.sentence


def test_a_tensor_that_each_call_leaves_behind_is_seen_to_the_byte() -> None:
    """Where resident memory would show it after many calls only."""
    kept: list[Any] = []

    def encode(inner: Any, **kwargs: Any) -> Any:
        kept.append(torch.zeros(1 << 20))
        return inner(**kwargs)

    def leaking(pipe: Any) -> None:
        wrapped(pipe, "encode_prompt", encode)

    first, second = work_of("full", leaking).held
    assert second - first == 4 << 20


# --- what only a GPU counts, by counters made by hand


def gpu_work(**denoise: Any) -> Work:
    phases = (PhaseWork(ENCODE), PhaseWork(DENOISE, **denoise), PhaseWork(DECODE))
    return Work("small", 3, (phases,), count=2, weights={"transformer": 40 << 20})


def test_tensors_that_go_to_the_host_in_each_step_are_caught_on_a_gpu(tmp_path: Path) -> None:
    """A strategy whose weights stay moves nothing there while it denoises, not even something small."""
    answer = judged(tmp_path, "full", gpu_work(moves={"device to host": 3}, bytes={"device to host": 30_000}))
    assert (answer.status, unsaid(answer.sentence, "3 times in 3 steps")) == (FAILED, [])
    for harmless in (
        {"moves": {"device to host": 1}},
        {"moves": {"device to host": 9}, "bytes": {"device to host": 72}},
    ):
        assert judged(tmp_path, "full", gpu_work(**harmless)).status == PASSED


@pytest.mark.parametrize("size, status", [(4096, PASSED), (4097, FAILED)])
def test_a_buffer_that_a_model_moves_itself_is_no_offload(tmp_path: Path, size: int, status: str) -> None:
    """Gemma brings its few rotations to where it computes; weights are more than that."""
    answer = judged(tmp_path, "full", gpu_work(bytes={"weights asked to move": size}))
    assert answer.status == status


@pytest.mark.parametrize("size, status", [(6 * 4096, PASSED), (6 * 4096 + 1, FAILED)])
def test_a_model_that_is_called_twice_a_step_moves_its_buffer_twice(tmp_path: Path, size: int, status: str) -> None:
    """As Chroma does, whose guidance takes a call of its own."""
    done = gpu_work(bytes={"weights asked to move": size}, components={"transformer": 6})
    assert judged(tmp_path, "full", done).status == status


@pytest.mark.parametrize(
    "weights, size, status",
    [
        (18 * 10**9, 6 * 44_000, PASSED),
        (18 * 10**9, 6 * 44_000 + 1, FAILED),
        (40 << 20, 6 * 44_000, FAILED),  # much for so small a model, whatever its buffers are
    ],
)
def test_a_large_model_may_move_its_buffers_in_each_call(tmp_path: Path, weights: int, size: int, status: str) -> None:
    """All of its own, and nothing beyond them; Chroma's modulations are 44 KB."""
    done = gpu_work(bytes={"weights asked to move": size}, components={"transformer": 6})
    model = Component("transformer", "Chroma", {}, 0, {}, {}, {}, {}, None, buffer_bytes=44_000)
    large = replace(done, weights={"transformer": weights})
    assert judged(tmp_path, "full", large, inventory=Inventory({"transformer": model})).status == status


@pytest.mark.parametrize("calls, status", [(3, FAILED), (6, PASSED)])
def test_whole_components_are_asked_for_once_a_call(tmp_path: Path, calls: int, status: str) -> None:
    """Where the denoiser is called twice a step, hooks ask for it twice; it is copied no more often."""
    done = gpu_work(bytes={"weights asked to move": 8 * (40 << 20)}, components={"transformer": calls})
    assert judged(tmp_path, "model-offload", done).status == status


@pytest.mark.parametrize("size, status", [(2, PASSED), (9, FAILED)])
def test_a_component_whose_layers_alone_are_called_moves_as_well(tmp_path: Path, size: int, status: str) -> None:
    """As Ideogram 4's text encoder: nothing calls it as a whole, and it is needed all the same."""
    moved = {"weights asked to move": size * (40 << 20)}
    done = replace(gpu_work(bytes=moved), weights={"transformer": 1 << 20, "text_encoder": 40 << 20})
    assert judged(tmp_path, "model-offload", done).status == status


@pytest.mark.parametrize("steps, status", [(48, PASSED), (8, FAILED)])
def test_a_call_that_takes_one_number_of_steps_alone_asks_in_each(tmp_path: Path, steps: int, status: str) -> None:
    """What hooks usually ask for was measured in three steps."""
    done = gpu_work(bytes={"weights asked to move": 48 * (40 << 20)}, components={"transformer": steps})
    assert judged(tmp_path, "model-offload", replace(done, steps=steps)).status == status


@pytest.mark.parametrize("name", ["group-offload-leaf", "group-offload-block"])
@pytest.mark.parametrize("moved, status", [(203, PASSED), (210, FAILED)])
def test_a_layer_that_is_called_twice_comes_twice(moved: int, status: str, name: str, tmp_path: Path) -> None:
    """As OmniGen's table of positions, for the noise and for pictures that are given."""
    done = gpu_work(components={"transformer": 3}, bytes={"host to device": moved << 20})
    assert judged(tmp_path, name, done).status == FAILED
    assert judged(tmp_path, name, replace(done, layers={"transformer": 200 << 20})).status == status


@pytest.mark.parametrize(
    "others, moved, status", [(0, 41, PASSED), (0, 80, FAILED), (3, 121, PASSED), (3, 130, FAILED)]
)
def test_components_that_take_turns_come_again(tmp_path: Path, others: int, moved: int, status: str) -> None:
    """As Ideogram 4's two denoisers: each sends the other away."""
    done = gpu_work(components={"transformer": 3, "other": others}, bytes={"host to device": moved << 20})
    assert judged(tmp_path, "model-offload", done).status == status


def test_the_bytes_of_layers_are_counted_as_often_as_they_are_called() -> None:
    """To the byte: a text encoder that is called once has what it weighs, and one layer counts once more if it is."""

    def once_more(layer: Any) -> None:
        layer(layer.weight)

    def again(pipe: Any) -> None:
        pipe.transformer.register_forward_pre_hook(lambda model, _: once_more(model.proj_out))

    usual, more = clean("full"), work_of("full", again)
    assert usual.layers["text_encoder_2"] == usual.weights["text_encoder_2"]
    assert usual.layers["transformer"] == 3 * usual.weights["transformer"]
    assert more.layers["transformer"] > usual.layers["transformer"]


def test_prefetching_that_is_switched_off_is_caught_on_a_gpu(tmp_path: Path) -> None:
    """A stream that copies nothing ahead is no gain; on a CPU there are no streams."""
    events = {"GroupOffloadingHook ran": 9, "groups onloaded": 9}
    answer = judged(tmp_path, "group-offload-leaf-stream", gpu_work(events=events))
    assert (answer.status, "prefetched" in answer.sentence) == (FAILED, True)
    events = {"GroupOffloadingHook ran": 9, "groups onloaded": 1, "groups onloaded ahead": 8}
    assert judged(tmp_path, "group-offload-leaf-stream", gpu_work(events=events)).status == PASSED


@pytest.mark.parametrize("name", ["group-offload-leaf", "group-offload-block", "group-offload-by-component"])
@pytest.mark.parametrize("moved, status", [(122, PASSED), (130, FAILED)])
def test_more_than_the_weights_need_is_caught_on_a_gpu(moved: int, status: str, name: str, tmp_path: Path) -> None:
    """Three calls of a denoiser of 40 MiB need 120 MiB, whether by layers or by groups of blocks."""
    work = gpu_work(components={"transformer": 3}, bytes={"host to device": moved << 20})
    assert judged(tmp_path, name, work).status == status


# --- what is not held, and what is not known


@pytest.mark.parametrize(("more", "status"), [(0, PASSED), (2, PASSED), (3, FAILED), (-1, FAILED)])
def test_so_many_more_calls_of_an_operator_and_none_beyond(more: int, status: str, tmp_path: Path) -> None:
    """An image processor that is loaded in each call works out two tensors anew, and no third one."""
    work = clean("staged")
    *others, decode = work.first
    operators = {**decode.operators, "aten.mul": decode.operators.get("aten.mul", 0) + more}
    changed = replace(work, calls=((*others, replace(decode, operators=operators)), *work.calls[1:]))
    assert decode.phase == "decode"
    assert judged(tmp_path, "staged", changed, reference=clean("full")).status == status


def test_other_releases_are_held_to_what_no_release_changes(tmp_path: Path) -> None:
    """An operator of another name says nothing there; more floating-point operations do."""
    work = clean("full")
    first = work.first[1]
    renamed = replace(first, operators={**first.operators, "aten.fresh": 7})
    more = replace(renamed, flops={name: 2 * number for name, number in first.flops.items()})
    for phase, status in ((renamed, PASSED), (more, FAILED)):
        other = replace(work, calls=((work.first[0], phase, work.first[2]),))
        folder = tmp_path / status
        answer = judged(folder, "full", other, held=work, libraries={"diffusers": "0.43.0"})
        assert answer.status == status, answer.sentence
    assert judged(tmp_path / "same", "full", replace(work, calls=((renamed,),)), held=work).status == FAILED


def test_work_that_was_not_counted_is_no_data(tmp_path: Path) -> None:
    """A run of an older Fluxgate, or a take that failed, is not judged, and the reason is told."""
    assert judged(tmp_path, "full", None).status == NO_DATA
    answer = judged(tmp_path, "full", Work("small", 3, (), unavailable="the take failed: RuntimeError: no"))
    assert (answer.status, "RuntimeError: no" in answer.sentence) == (NO_DATA, True)


def test_another_call_is_not_compared(tmp_path: Path) -> None:
    """A shot that was renamed, or has other steps, is other work."""
    work = clean("full")
    assert judged(tmp_path, "full", replace(work, steps=5, calls=(work.first[:1],)), held=work).status == PASSED


def test_a_pipeline_is_left_as_it_was(tmp_path: Path) -> None:
    """Hooks, stand-ins and modes are gone once the take has ended, also when the call fails."""
    from torch.nn.modules import module as modules
    from torch.overrides import _get_current_function_mode_stack
    from torch.utils._python_dispatch import _get_current_dispatch_mode_stack

    pipelines: list[Any] = []

    def failing(pipe: Any) -> None:
        pipelines.append(pipe)
        wrapped(pipe.scheduler, "step", lambda *args, **kwargs: 1 / 0)

    onload = group_offloading.ModuleGroup.onload_
    work = work_of("group-offload-leaf", failing, calls_before=0)
    assert "ZeroDivisionError" in (work.unavailable or "")
    assert group_offloading.ModuleGroup.onload_ is onload
    assert not _get_current_dispatch_mode_stack()
    assert not _get_current_function_mode_stack()
    assert not modules._global_forward_pre_hooks
    assert not pipelines[0].transformer._forward_pre_hooks_with_kwargs
    assert SHOT.steps == 3


@pytest.mark.parametrize("inputs, status", [((InputPicture("image", "a.png", "0"),), PASSED), ((), FAILED)])
def test_a_picture_to_start_from_is_encoded_in_tiles(
    inputs: tuple[InputPicture, ...], status: str, tmp_path: Path
) -> None:
    """A little more work before it is decoded is right of a tiling VAE that encodes, and of no other."""
    phases = [PhaseWork(DENOISE, flops={"aten.mm": number}, operators={"aten.mm": 1}) for number in (1000, 1010)]
    theirs, ours = (Work("small", 3, ((phase,),), 1) for phase in phases)
    subject = replace(SUBJECT, shots=(replace(SHOT, inputs=inputs),))
    answer = judged(tmp_path, "vae-tiling", ours, reference=theirs, subject=subject)
    assert answer.status == status, answer.sentence


def test_work_is_held_to_what_the_same_releases_do_elsewhere(tmp_path: Path) -> None:
    """Where nothing was accepted on this machine; what was accepted here comes first."""
    sound, odd = clean("full"), replace(clean("full"), calls=(with_more(clean("full")),))
    alone = judged(tmp_path / "alone", "full", odd, usual=KnownWork("another", sound))
    same = judged(tmp_path / "same", "full", sound, usual=KnownWork("another", sound))
    held = judged(tmp_path / "held", "full", odd, held=odd, usual=KnownWork("another", sound))
    assert (alone.status, same.status, held.status) == (FAILED, PASSED, PASSED)
    assert not unsaid(alone.sentence, "the same releases", "encode calls aten.mm")
    assert "Most likely diffusers or transformers." in alone.sentence


def test_copies_of_other_watchers_are_no_work_of_the_pipeline(tmp_path: Path) -> None:
    """Where they counted what is usual, moves and views are not compared; what computes is."""
    sound = clean("full")
    for what, status in (("aten._to_copy", PASSED), ("aten.mul", FAILED)):
        odd = replace(sound, calls=(with_more(sound, what),))
        answer = judged(tmp_path / what, "full", odd, usual=KnownWork("another", sound, exact=False))
        assert (answer.status, what) == (status, what)


def test_encoding_by_another_transformers_is_not_compared(tmp_path: Path) -> None:
    """A few products more while prompts are encoded say nothing then; otherwise it does."""
    sound = clean("full")
    odd = replace(sound, calls=(with_more(sound),))
    for encodes, status in ((False, PASSED), (True, FAILED)):
        known = KnownWork("another", sound, encodes=encodes)
        assert judged(tmp_path / status, "full", odd, usual=known).status == status


@pytest.mark.parametrize(("moved", "status"), [(False, PASSED), (True, FAILED)])
def test_fewer_operations_that_come_to_the_accepted_pictures_are_no_other_work(
    tmp_path: Path, moved: bool, status: str
) -> None:
    """As where a projection is made once for all steps; with other pictures, something was left out."""
    before, now = (Work("small", 3, ((PhaseWork(DENOISE, {"aten.mm": n}, {"aten.mm": n * 100}),),), 1) for n in (9, 8))
    shots = made(tmp_path / "moved", "full").rendering.pictures
    others: dict[str, Any] = {"pictures": tuple(replace(one, sha256="0" * 64) for one in shots)} if moved else {}
    assert judged(tmp_path, "full", now, held=before, **others).status == status


def emptying(times: int | None, phase: str = DENOISE) -> Work:
    """Work in which torch's spare memory is given back so often."""
    return Work("small", 3, ((PhaseWork(phase, {"aten.mm": 1}, flops={"aten.mm": 1000}, emptied=times),),), 1)


@pytest.mark.parametrize(
    ("before", "now", "status"),
    [(10_000, 10_100, PASSED), (10_000, 10_101, FAILED), (10_000, 5_000, PASSED), (None, 99_999, PASSED)],
)
def test_weights_are_asked_to_move_as_soon_after_use_as_accepted(
    tmp_path: Path, before: int | None, now: int, status: str
) -> None:
    """However often: an offload that lets go later needs more room; what nobody counted says nothing."""
    sides = [
        Work("small", 3, ((replace(emptying(None).first[0], unmoved=None if most is None else Unmoved(most)),),), 1)
        for most in (before, now)
    ]
    assert judged(tmp_path, "model-offload", sides[1], held=sides[0]).status == status


def in_layers(times: int) -> Work:
    """The same, of a transformer that is called three times."""
    (phase,) = emptying(times).first
    return Work("small", 3, ((replace(phase, components={"transformer": 3}),),), 1)


@pytest.mark.parametrize(
    ("before", "now", "status"), [(25, 0, PASSED), (24, 0, FAILED), (25, 24, PASSED), (25, 26, FAILED)]
)
def test_spare_memory_need_not_be_given_back_after_each_layer(
    tmp_path: Path, before: int, now: int, status: str
) -> None:
    """More than eight times for each call of a component: what it leaves to others is a layer's room."""
    assert judged(tmp_path, "model-offload", in_layers(now), held=in_layers(before)).status == status


@pytest.mark.parametrize(
    ("before", "now", "status"),
    [(3, 3, PASSED), (3, 4, FAILED), (3, 2, FAILED), (0, 1, FAILED), (None, 2, PASSED), (3, None, PASSED)],
)
def test_spare_memory_is_given_back_as_often_as_accepted(
    tmp_path: Path, before: int | None, now: int | None, status: str
) -> None:
    """Or as elsewhere; and where one side was not counted, that says nothing."""
    held = judged(tmp_path / "held", "model-offload", emptying(now), held=emptying(before))
    usual = judged(tmp_path / "usual", "model-offload", emptying(now), usual=KnownWork("another", emptying(before)))
    assert (held.status, usual.status) == (status, status), held.sentence
    assert status == PASSED or not unsaid(held.sentence, f"instead of {before}", "diffusers")


def test_encoding_by_another_transformers_may_give_back_otherwise(tmp_path: Path) -> None:
    """What was accepted here with other releases says nothing of it either."""
    now, before = emptying(2, ENCODE), emptying(1, ENCODE)
    known = KnownWork("another", before, encodes=False)
    assert judged(tmp_path / "elsewhere", "model-offload", now, usual=known).status == PASSED
    moved = judged(tmp_path / "moved", "model-offload", now, held=before, libraries={"diffusers": "0.0"})
    assert moved.status == PASSED, moved.sentence


@pytest.mark.parametrize(
    ("name", "times", "status"), [("full", 2, PASSED), ("full", 3, FAILED), ("sequential-offload", 3, PASSED)]
)
def test_weights_that_stay_need_no_memory_back_in_each_step(tmp_path: Path, name: str, times: int, status: str) -> None:
    """Without any baseline; who moves weights may."""
    answer = judged(tmp_path, name, emptying(times))
    assert (answer.status, name) == (status, name), answer.sentence


def collecting(times: int | None, phase: str = DENOISE) -> Work:
    """Work in which garbage is collected so often."""
    return Work("small", 3, ((PhaseWork(phase, {"aten.mm": 1}, flops={"aten.mm": 1000}, collected=times),),), 1)


@pytest.mark.parametrize(
    ("before", "now", "status"),
    [(2, 2, PASSED), (2, 3, FAILED), (2, 1, PASSED), (None, 2, PASSED), (None, 3, FAILED), (2, None, PASSED)],
)
def test_garbage_is_collected_no_more_often_than_accepted(
    tmp_path: Path, before: int | None, now: int | None, status: str
) -> None:
    """Or as elsewhere; where nothing is known, not in each step."""
    held = judged(tmp_path / "held", "full", collecting(now), held=collecting(before))
    usual = judged(tmp_path / "usual", "full", collecting(now), usual=KnownWork("another", collecting(before)))
    assert (held.status, usual.status) == (status, status), held.sentence
    assert judged(tmp_path / "decode", "full", collecting(9, DECODE)).status == PASSED


def pinned(size: int | None) -> Work:
    """Work in which so many bytes come to a GPU from pinned memory."""
    return Work("small", 3, ((PhaseWork(DENOISE, {"aten.mm": 1}, flops={"aten.mm": 1000}, pinned=size),),), 1)


@pytest.mark.parametrize(
    ("before", "now", "status"),
    [(5000, 5000, PASSED), (5000, 0, FAILED), (0, 5000, FAILED), (None, 5000, PASSED), (5000, None, PASSED)],
)
def test_as_much_comes_from_pinned_memory_as_accepted(
    tmp_path: Path, before: int | None, now: int | None, status: str
) -> None:
    """Or as elsewhere; and where one side was not counted, that says nothing."""
    held = judged(tmp_path / "held", "model-offload", pinned(now), held=pinned(before))
    usual = judged(tmp_path / "usual", "model-offload", pinned(now), usual=KnownWork("another", pinned(before)))
    assert (held.status, usual.status) == (status, status), held.sentence
    assert status == PASSED or not unsaid(held.sentence, "pinned", f"instead of {before:,} B")


def with_more(work: Work, what: str = "aten.mm") -> tuple[PhaseWork, ...]:
    """A few operators more while prompts are encoded."""
    first, *others = work.first
    more = first.operators.get(what, 0) + FEW_OPERATORS + 1
    return (replace(first, operators={**first.operators, what: more}), *others)


def test_who_computes_in_narrow_layers_is_suspected(tmp_path: Path) -> None:
    """Of encoding, where an encoder has them; of denoising, where the denoiser has."""
    layers = Component("text_encoder_2", "T5EncoderModel", {"uint8": 9}, 9, {"Linear4bit": 2}, {}, {}, {}, None)
    for phase, who in ((ENCODE, "diffusers or transformers or bitsandbytes"), (DENOISE, "diffusers")):
        one, more = (Work("small", 3, ((PhaseWork(phase, {"aten.mul": times}),),)) for times in (1, 9))
        inventory = Inventory({"text_encoder_2": layers})
        answer = judged(tmp_path / phase, "nf4-t5", more, held=one, inventory=inventory)
        assert (answer.status, f"Most likely {who}." in answer.sentence) == (FAILED, True), answer.sentence


def mixed(**more: int) -> Work:
    """Some products and views while it denoises, and so many calls of other operators."""
    operators = {"aten.mm": 9, "aten.view": 3} | {f"aten.{name}": times for name, times in more.items()}
    return Work("small", 3, ((PhaseWork(DENOISE, operators, flops={"aten.mm": 900}),),), count=2)


@pytest.mark.parametrize(
    ("beside", "said", "unsaid_of"),
    [
        ({}, (), ("full's", "accepted", "another machine")),
        ({"reference": mixed()}, ("full's",), ("accepted", "another machine")),
        ({"held": mixed()}, ("accepted",), ("full's", "another machine")),
        ({"usual": KnownWork("another", mixed())}, ("another machine",), ("full's", "accepted")),
        ({"held": mixed(), "usual": KnownWork("another", mixed())}, ("accepted",), ("full's", "another machine")),
    ],
    ids=["nothing", "reference", "accepted", "usual", "accepted and usual"],
)
def test_what_its_work_was_compared_with_is_told(
    tmp_path: Path, beside: dict[str, Any], said: tuple[str, ...], unsaid_of: tuple[str, ...]
) -> None:
    """And nothing else; what was accepted here comes before what others do."""
    answer = judged(tmp_path, "vae-slicing", mixed(), **beside)
    assert (answer.status, answer.numbers["FLOPs"]) == (PASSED, 900), answer.sentence
    assert not unsaid(answer.sentence, "900 FLOP", "3 steps", *said)
    assert unsaid(answer.sentence, *unsaid_of) == list(unsaid_of)


@pytest.mark.parametrize(
    ("beside", "libraries", "told"),
    [
        ({"held": mixed()}, {}, True),
        ({"held": mixed()}, {"diffusers": "0.43.0"}, False),
        ({"usual": KnownWork("another", mixed())}, {}, True),
        ({"usual": KnownWork("another", mixed(), exact=False)}, {}, False),
        ({"usual": KnownWork("another", mixed(), encodes=False)}, {}, False),
        ({"held": mixed(view=4), "usual": KnownWork("another", mixed())}, {}, False),
        ({}, {}, False),
    ],
    ids=["accepted", "other releases", "usual", "other watchers", "another encoder", "accepted comes first", "nothing"],
)
def test_what_is_written_otherwise_is_counted(
    tmp_path: Path, beside: dict[str, Any], libraries: dict[str, str], told: bool
) -> None:
    """Where every counter was looked at: one more view costs nothing."""
    answer = judged(tmp_path, "full", mixed(view=4), libraries=libraries, **beside)
    assert answer.status == PASSED, answer.sentence
    assert ("1 counter differs" in answer.sentence) is told
    assert "counters differ" not in answer.sentence


def test_several_that_are_written_otherwise_are_counted_together(tmp_path: Path) -> None:
    """Each operator by itself."""
    answer = judged(tmp_path, "full", mixed(view=4, transpose=1), held=mixed())
    assert (answer.status, "2 counters differ" in answer.sentence) == (PASSED, True), answer.sentence


def test_work_that_failed_is_told_in_numbers_too(tmp_path: Path) -> None:
    """Operations, and the bytes that move either way."""
    (phase,) = mixed().first
    moving = replace(phase, bytes={"host to device": 5, "device to host": 7}, flops={"aten.mm": 1000})
    answer = judged(tmp_path, "full", replace(mixed(), calls=((moving,),)), held=mixed())
    assert answer.status == FAILED
    assert answer.numbers == {"FLOPs": 1000, "host to device": 5, "device to host": 7}
    assert answer.suspects == "diffusers"

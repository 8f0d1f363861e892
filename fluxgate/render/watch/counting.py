"""A take of its own in which a pipeline's work is counted, so that counting costs no second that is judged."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from fluxgate.render.measure.live_tensors import live_tensor_bytes
from fluxgate.render.measure.meter import held_now
from fluxgate.render.measure.work import WorkCounter
from fluxgate.render.watch.component import modules_of, plain_tensors
from fluxgate.render.watch.counted_take import CountedTake
from fluxgate.render.watch.probe import Probe
from fluxgate.rendering import ENCODE, PhaseWork, Work
from fluxgate.subjects.subject import Shot

STEPS = 3  # the first, a middle and the last one: a step that is taken twice, or skipped, shows in these
CALLS = 2  # the second does what the first did
EDGE = 1024  # of pictures whose size a shot leaves to the pipeline


def counted_shot(shots: Iterable[Shot]) -> Shot:
    """The smallest shot, shortened."""
    shot = min(shots, key=lambda one: (one.height or EDGE) * (one.width or EDGE) * one.pictures)
    if shot.sigmas is None:
        return replace(shot, steps=STEPS)
    middle = len(shot.sigmas) // 2
    sigmas = tuple(dict.fromkeys((shot.sigmas[0], shot.sigmas[middle], shot.sigmas[-1])))
    return replace(shot, sigmas=sigmas)


def count_work(
    call: Callable[[Shot], Any], shot: Shot, probe: Probe, *, after_each: Callable[[], object] = lambda: None
) -> Work:
    """Call for the shot a few times, and count what it does; a call that fails is a reason, not a crash."""
    started = time.perf_counter()
    work = Work(shot.name, len(shot.sigmas or ()) or shot.steps or 0, ())
    try:
        counted = [(_count_call(call, shot, probe), _held(probe.meter.device), after_each()) for _ in range(CALLS)]
    except Exception as error:
        reason = f"{type(error).__name__}: {error}".splitlines()[0][:300]
        return replace(work, unavailable=f"the take that is only counted failed: {reason}")
    first, *later = (phases for (phases, _), *_ in counted)
    helds = [held for _, held, _ in counted]
    return replace(
        work,
        calls=(first, *(call for call in later if call != first)),
        count=len(counted),
        held=tuple(one.where_it_runs for one in helds),
        held_in_memory=tuple(one.in_memory for one in helds if one.in_memory is not None),
        held_named=tuple(one.named for one in helds if one.named is not None),
        weights=_weights(probe),
        layers=counted[0][0][1],
        seconds=time.perf_counter() - started,
    )


def _count_call(call: Callable[[Shot], Any], shot: Shot, probe: Probe) -> tuple[tuple[PhaseWork, ...], dict[str, int]]:
    """The work of one call by phase, and the bytes of the layers that it called."""
    counter = WorkCounter()
    take = CountedTake(shot.name, counter, decoder=probe.subject.decoder)
    pipelines = probe.pipelines()
    weights = [tensor for one in pipelines for part in modules_of(one).values() for tensor in plain_tensors(part)]
    with probe.counting(take), counter.counted(pipelines, weights):
        for one in pipelines:
            take.watch(one)
        del pipelines, weights
        take.enter(ENCODE)
        call(shot)
        take.enter(None)
    return counter.take_counted(), _of_layers(probe, counter.module_calls)


def _of_layers(probe: Probe, calls: Mapping[int, int]) -> dict[str, int]:
    """Component -> the bytes that its layers have themselves, each as often as it was called."""
    sizes: dict[str, int] = {}
    for one in probe.pipelines():
        for name, part in modules_of(one).items():
            called = ((layer, calls.get(id(layer), 0)) for layer in part.modules())
            sizes[name] = sum(times * _own_bytes(layer) for layer, times in called if times)
    return dict(sorted(sizes.items()))


def _own_bytes(layer: Any) -> int:
    own = (*layer._parameters.values(), *layer._buffers.values())
    return sum(int(tensor.numel() * tensor.element_size()) for tensor in own if tensor is not None)


@dataclass(frozen=True)
class Held:
    """Bytes of tensors that are alive."""

    where_it_runs: int
    in_memory: int | None = None  # beside a GPU
    named: int | None = None  # on a GPU, of those that Python can name


def _held(device: str) -> Held:
    if device != "cuda":
        return Held(held_now(device))
    return Held(held_now(device), live_tensor_bytes(), live_tensor_bytes(device))


def _weights(probe: Probe) -> dict[str, int]:
    components = probe.inventory.recorded().components
    return {name: component.total_bytes for name, component in sorted(components.items())}

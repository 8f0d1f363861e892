"""The probe: sees phases, stages, steps and placement of any pipeline it is shown, and leaves no trace in it."""

from __future__ import annotations

import functools
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from fluxgate.render.measure.live_tensors import bytes_alive
from fluxgate.render.measure.meter import Meter, Spent
from fluxgate.render.process.notes import Note
from fluxgate.render.watch.fingerprints import fingerprint
from fluxgate.render.watch.inventory import describe, modules_of, placement_of, state_sha256
from fluxgate.render.watch.weights_in_use import Sight, onlook
from fluxgate.rendering import (
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
    LITTER,
    MIDDLE,
    POOLED,
    T5,
    Component,
    Duration,
    Fingerprint,
    Inventory,
)
from fluxgate.subjects.subject import Subject

EMBEDDINGS = {"prompt_embeds": T5, "pooled_prompt_embeds": POOLED}  # what encode_prompt returns -> stage


class Probe:
    """Watches pipelines by wrapping encode_prompt, scheduler.step, vae.decode and the denoiser's forward.

    It holds none of them: a strategy that frees a component must find it freed."""

    def __init__(self, subject: Subject, *, meter: Meter, announce: Callable[[str | None], None]) -> None:
        self.subject = subject
        self.meter = meter
        self.counts: dict[str, int] = {}
        self._announce = announce
        self._watched: list[weakref.ref[Any]] = []
        self._components: dict[str, Component] = {}
        self._modules: dict[str, weakref.ref[Any]] = {}  # by name, the one that was met last
        self._seen_modules: weakref.WeakSet[Any] = weakref.WeakSet()
        self._looked = False  # at the placement during denoising, once for all shots
        self._shot = ""
        self._take: int | None = None
        self._reset()

    def _reset(self) -> None:
        self._phase: str | None = None
        self._stages: dict[str, Fingerprint] = {}
        self._encoders: list[weakref.ref[Any]] = []
        self._prompts: set[str] = set()
        self._repeats: dict[str, int] = {}
        self._steps = 0
        self._calls = 0
        self._levels: tuple[float, ...] = ()
        self._clock: StepClock = StepClock(self.meter.device)
        self._decoded: list[Any] = []

    # Watching

    def watch(self, pipeline: Any) -> None:
        """Wrap what the pipeline has of the four; a second look at the same pipeline changes nothing."""
        if any(known() is pipeline for known in self._watched):
            return
        self._watched.append(weakref.ref(pipeline))
        self._quiet(pipeline)
        self._wrap(pipeline, "encode_prompt", self._encode)
        vae = getattr(pipeline, "vae", None)
        scheduler = getattr(pipeline, "scheduler", None)
        denoiser = getattr(pipeline, self.subject.denoiser, None)
        if vae is not None:
            self._wrap(vae, "decode", self._decode, pipeline)
        if scheduler is not None:
            self._wrap(scheduler, "step", self._step, pipeline)
        if denoiser is not None and not hasattr(denoiser, "_fluxgate"):
            denoiser._fluxgate = True
            denoiser.register_forward_pre_hook(self._before_forward)

    def _quiet(self, pipeline: Any) -> None:
        silence = getattr(pipeline, "set_progress_bar_config", None)
        if silence is not None:
            silence(disable=True)

    def _wrap(self, owner: Any, name: str, around: Callable[..., Any], pipeline: Any = None) -> None:
        """Put a function around a method of one object, without a reference from the object to itself.

        Such a cycle would keep a freed pipeline in memory until the next garbage collection."""
        method = getattr(owner, name, None)
        if method is None or hasattr(method, "_fluxgate"):
            return
        inner = _unbound(owner, name)
        self_ref = weakref.ref(owner)
        pipeline_ref = weakref.ref(owner if pipeline is None else pipeline)

        @functools.wraps(method)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            return around(functools.partial(inner, self_ref), pipeline_ref(), args, kwargs)

        del wrapped.__wrapped__  # it is the bound method, and so the cycle
        wrapped.__signature__ = _signature(method)  # type: ignore[attr-defined]
        wrapped._fluxgate = True  # type: ignore[attr-defined]
        setattr(owner, name, wrapped)

    # A take

    def begin(self, shot: str, take: int, *, phase: str = ENCODE) -> None:
        """A call of the pipeline starts now."""
        self._reset()
        self._shot, self._take = shot, take
        self._enter(phase)

    def end(self) -> tuple[tuple[Fingerprint, ...], tuple[Duration, ...]]:
        """The call is over: what it showed."""
        self._enter(None)
        self._finish_decoded()
        durations = tuple(
            self._denoising(spent) if phase == DENOISE else self._lasted(phase, spent)
            for phase, spent in self.meter.take_spent().items()
        )
        prints = tuple(self._stages.values())
        self._take = None
        self._decoded = []
        return prints, durations

    def _lasted(self, phase: str, spent: Spent) -> Duration:
        repeats = self._repeats.get(phase, 0)
        return Duration(phase, spent.seconds, self._shot, self._take, processor=spent.processor, repeats=repeats)

    def _denoising(self, spent: Spent) -> Duration:
        lasted = self._lasted(DENOISE, spent)
        return replace(lasted, steps=self._clock.seconds(), levels=self._levels, calls=self._calls)

    # Work that is done elsewhere

    @property
    def taking(self) -> tuple[str, int]:
        """The shot and the take that a call is at work on."""
        return self._shot, self._take or 0

    @contextmanager
    def elsewhere(self, phase: str) -> Iterator[None]:
        """Another process works on a phase meanwhile: what it measures counts, not the waiting here."""
        self._enter(phase)
        self._count("processes", self.counts.get("processes", 0) + 1)
        with self.meter.paused():
            yield

    def recall(self, known: Inventory) -> None:
        """Go on from what earlier processes have seen of the components."""
        self._components = dict(known.components)
        self._looked = any(DURING in component.placement for component in known.components.values())

    def absorb(self, note: Note) -> None:
        """Take in what another process has seen."""
        self._stages |= {print_.stage: print_ for print_ in note.fingerprints}
        self._clock.told += tuple(step for duration in note.durations for step in duration.steps)
        self._levels += tuple(level for duration in note.durations for level in duration.levels)
        self._calls += sum(duration.calls or 0 for duration in note.durations)
        for duration in note.durations:
            self._repeat(duration.phase, duration.repeats)
        if note.inventory is not None:
            self._components |= note.inventory.components
            for what, number in note.inventory.counts.items():
                self._count(what, number)
        if note.memory is not None:
            self.meter.absorb(note.memory, note.durations)

    def _enter(self, phase: str | None) -> None:
        if phase != self._phase:
            self._phase = phase
            self.meter.switch(phase)
            self._announce(phase)
            if phase == DENOISE:
                self._clock.begin()

    # The wrapped calls

    def _encode(self, inner: Callable[..., Any], pipeline: Any, args: Any, kwargs: Any) -> Any:
        if self._take is None:
            return inner(*args, **kwargs)
        self._meet(pipeline)
        given = kwargs.get("prompt_embeds") is not None  # embeddings passed through: nothing is encoded
        first = not any(known() is pipeline for known in self._encoders)  # its second call encodes the negative prompt
        if first:
            self._encoders.append(weakref.ref(pipeline))
        if not given:
            self._enter(ENCODE)
            self._note_prompt(pipeline, (*args, *kwargs.values()))
        self._mind_gradients()
        returned = inner(*args, **kwargs)
        if first:
            with self.meter.paused():
                self._embeddings(returned)
        if not given:
            self._enter(DENOISE)
        return returned

    def _note_prompt(self, pipeline: Any, given: tuple[Any, ...]) -> None:
        """A pipeline that is asked for the same words again repeats itself; another one may have other encoders."""
        words = [value for value in given if _is_text(value)]
        asked = repr(([known() is pipeline for known in self._encoders].index(True), words))
        self._repeat(ENCODE, bool(words) and asked in self._prompts)
        self._prompts.add(asked)

    def _repeat(self, phase: str, times: int) -> None:
        self._repeats[phase] = self._repeats.get(phase, 0) + times

    def _embeddings(self, returned: Any) -> None:
        tensors = returned if isinstance(returned, tuple | list) else (returned,)
        for name, tensor in zip(self.subject.encodes, tensors, strict=False):
            if name in EMBEDDINGS and tensor is not None:
                self._keep(EMBEDDINGS[name], tensor)
                if EMBEDDINGS[name] == T5:
                    self._count("prompt tokens", int(tensor.shape[-2]))

    def _step(self, inner: Callable[..., Any], pipeline: Any, args: Any, kwargs: Any) -> Any:
        if self._take is None:
            return inner(*args, **kwargs)
        self._enter(DENOISE)
        returned = inner(*args, **kwargs)
        self._clock.end()
        self._steps += 1
        stages = self._stages_now(pipeline)
        if stages:
            with self.meter.paused():
                self._levels = self._levels or _levels(pipeline)
                for stage in stages:
                    self._keep(stage, _first(returned, "prev_sample"), step=self._steps)
        self._clock.begin()
        return returned

    def _total(self, pipeline: Any) -> int:
        timesteps = getattr(getattr(pipeline, "scheduler", None), "timesteps", None)
        return len(timesteps) if timesteps is not None else 0

    def _stages_now(self, pipeline: Any) -> list[str]:
        """The stages that the step just done is: the first, the middle, the last, or several of them."""
        total = self._total(pipeline)
        numbers = {FIRST: 1, MIDDLE: (total + 1) // 2, LAST: total}
        return [stage for stage, number in numbers.items() if number == self._steps]

    def _decode(self, inner: Callable[..., Any], pipeline: Any, args: Any, kwargs: Any) -> Any:
        if self._take is None:
            return inner(*args, **kwargs)
        self._meet(pipeline)
        self._enter(DECODE)
        self._mind_gradients()
        batches: list[int] = []
        decoder = getattr(getattr(pipeline, "vae", None), "decoder", None)
        handles = [decoder.register_forward_pre_hook(lambda _, given: batches.append(len(given[0])))] if decoder else []
        try:
            returned = inner(*args, **kwargs)
        finally:
            for handle in handles:
                handle.remove()
        picture = _first(returned, "sample")
        self._count_decoder(len(picture), batches)
        with self.meter.paused():
            self._decoded.append(_on_cpu(picture))
        return returned

    def _count_decoder(self, batch: int, batches: list[int]) -> None:
        """Slices are calls with a smaller batch than came out; what is left of the calls are tiles."""
        if batches:
            slices = max(1, batch // max(batches))
            self._count("slices decoded", slices)
            self._count("tiles decoded", len(batches) // slices)

    def _count(self, what: str, number: int) -> None:
        self.counts[what] = max(self.counts.get(what, 0), number)

    def _finish_decoded(self) -> None:
        import torch

        if not self._decoded:
            return
        alike = len({(tensor.shape[1:], tensor.dtype) for tensor in self._decoded}) == 1
        self._keep(DECODED, torch.cat(self._decoded) if alike else self._decoded[0])
        for number, tensor in enumerate(self._decoded):
            self._repeat(DECODE, any(torch.equal(tensor, earlier) for earlier in self._decoded[:number]))

    def _keep(self, stage: str, tensor: Any, *, step: int | None = None) -> None:
        take = self._take or 0
        self._stages[stage] = fingerprint(_on_cpu(tensor), shot=self._shot, take=take, stage=stage, step=step)

    # The inventory

    def _before_forward(self, denoiser: Any, _: Any) -> None:
        """Count the call, and once per case, in the middle of denoising, look where everything is meanwhile."""
        if self._take is None:
            return
        self._calls += 1
        self._mind_gradients()
        if self._looked:
            return
        alive = [pipeline for known in self._watched if (pipeline := known()) is not None]
        owners = [pipeline for pipeline in alive if getattr(pipeline, self.subject.denoiser, None) is denoiser]
        if not owners or self._steps < self._total(owners[-1]) // 2:
            return
        self._looked = True
        onlook(denoiser, device=self.meter.device, placements=self.placements, done=self._seen)

    def _mind_gradients(self) -> None:
        """Note that what is computed now would be kept for a backward pass that never comes."""
        import torch

        if torch.is_grad_enabled():
            self._count(GRADIENTS, self.counts.get(GRADIENTS, 0) + 1)

    def _seen(self, sight: Sight) -> None:
        if self.meter.device != "cuda":  # there the GPU goes on meanwhile, and nobody knows what looking cost
            self.meter.forgive(sight.seconds)
            self._clock.forgive(sight.seconds)
        elif sight.blocks_in_all:
            self._count("blocks", sight.blocks_in_all)
            self._count("blocks on GPU at once", sight.blocks)
        for name in self._components:
            self._place(name, DURING, sight.placements.get(name, {}))

    def _meet(self, pipeline: Any) -> None:
        """Describe the components of a pipeline that was built within a call, before their first use."""
        if any(ref() is not module for ref, module in self._known(pipeline)):
            with self.meter.paused():
                self._describe(pipeline, hashed=True)

    def _known(self, pipeline: Any) -> list[tuple[Callable[[], Any], Any]]:
        return [(self._modules.get(name, _gone), module) for name, module in modules_of(pipeline).items()]

    def describe(self) -> None:
        """Describe the components of all watched pipelines as they are before the first call.

        On a GPU the hashes wait for the end: they use memory there. On a CPU they do not: the first use of a 4-bit
        layer may pack its weights anew."""
        for known in self._watched:
            self._describe(known(), hashed=self.meter.device != "cuda")
        self._count(BESIDE, bytes_alive(apart_from=self._seen_modules))

    def _describe(self, pipeline: Any, *, hashed: bool) -> None:
        for name, module in modules_of(pipeline).items():
            self._modules[name] = weakref.ref(module)
            self._seen_modules.add(module)
            if name not in self._components:
                placement = {BEFORE: placement_of(module)}
                state = state_sha256(module) if hashed else None
                self._components[name] = describe(name, module, placement=placement, state=state)
        self._count("components alive at once", len(self._seen_modules))

    def placements(self) -> dict[str, dict[str, int]]:
        """Bytes by device of every component that is alive."""
        return {name: placement_of(module) for name, ref in self._modules.items() if (module := ref()) is not None}

    def _place(self, name: str, moment: str, where: dict[str, int]) -> None:
        component = self._components[name]
        self._components[name] = replace(component, placement={**component.placement, moment: where})

    def look_after(self) -> None:
        """Note where everything is after the calls; what is freed is nowhere."""
        where = self.placements()
        for name in self._components:
            self._place(name, AFTER, where.get(name, {}))

    def hash_states(self) -> None:
        """Hash the components that are still alive; done last, because it uses memory of its own."""
        for name, ref in self._modules.items():
            module = ref()
            if module is not None and self._components[name].state_sha256 is None:
                self._components[name] = replace(self._components[name], state_sha256=state_sha256(module))

    def count_files(self, scratch: Path) -> None:
        """How many files the strategy has left in its scratch folder."""
        self._count("files offloaded", sum(1 for path in scratch.rglob("*") if path.is_file()))

    def count_litter(self, files: int) -> None:
        """How many files second takes have left, wherever they lie."""
        self._count(LITTER, files)

    def inventory(self) -> Inventory:
        return Inventory(components=dict(self._components), counts=dict(self.counts))


class StepClock:
    """Seconds of each step: by the GPU's own events where there is one, so that no step waits for the clock."""

    def __init__(self, device: str) -> None:
        self._cuda = device == "cuda"
        self._spans: list[tuple[Any, Any]] = []
        self.told: tuple[float, ...] = ()  # by another process
        self._start: Any = None

    def _now(self) -> Any:
        if not self._cuda:
            return time.perf_counter()
        import torch

        event = torch.cuda.Event(enable_timing=True)
        event.record()
        return event

    def begin(self) -> None:
        self._start = self._now()

    def end(self) -> None:
        if self._start is not None:
            self._spans.append((self._start, self._now()))

    def forgive(self, seconds: float) -> None:
        """Leave out of the running step what was spent on looking (on a GPU its own clock hardly sees it)."""
        if not self._cuda and self._start is not None:
            self._start += seconds

    def seconds(self) -> tuple[float, ...]:
        """Ask only once the GPU is done."""
        if self._cuda:
            return self.told + tuple(start.elapsed_time(end) / 1000 for start, end in self._spans)
        return self.told + tuple(end - start for start, end in self._spans)


def _is_text(value: Any) -> bool:
    """Whether it is a prompt, or a list of them."""
    return isinstance(value, str) or (isinstance(value, list | tuple) and all(isinstance(one, str) for one in value))


def _gone() -> None:
    """What a weak reference gives once its object is freed."""


def _levels(pipeline: Any) -> tuple[float, ...]:
    """The noise levels that a pipeline's scheduler goes through; none where it has no such thing."""
    sigmas = getattr(getattr(pipeline, "scheduler", None), "sigmas", None)
    return () if sigmas is None else tuple(float(sigma) for sigma in sigmas)


def _on_cpu(tensor: Any) -> Any:
    return tensor.detach().to("cpu", copy=True)


def _first(returned: Any, field: str) -> Any:
    """The tensor of an output that is a tuple or a dataclass, as `return_dict` decides."""
    return returned[0] if isinstance(returned, tuple) else getattr(returned, field)


def _unbound(owner: Any, name: str) -> Callable[..., Any]:
    """The method as a function of a weak reference to its owner; one set on the object itself is called as it is."""
    own = vars(owner).get(name)
    if own is not None:
        return lambda _, *args, **kwargs: own(*args, **kwargs)
    function = getattr(type(owner), name)
    return lambda ref, *args, **kwargs: function(ref(), *args, **kwargs)


def _signature(method: Callable[..., Any]) -> Any:
    """Pipelines ask a scheduler's step which arguments it takes."""
    import inspect

    return inspect.signature(method)

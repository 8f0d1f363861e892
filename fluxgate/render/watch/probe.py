"""The probe: watches any pipeline that it is shown, and leaves no trace in it."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from fluxgate.miniature.given import given
from fluxgate.render.measure.meter import Meter
from fluxgate.render.watch.counted_take import CountedTake
from fluxgate.render.watch.encoders import tokenized, watch_encoders
from fluxgate.render.watch.given import GivenRecorder
from fluxgate.render.watch.inventory import InventoryRecorder
from fluxgate.render.watch.step_latents import StepLatents
from fluxgate.render.watch.take import TakeRecorder
from fluxgate.render.watch.weights_in_use import WeightsInUse, watch_weights
from fluxgate.render.watch.wrapping import wrap
from fluxgate.rendering import (
    DECODE,
    DENOISE,
    DURING,
    ENCODE,
    FIRST,
    GIVEN,
    GRADIENTS,
    LAST,
    MIDDLE,
    OTHER_PROCESSES,
    POOLED,
    T5,
    Duration,
    Fingerprint,
    Inventory,
    Memory,
    of_call,
)
from fluxgate.subjects.subject import Subject

EMBEDDINGS = {"prompt_embeds": T5, "pooled_prompt_embeds": POOLED}  # what encode_prompt returns -> stage


class Probe:
    """Wraps encode_prompt, scheduler.step, vae.decode and the denoiser's forward of each pipeline, and records.

    It holds no pipeline: a strategy that frees a component must find it freed. Calls outside of a take, like those by
    which a strategy warms up, are not recorded."""

    def __init__(self, subject: Subject, *, meter: Meter, announce: Callable[[str | None], None]) -> None:
        self.subject = subject
        self.meter = meter
        self.inventory = InventoryRecorder(meter)
        self.inventory.variant = subject.variant
        self.inventory.files = subject.files
        self.inventory.dtype_of = subject.dtype_of
        self._announce = announce  # is called with each phase that begins, and None after the last
        self._watched: list[weakref.ref[Any]] = []
        self._take: TakeRecorder | CountedTake | None = None
        self._weights_watched = False  # once for all shots
        self.given: GivenRecorder | None = None  # while each stage is run from what is given
        self.latents: StepLatents | None = None  # where those after a few steps of first takes are put aside

    def watch(self, pipeline: Any) -> None:
        """Wrap what the pipeline has of the four; to show it the same pipeline again changes nothing."""
        if any(ref() is pipeline for ref in self._watched):
            return
        self._watched.append(weakref.ref(pipeline))
        if isinstance(self._take, CountedTake):
            self._take.watch(pipeline)
        quieten = getattr(pipeline, "set_progress_bar_config", None)
        if quieten is not None:
            quieten(disable=True)
        wrap(pipeline, "encode_prompt", self._encode)
        decode = partial(self._decode, weakref.ref(pipeline))
        wrap(getattr(pipeline, self.subject.decoder, None), "decode", decode)
        wrap(getattr(pipeline, "scheduler", None), "step", self._step)
        watch_encoders(pipeline, self.subject, self._record_clue)
        denoiser = getattr(pipeline, self.subject.denoiser, None)
        if denoiser is not None and not hasattr(denoiser, "_fluxgate"):
            denoiser._fluxgate = True
            denoiser.register_forward_pre_hook(self._before_forward)
        if self.given is not None:
            self.given.watch(pipeline, self.subject.denoiser)

    def describe(self) -> None:
        """Describe all that was watched so far, before the first take."""
        for ref in self._watched:
            self.inventory.describe(ref())
        self.inventory.count_copies()

    # A take

    def begin(self, shot: str, take: int, *, phase: str = ENCODE) -> None:
        """A take begins: the pipeline is called next."""
        self._take = TakeRecorder(shot, take, meter=self.meter, announce=self._announce)
        self._take.enter(phase)

    def end(self) -> tuple[tuple[Fingerprint, ...], tuple[Duration, ...]]:
        """The take is over: the fingerprints of its stages, and the durations of its phases."""
        if not isinstance(self._take, TakeRecorder):
            raise RuntimeError("no take has begun")
        take, self._take = self._take, None
        return take.end()

    @contextmanager
    def counting(self, take: CountedTake) -> Iterator[None]:
        """What is called meanwhile is neither measured nor recorded, but counted."""
        self._take = take
        try:
            yield
        finally:
            self._take = None
            take.close()

    def pipelines(self) -> list[Any]:
        """The pipelines that were watched and are not freed."""
        return [pipeline for ref in self._watched if (pipeline := ref()) is not None]

    # A call in which each stage is run from what is given

    def begin_given(self) -> GivenRecorder:
        """The pipeline is called in the recorder's way from now on; nothing of that is measured."""
        import torch

        self.given = GivenRecorder(given(), dtype=getattr(torch, self.subject.dtype))
        for pipeline in self.pipelines():
            self.given.watch(pipeline, self.subject.denoiser)
        return self.given

    # A part of the work in another process

    def continue_from(self, inventory: Inventory) -> None:
        """Start with what earlier processes have described."""
        self.inventory.continue_from(inventory)
        self._weights_watched = any(DURING in component.placement for component in inventory.components.values())

    @property
    def current(self) -> tuple[str, int]:
        """The shot and the number of the take that has begun; no shot while the pipeline is loaded."""
        if self.given is not None:
            return of_call(GIVEN, self.given.call), 0
        return (self._take.shot, self._take.take) if self._take is not None else ("", 0)

    @contextmanager
    def other_process(self, phase: str) -> Iterator[None]:
        """Another process works on a phase meanwhile: what it measures counts, not the waiting here."""
        if self._take is not None:
            self._take.enter(phase)
        if isinstance(self._take, CountedTake):
            self._take.add(OTHER_PROCESSES)
        else:
            self.inventory.add("processes")
        with self.meter.paused():
            yield

    def add_from_process(
        self,
        fingerprints: Iterable[Fingerprint],
        durations: tuple[Duration, ...],
        inventory: Inventory | None,
        memory: Memory | None,
    ) -> None:
        """Add what another process has recorded, as if it had been seen here."""
        if isinstance(self._take, CountedTake):
            return
        if self._take is not None:
            self._take.add_from_process(fingerprints, durations)
        if inventory is not None:
            self.inventory.add_from_process(inventory)
        if memory is not None:
            self.meter.absorb(memory, durations)

    def add_latents(self, folder: Path) -> None:
        """Take over the latents that another process has put aside in a folder, if they are of a take of a shot."""
        if self.latents is not None and isinstance(self._take, TakeRecorder):
            self.latents.add_from_process(folder)

    # The wrapped calls

    def _encode(self, inner: Callable[..., Any], pipeline: Any, args: Any, kwargs: Any) -> Any:
        if self.given is not None:
            return self.given.encode(inner, self.subject.encodes, args, kwargs)
        take = self._take
        if take is None:
            return inner(*args, **kwargs)
        self._describe_if_new(pipeline)
        passes_through = kwargs.get("prompt_embeds") is not None  # embeddings that were made before
        first = take.begins_encoding(pipeline)
        if not passes_through:
            take.enter(ENCODE)
            take.record_prompt(pipeline, (*args, *kwargs.values()))
        self._count_gradients()
        returned = inner(*args, **kwargs)
        if first:
            with self._apart(take):
                self._record_embeddings(take, returned)
                if not passes_through and isinstance(take, TakeRecorder):
                    self._record_tokenized(take, pipeline)
        if passes_through:
            take.begin_step()  # what was watched until here is no part of the first one
        else:
            take.enter(DENOISE)
        return returned

    def _apart(self, take: TakeRecorder | CountedTake) -> AbstractContextManager[None]:
        """What happens inside is done to watch: it costs the take nothing."""
        return take.apart() if isinstance(take, CountedTake) else self.meter.paused()

    def _record_clue(self, name: str, tensor: Any) -> None:
        """Keep what an encoder was given and gave, the first time in a take: the second prompt is the negative one."""
        if isinstance(self._take, TakeRecorder) and not self._take.has(name):
            with self.meter.paused():
                self._take.record(name, tensor)

    def _record_tokenized(self, take: TakeRecorder, pipeline: Any) -> None:
        prompts = next((shot.prompts for shot in self.subject.shots if shot.name == take.shot), ())
        for name, tokens in tokenized(pipeline, self.subject, prompts) if prompts else ():
            take.record(name, tokens)

    def _record_embeddings(self, take: TakeRecorder | CountedTake, returned: Any) -> None:
        tensors = returned if isinstance(returned, tuple | list) else (returned,)
        for name, tensor in zip(self.subject.encodes, tensors, strict=False):
            if name in EMBEDDINGS and tensor is not None:
                take.record(EMBEDDINGS[name], tensor)
                if EMBEDDINGS[name] == T5:
                    self.inventory.count("prompt tokens", int(tensor.shape[-2]))

    def _step(self, inner: Callable[..., Any], scheduler: Any, args: Any, kwargs: Any) -> Any:
        if self.given is not None:
            return self.given.step(inner, scheduler, args, kwargs)
        take = self._take
        if take is None:
            return inner(*args, **kwargs)
        take.enter(DENOISE)
        returned = inner(*args, **kwargs)
        take.end_step()
        stages = _stages_of(take.steps, _step_count(scheduler))
        if stages:
            with self._apart(take):
                take.levels = take.levels or _levels(scheduler)
                latents = _first(returned, "prev_sample")
                for stage in stages:
                    take.record(stage, latents, step=take.steps)
                if self.latents is not None and isinstance(take, TakeRecorder) and take.take == 0:
                    self.latents.keep(take.shot, take.steps, latents)
        take.begin_step()
        return returned

    def _decode(
        self, pipeline: weakref.ref[Any], inner: Callable[..., Any], decoder: Any, args: Any, kwargs: Any
    ) -> Any:
        if self.given is not None:
            return self.given.decode(inner, decoder, args, kwargs)
        take = self._take
        if take is None:
            return inner(*args, **kwargs)
        self._describe_if_new(pipeline())
        take.enter(DECODE)
        self._count_gradients()
        with _decoder_calls(decoder) as shapes:
            returned = inner(*args, **kwargs)
        picture = _first(returned, "sample")
        if shapes:
            latents = args[0] if args else kwargs["z"]
            slices, tiles = _pieces(shapes, tuple(latents.shape), pictures=len(picture))
            self.inventory.count("slices decoded", slices)
            self.inventory.count("tiles decoded", tiles)
        with self._apart(take):
            take.add_decoded(picture)
        return returned

    def _before_forward(self, denoiser: Any, _: Any) -> None:
        """Count the call, and once per case, in the middle of denoising, watch where everything is meanwhile."""
        take = self._take
        if take is None:
            return
        take.calls += 1
        self._count_gradients()
        if self._weights_watched or isinstance(take, CountedTake):
            return
        owners = [
            pipeline for pipeline in self.pipelines() if getattr(pipeline, self.subject.denoiser, None) is denoiser
        ]
        if owners and take.steps >= _step_count(getattr(owners[-1], "scheduler", None)) // 2:
            self._weights_watched = True
            placements = self.inventory.placements
            watch_weights(denoiser, device=self.meter.device, placements=placements, done=self._record_weights)

    def _describe_if_new(self, pipeline: Any) -> None:
        if not isinstance(self._take, CountedTake):  # nothing is met there for the first time
            self.inventory.describe_if_new(pipeline)

    def _record_weights(self, weights: WeightsInUse) -> None:
        if self._take is not None and self.meter.device != "cuda":  # a GPU goes on while it is watched
            self._take.leave_out(weights.seconds)
        self.inventory.place_during(weights)

    def _count_gradients(self) -> None:
        """Note that what is computed now would be kept for a backward pass that never comes."""
        import torch

        if torch.is_grad_enabled() and not isinstance(self._take, CountedTake):
            self.inventory.add(GRADIENTS)


def _step_count(scheduler: Any) -> int:
    """How many steps the scheduler is set to."""
    timesteps = getattr(scheduler, "timesteps", None)
    return len(timesteps) if timesteps is not None else 0


def _stages_of(step: int, total: int) -> list[str]:
    """The stages that a step is: the first, the middle, the last, or several of them."""
    numbers = {FIRST: 1, MIDDLE: (total + 1) // 2, LAST: total}
    return [stage for stage, number in numbers.items() if number == step]


def _levels(scheduler: Any) -> tuple[float, ...]:
    """The noise levels that a scheduler goes through; none where it has no such thing."""
    sigmas = getattr(scheduler, "sigmas", None)
    return () if sigmas is None else tuple(float(sigma) for sigma in sigmas)


@contextmanager
def _decoder_calls(vae: Any) -> Iterator[list[tuple[int, ...]]]:
    """The shape of each tensor that the VAE's decoder is called with meanwhile."""
    shapes: list[tuple[int, ...]] = []
    decoder = getattr(vae, "decoder", None)
    if decoder is None:
        yield shapes
        return
    handle = decoder.register_forward_pre_hook(lambda _, given: shapes.append(tuple(given[0].shape)))
    try:
        yield shapes
    finally:
        handle.remove()


def _pieces(shapes: list[tuple[int, ...]], latents: tuple[int, ...], *, pictures: int) -> tuple[int, int]:
    """In how many slices a batch was decoded, and in how many tiles each: a tile is smaller than the latents are.

    The decoder of a video's VAE may be called once for each few frames, which makes neither a slice nor a tile."""
    slices = max(1, pictures // max(shape[0] for shape in shapes))
    smaller = sum(shape[-2] < latents[-2] or shape[-1] < latents[-1] for shape in shapes)
    return slices, max(1, smaller // slices)


def _first(returned: Any, field: str) -> Any:
    """The tensor of an output that is a tuple or a dataclass, as `return_dict` decides."""
    return returned[0] if isinstance(returned, tuple) else getattr(returned, field)

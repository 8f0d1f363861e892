"""The record of calls in which each stage is run from what is given, whatever the stage before it gave."""

from __future__ import annotations

import inspect
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from fluxgate.miniature.given import Given, sampled, widened
from fluxgate.miniature.given_calls import ONE, GivenCall
from fluxgate.miniature.texts import LENGTHS, TEXTS, Rows
from fluxgate.render.watch.as_numpy import as_stored, dtype_name
from fluxgate.render.watch.fingerprints import tensor_sha256
from fluxgate.render.watch.layer_calls import LayerCalls
from fluxgate.rendering import (
    CLIP_TOKENS,
    DECODED,
    DRAWN,
    GENERATOR,
    LAST_LATENTS,
    LEVELS,
    NOISE,
    PICTURE,
    POOLED,
    T5,
    T5_TOKENS,
    TO_DECODE,
    GivenStage,
    GivenTake,
    after_step,
    callers,
    of_call,
    output_of,
    to_denoiser,
)
from fluxgate.tensors import Tensor, read_tensors, write_tensors

FILE = "given.safetensors"
CHANNELS = 16  # of the latents
TOKENS = {"text_encoder": CLIP_TOKENS, "text_encoder_2": T5_TOKENS}
EMBEDDINGS = {"prompt_embeds": T5, "pooled_prompt_embeds": POOLED}  # what encode_prompt returns -> stage


class GivenRecorder:
    """Records what each stage makes, and hands on what is given in its place."""

    def __init__(self, given: Given, *, dtype: Any) -> None:
        self._given = given
        self._stages: dict[str, GivenStage] = {}
        self._tensors: dict[str, Tensor] = {}
        self._step = 0
        self._call = ONE
        self._tiled = False
        self._dtype = dtype  # that the noise is drawn in, if that is not the pipeline's own
        self._handles: list[Any] = []
        self._layers = LayerCalls()
        self._tokens: dict[str, Rows] = {}
        self._arguments: dict[str, Any] = {}
        self._drawn_to: tuple[str, ...] = ()  # where drawing the noise leaves generators; empty: elsewhere it was drawn
        self._changed: list[str] = []

    def begin(self, call: GivenCall) -> dict[str, Any]:
        """The pipeline is called next, with these arguments."""
        self._call, self._step, self._drawn_to = call, 0, ()
        self._layers.counting = not call.name
        drawn = self._generators()
        self._arguments = {**call.arguments(), GENERATOR: drawn if len(drawn) > 1 else drawn[0]}
        return self._arguments

    def end(self, images: list[Any]) -> None:
        """The pipeline has returned these pictures. It may have drawn from its generators, and changed nothing else."""
        self._record_pictures(images)
        given, generators = self._call.arguments(), self._arguments[GENERATOR]
        changed = [name for name, value in given.items() if self._arguments[name] != value]
        if self._drawn_to and self._drawn_to != _states(generators if isinstance(generators, list) else [generators]):
            changed.append(GENERATOR)
        self._changed += [self._of_call(callers(name)) for name in changed]

    @property
    def call(self) -> str:
        """The name of the call that has begun."""
        return self._call.name

    def _generators(self) -> list[Any]:
        """The call's. We draw from them, too: torch is not what is tested, what pipelines make of its numbers is."""
        import torch

        return [torch.Generator("cpu").manual_seed(seed) for seed in self._call.seeds]

    def _record_noise(self, latents: Any) -> None:
        """What the first step would start from, and what torch draws in the dtype that comes nearest to it."""
        import torch

        dtypes = dict.fromkeys((self._dtype, latents.dtype))
        near = [(drawn.to(latents.dtype), states) for drawn, states in map(self._drawn, dtypes)]
        host = latents.detach().to("cpu").reshape(-1, 4 * CHANNELS)
        same = [each for each in near if torch.equal(each[0], host)]
        self._record(NOISE, latents)
        drawn, states = (same or near)[0]
        self._tensors[self._of_call(DRAWN)] = as_stored(drawn.contiguous())
        self._drawn_to = states if same else ()

    def _drawn(self, dtype: Any) -> tuple[Any, tuple[str, ...]]:
        """What torch draws for all pictures, packed by our own hands, and where that leaves the generators."""
        import torch

        generators, (rows, columns) = self._generators(), (edge // 8 for edge in self._call.size)
        shape = (self._call.count // len(generators), CHANNELS, rows, columns)
        drawn = torch.cat([torch.randn(shape, generator=each, dtype=dtype) for each in generators])
        packed = drawn.view(-1, CHANNELS, rows // 2, 2, columns // 2, 2).permute(0, 2, 4, 1, 3, 5)
        return packed.reshape(-1, 4 * CHANNELS), _states(generators)

    def watch(self, pipeline: Any, denoiser: str) -> None:
        """See what the pipeline's networks are called with, until `finish`."""
        self._tokens |= {name: rows for name, rows in tokens_of(pipeline) if name not in self._tokens}
        for name, stage in TOKENS.items():
            encoder = getattr(pipeline, name, None)
            if encoder is not None:
                hook = self._before_encoder(stage)
                self._handles.append(encoder.register_forward_pre_hook(hook, with_kwargs=True))
                self._handles += self._layers.watch(name, encoder, due=1)
        network = getattr(pipeline, denoiser, None)
        if network is not None:
            self._handles.append(network.register_forward_pre_hook(self._before_denoiser, with_kwargs=True))
            self._handles += self._layers.watch(denoiser, network, due=len(ONE.steps))
        decoder = getattr(getattr(pipeline, "vae", None), "decoder", None)
        if decoder is not None:
            self._handles += self._layers.watch("vae.decoder", decoder, due=1)

    def finish(self, folder: Path, *, error: str | None = None) -> GivenTake:
        """All that was seen, with its numbers in a file of the folder; no hook stays behind."""
        for handle in self._handles:
            handle.remove()
        if not self._stages:
            return GivenTake(error=error, tokens=self._tokens)
        write_tensors(folder / FILE, self._tensors)
        layers, miscounted = self._layers.result()
        stages = tuple(self._stages.values())
        changed = tuple(self._changed)
        seen = GivenTake(stages, FILE, error, tiled=self._tiled, changed=changed, tokens=self._tokens)
        return replace(seen, layers=layers, miscounted=miscounted)

    def add_from_process(self, take: GivenTake, folder: Path) -> None:
        """Add what another process has recorded."""
        self._stages |= {each.stage: each for each in take.stages}
        self._tiled |= take.tiled
        self._layers.add_from_process(take)
        self._tokens |= take.tokens
        if take.file is not None:
            self._tensors |= read_tensors(folder / FILE)

    def _record_pictures(self, images: list[Any]) -> None:
        import torch

        pixels = np.stack([np.array(image) for image in images])
        self._record(PICTURE, torch.from_numpy(pixels if self._call.name else pixels[0]))

    # The wrapped calls

    def encode(self, inner: Callable[..., Any], names: tuple[str, ...], args: Any, kwargs: Any) -> Any:
        returned = inner(*args, **kwargs)
        if kwargs.get("prompt_embeds") is not None:  # embeddings that were made before
            return returned
        tensors = list(returned) if isinstance(returned, tuple | list) else [returned]
        for place, (name, tensor) in enumerate(zip(names, tensors, strict=False)):
            if name in EMBEDDINGS and tensor is not None:
                tensors[place] = self._exchanged(EMBEDDINGS[name], tensor)
        return tuple(tensors) if isinstance(returned, tuple | list) else tensors[0]

    def step(self, inner: Callable[..., Any], scheduler: Any, args: Any, kwargs: Any) -> Any:
        step = self._step
        if step == 1 and getattr(scheduler, "sigmas", None) is not None:
            self._record(LEVELS, scheduler.sigmas)
        if self._call.whole:
            return self._step_of_a_whole(inner, args, kwargs)
        output, rest = _argument(args, kwargs, 0, "model_output")
        args, kwargs = rest(self._exchanged(output_of(step), output))
        latents, rest = _argument(args, kwargs, 2, "sample")
        args, kwargs = rest(self._like(after_step(step - 1), latents))
        return self._exchanged_first(after_step(step), inner(*args, **kwargs), "prev_sample")

    def _step_of_a_whole(self, inner: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        """The first step starts from the noise that is given, and the last one's latents are looked at."""
        if self._step == 1:
            latents, rest = _argument(args, kwargs, 2, "sample")
            args, kwargs = rest(self._like(after_step(0), latents))
        returned = inner(*args, **kwargs)
        if self._step == len(self._call.steps):
            return self._exchanged_first(LAST_LATENTS, returned, "prev_sample")
        return returned

    def decode(self, inner: Callable[..., Any], decoder: Any, args: Any, kwargs: Any) -> Any:
        latents, rest = _argument(args, kwargs, 0, "z")
        args, kwargs = rest(self._exchanged(TO_DECODE, latents))
        with self._tiles_as_given(decoder):
            returned = inner(*args, **kwargs)
        return self._exchanged_first(DECODED, returned, "sample")

    @contextmanager
    def _tiles_as_given(self, decoder: Any) -> Iterator[None]:
        """A decoder that is told to decode in tiles has those of the call, whatever the strategy's own are."""
        sizes = {"tile_sample_min_size": self._call.tile_edge, "tile_latent_min_size": self._call.tile_edge // 8}
        before = {name: getattr(decoder, name) for name in sizes if hasattr(decoder, name)}
        if not getattr(decoder, "use_tiling", False) or len(before) < len(sizes):
            yield
            return
        self._tiled = True
        try:
            for name, size in sizes.items():
                setattr(decoder, name, size)
            yield
        finally:
            for name, size in before.items():
                setattr(decoder, name, size)

    def _before_encoder(self, stage: str) -> Callable[..., Any]:
        def before(_: Any, args: Any, kwargs: Any) -> Any:
            ids, rest = _argument(args, kwargs, 0, "input_ids")
            return rest(self._exchanged(stage, ids))

        return before

    def _before_denoiser(self, denoiser: Any, args: Any, kwargs: Any) -> Any:
        self._step += 1
        args, kwargs = _by_name(denoiser, args, kwargs)
        for name, value in kwargs.items():
            stage = to_denoiser(name, self._step)
            if name == "hidden_states" and self._step == 1:
                self._record_noise(value)
                kwargs[name] = self._like(stage, value)
            elif self._of_call(stage) in self._given.inputs and value is not None:
                kwargs[name] = self._exchanged(stage, value)
        return args, kwargs

    # What is seen, and what is given instead

    def _exchanged_first(self, stage: str, returned: Any, field: str) -> Any:
        """An output that is a tuple or a dataclass, as `return_dict` decides, with its tensor exchanged."""
        if isinstance(returned, tuple):
            return (self._exchanged(stage, returned[0]), *returned[1:])
        setattr(returned, field, self._exchanged(stage, getattr(returned, field)))
        return returned

    def _exchanged(self, stage: str, tensor: Any) -> Any:
        self._record(stage, tensor)
        return self._like(stage, tensor)

    def _of_call(self, stage: str) -> str:
        return of_call(stage, self._call.name)

    def _record(self, stage: str, tensor: Any) -> None:
        name = self._of_call(stage)
        host = sampled(name, tensor.detach()).to("cpu", copy=True).contiguous()
        self._tensors[name] = as_stored(host)
        self._stages[name] = GivenStage(
            name,
            sha256=tensor_sha256(host),
            shape=tuple(host.shape),
            dtype=dtype_name(tensor),
            device=str(tensor.device.type),
            gradients=bool(tensor.requires_grad),
        )

    def _like(self, stage: str, tensor: Any) -> Any:
        """What is given, in the tensor's dtype, on its device, and in its shape if it has as many numbers."""
        import torch

        name = self._of_call(stage)
        wide = widened(name, self._given.inputs[name], tensor.shape[-1] if tensor.dim() else 1)
        values = torch.from_numpy(np.array(wide))
        values = values.to(dtype=tensor.dtype, device=tensor.device)
        if values.numel() == tensor.numel():
            return values.reshape(tensor.shape)
        return values.reshape((1,) * (tensor.dim() - values.dim()) + values.shape)


def tokens_of(pipeline: Any) -> Iterator[tuple[str, Rows]]:
    """What each tokenizer of the pipeline makes of texts that prompts seldom are, called as pipelines call it; nothing
    where it raises."""
    for name, length in LENGTHS.items():
        tokenizer = getattr(pipeline, name, None)
        if tokenizer is None:
            continue
        try:
            encoded = tokenizer(list(TEXTS), padding="max_length", max_length=length, truncation=True)
            yield name, tuple(tuple(int(token) for token in row) for row in encoded["input_ids"])
        except Exception:  # a library may raise anything
            traceback.print_exc()
            yield name, ()


def _states(generators: list[Any]) -> tuple[str, ...]:
    return tuple(tensor_sha256(one.get_state()) for one in generators)


def _by_name(module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """A call's arguments by their names, as far as the module's forward has names: a pipeline may leave them out."""
    _, *parameters = inspect.signature(type(module).forward).parameters.values()
    names = [one.name for one in parameters if one.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD]
    return args[len(names) :], {**dict(zip(names, args, strict=False)), **kwargs}


def _argument(args: tuple[Any, ...], kwargs: dict[str, Any], place: int, name: str) -> tuple[Any, Callable[[Any], Any]]:
    """An argument, and what gives the arguments with another one in its place."""
    if name in kwargs:
        return kwargs[name], lambda other: (args, {**kwargs, name: other})
    return args[place], lambda other: ((*args[:place], other, *args[place + 1 :]), kwargs)

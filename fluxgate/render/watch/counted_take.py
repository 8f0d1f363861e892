"""The take that is only counted: it passes the phases on, and keeps no tensor, no second and no byte."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from typing import Any

from fluxgate.render.measure.work import WorkCounter
from fluxgate.render.watch.component import modules_of
from fluxgate.rendering import Duration, Fingerprint


class CountedTake:
    """Stands where the recorder of a take stands."""

    def __init__(self, shot: str, counter: WorkCounter, *, decoder: str) -> None:
        self.shot = shot
        self.take = 0
        self.steps = 0
        self.calls = 0
        self.levels: tuple[float, ...] = ()
        self._counter = counter
        self._decoder = decoder  # the component that makes pictures of latents
        self._inputs: set[tuple[str, str]] = set()  # component and what it was called with
        self._handles: list[Any] = []

    def enter(self, phase: str | None) -> None:
        self._counter.enter(phase)

    def apart(self) -> AbstractContextManager[None]:
        """What happens inside is done to watch."""
        return self._counter.pause()

    def add(self, event: str) -> None:
        """Count something that no counter sees by itself."""
        self._counter.add("events", event)

    def end_step(self) -> None:
        self.steps += 1

    def watch(self, pipeline: Any) -> None:
        """Look at the calls of a pipeline's components; a VAE is not called, but its decoder is."""
        for name, module in modules_of(pipeline).items():
            called = getattr(module, "decoder", None) if name == self._decoder else module
            if called is not None:
                self._handles.append(called.register_forward_pre_hook(self._look_at(name), with_kwargs=True))

    def close(self) -> None:
        """Take away what looks."""
        while self._handles:
            self._handles.pop().remove()

    def _look_at(self, name: str) -> Any:
        def before_forward(_: Any, args: Any, kwargs: Any) -> None:
            if self._counter.paused:
                return
            self._counter.add("components", name)
            with self._counter.pause():
                inputs = (name, _digest((args, kwargs)))
            if inputs in self._inputs and name != self._decoder:  # two tiles of a sky may be the same
                self._counter.add("repeats", name)
            self._inputs.add(inputs)

        return before_forward

    # What other takes record

    def begins_encoding(self, pipeline: Any) -> bool:
        return False

    def record_prompt(self, pipeline: Any, arguments: Iterable[Any]) -> None:
        pass

    def record(self, stage: str, tensor: Any, *, step: int | None = None) -> None:
        pass

    def begin_step(self) -> None:
        pass

    def leave_out(self, seconds: float) -> None:
        pass

    def add_decoded(self, tensor: Any) -> None:
        pass

    def add_from_process(self, fingerprints: Iterable[Fingerprint], durations: Iterable[Duration]) -> None:
        pass


def _digest(inputs: Any) -> str:
    """A hash of all that a component is called with."""
    digest = hashlib.sha256()
    for part in _parts(inputs):
        digest.update(part)
    return digest.hexdigest()


def _parts(value: Any) -> Iterator[bytes]:
    import torch

    if isinstance(value, torch.Tensor):
        yield f"{value.dtype} {tuple(value.shape)} ".encode()
        flat = value.detach().reshape(-1)
        dense = torch.empty(flat.shape, dtype=flat.dtype).copy_(flat)  # one number alone may have any stride
        yield dense.view(torch.uint8).numpy().tobytes()
    elif isinstance(value, dict):
        for name, one in value.items():
            yield f"{name} ".encode()
            yield from _parts(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _parts(one)
    elif value is None or isinstance(value, bool | int | float | str):
        yield f"{value!r} ".encode()

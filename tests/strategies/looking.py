"""Rendering a small shot under a strategy in this process, and what the probe and the effects say of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from fluxgate.machine import detect, stack
from fluxgate.rendering import Inventory
from fluxgate.strategies.effects import for_subject
from fluxgate.strategies.promise import Site, Strategy
from fluxgate.subjects.subject import Shot, Subject
from tests.strategies.named import strategy_named

SHOT = Shot(
    "small",
    ("a red circle",),
    seed=1,
    height=64,
    width=128,
    steps=2,
    guidance=3.5,
    max_sequence_length=64,
    pictures_per_prompt=2,
)
SUBJECT = Subject("small", "a small pipeline", "folder:.", (SHOT,), vae_tile=64)


@dataclass(frozen=True)
class Seen:
    """Two calls in a row, and what the strategy's effects complain of."""

    pictures: tuple[bytes, ...]
    again: tuple[bytes, ...]
    inventory: Inventory
    missing: tuple[str, ...]
    leftover_files: int  # of the second call
    pipeline: Any


def unsupported(strategy: Strategy) -> str | None:
    return strategy.unsupported(SUBJECT, detect(), stack())


def skip_without(name: str) -> None:
    """Skip a test of a strategy that cannot run here."""
    if (reason := unsupported(strategy_named(name))) is not None:
        pytest.skip(reason)


def look(
    strategy: Strategy,
    folder: Path,
    scratch: Path,
    *,
    subject: Subject = SUBJECT,
    load: Any = None,
    device: str = "cpu",
) -> Seen:
    """Load and call twice; `load` stands in for the strategy's own."""
    from contextlib import closing
    from dataclasses import replace

    from fluxgate.render.measure.leftover_files import LeftoverFiles
    from fluxgate.render.measure.meter import Meter
    from fluxgate.render.process.calling import as_watched
    from fluxgate.render.process.determinism import settle
    from fluxgate.render.process.launching import EnvironmentLauncher
    from fluxgate.render.process.parts import PartRunner
    from fluxgate.render.watch.probe import Probe

    if device == "cuda":
        settle(device)
    probe = Probe(as_watched(subject), meter=Meter(device), announce=lambda phase: None)
    site = Site(subject, folder=folder, device=device, scratch=scratch, watch=probe.watch)
    with closing(EnvironmentLauncher()) as launcher:
        runner = PartRunner(site, probe=probe, launcher=launcher)
        pipeline = (load or strategy.load)(replace(site, part_runner=runner, count=probe.inventory.count))
        probe.watch(pipeline)
        probe.describe()
        (shot,) = subject.shots
        pictures, leftover = take(pipeline, probe, 0, shot), LeftoverFiles(scratch)
        with leftover.counted():
            again = take(pipeline, probe, 1, shot)
    probe.inventory.describe_after()
    probe.inventory.count_files(scratch)
    probe.meter.close()
    inventory = probe.inventory.recorded()
    missing = missing_effects(strategy, inventory, subject=subject, device=device)
    return Seen(pictures, again, inventory, missing, leftover.count or 0, pipeline)


def folder_of(subject: Subject) -> Path:
    """Where the pipeline of a catalogue's entry lies."""
    return Path(subject.source.removeprefix("folder:"))


def rendered(name: str, subject: Subject, scratch: Path) -> tuple[bytes, ...]:
    """What a strategy renders, none of whose effects is missing, twice the same."""
    seen = look(strategy_named(name), folder_of(subject), scratch, subject=subject)
    assert (seen.missing, seen.again) == ((), seen.pictures)
    return seen.pictures


def take(pipeline: Any, probe: Any, number: int, shot: Shot) -> tuple[bytes, ...]:
    import torch

    from fluxgate.render.process.calling import call_arguments, pictures_of

    arguments = call_arguments(probe.subject, shot)
    probe.begin(shot.name, number)
    returned = pipeline(**arguments, generator=torch.Generator("cpu").manual_seed(shot.seed))
    probe.end()
    return tuple(image.tobytes() for image, _ in pictures_of(returned))


def missing_effects(
    strategy: Strategy, inventory: Inventory, *, subject: Subject = SUBJECT, device: str = "cpu"
) -> tuple[str, ...]:
    """What the strategy's effects, bound to the subject, miss in an inventory."""
    effects = (for_subject(effect, subject) for effect in strategy.promise.effects)
    sentences = (effect.missing(inventory, device=device) for effect in effects)
    return tuple(sentence for sentence in sentences if sentence)

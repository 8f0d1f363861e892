"""Small renderings and runs, made by hand, for the tests of the store."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from fluxgate.cases import Case
from fluxgate.files import write_plain
from fluxgate.machine import Machine
from fluxgate.pictures import Pixels, hash_of, write_png
from fluxgate.rendering import (
    AFTER,
    BEFORE,
    DECODED,
    DURING,
    LAST,
    LEFTOVER_FILES,
    PHASES,
    RENDERING,
    T5,
    Component,
    Duration,
    Fingerprint,
    Inventory,
    Memory,
    PhaseMemory,
    Picture,
    Rendering,
)
from fluxgate.runs import run as runs
from fluxgate.runs.run import Run
from fluxgate.strategies.promise import Promise, Strategy
from fluxgate.subjects.subject import Shot, Subject

MACHINE = Machine("tiny-torch1.0", "cuda", "A tiny GPU", 1, 10**9, "9.0", "1.0", "12.0", "500.1", "3.12.0", "Linux")
STACK = {"diffusers": "0.42.1", "torch": "1.0"}
NOW = datetime.datetime(2026, 3, 1, 12, 30, tzinfo=datetime.UTC)

SHOTS = (
    Shot("fox", ("a fox",), seed=1, steps=4),
    Shot("pair", ("a cat", "a dog"), seed=2, steps=4, pictures_per_prompt=2),
)
SUBJECT = Subject("tiny", "a tiny pipeline", "package:tiny", SHOTS)


def strategy(name: str, **promise: Any) -> Strategy:
    """A strategy that is never loaded."""
    return Strategy(name, "test", name, lambda site: None, Promise(**promise), lambda *_: None)


FULL, OFFLOAD, NF4 = (
    strategy("full"),
    strategy("offload", reproduces="full"),
    strategy("nf4", approximates="full", changes_weights=True, control="coarse-four-bit"),
)
CASES: dict[str, Case] = {case.id: case for case in (Case(SUBJECT, one, "cuda") for one in (FULL, OFFLOAD, NF4))}


def pixels(seed: int, *, shot: str = "", index: int = 0, size: int = 16) -> Pixels:
    """Some picture, the same for the same arguments."""
    rng = np.random.default_rng([seed, index, *shot.encode()])
    return rng.integers(0, 256, (size, size, 3), dtype=np.uint8)


def fingerprint(shot: str, stage: str, *, take: int = 0, value: str = "a", finite: bool = True) -> Fingerprint:
    return Fingerprint(shot, take, stage, value * 64, (1, 2), "bfloat16", 0.5, 1.0, -2.0, 2.0, finite)


def inventory(size: int = 1000) -> Inventory:
    """A transformer that lies on the GPU all the time and an encoder that is there while it works."""
    places = {
        "transformer": {BEFORE: {"cuda:0": size}, DURING: {"cuda:0": size}, AFTER: {"cuda:0": size}},
        "text_encoder": {BEFORE: {"cpu": size // 2}, DURING: {"cuda:0": size // 2}, AFTER: {"cpu": size // 2}},
    }
    return Inventory(
        {
            name: Component(name, "Model", {"bfloat16": size}, 0, {"Linear": 2}, {}, {}, placement, "b" * 64)
            for name, placement in places.items()
        },
        {"tiles decoded": 1, LEFTOVER_FILES: 0},
    )


def memory(allocated: int = 10**9, host: int = 2 * 10**9) -> Memory:
    phases = tuple(PhaseMemory(phase, allocated, None, None, host) for phase in PHASES)
    return Memory(phases, 0, host, host, driver_scope=None, host_held=0, host_grown=0)


def rendering(name: str, folder: Path, *, seed: int = 0, takes: int = 2, allocated: int = 10**9) -> Rendering:
    """What a case of the tiny subject gave, its pictures written into the folder."""
    found, prints = [], []
    for shot in SHOTS:
        for take in range(takes):
            prints += [fingerprint(shot.name, stage, take=take, value=str(seed % 10)) for stage in (T5, LAST, DECODED)]
        for index in range(shot.pictures):
            one = pixels(seed, shot=shot.name, index=index)
            file = f"{shot.name}-{index}.png"
            write_png(folder / file, one)
            found += [
                Picture(shot.name, index, take, file, hash_of(one), one.shape[0], one.shape[1], "RGB")
                for take in range(takes)
            ]
    return Rendering(
        subject="tiny",
        strategy=name,
        device="cuda",
        recipes={shot.name: shot.recipe for shot in SHOTS},
        pictures=tuple(found),
        fingerprints=tuple(prints),
        inventory=inventory(),
        memory=memory(allocated),
        durations=(Duration("load", 1.0), Duration("denoise", 2.0, "fox", 0, (0.5,) * 4)),
        warnings=(),
        determinism={},
        wall_seconds=3.0,
    )


def contents(folder: Path, *, but: Iterable[str] = ()) -> Mapping[str, bytes]:
    """Every file below a folder, by name."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in but
    }


def run_of(root: Path, *names: str, seed: int = 0, finished: bool = True, **changes: int) -> Run:
    """A run whose cases were rendered with the named strategies; those that reproduce `full` have its pictures."""
    run = runs.create(root, MACHINE, STACK, "by hand")
    for name in names:
        own = seed + 100 if name == "nf4" else seed
        put(run, rendering(name, run.case_folder(f"tiny-{name}"), seed=own, **changes))
    return runs.finish(run) if finished else run


def put(run: Run, given: Rendering) -> None:
    """Write a rendering into a run, or over the one that is there."""
    write_plain(run.case_folder(given.case_id) / RENDERING, given)

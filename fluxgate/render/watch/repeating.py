"""A few equal calls, of which nothing is measured but what each leaves in the process."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from fluxgate.render.measure.counters import counters, gpu_outside_of_torch, objects_by_type
from fluxgate.rendering import Repeated
from fluxgate.subjects.subject import Shot

CALLS = 4  # what a leak adds, each of them adds; what fills a cache, one of them does
PAUSE = 0.02  # seconds without a call, in which what changes on the GPU is another process's doing
MOST_TYPES = 5
FEW = 50  # objects, which are not worth naming


def repeat(call: Callable[[Shot], Any], shot: Shot, *, device: str) -> Repeated:
    """Call for one step of the shot a few times; a call that fails is a reason, not a crash."""
    started, short = time.perf_counter(), _one_step(shot)
    before = objects_by_type()
    readings, idle = [counters(device)], list[int]()
    try:
        for _ in range(CALLS):
            time.sleep(PAUSE if device == "cuda" else 0.0)
            idle += [gpu_outside_of_torch()] if device == "cuda" else []
            call(short)
            readings.append(counters(device))
    except Exception as error:  # a library may raise anything
        reason = f"{type(error).__name__}: {error}".splitlines()[0][:300]
        return Repeated(unavailable=f"a call that was only repeated failed: {reason}")
    grown = objects_by_type() - before
    return Repeated(
        readings={name: tuple(reading[name] for reading in readings) for name in readings[0]},
        idle=tuple(idle),
        types={name: count for name, count in grown.most_common(MOST_TYPES) if count >= FEW * CALLS},
        seconds=time.perf_counter() - started,
    )


def _one_step(shot: Shot) -> Shot:
    return replace(shot, steps=1) if shot.sigmas is None else replace(shot, sigmas=shot.sigmas[:1])

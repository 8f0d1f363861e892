"""Work is counted in a shortened call, and in the shot as it is where a pipeline cannot be called for so few steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fluxgate.render.watch.counting import count_work, counted_shot
from fluxgate.render.watch.probe import Probe
from fluxgate.rendering import Work
from fluxgate.subjects.subject import Shot, Subject


def count_work_of_one(
    call: Callable[[Shot], Any], subject: Subject, probe: Probe, *, after_each: Callable[[], object]
) -> tuple[Work, Shot]:
    """The work of one shot, and the shot as it was called for.

    Of a few steps a strength of 0.3 leaves none, and some schedulers take one number of steps alone."""
    short = counted_shot(subject.shots)
    work, asked = count_work(call, short, probe, after_each=after_each), subject.shot(short.name)
    if work.unavailable is None or asked == short:
        return work, short
    return count_work(call, asked, probe, after_each=after_each), asked

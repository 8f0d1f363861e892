"""The measurements that ship: the twin of FLUX.1-dev on one large card, for whoever has no run of their own."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from fluxgate import figures
from fluxgate.files import read_plain
from fluxgate.report.advice import LIKELY, NO, YES, Advice, Ranked, leaves_room, rank

FILE = Path(__file__).with_name("shipped.json")  # written by docs/measured.py
SCHEMA = 1
LIBRARIES = ("diffusers", "transformers", "bitsandbytes")  # that are told; the others are in the file


@dataclass(frozen=True)
class Measurement:
    """One strategy, as it was accepted."""

    strategy: str
    reserved: int  # bytes: the most that torch reserved on the GPU
    allocated: int  # bytes: the most that it handed out of them
    host: int  # bytes: the most that the worker had in the host's memory
    seconds: float  # of one picture, without loading: by the mean step of both takes
    steps: int  # how many steps that mean is of
    likeness: float  # SSIM of the picture that is least like full's
    card: int | None  # GB: the smallest standard card that it was seen to run on, as docs/measurements.md tells
    run: str
    accepted: str  # date
    commit: str | None
    stack: dict[str, str] = field(default_factory=dict)  # what of it is other than what all have in common


@dataclass(frozen=True)
class Shipped:
    """All of it, and where it is from."""

    subject: str
    about: str
    machine: str
    stack: dict[str, str]
    width: int
    height: int
    steps: int  # of the picture that the seconds are of
    strategies: tuple[Measurement, ...]
    schema: int = SCHEMA


def shipped() -> Shipped:
    """What came with this Fluxgate."""
    return read_plain(FILE, Shipped)


def advise_from_shipped(shipped: Shipped, *, vram: int, ram: int | None = None) -> Advice:
    """The strategies ranked for so many bytes of a card and, if they are given, of the host."""
    ranked = rank(_ranked(one, vram=vram, ram=ram) for one in shipped.strategies)
    return Advice(
        f"FLUX.1-dev's shapes ({shipped.subject})", vram, "", ranked, {}, (), ram=ram, origin=_origin(shipped)
    )


def _ranked(one: Measurement, *, vram: int, ram: int | None) -> Ranked:
    return Ranked(
        strategy=one.strategy,
        fits=_fits(one, vram=vram, ram=ram),
        peak=one.reserved,
        seconds=one.seconds,
        likeness=one.likeness,
        run_id="",
        without=(),
        host=one.host,
    )


def _fits(one: Measurement, *, vram: int, ram: int | None) -> str:
    if ram is not None and one.host > ram:
        return NO
    if one.card is not None and one.card <= vram / 1e9:
        return YES
    return LIKELY if leaves_room(one.reserved, vram) else NO


def _origin(shipped: Shipped) -> tuple[str, ...]:
    """What must be known of the figures before anybody relies on them."""
    dates = sorted({one.accepted for one in shipped.strategies})
    when = " to ".join(dates[:: len(dates) - 1 or 1])
    libraries = ", ".join(f"{name} {shipped.stack[name]}" for name in LIBRARIES if name in shipped.stack)
    others = [name for one in shipped.strategies for name in _other_releases(one)]
    libraries += "".join(f" ({count} of the strategies with {name})" for name, count in Counter(others).items())
    few = [one for one in shipped.strategies if one.steps < shipped.steps]
    return (
        f"These figures were not measured on your machine: they ship with Fluxgate, and are those of {shipped.about}, "
        f"on {shipped.machine} with {libraries}; accepted {when}.",
        "Memory is that of FLUX.1-dev, whose shapes the twin has. Likeness is that of the twin's pictures: "
        "FLUX.1-dev's own weights may differ more under quantization. Seconds differ by card and host, most of all "
        "with offloading.",
        f"time: one picture of {shipped.width}×{shipped.height} in {shipped.steps} steps without loading"
        + (f"; for {len(few)} slow strategies computed from {_fewest(few)} steps" if few else ""),
    )


def _other_releases(one: Measurement) -> list[str]:
    return [f"{name} {one.stack[name]}" for name in LIBRARIES if name in one.stack]


def _fewest(few: list[Measurement]) -> int:
    return min(one.steps for one in few)


def seconds_of_picture(spent: dict[str, float], *, steps: int, pictures: int, per_picture: int) -> float:
    """One picture's seconds out of those of several: by the mean step, and the mean of what is done once a picture."""
    once = spent.get("encode", 0.0) + spent.get("decode", 0.0)
    seconds = spent["denoise"] / steps * per_picture + once / pictures
    if not math.isfinite(seconds) or seconds <= 0:
        raise ValueError(f"a picture took {figures.seconds(seconds)}")
    return seconds

"""Fault: something that an upgrade of a library could do wrong, as a small patch of that library."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

SHORT, BATCH, TILES, GIVEN = ("unsaid",), ("pairs",), ("wide",), ("sigmas",)  # shots of the miniature
WITH_FLOAT32 = ("full", "full-float32")  # for what bfloat16's own rounding may hide

Fired = Callable[[Any], Any]  # counts that the fault has done something, and gives back what it is given


@dataclass(frozen=True)
class Edit:
    """A function of a library with one place of its source written otherwise; the new text calls FIRED(value)."""

    target: str  # "module:name", or "module:Class.name"
    old: str
    new: str


@dataclass(frozen=True)
class Around:
    """A function of a library that is called through another: change(original, fired, args, kwargs)."""

    target: str
    change: Callable[[Callable[..., Any], Fired, tuple[Any, ...], dict[str, Any]], Any]


def called_with(target: str, **changes: Any) -> Around:
    """A function of a library that is called with other arguments than those that it is given."""

    def change(original: Callable[..., Any], fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        return original(*args, **{**kwargs, **fired(changes)})

    return Around(target, change)


def not_called(target: str) -> Around:
    """A function of a library that does nothing when it is called, and gives None."""
    return Around(target, lambda original, fired, args, kwargs: fired(None))


@dataclass(frozen=True)
class Loaded:
    """A pipeline that a library has loaded otherwise than it should: change(pipeline, fired)."""

    change: Callable[[Any, Fired], None]


Patch = Edit | Around | Loaded


@dataclass(frozen=True)
class Fault:
    """One fault, what of it must be named, and the least that shows it."""

    name: str
    about: str  # what the library does wrong, in words
    patch: Patch
    like: str = ""  # what upgrade brought something of this kind
    packages: tuple[str, ...] = ()  # any of them named is the right one named
    stage: str | None = None  # where pictures first differ; None: no picture moves, or the case crashes
    strategies: tuple[str, ...] = ("full",)  # that can show it, beside their references
    shots: tuple[str, ...] = SHORT
    equivalent: str | None = None  # the proof that it changes nothing that anybody could see
    only_time: bool = False  # all that it takes is time
    only_on: str | None = None  # the device on which alone it shows, or on which alone it is harmless
    later: bool = False  # shows in a second call only, so that each shot is rendered twice

    @property
    def rendered(self) -> tuple[str, ...]:
        """Its shots, and the one in which work is counted: what other machines did is known of that one alone."""
        return tuple(dict.fromkeys((*SHORT, *self.shots)))

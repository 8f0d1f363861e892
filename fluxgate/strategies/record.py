"""A strategy as plain data: a run keeps it, and is judged by it without the code that loads the strategy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, TypeVar

import msgspec

from fluxgate.machine import Machine, Stack
from fluxgate.refusal import Refusal
from fluxgate.strategies.effects import EFFECTS
from fluxgate.strategies.promise import Effect, Promise, Site, Strategy
from fluxgate.subjects.subject import Subject

KIND = "effect"  # the key that says which class of effects an effect is of

Plain = dict[str, Any]
Value = TypeVar("Value")


@dataclass(frozen=True)
class StrategyRecord:
    """All of a strategy but its code."""

    name: str
    family: str
    about: str
    promise: Plain  # the fields of Promise; each effect has its own fields and its kind
    slow: bool
    noise: str | None
    gpus: int
    compiles: bool = False


def record_of(strategy: Strategy) -> StrategyRecord:
    """What a run keeps of a strategy."""
    promise = {
        **_plain(strategy.promise),
        "effects": [_record_of_effect(effect) for effect in strategy.promise.effects],
    }
    return StrategyRecord(
        name=strategy.name,
        family=strategy.family,
        about=strategy.about,
        promise=promise,
        slow=strategy.slow,
        noise=strategy.noise,
        gpus=strategy.gpus,
        compiles=strategy.compiles,
    )


def restored(record: StrategyRecord) -> Strategy:
    """The strategy as it is judged. It cannot be loaded."""

    def load(site: Site) -> Any:
        raise Refusal(f"{record.name} was read from a run, which has its promise and not its code.")

    def unsupported(subject: Subject, machine: Machine, stack: Stack) -> str:
        return f"{record.name} was read from a run, which has not its code"

    return Strategy(
        name=record.name,
        family=record.family,
        about=record.about,
        load=load,
        promise=_promise(record),
        unsupported=unsupported,
        slow=record.slow,
        noise=record.noise,
        gpus=record.gpus,
        compiles=record.compiles,
    )


def _record_of_effect(effect: Effect) -> Plain:
    kind = type(effect).__name__
    if EFFECTS.get(kind) is not type(effect):
        raise Refusal(f"A run cannot keep the effect {kind}; take one of {', '.join(EFFECTS)}.")
    return {KIND: kind, **_plain(effect)}


def _plain(value: object) -> Plain:
    plain: Plain = msgspec.json.decode(msgspec.json.encode(value))
    return plain


def _promise(record: StrategyRecord) -> Promise:
    whose = f"The promise of {record.name}"
    effects = record.promise.get("effects")
    if not isinstance(effects, list):
        raise Refusal(f"{whose} is damaged: it has no list of effects.")
    promise = _converted({**record.promise, "effects": []}, Promise, whose)
    return replace(promise, effects=tuple(_effect(entries, whose) for entries in effects))


def _effect(entries: object, whose: str) -> Effect:
    if not isinstance(entries, Mapping):
        raise Refusal(f"{whose} is damaged: an effect of it is {entries!r}.")
    kind = EFFECTS.get(str(entries.get(KIND)))
    if kind is None:
        raise Refusal(
            f"{whose} has the effect {entries.get(KIND)!r}, which this Fluxgate does not know; a newer one does."
        )
    own = {key: value for key, value in entries.items() if key != KIND}
    effect: Effect = _converted(own, kind, f"{whose}, in its effect {kind.__name__},")
    return effect


def _converted(entries: Plain, kind: type[Value], whose: str) -> Value:
    """A dataclass; what it does not know would be left out of the judgement, so it is refused."""
    unknown = sorted(entries.keys() - {field.name for field in fields(kind)})  # type: ignore[arg-type]  # as all that a promise holds, it is a dataclass
    if unknown:
        raise Refusal(f"{whose} says {', '.join(unknown)}, which this Fluxgate does not know; a newer one does.")
    try:
        return msgspec.convert(entries, kind)
    except msgspec.ValidationError as error:
        raise Refusal(f"{whose} is damaged: {error}.") from error

"""TOML files read into dataclasses; every fault is refused in a sentence that names the file, the table and the key."""

from __future__ import annotations

import dataclasses
import re
import tomllib
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from fluxgate.files import read_limited
from fluxgate.options import suggestion
from fluxgate.refusal import Refusal

LARGEST = 1_000_000  # bytes
MUST = "must"  # in a msgspec.Meta's `extra`: what a value must do, in words, where its constraint reads badly

# A text that is not empty, and an address.
Text = typing.Annotated[str, msgspec.Meta(pattern=r"\S", extra={MUST: "not be empty"})]
Address = typing.Annotated[str, msgspec.Meta(pattern="^https://", extra={MUST: "be an https:// address"})]

Value = TypeVar("Value")

_NAMES = {
    "str": "a string",
    "int": "an integer",
    "float": "a number",
    "bool": "true or false",
    "date": "a date",
    "array": "an array",
    "object": "a table",
}
_CONSTRAINT = re.compile(r"Expected `(\w+)`(?:, got `(\w+)`)?(.*)")


@dataclass(frozen=True)
class Place:
    """A table of a file, as sentences name it."""

    file: str
    table: str = ""

    def within(self, name: str) -> Place:
        return Place(self.file, f"{self.table}.{name}" if self.table else name)

    def refusal(self, fault: str) -> Refusal:
        end = "" if fault.endswith(("?", ".")) else "."
        return Refusal(f"{self.file}{', ' if self.table else ''}{self.table}: {fault}{end}")


def read_toml(path: Path, kind: type[Value]) -> Value:
    """A dataclass, or a dict of them by name, out of a TOML file."""
    return convert(parse_toml(path), kind, place=Place(str(path)))


def parse_toml(path: Path) -> dict[str, Any]:
    """The tables of a TOML file, as they stand there."""
    try:
        return tomllib.loads(read_limited(path, LARGEST).decode())
    except (UnicodeDecodeError, RecursionError, ValueError) as error:  # TOMLDecodeError is a ValueError
        raise Refusal(f"{path} is not valid TOML: {error}.") from error


def convert(value: object, kind: type[Value], *, place: Place) -> Value:
    """The value of a table as this kind of dataclass, or as a dict or a tuple of such; every key must be known.

    A dataclass may check itself further: a ValueError of its `__post_init__` becomes a refusal that names the table."""
    if not isinstance(value, dict):
        raise place.refusal(f"it must be a table, not {_name_of(value)}")
    converted: Value = _converted(value, kind, place, name="")
    return converted


def _converted(value: object, kind: Any, place: Place, *, name: str) -> Any:
    """Any value; `place` is the table that it stands in, and `name` its key there."""
    kind = _without_none(kind)
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        return _dataclass(_table(value, place, name), kind, place.within(name) if name else place)
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is dict:
        inside = place.within(name) if name else place
        return {key: _converted(v, arguments[1], inside, name=key) for key, v in _table(value, place, name).items()}
    if origin is tuple and arguments[1:] == (...,):
        items = _items(value, arguments[0], place, name)
        return tuple(_converted(v, arguments[0], place, name=f"{name} {n}") for n, v in enumerate(items, start=1))
    if origin is typing.Literal:
        if value not in arguments:
            raise place.refusal(f"{name} is {value!r}; {suggestion(str(value), arguments)}")
        return value
    return _plain(value, kind, place, name)


def _dataclass(table: Mapping[str, object], kind: Any, place: Place) -> Any:
    fields = {field.name: field for field in dataclasses.fields(kind) if field.init}
    for key in table:
        if key not in fields:
            raise place.refusal(f"the key {key!r} is unknown; {suggestion(key, fields)}{_elsewhere(kind)}")
    for field in fields.values():
        required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        if required and field.name not in table:
            raise place.refusal(f"{field.name} is missing")
    kinds = typing.get_type_hints(kind, include_extras=True)
    values = {key: _converted(value, kinds[key], place, name=key) for key, value in table.items()}
    try:
        return kind(**values)
    except ValueError as error:
        raise place.refusal(str(error)) from error


def _elsewhere(kind: Any) -> str:
    """A sentence of the dataclass on where that belongs which is no key of it."""
    sentence = getattr(kind, "ELSEWHERE", "")
    return f" {sentence}" if sentence else ""


def _table(value: object, place: Place, name: str) -> dict[str, object]:
    if not isinstance(value, dict):
        raise place.refusal(f"{name} must be a table, not {_name_of(value)}")
    return value


def _items(value: object, kind: Any, place: Place, name: str) -> list[object]:
    if isinstance(value, list):
        return value
    if dataclasses.is_dataclass(kind):
        raise place.refusal(f"{name} must be an array of tables: write [[{name}]], with two brackets, above each")
    raise place.refusal(f"{name} must be an array, not {_name_of(value)}")


def _plain(value: object, kind: Any, place: Place, name: str) -> Any:
    """A value that is no table and no array, held to its type and its constraints by msgspec."""
    try:
        return msgspec.convert(value, kind)
    except (msgspec.ValidationError, ValueError) as error:
        raise place.refusal(f"{name} must {_duty(kind, value, str(error))}") from error


def _duty(kind: Any, value: object, complaint: str) -> str:
    """What a value must be, in a person's words."""
    expected = _CONSTRAINT.fullmatch(complaint)
    if expected and expected[2]:
        return f"be {_NAMES.get(expected[1], expected[1])}, not {_name_of(value)}"
    for meta in getattr(kind, "__metadata__", ()):
        if isinstance(meta, msgspec.Meta) and meta.extra and MUST in meta.extra:
            return f"{meta.extra[MUST]}; it is {value!r:.60}"
    if expected:
        return f"be {_NAMES.get(expected[1], expected[1])}{expected[3]}; it is {value!r:.60}"
    return f"be {_NAMES.get(getattr(kind, '__name__', ''), 'something else')}; it is {value!r:.60}"


def _name_of(value: object) -> str:
    name = {"list": "array", "dict": "object"}.get(type(value).__name__, type(value).__name__)
    return _NAMES.get(name, name)


def _without_none(kind: Any) -> Any:
    """The kind of a value that may be left out; TOML has no null."""
    if typing.get_origin(kind) not in (typing.Union, types.UnionType):
        return kind
    return typing.Union[tuple(one for one in typing.get_args(kind) if one is not type(None))]  # noqa: UP007

"""TOML files become dataclasses, and every fault of one is refused with its file, its table and its key."""

from __future__ import annotations

import datetime
import tomllib
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxgate.refusal import Refusal
from fluxgate.toml import LARGEST, Address, Place, Text, convert, parse_toml, read_toml


@dataclass(frozen=True)
class Shelf:
    """A table with something of each kind."""

    owner: Text
    width: int = 1
    built: datetime.date | None = None
    wood: Literal["oak", "pine"] | None = None
    links: tuple[Address, ...] = ()
    load: float = 0.0
    ELSEWHERE: ClassVar[str] = "Books belong in another table."

    def __post_init__(self) -> None:
        if self.load > self.width:
            raise ValueError(f"load is {self.load}, more than the width")


@dataclass(frozen=True)
class Room:
    """Tables within tables."""

    shelf: tuple[Shelf, ...] = ()
    by_name: dict[str, Shelf] | None = None


def read(folder: Path, text: str) -> Room:
    (folder / "room.toml").write_text(text, encoding="utf-8")
    return read_toml(folder / "room.toml", Room)


def test_tables_become_dataclasses(tmp_path: Path) -> None:
    """Arrays of tables become tuples, tables by name a dict, dates dates; what is left out has its default."""
    text = '[[shelf]]\nowner = "me"\nbuilt = 2026-03-01\nlinks = ["https://x"]\n[by_name.tall]\nowner = "you"\nload = 1'
    assert read(tmp_path, text) == Room(
        (Shelf("me", built=datetime.date(2026, 3, 1), links=("https://x",)),), {"tall": Shelf("you", load=1.0)}
    )


@pytest.mark.parametrize(
    "text, said",
    [
        ("[[shelf]", "room.toml is not valid TOML: "),
        ("shelfs = 1", "room.toml: the key 'shelfs' is unknown; did you mean 'shelf'?"),
        ("zzz = 1", "room.toml: the key 'zzz' is unknown; choose from shelf, by_name."),
        ('[shelf]\nowner = "me"', "shelf must be an array of tables: write [[shelf]], with two brackets, above each."),
        ("[[shelf]]\nzzz = 1", "built, wood, links, load. Books belong in another table."),
        ("[[shelf]]", "room.toml, shelf 1: owner is missing."),
        ('[[shelf]]\nowner = " "', "shelf 1: owner must not be empty; it is ' '."),
        ("[[shelf]]\nowner = 3", "shelf 1: owner must be a string, not an integer."),
        ('[[shelf]]\nowner = "me"\nwidth = true', "shelf 1: width must be an integer, not true or false."),
        ('[[shelf]]\nowner = "me"\nbuilt = "soon"', "shelf 1: built must be a date; it is 'soon'."),
        ('[[shelf]]\nowner = "me"\nwood = "oka"', "shelf 1: wood is 'oka'; did you mean 'oak'?"),
        ('[[shelf]]\nowner = "me"\nwood = 7', "shelf 1: wood is 7; choose from oak, pine."),
        ('[[shelf]]\nowner = "me"\nlinks = "x"', "shelf 1: links must be an array, not a string."),
        (
            '[[shelf]]\nowner = "me"\nlinks = ["ftp://x"]',
            "shelf 1: links 1 must be an https:// address; it is 'ftp://x'.",
        ),
        ('[[shelf]]\nowner = "me"\nload = 2', "shelf 1: load is 2.0, more than the width."),
        ("by_name = 3", "room.toml: by_name must be a table, not an integer."),
        ("[by_name]\ntall = []", "room.toml, by_name: tall must be a table, not an array."),
        ("[by_name.tall]\nowner = {}", "room.toml, by_name.tall: owner must be a string, not a table."),
    ],
)
def test_a_fault_is_told_with_its_place(tmp_path: Path, text: str, said: str) -> None:
    """The file, the table, the key, what it must be and what it is."""
    with pytest.raises(Refusal) as refused:
        read(tmp_path, text)
    assert said in str(refused.value)


@pytest.mark.parametrize(
    "data",
    [b"\xff", b"a = " + b"[" * 5000, b"n = " + b"1" * 5000, b"#" * (LARGEST + 1)],
    ids=["bytes", "deep", "digits", "large"],
)
def test_what_is_not_toml_is_refused_by_name(tmp_path: Path, data: bytes) -> None:
    """Bytes that are no text, brackets without end, numbers without end, and too much of anything."""
    (tmp_path / "room.toml").write_bytes(data)
    with pytest.raises(Refusal, match=r"room\.toml"):
        parse_toml(tmp_path / "room.toml")


def test_a_table_may_be_converted_by_itself() -> None:
    """Whoever changes a table first says where it stands."""
    place = Place("room.toml").within("shelves").within("tall")
    assert convert({"owner": "me"}, Shelf, place=place) == Shelf("me")
    with pytest.raises(Refusal, match=r"^room\.toml, shelves\.tall: owner is missing\.$"):
        convert({}, Shelf, place=place)
    with pytest.raises(Refusal, match=r"^room\.toml, shelves\.tall: it must be a table, not an integer\.$"):
        convert(3, Shelf, place=place)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.dates() | st.datetimes(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from([*Shelf.__annotations__, "x"]), inner),
    max_leaves=6,
)


@given(value=st.fixed_dictionaries({}, optional={"shelf": VALUES, "by_name": VALUES}))
def test_any_value_is_a_room_or_refused(value: dict[str, object]) -> None:
    """Whatever TOML may hold, converting it ends in the dataclass or in a refusal."""
    with suppress(Refusal):
        assert isinstance(convert(value, Room, place=Place("room.toml")), Room)


@given(text=st.text(max_size=60))
def test_any_text_is_tables_or_refused(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    """Whatever stands in the file, reading it ends in what tomllib reads or in a refusal."""
    path = tmp_path_factory.mktemp("toml") / "any.toml"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    with suppress(Refusal):
        assert parse_toml(path) == tomllib.loads(path.read_bytes().decode())

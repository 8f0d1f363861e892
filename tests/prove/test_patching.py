"""Patches of functions: what they change, what they count, and what they refuse."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from fluxgate.prove.fault import Around, Edit
from fluxgate.prove.patching import apply, counting, times_fired
from fluxgate.refusal import Refusal

SOURCE = """
FACTOR = 10

class Base:
    def value(self):
        return 1

class Own(Base):
    def value(self):
        if True:
            number = super().value() + 1
        return number * FACTOR

    @staticmethod
    def doubled(number):
        return number * 2

def plain(number):
    return number + 1
"""


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """A library of its own for each test."""
    (tmp_path / "patched_library.py").write_text(SOURCE)
    monkeypatch.syspath_prepend(tmp_path)
    yield importlib.import_module("patched_library")
    del sys.modules["patched_library"]


@pytest.fixture
def count(tmp_path: Path) -> Path:
    return tmp_path / "fired"


def test_an_edit_changes_one_place(library: ModuleType, count: Path) -> None:
    """A method is compiled anew with its class, its globals and its super()."""
    apply(Edit("patched_library:Own.value", "+ 1", "+ FIRED(2)"), counting(count))
    assert (library.Own().value(), library.Base().value()) == (30, 1)
    assert times_fired(count) == 1


def test_further_lines_of_an_edit_are_as_deep_as_the_first(library: ModuleType, count: Path) -> None:
    """A line that an edit adds stands in the block of the line that it follows."""
    line = "number = super().value() + 1"
    apply(Edit("patched_library:Own.value", line, f"{line}\nnumber = FIRED(number) + 5"), counting(count))
    assert library.Own().value() == 70


def test_a_call_is_surrounded(library: ModuleType, count: Path) -> None:
    """A static method stays one, and its arguments and result can be changed."""

    def change(original: Any, fired: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        return fired(original(*args, **kwargs)) + 1

    apply(Around("patched_library:Own.doubled", change), counting(count))
    assert (library.Own.doubled(3), library.Own().doubled(4)) == (7, 9)
    assert times_fired(count) == 2


def test_a_fault_that_does_nothing_has_not_fired(library: ModuleType, count: Path) -> None:
    """Only what was reached counts."""
    apply(Edit("patched_library:plain", "+ 1", "+ FIRED(1)"), counting(count))
    assert times_fired(count) == 0
    assert times_fired(count.with_name("another")) == 0


@pytest.mark.parametrize(
    "edit",
    [
        Edit("patched_library:plain", "+ 3", "+ FIRED(2)"),
        Edit("patched_library:Own.value", "value", "FIRED(1)"),
        Edit("patched_library:missing", "1", "FIRED(2)"),
        Edit("patched_library:Own.missing", "1", "FIRED(2)"),
        Edit("no_such_library:plain", "1", "FIRED(2)"),
    ],
)
def test_what_a_release_does_not_have_is_refused(library: ModuleType, count: Path, edit: Edit) -> None:
    """A place that is missing, or there twice, is never guessed."""
    with pytest.raises(Refusal, match="cannot be made in this release"):
        apply(edit, counting(count))
    assert library.plain(1) == 2

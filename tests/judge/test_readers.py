"""Tests of the registry of readers."""

from importlib.metadata import EntryPoint, EntryPoints
from types import SimpleNamespace

import numpy as np
import pytest

from fluxgate.judge import readers
from fluxgate.judge.readers import Reader, reader_named, reader_names
from fluxgate.refusal import Refusal

THEIRS = SimpleNamespace(read=lambda pixels: pixels.mean(), compare=lambda reading, prompt: ())
NO_READER = SimpleNamespace(read=lambda pixels: None)


def offering(monkeypatch: pytest.MonkeyPatch, **values: str) -> None:
    """Packages that offer readers by entry points."""
    entries = EntryPoints(EntryPoint(name, value, readers.GROUP) for name, value in values.items())
    monkeypatch.setattr(readers, "entry_points", lambda group: entries if group == readers.GROUP else ())
    reader_named.cache_clear()


def test_the_storybook_reader_ships() -> None:
    """It reads pixels and compares what it saw with a prompt."""
    storybook = reader_named("storybook")
    findings = storybook.compare(storybook.read(np.zeros((64, 64, 3), np.uint8)), "A red house in a desert at night.")
    assert findings
    assert not any(finding.found for finding in findings if "house" in finding.asked)


def test_an_installed_package_may_offer_a_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    """By an entry point, which is loaded when somebody asks for it."""
    offering(monkeypatch, theirs=f"{__name__}:THEIRS", broken="no_such_module:reader")
    assert reader_names() == ("storybook", "broken", "theirs")
    assert isinstance(reader_named("theirs"), Reader)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("os", "'os' is unknown; choose from storybook, broken, half"),
        ("fluxgate.miniature.storybook", "is unknown"),
        ("broken", "cannot be loaded from no_such_module:reader"),
        ("half", "does not have the functions read and compare"),
    ],
)
def test_what_is_no_reader_is_refused(monkeypatch: pytest.MonkeyPatch, name: str, reason: str) -> None:
    """A module's name is no reader's name: a file cannot have code imported."""
    offering(monkeypatch, half=f"{__name__}:NO_READER", broken="no_such_module:reader")
    with pytest.raises(Refusal, match=reason):
        reader_named(name)


def test_what_ships_cannot_be_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another package's reader of the same name is passed over."""
    offering(monkeypatch, storybook=f"{__name__}:THEIRS")
    assert reader_names() == ("storybook",)
    assert reader_named("storybook") is not THEIRS

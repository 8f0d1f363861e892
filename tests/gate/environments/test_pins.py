"""Tests of pins: what changes between two stacks, and changes as users write them."""

from __future__ import annotations

import pytest

from fluxgate.gate.environments.pins import Pins, fits, parse_changes
from fluxgate.refusal import Refusal
from fluxgate.report.gate_result import Move


@pytest.mark.parametrize(
    "installed, asked, expected",
    [
        ("1.0", "1.0.0", True),
        ("2.13.0+cpu", "2.13.0", True),
        ("2.13.0", "2.13.0+cpu", False),
        ("2.13.0+cpu", "2.13.0+cu130", False),
        ("1.0rc1", "1.0", False),
        ("1.0rc1", "1.0rc1", True),
        (None, None, True),
        (None, "1.0", False),
        ("2004d", "2004d", True),
    ],
)
def test_a_release_fits_what_was_asked_for(installed: str | None, asked: str | None, expected: bool) -> None:
    """A build counts where it was asked for by name, and only there."""
    assert fits(installed, asked) is expected


def test_moves_lead_from_one_stack_to_the_other() -> None:
    """What is new, what changes and what is gone; the rest does not move."""
    old = Pins.of({"torch": "2.13.0+cpu", "diffusers": "0.42.1", "httpx": "1.0"})
    new = Pins.of({"torch": "2.13.0", "diffusers": "0.43.0", "httpx2": "2.0"})
    moves = old.moves_to(new)
    assert moves == (
        Move("diffusers", "0.42.1", "0.43.0"),
        Move("httpx", "1.0", None),
        Move("httpx2", None, "2.0"),
    )
    assert old.moved(moves).versions == {"diffusers": "0.43.0", "httpx2": "2.0", "torch": "2.13.0+cpu"}
    assert [str(move) for move in moves] == ["diffusers 0.42.1 → 0.43.0", "httpx 1.0 (removed)", "httpx2 2.0 (new)"]


def test_changes_are_requirements() -> None:
    """A release, a range, or a name alone."""
    changes = parse_changes(["diffusers==0.43.0", "transformers>=5.23", "torch"])
    assert [str(change) for change in changes] == ["diffusers==0.43.0", "transformers>=5.23", "torch"]


@pytest.mark.parametrize(
    "texts, culprit",
    [
        (["diffusers=0.43"], "'diffusers=0.43' is no requirement"),
        ([""], "'' is no requirement"),
        (["--index-url=x"], "'--index-url=x' is no requirement"),
        (["torch; os_name ~= 'x'"], "is no requirement"),
        (["torch @ https://example.org/torch.whl"], "names an address"),
        (['torch; python_version < "3"'], "does not apply to this Python"),
        (["torch==2.0", "Torch>=2"], "torch is asked for twice"),
        (["Fluxgate==0.9"], "fluxgate renders both stacks itself"),
    ],
)
def test_what_is_no_change_is_refused(texts: list[str], culprit: str) -> None:
    """The sentence names the argument."""
    with pytest.raises(Refusal) as refusal:
        parse_changes(texts)
    assert culprit in str(refusal.value)

"""Tests of which releases are supported."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from fluxgate.support import OLDEST, outside_support
from tests.wording import unsaid

ROOT = Path(__file__).parents[1]
GOOD = {"diffusers": "0.42.1", "transformers": "5.23.0", "accelerate": "1.15.0", "bitsandbytes": "0.50.2"}


@pytest.mark.parametrize("package", sorted(set(OLDEST) - {"python", "torch"}))
def test_the_oldest_supported_release_is_supported(package: str) -> None:
    """And the one before it is not."""
    supported = {"torch": "2.6.0", "python": "3.11.0"}
    assert outside_support({**GOOD, package: OLDEST[package]}, **supported) is None
    sentence = outside_support({**GOOD, package: "0.1"}, **supported)
    assert sentence == (
        f"Outside of what Fluxgate supports: {package} 0.1 is older than {OLDEST[package]}. See requirements/."
    )


@pytest.mark.parametrize(
    ("python", "torch", "complaint"),
    [
        ("3.11.0", "2.6.0", None),
        ("3.13.9", "2.6.0", None),
        ("3.14.0", "2.6.0", "python 3.14.0 is not older than 3.14"),
        ("3.10.9", "2.6.0", "python 3.10.9 is older than 3.11"),
        ("3.12.0", "2.5.1", "torch 2.5.1 is older than 2.6"),
        ("3.12.0", "odd", "torch odd is not a version"),
    ],
)
def test_supported_pythons_and_torches(python: str, torch: str, complaint: str | None) -> None:
    """From the oldest to before the first that is too new."""
    sentence = outside_support(GOOD, torch=torch, python=python)
    assert sentence is None if complaint is None else complaint in str(sentence)


def test_what_is_missing_and_what_may_be() -> None:
    """bitsandbytes is needed by its own strategies only; all complaints are in one sentence."""
    supported = {"torch": "2.6.0", "python": "3.11.0"}
    assert outside_support({k: v for k, v in GOOD.items() if k != "bitsandbytes"}, **supported) is None
    sentence = outside_support({"bitsandbytes": "0.45.1"}, **supported)
    assert sentence is not None
    assert not unsaid(sentence, "diffusers is not installed", "0.33.1")
    assert "bitsandbytes 0.45.1 is older than 0.46" in sentence


@pytest.mark.parametrize(
    ("diffusers", "torchao", "fit"),
    [
        ("0.36.0", "0.15.0", True),
        ("0.36.0", "0.16.0", False),
        ("0.33.1", "0.18.0+cpu", False),
        ("0.37.0", "0.18.0", True),
        ("0.37.0.dev0", "0.18.0", True),
        ("0.36.0", None, True),
    ],
)
def test_releases_that_cannot_be_imported_together(diffusers: str, torchao: str | None, fit: bool) -> None:
    """A torchao that an older diffusers trips over breaks every strategy, so it is named before anything is tried."""
    libraries = {**GOOD, "diffusers": diffusers} | ({"torchao": torchao} if torchao else {})
    sentence = outside_support(libraries, torch="2.6.0", python="3.11.0")
    clash = f"diffusers {diffusers} cannot be imported beside torchao {torchao}: install diffusers 0.37 or newer"
    assert sentence is None if fit else clash in str(sentence)


def test_a_development_version_counts_as_its_release() -> None:
    """Trying the next release before it is out is what the suite is for."""
    assert outside_support({**GOOD, "diffusers": "0.33.1.dev0"}, torch="2.6.0", python="3.11.0") is None


def test_the_ranges_are_those_of_the_requirements() -> None:
    """Told in two places, and equal in both."""
    text = (ROOT / "requirements/ranges.txt").read_text()
    stated = dict(re.findall(r"^([a-z]+) *>= *([0-9.]+)", text, flags=re.MULTILINE))
    assert {name: stated[name] for name in OLDEST if name != "python"} == {
        name: oldest for name, oldest in OLDEST.items() if name != "python"
    }

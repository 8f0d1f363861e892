"""Tests of suite/supported.py."""

from __future__ import annotations

import pytest

from suite.refusal import Refusal
from suite.supported import OLDEST, refuse_unsupported


def test_the_oldest_set_is_supported() -> None:
    """The lower bounds belong to what is supported, on the oldest and on the newest Python."""
    refuse_unsupported(OLDEST, python=(3, 11))
    refuse_unsupported(OLDEST, python=(3, 13))


@pytest.mark.parametrize("python", [(3, 10), (3, 14), (4, 0)])
def test_another_python_is_refused(python: tuple[int, int]) -> None:
    """The sentence tells the range."""
    with pytest.raises(Refusal, match=r"is not supported: Fluxgate runs on 3\.11 to 3\.13\."):
        refuse_unsupported(OLDEST, python=python)


@pytest.mark.parametrize(
    ("package", "version"),
    [("torch", "2.5.1+cu124"), ("diffusers", "0.33.0"), ("transformers", "4.47.1"), ("accelerate", "1.1.1")],
)
def test_an_older_library_is_refused(package: str, version: str) -> None:
    """The sentence names the package, what was found and what is needed."""
    with pytest.raises(Refusal, match=f"^{package} .* is not supported: Fluxgate runs on {package} {OLDEST[package]}"):
        refuse_unsupported(OLDEST | {package: version})


@pytest.mark.parametrize("version", ["0.33.1", "0.34.0.dev0", "1.0", "main"])
def test_a_newer_library_is_supported(version: str) -> None:
    """So is a development version, and one whose name says nothing: those are what a gate is for."""
    refuse_unsupported(OLDEST | {"diffusers": version})


def test_bitsandbytes_may_be_missing_and_torch_may_not() -> None:
    """Quantizing strategies are unsupported without bitsandbytes; without torch nothing is left."""
    refuse_unsupported({name: version for name, version in OLDEST.items() if name != "bitsandbytes"})
    with pytest.raises(Refusal, match="torch is not installed: Fluxgate needs torch 2.6 or newer"):
        refuse_unsupported({})

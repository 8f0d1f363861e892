"""Tests of who is suspected first."""

from __future__ import annotations

from fluxgate.gate.blaming import mentioned
from fluxgate.gate.environments.pins import Move

MOVES = tuple(Move(name, "1.0", "2.0") for name in ("accelerate", "huggingface-hub", "pillow", "transformers"))


def test_what_an_error_names_is_suspected_first() -> None:
    """As it comes there, however it is spelled, and even at the end of a sentence or in a path."""
    text = "ImportError: cannot import name 'HybridCache' from 'transformers' (transformers/__init__.py)."
    assert mentioned(MOVES, text) == ("transformers",)
    assert mentioned(MOVES, "huggingface_hub==1.0 is not what transformers.") == ("huggingface-hub", "transformers")


def test_a_part_of_a_word_names_no_package() -> None:
    """`accelerated` is no accelerate."""
    assert mentioned(MOVES, "it was accelerated by pillows") == ()

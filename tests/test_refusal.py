"""Tests of refusals: one sentence with an exit code."""

from __future__ import annotations

import pytest

from fluxgate.refusal import USAGE, Refusal, full_stop


def test_a_refusal_is_a_usage_error_unless_said_otherwise() -> None:
    """The code is pytest's own for it."""
    assert (Refusal("No.").exit_code, Refusal("No.", exit_code=3).exit_code) == (USAGE, 3)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [("it is", "it is."), ("it is.", "it is."), ("did you mean it?", "did you mean it?"), ("it is!", "it is!")],
)
def test_a_sentence_ends_once(text: str, sentence: str) -> None:
    """Whether or not what it was made of had an end."""
    assert full_stop(text) == sentence

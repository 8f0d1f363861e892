"""A refusal: bad input or a missing precondition, told in one sentence with an exit code."""

from __future__ import annotations

USAGE = 4  # pytest's own code for a usage error, used by the command line too


def full_stop(sentence: str) -> str:
    """The sentence with a full stop, if it does not end in one, in a question or in an exclamation already."""
    return sentence if sentence.endswith((".", "?", "!")) else f"{sentence}."


class Refusal(Exception):
    """Raised wherever the user must change something before the work can begin."""

    def __init__(self, sentence: str, *, exit_code: int = USAGE) -> None:
        super().__init__(sentence)
        self.exit_code = exit_code

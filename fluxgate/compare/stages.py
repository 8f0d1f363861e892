"""The first stage at which a shot left what it is compared with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fluxgate.rendering import (
    DECODED,
    POOLED,
    STAGES,
    T5,
    Fingerprint,
    encoded_for,
    tokenized_for,
    tokens_for,
)

Prints = Mapping[str, Fingerprint]  # stage -> fingerprint

FINISHED = "finished picture"  # what the pipeline makes of the decoded one; it has no fingerprint but its own pixels
# Where within the first stages embeddings became others, by what was seen of the encoder; in the order of its work.
TOKENIZER, CALL, ENCODER, AFTERWARDS = "the tokenizer", "what is asked of it", "the encoder", "after the encoder"


@dataclass(frozen=True)
class StageDifference:
    """Where a shot first differs; a side is None where it has no fingerprint of that stage."""

    shot: str
    stage: str
    expected: Fingerprint | None
    actual: Fingerprint | None
    within: str | None = None  # of embeddings, where they became others; None where that was not seen

    @property
    def step(self) -> int | None:
        """The denoising step, for latents."""
        fingerprint = self.actual or self.expected
        return fingerprint.step if fingerprint else None

    @property
    def reshaped(self) -> bool:
        """Whether the tensor has another size, which no rounding gives it."""
        return self.expected is not None and self.actual is not None and self.expected.shape != self.actual.shape

    @property
    def place(self) -> str:
        """`prompt embeddings`, `the latents after the middle step (step 14)`."""
        named = self.stage if self.step is None else f"{self.stage} (step {self.step})"
        return named if self.stage in (T5, POOLED) else f"the {named}"


def first_difference(shot: str, expected: Prints, actual: Prints, *, moved: bool = False) -> StageDifference | None:
    """The first stage in which they differ, or that was expected and passed over; None where no stage tells.

    moved: whether the finished pictures differ, which counts where the decoded ones do not."""
    for number, stage in enumerate(STAGES):
        theirs, ours = expected.get(stage), actual.get(stage)
        if theirs is not None and ours is not None and theirs.sha256 != ours.sha256:
            return StageDifference(shot, stage, theirs, ours, _within(stage, expected, actual))
        # A loop that ends early has no last step, and a later stage all the same.
        if theirs is not None and ours is None and any(later in actual for later in STAGES[number:]):
            return StageDifference(shot, stage, theirs, None)
    if moved and DECODED in expected and DECODED in actual:
        return StageDifference(shot, FINISHED, None, None)
    return None


def _within(stage: str, expected: Prints, actual: Prints) -> str | None:
    """The first part of the encoder's work that differs; None where one side has no record of it."""
    clues = {tokenized_for(stage): TOKENIZER, tokens_for(stage): CALL, encoded_for(stage): ENCODER}
    both = [clue for clue in clues if clue in expected and clue in actual]
    first = next((clue for clue in both if expected[clue].sha256 != actual[clue].sha256), None)
    if first is not None:
        return clues[first]
    return AFTERWARDS if encoded_for(stage) in both else None

"""Tests of the naming of the first stage that differs."""

from dataclasses import replace

import pytest

from fluxgate.compare.stages import (
    AFTERWARDS,
    CALL,
    ENCODER,
    FINISHED,
    TOKENIZER,
    StageDifference,
    first_difference,
)
from fluxgate.rendering import (
    DECODED,
    LAST,
    MIDDLE,
    POOLED,
    STAGES,
    T5,
    Fingerprint,
    encoded_for,
    tokenized_for,
    tokens_for,
)
from tests.runs.building import fingerprint


def prints(*moved: str, without: str = "") -> dict[str, Fingerprint]:
    return {s: fingerprint("fox", s, value="b" if s in moved else "a") for s in STAGES if s != without}


def at(stage: str) -> StageDifference:
    return StageDifference("fox", stage, prints()[stage], prints(stage)[stage])


@pytest.mark.parametrize("first", STAGES)
def test_the_first_stage_in_the_pipelines_order_is_named(first: str) -> None:
    """Everything after it differs too, and is not its own doing."""
    found = first_difference("fox", prints(), prints(*STAGES[STAGES.index(first) :]))
    assert found is not None
    assert found == at(first)


def test_equal_or_unknown_stages_tell_nothing() -> None:
    """A stage that was not expected is passed over."""
    assert first_difference("fox", prints(), prints()) is None
    assert first_difference("fox", prints(without=T5), prints(T5)) is None
    assert first_difference("fox", {}, {}) is None


def test_a_stage_that_never_came_is_where_they_part() -> None:
    """A loop that ends one step early has no last step; what comes after it differs for that."""
    found = first_difference("fox", prints(), prints(DECODED, without=LAST))
    assert found is not None
    assert found == StageDifference("fox", LAST, prints()[LAST], None)
    unfinished = {stage: print_ for stage, print_ in prints().items() if stage in (T5, POOLED)}
    assert first_difference("fox", prints(), unfinished) is None


def test_pictures_that_moved_after_the_last_stage_point_there() -> None:
    """What is decoded alike and finished otherwise was rounded, or put into another order."""
    found = first_difference("fox", prints(), prints(), moved=True)
    assert found is not None
    assert (found, found.place) == (StageDifference("fox", FINISHED, None, None), "the finished picture")


def test_embeddings_of_another_length_are_reshaped() -> None:
    """No rounding gives a tensor another size."""
    found = at(T5)
    longer = replace(found, actual=replace(fingerprint("fox", T5), shape=(1, 7)))
    assert (found.reshaped, longer.reshaped) == (False, True)


def test_latents_name_their_step() -> None:
    """The step is part of the place."""
    found = StageDifference("fox", MIDDLE, None, replace(fingerprint("fox", MIDDLE), step=25))
    assert found.place == "the latents after the middle step (step 25)"


@pytest.mark.parametrize("stage", [T5, POOLED])
@pytest.mark.parametrize(("moved", "within"), [(3, TOKENIZER), (2, CALL), (1, ENCODER), (0, AFTERWARDS)])
def test_the_part_of_the_encoders_work_that_differs_first_is_told(stage: str, moved: int, within: str) -> None:
    """Words become tokens, tokens are handed over, the encoder computes, and the pipeline goes on with that."""
    parts = [tokenized_for(stage), tokens_for(stage), encoded_for(stage)]
    theirs = {**prints(), **{part: fingerprint("fox", part) for part in parts}}
    ours = {**prints(stage), **{part: fingerprint("fox", part) for part in parts}}
    ours |= {part: fingerprint("fox", part, value="b") for part in parts[len(parts) - moved :]}
    found = first_difference("fox", theirs, ours)
    assert found is not None
    assert (found.stage, found.within) == (stage, within)


def test_a_part_that_one_side_did_not_note_tells_nothing() -> None:
    """What the encoder made is only known to be the same, or another, where both did."""
    clue = {encoded_for(T5): fingerprint("fox", encoded_for(T5), value="b")}
    for theirs, ours in ((prints() | clue, prints(T5)), (prints(), prints(T5) | clue)):
        found = first_difference("fox", theirs, ours)
        assert found is not None
        assert (found.stage, found.within) == (T5, None)

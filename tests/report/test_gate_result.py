"""Tests of the result of a gate as plain data."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fluxgate.report.gate_result import CaseOutcome, Move, Unasked, Way
from tests.report.gates import result


def test_the_bad_outcomes_are_three() -> None:
    """What was fixed or gained is no reason against an upgrade."""
    cases = [replace(result().cases[0], outcome=outcome) for outcome in CaseOutcome]
    assert [case.outcome for case in cases if case.is_bad] == ["changed", "broken", "lost"]


@pytest.mark.parametrize(
    ("move", "words"),
    [
        (Move("numpy", "1", "2"), "numpy 1 → 2"),
        (Move("numpy", None, "2"), "numpy 2 (new)"),
        (Move("numpy", "1", None), "numpy 1 (removed)"),
        (Move("numpy", "1", "2", yanked=True), "numpy 1 → 2, which is yanked"),
    ],
)
def test_a_move_says_what_it_is(move: Move, words: str) -> None:
    """Both versions, or which of them there is none of."""
    assert str(move) == words


def test_what_is_new_is_told_last() -> None:
    """A torch for CUDA brings twenty packages, and is the one that was asked for."""
    moves = (Move("cuda-toolkit", None, "13"), Move("gone", "1", None), Move("torch", "2.13.0", "2.15.0"))
    assert [move.package for move in replace(result(), moves=moves).told_moves] == ["gone", "torch", "cuda-toolkit"]


@pytest.mark.parametrize(
    ("given", "stages"),
    [
        (("prompt embeddings",), ()),
        (("the denoiser's output in step 1", "the denoiser's output in step 2"), ("the denoiser's output",)),
        ((), ()),
    ],
)
def test_stages_that_moved_by_themselves_are_told_once(given: tuple[str, ...], stages: tuple[str, ...]) -> None:
    """Whatever step it was, and only where the first stage that differs does not say as much."""
    assert replace(result().cases[0], given=given).moved_by_itself == stages


def test_what_the_sentence_says_is_not_told_beside_it() -> None:
    """Of what is unresolved only the rest."""
    culprit = result().culprit
    assert culprit is not None
    told = replace(culprit, sentence="It did. Nobody knows why.", unresolved=("Nobody knows why.", "Nor when."))
    assert told.unresolved_beside == ("Nor when.",)


OLDER = Unasked("huggingface-hub", Way.OLDER, "transformers 5.24.0 depends on huggingface-hub<2")
NEWER = Unasked("tokenizers", Way.NEWER, "transformers 5.24.0 depends on tokenizers>=0.24")


def test_what_came_along_unasked_is_told() -> None:
    """What was taken back comes first, and says why."""
    moves = (Move("huggingface-hub", "2.4.0", "1.9.0"), Move("tokenizers", "0.23.3", "0.24.0"))
    several = replace(result(), moves=(*result().moves, *moves), unasked=(NEWER, OLDER))
    assert several.told_unasked == (
        "Nobody asked for 2 of them: huggingface-hub (older: transformers 5.24.0 depends on huggingface-hub<2) "
        "and tokenizers (newer)."
    )
    assert several.came_along["tokenizers"] == "came along, newer: transformers 5.24.0 depends on tokenizers>=0.24"
    assert replace(result(), moves=moves, unasked=(NEWER, OLDER)).told_unasked.startswith("Nobody asked for them: ")
    assert result().told_unasked == ""


def test_of_who_is_to_blame_it_is_told_whether_somebody_asked_for_it() -> None:
    """It came along with what was asked for, older or newer, for a reason; suspects are told alike."""
    (culprit, move) = (result().culprit, Move("tokenizers", "0.23.3", "0.24.0"))
    assert culprit is not None
    told = "tokenizers (newer: transformers 5.24.0 depends on tokenizers>=0.24) came along with what was asked for."
    for blamed in (replace(culprit, packages=(move,)), replace(culprit, packages=(), suspects=(move,))):
        assert result(culprit=blamed, unasked=(NEWER, OLDER)).unasked_blame == told
    assert result(unasked=(NEWER, OLDER)).unasked_blame == ""
    assert result(culprit=None, unasked=(NEWER, OLDER)).unasked_blame == ""

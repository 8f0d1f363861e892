"""Rates over outcomes that are made by hand."""

from __future__ import annotations

import pytest

from fluxgate.judge.verdict import CRASHED, FAILED
from fluxgate.prove.fault import Edit, Fault
from fluxgate.prove.outcome import JUDGED, UNSUPPORTED, Catch, Outcome, Share, With, rates
from fluxgate.rendering import FIRST, T5

PATCH = Edit("a:b", "1", "FIRED(2)")
SENTENCE = "It first differs at prompt embeddings: most likely transformers."


def fault(
    name: str = "one", *, stage: str | None = T5, equivalent: str | None = None, only_time: bool = False
) -> Fault:
    return Fault(
        name, "about", PATCH, packages=("transformers",), stage=stage, equivalent=equivalent, only_time=only_time
    )


def caught(name: str = "one", *held_to: With, stage: str | None = T5, sentence: str = SENTENCE) -> Outcome:
    catch = Catch("full", "matches its baseline", "failed", sentence, stage)
    return Outcome(name, JUDGED, fired={"full": 2}, catches={one.value: (catch,) for one in held_to})


def test_what_is_caught_counts_by_what_it_was_held_to() -> None:
    """One fault that is caught with a baseline alone is no catch without."""
    told = rates([(fault(), caught("one", With.BASELINE)), (fault("two"), caught("two", *With))])
    assert told.caught == {"baseline": Share(2, 2), "shipped": Share(1, 2), "nothing": Share(1, 2)}
    assert (told.stage, told.package) == (Share(2, 2), Share(2, 2))


def test_a_fault_that_did_nothing_counts_for_nothing() -> None:
    """What never fired is told by its name, and is no hole of the judge."""
    told = rates([(fault(), Outcome("one", JUDGED, fired={"full": 0}))])
    assert (told.silent, told.caught["baseline"]) == (("one",), Share(0, 0))


def test_what_cannot_run_here_counts_for_nothing() -> None:
    """A fault of a strategy that needs a GPU is left out on a CPU."""
    told = rates([(fault(), Outcome("one", UNSUPPORTED, why="It needs a GPU."))])
    assert (told.silent, told.caught["baseline"]) == ((), Share(0, 0))


def test_an_equivalent_fault_must_not_be_caught() -> None:
    """A catch of what changes nothing is a false alarm."""
    pair = (fault(equivalent="It is the same."), caught("one", With.NOTHING))
    told = rates([pair])
    assert (told.alarms, told.equivalent, told.caught["nothing"]) == (("one",), ("one",), Share(0, 0))


def test_time_alone_is_left_to_the_history() -> None:
    """A fault that takes nothing but time is no hole here."""
    assert rates([(fault(only_time=True), caught())]).caught["baseline"] == Share(0, 0)


def test_a_wrong_stage_or_package_is_no_right_one() -> None:
    """The first stage that is named must be the fault's, and one of its packages must be named."""
    wrong = caught("one", With.BASELINE, stage=FIRST, sentence="most likely torch")
    told = rates([(fault(), wrong)])
    assert (told.stage, told.package) == (Share(0, 1), Share(0, 1))


@pytest.mark.parametrize(
    ("sentence", "status", "named"),
    [
        ("Most likely diffusers' scheduler or transformers. Run pytest.", FAILED, True),
        ("Measured with transformers 5.23.0. Most likely torch.", FAILED, False),
        ("Most likely transformers_extra.", FAILED, False),
        ("It ended in transformers/modeling_utils.py.", CRASHED, True),
        ("It ended in transformers/modeling_utils.py.", FAILED, False),
    ],
)
def test_a_package_is_named_where_it_is_suspected(sentence: str, status: str, named: bool) -> None:
    """Not wherever its name stands; but a crash's own words count."""
    catch = Catch("full", "matches its baseline", status, sentence, T5)
    assert Outcome("one", JUDGED, catches={"baseline": (catch,)}).names(["transformers"], With.BASELINE) == named


def test_a_sentence_that_invites_to_accept_a_fault_is_counted() -> None:
    """However it was held to, nobody should be asked to accept it."""
    inviting = caught("one", With.SHIPPED, sentence='If that is right, run fluxgate accept RUN --because "…".')
    assert rates([(fault(), inviting), (fault("two"), caught("two"))]).inviting == 1

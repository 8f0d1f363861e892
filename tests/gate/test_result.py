"""Tests of a gate's findings as the plain value that reports show."""

from __future__ import annotations

import datetime
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fluxgate.gate.culprit.bisection import Range, Unjudged
from fluxgate.gate.culprit.finding import Culprit, Finding, Kind
from fluxgate.gate.decision import Decision
from fluxgate.gate.environments.stages import Cause
from fluxgate.gate.gate import Gated
from fluxgate.gate.holding import Held
from fluxgate.gate.probing import Evidence
from fluxgate.gate.result import About, as_plain
from fluxgate.report.gate_folder import read_gate_result, write_gate_result
from fluxgate.report.gate_result import CANDIDATE, Answer, CaseOutcome, CaseResult, EvidenceResult, GateResult, Move
from fluxgate.runs import run as runs
from tests.runs.building import MACHINE, STACK

MOVES = (Move("tokenizers", "0.22.0", "0.22.2"), Move("transformers", "4.56.2", "4.57.0", yanked=True))
SEEN = EvidenceResult("tiny-full", "changed", "prompt embeddings", ("fox",))
FINDING: Finding[Evidence] = Finding(
    Kind.SINGLE, (Culprit(((MOVES[1],),), evidence=(SEEN,)),), held_back=(MOVES[1],), environments=2
)
TURN: Range[Evidence] = Range(
    "transformers", good="4.56.2", bad="4.57.0", between=(Unjudged("4.56.3", "is yanked"),), environments=3
)


def plain(tmp_path: Path, answer: Answer = Answer.NOT_SAFE, **more: Any) -> GateResult:
    folder = tmp_path / "gates" / "20261126-120000-cpu"
    run = runs.create(tmp_path / "stacks" / "0123", MACHINE, STACK, "fluxgate gate")
    outcome = CaseResult("tiny-full", "tiny", "full", CaseOutcome.CHANGED, "it moved", "prompt embeddings")
    outcome = replace(outcome, pictures_compared=5, pictures_moved=2, least_ssim=0.9)
    decision = Decision(answer, f"{answer.capitalize()}.", contrasts=("Only offloaded cases moved.",))
    gated = Gated(decision, MACHINE, dict(STACK), dict(STACK), MOVES, (outcome,), runs={CANDIDATE: run})
    held = Held(gated, seconds={"rendering": 3.0}, **more)
    started = datetime.datetime(2026, 11, 26, 12, tzinfo=datetime.UTC)
    return as_plain(held, About(folder, tier="short", command="fluxgate gate", started=started))


def test_all_of_it_can_be_written_and_read(tmp_path: Path) -> None:
    """Nothing in it belongs to this process alone."""
    made = plain(tmp_path, finding=FINDING, ranges=(TURN,))
    write_gate_result(tmp_path / "gates" / made.id, made)
    assert read_gate_result(tmp_path / "gates" / made.id) == made
    assert made.runs[CANDIDATE].startswith("../../stacks/0123/")
    assert (made.cases[0].pictures_moved, made.cases[0].least_ssim) == (2, 0.9)


def test_the_culprit_has_versions_evidence_and_pins(tmp_path: Path) -> None:
    """And the release with which it began."""
    culprit = plain(tmp_path, finding=FINDING, ranges=(TURN,)).culprit
    assert culprit is not None
    assert [(one.package, one.old, one.new, one.yanked) for one in culprit.packages] == [
        ("transformers", "4.56.2", "4.57.0", True)
    ]
    assert (culprit.pin, culprit.environments) == (("transformers==4.56.2",), 2)
    assert (culprit.evidence, culprit.evidence[0].shots) == ((SEEN,), ("fox",))
    assert [(one.good, one.bad, one.between) for one in culprit.releases] == [("4.56.2", "4.57.0", ("4.56.3",))]


@pytest.mark.parametrize(
    ("answer", "finding", "words"),
    [
        (Answer.NOT_SAFE, FINDING, "fluxgate gate tokenizers==0.22.2"),
        (Answer.NOT_SAFE, None, "Keep the incumbent"),
        (Answer.CANNOT_TELL, None, "again"),
        (Answer.SAFE, None, "fluxgate accept"),
        (Answer.DRIFT, None, "fluxgate accept"),
    ],
)
def test_it_says_what_to_run_next(
    tmp_path: Path, answer: Answer, finding: Finding[Evidence] | None, words: str
) -> None:
    """What is left of the upgrade where the culprit is known."""
    assert words in plain(tmp_path, answer, finding=finding).next


@pytest.mark.parametrize(("answer", "command"), [(Answer.SAFE, "fluxgate accept "), (Answer.CANNOT_TELL, "")])
def test_the_command_stands_alone_too(tmp_path: Path, answer: Answer, command: str) -> None:
    """Whoever offers it for copying need not take a sentence apart."""
    made = plain(tmp_path, answer)
    assert (made.next_command[: len(command)], bool(made.next_command)) == (command, bool(command))
    assert made.next.endswith(made.next_command)
    assert (":" in made.next_words, made.next_words[-1]) == (not command, ".")


def test_what_is_left_of_the_upgrade_is_gated_as_the_whole_was() -> None:
    """With the same incumbent and cases, as far as it was asked for; of two files, the pin is enough."""
    command = "fluxgate gate transformers==4.57.0 tokenizers --incumbent transformers==4.56.2 --strategy full"
    about = About(
        Path("gate"),
        tier="full",
        command=command,
        started=datetime.datetime(2026, 11, 26, tzinfo=datetime.UTC),
        upgrade=("transformers==4.57.0", "tokenizers"),
    )
    decision = Decision(Answer.NOT_SAFE, "Not safe.")
    held = Held(Gated(decision, MACHINE, {}, {}, MOVES), FINDING)
    expected = "fluxgate gate tokenizers==0.22.2 --incumbent transformers==4.56.2 --strategy full"
    assert as_plain(held, about).next.endswith(expected)
    last = "fluxgate gate --incumbent transformers==4.56.2 --strategy full -- transformers==4.57.0 tokenizers"
    assert as_plain(held, replace(about, command=last)).next.endswith(expected)
    alone = replace(about, command="fluxgate gate transformers==4.57.0", upgrade=("transformers==4.57.0",))
    assert as_plain(held, alone).next == "Keep the incumbent."
    files = replace(about, command="fluxgate gate old new", upgrade=("old", "new"), files=True)
    assert ("that pin into new:" in as_plain(held, files).next, "fluxgate" in as_plain(held, files).next) == (
        True,
        False,
    )


def test_of_what_cannot_be_told_apart_the_likeliest_is_gated_alone() -> None:
    """It then brings other releases along, with which more may be told."""
    command = "fluxgate gate transformers==4.57.0 tokenizers==0.22.2 --strategy full"
    started = datetime.datetime(2026, 11, 26, tzinfo=datetime.UTC)
    upgrade = ("transformers==4.57.0", "tokenizers==0.22.2")
    about = About(Path("gate"), tier="full", command=command, started=started, upgrade=upgrade)
    tied: Finding[Evidence] = Finding(
        Kind.SINGLE, (Culprit((MOVES[::-1],), evidence=(SEEN,)),), held_back=MOVES, everything=True
    )
    held = Held(Gated(Decision(Answer.NOT_SAFE, "Not safe."), MACHINE, {}, {}, MOVES), tied)
    assert as_plain(held, about).next_command == "fluxgate gate transformers==4.57.0 --strategy full"
    assert as_plain(held, replace(about, upgrade=upgrade[:1])).next_command == ""


def test_where_nothing_renders_another_incumbent_is_asked_for(tmp_path: Path) -> None:
    """To run the same once more would say the same."""
    nothing = CaseResult("tiny-full", "tiny", "full", CaseOutcome.IDENTICAL, "it crashes in both: no such file")
    other_noise = replace(nothing, outcome=CaseOutcome.UNSTEADY, pictures_compared=2, other_noise=True)
    decision = Decision(Answer.CANNOT_TELL, "Cannot tell.")
    started = datetime.datetime(2026, 11, 26, 12, tzinfo=datetime.UTC)
    about = About(tmp_path / "gates" / "20261126-120000-cpu", tier="short", command="fluxgate gate", started=started)
    told = [
        as_plain(Held(Gated(decision, MACHINE, {}, {}, MOVES, (case,))), about).next for case in (nothing, other_noise)
    ]
    assert ["--incumbent" in told[0], "fluxgate report" in told[1]] == [True, True]


HUB = Move("huggingface-hub", "2.4.0", "1.9.0")
ASKED = About(
    Path("gate"),
    tier="full",
    command="fluxgate gate transformers==4.57.0 --strategy full",
    started=datetime.datetime(2026, 11, 26, tzinfo=datetime.UTC),
    upgrade=("Transformers==4.57.0",),
)


def test_what_nobody_asked_for_is_told_with_its_way_and_reason() -> None:
    """The resolver moved it, and may have taken it back; of two files all was asked for."""
    odd = Move("odd", "a", "b")
    moves = (HUB, Move("httpx", None, "0.28.1"), *MOVES, odd, Move("built", "1.0+cpu", "1.0+cpu"))
    needed = {HUB.package: "transformers 4.57.0 depends on huggingface-hub<2"}
    held = Held(Gated(Decision(Answer.SAFE, "Safe."), MACHINE, {}, {}, moves, needed=needed))
    assert [(one.package, one.way, one.because) for one in as_plain(held, ASKED).unasked] == [
        ("huggingface-hub", "older", needed[HUB.package]),
        ("httpx", "new", ""),
        ("tokenizers", "newer", ""),
        ("odd", "other", ""),
        ("built", "other", ""),
    ]
    assert as_plain(held, replace(ASKED, upgrade=("old.txt", "new.txt"), files=True)).unasked == ()


def test_a_culprit_that_came_along_is_pinned_in_the_next_command() -> None:
    """Without a pin, the resolver would move it again, and the same would come of it."""
    finding: Finding[Evidence] = Finding(Kind.SINGLE, (Culprit(((HUB,),), evidence=(SEEN,)),), held_back=(HUB,))
    held = Held(Gated(Decision(Answer.NOT_SAFE, "Not safe."), MACHINE, {}, {}, (HUB, *MOVES)), finding)
    expected = "fluxgate gate transformers==4.57.0 huggingface-hub==2.4.0 --strategy full"
    about = replace(ASKED, upgrade=("transformers==4.57.0",))
    assert as_plain(held, about).next_command == expected


def test_where_there_is_no_such_release_the_words_are_to_be_checked() -> None:
    """A misspelt package says nothing about an upgrade."""
    gated = Gated(Decision(Answer.NOT_SAFE, "Not safe."), MACHINE, {}, {}, (), stage="resolve")
    assert as_plain(Held(gated), ASKED).next == "Keep the incumbent."
    missing = replace(gated, cause=Cause.NO_SUCH_VERSION)
    assert as_plain(Held(missing), ASKED).next.startswith("Check the name, the version")

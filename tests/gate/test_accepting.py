"""Tests of the pins that move with an accepted upgrade."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from fluxgate.gate.accepting import lines_of, moved_pins, refuse_left_out, refuse_partial
from fluxgate.gate.environments.pin_files import read_pins
from fluxgate.refusal import Refusal
from fluxgate.report.gate_result import CANDIDATE, CaseOutcome, Move
from tests.report.gates import result

PINS = """\
# what was tried
accelerate==1.15.0
Torch == 2.12.0  # without its build
transformers==4.56.2
zipp==4.1.2
"""
MOVES = (
    Move("torch", "2.12.0+cpu", "2.13.0+cpu"),
    Move("tqdm", None, "4.67"),
    Move("transformers", "4.56.2", "4.57.0"),
    Move("zipp", "4.1.2", None),
)
UPGRADE = result(moves=MOVES, runs={CANDIDATE: "../../stacks/a/b"})


@pytest.fixture
def pins(tmp_path: Path) -> Path:
    path = tmp_path / "known-good.txt"
    path.write_text(PINS)
    return path


def test_what_moves_is_pinned_anew(pins: Path) -> None:
    """New, gone and changed; comments, spelling and a build that was left away stay."""
    assert moved_pins(UPGRADE, pins).after.splitlines() == [
        "# what was tried",
        "accelerate==1.15.0",
        "Torch == 2.13.0  # without its build",
        "tqdm==4.67",
        "transformers==4.57.0",
    ]


def test_the_change_is_shown_line_by_line(pins: Path) -> None:
    """As a diff shows it."""
    shown = [line.partition(": ")[2] for line in lines_of(moved_pins(UPGRADE, pins))]
    assert ("-transformers==4.56.2" in shown, "+transformers==4.57.0" in shown) == (True, True)
    assert not any("accelerate" in line for line in shown)


def test_what_was_written_reads_as_the_candidate(pins: Path) -> None:
    """And a second acceptance of the same gate changes nothing."""
    once = moved_pins(UPGRADE, pins)
    pins.write_text(once.after)
    assert read_pins(pins).versions["torch"] == "2.13.0"
    assert moved_pins(UPGRADE, pins).after == once.after


def test_a_pin_for_another_python_stays(pins: Path) -> None:
    """Of two pins of one package, the one that holds here moves."""
    old = "transformers==4.40.0 ; python_version < '3'"
    pins.write_text(PINS.replace("transformers==", f"{old}\ntransformers=="))
    after = moved_pins(UPGRADE, pins).after.splitlines()
    assert (old in after, "transformers==4.57.0" in after) == (True, True)


def test_hashes_of_other_files_are_not_left_behind(pins: Path) -> None:
    """Nothing could be installed from such a file."""
    pins.write_text(PINS.replace("==4.56.2", f"==4.56.2 \\\n    --hash=sha256:{'0' * 64}"))
    with pytest.raises(Refusal, match="has hashes"):
        moved_pins(UPGRADE, pins)


def test_an_upgrade_from_another_stack_is_refused(pins: Path) -> None:
    """The pins would skip what nobody has gated."""
    pins.write_text(PINS.replace("4.56.2", "4.55.0"))
    with pytest.raises(Refusal, match=r"transformers 4\.55\.0"):
        moved_pins(UPGRADE, pins)


def test_a_candidate_that_was_not_rendered_is_refused(pins: Path) -> None:
    """There is nothing that could be accepted."""
    with pytest.raises(Refusal, match="was not rendered"):
        moved_pins(replace(UPGRADE, runs={}), pins)


def test_accepted_cases_that_were_left_out_are_asked_for_if_any_moved() -> None:
    """They may have moved as well; where none did, they have not."""
    with pytest.raises(Refusal, match="--tier all"):
        refuse_partial(UPGRADE, {"tiny-full", "tiny-nf4"})
    refuse_partial(UPGRADE, {"tiny-full"})
    still = replace(UPGRADE.cases[0], outcome=CaseOutcome.IDENTICAL)
    refuse_partial(replace(UPGRADE, cases=(still,)), {"tiny-full", "tiny-nf4"})


def test_pins_move_for_all_that_moved_or_for_nothing() -> None:
    """One that was rejected, or not decided about, keeps the incumbent; what is identical needs no decision."""
    (case,) = UPGRADE.cases
    same = replace(case, case_id="tiny-same", outcome=CaseOutcome.IDENTICAL)
    other = replace(case, case_id="tiny-other", outcome=CaseOutcome.DRIFTED)
    both = replace(UPGRADE, cases=(case, same, other))
    refuse_left_out(both, {case.case_id, "tiny-other"})
    with pytest.raises(Refusal, match=r"tiny-other.* all 2 cases"):
        refuse_left_out(both, {case.case_id})

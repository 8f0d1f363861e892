"""Tests of benchmarks/peer.py: what counts of diffusers' own tests, and one session of each kind with a small clone."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.peer import (
    CLEAN,
    FAILED,
    NOT_ASKED,
    NOT_REACHED,
    NOT_SEEN,
    PASSED,
    RESULT,
    SEEN,
    TESTS,
    Session,
    answer,
    clean_passes,
    main,
)
from fluxgate.files import read_plain
from fluxgate.refusal import Refusal

PICTURES = """
import pytest
import torch
from diffusers.image_processor import VaeImageProcessor


def test_range():
    assert VaeImageProcessor.denormalize(torch.zeros(1)) == 0.5


def test_another():
    assert VaeImageProcessor.denormalize(torch.ones(1)) == 0.5


@pytest.mark.compile
def test_compiled():
    pass


def test_error_raised_if_streams_used_and_no_accelerator_device():
    pass
"""
FAULT = "range-not-moved"
OF_WHAT_IS_LOADED = "bias-zero"


def session(name: str, *, fired: int = 1, code: int | None = 1, **tests: str) -> Session:
    return Session(name, tests, 1.0, code, fired)


def test_only_what_passes_twice_without_a_fault_counts() -> None:
    """A test that fails anyway, or now and then, says nothing."""
    one = session(CLEAN[0], right=PASSED, wrong=FAILED, flaky=PASSED)
    two = session(CLEAN[1], right=PASSED, wrong=FAILED, flaky=FAILED)
    clean = clean_passes({one.name: one, two.name: two})
    assert clean == ["right"]
    assert answer(session("fault", right=FAILED, wrong=FAILED, flaky=FAILED), clean).red == ("right",)
    assert answer(session("fault", right=PASSED, wrong=FAILED, flaky=FAILED), clean).status == NOT_SEEN


def test_a_fault_that_never_did_anything_was_not_reached() -> None:
    """It counts neither for nor against those tests."""
    assert answer(session("fault", fired=0, code=0, right=PASSED), ["right"]).status == NOT_REACHED


def test_a_session_that_dies_of_a_fault_has_seen_it() -> None:
    """One in which the fault did nothing has not been asked."""
    assert answer(session("fault", code=-11), ["right"]).status == SEEN
    assert answer(session("fault", code=3, fired=0), ["right"]).status == NOT_ASKED


@pytest.mark.long
def test_a_fault_turns_a_test_of_a_clone_red(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The clone's own diffusers is never imported, and what has run is not run again."""
    for name in TESTS:
        file = tmp_path / "clone" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        if file.suffix:
            file.write_text("", encoding="utf-8")
        else:
            file.mkdir()
    (tmp_path / "clone" / TESTS[0]).write_text(PICTURES, encoding="utf-8")
    source = tmp_path / "clone" / "src" / "diffusers" / "__init__.py"
    source.parent.mkdir(parents=True)
    source.write_text('__version__ = "0.0.1"\nraise SystemExit("imported")\n', encoding="utf-8")
    asked = [str(tmp_path / "clone"), FAULT, OF_WHAT_IS_LOADED, "--output", str(tmp_path / "out")]
    assert main(asked) == 0
    (seen, other) = read_plain(tmp_path / "out" / RESULT, dict)["answers"]
    assert (seen["status"], seen["red"]) == (SEEN, [f"{TESTS[0]}::test_range"])
    assert other["status"] == NOT_ASKED
    capsys.readouterr()
    assert main([*asked, "--limit", "0"]) == 0
    told = capsys.readouterr().out
    assert f"| `{FAULT}` | 1 red |" in told
    assert "1 failed, 1 passed without a fault" in told
    assert "tests of 0.0.1" in told
    with pytest.raises(Refusal, match="other tests"):
        main([*asked, "--tests", TESTS[0]])


@pytest.mark.long
def test_only_the_tests_asked_for_are_run(tmp_path: Path) -> None:
    """So what could not be asked the first time can be asked alone."""
    for name in TESTS[:2]:
        file = tmp_path / "clone" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(PICTURES, encoding="utf-8")
    asked = [str(tmp_path / "clone"), FAULT, "--output", str(tmp_path / "out")]
    assert main([*asked, "--tests", TESTS[1]]) == 0
    (seen,) = read_plain(tmp_path / "out" / RESULT, dict)["answers"]
    assert seen["red"] == [f"{TESTS[1]}::test_range"]


def test_a_clone_without_tests_is_refused(tmp_path: Path) -> None:
    """With the file that is missing."""
    with pytest.raises(Refusal, match=TESTS[0]):
        main([str(tmp_path), FAULT])

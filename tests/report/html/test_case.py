"""Tests of what is shown of a case."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest

from fluxgate.cases import Case
from fluxgate.judge.verdict import CRASHED, PASSED, PROMISE, Limit, Verdict
from fluxgate.rendering import DECODED, LAST, T5
from fluxgate.report.html.case import (
    DIFFERS,
    LINES,
    SAME,
    UNKNOWN,
    answers,
    command,
    left_at,
    log_tail,
    phases,
    stages,
    traits,
)
from tests.report.made import of_case
from tests.runs import building


def test_the_command_repeats_just_this_case() -> None:
    """A name that a shell would take for something else is quoted."""
    case = building.CASES["tiny-nf4"]
    assert command(case.id, case) == "pytest --subject tiny --strategy nf4"
    odd = Case(replace(building.SUBJECT, name="x; rm -rf ~"), case.strategy, "cuda")
    assert command(odd.id, odd) == "pytest --subject 'x; rm -rf ~' --strategy nf4"


def test_an_answer_has_its_numbers_and_its_limit() -> None:
    """And every line of its sentence."""
    limit = Limit(0.94, "measured", n=40, machine="h100", date="2025-11-21")
    (found,) = answers([Verdict("tiny", "nf4", PROMISE, PASSED, "One.\n\n  Two.", {"ssim": 0.95}, limit)])
    assert found.lines == ("One.", "  Two.")
    assert (found.numbers, found.limit) == ("ssim 0.95", "0.94 (measured, n=40, h100, 2025-11-21)")


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (548_585_472.0, "548,585,472"),
        (10_000.0, "10,000"),
        (9_999.5, "9999.5"),
        (-49_152.0, "-49,152"),
        (0.95, "0.95"),
        (1e300, "1e+300"),
        (math.inf, "inf"),
        (math.nan, "nan"),
    ],
)
def test_a_large_number_is_written_out(value: float, words: str) -> None:
    """As far as anybody can read it."""
    (found,) = answers([Verdict("tiny", "nf4", PROMISE, PASSED, "One.", {"bytes": value}, Limit(value, "measured"))])
    assert (found.numbers, found.limit) == (f"bytes {words}", f"{words} (measured)")


def test_a_crash_is_told_once() -> None:
    """It is about every check; its last lines stand here only where they do not stand elsewhere."""
    first, *others = of_case("nf4", CRASHED, "The worker ended.")
    crashed = [replace(first, sentence="The worker ended.\n  Its last line."), *others]
    (found,) = answers(crashed)
    assert (found.check, found.lines) == (f"{len(crashed)} checks", ("The worker ended.", "  Its last line."))
    (brief,) = answers(crashed, last_lines=["Its last line."])
    assert brief.lines == ("The worker ended.",)


def test_a_crash_of_one_check_names_it() -> None:
    """And leaves the answers of the others as they are."""
    first, *others = of_case("nf4", PASSED)
    crashed = replace(first, status=CRASHED, sentence="The worker ended.")
    assert [one.check for one in answers([crashed, *others])] == [one.check for one in (first, *others)]


def test_nothing_is_told_of_stages_and_phases_that_were_not_reached(tmp_path: Path) -> None:
    """Of a case that crashed while it was loaded."""
    rendering = building.rendering("offload", tmp_path)
    crashed = replace(rendering, fingerprints=(), durations=(), memory=None)
    assert stages(crashed, rendering) == ()
    assert phases(crashed, rendering) == ()


def test_stages_are_compared_shot_by_shot(tmp_path: Path) -> None:
    """Where each left, and what was noted of one side alone."""
    reference, ours = (building.rendering(name, tmp_path / name) for name in ("full", "offload"))
    prints = tuple(
        replace(entry, sha256="f" * 64) if (entry.shot, entry.stage) == ("fox", LAST) else entry
        for entry in ours.fingerprints
        if (entry.shot, entry.stage) != ("pair", DECODED)
    )
    found = stages(replace(ours, fingerprints=prints), reference)
    words = {row.stage: [word for word, _ in row.cells] for row in found}
    assert words == {T5: [SAME, SAME], LAST: [DIFFERS, SAME], DECODED: [SAME, UNKNOWN]}
    assert left_at(found, ours.recipes) == (("fox", LAST),)
    assert stages(ours, None) == ()


def test_the_inventory_shows_every_change() -> None:
    """Of bytes, of weights, and of components that only one side has."""
    before, after = building.inventory(1000), building.inventory(2000)
    del after.components["text_encoder"]
    found = {(one.component, one.what): one for one in traits(after, before)}
    assert found["transformer", "bytes"].changed
    assert (found["transformer", "bytes"].expected, found["transformer", "bytes"].actual) == (
        "bfloat16 1.0 KB",
        "bfloat16 2.0 KB",
    )
    assert not found["transformer", "class"].changed
    assert found["text_encoder", "class"].actual == ""
    assert not any(one.changed for one in traits(after, None))


def test_phases_have_seconds_and_peaks(tmp_path: Path) -> None:
    """Beside the reference's seconds; a phase that was not measured is empty."""
    rendering = building.rendering("full", tmp_path)
    load, encode, denoise, _ = phases(rendering, rendering)
    assert (load.seconds, load.expected, load.peaks) == ("1.00 s", "1.00 s", ("1.00 GB", "2.00 GB"))
    assert encode.seconds == ""
    assert (denoise.seconds, denoise.gpu) == ("2.00 s", "")
    timed = replace(rendering, durations=tuple(replace(one, processor=0.5, gpu=0.25) for one in rendering.durations))
    assert (phases(timed, None)[0].processor, phases(timed, None)[0].gpu) == ("0.50 s", "0.25 s")


def test_a_log_is_read_from_its_end(tmp_path: Path) -> None:
    """Some lines of it, however long it is, and whatever it holds."""
    (tmp_path / "log.txt").write_bytes(b"x" * 3_000_000 + b"\n\xff\x1b[2J\n" + b"line\n" * 100)
    found = log_tail(tmp_path)
    assert len(found) == LINES
    assert found[-1] == "line"
    assert log_tail(tmp_path / "nowhere") == ()


def test_a_log_that_leads_elsewhere_is_not_read(tmp_path: Path) -> None:
    """A run from elsewhere does not put a file of this machine onto its page."""
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "log.txt").symlink_to(tmp_path / "secret")
    assert log_tail(tmp_path) == ()

"""Tests of the judge of one case: one verdict for every check, whatever the case gave."""

import datetime
import tempfile
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fluxgate.baselines.baseline import Baseline
from fluxgate.baselines.known_failures import KnownFailure
from fluxgate.baselines.limits import Band, CaseLimits, Limit
from fluxgate.baselines.store import PORTABLE
from fluxgate.cases import Case
from fluxgate.compare.measures import SSIM
from fluxgate.judge.applicable import checks_of
from fluxgate.judge.case import judge_case
from fluxgate.judge.evidence import SHARED_FROM, Evidence
from fluxgate.judge.standards import BaselineUse
from fluxgate.judge.verdict import (
    BASELINE,
    CHECKS,
    CRASHED,
    FAILED,
    GIVES_BACK,
    INVENTORY,
    KNOWN_FAILURE,
    NO_DATA,
    PASSED,
    PROMISE,
    STATUSES,
    TWICE,
    UNSUPPORTED,
    Verdict,
)
from fluxgate.rendering import PHASES, STAGES, Crash, CrashKind, Memory, PhaseMemory
from fluxgate.runs.rendered import Rendered
from tests.judge.made import (
    CRASH,
    NF4,
    OFFLOAD,
    SUBJECT,
    accepted,
    assert_suspects_agree,
    changed,
    crashed,
    evidence,
    left_at,
    made,
    nudge,
    scramble,
    with_rendering,
)
from tests.wording import unsaid

ENTRY = KnownFailure(
    subject="tiny",
    strategy="offload",
    check=TWICE,
    reason="Weights are read too early.",
    upstream=("https://example.org/11981",),
    versions=("diffusers<=0.42.1",),
    since=datetime.date(2025, 7, 1),
    owner="ada",
    review_by=datetime.date(2026, 7, 1),
)
ALL = replace(ENTRY, check="*")


APPLICABLE = checks_of(Case(SUBJECT, OFFLOAD, "cuda"))


def by_check(verdicts: tuple[Verdict, ...]) -> dict[str, Verdict]:
    assert tuple(verdict.check for verdict in verdicts) == APPLICABLE
    return {verdict.check: verdict for verdict in verdicts}


def test_every_check_that_applies_has_one_verdict_in_order(tmp_path: Path) -> None:
    """A sound case without any baseline passes what a single run can tell, and names what it lacks."""
    found = by_check(judge_case(evidence(tmp_path)))
    assert [check for check in found if found[check].status == PASSED] == [TWICE, PROMISE, GIVES_BACK, INVENTORY]
    assert {verdict.case_id for verdict in found.values()} == {"tiny-offload"}
    assert {verdict.status for verdict in found.values()} == {PASSED, NO_DATA}
    assert not unsaid(found[TWICE].line, "tiny-offload", "5 pictures", "fox", "pair")


def test_an_unsupported_case_is_unsupported_throughout(tmp_path: Path) -> None:
    """The reason stands in every cell, and nothing is read."""
    whole = evidence(tmp_path, rendered=None)
    found = judge_case(replace(whole, case=replace(whole.case, unsupported="It needs a GPU.")))
    assert {(verdict.status, verdict.sentence) for verdict in by_check(found).values()} == {
        (UNSUPPORTED, "It needs a GPU.")
    }


def test_what_was_not_rendered_has_no_data(tmp_path: Path) -> None:
    """A case without a rendering is not silent either: it says what renders it."""
    found = by_check(judge_case(evidence(tmp_path, rendered=None)))
    assert {verdict.status for verdict in found.values()} == {NO_DATA}
    assert found[TWICE].sentence.endswith("Run pytest --subject tiny --strategy offload.")


def test_a_crash_is_told_whole_once_and_short_elsewhere(tmp_path: Path) -> None:
    """The first check carries the worker's last lines."""
    found = by_check(judge_case(evidence(tmp_path, rendered=crashed(made(tmp_path, "offload")))))
    assert {verdict.status for verdict in found.values()} == {CRASHED}
    short = "The worker ended during denoise (signal): It was killed by SIGSEGV."
    assert found[TWICE].sentence == f"{short}\n  step 3 of 8\n  Segmentation fault"
    assert {found[check].sentence for check in APPLICABLE[1:]} == {short}


@pytest.mark.parametrize(
    ("theirs", "short"), [({}, True), ({"sentence": "Another."}, False), ({"phase": "decode"}, False)]
)
def test_a_crash_of_its_reference_is_not_told_again(tmp_path: Path, theirs: dict[str, Any], short: bool) -> None:
    """A case that ended as its reference did names that one, once; any other end is told whole."""
    full = made(tmp_path, crash=replace(CRASH, **theirs))
    found = judge_case(evidence(tmp_path, rendered=crashed(made(tmp_path, "offload")), reference=full))
    assert {verdict.status for verdict in found} == {CRASHED}
    same = "The worker ended during denoise as that of its reference did, tiny-full, in the same words."
    assert ({verdict.sentence for verdict in found} == {same}) is short
    assert ("Segmentation fault" in found[0].sentence) is not short


def test_a_crash_names_the_libraries_that_it_came_through(tmp_path: Path) -> None:
    """The innermost first, before the worker's last lines."""
    ours = made(tmp_path, "offload", crash=replace(CRASH, raised_in=("accelerate", "diffusers")))
    first, *others = judge_case(evidence(tmp_path, rendered=ours))
    assert first.sentence.splitlines()[0] == others[0].sentence
    assert others[0].sentence.endswith("SIGSEGV. Most likely accelerate or diffusers.")
    assert {one.suspects for one in (first, *others)} == {"accelerate or diffusers"}


def test_what_a_library_exclaims_ends_once(tmp_path: Path) -> None:
    """Its sentence is followed by another one."""
    ours = made(tmp_path, "offload", crash=replace(CRASH, sentence="See the report above!", raised_in=("diffusers",)))
    _, other, *_ = judge_case(evidence(tmp_path, rendered=ours))
    assert other.sentence.endswith("See the report above! Most likely diffusers.")


@pytest.mark.parametrize(
    ("crash", "beside", "lacked"),
    [
        ({"kind": CrashKind.DISK_FULL}, {}, "Make room on the disk"),
        ({"kind": CrashKind.OUT_OF_MEMORY}, {"at_once": 5}, "Up to 5 cases shared the memory"),
        ({"kind": CrashKind.OUT_OF_MEMORY}, {"held_by_others": 3 * SHARED_FROM}, "Other programs held 0.81 GB"),
    ],
)
def test_a_machine_without_room_is_no_librarys_fault(
    tmp_path: Path, crash: dict[str, Any], beside: dict[str, Any], lacked: str
) -> None:
    """Whatever the error came through: others had taken what the case needed."""
    ended = replace(CRASH, raised_in=("safetensors", "diffusers"), **crash)
    first, *others = judge_case(evidence(tmp_path, rendered=made(tmp_path, "offload", crash=ended, **beside)))
    assert {one.suspects for one in (first, *others)} == {None}
    assert all(lacked in one.sentence and "Most likely" not in one.sentence for one in (first, *others))


@pytest.mark.parametrize(
    ("crash", "beside"),
    [
        ({"kind": CrashKind.OUT_OF_MEMORY}, {"at_once": 1, "held_by_others": SHARED_FROM - 1}),
        ({"kind": CrashKind.OUT_OF_MEMORY, "limit": 8 * 10**9}, {"at_once": 5}),
        ({"kind": CrashKind.EXCEPTION}, {"at_once": 5, "held_by_others": 3 * SHARED_FROM}),
    ],
)
def test_what_a_case_had_to_itself_is_its_librarys(
    tmp_path: Path, crash: dict[str, Any], beside: dict[str, Any]
) -> None:
    """A GPU of its own, a limit of its own, and every other error."""
    ended = replace(CRASH, raised_in=("diffusers",), **crash)
    first, *_ = judge_case(evidence(tmp_path, rendered=made(tmp_path, "offload", crash=ended, **beside)))
    assert first.suspects == "diffusers"


def test_a_long_log_is_cut_to_its_end(tmp_path: Path) -> None:
    """Only the last dozen lines are repeated."""
    ours = made(tmp_path, "offload", crash=replace(CRASH, last_lines=tuple(f"line {n}" for n in range(100))))
    told = judge_case(evidence(tmp_path, rendered=ours))[0].sentence.splitlines()
    assert (len(told), told[1], told[-1]) == (13, "  line 88", "  line 99")


def test_a_known_failure_that_fails_is_known(tmp_path: Path) -> None:
    """The reason and the address come first, then what was seen; the numbers stay."""
    ours = changed(made(tmp_path, "offload"), nudge, take=1)
    found = by_check(judge_case(evidence(tmp_path, rendered=ours, known_failures={TWICE: ENTRY})))[TWICE]
    assert (found.status, found.numbers[SSIM] < 1) == (KNOWN_FAILURE, True)
    known = "Known since 2025-07-01: Weights are read too early (https://example.org/11981)."
    assert found.sentence.startswith(known)
    assert not unsaid(found.sentence, "5 of 5")


def test_a_known_failure_that_passes_fails(tmp_path: Path) -> None:
    """The day on which it is fixed is noticed."""
    found = by_check(judge_case(evidence(tmp_path, known_failures={TWICE: ENTRY})))[TWICE]
    assert found.status == FAILED
    known = "It passes, though it has been known to fail since 2025-07-01 (Weights are read too early)"
    assert found.sentence.startswith(known)
    assert not unsaid(found.sentence, "entry of ada", "known_failures.toml")


def test_a_known_failure_says_nothing_where_nothing_was_judged(tmp_path: Path) -> None:
    """No data stays no data, and other checks are not excused."""
    entry = replace(ENTRY, check=BASELINE)
    found = by_check(judge_case(evidence(tmp_path, known_failures={BASELINE: entry})))
    assert found[BASELINE].status == NO_DATA
    ours = changed(made(tmp_path, "offload"), nudge)
    found = by_check(judge_case(evidence(tmp_path, rendered=ours, known_failures={TWICE: ENTRY})))
    assert found[PROMISE].status == FAILED


def test_an_entry_that_passes_is_stale_whatever_else_fails(tmp_path: Path) -> None:
    """Another check's failure does not keep an entry alive."""
    ours = changed(changed(made(tmp_path, "offload"), nudge), nudge, take=1)
    found = by_check(judge_case(evidence(tmp_path, rendered=ours, known_failures={TWICE: ENTRY})))
    assert (found[TWICE].status, found[PROMISE].status) == (FAILED, FAILED)
    assert not unsaid(found[TWICE].sentence, "passes", "known to fail")


def test_an_entry_for_every_check_excuses_a_crash(tmp_path: Path) -> None:
    """All checks of a case that is known to crash are known failures."""
    known = dict.fromkeys(CHECKS, ALL)
    found = judge_case(evidence(tmp_path, rendered=crashed(made(tmp_path, "offload")), known_failures=known))
    assert {verdict.status for verdict in found} == {KNOWN_FAILURE}
    found = judge_case(evidence(tmp_path, known_failures=known))
    assert {verdict.status for verdict in found} == {FAILED, NO_DATA}


def test_an_entry_for_every_check_lets_some_pass(tmp_path: Path) -> None:
    """As long as one check still fails, the entry is not stale."""
    ours = changed(made(tmp_path, "offload"), nudge)
    found = by_check(judge_case(evidence(tmp_path, rendered=ours, known_failures=dict.fromkeys(CHECKS, ALL))))
    assert found[PROMISE].status == KNOWN_FAILURE
    assert FAILED not in {verdict.status for verdict in found.values()}


def test_a_file_that_cannot_be_used_fails_its_check(tmp_path: Path) -> None:
    """A refusal inside a check is that check's failure; the others are judged."""
    pictures = tuple(replace(picture, file="a/b.png") for picture in made(tmp_path).rendering.pictures)
    ours = with_rendering(
        evidence(tmp_path), pictures=tuple(replace(p, sha256="0" * 64) if p.take else p for p in pictures)
    )
    found = by_check(judge_case(ours))[TWICE]
    assert (found.status, found.sentence.startswith("It cannot be judged: ")) == (FAILED, True)


sizes = st.none() | st.integers(min_value=0, max_value=10**13)
memories = st.none() | st.builds(
    Memory,
    phases=st.lists(st.builds(PhaseMemory, st.sampled_from(PHASES), sizes, sizes, sizes, sizes), max_size=4).map(tuple),
    held_after=sizes,
    host_peak=sizes,
    host_after=sizes,
    driver_scope=st.none(),
    unavailable=st.dictionaries(st.sampled_from(["allocated", "host", "held_after"]), st.text(max_size=5), max_size=2),
)
limit = st.none() | st.builds(Limit, st.floats(allow_nan=True), st.just("measured"))
band = st.builds(Band, limit, limit)
bounds = st.builds(
    CaseLimits,
    likeness=st.dictionaries(st.sampled_from([SSIM, "flip", "gain", "shift"]), band, max_size=2),
    overall=st.dictionaries(st.sampled_from([SSIM, "flip"]), band, max_size=2),
    drift=st.dictionaries(st.just(SSIM), band, max_size=1),
    memory=st.dictionaries(st.sampled_from([*PHASES, "whole"]), band, max_size=3),
    host=st.none() | band,
    gives_back=st.none() | band,
    published=limit,
)
pasts = st.lists(st.floats(0, 99), max_size=9).map(tuple)
crashes = st.builds(
    Crash, st.text(max_size=9), st.text(max_size=9), st.none(), st.lists(st.text(max_size=9)).map(tuple)
)


@lru_cache
def prepared() -> tuple[Path, dict[str, tuple[Rendered, ...]], tuple[Baseline, ...]]:
    """Renderings on disk, sound and bent, that all examples share."""
    folder = Path(tempfile.mkdtemp())
    sound = {name: made(folder, name) for name in ("full", "offload", "nf4")}
    renderings: dict[str, tuple[Rendered, ...]] = {
        name: (one, changed(one, nudge), changed(one, scramble, shot="fox"), left_at(one, STAGES[0]))
        for name, one in sound.items()
    }
    own = accepted(sound["offload"], folder / "baselines")
    return folder, renderings, (own, accepted(sound["offload"], folder / "portable", machine=PORTABLE))


@st.composite
def bent(draw: st.DrawFn, choices: tuple[Rendered, ...]) -> Rendered:
    """Part of a rendering, with some of it odd."""
    one = draw(st.sampled_from(choices))
    rendering = one.rendering
    return replace(
        one,
        rendering=replace(
            rendering,
            pictures=rendering.pictures[: draw(st.sampled_from([0, 1, 4, None]))],
            fingerprints=rendering.fingerprints[: draw(st.integers(0, 20))],
            recipes=draw(st.sampled_from([rendering.recipes, {}, {"fox": "old"}])),
            inventory=draw(st.sampled_from([rendering.inventory, None])),
            memory=draw(memories),
            durations=draw(st.sampled_from([rendering.durations, ()])),
            crash=draw(st.none() | crashes),
        ),
    )


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_the_judge_never_raises(data: st.DataObject) -> None:
    """Whatever part of a rendering, a reference or a limit is missing or odd, each check has its status."""
    folder, choices, baselines = prepared()
    one = data.draw(st.sampled_from([OFFLOAD, NF4]))
    found = judge_case(
        Evidence(
            Case(SUBJECT, one, "cuda"),
            data.draw(bent(choices[one.name])),
            reference=data.draw(st.none() | bent(choices["full"])),
            memory_reference=data.draw(st.none() | bent(choices["full"])),
            limits=data.draw(bounds),
            baseline=data.draw(st.sampled_from([None, *baselines])),
            baseline_use=data.draw(st.sampled_from(BaselineUse)),
            numbers_on_disk=data.draw(
                st.dictionaries(st.sampled_from(["transformer", "vae"]), st.integers(0, 2000), max_size=2)
            ),
            run=folder,
            paces=data.draw(st.dictionaries(st.sampled_from(PHASES), pasts, max_size=2)),
        )
    )
    assert tuple(verdict.check for verdict in found) == APPLICABLE
    assert all(verdict.status in STATUSES and verdict.sentence for verdict in found)
    for verdict in found:
        assert_suspects_agree(verdict)


@pytest.mark.parametrize("check", APPLICABLE)
def test_a_crash_never_passes(tmp_path: Path, check: str) -> None:
    """No check of a crashed case is anything but crashed."""
    found = judge_case(evidence(tmp_path, rendered=crashed(made(tmp_path, "offload"))))
    assert by_check(found)[check].status == CRASHED

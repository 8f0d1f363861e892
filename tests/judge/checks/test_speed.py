"""Tests of the check of a case's seconds."""

from dataclasses import replace
from pathlib import Path

import pytest

from fluxgate.compare.pace import BESIDE_FIXED_WORK, BY_THE_CLOCK, STEP, step_paces
from fluxgate.compare.phase_seconds import phase_seconds
from fluxgate.judge.checks.speed import LASTING_TAKES
from fluxgate.judge.evidence import Evidence
from fluxgate.judge.verdict import FAILED, NO_DATA, PASSED, SPEED, Limit, Verdict
from fluxgate.rendering import Duration, PhaseWork, Work
from tests.judge.made import FULL, OFFLOAD, accepted, evidence, made, verdict, with_rendering
from tests.wording import unsaid


def took(tmp_path: Path, seconds: float, past: tuple[float, ...]) -> Verdict:
    durations = (Duration("load", 1.0), Duration("denoise", seconds, "fox", 0))
    return verdict(with_rendering(evidence(tmp_path, paces={"denoise": past}), durations=durations), SPEED)


@pytest.mark.parametrize("runs", [0, 4])
def test_a_short_history_is_no_data(tmp_path: Path, runs: int) -> None:
    """Fewer than five runs are told, with how many there are."""
    found = took(tmp_path, 9.0, (2.0,) * runs)
    assert (found.status, f"({runs} so far)" in found.sentence) == (NO_DATA, True)
    assert found.numbers == {"seconds load": 1.0, "seconds denoise": 9.0}


@pytest.mark.parametrize(
    ("past", "most"),
    [
        ((4.0,) * 5, 5.0),  # a quarter more
        ((1.0,) * 5, 1.5),  # half a second more, since short phases vary
        ((3.0, 3.5, 4.0, 4.5, 5.0), 7.0),  # six times its own spread
        ((90.0,) * 15 + (4.0,) * 20, 5.0),  # what lies further back is forgotten
    ],
    ids=["share", "seconds", "spread", "window"],
)
def test_slower_must_be_slower_in_every_respect(tmp_path: Path, past: tuple[float, ...], most: float) -> None:
    """In percent, in seconds and beyond what the history varies; on the limit passes."""
    assert took(tmp_path, most, past).status == PASSED
    found = took(tmp_path, most + 0.001, past)
    assert found.status == FAILED
    assert found.limit is not None
    assert found.limit.value == pytest.approx(most)


def test_slower_is_told_whole(tmp_path: Path) -> None:
    """What was found, what was usual, what may be, and what to run."""
    assert took(tmp_path, 6.0, (4.0,) * 5).sentence == (
        "Denoise took 6.00 s, 50% more than the 4.00 s of 5 earlier runs; "
        "the limit is 5.00 s, by what they vary. "
        "Run pytest --subject tiny --strategy offload with nothing else on the machine."
    )  # fmt: skip


def on_a_cpu(tmp_path: Path, seconds: float, past: tuple[float, ...]) -> Evidence:
    """The offloading case kept the processor busy so long, and its reference for two seconds."""
    found = evidence(tmp_path, OFFLOAD, paces={"denoise": past})
    assert found.reference is not None
    took_two = Duration("denoise", 9.0, "fox", 0, processor=2.0)
    beside = replace(found.reference.rendering, device="cpu", durations=(took_two,))
    found = replace(found, case=replace(found.case, device="cpu"), reference=replace(found.reference, rendering=beside))
    return with_rendering(found, device="cpu", durations=(Duration("denoise", 1.0, "fox", 0, processor=seconds),))


def test_a_cpu_may_take_twice_the_usual_multiple(tmp_path: Path) -> None:
    """However busy the machine is: only what the processor worked is judged, beside the reference in the same run."""
    assert verdict(on_a_cpu(tmp_path, 6.0, (1.5,) * 5), SPEED).status == PASSED
    found = verdict(on_a_cpu(tmp_path, 6.02, (1.5,) * 5), SPEED)
    assert not unsaid(
        found.sentence, "3.01 times as long as full's", "100.67% more", "5 earlier runs", "limit is 3.00 times"
    )


def test_a_phase_is_counted_in_what_the_processor_worked_whoever_else_had_it(tmp_path: Path) -> None:
    """Its reference shared the processor as well: a phase that worked longer is red all the same."""
    found = on_a_cpu(tmp_path, 6.02, (1.5,) * 5)
    shared = replace(found.rendering.durations[0], steps=(9.0,) * 3, steps_processor=(1.0,) * 3)
    assert verdict(with_rendering(found, device="cpu", durations=(shared,)), SPEED).status == FAILED


def test_a_multiple_of_nothing_is_no_data(tmp_path: Path) -> None:
    """Without the reference, or where none of its phases took long; what would tell is said."""
    found = on_a_cpu(tmp_path, 6.0, (1.5,) * 5)
    assert found.reference is not None
    alone = verdict(replace(found, reference=None), SPEED)
    assert (alone.status, "--strategy full,offload" in alone.sentence) == (NO_DATA, True)
    short = replace(found.reference.rendering, durations=())
    quick = verdict(replace(found, reference=replace(found.reference, rendering=short)), SPEED)
    assert (quick.status, unsaid(quick.sentence, "no phase", "1 s")) == (NO_DATA, [])


# --- steps against the accepted ones


def stepping(
    tmp_path: Path, seconds: float, *, paces: tuple[float, ...] = (1.0, 1.0), device: str = "cuda"
) -> Evidence:
    """The case's steps take so long beside one second of its reference's; the accepted ones took as long as that."""
    found = evidence(tmp_path, OFFLOAD)
    assert found.reference is not None
    took = Duration("denoise", 9.0, "fox", 0, steps=(seconds,) * 3, steps_processor=(seconds,) * 3)
    beside = replace(took, steps=(1.0,) * 3, steps_processor=(1.0,) * 3)
    baseline = accepted(made(tmp_path / "before", "offload"), tmp_path / "accepted")
    baseline = replace(baseline, case=replace(baseline.case, step_paces={"fox": paces}))
    reference = replace(
        found.reference, rendering=replace(found.reference.rendering, device=device, durations=(beside,))
    )
    held = replace(found, baseline=baseline, reference=reference)
    return with_rendering(held, device=device, durations=(took,))


@pytest.mark.parametrize("whose", ["the case's", "its reference's"])
def test_a_gpu_that_others_use_tells_nothing(tmp_path: Path, whose: str) -> None:
    """A slow step beside them is not red; a display's memory excuses nothing, and a quick step passes."""

    def shared(seconds: float, held: int) -> Evidence:
        found = stepping(tmp_path, seconds)
        if whose == "the case's":
            return with_rendering(found, held_by_others=held)
        assert found.reference is not None
        beside = replace(found.reference.rendering, held_by_others=held)
        return replace(found, reference=replace(found.reference, rendering=beside))

    slow = verdict(shared(2.0, 600_000_000), SPEED)
    assert (slow.status, unsaid(slow.sentence, "2.00 times", "0.60 GB", "tells nothing")) == (NO_DATA, [])
    assert verdict(shared(2.0, 100_000_000), SPEED).status == FAILED
    assert verdict(shared(1.0, 600_000_000), SPEED).status == PASSED


@pytest.mark.parametrize("whose", ["the case's", "its reference's"])
@pytest.mark.parametrize("device", ["cuda", "cpu"])
def test_cases_that_shared_their_device_are_not_timed(tmp_path: Path, device: str, whose: str) -> None:
    """They were slower for each other, and one that looks quick may have been lucky."""

    def shared(seconds: float) -> Evidence:
        found = stepping(tmp_path / str(seconds), seconds, device=device)
        found = replace(found, case=replace(found.case, device=device))
        if whose == "the case's":
            return with_rendering(found, at_once=2)
        assert found.reference is not None
        beside = replace(found.reference.rendering, at_once=2)
        return replace(found, reference=replace(found.reference, rendering=beside))

    for seconds in (1.0, 9.0):
        answer = verdict(shared(seconds), SPEED)
        where = "a GPU" if device == "cuda" else "the CPU"
        assert (answer.status, unsaid(answer.sentence, f"2 cases shared {where}", "--at-once")) == (NO_DATA, [])
        assert "seconds denoise" in answer.numbers


def test_a_phase_on_a_gpu_that_others_use_tells_nothing(tmp_path: Path) -> None:
    """Its seconds are theirs, too."""
    found = with_rendering(evidence(tmp_path, paces={"denoise": (1.0,) * 5}), durations=(Duration("denoise", 9.0),))
    assert verdict(found, SPEED).status == FAILED
    shared = verdict(with_rendering(found, held_by_others=600_000_000), SPEED)
    assert (shared.status, unsaid(shared.sentence, "0.60 GB")) == (NO_DATA, [])


@pytest.mark.parametrize("device", ["cuda", "cpu"])
def test_a_step_twice_as_long_fails_on_the_first_run_after(tmp_path: Path, device: str) -> None:
    """One accepted run is enough; half as long again is what may be."""
    found = verdict(stepping(tmp_path, 2.0, device=device), SPEED)
    assert found.status == FAILED
    assert found.numbers["step, times the accepted"] == pytest.approx(2.0)
    assert verdict(stepping(tmp_path / "less", 1.5, device=device), SPEED).status == PASSED


def test_a_step_that_shared_its_processor_tells_nothing(tmp_path: Path) -> None:
    """Where others had the CPU for most of its time, it works longer for the same: that is nobody's fault."""
    twice = stepping(tmp_path, 2.0, device="cpu")
    took = replace(twice.rendering.durations[0], steps=(9.0,) * 3)
    found = verdict(with_rendering(twice, device="cpu", durations=(took,)), SPEED)
    assert found.status == NO_DATA
    assert found.numbers["step, times the accepted"] == pytest.approx(2.0)


@pytest.mark.parametrize("device", ["cuda", "cpu"])
@pytest.mark.parametrize(("ours", "theirs"), [((2.0, 2.0, 1.0), (1.0,)), ((2.0, 2.0), (1.0, 1.0, 2.0))])
def test_a_case_that_was_slow_for_a_while_tells_nothing(
    tmp_path: Path, device: str, ours: tuple[float, ...], theirs: tuple[float, ...]
) -> None:
    """One take as quick as accepted says that the machine was slow in the others; a slow take of the reference's, with
    a quick one beside it, excuses nothing."""
    found = stepping(tmp_path, 2.0, device=device)
    assert found.reference is not None

    def takes(like: Duration, seconds: tuple[float, ...]) -> tuple[Duration, ...]:
        return tuple(
            replace(like, take=take, steps=(each,) * 3, steps_processor=(each,) * 3)
            for take, each in enumerate(seconds)
        )

    beside = replace(found.reference.rendering, durations=takes(found.reference.rendering.durations[0], theirs))
    found = replace(found, reference=replace(found.reference, rendering=beside))
    one = verdict(with_rendering(found, device=device, durations=takes(found.rendering.durations[0], ours)), SPEED)
    assert one.status == (NO_DATA if 1.0 in ours else FAILED)
    assert one.numbers["step, times the accepted"] == pytest.approx(2.0)
    assert one.numbers["step at its quickest, times the accepted"] == pytest.approx(min(ours))


def among(found: Evidence, rest: float) -> Evidence:
    """Encoding and decoding take so many times as long as accepted, and denoising twice."""
    assert found.baseline is not None
    seconds = {"encode": (1.0,), "denoise": (4.5, 4.5), "decode": (1.0,)}
    baseline = replace(found.baseline, case=replace(found.baseline.case, seconds=seconds))
    beside = tuple(Duration(phase, rest, "fox", 0) for phase in ("encode", "decode"))
    durations = (*found.rendering.durations, *beside)
    return with_rendering(replace(found, baseline=baseline), durations=durations)


@pytest.mark.parametrize(
    ("device", "rest", "status"),
    [("cuda", 1.0, FAILED), ("cuda", 1.5, NO_DATA), ("cuda", 2.0, NO_DATA), ("cpu", 2.0, FAILED)],
)
def test_a_step_on_a_gpu_is_slow_only_beside_the_rest_of_its_case(
    tmp_path: Path, device: str, rest: float, status: str
) -> None:
    """Where encoding and decoding became as slow, the machine did: a reference is rendered in other minutes."""
    found = verdict(among(stepping(tmp_path, 2.0, device=device), rest), SPEED)
    assert found.status == status
    beside = found.numbers.get("denoising beside encoding and decoding, times the accepted")
    assert beside == (pytest.approx(2.0 / rest) if device == "cuda" else None)


@pytest.mark.parametrize(("rest", "status"), [(1.0, FAILED), (2.0, NO_DATA)])
def test_a_step_that_was_slow_for_five_runs_is_so_beside_the_rest_of_its_case(
    tmp_path: Path, rest: float, status: str
) -> None:
    """A machine may be slower for weeks."""
    slow = replace(stepping(tmp_path, 1.25, paces=(1.0,) * 5), paces={f"{STEP}fox": (1.25,) * 4})
    assert verdict(among(slow, rest), SPEED).status == status


def test_a_call_without_decoding_leaves_the_step_alone_with_its_reference(tmp_path: Path) -> None:
    """Whether it was accepted so, or ended so."""
    whole = among(stepping(tmp_path, 2.0), 2.0)
    assert whole.baseline is not None
    durations = tuple(one for one in whole.rendering.durations if one.phase != "decode")
    assert verdict(with_rendering(whole, durations=durations), SPEED).status == FAILED
    nothing = replace(whole.baseline.case, seconds={**whole.baseline.case.seconds, "decode": (0.0,)})
    assert verdict(replace(whole, baseline=replace(whole.baseline, case=nothing)), SPEED).status == FAILED


def test_phases_as_quick_as_ever_excuse_no_slow_step(tmp_path: Path) -> None:
    """Nor does their history hide it."""
    found = replace(stepping(tmp_path, 2.0), paces={"denoise": (9.0,) * 5})
    assert "denoising step" in verdict(found, SPEED).sentence
    assert verdict(found, SPEED).status == FAILED


@pytest.mark.parametrize("times", [1.0, 2.0])
def test_a_step_is_told_with_its_limit_and_what_it_was_set_against(tmp_path: Path, times: float) -> None:
    """Slow or not: as multiples of what was accepted, whatever that was."""
    found = verdict(stepping(tmp_path, 2.0 * times, paces=(2.0, 2.0)), SPEED)
    assert found.status == (PASSED if times == 1.0 else FAILED)
    assert found.limit == Limit(1.5, "the accepted run's own repeats", 1.0, 0.0, n=2)
    assert found.numbers["step, times the accepted"] == pytest.approx(times)
    assert not unsaid(found.sentence, "beside full's in the same run")
    if times > 1.0:
        assert not unsaid(found.sentence, "--strategy full,offload")


def test_what_the_accepted_run_varied_may_be(tmp_path: Path) -> None:
    """Six times the spread of its own repeats, of whose middle more of them are surer."""
    pair, many = (0.8, 1.2), (0.8, 0.8, 0.8, 0.8, 1.2, 1.2, 1.2, 1.2)
    for paces, most in ((pair, 2.2), (many, 1.6)):
        folder = tmp_path / str(len(paces))
        assert verdict(stepping(folder / "at", most - 0.01, paces=paces), SPEED).status == PASSED
        assert verdict(stepping(folder / "more", most + 0.01, paces=paces), SPEED).status == FAILED


def test_equal_counters_with_other_seconds_are_the_same_work_slower(tmp_path: Path) -> None:
    """Where the work is another one, the check of work has told it."""
    work = Work("fox", 3, ((PhaseWork("denoise", {"aten.mm": 9}),),))
    more = Work("fox", 3, ((PhaseWork("denoise", {"aten.mm": 10}),),))
    found = stepping(tmp_path, 3.0)
    assert found.baseline is not None
    found = replace(found, baseline=replace(found.baseline, case=replace(found.baseline.case, work=work)))
    assert verdict(with_rendering(found, work=work), SPEED).sentence.startswith("The same work, slower: ")
    assert not verdict(with_rendering(found, work=more), SPEED).sentence.startswith("The same work")


# --- encoding and decoding against the accepted ones


def decoding(tmp_path: Path, *times: float, denoise: float = 1.0, device: str = "cpu") -> Evidence:
    """Each of some shots is decoded so many times as long as accepted, and denoised as well."""

    def takes(decoded: tuple[float, ...], denoised: float) -> tuple[Duration, ...]:
        return tuple(
            Duration(phase, one, f"shot {number}", 0, processor=one, gpu=one)
            for number, each in enumerate(decoded)
            for phase, one in (("denoise", 4 * denoised), ("decode", each))
        )

    found = with_rendering(evidence(tmp_path, FULL), device=device, durations=takes(times, denoise))
    baseline = accepted(made(tmp_path / "before", "full"), tmp_path / "accepted")
    before = phase_seconds(replace(found.rendering, durations=takes((1.0,) * len(times), 1.0)))
    return replace(found, baseline=replace(baseline, case=replace(baseline.case, phase_seconds=before)))


@pytest.mark.parametrize(
    ("device", "times", "red"), [("cpu", 2.0, False), ("cpu", 2.1, True), ("cuda", 2.6, False), ("cuda", 2.7, True)]
)
def test_decoding_that_takes_much_longer_fails_on_the_first_run(
    tmp_path: Path, device: str, times: float, red: bool
) -> None:
    """A processor works as long whoever else works, which what asks a GPU does not."""
    found = verdict(decoding(tmp_path, times, device=device), SPEED)
    assert ((found.status == FAILED), found.numbers["decode, times the accepted"]) == (red, times)


def test_a_slow_machine_decodes_and_denoises_longer(tmp_path: Path) -> None:
    """And what was quick in one shot is in doubt."""
    slow = verdict(decoding(tmp_path / "all", 3.0, denoise=3.0), SPEED)
    once = verdict(decoding(tmp_path / "once", 3.0, 1.0, 3.0), SPEED)
    assert (slow.status, once.status) == (NO_DATA, NO_DATA)
    assert (unsaid(once.sentence, "in one shot", "tells nothing"), "in one shot" in slow.sentence) == ([], False)


def test_without_accepted_phases_none_is_judged(tmp_path: Path) -> None:
    """As where they were accepted before they were kept."""
    found = decoding(tmp_path, 9.0)
    assert found.baseline is not None
    bare = replace(found, baseline=replace(found.baseline, case=replace(found.baseline.case, phase_seconds={})))
    assert verdict(bare, SPEED).status != FAILED


# --- steps with nothing beside them


def alone(tmp_path: Path, times: float, *, kind: str, earlier: tuple[float, ...] = (), device: str = "cpu") -> Evidence:
    """The reference of all, whose step takes so many times as long as accepted, in one kind of seconds."""
    found = evidence(tmp_path, FULL)
    take = Duration("denoise", 9.0, "fox", 0, steps=(1.0,) * 3, steps_processor=(1.0,) * 3, delayed=0.0)
    fixed = replace(take, fixed_work=((1.0, 1.0), (1.0, 1.0)))
    if kind == BESIDE_FIXED_WORK:
        slow = replace(fixed, steps=(times,) * 3, steps_processor=(times,) * 3)
    else:  # it sleeps
        slow = replace(fixed, steps=(times,) * 3)
    baseline = accepted(made(tmp_path / "before", "full"), tmp_path / "accepted")
    before = step_paces(replace(found.rendering, device=device, durations=(fixed,) * LASTING_TAKES), None)
    held = replace(
        found,
        case=replace(found.case, device=device),
        baseline=replace(baseline, case=replace(baseline.case, step_paces=before)),
        paces={f"{STEP}fox{kind}": earlier},
    )
    return with_rendering(held, device=device, durations=(slow,))


def test_the_reference_of_all_is_set_against_fixed_work(tmp_path: Path) -> None:
    """A step that works twice as long fails on the first run, where there is nothing of the same run beside it."""
    found = verdict(alone(tmp_path, 2.0, kind=BESIDE_FIXED_WORK), SPEED)
    assert (found.status, found.numbers["step beside fixed work, times the accepted"]) == (FAILED, 2.0)
    assert verdict(alone(tmp_path / "less", 1.5, kind=BESIDE_FIXED_WORK), SPEED).status == PASSED


def test_a_cpus_reference_without_an_accepted_step_says_what_would_give_one(tmp_path: Path) -> None:
    """Nothing stands beside it, so that earlier runs tell nothing."""
    bare = replace(alone(tmp_path, 1.0, kind=BESIDE_FIXED_WORK), baseline=None)
    found = verdict(bare, SPEED)
    assert (found.status, "fluxgate accept" in found.sentence, "None" in found.sentence) == (NO_DATA, True, False)


def test_fixed_work_shares_its_processor_with_a_step(tmp_path: Path) -> None:
    """Where others had it for most of the time, both worked longer, and what is slow is slow all the same."""
    twice = alone(tmp_path, 2.0, kind=BESIDE_FIXED_WORK)
    shared = replace(twice.rendering.durations[0], steps=(9.0,) * 3, delayed=50.0)
    assert verdict(with_rendering(twice, device="cpu", durations=(shared,)), SPEED).status == FAILED


def test_a_step_that_sleeps_is_seen_by_the_clock(tmp_path: Path) -> None:
    """It works no longer than before; where others had the processor, the clock says nothing."""
    slept = alone(tmp_path, 2.0, kind=BY_THE_CLOCK)
    found = verdict(slept, SPEED)
    assert (found.status, found.numbers["step by the clock, times the accepted"]) == (FAILED, 2.0)
    disturbed = replace(slept.rendering.durations[0], delayed=5.0)
    found = verdict(with_rendering(slept, device="cpu", durations=(disturbed,)), SPEED)
    assert (found.status, "step by the clock, times the accepted" in found.numbers) == (PASSED, False)


@pytest.mark.parametrize(
    ("earlier", "times", "status"),
    [
        ((1.25,) * 4, 1.25, FAILED),  # the fifth run
        ((1.25,) * 3, 1.25, PASSED),  # the fourth
        ((1.25,) * 4, 1.05, PASSED),  # it is over
        ((1.25, 1.05, 1.25, 1.25), 1.25, PASSED),  # it was not there all the time
        ((1.15,) * 4, 1.15, PASSED),  # as much as steps vary
        ((9.0, 1.0) + (1.0,) * 4, 1.25, PASSED),
    ],
)
def test_a_quarter_more_fails_by_the_fifth_run(
    tmp_path: Path, earlier: tuple[float, ...], times: float, status: str
) -> None:
    """What one run cannot tell from chance, five in a row can."""
    assert verdict(alone(tmp_path, times, kind=BESIDE_FIXED_WORK, earlier=earlier), SPEED).status == status


def test_five_runs_beside_a_reference_tell_as_much(tmp_path: Path) -> None:
    """The paces of its earlier runs are multiples of the reference's, as this one's is."""
    earlier = {f"{STEP}fox": (2.5, 2.4, 2.6, 2.5)}
    told = verdict(replace(stepping(tmp_path, 2.5, paces=(2.0,) * LASTING_TAKES), paces=earlier), SPEED)
    assert (told.status, told.numbers["step, times the accepted, in the latest runs"]) == (FAILED, 1.25)
    assert told.limit is not None
    assert (told.limit.value, told.limit.n, unsaid(told.sentence, "5 runs in a row", "1.25", "1.20")) == (1.2, 5, [])
    few = replace(stepping(tmp_path / "few", 2.5, paces=(2.0,) * (LASTING_TAKES - 1)), paces=earlier)
    assert verdict(few, SPEED).status == PASSED

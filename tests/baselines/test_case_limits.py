"""The limits of a case, from whichever file has them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxgate.baselines import baseline as baselines
from fluxgate.baselines import case_limits, manifest, memory_limits
from fluxgate.baselines.baseline import AcceptedCase
from fluxgate.baselines.limits import Band, CaseLimits, LikenessLimits, Limit, LimitsFile
from fluxgate.baselines.memory_limits import ALLOCATOR
from fluxgate.baselines.store import Store
from fluxgate.compare.facts import ALLOCATED, OWN_HOST, RESERVED
from fluxgate.compare.measures import MEASURES
from fluxgate.files import write_plain
from fluxgate.refusal import Refusal
from fluxgate.rendering import PHASES
from tests.baselines.acceptance import accept
from tests.baselines.calibrated import file_for, limit, sealed
from tests.runs.building import MACHINE, SUBJECT, run_of


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store that a run was accepted into three times."""
    root = tmp_path_factory.mktemp("limits")
    for more in (0, 1000, 2000):
        run = run_of(root / "runs", "full", allocated=10**9 + more)
        accept(run, root / "baselines")
    return root / "baselines"


@pytest.fixture
def facts(store: Path) -> AcceptedCase:
    baseline = baselines.read_case(Store(store), MACHINE.id, "tiny", "full")
    assert baseline is not None
    return baseline.case


def test_all_limits_of_a_case_are_found(store: Path) -> None:
    """Memory, host memory and what may be held come from the accepted runs."""
    found = case_limits.for_case(Store(store), MACHINE.id, SUBJECT, "full")
    assert found.host is not None
    assert found.host.ceiling is not None
    assert found.host.ceiling.n == 3
    assert found.gives_back is not None
    assert found.gives_back.ceiling is not None
    assert found.gives_back.ceiling.value == ALLOCATOR
    assert found.likeness == {}
    assert case_limits.for_case(Store(store), "other", SUBJECT, "full") == CaseLimits()


def test_a_host_ceiling_needs_three_samples(tmp_path: Path) -> None:
    """Host memory is noisy: one run says nothing about its spread."""
    run = run_of(tmp_path / "runs", "full")
    accept(run, tmp_path / "store")
    assert case_limits.for_case(Store(tmp_path / "store"), MACHINE.id, SUBJECT, "full").host is None


def test_published_figures_are_ceilings(store: Path) -> None:
    """What somebody else reported stands beside what was measured here."""
    subject = replace(SUBJECT, published={"full": 39.27})
    found = case_limits.for_case(Store(store), MACHINE.id, subject, "full").published
    assert found is not None
    assert (found.value, found.source) == (39.27e9, "published")
    assert case_limits.published(subject, "nf4") is None


def test_the_machines_own_likeness_comes_first(tmp_path: Path) -> None:
    """The portable limits stand in only where a machine has none of its own."""
    sealed(tmp_path, file_for("portable", 0.8))
    assert case_limits.for_case(Store(tmp_path), MACHINE.id, SUBJECT, "nf4").likeness["ssim"].floor == limit(0.8)
    sealed(tmp_path, file_for(MACHINE.id, 0.9))
    found = case_limits.for_case(Store(tmp_path), MACHINE.id, SUBJECT, "nf4")
    assert found.likeness["ssim"].floor == limit(0.9)
    assert case_limits.for_case(Store(tmp_path), MACHINE.id, SUBJECT, "full").drift["ssim"].floor == limit(0.9)


def test_what_a_machine_did_not_measure_comes_from_the_portable_limits(tmp_path: Path) -> None:
    """Its own file without drift, or without a strategy, leaves room for the portable ones."""
    sealed(tmp_path, file_for("portable", 0.8))
    own = file_for(MACHINE.id, 0.9)
    sealed(tmp_path, replace(own, drift={}))
    assert case_limits.for_case(Store(tmp_path), MACHINE.id, SUBJECT, "full").drift["ssim"].floor == limit(0.8)
    sealed(tmp_path, replace(own, strategies={}))
    assert case_limits.for_case(Store(tmp_path), MACHINE.id, SUBJECT, "nf4").likeness["ssim"].floor == limit(0.8)


@pytest.mark.parametrize(("machine", "there"), [("cpu-avx2-torch1.0", True), (MACHINE.id, False)])
def test_what_cpus_do_says_nothing_about_gpus(tmp_path: Path, machine: str, there: bool) -> None:
    """Portable limits that were measured on a CPU stand in on another CPU, and not on a GPU."""
    band = Band(floor=replace(limit(0.8), machine="cpu-avx512-torch1.0"))
    found = LikenessLimits({"ssim": band}, {}, ())
    sealed(tmp_path, LimitsFile("tiny", "portable", {"nf4": found}, {"full": {"ssim": band}}))
    of_case = case_limits.for_case(Store(tmp_path), machine, SUBJECT, "nf4")
    assert (bool(of_case.likeness), bool(of_case.drift)) == (there, there)


def test_what_nobody_measured_here_is_lent_by_another_gpu(tmp_path: Path) -> None:
    """A quarter farther from equality, with the machine that it came from; a machine's own measurement comes first."""
    band = {"ssim": Band(limit(0.8, machine="a-gpu")), "flip": Band(limit(0.3), limit(0.2, machine="a-gpu"))}
    sealed(tmp_path, LimitsFile("tiny", "a-gpu", {"nf4": LikenessLimits(band, band, ())}, {"full": band}))
    found = case_limits.for_case(Store(tmp_path), MACHINE.id, SUBJECT, "nf4")
    assert found.likeness == found.overall
    source = "measured elsewhere, and a quarter more room"
    ssim, flip = found.likeness["ssim"], found.likeness["flip"]
    assert ssim.floor == replace(limit(pytest.approx(0.75), machine="a-gpu"), source=source)
    assert flip.ceiling == replace(limit(pytest.approx(0.25), machine="a-gpu"), source=source)
    assert flip.floor == replace(limit(pytest.approx(0.24)), source=source)
    assert case_limits.for_case(Store(tmp_path), MACHINE.id, SUBJECT, "full").drift == found.likeness
    assert found.apart == {}
    sealed(tmp_path, file_for(MACHINE.id, 0.9))
    assert case_limits.for_case(Store(tmp_path), MACHINE.id, SUBJECT, "nf4").likeness["ssim"].floor == limit(0.9)


def test_drift_of_the_strategy_itself_comes_before_what_stands_in_for_it(tmp_path: Path) -> None:
    """Even if it is another GPU's: what is quantized moves further than full precision, whose bands have twice the
    room where they stand in."""
    sealed(tmp_path, file_for(MACHINE.id, 0.9))
    lent = {"ssim": Band(limit(0.6, machine="a-gpu"))}
    sealed(tmp_path, LimitsFile("tiny", "a-gpu", {}, {}, releases={"nf4": lent}))
    for name, value in (("nf4", 0.5), ("int8", 0.8), ("full", 0.9)):
        floor = case_limits.for_case(Store(tmp_path), MACHINE.id, SUBJECT, name).drift["ssim"].floor
        assert floor is not None
        assert floor.value == pytest.approx(value)


def test_a_cpu_lends_nothing_to_a_gpu(tmp_path: Path) -> None:
    """But to another CPU it does; and what was measured on another subject says nothing."""
    sealed(tmp_path, file_for("cpu-avx2-torch1.0", 0.9))
    assert case_limits.for_case(Store(tmp_path), MACHINE.id, SUBJECT, "nf4") == CaseLimits()
    assert (
        case_limits.for_case(Store(tmp_path), "cpu-avx512-torch1.0", replace(SUBJECT, name="other"), "nf4").likeness
        == {}
    )
    assert case_limits.for_case(Store(tmp_path), "cpu-avx512-torch1.0", SUBJECT, "nf4").likeness != {}


def test_a_changed_floor_is_noticed(tmp_path: Path) -> None:
    """One digit of a limit changed by hand gives a sentence that names the file."""
    path = sealed(tmp_path, file_for(MACHINE.id, 0.9))
    path.write_bytes(path.read_bytes().replace(b"0.9", b"0.8", 1))
    with pytest.raises(Refusal, match=r"limits\.json was damaged or edited"):
        case_limits.for_case(Store(tmp_path), MACHINE.id, SUBJECT, "nf4")


def test_limits_of_another_subject_are_refused(tmp_path: Path) -> None:
    """A file moved to another machine's folder is not taken for its own."""
    sealed(tmp_path, file_for("another", 0.9), at=MACHINE.id)
    with pytest.raises(Refusal, match="it is of another, tiny"):
        case_limits.for_case(Store(tmp_path), MACHINE.id, SUBJECT, "nf4")


FLOATS = st.floats(allow_nan=False, allow_infinity=False)
LIMITS = st.builds(Limit, value=FLOATS, source=st.text(max_size=9), mean=st.none() | FLOATS, n=st.none() | st.just(3))
BANDS = st.dictionaries(
    st.sampled_from(MEASURES), st.builds(Band, floor=st.none() | LIMITS, ceiling=st.none() | LIMITS), max_size=3
)


@given(
    file=st.builds(
        LimitsFile,
        subject=st.just("tiny"),
        machine=st.just("m"),
        strategies=st.dictionaries(
            st.from_regex(r"[a-z]{1,5}", fullmatch=True),
            st.builds(LikenessLimits, BANDS, BANDS, st.lists(st.text(max_size=5), max_size=2).map(tuple)),
            max_size=2,
        ),
        drift=st.dictionaries(st.from_regex(r"[a-z]{1,5}", fullmatch=True), BANDS, max_size=2),
        schema=st.just(1),
    )
)
def test_any_limits_survive_the_file(tmp_path_factory: pytest.TempPathFactory, file: LimitsFile) -> None:
    """Whatever was measured is read back equal."""
    store = tmp_path_factory.mktemp("store")
    sealed(store, file)
    assert list(case_limits.read_limits(Store(store), "m", "tiny")) == [file]


def test_what_loading_adds_and_memory_come_from_the_accepted_runs(store: Path) -> None:
    """Each figure has a band of its own; where nobody asks what was accepted, none has."""
    found = case_limits.for_case(Store(store), MACHINE.id, SUBJECT, "full")
    assert set(found.memory) == {*PHASES, "whole"}
    ignored = case_limits.for_case(Store(store), MACHINE.id, SUBJECT, "full", accepted=False)
    assert ignored == CaseLimits()


def test_what_is_stable_and_what_loading_adds_reach_the_case(store: Path, facts: AcceptedCase, tmp_path: Path) -> None:
    """From the facts of three runs that agree."""
    whole: dict[str, tuple[int, ...]] = {ALLOCATED: (5,) * 3, RESERVED: (9 << 20,) * 3}
    peaks: dict[str, dict[str, tuple[int, ...]]] = {"whole": whole, "load": {OWN_HOST: (60 << 20,) * 3}}
    folder = tmp_path / MACHINE.id / "tiny"
    write_plain(folder / baselines.facts_file("full"), replace(facts, peaks=peaks))
    manifest.seal(folder)
    found = case_limits.for_case(Store(tmp_path), MACHINE.id, SUBJECT, "full")
    assert set(found.stable) == {RESERVED, memory_limits.FRAGMENTATION}
    fragmentation = found.stable[memory_limits.FRAGMENTATION].ceiling
    assert fragmentation is not None
    assert fragmentation.mean == (9 << 20) - 5  # reserved, less what is allocated
    assert found.host_load is not None


def test_limits_lent_by_another_machine_keep_what_they_let_through() -> None:
    """Controls that measured limits do not tell apart are named there, too."""
    band = {"ssim": Band(floor=limit(0.8))}
    assert case_limits._lent(LikenessLimits(band, {}, ("coarse",))).unseparated == ("coarse",)

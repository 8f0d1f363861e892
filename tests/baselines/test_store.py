"""The store: one's own folder is asked first, then what ships; only the own one is ever written."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from fluxgate.baselines import baseline as baselines
from fluxgate.baselines import case_limits, known_failures, limits, replacement
from fluxgate.baselines import store as stores
from fluxgate.baselines.store import PORTABLE, Store
from fluxgate.refusal import Refusal
from tests.baselines.acceptance import accept
from tests.baselines.calibrated import file_for, sealed
from tests.runs.building import MACHINE, SUBJECT, contents, run_of

REPOSITORY = Path(__file__).parents[2]


def accepted(folder: Path, runs: Path, *names: str, seed: int = 0, portable: bool = False) -> Path:
    """A folder of baselines with these strategies accepted in it."""
    run = run_of(runs, *names, seed=seed)
    accept(run, folder, portable=portable)
    return folder


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Somebody's own pictures of `full`; portable ones of `full` and `nf4` ship."""
    shipped = accepted(tmp_path / "shipped", tmp_path / "runs", "full", "nf4", seed=5, portable=True)
    return Store(accepted(tmp_path / "own", tmp_path / "runs", "full", portable=True), shipped)


def test_ones_own_baseline_comes_before_the_shipped_one(store: Store) -> None:
    """Of what both folders have the own one is read; what only one has is read there."""
    own, other = (baselines.find(store, MACHINE.id, "tiny", name) for name in ("full", "nf4"))
    assert own is not None
    assert other is not None
    assert store.shipped is not None
    assert own.folder == store.own / PORTABLE / "tiny"
    assert other.folder == store.shipped / PORTABLE / "tiny"
    assert baselines.read_picture(other, other.case.shots[0].pictures[0]).shape == (16, 16, 3)


def test_the_machines_own_pictures_come_before_portable_ones(store: Store, tmp_path: Path) -> None:
    """Wherever the portable ones lie."""
    accepted(store.own, tmp_path / "runs", "nf4")
    found = baselines.find(store, MACHINE.id, "tiny", "nf4")
    assert found is not None
    assert not found.portable


def test_a_deleted_baseline_is_not_made_up_for_by_a_shipped_one(store: Store) -> None:
    """What the own manifest lists must be there."""
    (store.own / PORTABLE / "tiny" / "facts" / "full.json").unlink()
    with pytest.raises(Refusal, match=r"own.portable.tiny.facts.full\.json is missing"):
        baselines.find(store, MACHINE.id, "tiny", "full")


def test_a_part_may_ship(store: Store) -> None:
    """Facts that a shipped manifest lists and that did not ship were not accepted here."""
    assert store.shipped is not None
    (store.shipped / PORTABLE / "tiny" / "facts" / "nf4.json").unlink()
    assert baselines.find(store, MACHINE.id, "tiny", "nf4") is None


def test_limits_come_from_both_folders(tmp_path: Path) -> None:
    """The own machine's first, then the shipped ones, then portable ones of either."""
    store = Store(tmp_path / "own", tmp_path / "shipped")
    floors = []
    for root, machine, value in (
        (tmp_path / "shipped", PORTABLE, 0.6),
        (tmp_path / "own", PORTABLE, 0.7),
        (tmp_path / "shipped", MACHINE.id, 0.8),
        (tmp_path / "own", MACHINE.id, 0.9),
    ):
        sealed(root, file_for(machine, value))
        floor = case_limits.for_case(store, MACHINE.id, SUBJECT, "nf4").likeness["ssim"].floor
        floors.append(floor.value if floor else None)
    assert floors == [0.6, 0.7, 0.8, 0.9]


def test_a_shipped_gpu_lends_its_limits(tmp_path: Path) -> None:
    """A GPU that nobody calibrated borrows from those that ship, too."""
    sealed(tmp_path / "shipped", file_for("another-gpu", 0.9))
    store = Store(tmp_path / "own", tmp_path / "shipped")
    assert case_limits.lenders(store, MACHINE.id, "tiny") == ("another-gpu",)
    assert case_limits.for_case(store, MACHINE.id, SUBJECT, "nf4").likeness


def test_accepting_writes_into_ones_own_folder_only(store: Store, tmp_path: Path) -> None:
    """What ships stays as it is, to the byte."""
    assert store.shipped is not None
    before = contents(store.shipped)
    accepted(store.own, tmp_path / "runs", "full", "nf4", portable=True, seed=3)
    assert contents(store.shipped) == before


def test_in_a_checkout_all_is_read_once() -> None:
    """There the repository's own folder is what ships, by whatever path it is named."""
    repository = REPOSITORY / "baselines"
    assert stores.shipped() == repository
    for own in (repository, repository / ".." / "baselines"):
        assert Store.at(own).roots == (own,)
    assert Store.at(Path("elsewhere")).roots == (Path("elsewhere"), repository)


def test_every_machines_limits_ship() -> None:
    """A GPU that nobody calibrated borrows them; with the manifest that says what they were when they were accepted."""
    table = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    ships = {Path(source): Path(target) for source, target in table["force-include"].items()}
    for limits_file in (REPOSITORY / "baselines").glob("*/*/limits.json"):
        for path in (limits_file, limits_file.with_name("SHA256SUMS")):
            source = path.relative_to(REPOSITORY)
            target = Path("fluxgate/shipped", *source.parts[1:])
            assert ships.get(source) == target or Path("baselines/portable") in source.parents


def test_a_package_without_baselines_ships_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder of that name beside it that has no known failures is somebody else's."""
    (tmp_path / "baselines").mkdir()
    monkeypatch.setattr(stores, "__file__", str(tmp_path / "fluxgate" / "baselines" / "store.py"))
    assert stores.shipped() is None
    (tmp_path / "fluxgate" / "shipped").mkdir(parents=True)
    (tmp_path / "fluxgate" / "shipped" / stores.KNOWN_FAILURES).touch()
    assert stores.shipped() == tmp_path / "fluxgate" / "shipped"


def test_what_a_killed_process_set_aside_is_read_where_it_lies(store: Store) -> None:
    """The former folder stands until a new one takes its place, and reading does not touch it."""
    (store.own / PORTABLE).rename(store.own / f"{replacement.FORMER}{PORTABLE}")
    before = contents(store.own)
    assert list(stores.subjects_in(store.own)) == [(PORTABLE, "tiny")]
    found = baselines.find(Store(store.own), MACHINE.id, "tiny", "full")
    assert found is not None
    assert baselines.read_picture(found, found.case.shots[0].pictures[0]).shape == (16, 16, 3)
    assert contents(store.own) == before


def test_the_cases_of_a_machine_are_those_of_ones_own_folder(store: Store, tmp_path: Path) -> None:
    """Of that machine alone, and nothing of what ships."""
    accepted(store.own, tmp_path / "runs", "nf4", "offload")
    assert store.cases_of(MACHINE.id) == {"tiny-nf4", "tiny-offload"}
    assert store.cases_of(PORTABLE) == {"tiny-full"}
    assert store.cases_of("another") == set()


def test_a_store_that_is_not_there_is_empty(tmp_path: Path) -> None:
    """Nothing was accepted yet, and that is no error."""
    store = Store(tmp_path / "none")
    assert baselines.find(store, MACHINE.id, "tiny", "full") is None
    assert known_failures.read_all(store) == ()
    assert list(stores.subjects_in(store.own)) == []
    assert case_limits.for_case(store, MACHINE.id, SUBJECT, "full") == limits.CaseLimits()

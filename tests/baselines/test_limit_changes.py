"""What a calibrating run changes in the limits: its own strategies, wider drift, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from fluxgate.baselines import case_limits
from fluxgate.baselines.limits import Band, LikenessLimits, Limit, LimitsFile
from fluxgate.baselines.store import Store
from fluxgate.files import write_plain
from fluxgate.refusal import Refusal
from fluxgate.runs.run import Run
from tests.baselines.acceptance import accept, accepted_case, planned
from tests.runs.building import MACHINE, SUBJECT, run_of
from tests.wording import unsaid


def calibrated(
    folder: Path, *, floor: float = 0.9, strategy: str = "nf4", subject: str = "tiny", unseparated: tuple[str, ...] = ()
) -> Run:
    """A run that measured limits and rendered no case."""
    run = run_of(folder)
    band = Band(floor=Limit(floor, "calibrated", 0.95, 0.01, 40, MACHINE.id, {}, "2026-03-01"))
    file = LimitsFile(subject, MACHINE.id, {strategy: LikenessLimits({"ssim": band}, {}, unseparated)}, {})
    write_plain(run.folder / "limits" / "tiny.json", file)
    return run


def drifted(folder: Path, ssim: float, *, of: str) -> Run:
    """A run that measured drift, between machines or of releases."""
    run = run_of(folder)
    bands = {"ssim": Band(floor=Limit(ssim, "between machines"))}
    both = {"full": bands, "nf4": bands}
    empty = LimitsFile("tiny", MACHINE.id, {}, {})
    file = replace(empty, drift=both) if of == "drift" else replace(empty, releases=both)
    write_plain(run.folder / "limits" / "tiny.json", file)
    return run


def test_measured_limits_are_accepted_like_pictures(tmp_path: Path, root: Path) -> None:
    """A calibrating run's limits become the ones that cases are judged by; others stay, and so do the facts."""
    runs = tmp_path / "runs"
    accept(run_of(runs, "full", "nf4"), root)
    before = accepted_case(root, "nf4")
    assert list(accept(calibrated(runs, unseparated=("one step fewer",)), root).lines()) == [
        "tiny-nf4: ssim at least 0.9000"
    ]
    accept(calibrated(runs, strategy="int8", floor=0.99), root)
    (file,) = case_limits.read_limits(Store(root), MACHINE.id, "tiny")
    assert file.strategies["nf4"].unseparated == ("one step fewer",)
    floors = [
        case_limits.for_case(Store(root), MACHINE.id, SUBJECT, name).likeness["ssim"].floor for name in ("nf4", "int8")
    ]
    assert [floor.value for floor in floors if floor] == [0.9, 0.99]
    assert accepted_case(root, "nf4") == before


def test_a_limit_that_moves_says_what_it_was(tmp_path: Path, root: Path) -> None:
    """Old and new stand in one line; equal limits are no change at all."""
    accept(calibrated(tmp_path), root)
    (line,) = planned(calibrated(tmp_path, floor=0.95), root).lines()
    assert not unsaid(line, "tiny-nf4: ssim at least 0.9500", "was at least 0.9000")
    plan = planned(calibrated(tmp_path), root)
    (line,) = plan.lines()
    assert not unsaid(line, "tiny", "limits", "stay")
    assert not plan.changes_anything


def test_no_change_of_limits_is_without_words(tmp_path: Path, root: Path) -> None:
    """Which controls they let through counts, too."""
    accept(calibrated(tmp_path), root)
    (line,) = planned(calibrated(tmp_path, unseparated=("grey",)), root).lines()
    assert not unsaid(line, "tiny-nf4", "not reject", "grey")


@pytest.mark.parametrize("of", ["drift", "releases"])
def test_drift_gathers_all_that_was_seen(tmp_path: Path, root: Path, of: str) -> None:
    """Bands only become wider, unless they are tightened; --only chooses whose."""

    def floor(strategy: str) -> float | None:
        band = case_limits.for_case(Store(root), MACHINE.id, SUBJECT, strategy).drift["ssim"]
        return band.floor.value if band.floor else None

    for ssim in (0.99, 0.95, 0.98):
        accept(drifted(tmp_path, ssim, of=of), root)
    assert (floor("full"), floor("nf4")) == (0.95, 0.95)
    accept(drifted(tmp_path, 0.98, of=of), root, tighten=True, only="*-nf4")
    assert (floor("full"), floor("nf4")) == (0.95, 0.98)


def test_limits_of_another_name_are_refused(tmp_path: Path, root: Path) -> None:
    """A file of limits must be of the subject that its name says."""
    with pytest.raises(Refusal, match=r"tiny\.json is damaged"):
        planned(calibrated(tmp_path, subject="other"), root)

"""Drift: how far the same pictures lie apart between runs that differ in nothing but a legal change."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from fluxgate.baselines.limits import LimitsFile
from fluxgate.calibration import floors
from fluxgate.calibration.calibrate import origin_of
from fluxgate.compare.likeness import Likeness, likeness_of, mismatch, worst
from fluxgate.files import write_plain
from fluxgate.refusal import Refusal
from fluxgate.runs.rendered import Rendered
from fluxgate.runs.run import Run


def between(run: Run, given: Sequence[Run], *, report: Callable[[str], None]) -> dict[str, LimitsFile]:
    """Bands of drift for every case that the first of the given runs shares with another, written into the new run."""
    if len(given) < 2:
        raise Refusal("Drift lies between runs: name two or more, of machines or releases that may differ.")
    first, *others = given
    found: dict[str, LimitsFile] = {}
    for case_id, rendering in first.renderings().items():
        likenesses = [likeness for other in others for likeness in _likenesses(first, other, case_id)]
        if not likenesses:
            continue
        report(f"{case_id}: {len(likenesses)} pictures, SSIM {worst(likenesses).ssim:.6f} at worst")
        bands = floors.drift([one.measures() for one in likenesses], origin_of(first), source=_source(given))
        file = found.setdefault(rendering.subject, LimitsFile(rendering.subject, run.machine.id, {}, {}))
        file.drift[rendering.strategy] = bands
    for subject, file in found.items():
        write_plain(run.folder / "limits" / f"{subject}.json", file)
    return found


def _likenesses(first: Run, other: Run, case_id: str) -> Iterator[Likeness]:
    """The pictures of a case that both runs rendered by the same recipe."""
    one, another = first.rendered(case_id), other.rendered(case_id)
    if one is None or another is None or one.crash or another.crash:
        return
    mine, theirs = Rendered(one, first.case_folder(case_id)), Rendered(another, other.case_folder(case_id))
    for shot in one.recipes:
        if one.recipes[shot] == another.recipes.get(shot):
            pairs = zip(mine.pixels(shot), theirs.pixels(shot), strict=True)
            yield from (likeness_of(left, right) for left, right in pairs if mismatch(left, right) is None)


def _source(given: Sequence[Run]) -> str:
    """What the runs differ in."""
    machines = list(dict.fromkeys(run.machine.id for run in given))
    if len(machines) > 1:
        return f"between {', '.join(machines)}"
    stacks = [f"{name} {version}" for run in given for name, version in sorted(run.stack.items())]
    moved = [entry for entry in dict.fromkeys(stacks) if stacks.count(entry) < len(given)]
    return f"between {', '.join(moved)}" if moved else "between runs of one machine and stack"

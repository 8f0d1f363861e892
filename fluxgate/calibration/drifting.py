"""Drift: how far the same pictures lie apart between runs that differ in nothing but a legal change."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fluxgate.baselines.limits import LimitsFile
from fluxgate.calibration import floors
from fluxgate.calibration.calibrate import origin_of
from fluxgate.compare.difference import other_recipes
from fluxgate.compare.facts import facts_of
from fluxgate.compare.likeness import Likeness, worst
from fluxgate.compare.pairs import pairs_of
from fluxgate.files import write_plain
from fluxgate.locks import Say
from fluxgate.refusal import Refusal
from fluxgate.runs.rendered import Rendered
from fluxgate.runs.run import Run


def between(run: Run, runs: Sequence[Run], *, report: Say) -> dict[str, LimitsFile]:
    """Bands of drift for every case that the first of the runs shares with another, written into a new run."""
    if len(runs) < 2:
        raise Refusal("Drift lies between runs: name two or more, of machines or releases that may differ.")
    first, *later = runs
    files: dict[str, LimitsFile] = {}
    for case_id, rendered in first.rendered_cases().items():
        measured = [likeness for other in later for likeness in _shared(rendered, other)]
        if not measured:
            continue
        report(f"{case_id}: {len(measured)} pictures, SSIM {worst(measured).ssim:.6f} at worst")
        bands = floors.drift([one.measures() for one in measured], origin_of(first), source=_source(runs))
        subject, strategy = rendered.rendering.subject, rendered.rendering.strategy
        file = files.setdefault(subject, LimitsFile(subject, run.machine.id, {}, {}))
        file.drift[strategy] = bands
    for subject, file in files.items():
        write_plain(run.folder / "limits" / f"{subject}.json", file)
    return files


def _shared(rendered: Rendered, other: Run) -> Iterator[Likeness]:
    """The likenesses of a case to the same case of another run, where both were rendered whole."""
    rendering = other.rendered(rendered.rendering.case_id)
    if rendering is not None and not rendering.crash and not rendered.rendering.crash:
        yield from likenesses(rendered, Rendered(rendering, other.case_folder(rendering.case_id)))


def likenesses(expected: Rendered, actual: Rendered) -> Iterator[Likeness]:
    """How alike two renderings of a case are, picture by picture, where both were rendered by the same recipe."""
    theirs, ours = facts_of(expected), facts_of(actual)
    shared = theirs.recipes.keys() & ours.recipes.keys() - set(other_recipes(theirs, ours))
    for pair in pairs_of(theirs, ours, only=[key for key in ours.pictures if key[0] in shared]):
        if pair.likeness is None:
            case_id = actual.rendering.case_id
            raise Refusal(f"{case_id}: picture {pair.index} of shot {pair.shot!r} {pair.trouble}.")
        yield pair.likeness


def _source(runs: Sequence[Run]) -> str:
    """What the runs differ in."""
    machines = list(dict.fromkeys(run.machine.id for run in runs))
    if len(machines) > 1:
        return f"between {', '.join(machines)}"
    stacks = [f"{name} {version}" for run in runs for name, version in sorted(run.stack.items())]
    moved = [entry for entry in dict.fromkeys(stacks) if stacks.count(entry) < len(runs)]
    return f"between {', '.join(moved)}" if moved else "between runs of one machine and stack"

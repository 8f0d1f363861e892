"""How much longer a session takes than its loading and rendering: `python benchmarks/overhead.py [PYTEST OPTIONS]`."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from fluxgate.refusal import USAGE, Refusal  # noqa: E402
from fluxgate.rendering import Rendering  # noqa: E402
from fluxgate.runs import run as runs  # noqa: E402

MOST = {"cuda": 1.1, "cpu": 1.15}  # times the seconds of loading and rendering, one case after another
LEAST_SIDE_BY_SIDE = 0.9  # of what so many processes could do, if each did nothing but load and render


def main(options: Sequence[str]) -> int:
    if any(option.startswith("--runs") for option in options):
        print("The benchmark puts its run into a folder of its own: leave --runs out.", file=sys.stderr)
        return USAGE
    with tempfile.TemporaryDirectory(prefix="fluxgate-overhead-") as folder:
        started = time.monotonic()
        ended = subprocess.run([sys.executable, "-m", "pytest", *options, f"--runs={folder}"], cwd=ROOT, check=False)
        wall = time.monotonic() - started
        try:
            run = runs.latest(Path(folder))
        except Refusal:  # pytest has said why it rendered nothing
            return ended.returncode or 1
        beside = processes(options)
        print("\n".join((*table(wall, run), ratio(wall, run, beside=beside))))
        within = is_within(wall, run, beside=beside)
    return ended.returncode or int(not within)


def table(wall: float, run: runs.Run) -> Iterator[str]:
    """A line for each case, then the whole."""
    renderings = run.renderings()
    yield f"{'case':<44}{'load':>8}{'render':>8}{'worker':>8}"
    for case_id, rendering in renderings.items():
        load = rendering.seconds("load") or 0.0
        yield f"{case_id:<44}{load:>8.2f}{spent(rendering) - load:>8.2f}{rendering.wall_seconds:>8.2f}"
    work, workers = (sum(map(of, renderings.values())) for of in (spent, lambda rendering: rendering.wall_seconds))
    yield f"{len(renderings)} cases on {run.machine.name} ({run.machine.id}), diffusers {run.stack['diffusers']}:"
    yield f"{work:.1f} s of loading and rendering"
    yield f"in workers that lived {workers:.1f} s ({workers / work:.2f} times as long)"
    judged = sum(rendering.work.seconds for rendering in renderings.values() if rendering.work)
    yield f"{judged:.1f} s of counting work, in none of these seconds"
    waits = max(renderings.values(), key=lambda one: one.wall_seconds - spent(one))
    yield f"longest beside its work: {waits.case_id}, {waits.wall_seconds:.1f} s for {spent(waits):.1f} s"


def ratio(wall: float, run: runs.Run, *, beside: int) -> str:
    """The session's seconds against what loading and rendering alone would take."""
    work = sum(map(spent, run.renderings().values()))
    if beside > 1:
        ideal = f"{work / beside / wall:.2f} of what {beside} processes could do; at least {LEAST_SIDE_BY_SIDE}"
        return f"in a session of {wall:.1f} s ({ideal} is the aim)"
    most = MOST[run.machine.device]
    return f"in a session of {wall:.1f} s ({wall / work:.2f} times as long; at most {most} is the aim)"


def is_within(wall: float, run: runs.Run, *, beside: int) -> bool:
    work = sum(map(spent, run.renderings().values()))
    return work / beside / wall >= LEAST_SIDE_BY_SIDE if beside > 1 else wall <= MOST[run.machine.device] * work


def processes(options: Sequence[str]) -> int:
    """How many of xdist's processes the options ask for: -n 4, -n4 or --numprocesses=4."""
    for option, following in zip_longest(options, options[1:], fillvalue=""):
        name, _, value = option.partition("=")
        if option in ("-n", "--numprocesses"):
            return int(following) if following.isdigit() else 1
        if name == "--numprocesses" or (option.startswith("-n") and option[2:].isdigit()):
            return int(value or option[2:])
    return 1


def spent(rendering: Rendering) -> float:
    """Seconds of loading and of every take of every shot."""
    return sum(duration.seconds for duration in rendering.durations)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

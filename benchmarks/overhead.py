"""How much longer a session takes than its loading and rendering: `python benchmarks/overhead.py [PYTEST OPTIONS]`."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from fluxgate.refusal import USAGE, Refusal  # noqa: E402
from fluxgate.rendering import Rendering  # noqa: E402
from fluxgate.runs import run as runs  # noqa: E402

MOST = 1.3  # times the seconds of loading and rendering


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
        print("\n".join(table(wall, run)))
        work = sum(spent(rendering) for rendering in run.renderings().values())
    return ended.returncode or int(wall > MOST * work)


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
    yield f"in a session of {wall:.1f} s ({wall / work:.2f} times as long; at most {MOST} is the aim)"


def spent(rendering: Rendering) -> float:
    """Seconds of loading and of every take of every shot."""
    return sum(duration.seconds for duration in rendering.durations)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

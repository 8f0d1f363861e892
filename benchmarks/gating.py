"""What a gate costs beside one run of the same cases: `python benchmarks/gating.py CHANGE… [OPTIONS OF GATE]`.

The first gate builds the environments, with one case; the second finds them warm, renders all anew, and is timed.
On a machine that has other work, the seconds that processors worked tell more than those of the clock."""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from fluxgate.cli.finding import LATEST, find  # noqa: E402
from fluxgate.report.gate_folder import read_gate_result, run_of  # noqa: E402
from fluxgate.report.gate_result import INCUMBENT, GateResult  # noqa: E402

MOST = 2.1  # times the seconds of one run of the same tier
ANSWERED = (0, 1, 3)


def main(options: Sequence[str]) -> int:
    """Exits with 1 where a gate costs more than it may."""
    with tempfile.TemporaryDirectory(prefix="fluxgate-gating-") as folder:
        _timed("gate", *_with_one_case(options), "--no-culprit", f"--runs={folder}/cold")
        warm = _timed("gate", *options, "--no-culprit", f"--runs={folder}/warm")
        gate = find(LATEST, runs_folder=Path(folder) / "warm")
        result = read_gate_result(gate)
        strategies = ",".join(dict.fromkeys(_rendered(result, gate)))
        subjects = ",".join(dict.fromkeys(case.subject for case in result.cases))
        once = _timed("render", f"--subject={subjects}", f"--strategy={strategies}", f"--runs={folder}/once")
    told = f"{len(result.cases)} cases ({', '.join(map(str, result.moves))}) on {result.machine.name}"
    print(f"{told}: a warm gate took {warm.clock:.1f} s, one run of the same {once.clock:.1f} s")
    print(f"{warm.clock / once.clock:.2f} times as long; at most {MOST} is the aim")
    print(
        f"Processors worked {warm.worked:.1f} s and {once.worked:.1f} s: {warm.worked / once.worked:.2f} times as long"
    )
    return int(warm.clock > MOST * once.clock)


def _with_one_case(options: Sequence[str]) -> tuple[str, ...]:
    """The same gate, which need not render much to build what it takes."""
    kept = (option for option in options if not option.startswith(("--strategy", "--tier")))
    return (*kept, "--strategy=full")


def _rendered(result: GateResult, gate: Path) -> list[str]:
    """The strategies that the incumbent rendered, those that cases are compared with among them."""
    run = run_of(result, INCUMBENT, gate=gate)
    return [] if run is None else [rendering.strategy for rendering in run.renderings().values()]


@dataclass(frozen=True)
class Took:
    """Seconds by the clock, and those that processors worked for it."""

    clock: float
    worked: float


def _timed(*arguments: str) -> Took:
    started, before = time.monotonic(), _worked()
    ended = subprocess.run([sys.executable, "-m", "fluxgate", *arguments], cwd=ROOT, check=False)
    if ended.returncode not in ANSWERED:
        sys.exit(ended.returncode)
    return Took(time.monotonic() - started, _worked() - before)


def _worked() -> float:
    """Of this process's children, and theirs, once they have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""After how many runs a step that takes longer and does nothing more is told: `python -m benchmarks.slower_steps`.

A clean run of `full` is accepted; then the transformer takes a quarter longer in run after run, or twice as long."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from fluxgate.baselines.store import Store
from fluxgate.history.earlier_runs import EarlierRuns
from fluxgate.judge.checks.speed import LASTING_RUNS
from fluxgate.judge.gathering import judge_cases
from fluxgate.judge.standards import Standards
from fluxgate.judge.verdict import FAILED, SPEED
from fluxgate.prove import bench
from fluxgate.prove.clean import accept
from fluxgate.prove.faults import fault_named
from fluxgate.runs.run import Run

TAKES = 5  # accepted, of one shot
FAULTS = ("step-twice-as-long", "step-quarter-longer")


def main(names: list[str]) -> int:
    missed = 0
    with tempfile.TemporaryDirectory(prefix="fluxgate-slower-") as name:
        folder = Path(name)
        with bench.bench(folder, report=print) as on:
            on.workers.takes = TAKES
            cases = bench.cases_of(fault_named(FAULTS[0]), on)
            clean = bench.rendered(cases, on, folder / "clean")
            accept(clean, cases, folder / "store")
            for fault in names or FAULTS:
                runs: list[Run] = []
                for number in range(1, LASTING_RUNS + 1):
                    faulty = bench.rendered(cases, on, folder / fault / f"{number}", fault=fault_named(fault))
                    standards = Standards(
                        on.environment.machine,
                        on.environment.stack,
                        store=Store(folder / "store"),
                        paces=EarlierRuns(tuple(runs)).paces,
                    )
                    verdicts = judge_cases(cases, faulty.rendered_cases().get, standards)
                    speed = next(one for one in verdicts if one.check == SPEED)
                    print(f"{fault}, run {number}: {speed.status}: {speed.sentence}", flush=True)
                    if speed.status == FAILED:
                        break
                    runs.append(faulty)
                else:
                    missed += 1
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""How much longer accepting takes than reading and compressing each picture once: `python benchmarks/accepting.py`."""

from __future__ import annotations

import datetime
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from fluxgate.baselines import accepting, planning  # noqa: E402
from fluxgate.baselines.changes import Plan  # noqa: E402
from fluxgate.cases import Case  # noqa: E402
from fluxgate.files import write_plain  # noqa: E402
from fluxgate.machine import detect  # noqa: E402
from fluxgate.pictures import QUICKLY, Pixels, hash_of, read_png, write_png  # noqa: E402
from fluxgate.rendering import RENDERING, Duration, Picture, Rendering  # noqa: E402
from fluxgate.runs import run as runs  # noqa: E402
from fluxgate.runs.run import Run  # noqa: E402
from fluxgate.strategies import STRATEGIES  # noqa: E402
from fluxgate.subjects.subject import Shot, Subject  # noqa: E402

HEIGHT, WIDTH, SHOTS, CASES, OWNERS = 768, 1360, 2, 18, 9
SUBJECT = Subject(
    "large", "pictures of the usual size", "package:none", tuple(Shot(f"shot-{n}", (f"{n}",), n) for n in range(SHOTS))
)
# Cases that reproduce a strategy of the first half share its pictures, as in a run of every strategy.
STRATEGY = STRATEGIES[0]
MOST = {"new": 2.0, "changed": 4.0, "the same": 0.5}  # times the seconds of reading and compressing each picture once


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="fluxgate-accepting-") as folder:
        ratios = dict(measured(Path(folder)))
    for act, ratio in ratios.items():
        print(f"{act:<10}{ratio:>6.2f} times as long as reading and compressing each picture once; at most {MOST[act]}")
    return int(any(ratio > MOST[act] for act, ratio in ratios.items()))


def measured(folder: Path) -> Iterator[tuple[str, float]]:
    """What is accepted, and how long that takes, in a store that fills meanwhile."""
    first, second = (rendered(folder / "runs", seed) for seed in (0, 1))
    once = seconds(lambda: compress_once(first, folder / "once.png"))
    print(f"{CASES} cases, {OWNERS * SHOTS} pictures of {WIDTH}×{HEIGHT}: {once:.1f} s to read and compress once")
    for act, run in (("new", first), ("changed", second), ("the same", second)):
        spent = seconds(partial(accept, run, folder / "baselines"))
        print(f"{act:<10}{spent:>6.1f} s")
        yield act, spent / once


def accept(run: Run, root: Path) -> Plan:
    plan = planning.plan(run, planning.Request(), root=root, cases=cases())
    list(plan.lines())
    accepting.draw(plan)
    now = datetime.datetime.now(datetime.UTC)
    accepting.write(plan, accepting.acceptance(run, because="measured", by="nobody", at=now))
    return plan


def cases() -> dict[str, Case]:
    """Half of them have pictures of their own, and each of the others reproduces one of those."""
    names = [f"own-{number}" for number in range(OWNERS)] + [f"other-{number}" for number in range(CASES - OWNERS)]
    made = {}
    for name in names:
        kind, _, number = name.partition("-")
        promise = replace(STRATEGY.promise, reproduces=f"own-{number}" if kind == "other" else None)
        case = Case(SUBJECT, replace(STRATEGY, name=name, promise=promise), "cuda")
        made[case.id] = case
    return made


def rendered(root: Path, seed: int) -> Run:
    """A run of all cases, its pictures compressed as quickly as workers do."""
    run = runs.create(root, detect(), {}, "by hand")
    for case in cases().values():
        folder = run.case_folder(case.id)
        number = int(case.strategy.name.rpartition("-")[2])
        pictures = []
        for index, shot in enumerate(SUBJECT.shots):
            pixels = painted(1000 * seed + 10 * number + index)
            write_png(folder / f"{shot.name}.png", pixels, effort=QUICKLY)
            pictures.append(Picture(shot.name, 0, 0, f"{shot.name}.png", hash_of(pixels), HEIGHT, WIDTH, "RGB"))
        write_plain(folder / RENDERING, rendering_of(case, tuple(pictures)))
    return runs.finish(run)


def rendering_of(case: Case, pictures: tuple[Picture, ...]) -> Rendering:
    recipes = {shot.name: shot.recipe for shot in case.shots}
    durations = (Duration("load", 1.0),)
    return Rendering(
        case.subject.name, case.strategy.name, "cuda", recipes, pictures, (), None, None, durations, (), {}, 1.0
    )


def painted(seed: int) -> Pixels:
    """Waves with a little noise: as hard to compress as the pictures of a pipeline, 0.7 MB."""
    rng = np.random.default_rng(seed)
    down, right = np.mgrid[0:HEIGHT, 0:WIDTH]
    waves = [127 + 100 * np.sin(down / rng.uniform(40, 200) + right / rng.uniform(40, 200)) for _ in range(3)]
    noise = rng.normal(0, 0.3, (HEIGHT, WIDTH, 1))
    return np.clip(np.stack(waves, axis=2) + noise, 0, 255).astype(np.uint8)


def compress_once(run: Run, path: Path) -> None:
    """Read and compress each picture, whichever cases have it."""
    for picture in run.folder.glob("cases/*own-*/*.png"):
        write_png(path, read_png(picture))


def seconds(act: Callable[[], object]) -> float:
    started = time.monotonic()
    act()
    return time.monotonic() - started


if __name__ == "__main__":
    sys.exit(main())

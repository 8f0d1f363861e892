"""How much longer a session takes than its loading and rendering: `python benchmarks/overhead.py [PYTEST OPTIONS]`.

With `--judging` before them, each case is judged once more at the end, alone, to say how long that takes."""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import zip_longest
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from fluxgate.baselines.store import Store  # noqa: E402
from fluxgate.judge.gathering import judge_cases  # noqa: E402
from fluxgate.judge.standards import Standards  # noqa: E402
from fluxgate.refusal import USAGE, Refusal  # noqa: E402
from fluxgate.rendering import RENDERING, Rendering  # noqa: E402
from fluxgate.runs import run as runs  # noqa: E402
from fluxgate.runs.plan import cases_of  # noqa: E402

JUDGING = "--judging"

MOST = {"cuda": 1.1, "cpu": 1.15}  # times the seconds of loading and rendering, one case after another
LEAST_SIDE_BY_SIDE = 0.9  # of what so many processes could do, if each did nothing but load and render


def main(options: Sequence[str]) -> int:
    judging, options = options[:1] == [JUDGING], [each for each in options if each != JUDGING]
    if any(option.startswith("--runs") for option in options):
        print("The benchmark puts its run into a folder of its own: leave --runs out.", file=sys.stderr)
        return USAGE
    with tempfile.TemporaryDirectory(prefix="fluxgate-overhead-") as folder:
        started, began = time.monotonic(), time.time()
        code = session([*options, f"--runs={folder}"])
        wall = time.monotonic() - started
        try:
            run = runs.latest(Path(folder))
        except Refusal:  # pytest has said why it rendered nothing
            return code or 1
        beside = processes(options)
        print("\n".join((*table(run), *devices(run, began, began + wall), ratio(wall, run, beside=beside))))
        print("\n".join(judged(run) if judging else ()))
        within = is_within(wall, run, beside=beside)
    return code or int(not within)


def session(options: Sequence[str]) -> int:
    """pytest's exit code; where it is interrupted, what it had rendered until then is told."""
    with subprocess.Popen([sys.executable, "-m", "pytest", *options], cwd=ROOT) as process:
        try:
            return process.wait()
        except KeyboardInterrupt:
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever interrupts once may do so again
            return process.wait()


def table(run: runs.Run) -> Iterator[str]:
    """A line for each case, then the whole; what is beside loading and rendering, by what it is for."""
    renderings = run.renderings()
    parts = tuple(dict.fromkeys(part for rendering in renderings.values() for part in rendering.beside))
    yield f"{'case':<44}{'load':>8}{'render':>8}{'worker':>8}  of which {', '.join((*parts, 'the rest'))}"
    for case_id, rendering in renderings.items():
        load, rest = rendering.seconds("load") or 0.0, rendering.wall_seconds - spent(rendering)
        beside = [rendering.beside.get(part, 0.0) for part in parts]
        told = " ".join(f"{seconds:.2f}" for seconds in (*beside, rest - sum(beside)))
        yield f"{case_id:<44}{load:>8.2f}{spent(rendering) - load:>8.2f}{rendering.wall_seconds:>8.2f}  {told}"
    work, workers = (sum(map(of, renderings.values())) for of in (spent, lambda rendering: rendering.wall_seconds))
    yield f"{len(renderings)} cases on {run.machine.name} ({run.machine.id}), diffusers {run.stack['diffusers']}:"
    yield f"{work:.1f} s of loading and rendering"
    yield f"in workers that lived {workers:.1f} s ({workers / work:.2f} times as long)"
    for part in parts:
        yield f"  {sum(rendering.beside.get(part, 0.0) for rendering in renderings.values()):.1f} s for {part}"
    waits = max(renderings.values(), key=lambda one: one.wall_seconds - spent(one))
    yield f"longest beside its work: {waits.case_id}, {waits.wall_seconds:.1f} s for {spent(waits):.1f} s"


def devices(run: runs.Run, began: float, ended: float) -> Iterator[str]:
    """A line for each device: when its first case began, how long it waited between cases, when its last one ended."""
    cases: dict[str, list[tuple[float, float]]] = {}
    again: dict[str, dict[float, float]] = {}  # by the end of a case, the seconds of rendering it once more
    for case_id, rendered in run.ended_cases().items():
        rendering, more = rendered.rendering, runs.rendered_once_more(rendered)
        end = (run.case_folder(case_id) / RENDERING).stat().st_mtime
        device = rendering.determinism.get("CUDA_VISIBLE_DEVICES", rendering.device)
        cases.setdefault(device, []).append((end - rendering.wall_seconds, end))
        again.setdefault(device, {}).update({end: more.rendering.wall_seconds} if more else {})
    for device, spans in sorted(cases.items()):
        first, last = min(spans)[0], max(end for _, end in spans)
        between = last - first - sum(end - start for start, end in spans)
        told = f"the first begins after {first - began:.1f} s, {between:.1f} s between them"
        repeated = [seconds for end, seconds in again[device].items() if end < last]
        once_more = f", of which {len(repeated)} rendered once more took {sum(repeated):.1f} s" if repeated else ""
        yield f"{device}: {len(spans)} cases, {told}{once_more}, the session ends {ended - last:.1f} s after the last"


def judged(run: runs.Run) -> Iterator[str]:
    """Seconds of judging each case, in a process that does nothing else, references first as in a session."""
    store, renderings = Store(ROOT / "baselines"), run.rendered_cases()
    standards = Standards(run.machine, run.stack, store=store)
    seconds: dict[str, float] = {}
    for case in cases_of(run):
        if case.id in renderings:
            started = time.perf_counter()
            judge_cases([replace(case, unsupported=None)], renderings.get, standards, run=run.folder)
            seconds[case.id] = time.perf_counter() - started
    told = ", ".join(f"{case_id} {each:.1f}" for case_id, each in seconds.items())
    yield f"judging takes {sum(seconds.values()):.1f} s for {len(seconds)} cases, alone: {told}"


def ratio(wall: float, run: runs.Run, *, beside: int) -> str:
    """The session's seconds against what loading and rendering alone would take."""
    work = sum(map(spent, run.renderings().values()))
    if beside > 1:
        lived = sum(rendering.wall_seconds for rendering in run.renderings().values())
        ideal = f"{work / beside / wall:.2f} of what {beside} processes could do; at least {LEAST_SIDE_BY_SIDE}"
        busy = f"their workers lived for {lived / beside / wall:.2f} of it"
        return f"in a session of {wall:.1f} s ({ideal} is the aim; {busy})"
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

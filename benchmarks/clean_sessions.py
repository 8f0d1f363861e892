"""Clean sessions, each in other surroundings: not one may be red. `python -m benchmarks.clean_sessions [NUMBER]`."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[1]
PIPELINE = ROOT / "fluxgate" / "miniature" / "pipeline"
STRATEGIES = "full,model-offload,sequential-offload,vae-slicing,staged"
SUBJECT = """[clean]
about = "the miniature with one small shot of two pictures"
source = "folder:{pipeline}"
oracle = "miniature"

[clean.shots.small]
prompts = ["Two orange foxes in a forest by day.", "A red house in a desert at night."]
seed = 7
height = 128
width = 128
steps = 6
guidance = 3.5
max_sequence_length = 64
"""
BUSY = "while True: pass"


@dataclass(frozen=True)
class Surroundings:
    """What may be otherwise on a user's machine, and must change nothing."""

    name: str
    variables: Mapping[str, str] = field(default_factory=dict)
    folder: str = "runs"  # within a temporary one
    busy: int = 0  # processes that do nothing but work
    read_only: bool = False  # the checkout, where this process may mount
    user: str | None = None  # whom it runs as, where that user can run this Python


KINDS = (
    Surroundings("as it is"),
    Surroundings("one thread", {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}),
    Surroundings("many threads", {"OMP_NUM_THREADS": "16"}),
    Surroundings("another hash seed", {"PYTHONHASHSEED": "12345"}),
    Surroundings("hash seed zero", {"PYTHONHASHSEED": "0"}),
    Surroundings("a time zone ahead", {"TZ": "Pacific/Kiritimati"}),
    Surroundings("a time zone behind", {"TZ": "America/St_Johns"}),
    Surroundings("a folder with spaces", folder="my runs of today"),
    Surroundings("a folder in other alphabets", folder="прогоны 実行 ☃"),
    Surroundings("no locale", {"LC_ALL": "C", "LANG": "C", "PYTHONUTF8": "0"}),
    Surroundings("a comma in numbers", {"LC_ALL": "de_DE.UTF-8", "LC_NUMERIC": "de_DE.UTF-8"}),
    Surroundings("a busy machine", busy=4),
    Surroundings("a checkout that is read-only", read_only=True),
    Surroundings("somebody else than root", user="nobody"),
    Surroundings("few arenas of malloc", {"MALLOC_ARENA_MAX": "1"}),
    Surroundings("a colourless terminal", {"TERM": "dumb", "NO_COLOR": "1", "COLUMNS": "40"}),
)


@dataclass(frozen=True)
class Ended:
    """How one session ended."""

    name: str
    seconds: float
    red: tuple[str, ...]  # what was said, where it was not clean
    left_out: str | None = None  # why it was not run here


def main(number: int) -> int:
    with tempfile.TemporaryDirectory(prefix="fluxgate-clean-") as name:
        folder = Path(name)
        folder.chmod(0o777)
        (folder / "clean.toml").write_text(SUBJECT.format(pipeline=PIPELINE), encoding="utf-8")
        ended = [_session(kind, folder, place) for place, kind in zip(range(number), itertools.cycle(KINDS))]
    alarms = [one for one in ended if one.red]
    ran = [one for one in ended if one.left_out is None]
    for reason in dict.fromkeys(f"{one.name}: {one.left_out}" for one in ended if one.left_out):
        print(f"left out: {reason}")
    print(f"{len(ran)} clean sessions, {len(alarms)} with a false alarm, {sum(one.seconds for one in ran):.0f} s")
    return 1 if alarms or not ran else 0


def _session(kind: Surroundings, folder: Path, place: int) -> Ended:
    """Render and judge in these surroundings; what the first session rendered is accepted."""
    started = time.monotonic()
    without = _why_not(kind)
    red = () if without else tuple(_red(kind, folder, accept=not (folder / "baselines").exists()))
    ended = Ended(kind.name, time.monotonic() - started, red, without)
    print(f"{place + 1}: {kind.name}: {without or ('RED' if red else 'clean')} ({ended.seconds:.0f} s)", flush=True)
    for line in red:
        print(f"    {line}", flush=True)
    return ended


def _red(kind: Surroundings, folder: Path, *, accept: bool) -> Iterator[str]:
    runs = folder / kind.folder / f"{time.monotonic_ns()}"
    with _busy(kind.busy):
        done = _fluxgate(kind, folder, "render", "--subject", "clean", "--strategy", STRATEGIES, "--runs", str(runs))
    if done.returncode:
        yield from done.stdout.splitlines()[-12:]
        return
    (run,) = (path for path in runs.iterdir() if path.is_dir())
    kept = ("--baselines", str(folder / "baselines"))
    if accept:
        done = _fluxgate(kind, folder, "accept", str(run), *kept, "--yes", "--because", "the first clean session")
        if done.returncode:
            yield from done.stdout.splitlines()
    done = _fluxgate(kind, folder, "judge", str(run), *kept, "--require-baseline")
    if done.returncode:
        yield from done.stdout.splitlines()[-30:]


def _fluxgate(kind: Surroundings, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "fluxgate", *arguments]
    if kind.read_only:
        command = ["unshare", "-m", "sh", "-c", _MOUNT, "sh", str(ROOT), *command]
    variables = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "FLUXGATE_SUBJECTS": str(folder / "clean.toml"),
        "FLUXGATE_QUEUE": str(folder / "queue"),
        **kind.variables,
    }
    return subprocess.run(
        command,
        cwd=folder,
        env=variables,
        user=kind.user,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )


_MOUNT = 'mount --bind "$1" "$1" && mount -o remount,ro,bind "$1" && shift && exec "$@"'


def _why_not(kind: Surroundings) -> str | None:
    """Why these surroundings cannot be made here."""
    if kind.read_only:
        command = ["unshare", "-m", "sh", "-c", _MOUNT, "sh", str(ROOT), "true"]
        mounts = subprocess.run(command, capture_output=True, check=False).returncode == 0
        return None if mounts else "this process may not mount"
    if kind.user is not None:
        try:
            done = subprocess.run([sys.executable, "-c", ""], user=kind.user, capture_output=True, check=False)
        except (OSError, PermissionError) as error:
            return f"{kind.user} cannot run this Python: {type(error).__name__}"
        return None if done.returncode == 0 else f"{kind.user} cannot run this Python"
    return None


@contextmanager
def _busy(number: int) -> Iterator[None]:
    """Other work beside, on as many processors."""
    with ExitStack() as stack:
        for _ in range(number):
            process = subprocess.Popen([sys.executable, "-c", BUSY])
            stack.callback(process.wait)
            stack.callback(process.kill)
        yield


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else len(KINDS)))

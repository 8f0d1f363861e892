"""Clean sessions, each in other surroundings: not one may be red, and all must have done the same work.

`python -m benchmarks.clean_sessions [NUMBER] [--beside N] [--gpus N]`: the first session is accepted, the others are
held to it."""

from __future__ import annotations

import argparse
import itertools
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from fluxgate.compare.work import work_changes
from fluxgate.rendering import Rendering
from fluxgate.runs.run import open_run

ROOT = Path(__file__).parents[1]
PIPELINE = ROOT / "fluxgate" / "miniature" / "pipeline"
ON_CPU = "full,model-offload,group-offload-leaf,vae-slicing,staged"
ON_GPU = "full,model-offload,sequential-offload,group-offload-leaf,group-offload-leaf-stream,nf4,staged,vae-slicing"
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
class Asked:
    """What is to be done."""

    number: int
    beside: int  # sessions side by side
    gpus: int  # that they are dealt to; 0: on the CPU
    limit: float  # seconds after which no further session begins
    strategies: str
    folder: Path  # of all that is rendered and accepted

    @property
    def baselines(self) -> Path:
        return self.folder / "baselines"


@dataclass(frozen=True)
class Ended:
    """How one session ended."""

    name: str
    seconds: float = 0.0
    red: tuple[str, ...] = ()  # what was said, where it was not clean
    left_out: str | None = None  # why it was not run here
    work: Mapping[str, Rendering] = field(default_factory=dict)  # case -> what it gave


def main(arguments: list[str]) -> int:
    options = _options(arguments)
    with ExitStack() as stack:
        name = options.keep or stack.enter_context(tempfile.TemporaryDirectory(prefix="fluxgate-clean-"))
        folder = Path(name).absolute()
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o777)
        (folder / "clean.toml").write_text(SUBJECT.format(pipeline=PIPELINE), encoding="utf-8")
        strategies = options.strategies or (ON_GPU if options.gpus else ON_CPU)
        asked = Asked(options.number, options.beside, options.gpus, options.limit, strategies, folder)
        ended = _sessions(asked)
    return _told(ended)


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("number", nargs="?", type=int, default=len(KINDS), help="of sessions")
    parser.add_argument("--beside", type=int, default=1, metavar="N", help="sessions side by side")
    parser.add_argument("--gpus", type=int, default=0, metavar="N", help="GPUs that they are dealt to")
    parser.add_argument("--limit", type=float, default=1e9, metavar="SECONDS", help="after which none begins")
    parser.add_argument("--strategies", metavar="NAMES")
    parser.add_argument("--keep", metavar="FOLDER", help="leave there what was rendered")
    return parser.parse_args(arguments)


def _sessions(asked: Asked) -> list[Ended]:
    """The first, which is accepted, and then the others, so many side by side."""
    until = time.monotonic() + asked.limit
    kinds = list(itertools.islice(itertools.cycle(KINDS), asked.number))
    first = _session(kinds[0], asked, 0, until=until)
    with ThreadPoolExecutor(asked.beside) as pool:
        rest = pool.map(lambda place: _session(kinds[place], asked, place, until=until), range(1, asked.number))
        return [first, *rest]


def _told(ended: list[Ended]) -> int:
    """Say how many were clean, and whether their counters are the same."""
    alarms = [one for one in ended if one.red]
    ran = [one for one in ended if one.left_out is None]
    for reason in dict.fromkeys(f"{one.name}: {one.left_out}" for one in ended if one.left_out):
        print(f"left out: {reason}")
    others = list(_other_work(ran))
    for line in others:
        print(line)
    compared = sum(len(one.work) for one in ran[1:])
    print(f"{compared - len(others)} of {compared} renderings did the work of the first session's, counter for counter")
    print(f"{len(ran)} clean sessions, {len(alarms)} with a false alarm, {sum(one.seconds for one in ran):.0f} s")
    return 1 if alarms or others or not ran else 0


def _other_work(ran: list[Ended]) -> Iterator[str]:
    """A line for each rendering whose counters are not those of the first session."""
    for one in ran[1:]:
        for case, rendering in one.work.items():
            before, after = ran[0].work[case].work, rendering.work
            if before is None or after is None or before.calls != after.calls:
                changes = [change.sentence for change in work_changes(before, after)] or ["it was not counted"]
                yield f"{one.name}: {case} did other work: {'; '.join(changes[:4])}"


def _session(kind: Surroundings, asked: Asked, place: int, *, until: float) -> Ended:
    """Render and judge in these surroundings; what the first session rendered is accepted."""
    started = time.monotonic()
    without = _why_not(kind) if started < until else "there was no time left"
    ended = Ended(kind.name, left_out=without) if without else _ended(kind, asked, place)
    seconds = time.monotonic() - started
    print(f"{place + 1}: {kind.name}: {without or ('RED' if ended.red else 'clean')} ({seconds:.0f} s)", flush=True)
    for line in ended.red:
        print(f"    {line}", flush=True)
    return Ended(kind.name, seconds, ended.red, without, ended.work)


def _ended(kind: Surroundings, asked: Asked, place: int) -> Ended:
    home = asked.folder / f"{place + 1:03}"
    home.mkdir()
    home.chmod(0o777)
    runs = home / kind.folder
    with _busy(kind.busy):
        chosen = ("--subject", "clean", "--strategy", asked.strategies)
        done = _fluxgate(kind, asked, place, "render", *chosen, "--runs", str(runs))
    if done.returncode:
        return Ended(kind.name, red=tuple(done.stdout.splitlines()[-12:]))
    (run,) = (path for path in runs.iterdir() if path.is_dir())
    return Ended(kind.name, red=tuple(_red(kind, asked, place, run)), work=open_run(run).renderings())


def _red(kind: Surroundings, asked: Asked, place: int, run: Path) -> Iterator[str]:
    kept = ("--baselines", str(asked.baselines))
    if not place:
        shutil.copytree(ROOT / "baselines", asked.baselines)
        why = ("--yes", "--because", "the first clean session")
        done = _fluxgate(kind, asked, place, "accept", str(run), *kept, *why)
        if done.returncode:
            yield from done.stdout.splitlines()
    done = _fluxgate(kind, asked, place, "judge", str(run), *kept, "--require-baseline")
    if done.returncode:
        yield from done.stdout.splitlines()[-30:]


def _fluxgate(kind: Surroundings, asked: Asked, place: int, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "fluxgate", *arguments]
    if kind.read_only:
        command = ["unshare", "-m", "sh", "-c", _MOUNT, "sh", str(ROOT), *command]
    variables = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "CUDA_VISIBLE_DEVICES": str(place % asked.gpus) if asked.gpus else "",
        "FLUXGATE_SUBJECTS": str(asked.folder / "clean.toml"),
        "FLUXGATE_QUEUE": str(asked.folder / f"queue-{place % asked.gpus if asked.gpus else place}"),
        **kind.variables,
    }
    return subprocess.run(
        command,
        cwd=asked.folder,
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
    sys.exit(main(sys.argv[1:]))

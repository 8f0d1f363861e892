"""An environment: a Python and its stack on this machine. Workers can be started in any of them."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import msgspec

import fluxgate
from fluxgate.machine import Machine, Stack, detect, installed_version, stack
from fluxgate.refusal import Refusal
from fluxgate.support import OLDEST

ENGINE = Path(fluxgate.__file__).parent
# By these, a Python takes over packages of the one that starts it.
LEAKS = ("PYTHONPATH", "PYTHONHOME", "__PYVENV_LAUNCHER__")
TIMEOUT = 120.0  # seconds for an interpreter to describe itself

# Runs in the other interpreter, however old that is.
DESCRIBE = f"""
import sys
oldest = {tuple(map(int, OLDEST["python"].split(".")))}
if sys.version_info < oldest:
    sys.exit("it is Python %d.%d; {OLDEST["python"]} or newer is needed" % sys.version_info[:2])
from fluxgate.environment import describe_current
describe_current()
"""


@dataclass(frozen=True)
class Environment:
    """A Python, what it has installed, and the machine as its torch sees it."""

    python: Path
    machine: Machine
    stack: Stack

    @classmethod
    def current(cls) -> Self:
        """The environment of this process."""
        return cls(Path(sys.executable), detect(), stack())

    @classmethod
    def at(cls, python: Path) -> Self:
        """The environment of another Python, which must have what Fluxgate itself needs, but not Fluxgate."""
        python = Path(os.path.abspath(python))  # not resolved: a virtual environment's Python is a link to another's
        if python.is_dir():
            raise Refusal(f"{python} is a folder; name the Python in it, like {python / 'bin' / 'python'}.")
        with engine_alone() as engine:
            answer = _ask(python, engine)
        try:
            machine, libraries = msgspec.json.decode(answer, type=tuple[Machine, Stack])
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise Refusal(f"{python} did not describe itself, but printed {answer[:80]!r}.") from error
        return cls(python, machine, libraries)

    @property
    def is_current(self) -> bool:
        """Whether it is the one of this process."""
        return self.python == Path(sys.executable)


def fluxgate_version() -> str:
    """The version of this Fluxgate; a checkout that is not installed has none."""
    return installed_version("fluxgate") or "a checkout"


@contextmanager
def engine_alone(beside: Iterable[Path] = ()) -> Iterator[Path]:
    """A folder that holds the package `fluxgate`, the modules that a user's own strategies are in, and nothing else.

    The folder that it was imported from may be a site-packages, and would bring all of the packages in it along."""
    with tempfile.TemporaryDirectory(prefix="fluxgate-engine-") as folder:
        for path in (ENGINE, *beside):
            (Path(folder) / path.name).symlink_to(path)
        yield Path(folder)


def variables_with(path: Path, variables: Mapping[str, str]) -> dict[str, str]:
    """Environment variables for another Python: it imports from this folder, and from no other of this process's."""
    harmless = {name: value for name, value in variables.items() if name not in LEAKS}
    return {**harmless, "PYTHONPATH": str(path)}


def variables_in(environment: Environment, engine: Path, variables: Mapping[str, str]) -> dict[str, str]:
    """Environment variables for a new process in an environment, which finds the engine in a folder.

    In the environment of this process it finds all that this process's variables name, too."""
    if not environment.is_current:
        return variables_with(engine, variables)
    path = os.pathsep.join([str(engine), *filter(None, [variables.get("PYTHONPATH")])])
    return {**variables, "PYTHONPATH": path}


def describe_current() -> None:
    """Print the machine and the stack of this process, for the one that has started it."""
    try:
        machine = detect()
    except Refusal as refusal:
        sys.exit(str(refusal))
    print(msgspec.json.encode((machine, stack())).decode())


def _ask(python: Path, engine: Path) -> bytes:
    """The last line that an interpreter prints when it is asked to describe itself."""
    try:
        done = subprocess.run(
            [python, "-c", DESCRIBE],
            cwd=engine,  # which is on the path of `python -c`
            env=variables_with(engine, os.environ),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=TIMEOUT,
        )
    except OSError as error:
        raise Refusal(f"{python} cannot be started: {error.strerror}.") from error
    except subprocess.TimeoutExpired as error:
        raise Refusal(f"{python} did not describe itself within {TIMEOUT:.0f} s.") from error
    if done.returncode != 0:
        reason = _last_line(done.stderr).rstrip(".") or f"it ended with exit code {done.returncode}"
        raise Refusal(f"{python} cannot run Fluxgate: {reason}. requirements/ranges.txt lists what it needs.")
    return _last_line(done.stdout).encode()


def _last_line(output: bytes) -> str:
    return (output.decode(errors="replace").strip().splitlines() or [""])[-1]

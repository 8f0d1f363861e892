"""Environments with exact pins, built once each in the user's cache."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import fluxgate
from fluxgate.files import read_plain, write_plain
from fluxgate.gate.environments.cloning import clone, code, contents
from fluxgate.gate.environments.imported_files import checkouts
from fluxgate.gate.environments.installers import Installer, Objection, refuse_full_disk
from fluxgate.gate.environments.interpreters import Interpreter, ask
from fluxgate.gate.environments.pins import Moves, Pins
from fluxgate.gate.environments.processes import run
from fluxgate.gate.environments.stages import Cause, Stage, StageFailure
from fluxgate.gate.environments.steps import refusing_a_failing_disk, step
from fluxgate.locks import Say, held, silent
from fluxgate.refusal import Refusal
from fluxgate.subjects.sources import cache_folder

FORMAT = 1  # of what is in an environment's folder: those of another format are not used
RECORD = "environment.json"  # written last: a folder without it is unfinished
UNFINISHED = ".unfinished"  # ends the names of folders in which an environment is being built
MOST_NAMED = 3  # packages that one sentence names

FEW = 4  # packages: more take longer, as a rule


@dataclass(frozen=True)
class Built:
    """An environment that has exactly what its pins say."""

    python: Path
    folder: Path
    pins: Pins
    origin: str | None  # of what it was cloned from, where no pins tell: what a Python of the user's had in it
    seconds: float  # that building it took, now or then
    reused: bool

    @property
    def site_packages(self) -> Path:
        """Where its packages are."""
        return _site_packages(self.folder)

    @property
    def name(self) -> str:
        """A short name for lines about it."""
        return self.folder.name[:8]


@dataclass(frozen=True)
class Record:
    """What a complete environment is held to before it is used again."""

    format: int
    pins: dict[str, str]
    origin: str | None
    contents: dict[str, str]
    seconds: float


@dataclass(frozen=True)
class _Recipe:
    """All that an environment is made from."""

    interpreter: Interpreter  # whose base is its Python
    pins: Pins
    installer: Installer | None  # None: nothing is installed or taken away
    cloned: tuple[Path, ...]  # site-packages folders
    moves: Moves  # from what is cloned to the pins
    origin: str | None

    def key(self) -> str:
        """The same for all recipes that make the same environment."""
        settings = [] if self.installer is None else list(self.installer.settings(self.pins))
        python = (self.interpreter.version, self.interpreter.platform, os.path.realpath(self.interpreter.base))
        text = json.dumps([FORMAT, python, dict(self.pins.versions), self.origin, settings])
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def build(pins: Pins, *, installer: Installer, base: Built | None = None, report: Say = silent) -> Built | StageFailure:
    """The environment with these pins: a clone of its base in which what differs is exchanged, or a new one."""
    if base is None:
        recipe = _Recipe(ask(Path(sys.executable)), pins, installer, (), Pins({}).moves_to(pins), None)
    else:
        moves = base.pins.moves_to(pins)
        recipe = _Recipe(_unchanged(base), pins, installer, (base.site_packages,), moves, base.origin)
    return _build(recipe, report)


def _unchanged(base: Built) -> Interpreter:
    """The interpreter of an environment, which must be as it was when it was built: nothing else is cloned from it."""
    reason = why_not_usable(base.folder, base.pins)
    if reason is not None:
        raise Refusal(f"Environment {base.name} cannot be used any more: {reason}; the next call builds it again.")
    return ask(base.python)


def clone_of(python: Path, *, report: Say = silent) -> Built | StageFailure:
    """An environment with the packages of a Python of the user's, isolated from what happens to that later."""
    interpreter = ask(python)
    with refusing_a_failing_disk(cache_folder()):
        parts = [contents(folder) for folder in interpreter.site_folders]
        parts += filter(None, map(_checked_out, interpreter.site_folders))
    origin = hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]
    return _build(_Recipe(interpreter, interpreter.pins, None, interpreter.site_folders, (), origin), report)


def _checked_out(site_packages: Path) -> dict[str, str]:
    """A hash for each package that is imported from a checkout: its files are not cloned, and may change any time.

    Fluxgate's own are not asked: workers are given them apart from their environment."""
    return {
        package: code(folder) for package, folder in checkouts(site_packages).items() if package != fluxgate.__name__
    }


def _build(recipe: _Recipe, report: Say) -> Built | StageFailure:
    """Use what is there, or build it beside and move it there when it is complete."""
    folder = cache_folder() / "environments" / recipe.key()
    with refusing_a_failing_disk(folder.parent):
        folder.parent.mkdir(parents=True, exist_ok=True)
        _remove_unfinished(folder.parent)
        with held(
            lock_of(folder), waiting=f"Waiting for environment {folder.name[:8]}, built by another", report=report
        ):
            reason = why_not_usable(folder, recipe.pins)
            if reason is None:
                with suppress(OSError):
                    os.utime(folder / RECORD)  # when it was last used
                return _built(folder, reused=True)
            if folder.exists():
                report(f"Building environment {folder.name[:8]} again: {reason}.")
                shutil.rmtree(folder)
            with step(_doing(folder, recipe), kind=_kind(recipe), report=report) as timed:
                failure = _build_beside(folder, recipe, report)
                timed.failed = failure is not None
            return failure or _built(folder, reused=False)


def lock_of(folder: Path) -> Path:
    """What is held while an environment is built or removed."""
    return folder.with_suffix(".lock")


def _remove_unfinished(environments: Path) -> None:
    """Remove what killed builders have left; what is being built is locked."""
    for unfinished in environments.glob(f"*{UNFINISHED}"):
        lock = lock_of(environments / unfinished.name.partition(".")[0])
        with suppress(TimeoutError), held(lock, waiting="", timeout=0):
            shutil.rmtree(unfinished, ignore_errors=True)


def why_not_usable(folder: Path, pins: Pins) -> str | None:
    """Why a folder is not an environment with these pins, exactly as it was built, or None."""
    try:
        record = read_plain(folder / RECORD, Record)
        interpreter = ask(_python(folder))
    except Refusal as refusal:
        return str(refusal).rstrip(".")
    if record.format != FORMAT:
        return f"its format is {record.format}, and {FORMAT} is used now"
    now = contents(_site_packages(folder)) if interpreter.site_folders else {}
    if changed := _changed(record.contents, now):
        return f"{changed} has changed since it was built"
    return not_as_asked(pins, interpreter)


def not_as_asked(pins: Pins, interpreter: Interpreter) -> str | None:
    """Where what is installed is not what was asked for, package by package, or None."""
    differences = [
        f"{move.package} {move.new or 'nothing'} was asked for, and {move.old or 'nothing'} is installed"
        if move.new
        else f"{move.package} {move.old} is installed, and was not asked for"
        for move in interpreter.pins.moves_to(pins)
    ]
    differences += [f"{package} is installed more than once" for package in interpreter.shadowed]
    return _listed(differences, between="; ") if differences else None


def _changed(before: dict[str, str], now: dict[str, str]) -> str | None:
    """An entry of site-packages that is not as it was."""
    names = sorted({*before, *now})
    return next((name for name in names if before.get(name) != now.get(name)), None)


def _built(folder: Path, *, reused: bool) -> Built:
    record = read_plain(folder / RECORD, Record)
    return Built(_python(folder), folder, Pins.of(record.pins), record.origin, record.seconds, reused)


def _build_beside(folder: Path, recipe: _Recipe, report: Say) -> StageFailure | None:
    """Build in a folder of its own, which is gone afterwards, whatever happened."""
    started = time.monotonic()
    unfinished = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f"{folder.name}.", suffix=UNFINISHED))
    try:
        failure = _make(unfinished, recipe, report)
        if failure is None:
            summary = contents(_site_packages(unfinished))
            seconds = time.monotonic() - started
            record = Record(FORMAT, dict(recipe.pins.versions), recipe.origin, summary, seconds)
            write_plain(unfinished / RECORD, record)
            unfinished.rename(folder)
        return failure
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _make(folder: Path, recipe: _Recipe, report: Say) -> StageFailure | None:
    """A virtual environment, what is cloned, and what is exchanged in it; then what is installed is looked at."""
    made = run([recipe.interpreter.python, "-I", "-m", "venv", "--without-pip", folder])
    if made.code != 0:
        refuse_full_disk(made.output)
        raise Refusal(f"{recipe.interpreter.python} cannot make a virtual environment: {made.output.strip()[-200:]}.")
    copied = clone(recipe.cloned, _site_packages(folder))
    if copied:
        report(f"{copied:,} files were copied: they cannot be linked from {recipe.cloned[0]}.")
    python = _python(folder)
    objection = _exchange(python, recipe)
    if objection is not None:
        return StageFailure.of(Stage.INSTALL, objection.cause, objection.sentence, log=objection.output)
    _remove_scripts(folder)
    difference = not_as_asked(recipe.pins, ask(python))
    if difference is not None:
        return StageFailure.of(Stage.INSTALL, Cause.NOT_AS_ASKED, f"{difference}.")
    return None


def _exchange(python: Path, recipe: _Recipe) -> Objection | None:
    """Take away what the pins do not have, and install what they have anew."""
    gone = [move.package for move in recipe.moves if move.new is None]
    new = [f"{move.package}=={move.new}" for move in recipe.moves if move.new is not None]
    if recipe.installer is None:
        return None
    return (recipe.installer.uninstall(python, gone) if gone else None) or (
        recipe.installer.install(python, new) if new else None
    )


def _remove_scripts(folder: Path) -> None:
    """Remove all programs but the Python: they name the folder in which they were installed, which is left."""
    for script in (folder / "bin").iterdir():
        if script.is_dir():
            shutil.rmtree(script)
        elif not script.name.startswith("python"):
            script.unlink()


def _python(folder: Path) -> Path:
    return folder / "bin" / "python"


def _site_packages(folder: Path) -> Path:
    """The one folder for packages in a virtual environment."""
    (site_packages,) = folder.glob("lib/python*/site-packages")
    return site_packages


def _doing(folder: Path, recipe: _Recipe) -> str:
    first = sorted(recipe.moves, key=lambda move: move.old is None)  # what is new was seldom asked for
    moves = _listed([str(move) for move in first], between=", ")
    content = moves if recipe.cloned and recipe.moves else f"{len(recipe.pins.versions)} packages"
    return f"Building environment {folder.name[:8]} ({content})"


def _kind(recipe: _Recipe) -> str:
    """What building has taken about as long as this will, as a rule; torch takes longer than all else."""
    new = [move.package for move in recipe.moves if move.new is not None]
    how_many = "nothing" if not new else "one package" if len(new) == 1 else "few" if len(new) <= FEW else "many"
    return f"{'clone' if recipe.cloned else 'make'} and install {'torch' if 'torch' in new else how_many}"


def _listed(items: list[str], *, between: str) -> str:
    more = f" and {len(items) - MOST_NAMED} more" if len(items) > MOST_NAMED else ""
    return between.join(items[:MOST_NAMED]) + more

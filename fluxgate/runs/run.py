"""A run: all renderings of one session as a folder of plain JSON and PNG, readable by hand and after a crash."""

from __future__ import annotations

import datetime
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from packaging.version import InvalidVersion, Version

from fluxgate.files import is_name, read_plain, write_plain
from fluxgate.machine import Machine, Stack
from fluxgate.refusal import Refusal
from fluxgate.render.process.notes import FILE as PROGRESS
from fluxgate.render.process.notes import NotesReader, compose, last_phase
from fluxgate.rendering import RENDERING, Crash, CrashKind, Rendering
from fluxgate.rendering import SCHEMA as RENDERING_SCHEMA
from fluxgate.runs.rendered import Rendered

SCHEMA = 1
FACTS = "run.json"
CASES = "cases"
VERDICTS = "verdicts.json"
ONCE_MORE = "once-more"  # in a case's folder

Plain = TypeVar("Plain")


@dataclass(frozen=True)
class RunFacts:
    """What run.json holds."""

    id: str
    machine: Machine
    stack: Stack
    command: str
    commit: str | None  # of the checkout that ran, with "+changes" where it had any
    started: str  # UTC, ISO 8601
    finished: str | None = None  # None: still running, or cut short
    vram_limit: int | None = None  # bytes of each GPU that its cases were held to; None: all there are
    schema: int = SCHEMA


@dataclass(frozen=True)
class Run:
    """A run's folder and facts."""

    folder: Path
    facts: RunFacts

    @property
    def id(self) -> str:
        return self.facts.id

    @property
    def machine(self) -> Machine:
        return self.facts.machine

    @property
    def stack(self) -> Stack:
        return self.facts.stack

    @property
    def command(self) -> str:
        return self.facts.command

    @property
    def commit(self) -> str | None:
        return self.facts.commit

    @property
    def finished(self) -> str | None:
        return self.facts.finished

    @property
    def vram_limit(self) -> int | None:
        return self.facts.vram_limit

    def case_folder(self, case_id: str) -> Path:
        """Where a case's pictures, log and rendering lie."""
        if not is_name(case_id):
            raise Refusal(f"{case_id[:120]!r} is not the name of a case.")
        return self.folder / CASES / case_id

    def once_more_folder(self, case_id: str) -> Path:
        """Where the case lies that was rendered once more, since something of it had to be confirmed."""
        return once_more_folder(self.case_folder(case_id))

    def rendered(self, case_id: str) -> Rendering | None:
        """One case's whole rendering; None if there is none yet."""
        folder = self.case_folder(case_id)
        return _read(folder) if (folder / RENDERING).exists() else None

    def renderings(self) -> dict[str, Rendering]:
        """All renderings by case, in the order of their names; a case that was cut short tells what it had."""
        folders = sorted(path for path in (self.folder / CASES).glob("*/") if is_name(path.name))
        found = {path.name: self.rendered(path.name) or _remains(path) for path in folders}
        return {case_id: rendering for case_id, rendering in found.items() if rendering is not None}

    def rendered_cases(self) -> dict[str, Rendered]:
        """The same, each with its folder."""
        return {name: Rendered(rendering, self.case_folder(name)) for name, rendering in self.renderings().items()}

    def ended_cases(self) -> dict[str, Rendered]:
        """The same without the case in whose middle the run was cut short, if it was: a crash is an end, too."""
        every = self.rendered_cases()
        crashes = {name: one.rendering.crash for name, one in every.items()} if self.finished is None else {}
        cut = {name for name, crash in crashes.items() if crash is not None and crash.kind == CrashKind.INTERRUPTED}
        return {name: one for name, one in every.items() if name not in cut}

    def write_json(self, name: str, value: object) -> Path:
        """Write a value as JSON beside the run's facts."""
        write_plain(self.folder / name, value)
        return self.folder / name

    def read_json(self, name: str, kind: type[Plain]) -> Plain:
        """Read such a value back."""
        return read_plain(self.folder / name, kind)


def create(
    root: Path, machine: Machine, stack: Stack, command: str | Sequence[str], *, vram_limit: int | None = None
) -> Run:
    """A new run's folder, with its facts written."""
    started = datetime.datetime.now(datetime.UTC)
    folder = fresh_folder(root, machine, at=started)
    told = command if isinstance(command, str) else " ".join(command)
    facts = RunFacts(folder.name, machine, stack, told, commit(), _iso(started), vram_limit=vram_limit)
    write_plain(folder / FACTS, facts)
    return Run(folder, facts)


def fresh_folder(root: Path, machine: Machine, *, at: datetime.datetime | None = None) -> Path:
    """A folder for a run, with the one for its cases."""
    return dated_folder(root, machine.id, at=at or datetime.datetime.now(datetime.UTC), within=CASES)


def dated_folder(root: Path, machine_id: str, *, at: datetime.datetime, within: str = "") -> Path:
    """A folder that did not exist, named by the time and the machine, and by a number where that is taken; `within`,
    one that it gets at once."""
    name = f"{at:%Y%m%d-%H%M%S}-{machine_id}"
    for number in range(1, 1000):
        folder = root / (name if number == 1 else f"{name}-{number}")
        try:
            (folder / within).mkdir(parents=True)
            return folder
        except FileExistsError:
            continue
        except OSError as error:
            raise Refusal(f"{folder} cannot be made: {error.strerror}.") from error
    raise Refusal(f"{root / name} and a thousand like it exist already.")


def _iso(moment: datetime.datetime) -> str:
    return moment.isoformat(timespec="seconds")


def commit() -> str | None:
    """The commit of the checkout that this program runs from; None where there is none."""
    root = Path(__file__).parents[2]
    found = _git(root, "rev-parse", "HEAD")
    if not found:
        return None
    return f"{found}+changes" if _git(root, "status", "--porcelain", "--untracked-files=no") else found


def _git(root: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", *arguments],
            cwd=root,
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def open_run(path: Path) -> Run:
    """A run that exists, given its folder or its run.json."""
    folder = path.parent if path.name == FACTS else path
    if not folder.exists():
        raise Refusal(f"{folder} does not exist.")
    if not (folder / FACTS).is_file():
        raise Refusal(f"{path} is not a run: it has no {FACTS}.")
    refuse_newer(folder / FACTS, SCHEMA)
    facts = read_plain(folder / FACTS, RunFacts)
    _refuse_unreadable_versions(folder / FACTS, facts.stack)
    return Run(folder, facts)


def _refuse_unreadable_versions(path: Path, stack: Stack) -> None:
    """Refuse a stack whose versions cannot be compared: strategies and known failures ask how new each is."""
    for package, version in stack.items():
        try:
            Version(version)
        except InvalidVersion as error:
            raise Refusal(f"{path} is damaged: {package} has {version[:60]!r}, which is not a version.") from error


def latest(root: Path) -> Run:
    """The run that was started last."""
    found = sorted(path.parent for path in root.glob(f"*/{FACTS}"))
    if not found:
        raise Refusal(f"There is no run in {root} yet.")
    return open_run(found[-1])


def readable(root: Path) -> Iterator[Run]:
    """The runs of a folder, oldest first, without those that are damaged or were written by a newer version."""
    for path in sorted(root.glob(f"*/{FACTS}")):
        with suppress(Refusal):
            yield open_run(path)


def finish(run: Run) -> Run:
    """Note that the run came to its end."""
    facts = replace(run.facts, finished=_iso(datetime.datetime.now(datetime.UTC)))
    write_plain(run.folder / FACTS, facts)
    return replace(run, facts=facts)


@dataclass(frozen=True)
class _Versioned:
    schema: int = 1


def refuse_newer(path: Path, schema: int) -> None:
    """Refuse a file whose format this program does not know yet, before its fields are looked at."""
    found = read_plain(path, _Versioned).schema
    if found > schema:
        raise Refusal(f"{path} was written by a newer Fluxgate: its schema is {found}, this one reads up to {schema}.")


def once_more_folder(folder: Path) -> Path:
    """Where beside a case's own rendering another one lies: it goes where the case goes."""
    return folder / ONCE_MORE / folder.name


def rendered_once_more(rendered: Rendered) -> Rendered | None:
    """The case that was rendered once more; None if it was not."""
    folder = once_more_folder(rendered.folder)
    return Rendered(_read(folder), folder) if (folder / RENDERING).is_file() else None


def _read(folder: Path) -> Rendering:
    path = folder / RENDERING
    refuse_newer(path, RENDERING_SCHEMA)
    rendering = read_plain(path, Rendering)
    if rendering.case_id != folder.name:
        raise Refusal(f"{path} is of the case {rendering.case_id!r}, not of the one that its folder names.")
    files = [each.file for each in rendering.pictures] + [each.file for each in rendering.steps]
    names = [file for file in files if not is_name(file)]
    if names:
        raise Refusal(f"{path} names a picture {names[0][:120]!r}, which is no file name.")
    return rendering


def _remains(folder: Path) -> Rendering | None:
    """What a worker had noted when its parent was killed, or has until now."""
    notes = NotesReader(folder / PROGRESS).new()
    if not any(note.of for note in notes):
        return None
    crash = Crash(CrashKind.INTERRUPTED, "the run was cut short while the case was rendered", last_phase(notes), ())
    return compose(notes, wall_seconds=0.0, crash=crash)

"""Accepting: a run's pictures, facts and limits become what later runs are held against."""

from __future__ import annotations

import datetime
import getpass
import subprocess
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path

from fluxgate.baselines import baseline as baselines
from fluxgate.baselines import companion, limits, manifest, picture_changes, replacement
from fluxgate.baselines.baseline import Acceptance
from fluxgate.baselines.changes import Plan
from fluxgate.baselines.companion import Companion
from fluxgate.baselines.integrity import Entry
from fluxgate.baselines.picture_changes import PictureChange, on_all_cores
from fluxgate.baselines.planning import manifests_of
from fluxgate.files import write_plain, write_whole
from fluxgate.pictures import write_png
from fluxgate.refusal import Refusal
from fluxgate.runs.run import Run

PICTURES = "pictures"  # of a run: drawn for a person


def acceptance(run: Run, *, because: str, by: str, at: datetime.datetime) -> Acceptance:
    """Who accepts a run, when and why."""
    moment = at.astimezone(datetime.UTC).isoformat(timespec="seconds")
    return Acceptance(by, moment, because, run.folder.name, run.commit, run.stack)


def draw(plan: Plan) -> list[Path]:
    """Draw each shot that changes into the run, old beside new; cases that share pictures share the drawing."""
    drawings: dict[Path, list[PictureChange]] = {}
    for case in plan.cases:
        if case.before is not None and case.owner == case.strategy:
            for change in case.pictures:
                path = plan.run.folder / PICTURES / f"accept-{case.case_id}-{change.shot}.png"
                drawings.setdefault(path, []).append(change)
    try:
        on_all_cores(lambda path: picture_changes.draw(drawings[path], path), drawings)
    except OSError as error:
        raise Refusal(f"What changes cannot be drawn into {plan.run.folder}: {error.strerror}.") from error
    return list(drawings)


def write(plan: Plan, accepted: Acceptance, *, file: Companion | None = None) -> None:
    """Write what a plan changes, all of it or nothing; what stays as it is keeps its bytes. file: changes with it."""
    if not plan.changes_anything and file is None:
        return
    with replacement.locked(plan.root):
        folder = plan.root / plan.machine
        if manifests_of(plan.root, plan.machine) != plan.manifests:
            raise Refusal(f"{folder} has changed since the changes were shown; nothing was written. Accept once more.")
        if file is not None:
            file.refuse_changed()
        if plan.changes_anything:
            replacement.replace(folder, partial(_write_both, plan, accepted, file))
            companion.finish(plan.root)
        elif file is not None:
            write_whole(file.path, file.after.encode())


def _write_both(plan: Plan, accepted: Acceptance, file: Companion | None, folder: Path) -> None:
    """Write into a copy of the machine's folder, and lay the file ready that changes with it."""
    _write(plan, accepted, folder)
    if file is not None:
        companion.prepare(file, folder, store=plan.root, folder=plan.machine)


def remove(root: Path, unused: Iterable[Entry]) -> None:
    """Remove baselines and the pictures that only they have."""
    unused = tuple(unused)
    with replacement.locked(root):
        for machine in dict.fromkeys(entry.machine for entry in unused):
            entries = [entry for entry in unused if entry.machine == machine]
            replacement.replace(root / machine, partial(_remove, entries))


def who() -> str:
    """The person who accepts, as git knows them, else by their account."""
    try:
        answer = subprocess.run(["git", "config", "user.name"], capture_output=True, text=True, timeout=10, check=False)
        return answer.stdout.strip() or getpass.getuser()
    except (OSError, subprocess.SubprocessError, KeyError):
        return "unknown"


def _write(plan: Plan, accepted: Acceptance, folder: Path) -> None:
    """Put what the plan changes into a copy of the machine's folder."""
    for case in plan.changed_cases:
        write_plain(folder / case.subject / baselines.facts_file(case.strategy), case.facts(case.noted(accepted)))
    for change in plan.changed_limits:
        write_plain(folder / change.file.subject / limits.FILE, change.file)
    new = {
        folder / case.subject / "pictures" / case.file_of(one.shot, one.index, one.new.sha256): one.new
        for case in plan.changed_cases
        for one in case.pictures
        if (one.shot, one.index) in case.kept
    }
    on_all_cores(lambda path: write_png(path, new[path].read()), [path for path in new if not path.exists()])
    subjects = {case.subject for case in plan.changed_cases} | {change.file.subject for change in plan.changed_limits}
    for subject in subjects:
        _tidy(folder / subject)


def _remove(entries: Sequence[Entry], folder: Path) -> None:
    for entry in entries:
        (folder / entry.subject / baselines.facts_file(entry.strategy)).unlink()
    for subject in {entry.subject for entry in entries}:
        _tidy(folder / subject)


def _tidy(folder: Path) -> None:
    """Drop the pictures that no facts name, and seal what is left; an empty folder goes."""
    used = {
        picture.file
        for path in (folder / "facts").glob("*.json")
        for shot in baselines.parse_facts(path.read_bytes(), name=str(path)).shots
        for picture in shot.pictures
        if picture.kept
    }
    for path in (folder / "pictures").glob("*"):
        if path.name not in used:
            path.unlink()
    for path in (folder / "facts", folder / "pictures"):
        if path.is_dir() and not any(path.iterdir()):
            path.rmdir()
    (folder / manifest.NAME).unlink(missing_ok=True)
    if any(folder.iterdir()):
        manifest.seal(folder)
    else:
        folder.rmdir()

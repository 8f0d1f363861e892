"""Accepting: a run's pictures, facts and limits become what later runs are held against."""

from __future__ import annotations

import getpass
import subprocess
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from fluxgate.baselines import baseline as baselines
from fluxgate.baselines import integrity, limits, manifest, replacement
from fluxgate.baselines.known_failures import KnownFailure
from fluxgate.baselines.planning import Plan, Request, prepare
from fluxgate.cases import Case
from fluxgate.files import write_plain
from fluxgate.pictures import write_png
from fluxgate.refusal import Refusal
from fluxgate.runs.run import Run
from fluxgate.subjects.subject import Subject


def accept(
    run: Run,
    request: Request,
    *,
    store: Path,
    cases: Mapping[str, Case],
    known: Iterable[KnownFailure] = (),
    report: Callable[[str], None],
) -> Plan:
    """Show what changes, then write all of it or nothing."""
    if not request.because.strip():
        raise Refusal('Say why this is right: --because "…".')
    with replacement.locked(store):
        plan = prepare(run, request, store=store, cases=cases, known=tuple(known))
        for line in plan.words:
            report(line)
        if request.dry_run:
            report("Nothing was written.")
        else:
            replacement.replace(store / plan.machine, lambda folder: _write(plan, folder))
            report(f"Accepted into {store / plan.machine}.")
    return plan


def prune(
    store: Path,
    *,
    cases: Mapping[str, Case],
    subjects: Mapping[str, Subject],
    report: Callable[[str], None],
    dry_run: bool = False,
) -> tuple[tuple[str, str, str], ...]:
    """Remove the baselines that no case uses and those of another recipe; gives what they were."""
    with replacement.locked(store):
        useless = {**dict.fromkeys(integrity.orphans(store, cases)), **dict.fromkeys(integrity.stale(store, subjects))}
        for machine, subject, strategy in useless:
            report(f"{machine}: {subject}-{strategy} goes")
        for machine in () if dry_run else dict.fromkeys(machine for machine, _, _ in useless):
            gone = [entry[1:] for entry in useless if entry[0] == machine]
            replacement.replace(store / machine, lambda folder, gone=gone: _remove(gone, folder))  # type: ignore[misc]
    return tuple(useless)


def who() -> str:
    """The person who accepts, as git knows them, else by their account."""
    try:
        asked = subprocess.run(["git", "config", "user.name"], capture_output=True, text=True, timeout=10, check=False)
        return asked.stdout.strip() or getpass.getuser()
    except (OSError, subprocess.SubprocessError, KeyError):
        return "unknown"


def _write(plan: Plan, folder: Path) -> None:
    """Put the plan into a copy of the machine's folder."""
    for case in plan.cases:
        write_plain(folder / case.subject / baselines.facts_file(case.strategy), case)
    for (subject, file), pixels in plan.pictures.items():
        write_png(folder / subject / "pictures" / file, pixels())
    for found in plan.limits:
        write_plain(folder / found.subject / limits.FILE, found)
    for subject in {case.subject for case in plan.cases} | {found.subject for found in plan.limits}:
        _tidy(folder / subject)


def _remove(gone: Iterable[tuple[str, str]], folder: Path) -> None:
    for subject, strategy in gone:
        (folder / subject / baselines.facts_file(strategy)).unlink()
    for subject in {subject for subject, _ in gone}:
        _tidy(folder / subject)


def _tidy(folder: Path) -> None:
    """Drop the pictures that no facts speak of, and seal what is left; an empty folder goes."""
    used = {
        picture.file
        for path in (folder / "facts").glob("*.json")
        for shot in baselines.parse_facts(path.read_bytes(), name=str(path)).shots
        for picture in shot.pictures
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

"""Known failures: what upstream has broken, as data with a version range, an owner and a date to look again."""

from __future__ import annotations

import datetime
import tomllib
from collections.abc import Collection, Iterable
from dataclasses import dataclass, fields
from pathlib import Path

import msgspec
from packaging.requirements import InvalidRequirement, Requirement
from packaging.version import InvalidVersion, Version

from fluxgate.files import read_limited
from fluxgate.refusal import Refusal

FILE = "known_failures.toml"
EVERY = "*"
LARGEST = 1_000_000  # bytes


@dataclass(frozen=True)
class KnownFailure:
    """One failure that is expected, and until when."""

    subject: str  # a name, or "*" for every subject
    strategy: str
    check: str  # one of the checks, or "*" for every check of the case
    reason: str
    upstream: tuple[str, ...]  # addresses of the issue or pull request
    versions: tuple[str, ...]  # requirements such as "bitsandbytes<=0.50.2"; all of them must hold
    since: datetime.date
    owner: str
    review_by: datetime.date
    device: str | None = None  # "cuda" or "cpu" where it fails on one of them only

    def __str__(self) -> str:
        return f"the known failure of {self.subject} × {self.strategy} × {self.check}"

    def concerns(self, subject: str, strategy: str, check: str, *, device: str) -> bool:
        """Whether the entry speaks of this cell on this device, whatever the versions."""
        return (
            self.subject in (subject, EVERY)
            and self.strategy == strategy
            and self.check in (check, EVERY)
            and self.device in (device, None)
        )

    def outside(self, stack: dict[str, str]) -> tuple[str, ...]:
        """The installed packages that have left the entry's range; an absent package has left nothing."""
        wanted = [Requirement(text) for text in self.versions]
        return tuple(
            f"{one.name} {stack[one.name]}"
            for one in wanted
            if one.name in stack and not one.specifier.contains(stack[one.name], prereleases=True)
        )


def read(path: Path) -> tuple[KnownFailure, ...]:
    """The entries of a file; no file is no entries, and a faulty one is refused by name."""
    if not path.exists():
        return ()
    try:
        table = tomllib.loads(read_limited(path, LARGEST).decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError, ValueError) as error:
        raise Refusal(f"{path} is damaged: {error}.") from error
    stray = sorted(set(table) - {"failure"})
    if stray:
        raise Refusal(f"{path} holds {', '.join(stray)}; only [[failure]] entries are known.")
    rows = table.get("failure", [])
    if not isinstance(rows, list):
        raise Refusal(f"{path}: write [[failure]], with two brackets, for every entry.")
    return tuple(_entry(row, f"{path}, entry {number}") for number, row in enumerate(rows, start=1))


def _entry(row: object, name: str) -> KnownFailure:
    """One entry, with every fault told in a sentence."""
    known = {field.name for field in fields(KnownFailure)}
    if isinstance(row, dict) and set(row) - known:
        stray = ", ".join(sorted(set(row) - known))
        raise Refusal(f"{name} has unknown fields ({stray}); known are {', '.join(sorted(known))}.")
    try:
        entry = msgspec.convert(row, KnownFailure)
    except (msgspec.ValidationError, ValueError) as error:
        raise Refusal(f"{name} is faulty: {error}.") from error
    complaint = _fault(entry)
    if complaint:
        raise Refusal(f"{name} is faulty: {complaint}.")
    return entry


def _fault(entry: KnownFailure) -> str | None:
    """What is wrong with the values of an entry, or None."""
    for field in ("subject", "strategy", "check", "reason", "owner"):
        if not getattr(entry, field).strip():
            return f"`{field}` is empty"
    if not entry.upstream or not all(address.startswith("https://") for address in entry.upstream):
        return "`upstream` needs at least one https:// address"
    if entry.device not in (None, "cuda", "cpu"):
        return f"`device` is {entry.device!r}; it may be 'cuda' or 'cpu'"
    if entry.review_by < entry.since:
        return f"`review_by` {entry.review_by} lies before `since` {entry.since}"
    if not entry.versions:
        return "`versions` is empty; name the releases in which it fails, such as 'bitsandbytes<=0.50.2'"
    return next((fault for text in entry.versions if (fault := _version_fault(text))), None)


def _version_fault(text: str) -> str | None:
    try:
        requirement = Requirement(text)
    except InvalidRequirement:
        return f"`versions` holds {text!r}, which is not a requirement such as 'bitsandbytes<=0.50.2'"
    return None if requirement.specifier else f"`versions` holds {text!r}, which names no range"


def check(
    entries: Iterable[KnownFailure],
    *,
    subjects: Collection[str],
    strategies: Collection[str],
    checks: Collection[str],
) -> None:
    """Refuse entries that name what does not exist, or that are there twice, before anything is rendered."""
    seen: set[tuple[str, str, str, str | None]] = set()
    for entry in entries:
        for kind, name, allowed in (
            ("subject", entry.subject, {*subjects, EVERY}),
            ("strategy", entry.strategy, set(strategies)),
            ("check", entry.check, {*checks, EVERY}),
        ):
            if name not in allowed:
                listed = ", ".join(sorted(allowed))
                raise Refusal(f"{FILE}: {entry} names an unknown {kind} {name!r}; there are: {listed}.")
        key = (entry.subject, entry.strategy, entry.check, entry.device)
        if key in seen:
            raise Refusal(f"{FILE}: {entry} is there twice.")
        seen.add(key)


def expected(
    entries: Iterable[KnownFailure], cell: tuple[str, str, str], *, device: str, stack: dict[str, str]
) -> KnownFailure | None:
    """The entry that says this cell (subject, strategy, check) fails on this device with this stack, or None."""
    concerned = (entry for entry in entries if entry.concerns(*cell, device=device))
    return next((entry for entry in concerned if not entry.outside(_readable(stack))), None)


def complaints(
    entries: Iterable[KnownFailure], *, device: str, stack: dict[str, str], today: datetime.date
) -> tuple[str, ...]:
    """Why entries must be looked at again: installed releases outside of their range, or a date gone by."""
    found = []
    for entry in entries:
        if entry.device not in (device, None):
            continue
        outside = entry.outside(_readable(stack))
        if outside:
            found.append(
                f"{FILE}: {entry} covers {', '.join(entry.versions)}, but {', '.join(outside)} is installed: "
                f"run the case and extend the range, or remove the entry."
            )
        if today > entry.review_by:
            found.append(
                f"{FILE}: {entry} was to be looked at again by {entry.review_by} ({entry.owner}): "
                f"see {entry.upstream[0]} and move the date, or remove the entry."
            )
    return tuple(found)


def _readable(stack: dict[str, str]) -> dict[str, str]:
    """The stack, once every version in it has been seen to be one."""
    for package, version in stack.items():
        try:
            Version(version)
        except InvalidVersion as error:
            raise Refusal(f"The installed {package} calls itself {version!r}, which is not a version.") from error
    return stack

"""Known failures: what upstream has broken, as data with a version range, an owner and a date to look again."""

from __future__ import annotations

import datetime
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from fluxgate import configuration
from fluxgate.baselines.store import KNOWN_FAILURES, Store
from fluxgate.machine import GATED
from fluxgate.options import suggestion
from fluxgate.refusal import Refusal
from fluxgate.toml import Address, Text, read_toml

FILE = KNOWN_FAILURES
EVERY = "*"
WATCHED = (*map(canonicalize_name, GATED), "torch")  # packages whose installed releases are known


@dataclass(frozen=True)
class KnownFailure:
    """One failure that is expected, and until when."""

    subject: Text  # a name, or "*" for every subject
    strategy: Text
    check: Text  # one of the checks, or "*" for every check of the case
    reason: Text
    upstream: tuple[Address, ...]  # of the issue or pull request
    versions: tuple[Text, ...]  # requirements such as "bitsandbytes<=0.50.2"; all of them must hold
    since: datetime.date
    owner: Text
    review_by: datetime.date
    device: Literal["cuda", "cpu"] | None = None  # where it fails on one of them only

    def __post_init__(self) -> None:
        if not self.upstream:
            raise ValueError("upstream is empty; name the issue or pull request")
        if not self.versions:
            raise ValueError("versions is empty; name the releases in which it fails, such as 'bitsandbytes<=0.50.2'")
        if self.review_by < self.since:
            raise ValueError(f"review_by {self.review_by} lies before since {self.since}")
        for text in self.versions:
            _refuse_without_range(text)

    def __str__(self) -> str:
        return f"the known failure of {self.subject} × {self.strategy} × {self.check}"

    @property
    def cell(self) -> tuple[str, str, str, str | None]:
        """What it speaks of; two entries of one file may not speak of the same."""
        return self.subject, self.strategy, self.check, self.device

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
        installed = {canonicalize_name(package): (package, version) for package, version in stack.items()}
        there = [(one, *installed[name]) for one in wanted if (name := canonicalize_name(one.name)) in installed]
        return tuple(
            f"{package} {version}"
            for one, package, version in there
            if not one.specifier.contains(version, prereleases=True)
        )


def _refuse_without_range(text: str) -> None:
    try:
        requirement = Requirement(text)
    except InvalidRequirement:
        raise ValueError(f"versions has {text!r}, which is not a requirement such as 'bitsandbytes<=0.50.2'") from None
    if not requirement.specifier:
        raise ValueError(f"versions has {text!r}, which names no range")
    if canonicalize_name(requirement.name) not in WATCHED:  # it would hold for ever
        raise ValueError(f"versions has {text!r}; {suggestion(requirement.name, WATCHED)}")


@dataclass(frozen=True)
class _File:
    """What the file holds: [[failure]] entries."""

    failure: tuple[KnownFailure, ...] = ()


def read_all(store: Store) -> tuple[KnownFailure, ...]:
    """One's own entries, then those that ship, but for the ones that an own entry stands for."""
    own, *shipped = (read(path) for path in (own_file(store), *(root / FILE for root in store.others)))
    cells = {entry.cell for entry in own}
    return (*own, *(entry for entries in shipped for entry in entries if entry.cell not in cells))


def own_file(store: Store) -> Path:
    """Where one's own entries stand: in the file that the configuration names, else among the baselines."""
    return configuration.current().known_failures or store.own / FILE


def read(path: Path) -> tuple[KnownFailure, ...]:
    """The entries of a file; no file is no entries, and a faulty one is refused by name."""
    return read_toml(path, _File).failure if path.exists() else ()


def refuse_unknown_names(
    entries: Iterable[KnownFailure],
    *,
    subjects: Collection[str],
    strategies: Collection[str],
    checks: Collection[str],
) -> None:
    """Refuse entries that name what does not exist, or that appear twice, before anything is rendered."""
    seen: set[tuple[str, str, str, str | None]] = set()
    for entry in entries:
        for kind, name, allowed in (
            ("subject", entry.subject, {*subjects, EVERY}),
            ("strategy", entry.strategy, set(strategies)),
            ("check", entry.check, {*checks, EVERY}),
        ):
            if name not in allowed:
                meant = suggestion(name, sorted(allowed))
                raise Refusal(f"{FILE}: {entry} names the {kind} {name!r}, which does not exist; {meant}")
        if entry.cell in seen:
            raise Refusal(f"{FILE}: {entry} appears twice.")
        seen.add(entry.cell)


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
    sentences = []
    for entry in entries:
        if entry.device not in (device, None):
            continue
        outside = entry.outside(_readable(stack))
        if outside:
            sentences.append(
                f"{FILE}: {entry} covers {', '.join(entry.versions)}, but {', '.join(outside)} is installed: "
                f"run the case and extend the range, or remove the entry."
            )
        if today > entry.review_by:
            sentences.append(
                f"{FILE}: {entry} was to be looked at again by {entry.review_by} ({entry.owner}): "
                f"see {entry.upstream[0]} and move the date, or remove the entry."
            )
    return tuple(sentences)


def _readable(stack: dict[str, str]) -> dict[str, str]:
    """The stack, once every version in it has been seen to be one."""
    for package, version in stack.items():
        try:
            Version(version)
        except InvalidVersion as error:
            raise Refusal(f"The installed {package} calls itself {version!r}, which is not a version.") from error
    return stack

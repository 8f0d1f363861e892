"""Where accepted things lie: a folder of one's own, what ships with Fluxgate, and what other packages offer."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pathlib import Path

from fluxgate.baselines import manifest, replacement
from fluxgate.files import is_name
from fluxgate.options import SHARED
from fluxgate.refusal import Refusal
from fluxgate.rendering import id_of_case

OWN = Path(SHARED["baselines"].default)  # from where a session starts
PORTABLE = "portable"  # stands where a machine's id stands, for pictures compared by likeness
GROUP = "fluxgate.limits"  # of entry points: a package whose folder holds <machine>/<subject>/limits.json
KNOWN_FAILURES = "known_failures.toml"  # beside the machines' folders


@dataclass(frozen=True)
class Store:
    """One's own folder, which `accept` writes, and those that nobody does."""

    own: Path
    shipped: Path | None = None  # holds only some of the files that its manifests list
    offered: tuple[Path, ...] = ()  # of installed packages, which have limits for their own strategies

    @classmethod
    def at(cls, own: Path) -> Store:
        """One's own folder, and what ships unless that is the same folder, as in a checkout of Fluxgate."""
        ships = shipped()
        return cls(own, None if ships is None or os.path.realpath(ships) == os.path.realpath(own) else ships, offered())

    @property
    def roots(self) -> tuple[Path, ...]:
        """Its folders, in the order in which they are asked."""
        return (self.own, *self.others)

    @property
    def others(self) -> tuple[Path, ...]:
        """All but one's own."""
        return self.offered if self.shipped is None else (self.shipped, *self.offered)

    def machines_of(self, subject: str) -> tuple[str, ...]:
        """The machines that anything was accepted for with a subject, `portable` among them."""
        machines = (machine for root in self.roots for machine, name in subjects_in(root) if name == subject)
        return tuple(dict.fromkeys(machines))

    def accepted_for(self, machine: str) -> Iterator[tuple[str, str]]:
        """The subject and the strategy of each case that one's own folder has for a machine, in order."""
        for subject in (subject for place, subject in subjects_in(self.own) if place == machine):
            facts = folder_of(self.own, machine, subject) / "facts"
            yield from ((subject, path.stem) for path in sorted(facts.glob("*.json")))

    def cases_of(self, machine: str) -> set[str]:
        """The ids of the cases that one's own folder has for a machine."""
        return {id_of_case(*case) for case in self.accepted_for(machine)}

    def folders_with(self, machine: str, subject: str, name: str) -> Iterator[Path]:
        """The folders that hold a file for a subject on a machine, one's own first.

        One's own also counts where the file is listed and missing: whoever reads it there is refused."""
        own = folder_of(self.own, machine, subject)
        if (own / name).exists() or (own.exists() and name in manifest.listed(own)):
            yield own
        for root in self.others:
            folder = folder_of(root, machine, subject)
            if (folder / name).exists():
                yield folder


def shipped() -> Path | None:
    """The folder of baselines that came with this Fluxgate: a part of the package, or of the checkout around it."""
    package = Path(__file__).parents[1]
    candidates = (package / "shipped", package.parent / "baselines")
    return next((folder for folder in candidates if (folder / KNOWN_FAILURES).is_file()), None)


@lru_cache
def offered() -> tuple[Path, ...]:
    """The folders of limits that installed packages offer, laid out like one's own."""
    return tuple(_folder_of_entry(entry) for entry in sorted(entry_points(group=GROUP), key=lambda entry: entry.name))


def _folder_of_entry(entry: EntryPoint) -> Path:
    """The folder of the package that an entry point names; its code is not run."""
    try:
        found = find_spec(entry.value)
    except (ImportError, ValueError):
        found = None
    if found is None or not found.submodule_search_locations:
        raise Refusal(f"The entry point {entry.name} of {GROUP} names {entry.value}, which is no package.")
    return Path(next(iter(found.submodule_search_locations)))


def folder_of(root: Path, machine: str, subject: str) -> Path:
    """Where a subject's baselines for a machine are read; names that cannot be names are refused."""
    for name in (machine, subject):
        if not is_name(name):
            raise Refusal(f"{name[:120]!r} cannot name a baseline.")
    return replacement.standing(root / machine) / subject


def subjects_in(root: Path) -> Iterator[tuple[str, str]]:
    """Each machine and subject that one of the folders holds, in order."""
    for machine in replacement.names_in(root):
        folders = sorted(replacement.standing(root / machine).glob("*/"))
        yield from ((machine, folder.name) for folder in folders)

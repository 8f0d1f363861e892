"""What a repository has written down for Fluxgate: the table [tool.fluxgate] of its pyproject.toml."""

from __future__ import annotations

import os
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

from fluxgate.files import expanded, read_limited
from fluxgate.options import SHARED, within
from fluxgate.refusal import Refusal
from fluxgate.toml import LARGEST, Place, Text, convert, parse_toml

FILE = "pyproject.toml"
TABLE = ("tool", "fluxgate")
NAME = ".".join(TABLE)
SEVERAL = ("subjects", "subject", "strategies", "pipelines")  # keys that may have one text instead of a list


@dataclass(frozen=True)
class Written:
    """The table as it stands in the file. What an option on the command line says instead wins."""

    subjects: tuple[Text, ...] = ()  # files of pipelines, beside those that ship
    subject: tuple[Text, ...] = ()  # the pipelines that are rendered where nobody names others
    strategies: tuple[Text, ...] = ()  # modules that have strategies
    pipelines: tuple[Text, ...] = ()  # modules that have classes of pipelines, beside those of diffusers
    baselines: Text | None = None  # a folder
    known_failures: Text | None = None  # a file
    runs: Text | None = None  # a folder
    tier: Literal["short", "all"] | None = None  # of a gate


@dataclass(frozen=True)
class Configuration:
    """What was written, its files meant from where pyproject.toml lies; empty where there is none."""

    folder: Path | None = None
    subjects: tuple[Path, ...] = ()
    subject: tuple[str, ...] = ()
    strategies: tuple[str, ...] = ()
    pipelines: tuple[str, ...] = ()
    baselines: Path | None = None
    known_failures: Path | None = None
    runs: Path | None = None
    tier: str | None = None

    @property
    def place(self) -> Place:
        """Where it stands, for sentences about it."""
        return Place(str((self.folder or Path()) / FILE), NAME)


def current() -> Configuration:
    """The configuration that holds in the working folder: of the nearest pyproject.toml that has the table."""
    return configuration_at(Path.cwd())


def default_folder(option: Literal["runs", "baselines"], *, without_table: Path = Path()) -> Path:
    """The folder of an option that was not given: as configured, else beside the table, as it is seen from here.

    without_table: the folder that it is in where nothing is configured."""
    configured, usual = current(), SHARED[option].default
    named: Path | None = getattr(configured, option)
    if named is None and configured.folder is None:
        return without_table / usual
    return named or Path(os.path.relpath(configured.folder or Path(), Path.cwd())) / usual


def configuration_at(start: Path) -> Configuration:
    """The configuration that holds in a folder."""
    for folder in (start, *start.parents):
        table = _table(folder / FILE)
        if table is not None:
            return _configuration(table, folder)
    return Configuration()


def _configuration(table: object, folder: Path) -> Configuration:
    place = Place(str(folder / FILE), NAME)
    written = convert(_with_lists(table), Written, place=place)
    configuration = Configuration(
        folder=folder,
        subjects=tuple(folder / expanded(name) for name in written.subjects),
        subject=written.subject,
        strategies=written.strategies,
        pipelines=written.pipelines,
        baselines=_within(folder, written.baselines),
        known_failures=_within(folder, written.known_failures),
        runs=_within(folder, written.runs),
        tier=written.tier,
    )
    for key, paths in (("subjects", configuration.subjects), ("known_failures", (configuration.known_failures,))):
        for path in paths:
            if path is not None and not path.is_file():
                raise place.refusal(f"{key} names {path}, which is no file")
    return configuration


def _with_lists(table: object) -> object:
    """The table with a list where one text stands for one."""
    if not isinstance(table, dict):
        return table
    return {key: [value] if key in SEVERAL and isinstance(value, str) else value for key, value in table.items()}


def _within(folder: Path, name: str | None) -> Path | None:
    return None if name is None else within(folder, expanded(name))


def _table(path: Path) -> Any:
    """What stands under [tool.fluxgate]; None where nothing does. Another tool's faulty file is not ours to refuse."""
    if not path.is_file():
        return None
    try:
        table: Any = parse_toml(path)
    except Refusal:
        if NAME.encode() in read_limited(path, LARGEST):
            raise
        return None
    for key in TABLE:
        table = table.get(key) if isinstance(table, dict) else None
    return table


def keys() -> tuple[str, ...]:
    """What may stand in the table."""
    return tuple(field.name for field in fields(Written))

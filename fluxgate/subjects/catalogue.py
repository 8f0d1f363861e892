"""The catalogue: subjects read from TOML, each entry checked before anything is downloaded or rendered."""

from __future__ import annotations

import os
from pathlib import Path

from fluxgate import configuration
from fluxgate.files import expanded
from fluxgate.refusal import Refusal
from fluxgate.subjects.entries import SubjectEntry, check_names
from fluxgate.subjects.pipeline_class import pipeline_class, pipeline_names
from fluxgate.subjects.subject import Subject
from fluxgate.toml import Place, read_toml

OWN = Path(__file__).with_name("subjects.toml")
VARIABLE = "FLUXGATE_SUBJECTS"  # names the user's own file


def subjects(own_file: Path | None = None) -> dict[str, Subject]:
    """Every subject by its name: those that come with Fluxgate, then those of the user's own files."""
    catalogue = read_catalogue(OWN)
    for extra in (own_file,) if own_file else _own_files():
        for name, subject in read_catalogue(extra).items():
            if name in catalogue:
                raise Refusal(f"{extra}: {name} is in the catalogue already; choose another name.")
            catalogue[name] = subject
    return catalogue


def _own_files() -> tuple[Path, ...]:
    """The file that the variable names, else those of the configuration."""
    named = os.environ.get(VARIABLE)
    return (expanded(named),) if named else configuration.current().subjects


def read_catalogue(path: Path) -> dict[str, Subject]:
    """The subjects of one TOML file."""
    entries = read_toml(path, dict[str, SubjectEntry])
    try:
        check_names("subject", entries)
    except ValueError as error:
        raise Place(str(path)).refusal(str(error)) from error
    catalogue = {name: _subject(name, entry, path) for name, entry in entries.items()}
    for subject in catalogue.values():
        _refuse_without_prompt(subject, path)
        _refuse_twins(subject, Place(str(path), subject.name))
    return catalogue


def _subject(name: str, entry: SubjectEntry, path: Path) -> Subject:
    try:
        return entry.subject(name, source=_source(entry.source, path), folder=path.absolute().parent)
    except ValueError as error:
        raise Place(str(path), name).refusal(str(error)) from error


def _source(source: str, path: Path) -> str:
    """A folder is meant from where the catalogue lies."""
    scheme, _, rest = source.partition(":")
    return f"folder:{path.absolute().parent / expanded(rest)}" if scheme == "folder" else source


def _refuse_without_prompt(subject: Subject, path: Path) -> None:
    """Only a pipeline whose class takes no prompt does without; where there is no diffusers, that is not known."""
    installed = pipeline_class(subject.pipeline)
    needless = "prompt" not in installed.takes if installed else not pipeline_names()
    for shot in subject.shots:
        if not shot.prompts and (not needless or subject.pipeline == Subject.pipeline):
            place = Place(str(path), f"{subject.name}.shots.{shot.name}")
            raise place.refusal("give prompt, or prompts for several in one call")


def _refuse_twins(subject: Subject, place: Place) -> None:
    """Two shots of one recipe would be one picture under two names."""
    first: dict[str, str] = {}
    for shot in subject.shots:
        if first.setdefault(shot.recipe, shot.name) != shot.name:
            raise place.refusal(f"the shots {first[shot.recipe]} and {shot.name} ask for the same picture")

"""The catalogue: subjects read from TOML, each entry checked before anything is downloaded or rendered."""

from __future__ import annotations

import dataclasses
import difflib
import itertools
import math
import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from fluxgate.amounts import parse_amount
from fluxgate.files import is_name, read_limited
from fluxgate.options import suggestion
from fluxgate.refusal import Refusal
from fluxgate.subjects.subject import Needs, Shot, Subject

OWN = Path(__file__).with_name("subjects.toml")
VARIABLE = "FLUXGATE_SUBJECTS"  # names the user's own file
LARGEST = 1_000_000  # bytes of a catalogue
DTYPES = ("bfloat16", "float16", "float32")
DEVICES = ("cuda", "cpu")
STORYBOOK = "storybook"  # the reader of the miniature's scenes
SCHEMES = ("package", "cache", "folder", "hub")

_NAME = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_Value = TypeVar("_Value", Shot, Subject)


def subjects(own_file: Path | None = None) -> dict[str, Subject]:
    """Every subject by its name: those that come with the suite, then those of the user's own file."""
    named = os.environ.get(VARIABLE)
    extra = own_file or (Path(named).expanduser() if named else None)
    found = read_catalogue(OWN)
    for name, subject in (read_catalogue(extra) if extra else {}).items():
        if name in found:
            raise Refusal(f"{extra}: {name} is in the catalogue already; choose another name.")
        found[name] = subject
    return found


def subject_named(name: str) -> Subject:
    """The subject of that name, or a refusal that says which there are."""
    catalogue = subjects()
    if name not in catalogue:
        raise Refusal(f"The subject {name!r} is unknown; {suggestion(name, catalogue)}")
    return catalogue[name]


def read_catalogue(path: Path) -> dict[str, Subject]:
    """The subjects of one TOML file."""
    try:
        tables = tomllib.loads(read_limited(path, LARGEST).decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Refusal(f"{path} is no valid TOML: {error}.") from error
    return {name: _subject(name, table, path) for name, table in tables.items()}


def _subject(name: str, table: object, path: Path) -> Subject:
    place = f"{path}, {name}"
    if not _NAME.fullmatch(name) or not is_name(name):
        raise Refusal(f"{path}: {name!r} cannot name a subject; use lower-case letters, digits and single hyphens.")
    if not isinstance(table, dict):
        raise Refusal(f"{place}: a subject is a table, [{name}].")
    shots = table.get("shots")
    if not isinstance(shots, dict) or not shots:
        raise Refusal(f"{place}: a subject needs at least one shot, [{name}.shots.NAME].")
    entries = {
        **table,
        "shots": tuple(_shot(shot, entry, f"{place}, shot {shot}") for shot, entry in shots.items()),
        "needs": _needs(table.get("needs", {}), place),
    }
    _read_older_reader(entries, place)
    if isinstance(table.get("source"), str):
        entries["source"] = _from_here(table["source"], path)
    subject = _converted(entries, Subject, name, place)
    _refuse_any(_faults(subject), place)
    return subject


def _shot(name: str, table: object, place: str) -> Shot:
    if not _NAME.fullmatch(name) or not is_name(name):
        raise Refusal(f"{place}: use lower-case letters, digits and single hyphens in the name.")
    if not isinstance(table, dict):
        raise Refusal(f"{place}: a shot is a table.")
    entries = dict(table)
    if "prompt" in entries:
        if "prompts" in entries:
            raise Refusal(f"{place}: give prompt or prompts, not both.")
        entries["prompts"] = [entries.pop("prompt")]
    shot = _converted(entries, Shot, name, place)
    _refuse_any(_shot_faults(shot), place)
    return shot


def _read_older_reader(entries: dict[str, Any], place: str) -> None:
    """`readable = true` is what files said before there were readers to choose from."""
    if "readable" not in entries:
        return
    readable = entries.pop("readable")
    if not isinstance(readable, bool) or "reader" in entries:
        raise Refusal(f'{place}: write reader = "{STORYBOOK}" in place of readable.')
    if readable:
        entries["reader"] = STORYBOOK


def _needs(table: object, place: str) -> Needs:
    if not isinstance(table, dict):
        raise Refusal(f"{place}: needs is a table of disk, vram and token.")
    _refuse_unknown(table, ("disk", "vram", "token"), f"{place}, needs")
    token = table.get("token", False)
    if not isinstance(token, bool):
        raise Refusal(f"{place}, needs: token is true or false.")
    amounts = {key: parse_amount(str(table.get(key, "0 B")), name=f"{place}, needs: {key}") for key in ("disk", "vram")}
    return Needs(**amounts, token=token)


def _converted(entries: Mapping[str, Any], kind: type[_Value], name: str, place: str) -> _Value:
    fields = {field.name: field for field in dataclasses.fields(kind) if field.name != "name"}
    _refuse_unknown(entries, tuple(fields) + (("prompt",) if kind is Shot else ()), place)
    for field in fields.values():
        required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        if required and field.name not in entries:
            raise Refusal(f"{place}: {field.name} is missing.")
    try:
        return msgspec.convert({"name": name, **entries}, kind)
    except msgspec.ValidationError as error:
        what, _, where = str(error).partition(" - at `$.")
        raise Refusal(f"{place}: {where.rstrip('`')}: {what[:1].lower()}{what[1:]}.") from error


def _refuse_unknown(entries: Mapping[str, Any], known: tuple[str, ...], place: str) -> None:
    for key in entries:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            meant = f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}."
            raise Refusal(f"{place}: there is no key {key!r}; {meant}")


def _refuse_any(faults: Iterator[str], place: str) -> None:
    fault = next(faults, None)
    if fault:
        raise Refusal(f"{place}: {fault}.")


def _from_here(source: str, path: Path) -> str:
    """A folder is meant from where the catalogue lies."""
    scheme, _, rest = source.partition(":")
    return f"folder:{path.absolute().parent / Path(rest).expanduser()}" if scheme == "folder" and rest else source


def _faults(subject: Subject) -> Iterator[str]:
    """What is wrong with a subject, in words."""
    yield from _source_faults(subject)
    if subject.dtype not in DTYPES:
        yield f"dtype is {subject.dtype!r}; it is one of {', '.join(DTYPES)}"
    words = (subject.pipeline, subject.denoiser, *subject.large, *subject.encoders, *subject.encodes)
    for word in words:
        if not word.isidentifier() or word.startswith("_"):
            yield f"{word!r} cannot name a class, a component or a value of diffusers"
    for value in subject.embeddings:
        if value not in subject.encodes:
            yield f"embeddings names {value!r}; encode_prompt returns {', '.join(subject.encodes)}"
    if subject.reader is not None and not _NAME.fullmatch(subject.reader):
        yield f"reader is {subject.reader!r}; it is the name of a reader, such as {STORYBOOK}"
    if subject.vae_tile is not None and (subject.vae_tile < 64 or subject.vae_tile % 16):
        yield f"vae_tile is {subject.vae_tile}; it is a multiple of 16, at least 64"
    if not 1 <= subject.calls_per_step <= 16:
        yield f"calls_per_step is {subject.calls_per_step}; it is 1 to 16"
    for strategy, figure in subject.published.items():
        if not _NAME.fullmatch(strategy) or not (0 < figure < math.inf):
            yield f"published {strategy} is {figure}; it is a strategy's name and a number of GB"
    recipes: dict[str, str] = {}
    for shot in subject.shots:
        if recipes.setdefault(shot.recipe, shot.name) != shot.name:
            yield f"the shots {recipes[shot.recipe]} and {shot.name} ask for the same picture"


def _source_faults(subject: Subject) -> Iterator[str]:
    scheme, _, rest = subject.source.partition(":")
    if scheme not in SCHEMES or not rest:
        yield f"source is {subject.source!r}; it is package:FOLDER, cache:NAME, folder:PATH or hub:OWNER/NAME"
    if scheme == "package" and not all(is_name(part) for part in rest.split("/")):
        yield f"source {subject.source!r} is no folder inside the package"
    if scheme == "cache" and not is_name(rest):
        yield f"source {subject.source!r} cannot name a folder in the cache"
    if scheme == "hub" and not _REPOSITORY.fullmatch(rest):
        yield f"source {subject.source!r} names no repository; write hub:OWNER/NAME"
    if scheme == "hub" and not _COMMIT.fullmatch(subject.revision or ""):
        yield "revision must be a commit of 40 hexadecimal digits, so that the weights stay the same"
    if scheme != "hub" and subject.revision is not None:
        yield "revision is for a hub source only"


def _shot_faults(shot: Shot) -> Iterator[str]:
    """What is wrong with a shot, in words."""
    if not shot.prompts or any(not prompt.strip() or len(prompt) > 2000 for prompt in shot.prompts):
        yield "a prompt is a text of 1 to 2000 characters"
    if not 0 <= shot.seed < 2**63:
        yield f"seed is {shot.seed}; it is at least 0 and below 2^63"
    for side in ("height", "width"):
        pixels = getattr(shot, side)
        if pixels is not None and (pixels % 16 or not 64 <= pixels <= 4096):
            yield f"{side} is {pixels}; it is a multiple of 16 from 64 to 4096"
    for key, most in (("steps", 1000), ("max_sequence_length", 512), ("pictures_per_prompt", 16)):
        number = getattr(shot, key)
        if number is not None and not 1 <= number <= most:
            yield f"{key} is {number}; it is 1 to {most}"
    if shot.guidance is not None and not 0 <= shot.guidance <= 100:
        yield f"guidance is {shot.guidance}; it is 0 to 100"
    if shot.only_on is not None and shot.only_on not in DEVICES:
        yield f"only_on is {shot.only_on!r}; it is one of {', '.join(DEVICES)}"
    yield from _sigma_faults(shot)


def _sigma_faults(shot: Shot) -> Iterator[str]:
    sigmas = shot.sigmas
    if sigmas is None:
        return
    if shot.steps is not None:
        yield "give steps or sigmas, not both: there are as many steps as sigmas"
    falling = all(later < earlier for earlier, later in itertools.pairwise(sigmas))
    if not sigmas or not falling or not 0 < sigmas[-1] <= sigmas[0] <= 1:
        yield "sigmas fall from at most 1 to above 0"

"""Files that pin a whole stack: what pip freeze, pip-compile, uv and Poetry write, read line by line or as a lock."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from fluxgate.files import read_limited
from fluxgate.gate.environments.lock_files import lock_of, locked
from fluxgate.gate.environments.pins import UNREADABLE, Pins, applies, exact_version, fits
from fluxgate.refusal import Refusal

LARGEST_FILE = 10_000_000  # bytes; a lock file with the hashes of a thousand packages has a tenth
DEEPEST = 8  # files that name one another
ENDINGS = (".txt", ".in", ".lock", ".toml", ".json", ".yml", ".yaml")  # of the names of what users take for such files
COMMENT = re.compile(r"(^|\s)#.*$")
_HASH = re.compile(r"\s--hash[=\s]\S+")
USUAL = "https://pypi.org/simple"  # the index that is asked if nothing else is said
LOCAL = "file:"  # begins an address on this machine
VARIABLE = "${"  # begins the name of one where pip would put its value
FOLLOWED = ("-r", "--requirement")
EDITABLE = ("-e", "--editable")
# Where packages are looked for, and which of them are taken: whether the option takes a value.
SOURCES = {
    **dict.fromkeys(("-i", "--index-url", "--extra-index-url", "-f", "--find-links", "--trusted-host"), True),
    **dict.fromkeys(("--no-binary", "--only-binary"), True),
    **dict.fromkeys(("--no-index", "--pre"), False),
}
# What decides nothing where every version is pinned.
WITHOUT_MEANING = ("-c", "--constraint", "--prefer-binary", "--require-hashes", "--use-feature")


@dataclass(frozen=True)
class PinFile:
    """What a file says of a stack."""

    path: Path = field(compare=False)
    pins: Pins
    elsewhere: Mapping[str, str] = field(default_factory=dict)  # package -> the address that it comes from, no release
    editable: bool = False  # whether something is installed from a checkout, whatever its name
    sources: tuple[str, ...] = ()  # options of pip's: where packages are looked for


def is_file(text: str) -> bool:
    """Whether a user means a file by this, and not a package."""
    return "://" not in text and (text.lower().endswith(ENDINGS) or Path(text).is_file())


def read_pins(path: Path) -> Pins:
    """The pins that stand in this very file, as far as their markers hold here; nothing else may stand there."""
    return _of_lines(path, [_Line(path, *line) for line in _logical_lines(_text(path))], strict=True).pins


def read_pin_file(path: Path) -> PinFile:
    """The same of a file that may name others, addresses and sources, or of a lock file."""
    lock = lock_of(path, _text(path))
    if lock is None:
        return _of_lines(path, _lines(path), strict=False)
    needed = locked(lock)
    indexes = (index for index in needed.indexes if index.rstrip("/") != USUAL)
    sources = tuple(word for index in indexes for word in _place_of(path, index))
    return PinFile(path, _some(path, needed.versions), needed.elsewhere, sources=sources)


def flattened(path: Path) -> str:
    """The text of a file as it can be read from another folder: with the files that it names in their places."""
    text = _text(path)
    return text if lock_of(path, text) else "".join(f"{_moved(line)}\n" for line in _lines(path))


def _moved(line: _Line) -> str:
    """What a line says, a folder beside its file in full."""
    option, value = line.option
    return f"{option} {_source(line, value)}" if option in SOURCES and value else line.content


@dataclass(frozen=True)
class _Line:
    """What is written, without comments and with what a backslash continues."""

    path: Path
    number: int
    content: str

    @property
    def place(self) -> str:
        return f"{self.path}, line {self.number}"

    @property
    def option(self) -> tuple[str, str]:
        """`--index-url` and its value, however the two are held together; nothing where the line is a requirement."""
        match = re.match(r"(--[a-z-]+|-[a-z])(?:[=\s]\s*)?(.*)", self.content)
        return (match[1], match[2].strip()) if match else ("", "")

    @property
    def refusal(self) -> Refusal:
        return Refusal(f"{self.place}: {self.content[:80]!r} is no pin; write name==version.")


def _text(path: Path) -> str:
    try:
        return read_limited(path, LARGEST_FILE).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Refusal(f"{path} is no text in UTF-8.") from error


def _lines(path: Path, within: tuple[Path, ...] = ()) -> Iterator[_Line]:
    """The lines of a file, and in place of those that name other files the lines of these."""
    if path.resolve() in within or len(within) > DEEPEST:
        raise Refusal(f"{path} names itself, by way of {within[-1]}.")
    for number, content in _logical_lines(_text(path)):
        line = _Line(path, number, content)
        option, value = line.option
        if option in FOLLOWED:
            first = within[0] if within else path.resolve()
            yield from _lines(_named(line, value, below=first.parent), (*within, path.resolve()))
        else:
            yield line


def _named(line: _Line, value: str, *, below: Path) -> Path:
    """The file that a line names. It must lie below the first one's folder: a stranger's file leads nowhere else."""
    path = line.path.parent / value
    if not path.resolve().is_relative_to(below):
        raise Refusal(f"{line.place}: {value[:80]!r} is not below {below}; put it there.")
    if not path.is_file():
        raise Refusal(f"{line.place}: {value[:80]!r} is missing or is not a file.")
    return path


def _logical_lines(text: str) -> list[tuple[int, str]]:
    """What is written, without comments: the number of its first line, and lines that a backslash continues as one."""
    lines: list[tuple[int, str]] = []
    continued = False
    for number, line in enumerate(text.splitlines(), start=1):
        content = COMMENT.sub("", line).rstrip()
        goes_on = content.endswith("\\")
        content = content.rstrip("\\")
        if continued:
            first, before = lines.pop()
            lines.append((first, before + content))
        else:
            lines.append((number, content))
        continued = goes_on
    return [(number, line.strip()) for number, line in lines if line.strip()]


def _of_lines(path: Path, lines: Iterable[_Line], *, strict: bool) -> PinFile:
    """strict: whether nothing but pins may stand there."""
    versions: dict[str, str] = {}
    elsewhere: dict[str, str] = {}
    sources: list[str] = []
    editable = False
    for line in lines:
        option, value = ("", "") if strict else line.option
        if option in EDITABLE:
            editable = True
        elif option in SOURCES and bool(value) is SOURCES[option]:
            sources += [option, _source(line, value)] if value else [option]
        elif option not in WITHOUT_MEANING:
            _add(line, versions, elsewhere=None if strict else elsewhere)
    return PinFile(path, _some(path, versions), elsewhere, editable, tuple(sources))


def _add(line: _Line, versions: dict[str, str], *, elsewhere: dict[str, str] | None) -> None:
    """The package and the version that a line pins, if its marker holds here; or the address that it comes from."""
    try:
        requirement = Requirement(_HASH.sub("", line.content))
        applies_here = applies(requirement)
    except UNREADABLE as error:
        raise line.refusal from error
    name, version = str(canonicalize_name(requirement.name)), exact_version(requirement)
    if version is None and (elsewhere is None or requirement.url is None):
        raise line.refusal
    if not applies_here:
        return
    if version is None:
        assert elsewhere is not None
        assert requirement.url is not None
        elsewhere[name] = requirement.url
    elif not fits(versions.setdefault(name, version), version):
        raise Refusal(f"{line.place}: {name} is pinned to {version}, and before that to {versions[name]}.")


def _source(line: _Line, value: str) -> str:
    """An address; or a folder, as seen from the file. A file that a stranger may have written is told no secret."""
    if VARIABLE in value:
        advice = "set PIP_INDEX_URL or PIP_EXTRA_INDEX_URL, or UV_INDEX, in its place"
        raise Refusal(f"{line.place}: an address with a variable in it is not asked; {advice}.")
    beside = line.path.parent / value
    return str(beside.absolute()) if "://" not in value and beside.is_dir() else value


def _place_of(path: Path, index: str) -> tuple[str, ...]:
    """The option for an index that a lock names; a page of links, or a folder of wheels, is one as well."""
    address = "://" in index
    folder = path.parent / unquote(urlsplit(index).path)
    if (index.startswith(LOCAL) or not address) and any(folder.glob("*.whl")):
        return "--find-links", str(folder.absolute())
    return ("--find-links" if index.endswith(".html") else "--extra-index-url", index) if address else ()


def _some(path: Path, versions: Mapping[str, str]) -> Pins:
    if not versions:
        raise Refusal(f"{path} pins nothing; write one name==version a line.")
    return Pins.of(versions)

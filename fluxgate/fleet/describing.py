"""A node describes itself: `python -m fluxgate.fleet.describing`, with the subjects as JSON on its standard input."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterable
from pathlib import Path

import msgspec

from fluxgate.environment import ENGINE, fluxgate_version
from fluxgate.fleet.job import Description
from fluxgate.machine import detect, stack
from fluxgate.refusal import Refusal
from fluxgate.strategies.available import own_packages, strategies
from fluxgate.subjects import sources
from fluxgate.subjects.subject import Subject

READ_WHOLE = 1_000_000  # bytes: of larger files of a pipeline, the size and the first of them count


def describe(subjects: Iterable[Subject]) -> Description:
    """This node, and how far the subjects are ready on it."""
    pipelines, unready = dict[str, str](), dict[str, str]()
    for subject in subjects:
        try:
            sources.refuse_unready(subject)
            pipelines[subject.name] = _pipeline_hash(subject)
        except Refusal as refusal:
            unready[subject.name] = str(refusal)
    return Description(fluxgate_version(), engine_hash(), detect(), stack(), pipelines, unready)


def engine_hash() -> str:
    """A hash of all code and data of Fluxgate, and of own strategies, that decide what is rendered and measured."""
    strategies()  # own ones are found once they are imported
    digest = hashlib.sha256()
    for root in (ENGINE, *own_packages()):
        files = [root] if root.is_file() else [*root.rglob("*.py"), *root.rglob("*.toml")]
        for path in sorted(files):
            digest.update(f"{path.relative_to(root.parent)} {_file_hash(path)}\n".encode())
    return digest.hexdigest()


def _pipeline_hash(subject: Subject) -> str:
    """What tells one pipeline from another: a commit of the hub, or the names, sizes and beginnings of its files."""
    own = [f"{file.stat().st_size} {_file_hash(file)}\n" for file in map(Path, subject.single_files)]
    if subject.source.startswith("hub:"):
        commit = str(subject.revision)
        return hashlib.sha256("".join([commit, *own]).encode()).hexdigest() if own else commit
    folder = sources.locate(subject)
    lines = own + [
        f"{path.relative_to(folder)} {path.stat().st_size} {_file_hash(path)}\n"
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    ]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _file_hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.sha256(file.read(READ_WHOLE)).hexdigest()


def main() -> None:
    asked = msgspec.json.decode(sys.stdin.buffer.read(), type=tuple[Subject, ...])
    try:
        answer = describe(asked)
    except Refusal as refusal:
        sys.exit(str(refusal))
    print(msgspec.json.encode(answer).decode())


if __name__ == "__main__":
    main()

"""Readings: what the pictures of a case show of what their prompts ask, by the reader that its subject names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from fluxgate.cases import Case
from fluxgate.compare.facts import Key, Source
from fluxgate.judge.readers import Finding, reader_named
from fluxgate.pictures import rgb

MOST_REMEMBERED = 512  # readings; one is a few kilobytes
MOST_TOLD = 4  # things that are missing


@dataclass(frozen=True)
class Shown:
    """What is asked for, by one prompt or by several, and what of it pictures show."""

    findings: tuple[Finding, ...] = ()

    @property
    def asked(self) -> int:
        return len(self.findings)

    @property
    def there(self) -> int:
        """How many of the things asked for are shown."""
        return sum(finding.found for finding in self.findings)

    @property
    def share(self) -> float:
        return self.there / self.asked if self.asked else 0.0

    @property
    def count(self) -> str:
        """`7 of 10`."""
        return f"{self.there} of {self.asked}"

    @property
    def missing(self) -> str:
        """What is not shown, each once: of two foxes that are asked for, both may be missing."""
        told = list(dict.fromkeys(finding.sentence for finding in self.findings if not finding.found))
        others = [f"and {len(told) - MOST_TOLD} more"] if len(told) > MOST_TOLD else []
        return "; ".join([*told[:MOST_TOLD], *others])


def shown_by(case: Case, pictures: Mapping[Key, Source]) -> dict[Key, Shown]:
    """What the pictures of the case's own readable shots show of their prompts."""
    return {
        (shot.name, index): shown_of(case, pictures[shot.name, index], shot.prompt_of(index))
        for shot in case.shots
        for index in range(shot.pictures)
        if shot.readable and (shot.name, index) in pictures
    }


def shown_of(case: Case, picture: Source, prompt: str) -> Shown:
    """What one picture shows of a prompt, its own or another."""
    name = case.subject.reader or ""
    return Shown(tuple(reader_named(name).compare(_reading(name, picture), prompt)))


def read_early(case: Case, picture: Source) -> None:
    """Read a picture before anybody asks what it shows."""
    if case.subject.reader:
        _reading(case.subject.reader, picture)


def together(shown: Iterable[Shown]) -> Shown:
    """What several pictures show, as one."""
    return Shown(tuple(finding for one in shown for finding in one.findings))


@lru_cache(maxsize=MOST_REMEMBERED)
def _reading(reader: str, picture: Source) -> Any:
    """The same pixels are read once, in whichever case they are."""
    return reader_named(reader).read(rgb(picture.read()))

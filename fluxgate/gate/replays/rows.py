"""Rows: upgrades that were really released, and what a gate must say of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from fluxgate.files import is_name
from fluxgate.gate.environments.pins import Pins
from fluxgate.options import suggestion
from fluxgate.refusal import Refusal
from fluxgate.report.gate_result import Answer, CaseOutcome
from fluxgate.toml import Address, Place, Text, read_toml

HERE = Path(__file__).parent
REGRESSIONS, HARMLESS = HERE / "regressions.toml", HERE / "harmless.toml"
CATALOGUE = HERE / "subjects.toml"
# What a Python may have for some strategies alone, and what clashes with older releases of the rest.
LEFT_OUT = ("torchao", "optimum-quanto", "gguf")
# What older releases of huggingface_hub and diffusers need, and today's no longer do.
ADDED = {"httpx": "0.28.1", "httpcore": "1.0.9"}
NOTHING = ""  # in place of a version: the package is not installed


@dataclass(frozen=True)
class Expected:
    """What a gate must say; what is left out is not looked at."""

    answer: Answer = Answer.SAFE
    stage: str | None = None  # the first that differs, or in which it crashes: import, load, T5 embeddings, …
    cases: Mapping[str, str] = field(default_factory=dict)  # strategy -> outcome
    reason: str | None = None  # a piece of the sentence that says what happened
    culprit: tuple[str, ...] = ()  # canonical names; of several, all are to blame together
    tied: tuple[str, ...] = ()  # what the resolver does not let move without the culprit: named with it


@dataclass(frozen=True)
class Row:
    """One upgrade. What is pinned nowhere is what this Python has."""

    name: str
    about: str  # what happens
    good: Pins  # of the incumbent
    bad: Pins  # of the candidate, as far as it differs
    expected: Expected
    thread: str | None = None  # where it is told in public
    device: Literal["cpu", "cuda"] = "cpu"
    python: str | None = None  # "3.11", where only some have these releases
    subject: str = "replayed"
    strategies: tuple[str, ...] = ()  # those that show it; none: those of the short tier
    fitted: str | None = None  # what of the row was written after a gate had answered, and why

    @property
    def is_harmless(self) -> bool:
        return self.expected.answer is not Answer.NOT_SAFE


@dataclass(frozen=True)
class Entry:
    """A row, as it stands in its file."""

    about: Text
    good: dict[str, str]
    bad: dict[str, str]
    answer: Literal["safe", "safe with drift", "not safe"] = "safe"
    stage: Text | None = None
    cases: dict[str, str] = field(default_factory=dict)
    reason: Text | None = None
    culprit: tuple[Text, ...] = ()
    tied: tuple[Text, ...] = ()
    thread: Address | None = None
    device: Literal["cpu", "cuda"] = "cpu"
    python: Text | None = None
    subject: Text = "replayed"
    strategies: tuple[Text, ...] = ()
    fitted: Text | None = None

    def __post_init__(self) -> None:
        for outcome in self.cases.values():
            if outcome not in tuple(CaseOutcome):
                raise ValueError(f"cases has the outcome {outcome!r}; {suggestion(outcome, tuple(CaseOutcome))}")
        for package, version in (*self.good.items(), *self.bad.items()):
            _refuse_no_version(package, version)
        bad = self.answer == "not safe"
        if bad and not (self.thread and self.culprit and (self.stage or self.cases)):
            raise ValueError("a regression needs thread, culprit, and stage or cases")
        if not bad and (self.culprit or self.stage or self.cases):
            raise ValueError("an upgrade that is safe has no culprit, stage or cases")

    def row(self, name: str) -> Row:
        culprit, tied = _canonical(self.culprit), _canonical(self.tied)
        expected = Expected(Answer(self.answer), self.stage, self.cases, self.reason, culprit, tied)
        return Row(
            name=name,
            about=self.about,
            good=Pins.of(self.good),
            bad=Pins.of(self.bad),
            expected=expected,
            thread=self.thread,
            device=self.device,
            python=self.python,
            subject=self.subject,
            strategies=self.strategies,
            fitted=self.fitted,
        )


def read_rows(path: Path) -> dict[str, Row]:
    """The rows of one file, by name."""
    entries = read_toml(path, dict[str, Entry])
    for name in entries:
        if not is_name(name):
            raise Place(str(path)).refusal(f"{name!r} is no name of a row; use letters, digits, dots and hyphens")
    return {name: entry.row(name) for name, entry in entries.items()}


def rows_of(files: tuple[Path, ...] = (REGRESSIONS, HARMLESS)) -> dict[str, Row]:
    """The rows of all files; each has a name of its own."""
    rows: dict[str, Row] = {}
    for path in files:
        for name, row in read_rows(path).items():
            if name in rows:
                raise Refusal(f"{path}: there is a row {name} already; choose another name.")
            rows[name] = row
    return rows


def common_pins(python: Pins) -> Pins:
    """What all rows start from: what a Python has, with what older releases need and without what clashes with them."""
    kept = {name: version for name, version in python.versions.items() if name not in LEFT_OUT}
    return Pins.of({**ADDED, **kept})


def incumbent_pins(row: Row, common: Pins) -> Pins:
    """The whole incumbent."""
    return _without_nothing({**common.versions, **row.good.versions})


def candidate_pins(row: Row, common: Pins) -> Pins:
    """The whole candidate."""
    return _without_nothing({**common.versions, **row.good.versions, **row.bad.versions})


def _canonical(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(str(canonicalize_name(name)) for name in names)


def _without_nothing(versions: Mapping[str, str]) -> Pins:
    return Pins.of({name: version for name, version in versions.items() if version != NOTHING})


def _refuse_no_version(package: str, version: str) -> None:
    if version == NOTHING:
        return
    try:
        Version(version)
    except InvalidVersion:
        raise ValueError(f"{package} has the version {version!r}, which is none") from None

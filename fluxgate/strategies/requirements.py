"""What a strategy asks of machine, stack and subject, each need with the reason given where it is not met."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from packaging.version import Version

from fluxgate.amounts import amount
from fluxgate.article import with_article
from fluxgate.machine import Machine, Stack
from fluxgate.subjects.subject import Subject

GGUF = "0.13.0"  # older ones cannot read with numpy 2

Need = Callable[[Subject, Machine, Stack], str | None]


@dataclass(frozen=True)
class Requirements:
    """All that a strategy needs; called, it gives the first reason why the strategy cannot run, or None."""

    needs: tuple[Need, ...] = ()

    def __call__(self, subject: Subject, machine: Machine, stack: Stack) -> str | None:
        reasons = (need(subject, machine, stack) for need in self.needs)
        return next((reason for reason in reasons if reason), None)


@dataclass(frozen=True)
class Release:
    """A package in a release that has what the strategy calls; on one kind of device only, if so said."""

    package: str
    at_least: str
    to: str  # completes "... is needed to ..."
    on: str | None = None

    def __call__(self, subject: Subject, machine: Machine, stack: Stack) -> str | None:
        if self.on not in (None, machine.device):
            return None
        installed = stack.get(self.package)
        if installed is None:
            return f"{self.package} is needed to {self.to}; it is not installed"
        if release(installed) < release(self.at_least):
            return f"{self.package} {self.at_least} or newer is needed to {self.to}; {installed} is installed"
        return None


@dataclass(frozen=True)
class Gpu:
    """A GPU, or several; `because` says what fails without."""

    because: str
    count: int = 1

    def __call__(self, subject: Subject, machine: Machine, stack: Stack) -> str | None:
        if machine.device != "cuda":
            return f"a GPU is needed: {self.because}"
        if machine.count < self.count:
            return f"{self.count} GPUs are needed: {self.because}; this machine has {machine.count}"
        return None


@dataclass(frozen=True)
class Twice:
    """A GPU with twice the memory that the subject needs in its own dtype."""

    because: str

    def __call__(self, subject: Subject, machine: Machine, stack: Stack) -> str | None:
        needed = 2 * subject.needs.vram
        if machine.device != "cuda" or needed <= machine.memory:
            return None
        return f"a GPU with {amount(needed)} is needed: {self.because}; this one has {amount(machine.memory)}"


@dataclass(frozen=True)
class Pipelines:
    """One of the classes of pipelines that the strategy can handle; `because` says what keeps it from others."""

    names: tuple[str, ...]
    because: str

    def __call__(self, subject: Subject, machine: Machine, stack: Stack) -> str | None:
        if subject.pipeline in self.names:
            return None
        needed = self.names[0] if len(self.names) == 1 else f"one of {', '.join(self.names)}"
        return f"{needed} is needed: {self.because}; {subject.name} is {with_article(subject.pipeline)}"


def reads_files(subject: Subject, machine: Machine, stack: Stack) -> str | None:
    """A need of every strategy: the package that reads the subject's own files."""
    name = next(iter(subject.in_gguf), None)
    return Release("gguf", GGUF, to=f"read {Path(subject.files[name]).name}")(subject, machine, stack) if name else None


def unquantized(subject: Subject, machine: Machine, stack: Stack) -> str | None:
    """A need: weights that no file holds in quantized formats already."""
    name = next(iter(subject.in_gguf), None)
    return f"{name} is quantized already, by its file {Path(subject.files[name]).name}" if name else None


def saved_again(subject: Subject, machine: Machine, stack: Stack) -> str | None:
    """A need of saving: weights that diffusers can write."""
    name = next(iter(subject.in_gguf), None)
    return f"diffusers does not save the weights of {name}, which a GGUF file holds quantized" if name else None


def folder_of_weights(subject: Subject, machine: Machine, stack: Stack) -> str | None:
    """A need: a pipeline all of which diffusers loads from one folder."""
    if subject.checkpoint:
        return "diffusers does this while it loads a folder of components; the pipeline comes from a single file"
    name = next(iter(subject.files), None)
    return f"diffusers does this to what it loads itself; {name} comes from a file of its own" if name else None


def encoders_in_folder(subject: Subject, machine: Machine, stack: Stack) -> str | None:
    """A need: large text encoders in folders: transformers quantizes them while it loads them from there."""
    name = next((name for name in subject.large if name in subject.encoders), None)
    if not subject.checkpoint or name is None:
        return None
    return f"{name} comes from a single file of the whole pipeline, which transformers does not read"


@dataclass(frozen=True)
class OtherDtype:
    """A subject in another dtype than the strategy's own; `like` names the strategy that it would repeat otherwise."""

    dtype: str
    like: str

    def __call__(self, subject: Subject, machine: Machine, stack: Stack) -> str | None:
        if subject.dtype != self.dtype:
            return None
        return f"{subject.name} is in {self.dtype} already, so it would only repeat {self.like}"


def one_dtype(subject: Subject, machine: Machine, stack: Stack) -> str | None:
    """A need of a strategy that loads all in a narrower dtype: no component that must be in one of its own."""
    name = next(iter(subject.dtypes), None)
    return f"it loads all in float16, and {name} is to be in {subject.dtypes[name]}" if name else None


def release(version: str) -> Version:
    """A version without its suffixes, so that 0.41.0.dev0 and 0.41.0+cu130 count as 0.41.0."""
    return Version(Version(version).base_version)

"""The recurring pieces of a verdict's sentence: which picture, where a limit came from, what to run next."""

from __future__ import annotations

from collections.abc import Iterable

from fluxgate.cases import Case
from fluxgate.judge.rerun import pytest_command
from fluxgate.judge.verdict import Limit
from fluxgate.rendering import Memory

ACCEPT = 'fluxgate accept RUN --because "…"'
IF_RIGHT = f"If that is right, run {ACCEPT}."
CALIBRATE = "fluxgate calibrate"
NO_BASELINE = "What was accepted was left out: --no-baseline."


def picture_name(case: Case, shot: str, index: int) -> str:
    """`shot 'picnic'`, with the picture's number where the shot has several."""
    several = any(one.name == shot and one.pictures > 1 for one in case.subject.shots)
    return f"shot '{shot}'" + (f" picture {index + 1}" if several else "")


def origin(limit: Limit) -> str:
    """Where a limit came from: `measured, n=40, h100-…, diffusers 0.42.1, 2025-11-20`."""
    library = limit.stack.get("diffusers")
    parts = [
        limit.source,
        f"n={limit.n}" if limit.n is not None else "",
        limit.machine or "",
        f"diffusers {library}" if library else "",
        limit.date or "",
    ]
    return ", ".join(part for part in parts if part)


def again(case: Case, *, beside: str | None = None, **options: str | int) -> str:
    """The command that renders and judges this case alone, or beside another strategy."""
    strategies = ",".join(name for name in (beside, case.strategy.name) if name)
    return pytest_command(subject=case.subject.name, strategy=strategies, **options)


def unmeasured(memory: Memory | None, figure: str, what: str) -> str:
    """Why a figure of memory is missing: `GPU memory was not measured: there is no GPU.`"""
    reason = memory.unavailable.get(figure) if memory else "the worker measured no memory"
    return f"{what} was not measured: {(reason or 'not available on this machine').rstrip('.')}."


def listed(names: Iterable[str], most: int = 4) -> str:
    """`a, b and c`; what is beyond the most becomes a number."""
    names = list(names)
    shown = [*names[:most], f"{len(names) - most} more"] if len(names) > most else names
    return " and ".join([", ".join(shown[:-1]), shown[-1]] if len(shown) > 1 else shown)


def counted(number: int, noun: str) -> str:
    """`1 picture`, `3 pictures`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def sentence_case(text: str) -> str:
    """The text with a capital first letter, the rest as it is."""
    return text[:1].upper() + text[1:]

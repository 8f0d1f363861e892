"""The command that renders a part of a session again, as it is typed where one is."""

from __future__ import annotations

import shlex
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]
CONFTEST = CHECKOUT / "conftest.py"  # of Fluxgate's own repository; it loads the short names


def pytest_command(**options: str | int) -> str:
    """`pytest --subject miniature --strategy nf4`; in somebody else's repository the names that are sure to be ours,
    and what adds the conformance tests."""
    short = CONFTEST.is_file() and Path.cwd().is_relative_to(CHECKOUT)
    prefix, words = ("--", ["pytest"]) if short else ("--fluxgate-", ["pytest", "--fluxgate"])
    for name, value in options.items():
        words += [f"{prefix}{name}", str(value)]
    return shlex.join(words)

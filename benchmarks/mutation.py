"""Mutation testing of what judges, compares and keeps baselines: which changes of the code do its tests notice?

`python -m benchmarks.mutation fluxgate/judge/tolerances.py …` (needs mutmut). What sentences say is left out: tests
assert fields. Survivors are printed as differences, to be explained or killed."""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]
ROOMS = ("judge", "compare", "baselines")
# mutmut's own command, without the operators that change the text of strings.
WITHOUT_TEXTS = """
from mutmut.mutation import mutators
mutators.mutation_operators[:] = [one for one in mutators.mutation_operators if one[1] is not mutators.operator_string]
from mutmut.__main__ import cli
cli()
"""
COPIED = (
    "fluxgate",
    "tests",
    "baselines",
    "benchmarks",
    "docs",
    "requirements",
    "suite",
)  # folders, and all files beside them
LINE = re.compile(r"^\s*(?P<module>\S+?)\.x\S*?__mutmut_\d+: (?P<status>.+)$", re.MULTILINE)
UNTRIED = "not checked"  # where the time was over
NOTICED = ("killed", "timeout", "suspicious", "segfault", "caught by type check")


def modules_of(rooms: Iterable[str]) -> list[str]:
    """Every module of some rooms."""
    paths = (path for room in rooms for path in sorted((ROOT / "fluxgate" / room).rglob("*.py")))
    return [str(path.relative_to(ROOT)) for path in paths if path.stat().st_size]


def mirrors_of(modules: Iterable[str]) -> list[str]:
    """The tests that mirror them, where there are any of their own, else those of their room."""
    found = []
    for module in map(Path, modules):
        folder = ROOT / "tests" / module.relative_to("fluxgate").parent
        own = folder / f"test_{module.name}"
        found.append(own if own.exists() else folder)
    return sorted({str(path.relative_to(ROOT)) for path in found})


def settings(modules: Sequence[str], tests: Sequence[str]) -> str:
    """What mutmut is told, as lines of pyproject.toml."""
    lists = {
        "source_paths": ["fluxgate"],
        "only_mutate": list(modules),
        "also_copy": [
            "conftest.py",
            "baselines",
            "benchmarks",
            "docs",
            "requirements",
            "suite",
            "README.md",
            "tox.ini",
        ],
        "pytest_add_cli_args": ["-p", "no:cacheprovider", "-q"],
        "pytest_add_cli_args_test_selection": list(tests),
    }
    return "\n[tool.mutmut]\n" + "".join(f"{name} = {values!r}\n" for name, values in lists.items())


def outcomes(text: str) -> dict[str, Counter[str]]:
    """By module, how many changes ended how, as `mutmut results --all true` tells it."""
    counts: dict[str, Counter[str]] = {}
    for match in LINE.finditer(text):
        if match["status"].strip() != UNTRIED:
            counts.setdefault(match["module"], Counter())[match["status"].strip()] += 1
    return counts


def table(counts: dict[str, Counter[str]]) -> str:
    """A line for each module, and one for all."""
    rows = sorted(counts.items())
    rows.append(("all", sum(counts.values(), Counter[str]())))
    lines = [f"{'module':42} changes noticed survived untested"]
    for name, each in rows:
        noticed = sum(each[status] for status in NOTICED)
        share = f"{noticed / max(each.total(), 1):.0%}"
        lines.append(f"{name:42} {each.total():7} {share:>7} {each['survived']:8} {each['no tests']:8}")
    return "\n".join(lines)


def mutmut(folder: Path, *arguments: str, limit: float | None = None) -> str:
    """What the command prints, for so many seconds at most; its exit code tells nothing that the results do not."""
    command = [
        *(["timeout", "-s", "INT", "-k", "10", f"{limit}"] if limit else []),
        sys.executable,
        "-c",
        WITHOUT_TEXTS,
    ]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*command, *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    return done.stdout + done.stderr


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("module", nargs="*", help="default: every one of judge, compare and baselines")
    parser.add_argument("--tests", action="append", help="that may notice; default: the modules' own")
    parser.add_argument("--processes", default="1")
    parser.add_argument("--limit", type=float, help="seconds, after which the changes tried so far count")
    options = parser.parse_args(arguments)
    modules = options.module or modules_of(ROOMS)
    with tempfile.TemporaryDirectory(prefix="mutation-") as name:
        folder = Path(name)
        for path in ROOT.iterdir():
            if path.is_file():
                shutil.copy2(path, folder)
            elif path.name in COPIED:
                shutil.copytree(path, folder / path.name, ignore=shutil.ignore_patterns("__pycache__"))
        pyproject = folder / "pyproject.toml"
        pyproject.write_text(pyproject.read_text() + settings(modules, options.tests or mirrors_of(modules)))
        said = mutmut(folder, "run", "--max-children", options.processes, limit=options.limit)
        results = mutmut(folder, "results", "--all", "true")
        counts = outcomes(results)
        if not counts:
            sys.exit(f"mutmut has no results:\n{said[-3000:]}")
        survivors = [line.strip() for line in results.splitlines() if line.endswith(("survived", "no tests"))]
        print("\n".join([table(counts), *survivors]), flush=True)  # each difference takes a second to be told
        for line in survivors:
            print(mutmut(folder, "show", line.split(":")[0]), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])

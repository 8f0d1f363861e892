"""uv, run for an interpreter, and what its output means."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from packaging.utils import canonicalize_name

from fluxgate.files import expanded
from fluxgate.gate.environments.installers import (
    Objection,
    Plan,
    Planned,
    Question,
    objection,
    refuse_full_disk,
    refuse_killed,
    refuse_unreachable,
    wheels,
    within,
)
from fluxgate.gate.environments.pins import Pins
from fluxgate.gate.environments.processes import Finished, run
from fluxgate.gate.environments.stages import Cause

ANYWHERE = "in the provided package locations"  # as uv says it
# Variables that do not decide which files are installed.
ASIDE = ("UV_CACHE_DIR", "UV_LINK_MODE", "UV_NO_PROGRESS", "UV_CONCURRENT", "UV_HTTP", "UV_REQUEST", "UV_PYTHON")
# Else the first index that has a package at all is the only one that is asked for it: an index of torch's has old
# releases of numpy, too. What is asked for is pinned, and pip looks in all of them as well.
IN_EVERY_INDEX = "--index-strategy=unsafe-best-match"
UNREACHABLE = (
    "error sending request",
    "dns error",
    "tcp connect error",
    "Network connectivity is disabled",
    "timed out",
)


@dataclass(frozen=True)
class Uv:
    """uv, working for any interpreter."""

    program: Path
    wheelhouse: Path | None = None
    sources: tuple[str, ...] = ()  # options: where else packages are looked for

    @property
    def name(self) -> str:
        return "uv"

    def settings(self, pins: Pins) -> tuple[str, ...]:
        if self.wheelhouse is not None:
            return ("wheelhouse", *wheels(self.wheelhouse, pins))
        variables = {f"{name}={value}" for name, value in os.environ.items() if _decides(name)}
        return ("uv", *sorted(variables), *_configurations(), *self.sources)

    def plan(self, question: Question) -> Plan | Objection:
        with tempfile.TemporaryDirectory() as folder:
            finished = self._pip(
                "install",
                question.python,
                "--dry-run",
                *((f"--target={Path(folder) / 'nothing'}", "--no-deps") if question.alone else ()),
                *(f"--upgrade-package={name}" for name in question.newest),
                *self._places(),
                *question.requirements,
            )
        return _plan(finished.output) if finished.code == 0 else self._objection(finished)

    def releases(self, python: Path, package: str) -> tuple[Planned, ...] | Objection:
        """Asked for one after the other, each older than the last: uv has no list. It passes over those yanked."""
        found: list[Planned] = []
        while True:
            older = f"{package}<{found[-1].version}" if found else package
            plan = self.plan(Question(python, [older], alone=True))
            if isinstance(plan, Objection):
                return tuple(reversed(found)) if found else plan
            found.append(plan[canonicalize_name(package)])

    def install(self, python: Path, pins: Sequence[str]) -> Objection | None:
        return self._unless_done(self._pip("install", python, "--no-deps", *self._places(), *pins))

    def uninstall(self, python: Path, packages: Sequence[str]) -> Objection | None:
        return self._unless_done(self._pip("uninstall", python, *packages))

    def wheel(self, python: Path, source: Path, *, into: Path) -> Objection | None:
        return self._unless_done(
            self._run("build", python, "--wheel", f"--out-dir={into}", *self._places(), str(source))
        )

    def within(self, wheelhouse: Path) -> Uv:
        return replace(self, wheelhouse=wheelhouse)

    def _unless_done(self, finished: Finished) -> Objection | None:
        return None if finished.code == 0 else self._objection(finished)

    def _objection(self, finished: Finished) -> Objection:
        return within(_objection(finished), self.wheelhouse, anywhere=ANYWHERE)

    def _places(self) -> tuple[str, ...]:
        if self.wheelhouse is None:
            own = not self.sources or "UV_INDEX_STRATEGY" in os.environ
            return self.sources if own else (*self.sources, IN_EVERY_INDEX)
        return ("--no-config", "--no-index", "--offline", f"--find-links={self.wheelhouse}")

    def _pip(self, verb: str, python: Path, *arguments: str) -> Finished:
        return self._run("pip", python, verb, *arguments)

    def _run(self, command: str, python: Path, *arguments: str) -> Finished:
        quiet = ("--no-progress", "--color=never")
        aside: dict[str, str | None] = dict.fromkeys(filter(_decides, os.environ)) if self.wheelhouse else {}
        finished = run((str(self.program), *quiet, command, *arguments, f"--python={python}"), variables=aside)
        refuse_killed(self.name, finished)
        return finished


def _decides(variable: str) -> bool:
    return variable.startswith("UV_") and not variable.startswith(ASIDE)


def _configurations() -> Iterator[str]:
    """The text of the files from which uv takes its settings: the nearest of a project, and the user's."""
    user = Path(os.environ.get("XDG_CONFIG_HOME") or expanded("~/.config")) / "uv" / "uv.toml"
    folders = (Path.cwd(), *Path.cwd().parents)
    project = (folder / name for folder in folders for name in ("uv.toml", "pyproject.toml"))
    yield from (
        path.read_text(errors="replace") for path in (user, next(filter(_configures, project), user)) if path.is_file()
    )


def _configures(path: Path) -> bool:
    return path.is_file() and (path.name == "uv.toml" or "[tool.uv" in path.read_text(errors="replace"))


def _plan(output: str) -> Plan:
    yanked = {canonicalize_name(name) for name in re.findall(r"`([^`=]+)==[^`]+` is yanked", output)}
    planned = re.findall(r"^ \+ (\S+?)==(\S+)", output, re.MULTILINE)
    return {
        canonicalize_name(name): Planned(version, yanked=canonicalize_name(name) in yanked) for name, version in planned
    }


def _objection(finished: Finished) -> Objection:
    output = finished.output
    refuse_full_disk(output)
    if any(text in output for text in UNREACHABLE):
        place = re.search(r"https?://[^\s`)]+", output)
        refuse_unreachable(place[0] if place else "The index")
    return objection(_cause(output), _sentence(output) or f"uv {finished.ending}", output)


def _cause(output: str) -> Cause:
    if "Wheel version does not match" in output:
        return Cause.NOT_AS_ASKED
    if "Failed to build" in output:
        return Cause.NOT_BUILT
    if "No solution found" not in output:
        return Cause.OTHER
    missing = re.search(r"Because (there is no version of|.{1,200} was not found in the)", " ".join(output.split()))
    return Cause.NO_SUCH_VERSION if missing else Cause.CONFLICT


def _sentence(output: str) -> str:
    """What uv says, without the frame around it."""
    built = re.search(r"Failed to build `?([^`\s]+)`?", output)
    if built:
        printed = output.partition("[stderr]")[2].partition("\nhint:")[0].strip().splitlines()
        return f"{built[1]} cannot be built" + (f": {printed[-1].strip()}" if printed else "")
    if "No solution found" in output:
        return _without_solution(output)
    error = re.search(r"^error: (.+)$", output, re.MULTILINE)
    causes = re.findall(r"^\s*(?:cause|Caused by): (.+)$", output, re.MULTILINE)
    last = (output.strip().splitlines() or [""])[-1]
    return ": ".join([error[1], *causes[-1:]]) if error else last


def _without_solution(output: str) -> str:
    """The chain of reasons, without the conclusion that every such chain ends with."""
    chain = re.search(r"(?:cause: |╰─▶ )(.*?)(?:\n\s*\n|\n\s*hint:|\Z)", output, re.DOTALL)
    text = " ".join((chain[1] if chain else output).split()).rstrip(".")
    text = text.removesuffix(", we can conclude that your requirements are unsatisfiable")
    missing = re.fullmatch(r"Because there is no version of (\S+) and you require \S+", text)
    if missing:
        return f"{missing[1]} does not exist"
    unknown = re.fullmatch(r"Because (\S+ was not found in the .+?) and you require \S+", text)
    if unknown:
        return unknown[1]
    conflict = re.fullmatch(
        r"Because (\S+) depends on (\S+) and you require (\S+), we can conclude that your requirements and "
        r"\1 are incompatible\. And because you require \1",
        text,
    )
    if conflict:
        return f"{conflict[3]} is asked for; {conflict[1]} depends on {conflict[2]}"
    concluding = ", we can conclude" in text
    return text.replace("And because you", "And you") if concluding else text.removeprefix("Because ")

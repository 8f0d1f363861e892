"""pip, run for another interpreter, and what its output means."""

from __future__ import annotations

import json
import os
import re
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from packaging.requirements import Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version

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

# Settings of the user's that would have pip install elsewhere, or something else, or not say what it does.
NOT_HANDED_ON = tuple(
    f"PIP_{name}"
    for name in (
        "CONSTRAINT_FILE",
        "DRY_RUN",
        "EDITABLE",
        "FORCE_REINSTALL",
        "IGNORE_INSTALLED",
        "LOG",
        "NO_DEPS",
        "PREFIX",
        "PYTHON",
        "QUIET",
        "REPORT",
        "REQUIRE_VIRTUALENV",
        "REQUIREMENT",
        "ROOT",
        "TARGET",
        "UPGRADE",
        "UPGRADE_STRATEGY",
        "USER",
        "VERBOSE",
    )
)
# Settings that decide which file a pin stands for.
SOURCES = ("constraint", "extra-index-url", "find-links", "index-url", "no-binary", "no-index", "only-binary", "pre")
EXACTLY = ("--no-deps", "--no-compile", "--no-user", "--no-warn-script-location", "--root-user-action=ignore")
# That pip tries again, and for the last time, is all that it says of a network that is not there.
SETTINGS = {"PIP_PROGRESS_BAR": "off", "PIP_RETRIES": "3"}
UNREACHABLE = (
    "Retrying (Retry(total=0",
    "Max retries exceeded",
    "Read timed out",
    "is not a trusted or secure host",
    "problem confirming the ssl certificate",
)
NO_CONFIGURATION = {"PIP_CONFIG_FILE": os.devnull}
ANYWHERE = "where packages are looked for"
NOBODYS = "9999!0"  # a version that no package has
MOST_REASONS = 4  # lines of a conflict that its sentence names


@dataclass(frozen=True)
class Pip:
    """pip of one interpreter, working for others."""

    wheelhouse: Path | None = None
    python: Path = Path(sys.executable)  # whose pip it is
    sources: tuple[str, ...] = ()  # options: where else packages are looked for

    @property
    def name(self) -> str:
        return "pip"

    def settings(self, pins: Pins) -> tuple[str, ...]:
        if self.wheelhouse is not None:
            return ("wheelhouse", *wheels(self.wheelhouse, pins))
        listed = run((str(self.python), "-P", "-m", "pip", "config", "list"), variables=self._variables()).output
        chosen = {line for line in listed.splitlines() if line.partition("=")[0].rpartition(".")[2] in SOURCES}
        return ("pip", *sorted(chosen), *self.sources)

    def plan(self, question: Question) -> Plan | Objection:
        requirements = list(question.requirements)
        if question.newest:
            # pip upgrades all that it is asked for, or nothing: so first see what has a newer release at all.
            wanted = [text for text in requirements if canonicalize_name(Requirement(text).name) in question.newest]
            newer = self._dry_run(question, wanted, "--upgrade", "--no-deps")
            if isinstance(newer, Objection):
                return newer
            requirements += [
                f"{name}>{Version(version).public}" for name, version in question.newest.items() if name in newer
            ]
        return self._dry_run(question, requirements)

    def install(self, python: Path, pins: Sequence[str]) -> Objection | None:
        return self._done(python, "install", *EXACTLY, *self._places(), *pins)

    def uninstall(self, python: Path, packages: Sequence[str]) -> Objection | None:
        return self._done(python, "uninstall", "--yes", *packages)

    def wheel(self, python: Path, source: Path, *, into: Path) -> Objection | None:
        """With a wheelhouse, a build finds what it needs in that folder, as everything else does."""
        return self._done(python, "wheel", "--no-deps", f"--wheel-dir={into}", *self._places(), str(source))

    def within(self, wheelhouse: Path) -> Pip:
        return replace(self, wheelhouse=wheelhouse)

    def releases(self, python: Path, package: str) -> tuple[Planned, ...] | Objection:
        """Read from what pip says when it is asked for a release that nobody has, and from its list of the others."""
        asked = self._run(python, "install", "--dry-run", "--no-deps", *self._places(), f"{package}=={NOBODYS}")
        every = {*_from_versions(asked.output), *_ignored_as_yanked(asked.output)}
        if not every:
            return self._objection(asked)
        listed = self._run(python, "index", "versions", "--pre", *self._places(), package)
        available = re.search(r"^Available versions: (.+)$", listed.output, re.MULTILINE)
        right = set(available[1].split(", ")) if available else every
        return tuple(Planned(version, yanked=version not in right) for version in sorted(every | right, key=Version))

    def _places(self) -> tuple[str, ...]:
        return ("--no-index", f"--find-links={self.wheelhouse}") if self.wheelhouse else self.sources

    def _dry_run(self, question: Question, requirements: Sequence[str], *options: str) -> Plan | Objection:
        with tempfile.TemporaryDirectory() as folder:
            report = Path(folder) / "report"
            finished = self._run(
                question.python,
                *("install", "--dry-run", f"--report={report}"),
                *(("--ignore-installed", "--no-deps") if question.alone else ()),
                *options,
                *self._places(),
                *requirements,
            )
            return _plan(report.read_bytes(), finished.output) if finished.code == 0 else self._objection(finished)

    def _done(self, python: Path, *arguments: str) -> Objection | None:
        finished = self._run(python, *arguments)
        return None if finished.code == 0 else self._objection(finished)

    def _objection(self, finished: Finished) -> Objection:
        return within(_objection(finished), self.wheelhouse, anywhere=ANYWHERE)

    def _run(self, python: Path, *arguments: str) -> Finished:
        quiet = ("--no-input", "--no-color", "--disable-pip-version-check")
        command: tuple[str | Path, ...] = (self.python, "-P", "-m", "pip", "--python", python, *quiet, *arguments)
        finished = run(command, variables=self._variables())
        refuse_killed(self.name, finished)
        return finished

    def _variables(self) -> dict[str, str | None]:
        """The user's settings, but for those that would have pip do something else; with a wheelhouse, none."""
        aside = {**dict.fromkeys(NOT_HANDED_ON), **SETTINGS}
        if self.wheelhouse is None:
            return aside
        return {**dict.fromkeys(name for name in os.environ if name.startswith("PIP_")), **aside, **NO_CONFIGURATION}


def _plan(report: bytes, output: str) -> Plan:
    """The plan in pip's report. Which releases are yanked is in it only since pip 23.3, but always in the output."""
    yanked = {canonicalize_name(name) for name in re.findall(r"yanked version: '([^']+)'", output)}
    plan: Plan = {}
    for item in json.loads(report)["install"]:
        name = canonicalize_name(item["metadata"]["name"])
        plan[name] = Planned(item["metadata"]["version"], yanked=name in yanked)
    return plan


def _objection(finished: Finished) -> Objection:
    """Why pip has failed."""
    refuse_full_disk(finished.output)
    _refuse_without_network(finished.output)
    for explain in (_conflict, _mislabelled, _missing, _not_built):
        explained = explain(finished.output)
        if explained is not None:
            return explained
    errors = re.findall(r"^\s*ERROR: (?!Exception:$)(.+)$", finished.output, re.MULTILINE | re.IGNORECASE)
    last = (finished.output.strip().splitlines() or [f"pip {finished.ending}"])[-1]
    return objection(Cause.OTHER, errors[0] if errors else last, finished.output)


def _refuse_without_network(output: str) -> None:
    """Refuse if something could not be fetched, though pip went on: what it then missed may have been there."""
    line = next((line for line in output.splitlines() if any(words in line for words in UNREACHABLE)), None)
    if line is None:
        return
    named = re.search(r"host='([^']+)'|located at (\S+) is|fetch URL (\S+): ", line)
    indexes = re.search(r"^Looking in indexes: ([^,\n]+)", output, re.MULTILINE)
    if named:
        refuse_unreachable(next(filter(None, named.groups())))
    refuse_unreachable(indexes[1] if indexes else "The index")


def _conflict(output: str) -> Objection | None:
    block = re.search(r"The conflict is caused by:\n((?: +\S.*\n)+)", output)
    if block is None:
        return None
    lines = [line.strip() for line in block[1].splitlines()]
    reasons = list(dict.fromkeys(filter(None, map(_reason, _at_odds(lines)))))
    if len(reasons) == 1:
        return objection(Cause.CONFLICT, f"{reasons[0]}, of which there is no release", output)
    more = f"; and {len(reasons) - MOST_REASONS} more" if len(reasons) > MOST_REASONS else ""
    return objection(Cause.CONFLICT, "; ".join(reasons[:MOST_REASONS]) + more, output)


def _at_odds(lines: list[str]) -> list[str]:
    """The lines of a conflict without those that a version that is asked for or pinned meets: pip lists them, too."""
    exact = (re.fullmatch(r"The user requested (?:\(constraint\) )?([\w.-]+)==([^\s*]+)", line) for line in lines)
    fixed = {canonicalize_name(match[1]): match[2] for match in exact if match}
    others = [line for line in lines if not _meets(line, fixed)]
    return others if any(" depends on " in line for line in others) else lines


def _meets(line: str, fixed: dict[NormalizedName, str]) -> bool:
    """Whether what a package depends on is met by the one version that is left of it."""
    needed = re.fullmatch(r".+ depends on ([\w.-]+)(?:\[[^]]*\])? ?(.*)", line)
    version = fixed.get(canonicalize_name(needed[1])) if needed else None
    if needed is None or version is None:
        return False
    try:
        return SpecifierSet(needed[2].replace(" and ", ",")).contains(version, prereleases=True)
    except InvalidSpecifier:
        return False


def _reason(line: str) -> str | None:
    """A line of a conflict in our words; that a package may have any version is no reason."""
    asked = re.fullmatch(r"The user requested (\(constraint\) )?(.+)", line)
    if asked is None:
        return line
    # The gate hands no constraints on: one is the user's own.
    who = "demanded by a constraint in pip's settings" if asked[1] else "asked for"
    return f"{asked[2]} is {who}" if re.search(r"[=<>~]", asked[2]) else None


def _mislabelled(output: str) -> Objection | None:
    """A wheel whose file name and metadata name two versions."""
    discarded = re.search(r"^Discarding \S+?([^/\s]+): .* has inconsistent version: (.+)$", output, re.MULTILINE)
    if discarded is None:
        return None
    return objection(Cause.NOT_AS_ASKED, f"{discarded[1]} names another version inside: {discarded[2]}", output)


def _missing(output: str) -> Objection | None:
    line = re.search(
        r"Could not find a version that satisfies the requirement (.+?)(?: \(from ([^()]+)\))? \(from versions: (.*)\)",
        output,
    )
    if line is None:
        return _nowhere(output)
    requirement, asking, versions = line[1], line[2], line[3].split(", ")
    name = re.split(r"[^\w.-]", requirement, maxsplit=1)[0]
    subject = f"{asking} depends on {requirement}, which" if asking else requirement
    needs = re.search(rf"\b{re.escape(_pinned(requirement))} Requires-Python ([^;\n]+)", output)
    if needs:
        sentence = f"{subject} needs Python {needs[1].strip()}"
    elif versions == ["none"]:
        sentence = f"{subject} was not found: there is no {name} for this Python {ANYWHERE}"
    else:
        sentence = f"{subject} does not exist; the newest of {name} are {', '.join(versions[:-4:-1])}"
    return objection(Cause.NO_SUCH_VERSION, sentence, output)


def _nowhere(output: str) -> Objection | None:
    """A package that no index has."""
    line = re.search(r"No matching distribution found for (\S+)", output)
    return objection(Cause.NO_SUCH_VERSION, f"{line[1]} was not found {ANYWHERE}", output) if line else None


def _from_versions(output: str) -> list[str]:
    listed = re.search(r"\(from versions: (.*)\)", output)
    return [] if listed is None or listed[1] == "none" else listed[1].split(", ")


def _ignored_as_yanked(output: str) -> list[str]:
    """Those that newer releases of pip tell apart."""
    listed = re.search(r"Ignored the following yanked versions: (.*)$", output, re.MULTILINE)
    return [] if listed is None or listed[1] == "none" else listed[1].split(", ")


def _pinned(requirement: str) -> str:
    """The version in `name==version`, or what no output contains."""
    return requirement.partition("==")[2] or "\0"


def _not_built(output: str) -> Objection | None:
    """A source distribution that cannot be built: its name, and the last line of what its build printed."""
    block = re.search(r"\[\d+ lines? of output\]\n(.*?)\n\s*\[end of output\]", output, re.DOTALL)
    if block is None:
        return None
    names = re.findall(r"^\s*(?:Collecting|Processing) (\S+)", output[: block.start()], re.MULTILINE)
    name = names[-1].rpartition("/")[2] if names else "A package"
    return objection(Cause.NOT_BUILT, f"{name} cannot be built: {block[1].strip().splitlines()[-1]}", output)

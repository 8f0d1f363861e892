"""The commits of a git checkout between two releases, and a wheel of each."""

from __future__ import annotations

import hashlib
import re
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from fluxgate.files import expanded, is_name
from fluxgate.gate.environments.installers import Installer, Objection
from fluxgate.gate.environments.interpreters import ask
from fluxgate.gate.environments.labels import labelled
from fluxgate.gate.environments.processes import Finished, run
from fluxgate.gate.environments.stages import Cause, Stage, StageFailure
from fluxgate.gate.environments.steps import refusing_a_failing_disk, step
from fluxgate.locks import Say, held
from fluxgate.refusal import Refusal
from fluxgate.subjects.sources import cache_folder

WHEELS = "wheels"  # in the user's cache: a folder for each commit, with its wheel
LOCK = ".lock"  # in that folder
HASH = re.compile(r"[0-9a-f]{40,64}\b")
NUMBER = re.compile(r" \(#\d+\)$")
LONGEST_TITLE = 100
SHORT = 12  # characters of a commit's hash, in reports and labels
HOW = "write --checkout transformers=PATH, or PATH@GOOD..BAD with two commits"
# Nothing is asked of the user, and no file is fetched that a commit only points to.
VARIABLES = {"GIT_TERMINAL_PROMPT": "0", "GIT_LFS_SKIP_SMUDGE": "1", "GIT_OPTIONAL_LOCKS": "0"}
# What the surroundings of a hook or an alias would have git take for the repository.
NOT_HANDED_ON = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY")


@dataclass(frozen=True)
class Checkout:
    """A git repository of one package, and where to begin and to end if the user has said so."""

    package: str
    path: Path
    good: str | None = None
    bad: str | None = None


@dataclass(frozen=True)
class Commits:
    """Commits in the order in which they were made."""

    titles: dict[str, str]  # the first characters of a hash -> the first line of its message
    fork: str | None = None  # the first of them, where the good one lies on another branch than the bad one


def parse_checkout(text: str) -> Checkout:
    """`transformers=../transformers`, or `transformers=../transformers@v4.56.2..1a2b3c4`."""
    package, _, place = text.partition("=")
    path, _, ends = place.rpartition("@") if ".." in place.rpartition("@")[2] and "@" in place else (place, "", "")
    good, _, bad = ends.partition("..")
    if not is_name(package) or not path or (ends and not (good and bad)):
        raise Refusal(f"{text[:120]!r} names no checkout; {HOW}.")
    if good.startswith("-") or bad.startswith("-"):
        raise Refusal(f"{text[:120]!r} names no commits; {HOW}.")
    checkout = Checkout(str(canonicalize_name(package)), expanded(path), good or None, bad or None)
    for commit in filter(None, (checkout.good, checkout.bad)):
        _hash_of(checkout, commit)
    if _git(checkout, "rev-parse", "--git-dir").code != 0:
        raise Refusal(f"{checkout.path} is no git repository; {HOW}.")
    return checkout


def commits_between(checkout: Checkout, good: str, bad: str) -> Commits:
    """The commits after the good release, up to the bad one's; of what was merged, only the merge.

    The commits that the user has named stand in place of the releases' tags."""
    first = _hash_of(checkout, checkout.good) if checkout.good else _tagged(checkout, good)
    last = _hash_of(checkout, checkout.bad) if checkout.bad else _tagged(checkout, bad)
    base = _first_hash(_said(checkout, "merge-base", first, last))
    span = [f"{base}..{last}", "--first-parent", "--reverse"]
    lines = _log(checkout, *span)
    if not lines:
        raise Refusal(f"{checkout.path} has no commits between {good} and {bad}; {HOW}.")
    begins = _log(checkout, "-1", base) if base != first or checkout.good else []
    titles = {line[:SHORT]: _title(line.partition(" ")[2]) for line in [*begins, *lines]}
    return Commits(titles, fork=base[:SHORT] if base != first else None)


def _title(text: str) -> str:
    """The first line of a message, cut where it is long; the number of a pull request stands at its end, and stays."""
    if len(text) <= LONGEST_TITLE:
        return text
    number = NUMBER.search(text)
    end = f" …{number[0]}" if number else "…"
    return f"{text[: LONGEST_TITLE - len(end)].rstrip()}{end}"


def wheel_of(
    checkout: Checkout, commit: str, *, python: Path, installer: Installer, report: Say
) -> Path | StageFailure:
    """A wheel of one commit, whose version ends in the commit; built once, in a clone, so that the checkout is not
    touched."""
    interpreter = ask(python)
    about = hashlib.sha256(f"{interpreter.version} {interpreter.platform}".encode()).hexdigest()[:8]
    folder = cache_folder() / WHEELS / f"{checkout.package}-{_hash_of(checkout, commit)}-{about}"
    with refusing_a_failing_disk(folder.parent):
        folder.mkdir(parents=True, exist_ok=True)
        with held(folder / LOCK, waiting=f"Waiting for a wheel of {commit}, built by another", report=report):
            built = sorted(folder.glob("*.whl"))
            if built:
                return built[0]
            with step(
                f"Building {checkout.package} at {commit}", kind=f"wheel of {checkout.package}", report=report
            ) as timed:
                wheel = _built(checkout, commit, folder, python, installer)
                timed.failed = isinstance(wheel, StageFailure)
            return wheel


def _built(checkout: Checkout, commit: str, folder: Path, python: Path, installer: Installer) -> Path | StageFailure:
    with tempfile.TemporaryDirectory(prefix="fluxgate-commit-") as temporary:
        source, wheels, relabelled = (Path(temporary) / name for name in ("source", "wheels", "labelled"))
        _cloned(checkout, commit, source)
        wheels.mkdir()
        relabelled.mkdir()
        objection = installer.wheel(python, source, into=wheels)
        if isinstance(objection, Objection):
            sentence = f"{checkout.package} at {commit} cannot be built: {objection.sentence}"
            return StageFailure.of(Stage.INSTALL, Cause.NOT_BUILT, sentence, log=objection.output)
        made = [path for path in sorted(wheels.glob("*.whl")) if _is_of(checkout.package, path)]
        if not made:
            sentence = f"{checkout.path} at {commit} does not make a wheel of {checkout.package}."
            return StageFailure.of(Stage.INSTALL, Cause.NOT_AS_ASKED, sentence)
        path = labelled(made[0], f"g{commit}", into=relabelled)
        target = folder / path.name
        unfinished = folder / f".{path.name}.partial"
        unfinished.write_bytes(path.read_bytes())
        return unfinished.rename(target)


def _is_of(package: str, wheel: Path) -> bool:
    return canonicalize_name(wheel.name.partition("-")[0]) == package


def _cloned(checkout: Checkout, commit: str, into: Path) -> None:
    """The files of a commit in a repository of their own, which has the tags that some packages are versioned by."""
    place = str(checkout.path.absolute())
    for arguments in (
        ("clone", "--quiet", "--shared", "--no-checkout", "--", place, str(into)),
        ("-C", str(into), "checkout", "--quiet", "--detach", _hash_of(checkout, commit)),
    ):
        finished = _run(*arguments)
        if finished.code != 0:
            raise Refusal(f"{checkout.path} cannot be cloned at {commit}: {_last_line(finished)}.")


def _tagged(checkout: Checkout, version: str) -> str:
    """The commit that a release was made from, by its tag: v4.57.0, 4.57.0, release-4.57.0, …"""
    tags = _said(checkout, "tag", "--list").splitlines()
    right = [tag for tag in tags if _same(_stated(tag, checkout.package), version)]
    if not right:
        raise Refusal(
            f"{checkout.path} has no tag of {checkout.package} {version}; fetch its tags, or name two commits: "
            f"--checkout {checkout.package}={checkout.path}@GOOD..BAD."
        )
    return _hash_of(checkout, f"refs/tags/{min(right, key=len)}")


def _stated(tag: str, package: str) -> str:
    """What is left of a tag without the words before its version."""
    return re.sub(rf"^(?:{re.escape(package)}|release|version|rel|v|[-_/.])+(?=\d)", "", tag, flags=re.IGNORECASE)


def _same(one: str, other: str) -> bool:
    with suppress(InvalidVersion):
        return Version(Version(one).public) == Version(Version(other).public)
    return False


def _hash_of(checkout: Checkout, name: str) -> str:
    finished = _git(checkout, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
    if finished.code != 0:
        raise Refusal(f"{checkout.path} has no commit {name[:80]!r}; {HOW}.")
    return _first_hash(finished.output)


def _log(checkout: Checkout, *arguments: str) -> list[str]:
    """A line for each commit: its hash and the first line of its message. Warnings of git's are none."""
    lines = _said(checkout, "log", "--no-show-signature", "--format=%H %s", *arguments).splitlines()
    return [line for line in lines if HASH.match(line)]


def _first_hash(output: str) -> str:
    """The hash in what git printed, which may have warned of something before."""
    return next(match[0] for line in output.splitlines() if (match := HASH.match(line)))


def _said(checkout: Checkout, *arguments: str) -> str:
    finished = _git(checkout, *arguments)
    if finished.code != 0:
        raise Refusal(f"git {arguments[0]} fails in {checkout.path}: {_last_line(finished)}.")
    return finished.output.strip()


def _git(checkout: Checkout, *arguments: str) -> Finished:
    if not checkout.path.is_dir():
        raise Refusal(f"{checkout.path} is no folder; {HOW}.")
    return _run("-C", str(checkout.path.absolute()), *arguments)


def _run(*arguments: str) -> Finished:
    return run(("git", *arguments), variables={**dict.fromkeys(NOT_HANDED_ON), **VARIABLES})


def _last_line(finished: Finished) -> str:
    return next(_lines_from_below(finished.output), f"it {finished.ending}").rstrip(".")


def _lines_from_below(text: str) -> Iterator[str]:
    yield from (line.strip() for line in reversed(text.splitlines()) if line.strip())

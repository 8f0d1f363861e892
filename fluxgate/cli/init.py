"""`fluxgate init`: set up a repository of your own."""

from __future__ import annotations

import importlib.metadata
import json
import keyword
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fluxgate.cli.shared import say, say_wrapped
from fluxgate.configuration import FILE, NAME
from fluxgate.files import read_limited, write_whole
from fluxgate.refusal import Refusal
from fluxgate.toml import LARGEST, parse_toml

PACKAGE = "ours"
TEMPLATES = Path(__file__).with_name("templates")
PLACES = {  # template -> where it is written
    "strategies.py": "{package}/strategies.py",
    "test_pictures.py": "tests/test_pictures.py",
    "fluxgate.yml": ".github/workflows/fluxgate.yml",
}
UNKNOWN = (
    "Fluxgate is not on any package index, and this one was not installed from git: the workflow will fail until its "
    "variable FLUXGATE says where to get it: git+https://…@COMMIT, or the path of a wheel. Or use init --install."
)
NAMED = ("strategies.py",)  # what the table names: a table that is there already names others


@dataclass(frozen=True)
class Step:
    """A file, the text that it is to have or to get, and whether there is nothing to do."""

    path: Path
    text: str
    is_there: bool
    before: bytes = b""  # what stands in it already, where the text is added


def add_options(parser: ArgumentParser) -> None:
    about = "the repository (default: this folder)"
    parser.add_argument("folder", nargs="?", type=Path, default=Path(), metavar="FOLDER", help=about)
    about = "the package for your own strategies (default: %(default)s)"
    parser.add_argument("--package", default=PACKAGE, metavar="NAME", help=about)
    about = "where the workflow gets Fluxgate from, as pip takes it: git+https://…@COMMIT, or a wheel in the repository"
    about += " (default: the git commit that this Fluxgate was installed from, if it was)"
    parser.add_argument("--install", metavar="WHAT", help=about)
    parser.add_argument("--dry-run", action="store_true", help="show what would be written, and write nothing")


def act(arguments: Namespace) -> int:
    """Write a first configuration, strategy, test and workflow into a repository; existing files stay as they are."""
    if not arguments.folder.is_dir():
        raise Refusal(f"{arguments.folder} is not a folder.")
    if not arguments.package.isidentifier() or keyword.iskeyword(arguments.package):
        raise Refusal(f"--package is {arguments.package!r}; it must be the name of a Python package.")
    install = installed_from() if arguments.install is None else arguments.install
    if any(not letter.isprintable() for letter in install):
        raise Refusal(f"--install is {install!r}; it must be one line, as pip takes it.")
    steps = plan(arguments.folder, package=arguments.package, install=install)
    for step in steps:
        if not step.is_there and not arguments.dry_run:
            _write(step)
        _show(step, dry=arguments.dry_run)
    say_wrapped(_next(steps, dry=arguments.dry_run))
    if not install and any(step.path.suffix == ".yml" and not step.is_there for step in steps):
        say_wrapped(UNKNOWN)
    return 0


def plan(folder: Path, *, package: str = PACKAGE, install: str = "") -> tuple[Step, ...]:
    """What a repository needs, and what of it is there."""
    table = _table(folder, package)
    names = [name for name in PLACES if not (table.is_there and name in NAMED)]
    paths = {name: folder / PLACES[name].format(package=package) for name in names}
    texts = {name: _text(name, package).replace("{install}", json.dumps(install)) for name in names}
    return (table, *(Step(path, texts[name], path.exists()) for name, path in paths.items()))


def installed_from() -> str:
    """The git commit that this Fluxgate was installed from, as pip takes it; empty where it came from elsewhere."""
    try:
        written = importlib.metadata.distribution("fluxgate").read_text("direct_url.json")
        origin = json.loads(written or "{}")
        return f"git+{origin['url']}@{origin['vcs_info']['commit_id']}"
    except (importlib.metadata.PackageNotFoundError, ValueError, KeyError, TypeError):
        return ""


def _table(folder: Path, package: str) -> Step:
    path, text = folder / FILE, _text("table.toml", package)
    if not path.exists():
        return Step(path, text, is_there=False)
    tools = parse_toml(path).get("tool", {})
    before = read_limited(path, LARGEST)
    gap = "\n" if before.endswith(b"\n") else "\n\n" if before else ""
    return Step(path, gap + text, is_there=isinstance(tools, dict) and "fluxgate" in tools, before=before)


def _text(template: str, package: str) -> str:
    return (TEMPLATES / f"{template}.txt").read_text(encoding="utf-8").replace("{package}", package)


def _write(step: Step) -> None:
    try:
        write_whole(step.path, step.before + step.text.encode())
    except OSError as error:
        raise Refusal(f"{step.path} cannot be written: {error.strerror}.") from error


def _show(step: Step, *, dry: bool) -> None:
    """What was done to a file, with the text that is new in it."""
    if step.is_there:
        say(f"{step.path} is there already and stays as it is.\n")
        return
    done = "is added to" if step.before else "is written to"
    say(f"{'This would be' if dry else 'This'} {done.removeprefix('is ') if dry else done} {step.path}:\n")
    say("".join(f"    {line}".rstrip() + "\n" for line in step.text.strip("\n").splitlines()))


def _next(steps: Sequence[Step], *, dry: bool) -> str:
    if dry:
        return "Nothing was written."
    if all(step.is_there for step in steps):
        return f"Nothing was written: all of it is there. [{NAME}] is in {steps[0].path}."
    return (
        "Next: pytest --fluxgate --fluxgate-strategy=full,our-offload, then fluxgate accept RUN with the run it names."
    )

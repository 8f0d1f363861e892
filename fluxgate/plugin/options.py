"""The options and marks, and the request that a session's options are."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest

from fluxgate.configuration import default_folder
from fluxgate.files import refuse_unwritable
from fluxgate.options import SHARED, within
from fluxgate.refusal import Refusal
from fluxgate.session.choice import AUTO, Request
from fluxgate.strategies import STRATEGIES

# Long names, so that no option of somebody else's project has one of them; short_names.py has the others.
PREFIX = "--fluxgate-"


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("fluxgate", "Fluxgate")
    group.addoption("--fluxgate", action="store_true", help="add Fluxgate's conformance tests to this session")
    for name, settings in OPTIONS.items():
        group.addoption(f"{PREFIX}{name}", **settings)


def _shared(name: str, **settings: Any) -> dict[str, Any]:
    """An option that the command has as well."""
    return _own(name, metavar=SHARED[name].metavar, help=SHARED[name].help(), **settings)


def _own(name: str, **settings: Any) -> dict[str, Any]:
    return {"dest": f"fluxgate_{name.replace('-', '_')}", **settings}


_NAMES: dict[str, Any] = {"action": "append", "default": []}
OPTIONS: dict[str, dict[str, Any]] = {
    "subject": _shared("subject", **_NAMES),
    "strategy": _shared("strategy", **_NAMES),
    "tier": _shared("tier"),
    "takes": _shared("takes"),
    "shard": _shared("shard"),
    "vram-limit": _shared("vram-limit"),
    "at-once": _own(
        "at-once",
        metavar="N",
        help="how many cases share a GPU, or the CPU, with -n, or auto; their seconds are not judged (default: 1)",
    ),
    "case-timeout": _shared("case-timeout", default=SHARED["case-timeout"].default),
    "require-baseline": _own("require-baseline", action="store_true", help="fail if this machine has no baseline"),
    "no-baseline": _own("no-baseline", action="store_true", help="check only the promises within this run"),
    "baselines": _shared("baselines"),
    "runs": _shared("runs"),
    "html": _own("html", metavar="FILE", help="also write the report as a page (default: none)"),
}


# Those that name a folder or a file. Without its prefix, one may be another plugin's, like pytest-html's --html.
OF_PLACES = [f"{PREFIX}{name}" for name in ("runs", "baselines", "html")]


def pytest_load_initial_conftests(early_config: pytest.Config, args: list[str]) -> None:
    """Refuse `--fluxgate-runs FOLDER` where pytest has looked for the project's settings in the folder.

    It looks for them before it knows any option of a plugin, and takes the folder for the place of tests:
    https://docs.pytest.org/en/stable/reference/customize.html#finding-the-rootdir"""
    here = early_config.invocation_params.dir
    if early_config.inipath is not None or early_config.rootpath == here:
        return
    for option, place in itertools.pairwise(args):
        outside = here not in (here / place).resolve().parents
        if option in OF_PLACES and outside and (here / place).exists():
            raise pytest.UsageError(
                f"Write {option}={place}, with an equals sign: after a space, pytest takes {place} for the place of "
                f"the tests, and does not read the settings of {here}."
            )


def pytest_configure(config: pytest.Config) -> None:
    for line in (
        "gpu: is rendered on a GPU",
        "slow: takes long with a large subject",
        "limit_vram(amount): fails if the test allocates more than, say, '17 GB' on a GPU",
        "fluxgate_check(name): the check that a conformance test is about",
        *(f"{family}: a strategy of this family" for family in dict.fromkeys(one.family for one in STRATEGIES)),
    ):
        config.addinivalue_line("markers", line)


def request_of(config: pytest.Config) -> Request:
    """What the options ask for; folders are meant from where pytest was called."""
    asked, here = config.getoption, config.invocation_params.dir
    return Request(
        subjects=asked("fluxgate_subject"),
        strategies=asked("fluxgate_strategy"),
        tier=asked("fluxgate_tier"),
        takes=asked("fluxgate_takes"),
        shard=asked("fluxgate_shard"),
        vram_limit=asked("fluxgate_vram_limit"),
        at_once=_at_once(config),
        case_timeout=asked("fluxgate_case_timeout"),
        runs=here / (asked("fluxgate_runs") or default_folder("runs")),
        baselines=_baselines(config, here),
        require_baseline=asked("fluxgate_require_baseline"),
        no_baseline=asked("fluxgate_no_baseline"),
    )


def refuse_unwritable_page(config: pytest.Config) -> None:
    """Refuse where the page could not be written, before anything is rendered for it."""
    asked = config.getoption("fluxgate_html")
    if asked is None:
        return
    file = config.invocation_params.dir / asked
    if file.is_dir():
        raise Refusal(f"--html names a file, and {asked or 'an empty name'} is a folder.")
    refuse_unwritable(file.parent)


def _at_once(config: pytest.Config) -> str | None:
    """What was asked for; without processes to share a device, auto is one case at a time."""
    asked: str | None = config.getoption("fluxgate_at_once")
    deals = hasattr(config, "workerinput") or getattr(config.option, "numprocesses", None)
    return None if asked == AUTO and not deals else asked


def _baselines(config: pytest.Config, here: Path) -> Path:
    """The folder that was asked for, else the one that the configuration names, else the project's own."""
    asked = config.getoption("fluxgate_baselines")
    return within(here, Path(asked) if asked else default_folder("baselines", without_table=config.rootpath))

"""Tests of the plugin's options: where a folder may stand."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.outside import call
from tests.wording import unsaid

COLLECT = ("-m", "pytest", "-p", "fluxgate.plugin", "--collect-only", "-q")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Somebody's project, with settings of its own, and a folder beside it."""
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "pytest.ini").write_text("[pytest]\npython_files = ours_*.py\n")
    (folder / "ours_first.py").write_text("def test_first(): pass\n")
    (tmp_path / "out").mkdir()
    return folder


@pytest.mark.parametrize("option", ["--fluxgate-runs", "--fluxgate-baselines", "--fluxgate-html"])
def test_a_folder_outside_needs_an_equals_sign(project: Path, option: str) -> None:
    """After a space pytest would look for the project's settings there; the sentence says what to write."""
    place = str(project.parent / "out")
    ended = call(*COLLECT, option, place, within=project)
    assert (ended.code, ended.out) == (pytest.ExitCode.USAGE_ERROR, "")
    assert not unsaid(ended.err, f"{option}={place}")
    assert ended.err.count("\n") <= 2


@pytest.mark.parametrize(
    "arguments",
    [("--fluxgate-runs={out}",), ("--fluxgate-runs", "within"), ("--fluxgate-runs", "{out}", "ours_first.py")],
)
def test_a_folder_after_which_the_settings_are_found_is_taken(project: Path, arguments: tuple[str, ...]) -> None:
    """With an equals sign, within the project, or where the tests are named first or last."""
    (project / "within").mkdir()
    ended = call(*COLLECT, *(each.format(out=project.parent / "out") for each in arguments), within=project)
    assert (ended.code, "ours_first.py::test_first" in ended.out) == (0, True), ended.out + ended.err


def test_another_plugins_option_is_left_alone(project: Path) -> None:
    """Fluxgate is installed in repositories that have a --html or --runs of their own."""
    (project / "theirs.py").write_text("def pytest_addoption(parser): parser.addoption('--html')\n")
    page = project.parent / "out" / "report.html"
    page.touch()
    ended = call(*COLLECT, "-p", "theirs", "--html", str(page), within=project)
    assert ended.code != pytest.ExitCode.USAGE_ERROR, ended.err

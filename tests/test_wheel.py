"""Tests of the wheel: built, installed in a fresh environment, used from folders that are not Fluxgate's own."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from fluxgate.judge.verdict import EFFECT, FAILED, PASSED, PROMISE, TWICE, Verdict
from fluxgate.render.pool import device_queue
from fluxgate.runs.run import VERDICTS, latest
from tests.outside import LONGEST, ROOT, Ended

LARGEST = 100_000_000  # bytes: PyPI's limit for a file

OWN_CONFTEST = """
import pytest

def pytest_addoption(parser):
    parser.addoption("--strategy", default="their own")
    parser.addoption("--runs", default="3")

@pytest.fixture(params=["one", "two"])
def case(request):
    return request.param

@pytest.fixture
def verdict(pytestconfig):
    return pytestconfig.getoption("--strategy")
"""
OWN_TEST = """
import pytest
from suite.arithmetic import add

def test_theirs(case, verdict):
    assert (case in ("one", "two"), verdict, add(1, 2)) == (True, "their own", 3)

@pytest.mark.limit_vram("1 GB")
def test_limited():
    pass
"""


OWN_STRATEGY = """
from fluxgate.strategies.effects import Hooked, Placed
from fluxgate.strategies.promise import Promise, strategy

@strategy(Promise(reproduces="full", less_memory_than="full", effects=(Hooked("CpuOffload"), Placed("cpu"))))
def our_offload(site):
    '''Whole components wait on the CPU, and the VAE decodes pictures one by one.'''
    pipe = site.pipeline()
    pipe.vae.enable_slicing()
    pipe.enable_model_cpu_offload(device=site.device)
    return pipe

@strategy(Promise(reproduces="full", effects=(Hooked("CpuOffload"),)))
def our_mistake(site):
    '''Offloads nothing.'''
    return site.pipeline().to(site.device)
"""
OWN_TABLE = """
[tool.fluxgate]
subjects = "subjects.toml"
subject = "tiny"
strategies = "ours.strategies"
"""


def run(*command: object, within: Path, **environment: str) -> Ended:
    """A process that knows nothing of this checkout."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PYTEST_", "FLUXGATE_", "COV")) and name != "PYTHONPATH"
    } | {device_queue.VARIABLE: os.environ[device_queue.VARIABLE]}  # waiting for other users would be no test
    done = subprocess.run(
        [str(part) for part in command],
        cwd=within,
        env={**inherited, **environment},
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=LONGEST,
    )
    return Ended(done.returncode, done.stdout, done.stderr)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout."""
    folder = tmp_path_factory.mktemp("dist")
    ended = run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", folder, ROOT, within=folder)
    if ended.code and "No matching distribution found for hatchling" in ended.err:
        pytest.skip("the build backend cannot be fetched: pip reaches no index")
    assert ended.code == 0, ended.err
    (made,) = folder.glob("*.whl")
    return made


@pytest.fixture(scope="module")
def scripts(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of commands of an environment that has the wheel.

    What the wheel needs is lent by this environment, through a .pth file: torch is not installed once more for it."""
    folder = tmp_path_factory.mktemp("environment")
    assert run(sys.executable, "-m", "venv", folder, within=folder).code == 0
    (site,) = folder.glob("lib/python*/site-packages")
    (site / "lent.pth").write_text(sysconfig.get_path("purelib") + "\n")
    ended = run(folder / "bin/python", "-m", "pip", "install", "--quiet", "--no-deps", wheel, within=folder)
    assert ended.code == 0, ended.err
    return folder / "bin"


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    """A folder that holds nothing."""
    folder = tmp_path / "empty"
    folder.mkdir()
    return folder


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Somebody's repository, with a package, options and fixtures that are called like Fluxgate's."""
    folder = tmp_path / "project"
    (folder / "suite").mkdir(parents=True)
    (folder / "tests").mkdir()
    (folder / "pyproject.toml").write_text('[tool.pytest.ini_options]\npythonpath = ["."]\ntestpaths = ["tests"]\n')
    (folder / "suite" / "__init__.py").write_text("")
    (folder / "suite" / "arithmetic.py").write_text("def add(one, other):\n    return one + other\n")
    (folder / "conftest.py").write_text(OWN_CONFTEST)
    (folder / "tests" / "test_theirs.py").write_text(OWN_TEST)
    return folder


def test_the_wheel_has_the_miniature_and_the_conformance_tests(wheel: Path) -> None:
    """With its weights, the known failures and what is compared on any machine; PyPI would take it."""
    assert wheel.stat().st_size < LARGEST
    names = set(zipfile.ZipFile(wheel).namelist())
    assert "fluxgate/suite/test_pictures.py" in names
    assert {"fluxgate/py.typed", "fluxgate/report/shipped.json", "fluxgate/cli/templates/fluxgate.yml.txt"} <= names
    assert "fluxgate/shipped/known_failures.toml" in names
    assert "fluxgate/miniature/pipeline/transformer/diffusion_pytorch_model.safetensors" in names
    assert not {name for name in names if name.startswith(("suite/", "tests/", "baselines/"))}


@pytest.mark.long
def test_the_command_renders_judges_and_reports(scripts: Path, empty: Path, environment: dict[str, str]) -> None:
    """From an empty folder, in which the run is the only thing that it leaves."""
    shown = run(scripts / "fluxgate", "list", within=empty, **environment)
    assert (shown.code, "miniature" in shown.out) == (0, True), shown.err
    asked = ("--subject=tiny", "--strategy=full,model-offload")
    rendered = run(scripts / "fluxgate", "render", *asked, within=empty, **environment)
    assert rendered.code == 0, rendered.out + rendered.err
    made = latest(empty / "runs")
    assert set(made.renderings()) == {"tiny-full", "tiny-model-offload"}
    # The catalogue that knows the subject is gone: the run stands by itself.
    for verb in ("judge", "report"):
        ended = run(scripts / "fluxgate", verb, made.folder, within=empty)
        assert ended.code == 0, ended.out + ended.err
        assert "model-offload" in ended.out
    assert [path.name for path in empty.iterdir()] == ["runs"]


def test_python_m_is_the_command(scripts: Path, empty: Path) -> None:
    """`python -m fluxgate` says what `fluxgate` says."""
    command = run(scripts / "fluxgate", "list", within=empty)
    assert run(scripts / "python", "-m", "fluxgate", "list", within=empty) == command


@pytest.mark.long
def test_the_conformance_tests_run_by_their_packages_name(
    scripts: Path, empty: Path, environment: dict[str, str]
) -> None:
    """`pytest --pyargs fluxgate.suite`, with the plugin's options."""
    asked = ("--fluxgate-subject=tiny", "--fluxgate-strategy=full", "-p", "no:cacheprovider")
    ended = run(scripts / "python", "-m", "pytest", "--pyargs", "fluxgate.suite", *asked, within=empty, **environment)
    assert ended.code == 0, ended.out + ended.err
    assert set(latest(empty / "runs").renderings()) == {"tiny-full"}


def test_a_session_that_does_not_ask_is_left_alone(scripts: Path, project: Path) -> None:
    """Their options, fixtures and packages are theirs, and nothing is rendered or said."""
    ended = run(scripts / "python", "-m", "pytest", "-p", "no:cacheprovider", within=project)
    assert ended.code == 0, ended.out + ended.err
    assert "2 passed, 1 skipped" in ended.out
    assert "luxgate" not in ended.out.replace("fluxgate.plugin", "").partition("plugins:")[2].partition("\n")[2]
    assert not (project / "runs").exists()


@pytest.mark.long
def test_a_session_that_asks_gets_both(scripts: Path, project: Path, environment: dict[str, str]) -> None:
    """`pytest --fluxgate` adds the conformance tests to their own; baselines are sought in their repository."""
    asked = ("--fluxgate", "--fluxgate-subject=tiny", "--fluxgate-strategy=full", "--fluxgate-require-baseline")
    ended = run(scripts / "python", "-m", "pytest", *asked, "-p", "no:cacheprovider", within=project, **environment)
    assert ended.code == 1, ended.out + ended.err
    assert "test_theirs.py" in ended.out
    assert "1 failed" in ended.out  # a baseline is required, and their repository has none
    assert set(latest(project / "runs").renderings()) == {"tiny-full"}


@pytest.mark.long
def test_a_repositorys_own_strategies_are_rendered_and_judged(
    scripts: Path, project: Path, environment: dict[str, str]
) -> None:
    """By pytest and by the command, from a folder below, on its own pipeline; one that does nothing fails."""
    (project / "ours").mkdir()
    (project / "ours" / "strategies.py").write_text(OWN_STRATEGY)
    shutil.copy(environment["FLUXGATE_SUBJECTS"], project / "subjects.toml")
    with (project / "pyproject.toml").open("a") as file:
        file.write(OWN_TABLE)
    quiet = {name: value for name, value in environment.items() if name != "FLUXGATE_SUBJECTS"}
    asked = ("--fluxgate", "--fluxgate-strategy=our-offload,our-mistake", "-p", "no:cacheprovider")
    ended = run(scripts / "python", "-m", "pytest", *asked, within=project, **quiet)
    assert ended.code == 1, ended.out + ended.err
    verdicts = latest(project / "runs").read_json(VERDICTS, tuple[Verdict, ...])
    failed = {(one.strategy, one.check) for one in verdicts if one.status == FAILED}
    assert failed == {("our-mistake", EFFECT)}
    passed = {one.check for one in verdicts if one.strategy == "our-offload" and one.status == PASSED}
    assert {TWICE, PROMISE, EFFECT} <= passed
    shown = run(scripts / "fluxgate", "list", within=project / "ours", **quiet)
    assert "our-offload" in shown.out, shown.err


# A block of a page, with the comment above it that says what is to become of it.
BLOCK = re.compile(r"(?:^<!-- ([a-z ]+): ([^\n]+) -->\n)?^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.mark.long
def test_the_tutorial_works(scripts: Path, empty: Path) -> None:
    """Every command of it, in an empty folder, with the exit code that it tells; files are written as they stand."""
    folder, blocks = empty, BLOCK.findall((ROOT / "docs" / "tutorial.md").read_text())
    assert len(blocks) > 10
    path = f"{scripts}{os.pathsep}{os.environ['PATH']}"
    for what, value, language, text in blocks:
        if what == "file":
            (folder / value).write_text(text)
        elif language == "sh" and what != "not run":
            script = (
                f"set -e\nalias pytest='python -m pytest'\nshopt -s expand_aliases\n{text}\npwd > {empty / 'left'}\n"
            )
            ended = run("bash", "-c", script, within=folder, PATH=path, HF_HUB_OFFLINE="1", OMP_NUM_THREADS="1")
            assert ended.code == (int(value) if what == "exit code" else 0), text + ended.out + ended.err
            folder = Path((empty / "left").read_text().strip())
    assert latest(folder / "runs").read_json(VERDICTS, tuple[Verdict, ...])
    assert "first differs at the decoded picture" in " ".join(ended.out.split())


@pytest.mark.long
def test_the_plugin_needs_no_xdist(scripts: Path, project: Path, environment: dict[str, str]) -> None:
    """Without it, no hook of it is asked for."""
    asked = ("--fluxgate", "--fluxgate-subject=tiny", "--fluxgate-strategy=full", "-p", "no:xdist")
    ended = run(scripts / "python", "-m", "pytest", *asked, "-p", "no:cacheprovider", within=project, **environment)
    assert ended.code == 0, ended.out + ended.err

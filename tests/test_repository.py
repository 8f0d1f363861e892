"""Tests of what no single module can hold: the README tells the truth, and the rules of the house are kept."""

from __future__ import annotations

import ast
import configparser
import os
import re
import subprocess
import sys
import tomllib
import warnings
from collections.abc import Iterator
from functools import cache
from itertools import takewhile
from pathlib import Path

import pytest
from _pytest.config import parse_warning_filter
from packaging.requirements import Requirement
from packaging.version import Version

from fluxgate.baselines.baseline import parse_facts
from fluxgate.plugin.options import OPTIONS
from fluxgate.strategies import STRATEGIES
from fluxgate.strategies.promise import Strategy
from fluxgate.strategies.requirements import Release, Requirements
from fluxgate.support import OLDEST, PYTHON_BEFORE
from tests.strategies.inventories import SOUND

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
RUNNING = (ROOT / "docs" / "running.md").read_text()
HEAVY = {"torch", "diffusers", "transformers", "accelerate", "bitsandbytes"}
PICKLING = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
LOADS_PICKLES = re.compile(r"torch\.(?:load|save)\(|allow_pickle=True|weights_only=False")
# Files of tests that have no namesake in fluxgate/, and why.
WITHOUT_NAMESAKE = {
    "report/html/test_in_browser.py": "the whole page, in a browser",
    "report/html/test_gate_in_browser.py": "the whole page of a gate, in a browser",
    "report/html/test_kinds_in_browser.py": "a page of each kind, in a browser",
    "gate/test_injected_faults.py": "the whole gate, on faults of our own",
    "gate/test_torch_as_candidate.py": "the whole gate, with another torch",
    "test_repository.py": "the rules of the repository as a whole",
    "test_docs.py": "the pages",
    "test_wording.py": "what asserts facts in sentences",
    "test_wheel.py": "what is built from it",
    "test_workflows.py": "what runs at GitHub",
    "test_fuzz.py": "all that is read from files, damaged",
    "pipelines/test_matrix.py": "strategies on pipelines of other kinds than FLUX",
    "pipelines/test_beyond_matrix.py": "strategies on pipelines that nothing knows by name",
    "subjects/test_flux_dev.py": "the whole way to one gated repository",
    "render/test_on_gpu.py": "what of all the room needs a GPU, to be run there at once",
    "strategies/test_on_cpu.py": "every strategy that a CPU runs, whatever its module",
    "strategies/test_on_gpu.py": "every strategy that a GPU runs, whatever its module",
}
WRITTEN = {".py", ".md", ".toml", ".txt", ".ini", ".yml", ".json", ""}


def files() -> list[Path]:
    """The files that belong to the repository."""
    try:
        command = ["git", "ls-files", "-z"]
        names = subprocess.run(command, cwd=ROOT, capture_output=True, check=True, text=True).stdout.split("\0")
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("this is no git checkout")
    return [ROOT / name for name in names if name and (ROOT / name).is_file()]


def modules() -> list[Path]:
    return sorted((ROOT / "fluxgate").rglob("*.py"))


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def imports(path: Path, *, nested: bool) -> Iterator[str]:
    """The packages of which a file imports something, at its top level or anywhere."""
    tree = tree_of(path)
    for node in ast.walk(tree) if nested else tree.body:
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module.partition(".")[0]


def requirements(name: str) -> dict[str, Requirement]:
    lines = (line.partition("#")[0].strip() for line in (ROOT / "requirements" / name).read_text().splitlines())
    found = (Requirement(line) for line in lines if line and not line.startswith("-"))
    return {one.name.lower().replace("_", "-"): one for one in found}


def python(code: str, **environment: str) -> str:
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=ROOT, env=os.environ | environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_no_file_names_a_place_on_somebodys_machine() -> None:
    """Paths of one machine mean nothing on another."""
    place = re.compile(r"(?<![\w.~:/-])/(?:" + "|".join(["work", "root", "home", "Users"]) + r")/\w")
    texts = [path for path in files() if path.suffix in WRITTEN and path.stat().st_size < 1_000_000]
    assert [str(path) for path in texts if place.search(path.read_text(errors="replace"))] == []


def test_the_repository_is_small() -> None:
    """A clone is at most 150 MB, and no single file is larger than 100 MB."""
    sizes = [path.stat().st_size for path in files()]
    assert sum(sizes) < 150e6
    assert max(sizes) < 100e6


def test_every_option_is_told_with_its_default() -> None:
    """The table in docs/running.md has the options that the plugin has, with the defaults that their help tells."""
    defaults = {name: re.search(r"default: ([^)]*)", settings["help"]) for name, settings in OPTIONS.items()}
    expected = {f"--{name}": default[1] if default else "off" for name, default in defaults.items()}
    table = re.findall(r"^\| `(--[a-z-]+)[^`]*` \| `?([^|`]*)`? \|", RUNNING, re.MULTILINE)
    assert dict(table) == expected


def test_the_strategy_that_is_shown_is_one() -> None:
    """The example of docs/strategies.md can be written into a file as it is, and shows its effects where it works."""
    page = (ROOT / "docs" / "strategies.md").read_text()
    (example,) = re.findall(r"```python\n(from typing.*?)```", page, re.DOTALL)
    found: dict[str, object] = {"__name__": "fluxgate.strategies.mine"}
    exec(example, found)
    mine = found["my_offload"]
    assert isinstance(mine, Strategy)
    assert (mine.name, mine.family, mine.promise.reference) == ("my-offload", "mine", "full")
    for name, sound in (("model-offload", True), ("full", False)):
        complaints = (effect.missing(SOUND[name], device="cuda") for effect in mine.promise.effects)
        assert any(complaints) is not sound


def test_every_mark_is_told() -> None:
    """Each family of strategies can be chosen by a mark that docs/running.md names."""
    families = {strategy.family for strategy in STRATEGIES}
    assert [family for family in families if f"`{family}`" not in RUNNING] == []


@pytest.mark.parametrize("package", [name for name in OLDEST if name != "python"])
def test_the_supported_range_is_told_alike_everywhere(package: str) -> None:
    """Code, requirements and README name the same oldest release."""
    assert str(requirements("ranges.txt")[package].specifier) == f">={OLDEST[package]}"
    assert f"| {package} | {OLDEST[package]} and newer" in README


@pytest.mark.parametrize(
    "name, package", [("torchao", "torchao"), ("quanto", "optimum-quanto"), ("gguf", "gguf"), ("peft", "peft")]
)
def test_the_extras_are_told_alike_everywhere(name: str, package: str) -> None:
    """Strategy, requirements, extras and README name the same oldest release, and the newest set holds a newer one."""
    needs = [strategy.unsupported for strategy in STRATEGIES if strategy.family in ("optional", "adapters")]
    assert all(isinstance(need, Requirements) for need in needs)
    releases = [one for need in needs for one in getattr(need, "needs", ()) if isinstance(one, Release)]
    (oldest,) = {release.at_least for release in releases if release.package == package}
    assert str(requirements(f"{name}.txt")[package].specifier) == f">={oldest}"
    assert f'{name} = ["requirements/{name}.txt"]' in (ROOT / "pyproject.toml").read_text()
    assert f"-r requirements/{name}.txt" in (ROOT / "tox.ini").read_text()
    assert f"-r requirements/{name}.txt" in README
    assert f"| {package} | {oldest.removesuffix('.0')} and newer" in README
    (pin,) = requirements("known-good.txt")[package].specifier
    assert Version(pin.version) >= Version(oldest)


def test_the_supported_pythons_are_told_alike_everywhere() -> None:
    """Code, metadata and README name the same Pythons."""
    assert f'requires-python = ">={OLDEST["python"]},<{PYTHON_BEFORE}"' in (ROOT / "pyproject.toml").read_text()
    newest = f"3.{int(PYTHON_BEFORE.removeprefix('3.')) - 1}"
    assert f"| Python | {OLDEST['python']} to {newest} |" in README


@pytest.mark.parametrize("name", ["known-good.txt", "oldest.txt"])
def test_the_pinned_sets_lie_within_the_ranges(name: str) -> None:
    """Whatever is needed is pinned to one version, and that version is supported."""
    pins = {package: next(iter(pin.specifier)) for package, pin in requirements(name).items()}
    assert {pin.operator for pin in pins.values()} == {"=="}
    needed = requirements("ranges.txt") | requirements("tests.txt")
    assert [package for package in needed if package not in pins] == []
    assert [str(one) for package, one in needed.items() if not one.specifier.contains(pins[package].version)] == []


def test_known_good_and_the_baselines_tell_of_one_stack() -> None:
    """What baselines were rendered with is the known-good set, or the set's file says what it was."""
    text = (ROOT / "requirements/known-good.txt").read_text()
    told = {name: sorted(rest.split(", ")) for name, rest in re.findall(r"^# ([\w./-]+): (.*)$", text, re.MULTILINE)}
    pins = {name: next(iter(pin.specifier)).version for name, pin in requirements("known-good.txt").items()}
    others: dict[str, set[str]] = {}
    for path in (ROOT / "baselines").glob("*/*/facts/*.json"):
        case = parse_facts(path.read_bytes(), name=path.name)
        for library, version in case.accepted.stack.items():
            if pins[library.replace("_", "-")] != version:
                others.setdefault(f"{case.machine}/{case.subject}", set()).add(f"{library} {version}")
    assert told == {folder: sorted(libraries) for folder, libraries in others.items()}


def test_continuous_integration_runs_what_the_readme_tells() -> None:
    """The command for the tests is the one that every change must pass."""
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    assert "tox run -e tests" in README
    assert 'tox" run -e tests' in script.read_text()


def test_what_the_readmes_command_leaves_out_runs_for_each_change() -> None:
    """The environment that measures coverage runs every test, and continuous integration runs it."""
    tox = configparser.ConfigParser(interpolation=None)
    tox.read(ROOT / "tox.ini")
    tests, long, everything = (tox[f"testenv:{name}"]["commands"] for name in ("tests", "long", "coverage"))
    assert ('-m "not long"' in tests, "-m long" in long) == (True, True)
    assert " -m " not in everything.partition("-m pytest")[2]
    assert "tox run -e coverage" in (ROOT / ".github/workflows/tests.yml").read_text()


def test_the_architectures_table_names_what_there_is() -> None:
    """Every module and folder that the page names exists, and every one at the top of fluxgate/ has its place in it."""
    page = (ROOT / "docs" / "architecture.md").read_text()
    named = set(re.findall(r"`((?:fluxgate|suite)/[^`*]*)`", page))
    assert {name for name in named if not (ROOT / name).exists()} == set()
    there = {f"fluxgate/{path.name}{'/' * path.is_dir()}" for path in (ROOT / "fluxgate").iterdir()}
    there = {name for name in there if not re.search(r"__init__|__pycache__|py.typed", name)}
    assert there - named == set()


def test_older_releases_of_pytest_benchmark_may_say_that_xdist_switches_them_off() -> None:
    """Before 5.3 they warn while pytest is set up, where an error ends the session without a word of ours."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["pytest"]
    with warnings.catch_warnings():
        for line in settings["filterwarnings"]:
            warnings.filterwarnings(*parse_warning_filter(line, escape=False))
        warnings.warn("Benchmarks are automatically disabled because xdist plugin is active.", stacklevel=1)
        with pytest.raises(UserWarning, match="else"):
            warnings.warn("Something else.", stacklevel=1)


def test_imports_keep_their_contracts() -> None:
    """import-linter finds no import that points the wrong way."""
    code = "from importlinter.cli import lint_imports; import sys; sys.exit(lint_imports(no_cache=True))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout


def test_the_architectures_picture_is_of_today() -> None:
    """Of the packages, it is what docs/picture.py draws; the flow of the data, before it, is drawn by hand."""
    drawn = subprocess.run([sys.executable, "docs/picture.py"], cwd=ROOT, capture_output=True, text=True, check=True)
    data, heading, packages = (ROOT / "docs" / "architecture.md").read_text().partition("\n## The packages\n")
    assert heading
    assert f"```mermaid\n{drawn.stdout}```" in packages
    assert "```mermaid\nflowchart LR\n" in data


def test_the_trade_off_is_of_the_shipped_measurements() -> None:
    """The README's picture is what docs/trade_off.py draws, and its caption counts the marks."""
    done = subprocess.run([sys.executable, "-m", "docs.trade_off", "--check"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    marks = (ROOT / "docs" / "trade-off.svg").read_text().count("<title>")
    assert f"{marks} strategies: filled circles" in README


def test_heavy_libraries_are_imported_late() -> None:
    """No module imports torch or its friends when it is imported."""
    found = {path: HEAVY.intersection(imports(path, nested=False)) for path in modules()}
    assert {path: names for path, names in found.items() if names} == {}


def test_only_the_plugin_imports_pytest() -> None:
    """Not even late: whoever only uses the command does not have it."""
    others = [path for path in modules() if "plugin" not in path.relative_to(ROOT).parts]
    assert [path for path in others if {"pytest", "_pytest"}.intersection(imports(path, nested=True))] == []


def test_nothing_is_pickled() -> None:
    """What is read with pickle can run code, so nothing is: neither by itself nor by a library that would."""
    found = {path: PICKLING.intersection(imports(path, nested=True)) for path in modules()}
    assert {path: names for path, names in found.items() if names} == {}
    assert [path for path in modules() if LOADS_PICKLES.search(path.read_text())] == []


def test_what_mypy_must_ignore_has_a_reason() -> None:
    """Each such comment names what it ignores, and a second comment says why that is no mistake."""
    ignored = "type" + ": ignore"
    lines = (line for path in files() if path.suffix == ".py" for line in path.read_text().splitlines())
    assert [line for line in lines if ignored in line and not re.search(ignored + r"\[[a-z-]+\]  # \w", line)] == []


def test_judging_needs_no_torch() -> None:
    """The command line, the judge and the report can be imported where torch and diffusers are not installed."""
    code = "import sys; sys.modules.update(dict.fromkeys(('torch', 'diffusers', 'transformers')))"
    python(code + "; import fluxgate.cli.main")


def test_tests_mirror_the_package() -> None:
    """A file of tests has its namesake in fluxgate/, or lies in a folder that has."""
    places = (path.relative_to(ROOT / "tests") for path in (ROOT / "tests").rglob("test_*.py"))
    assert sorted({str(place) for place in places if not _has_namesake(place)} - WITHOUT_NAMESAKE.keys()) == []


def _has_namesake(place: Path) -> bool:
    """Whether there is a module, or for test_X.py in a folder X the package of that name."""
    own = place.parent / place.stem.removeprefix("test_")
    named = (Path("fluxgate") / own, Path("fluxgate") / place.parent, own)
    of_package = own.name == place.parent.name and (ROOT / "fluxgate" / place.parent).is_dir()
    return of_package or any((ROOT / name).with_suffix(".py").is_file() for name in named)


def test_what_has_no_namesake_is_there() -> None:
    """No exception outlives its file."""
    assert [name for name in WITHOUT_NAMESAKE if not (ROOT / "tests" / name).is_file()] == []


def functions() -> Iterator[tuple[Path, ast.FunctionDef | ast.AsyncFunctionDef]]:
    """Every function of the package and of the conformance tests, with its file."""
    for path in [*modules(), *sorted((ROOT / "suite").rglob("*.py"))]:
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield path, node


def length(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Its lines, from `def` to the last."""
    return (node.end_lineno or node.lineno) - node.lineno + 1


def test_functions_are_short() -> None:
    """Nine functions in ten have at most 15 lines, and half of them fewer than 10."""
    lengths = sorted(length(node) for _, node in functions())
    assert lengths[len(lengths) * 9 // 10] <= 15
    assert lengths[len(lengths) // 2] < 10


def test_a_long_function_has_a_reason() -> None:
    """What has more than 35 lines has a comment above it that says why."""
    unexplained = [f"{path.relative_to(ROOT)}: {node.name}" for path, node in functions() if _unexplained(path, node)]
    assert unexplained == []


def _unexplained(path: Path, node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Whether a function is long and no comment above it begins with `# Long because`."""
    first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
    above = takewhile(lambda line: line.startswith("#"), map(str.strip, path.read_text().splitlines()[first - 2 :: -1]))
    return length(node) > 35 and not any(line.startswith("# Long because") for line in above)

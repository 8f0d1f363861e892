"""Tests of strategies from elsewhere: of the repository one works in, and of installed packages."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fluxgate.baselines import store as stores
from fluxgate.cases import Case
from fluxgate.refusal import Refusal
from fluxgate.render.process.jobs import function_named, name_of
from fluxgate.session.tiers import Tier, cases_of
from fluxgate.strategies import STRATEGIES, available
from fluxgate.strategies.available import own_packages, strategies
from fluxgate.subjects.catalogue import subjects

HEAD = "from fluxgate.strategies.promise import Promise, strategy\n"
OWN = """
@strategy(Promise(reproduces="full"))
def our_way(site):
    '''Ours.'''
    return site.pipeline()
"""
NUMBERS = itertools.count()


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The name of a package in somebody's repository, which no other test has imported."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    name = f"ours_{next(NUMBERS)}"
    (tmp_path / name).mkdir()
    (tmp_path / name / "__init__.py").write_text("")
    yield name
    for loaded in [each for each in sys.modules if each.partition(".")[0] == name]:
        del sys.modules[loaded]


def write(module: str, text: str, *, configured: str | None = None) -> None:
    Path(module, "ways.py").write_text(text)
    Path("pyproject.toml").write_text(f'[tool.fluxgate]\nstrategies = "{configured or f"{module}.ways"}"\n')


def refusal() -> str:
    with pytest.raises(Refusal) as refused:
        strategies()
    return str(refused.value)


def test_without_a_configuration_there_are_those_that_ship(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In their order."""
    monkeypatch.chdir(tmp_path)
    assert strategies() == STRATEGIES


def test_a_module_of_the_repository_adds_its_own(module: str) -> None:
    """After those that ship, with its module's name as family, and under a name by which a worker finds it."""
    write(module, HEAD + OWN)
    *shipped, ours = strategies()
    assert tuple(shipped) == STRATEGIES
    assert (ours.name, ours.family, ours.about) == ("our-way", "ways", "Ours.")
    assert function_named(name_of(ours.load)) is ours.load


def test_an_imported_strategy_is_not_the_modules_own(module: str) -> None:
    """It may be taken for a starting point."""
    write(module, HEAD + "from fluxgate.strategies.offloading import full, model_offload\n" + OWN)
    assert [one.name for one in strategies()[len(STRATEGIES) :]] == ["our-way"]


def test_a_list_says_which_count(module: str) -> None:
    """Where the module has one."""
    write(module, HEAD + OWN + OWN.replace("our_way", "left_out") + "STRATEGIES = [our_way]\n")
    assert [one.name for one in strategies()[len(STRATEGIES) :]] == ["our-way"]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("import nothing_like_it\n", "cannot be imported: ModuleNotFoundError: No module named 'nothing_like_it'."),
        ("raise ValueError('one\\ntwo')\n", "cannot be imported: ValueError: one."),
        ("x = 1\n", "has no strategy: write a function with the decorator @strategy(Promise(…))."),
        (HEAD + "STRATEGIES = [3]\n", "STRATEGIES must be a list of functions with the decorator @strategy."),
        (HEAD + OWN.replace("our_way", "full"), "there is a strategy full in fluxgate.strategies.offloading"),
        (
            HEAD + OWN.replace('"full"', '"ful"'),
            "promises something about 'ful', which is no strategy; did you mean 'full'?",
        ),
    ],
)
def test_a_faulty_module_is_refused_in_one_sentence(module: str, text: str, sentence: str) -> None:
    """With its name and what to do."""
    write(module, text)
    told = refusal()
    assert sentence in told
    assert module in told
    assert "\n" not in told


def test_a_module_that_is_not_there_is_refused_with_the_key(module: str) -> None:
    """And the file that names it."""
    write(module, HEAD + OWN, configured=f"{module}.lost")
    told = refusal()
    assert told.startswith(f"{Path('pyproject.toml').absolute()}, tool.fluxgate: strategies names {module}.lost")


def test_workers_of_other_environments_get_the_package_and_nothing_else(module: str) -> None:
    """Of the repository, its top folder; of a single file, the file; of what is installed, nothing."""
    write(module, HEAD + OWN)
    strategies()
    assert own_packages() == (Path(module).absolute(),)
    Path(f"{module}_file.py").write_text(HEAD + OWN.replace("our_way", "another_way"))
    Path("pyproject.toml").write_text(
        f'[tool.fluxgate]\nstrategies = ["{module}_file", "fluxgate.strategies.casting"]\n'
    )
    strategies()
    assert own_packages() == (Path(f"{module}_file.py").absolute(),)


def test_ones_own_are_in_every_tier(module: str) -> None:
    """Nobody has seen yet what they miss."""
    write(module, HEAD + OWN)
    subject = subjects()["miniature"]
    cases = [Case(subject, strategy, "cpu") for strategy in strategies()]
    assert "our-way" in [case.strategy.name for case in cases_of(Tier.SHORT, cases)]


# Installed packages


@pytest.fixture
def installed(module: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder that a package is installed in."""
    site = tmp_path / "site"
    site.mkdir()
    Path(module).rename(site / module)
    monkeypatch.syspath_prepend(site)
    available._entries.cache_clear()
    stores.offered.cache_clear()
    yield site
    available._entries.cache_clear()
    stores.offered.cache_clear()


def install(site: Path, group: str, value: str) -> None:
    """What a wheel leaves behind: the package, and its entry points."""
    folder = site / "ours-1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: ours\nVersion: 1.0\n")
    (folder / "entry_points.txt").write_text(f"[{group}]\nours = {value}\n")


def test_an_installed_package_offers_its_strategies(installed: Path, module: str) -> None:
    """By an entry point that names a module, without a configuration; naming it there as well changes nothing."""
    (installed / module / "ways.py").write_text(HEAD + OWN)
    install(installed, available.GROUP, f"{module}.ways")
    assert [one.name for one in strategies()[len(STRATEGIES) :]] == ["our-way"]
    Path("pyproject.toml").write_text(f'[tool.fluxgate]\nstrategies = "{module}.ways"\n')
    assert [one.name for one in strategies()[len(STRATEGIES) :]] == ["our-way"]


def test_an_entry_point_may_name_one_strategy(installed: Path, module: str) -> None:
    """Of several in a module."""
    (installed / module / "ways.py").write_text(HEAD + OWN + OWN.replace("our_way", "left_out"))
    install(installed, available.GROUP, f"{module}.ways:our_way")
    assert [one.name for one in strategies()[len(STRATEGIES) :]] == ["our-way"]


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ("{}.lost", "The strategies of {}.lost, an entry point of ours, cannot be loaded: ModuleNotFoundError"),
        ("{}.ways:X", "{}.ways:X, an entry point of ours, is neither a strategy nor a module with strategies."),
    ],
)
def test_a_faulty_entry_point_is_refused_with_its_package(
    installed: Path, module: str, value: str, sentence: str
) -> None:
    """So that one knows what to uninstall."""
    (installed / module / "ways.py").write_text(HEAD + OWN + "X = 3\n")
    install(installed, available.GROUP, value.format(module))
    assert sentence.format(module) in refusal()


def test_an_installed_package_offers_limits(installed: Path, module: str) -> None:
    """Its folder is read after one's own and what ships, and its code is not run."""
    (installed / module / "__init__.py").write_text("raise ValueError\n")
    install(installed, stores.GROUP, module)
    store = stores.Store.at(Path("baselines"))
    assert store.roots[-1] == installed / module
    assert store.roots[0] == Path("baselines")


def test_an_entry_point_of_limits_names_a_package(installed: Path, module: str) -> None:
    """A module has no folder."""
    (installed / module / "ways.py").write_text("")
    install(installed, stores.GROUP, f"{module}.ways")
    with pytest.raises(Refusal, match="which is no package"):
        stores.Store.at(Path("baselines"))

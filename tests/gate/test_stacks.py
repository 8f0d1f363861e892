"""Tests of what a gate is asked for, and of stacks that files of pins describe."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from fluxgate.gate.environments.building import Built, build
from fluxgate.gate.environments.pin_files import read_pin_file
from fluxgate.gate.environments.pins import Pins
from fluxgate.gate.environments.pip import Pip
from fluxgate.gate.stacks import asked_of, make_stacks, whole_stack
from fluxgate.refusal import Refusal
from fluxgate.subjects import sources
from tests.gate.environments.wheels import fill


@pytest.fixture(scope="module")
def pip(tmp_path_factory: pytest.TempPathFactory) -> Pip:
    return Pip(wheelhouse=fill(tmp_path_factory.mktemp("wheels") / "wheelhouse"))


@pytest.fixture
def python(pip: Pip, gate_cache: Path, monkeypatch: pytest.MonkeyPatch) -> Built:
    """A Python with three small packages."""
    monkeypatch.setenv(sources.CACHE, str(gate_cache))
    built = build(Pins.of({"alpha": "1.0", "beta": "1.0", "core": "1.0"}), installer=pip)
    assert isinstance(built, Built)
    return built


def files(folder: Path, old: str, new: str) -> tuple[str, str]:
    for name, text in (("old.txt", old), ("new.txt", new)):
        (folder / name).write_text(text)
    return str(folder / "old.txt"), str(folder / "new.txt")


@pytest.mark.parametrize("texts", [["old.txt"], ["old.txt", "diffusers==0.43"], ["old.txt", "new.txt", "more.txt"]])
def test_files_come_in_pairs(texts: list[str]) -> None:
    """Neither one alone, nor beside changes."""
    with pytest.raises(Refusal, match="two files of pins"):
        asked_of(tuple(texts))


def test_a_change_of_the_incumbent_does_not_go_with_files() -> None:
    """The first file is the incumbent."""
    with pytest.raises(Refusal, match=r"--incumbent .* old\.txt is the incumbent"):
        asked_of(("old.txt", "new.txt"), first=("diffusers==0.42",))


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("alpha==1.0", "alpha==1.0.0", "pin the same"),
        ("alpha==1.0\nbeta @ https://a", "alpha==2.0\nbeta @ https://b", "beta moves from https://a"),
        ("alpha==1.0\nbeta==1.0", "alpha==2.0\nbeta @ https://b", "beta moves from 1.0"),
        ("alpha==1.0", "alpha==2.0\nbeta @ https://b", "beta moves from nothing"),
    ],
)
def test_files_that_cannot_be_held_to_each_other_are_refused(
    python: Built, pip: Pip, tmp_path: Path, old: str, new: str, words: str
) -> None:
    """Before anything is made of them."""
    asked = asked_of(files(tmp_path, old, new), python=python.python)
    with pytest.raises(Refusal, match=words):
        make_stacks(asked, installer=pip, report=lambda line: pytest.fail(line))


def test_what_no_release_is_named_for_stays_as_the_python_has_it(python: Built, tmp_path: Path) -> None:
    """And nothing else: a package that the file does not name is no part of the stack."""
    path = tmp_path / "old.txt"
    path.write_text("alpha==2.0\nbeta @ https://example.org/beta.whl\n")
    assert whole_stack(read_pin_file(path), python).versions == {"alpha": "2.0", "beta": "1.0"}
    path.write_text("alpha==2.0\nother @ https://example.org/other.whl\n")
    with pytest.raises(Refusal, match=r"other.* https://example\.org/other\.whl.*not installed"):
        whole_stack(read_pin_file(path), python)


@pytest.mark.parametrize("names_it", [("-e .\n", ""), ("", "-e .\n"), ("-e .\n", "-e .\n")])
def test_a_checkout_is_in_both_stacks(python: Built, pip: Pip, tmp_path: Path, names_it: tuple[str, str]) -> None:
    """Whichever file names it, as the Python has it; where that has none, it is said."""
    (folder := tmp_path / "project").mkdir()
    asked = asked_of(files(folder, f"{names_it[0]}alpha==1.0", f"{names_it[1]}alpha==1.1"), python=python.python)
    assert asked.keeps_checkouts
    lines: list[str] = []
    with pytest.raises(Refusal, match="cannot be used"):
        make_stacks(asked, installer=pip, report=lines.append)
    assert any("-e" in line for line in lines)
    installed = tmp_path / "with-checkout" / "lib" / "python3" / "site-packages"
    info = installed / "beta-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "direct_url.json").write_text('{"url": "file:///beta", "dir_info": {"editable": true}}')
    here = replace(python, folder=tmp_path / "with-checkout")
    for file in (asked.incumbent, asked.candidate):
        assert file is not None
        assert "beta" in whole_stack(file, here, keep_checkouts=asked.keeps_checkouts).versions


def test_a_file_that_pins_a_part_is_told_as_that(python: Built, pip: Pip, tmp_path: Path) -> None:
    """It is the reason why nothing can be imported, and no fault of a release."""
    asked = asked_of(files(tmp_path, "alpha==1.0", "alpha==2.0"), python=python.python)
    with pytest.raises(Refusal, match=r"old\.txt.* core\b.*whole stack"):
        make_stacks(asked, installer=pip)


@pytest.mark.parametrize(
    ("first", "words"), [("beta==9.0", "cannot be made: beta==9.0"), ("beta==1.1", "cannot be used")]
)
def test_an_incumbent_that_cannot_be_had_is_refused(python: Built, pip: Pip, first: str, words: str) -> None:
    """Once it cannot be resolved, and once it is made and lacks what is to be gated; no candidate is tried."""
    asked = asked_of(("alpha==2.0",), python=python.python, first=(first,))
    with pytest.raises(Refusal, match=f"The incumbent {words}"):
        make_stacks(asked, installer=pip)

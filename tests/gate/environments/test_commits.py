"""Tests of the commits of a checkout: which lie between two releases, and a wheel of each."""

from __future__ import annotations

from pathlib import Path

import pytest

from fluxgate.gate.environments.building import Built, build
from fluxgate.gate.environments.commits import Checkout, commits_between, parse_checkout, wheel_of
from fluxgate.gate.environments.labels import version_of
from fluxgate.gate.environments.pins import Pins
from fluxgate.gate.environments.pip import Pip
from fluxgate.gate.environments.stages import Cause, StageFailure
from fluxgate.locks import silent
from fluxgate.refusal import Refusal
from tests.gate.environments.repositories import UNBUILDABLE, Repository


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "alpha", "alpha")


def checkout_of(repository: Repository, ends: str = "") -> Checkout:
    return parse_checkout(f"alpha={repository.folder}{ends}")


@pytest.mark.parametrize("tag", ["v{}", "{}", "alpha-{}", "release/v{}"])
def test_the_commits_after_one_release_up_to_the_other(repository: Repository, tag: str) -> None:
    """In their order, with their titles; releases are known by their tags, however these are written."""
    repository.commit("First", tags=[tag.format("1.0"), "v1.0rc1", "nightly"])
    second = repository.commit("Second")
    third = repository.commit("Third", tags=[tag.format("1.1")])
    repository.commit("Later")
    commits = commits_between(checkout_of(repository), "1.0.0", "1.1+cpu")
    assert (commits.titles, commits.fork) == ({second: "Second", third: "Third"}, None)


@pytest.mark.parametrize("number", ["", " (#11671)"])
def test_a_long_title_is_cut_and_keeps_its_number(repository: Repository, number: str) -> None:
    """By which its pull request is found."""
    repository.commit("First", tags=["v1.0"])
    repository.commit(f"{'long ' * 30}end{number}", tags=["v1.1"])
    (title,) = commits_between(checkout_of(repository), "1.0", "1.1").titles.values()
    assert len(title) <= 100
    assert title.startswith("long long")
    assert title.endswith(f"…{number}")


def test_what_was_merged_is_one_commit(repository: Repository) -> None:
    """A half-done step of a branch need not even build."""
    first = repository.commit("First", tags=["v1.0"])
    repository.git("switch", "--quiet", "--create=branch")
    repository.commit("Half")
    repository.git("switch", "--quiet", "main")
    repository.git("merge", "--quiet", "--no-ff", "--message=Merge", "branch")
    repository.git("tag", "v1.1")
    assert list(commits_between(checkout_of(repository), "1.0", "1.1").titles.values()) == ["Merge"]
    named = commits_between(checkout_of(repository, f"@{first}..main"), "1.0", "9")
    assert list(named.titles.values()) == ["First", "Merge"]


def test_a_release_of_another_branch_begins_where_that_branch_does(repository: Repository) -> None:
    """A patch release was made beside what the next release was made from."""
    fork = repository.commit("Fork")
    repository.git("switch", "--quiet", "--create=release")
    repository.commit("Patch", tags=["v1.0.1"])
    repository.git("switch", "--quiet", "main")
    last = repository.commit("Last", tags=["v1.1"])
    commits = commits_between(checkout_of(repository), "1.0.1", "1.1")
    assert (commits.titles, commits.fork) == ({fork: "Fork", last: "Last"}, fork)


def test_a_wheel_has_its_commit_in_its_version(repository: Repository, pip: Pip, empty_cache: Path) -> None:
    """Though all commits state the same one; it is built once, and the checkout stays as it is."""
    first = repository.commit("First", "one = 1\n")
    repository.commit("Second", "one = 2\n")
    (repository.folder / "alpha.py").write_text("one = 3\n")  # what is not committed is not looked at
    environment = build(Pins.of({"gamma": "1.0"}), installer=pip)
    assert isinstance(environment, Built)
    lines: list[str] = []
    wheels = [
        wheel_of(checkout_of(repository), first, python=environment.python, installer=pip, report=lines.append)
        for _ in range(2)
    ]
    assert isinstance(wheels[0], Path)
    assert (wheels[0], version_of(wheels[0])) == (wheels[1], f"1.1.dev0+g{first}")
    assert len(lines) == 2  # before and after the one build
    assert repository.git("status", "--short") == " M alpha.py\n"
    assert repository.git("worktree", "list").count("\n") == 1
    base = build(
        Pins.of({"gamma": "1.0", "alpha": version_of(wheels[0])}),
        installer=pip.within(wheels[0].parent),
        base=environment,
    )
    assert isinstance(base, Built)
    assert (base.site_packages / "alpha.py").read_text() == "one = 1\n"


def test_a_commit_that_cannot_be_built_says_why(repository: Repository, pip: Pip, empty_cache: Path) -> None:
    """And so does one that makes a wheel of something else."""
    broken = repository.commit("Broken", backend=UNBUILDABLE)
    environment = build(Pins.of({"gamma": "1.0"}), installer=pip)
    assert isinstance(environment, Built)
    failure = wheel_of(checkout_of(repository), broken, python=environment.python, installer=pip, report=silent)
    assert isinstance(failure, StageFailure)
    assert (failure.cause, "no compiler" in failure.sentence) == (Cause.NOT_BUILT, True)


@pytest.mark.parametrize(
    "text", ["alpha", "=x", "../alpha={}", "alpha=", "alpha={}@..main", "alpha={}@main..", "alpha={}@-x..main"]
)
def test_what_names_no_checkout_is_refused(repository: Repository, text: str) -> None:
    """With what to write."""
    repository.commit("First")
    with pytest.raises(Refusal, match="--checkout transformers=PATH"):
        parse_checkout(text.format(repository.folder))


def test_what_is_not_there_is_refused(repository: Repository, tmp_path: Path) -> None:
    """A folder, a repository, a commit, a tag."""
    repository.commit("First", tags=["v1.0"])
    (tmp_path / "plain").mkdir()
    for text in (f"alpha={tmp_path / 'gone'}", f"alpha={repository.folder}@main..gone"):
        with pytest.raises(Refusal, match="gone"):
            parse_checkout(text)
    with pytest.raises(Refusal, match=r"no tag of alpha 2\.0"):
        commits_between(checkout_of(repository), "1.0", "2.0")

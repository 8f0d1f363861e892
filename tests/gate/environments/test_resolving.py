"""Tests of what would move: real pip, and uv where it is installed, on a wheelhouse of tiny packages."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from fluxgate.gate.environments.building import Built, build
from fluxgate.gate.environments.installers import Installer, Objection, Planned
from fluxgate.gate.environments.pins import Moves, parse_changes
from fluxgate.gate.environments.pip import Pip
from fluxgate.gate.environments.resolving import resolve, yanked_among
from fluxgate.gate.environments.stages import Cause, Stage, StageFailure
from fluxgate.refusal import Refusal
from fluxgate.report.gate_result import Move
from tests.gate.environments.conftest import INCUMBENT
from tests.gate.environments.wheels import index, source_distribution, wheel


def moves_of(incumbent: Built, *changes: str, installer: Installer) -> Moves:
    moves = resolve(incumbent, parse_changes(changes), installer=installer)
    assert not isinstance(moves, StageFailure), moves
    return moves


def failure_of(incumbent: Built, *changes: str, installer: Installer) -> StageFailure:
    failure = resolve(incumbent, parse_changes(changes), installer=installer)
    assert isinstance(failure, StageFailure), failure
    assert failure.stage == Stage.RESOLVE
    assert "\n" not in failure.sentence
    return failure


def test_what_a_change_forces_moves_along(incumbent: Built, installer: Installer) -> None:
    """alpha 2.0 needs a newer core, and beta as installed does not bear it: both move, and gamma does not."""
    assert moves_of(incumbent, "alpha==2.0", installer=installer) == (
        Move("alpha", "1.0", "2.0"),
        Move("beta", "1.0", "1.1"),
        Move("core", "1.0", "2.0"),
    )


@pytest.mark.parametrize("change", ["alpha", "alpha>=1"])
def test_a_change_that_is_no_pin_asks_for_the_newest_release(
    incumbent: Built, installer: Installer, change: str
) -> None:
    """It is the newest that can be had, though the installed one would do: alpha 3.0 cannot be, for want of a core."""
    assert Move("alpha", "1.0", "2.0") in moves_of(incumbent, change, installer=installer)


def test_nothing_moves_where_the_newest_is_installed(incumbent: Built, installer: Installer) -> None:
    """There are no moves, and no failure."""
    assert moves_of(incumbent, "gamma", installer=installer) == ()


def test_contradicting_changes_are_a_conflict(incumbent: Built, installer: Installer) -> None:
    """The sentence names both that ask for another core."""
    failure = failure_of(incumbent, "alpha==2.0", "beta==1.0", installer=installer)
    assert failure.cause == Cause.CONFLICT
    assert "core>=2" in failure.sentence
    assert "core<2" in failure.sentence


def test_a_change_that_needs_what_nobody_has_is_a_conflict(incumbent: Built, installer: Installer) -> None:
    """The sentence names what is needed."""
    failure = failure_of(incumbent, "alpha==3.0", installer=installer)
    assert failure.cause == Cause.CONFLICT
    assert "core>=3" in failure.sentence


def test_a_release_that_does_not_exist_is_named(incumbent: Built, installer: Installer) -> None:
    """Its package is installed, so what was asked for is an upgrade."""
    failure = failure_of(incumbent, "alpha==9.0", installer=installer)
    assert failure.cause == Cause.NO_SUCH_VERSION
    assert "alpha==9.0" in failure.sentence


@pytest.mark.parametrize("change", ["nobodys-package", "nobodys-package==1.0", "Nobodys_Package>=1,<2"])
def test_a_package_that_does_not_exist_is_refused(incumbent: Built, installer: Installer, change: str) -> None:
    """Nothing is known of an upgrade to it, so it is neither safe nor not."""
    with pytest.raises(Refusal, match=r"(?i)^nobodys.package.* was not found.* Check its name"):
        resolve(incumbent, parse_changes([change]), installer=installer)


def test_what_a_wheelhouse_lacks_is_not_said_to_exist_nowhere(
    incumbent: Built, installer: Installer, wheelhouse: Path
) -> None:
    """An index may have it; the folder is named."""
    with pytest.raises(Refusal) as refused:
        resolve(incumbent, parse_changes(["nobodys-package"]), installer=installer)
    for sentence in (failure_of(incumbent, "alpha==9.0", installer=installer).sentence, str(refused.value)):
        assert f" in {wheelhouse}" in sentence
        assert "does not exist" not in sentence


def test_what_is_at_odds_with_the_incumbent_already_stays(wheelhouse: Path, pip: Pip) -> None:
    """Its repair is no consequence of the changes; a line names it."""
    wheel(wheelhouse, "odd", "1.0", requires=["core>=2"])
    built = build(INCUMBENT.moved([Move("odd", None, "1.0")]), installer=pip)
    assert isinstance(built, Built)
    lines: list[str] = []
    moves = resolve(built, parse_changes(["beta==1.1"]), installer=pip, report=lines.append)
    assert moves == (Move("beta", "1.0", "1.1"),)
    assert any(line.startswith("odd depends on core>=2") for line in lines)


def test_an_incumbent_that_cannot_be_resolved_itself_is_refused(wheelhouse: Path, pip: Pip) -> None:
    """What another package needs lacks what nobody has: no change is to blame for that."""
    wheel(wheelhouse, "lacking", "1.0", requires=["nowhere>=1"])
    wheel(wheelhouse, "needy", "1.0", requires=["lacking"])
    moved = INCUMBENT.moved([Move("lacking", None, "1.0"), Move("needy", None, "1.0")])
    built = build(moved, installer=pip)
    assert isinstance(built, Built)
    with pytest.raises(Refusal, match=r"lacking.* nowhere>=1.*incumbent"):
        resolve(built, parse_changes(["beta==1.1"]), installer=pip)


def test_a_wheel_that_states_another_version_is_not_taken(wheelhouse: Path, incumbent: Built, pip: Pip) -> None:
    """Its file name is not believed."""
    wheel(wheelhouse, "liar", "2.0", stated="1.0")
    failure = failure_of(incumbent, "liar==2.0", installer=pip)
    assert failure.cause == Cause.NOT_AS_ASKED
    assert "liar-2.0-py3-none-any.whl" in failure.sentence


def test_a_source_distribution_that_cannot_be_built_is_named(
    wheelhouse: Path, incumbent: Built, installer: Installer
) -> None:
    """Its build says why, in its last line."""
    build = "def build_wheel(*arguments):\n    raise RuntimeError('there is no compiler')\n"
    source_distribution(wheelhouse, "sourced", "1.0", build=build)
    failure = failure_of(incumbent, "sourced==1.0", installer=installer)
    assert failure.cause == Cause.NOT_BUILT
    assert "sourced" in failure.sentence
    assert "there is no compiler" in failure.sentence


@pytest.fixture
def pip_with_index(wheelhouse: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pip:
    """pip with an index in which beta 1.1 is yanked, and no settings of the user's."""
    address = index(tmp_path / "index", wheelhouse, yanked=["beta-1.1-py3-none-any.whl"])
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_INDEX_URL", address)
    return Pip()


def test_a_yanked_release_moves_only_if_it_is_asked_for(incumbent: Built, pip_with_index: Pip) -> None:
    """Then the move says that it is yanked."""
    assert moves_of(incumbent, "beta", installer=pip_with_index) == ()
    assert moves_of(incumbent, "beta==1.1", installer=pip_with_index) == (Move("beta", "1.0", "1.1", yanked=True),)


def test_moves_that_a_file_asks_for_are_looked_up_in_the_index(incumbent: Built, pip_with_index: Pip) -> None:
    """Nobody has resolved them: without an index that knows them they are what they were."""
    moves = (Move("alpha", "1.0", "2.0"), Move("beta", "1.0", "1.1"), Move("gamma", "1.0", None))
    known = yanked_among(moves, incumbent, installer=pip_with_index)
    assert [move.yanked for move in known] == [False, True, False]
    unknown = (Move("nobodys-package", None, "1.0"),)
    assert yanked_among(unknown, incumbent, installer=pip_with_index) == unknown


def test_a_misspelt_package_is_named_as_it_was_meant(incumbent: Built, pip: Pip) -> None:
    """Where one that is installed is spelt almost like it; a release that does not exist is no misspelling."""
    with pytest.raises(Refusal, match=r"did you mean gamma\?$"):
        resolve(incumbent, parse_changes(["gama==1.0"]), installer=pip)
    assert "did you mean" not in failure_of(incumbent, "gamma==9.0", installer=pip).sentence


def test_releases_are_listed_oldest_first_and_yanked_ones_marked(pip_with_index: Pip) -> None:
    """What a bisection goes through, and passes over."""
    python = Path(sys.executable)
    assert pip_with_index.releases(python, "alpha") == tuple(map(Planned, ("1.0", "2.0", "3.0")))
    assert pip_with_index.releases(python, "beta") == (Planned("1.0"), Planned("1.1", yanked=True))
    missing = pip_with_index.releases(python, "nobodys-package")
    assert isinstance(missing, Objection)
    assert missing.cause == Cause.NO_SUCH_VERSION


def test_each_installer_lists_the_releases_of_a_wheelhouse(installer: Installer) -> None:
    """Those that cannot be installed for want of something else, too."""
    assert installer.releases(Path(sys.executable), "alpha") == tuple(map(Planned, ("1.0", "2.0", "3.0")))


def test_without_a_network_it_is_refused(incumbent: Built, monkeypatch: pytest.MonkeyPatch) -> None:
    """An index that cannot be reached says nothing about a package."""
    monkeypatch.setenv("PIP_INDEX_URL", "http://user:secret@127.0.0.1:9/simple")
    with pytest.raises(Refusal, match=r"127\.0\.0\.1\S* cannot be reached") as refusal:
        resolve(incumbent, parse_changes(["nobodys-package"]), installer=Pip())
    assert "secret" not in str(refusal.value)

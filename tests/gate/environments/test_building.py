"""Tests of environments that are really built, cloned, changed, broken off and used again."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from fluxgate.gate.environments import building
from fluxgate.gate.environments.building import UNFINISHED, Built, build, clone_of
from fluxgate.gate.environments.installers import Installer
from fluxgate.gate.environments.interpreters import ask
from fluxgate.gate.environments.pins import Pins
from fluxgate.gate.environments.pip import Pip
from fluxgate.gate.environments.stages import Cause, Stage, StageFailure
from fluxgate.refusal import Refusal
from fluxgate.report.gate_result import Move
from tests.gate.environments.conftest import INCUMBENT
from tests.gate.environments.unzip import Unzip
from tests.gate.environments.wheels import source_distribution, wheel
from tests.wording import unsaid

ROOT = Path(__file__).parents[3]
CHANGED = INCUMBENT.moved([Move("alpha", "1.0", "2.0"), Move("beta", "1.0", "1.1"), Move("core", "1.0", "2.0")])
SMALL = Pins.of({"gamma": "1.0"})


def built(pins: Pins, *, installer: Installer, base: Built | None = None, lines: list[str] | None = None) -> Built:
    report = (lines if lines is not None else []).append
    environment = build(pins, installer=installer, base=base, report=report)
    assert isinstance(environment, Built), environment
    return environment


def imported(environment: Built, module: str) -> str:
    """The version that a module states once it is imported."""
    code = f"import {module}; print({module}.__version__)"
    return subprocess.run(
        [environment.python, "-I", "-c", code], capture_output=True, text=True, check=True
    ).stdout.strip()


def bytes_of(folder: Path) -> dict[str, str]:
    """Each file below a folder, links as what they lead to, with a hash of what is in it."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def unfinished(environments: Path) -> list[Path]:
    return list(environments.glob(f"*{UNFINISHED}"))


def in_a_process(code: str) -> subprocess.Popen[str]:
    """Code that builds, in a process of its own."""
    names = "\n".join(
        f"from {module} import *"
        for module in (
            "fluxgate.gate.environments.building",
            "fluxgate.gate.environments.pip",
            "tests.gate.environments.unzip",
        )
    )
    return subprocess.Popen(
        [sys.executable, "-c", f"{names}\n{textwrap.dedent(code)}"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_until(reached: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not reached():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def runs(pid: int) -> bool:
    """Whether there is such a process, and it has not ended."""
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False


def test_an_environment_has_exactly_its_pins(incumbent: Built) -> None:
    """Its own interpreter says so, and nothing of this process's packages is in reach."""
    assert ask(incumbent.python).pins == incumbent.pins == INCUMBENT
    assert imported(incumbent, "alpha") == "1.0"


def test_programs_of_packages_are_left_out(wheelhouse: Path, pip: Pip, empty_cache: Path) -> None:
    """They would start with the Python of the folder in which they were installed, which is gone."""
    script = {"scripted-1.0.data/scripts/run-it": "#!python\n", "scripted-1.0.data/scripts/run-that": "#!python\n"}
    wheel(wheelhouse, "scripted", "1.0", files=script)
    environment = built(Pins.of({"scripted": "1.0"}), installer=pip)
    names = {path.name for path in environment.python.parent.iterdir()}
    assert {"python", "python3"} <= names
    assert all(name.startswith("python") for name in names)


def test_it_is_built_once(incumbent: Built, pip: Pip) -> None:
    """The second time it is there already, and says how long it took when it was built."""
    again = built(INCUMBENT, installer=pip)
    assert (again.folder, again.reused, incumbent.reused) == (incumbent.folder, True, False)
    assert again.seconds == incumbent.seconds


def test_each_step_reports_an_estimate_and_its_seconds(unzip: Unzip, empty_cache: Path) -> None:
    """A line before and a line after, which name the environment."""
    lines: list[str] = []
    environment = built(SMALL, installer=unzip, lines=lines)
    assert [line.partition(")")[2].split()[0] for line in lines] == [":", "took"]
    assert all(environment.name in line for line in lines)


def test_a_clone_exchanges_what_differs(incumbent: Built, installer: Installer) -> None:
    """What moved is the new release, and what did not is the same file as in the base."""
    clone = built(CHANGED, installer=installer, base=incumbent)
    assert ask(clone.python).pins == CHANGED
    assert [imported(clone, module) for module in ("alpha", "beta", "core", "gamma")] == ["2.0", "1.1", "2.0", "1.0"]
    assert (clone.site_packages / "gamma.py").samefile(incumbent.site_packages / "gamma.py")


def test_changing_a_clone_leaves_its_base_as_it_was(incumbent: Built, installer: Installer, empty_cache: Path) -> None:
    """Not one byte of the base changes, bytecode included, though its files are linked into the clone."""
    for module in ("alpha", "beta", "core", "gamma"):
        imported(incumbent, module)
    before = bytes_of(incumbent.folder)
    assert any(name.endswith(".pyc") for name in before)
    clone = built(CHANGED, installer=installer, base=incumbent)
    for module in ("alpha", "beta", "core", "gamma"):
        imported(clone, module)
    assert bytes_of(incumbent.folder) == before


def test_bytecode_of_the_old_release_is_not_run(incumbent: Built, installer: Installer, empty_cache: Path) -> None:
    """The new source may have the size of the old one, and the same time."""
    assert imported(incumbent, "core") == "1.0"
    assert list(incumbent.site_packages.glob("__pycache__/core.*.pyc"))
    clone = built(CHANGED, installer=installer, base=incumbent)
    assert imported(clone, "core") == "2.0"


def test_a_package_that_is_no_longer_pinned_is_gone(incumbent: Built, installer: Installer) -> None:
    """It cannot be imported either."""
    clone = built(INCUMBENT.moved([Move("gamma", "1.0", None)]), installer=installer, base=incumbent)
    assert "gamma" not in ask(clone.python).pins.versions
    assert not (clone.site_packages / "gamma.py").exists()


def test_a_clone_has_no_file_in_common_that_an_uninstaller_rewrites(
    wheelhouse: Path, tmp_path: Path, pip: Pip, empty_cache: Path
) -> None:
    """pip rewrites easy-install.pth in place when it takes away a development install."""
    base = built(SMALL, installer=pip)
    project = tmp_path / "project"
    (project / "developed.egg-info").mkdir(parents=True)
    (project / "developed.egg-info" / "PKG-INFO").write_text("Metadata-Version: 2.1\nName: developed\nVersion: 1.0\n")
    (base.site_packages / "easy-install.pth").write_text(f"{project}\n")
    (base.site_packages / "developed.egg-link").write_text(f"{project}\n.")
    user = clone_of(base.python)
    assert isinstance(user, Built)
    assert user.pins.versions["developed"] == "1.0"
    clone = built(user.pins.moved([Move("developed", "1.0", None)]), installer=pip, base=user)
    assert "developed" not in ask(clone.python).pins.versions
    assert (user.site_packages / "easy-install.pth").read_text() == f"{project}\n"


def test_files_are_copied_where_they_cannot_be_linked(
    incumbent: Built, unzip: Unzip, empty_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Across file systems the clone is as good, and a line says that it was copied."""

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))

    monkeypatch.setattr(os, "link", refuse)
    lines: list[str] = []
    clone = built(CHANGED, installer=unzip, base=incumbent, lines=lines)
    assert not (clone.site_packages / "gamma.py").samefile(incumbent.site_packages / "gamma.py")
    assert any("copied" in line for line in lines)


def test_a_clone_of_a_python_is_not_what_its_pins_alone_would_make(incumbent: Built, pip: Pip) -> None:
    """A user's Python may hold builds and edits of the user's own, and so may all that descends from it."""
    user = clone_of(incumbent.python)
    assert isinstance(user, Built)
    assert user.pins == incumbent.pins
    assert user.origin is not None
    assert user.folder != incumbent.folder
    assert built(CHANGED, installer=pip, base=user).folder != built(CHANGED, installer=pip, base=incumbent).folder


def test_an_edit_in_a_users_python_makes_another_clone(unzip: Unzip, empty_cache: Path) -> None:
    """The first clone is not taken for the second."""
    base = built(SMALL, installer=unzip)
    first = clone_of(base.python)
    (base.site_packages / "gamma.py").unlink()
    (base.site_packages / "gamma.py").write_text("__version__ = 'mine'\n")
    second = clone_of(base.python)
    assert isinstance(first, Built)
    assert isinstance(second, Built)
    assert (imported(first, "gamma"), imported(second, "gamma")) == ("1.0", "mine")


def test_an_edit_in_a_checkout_makes_another_clone(unzip: Unzip, empty_cache: Path, tmp_path: Path) -> None:
    """What is installed as editable is imported from there: renderings of before the edit are not those of after."""
    base = built(SMALL, installer=unzip)
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    (checkout / "developed.py").write_text("one = 1\n")
    (base.site_packages / "__editable__.developed-1.0.pth").write_text(f"{checkout}\n")
    information = base.site_packages / "developed-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: developed\nVersion: 1.0\n")
    address = f'{{"dir_info": {{"editable": true}}, "url": "{checkout.as_uri()}"}}'
    (information / "direct_url.json").write_text(address)
    first, again = clone_of(base.python), clone_of(base.python)
    (checkout / "developed.py").write_text("one = 11\n")
    second = clone_of(base.python)
    assert isinstance(first, Built)
    assert isinstance(again, Built)
    assert isinstance(second, Built)
    assert first.folder == again.folder
    assert first.folder != second.folder


def test_a_changed_environment_is_built_again(unzip: Unzip, empty_cache: Path) -> None:
    """Whoever edits a file of it, through a link in a clone as well, changes what it is; a line names the file."""
    environment = built(SMALL, installer=unzip)
    (environment.site_packages / "gamma.py").write_text("__version__ = 'edited'\n")
    lines: list[str] = []
    again = built(SMALL, installer=unzip, lines=lines)
    assert not again.reused
    assert imported(again, "gamma") == "1.0"
    assert not unsaid(lines[0], "gamma.py", "changed")


def test_nothing_is_cloned_from_an_environment_that_has_changed(unzip: Unzip, empty_cache: Path) -> None:
    """A gate may take hours, and everything that it builds descends from its incumbent."""
    base = built(INCUMBENT, installer=unzip)
    (base.site_packages / "gamma.py").write_text("__version__ = 'edited'\n")
    with pytest.raises(Refusal, match=r"gamma\.py has changed"):
        build(CHANGED, installer=unzip, base=base)


@pytest.mark.parametrize("spoil", ["record", "half a record", "python", "packages"])
def test_an_incomplete_environment_is_built_again(unzip: Unzip, empty_cache: Path, spoil: str) -> None:
    """Without its record, with half of it, with a Python that does not start, or without packages."""
    environment = built(SMALL, installer=unzip)
    record = environment.folder / building.RECORD
    if spoil == "record":
        record.unlink()
    elif spoil == "half a record":
        record.write_bytes(record.read_bytes()[:-20])
    elif spoil == "python":
        environment.python.unlink()
    else:
        shutil.rmtree(environment.site_packages)
    again = built(SMALL, installer=unzip)
    assert not again.reused
    assert imported(again, "gamma") == "1.0"


class InstallsNothing(Unzip):
    """An installer that says it has installed something, and has not."""

    def install(self, python: Path, pins: Sequence[str]) -> None:
        return None


def test_an_installer_that_leaves_the_old_release_is_found_out(
    wheelhouse: Path, incumbent: Built, empty_cache: Path
) -> None:
    """The failure names the package, what was asked for, and what is there; nothing of it is ever used."""
    pins = INCUMBENT.moved([Move("alpha", "1.0", "2.0")])
    failure = build(pins, installer=InstallsNothing(wheelhouse), base=incumbent)
    assert isinstance(failure, StageFailure)
    assert (failure.stage, failure.cause) == (Stage.INSTALL, Cause.NOT_AS_ASKED)
    assert not unsaid(failure.sentence, "alpha 2.0", "1.0 is installed")
    assert not [path for path in empty_cache.iterdir() if path.is_dir()]


def test_a_package_that_is_there_twice_is_found_out(wheelhouse: Path, pip: Pip, empty_cache: Path) -> None:
    """Which of the two is imported would be chance."""
    wheel(
        wheelhouse,
        "twofold",
        "1.0",
        files={"twofold-1.0.data/purelib/gamma-0.9.dist-info/METADATA": "Name: gamma\nVersion: 0.9\n"},
    )
    failure = build(Pins.of({"gamma": "1.0", "twofold": "1.0"}), installer=pip)
    assert isinstance(failure, StageFailure)
    assert "gamma is installed more than once" in failure.sentence


def test_a_wheel_that_states_another_version_is_not_installed(
    wheelhouse: Path, installer: Installer, empty_cache: Path
) -> None:
    """Neither is the release that it states."""
    wheel(wheelhouse, "pretender", "2.0", stated="1.0")
    failure = build(Pins.of({"pretender": "2.0"}), installer=installer)
    assert isinstance(failure, StageFailure)
    assert (failure.stage, failure.cause) == (Stage.INSTALL, Cause.NOT_AS_ASKED)


def test_a_failed_environment_is_tried_again(wheelhouse: Path, pip: Pip, empty_cache: Path) -> None:
    """What could not be installed yesterday may be there today."""
    pins = Pins.of({"later": "1.0"})
    failure = build(pins, installer=pip)
    assert isinstance(failure, StageFailure)
    assert (failure.stage, failure.cause) == (Stage.INSTALL, Cause.NO_SUCH_VERSION)
    wheel(wheelhouse, "later", "1.0")
    assert imported(built(pins, installer=pip), "later") == "1.0"


def test_a_wheel_that_is_replaced_makes_another_environment(
    wheelhouse: Path, tmp_path: Path, unzip: Unzip, empty_cache: Path
) -> None:
    """A wheelhouse may hold a build of one's own, which is built again under the same version."""
    pins = Pins.of({"rebuilt": "1.0"})
    wheel(wheelhouse, "rebuilt", "1.0")
    first = built(pins, installer=unzip)
    wheel(wheelhouse, "rebuilt", "1.0", files={"rebuilt.py": "__version__ = '1.0 of today'\n"})
    second = built(pins, installer=unzip)
    assert imported(first, "rebuilt") == "1.0"
    assert imported(second, "rebuilt") == "1.0 of today"


def test_a_full_disk_is_refused_and_leaves_nothing(
    incumbent: Built, unzip: Unzip, empty_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next call, with room, goes on."""

    def fill(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "link", fill)
        with pytest.raises(Refusal, match="is full"):
            build(CHANGED, installer=unzip, base=incumbent)
    assert not unfinished(empty_cache)
    assert not built(CHANGED, installer=unzip, base=incumbent).reused


def test_a_cache_that_cannot_be_written_is_refused(
    unzip: Unzip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sentence names the folder."""
    (tmp_path / "file").touch()
    monkeypatch.setenv("FLUXGATE_CACHE", str(tmp_path / "file"))
    with pytest.raises(Refusal, match=str(tmp_path / "file")):
        build(SMALL, installer=unzip)


def test_a_killed_builder_leaves_nothing_that_is_used(wheelhouse: Path, unzip: Unzip, empty_cache: Path) -> None:
    """Its folder is removed by the next builder, whatever that builds."""
    builder = in_a_process(f"""
        import time
        class Slow(Unzip):
            def install(self, python, pins):
                super().install(python, pins)
                print("installed", flush=True)
                time.sleep(300)
        build(Pins.of({{"gamma": "1.0", "core": "1.0"}}), installer=Slow(Path({str(wheelhouse)!r})))
    """)
    assert builder.stdout is not None
    assert builder.stdout.readline() == "installed\n"
    builder.kill()
    builder.communicate()
    assert len(unfinished(empty_cache)) == 1
    built(SMALL, installer=unzip)
    assert not unfinished(empty_cache)
    environment = built(Pins.of({"gamma": "1.0", "core": "1.0"}), installer=unzip)
    assert not environment.reused


def test_ctrl_c_ends_what_was_started_and_leaves_nothing(wheelhouse: Path, tmp_path: Path, empty_cache: Path) -> None:
    """pip, and what pip has started, end at once, and the folder is gone."""
    begun = tmp_path / "begun"
    code = f"""
        def build_wheel(*arguments):
            import os, time
            with open({str(begun)!r} + ".new", "w") as file:
                file.write(str(os.getpid()))
            os.rename({str(begun)!r} + ".new", {str(begun)!r})
            time.sleep(300)
    """
    source_distribution(wheelhouse, "sleepy", "1.0", build=textwrap.dedent(code))
    builder = in_a_process(f"""
        build(Pins.of({{"sleepy": "1.0"}}), installer=Pip(wheelhouse=Path({str(wheelhouse)!r})))
    """)
    wait_until(begun.exists)
    builder.send_signal(signal.SIGINT)
    _, errors = builder.communicate(timeout=30)
    assert errors.rstrip().endswith("KeyboardInterrupt")
    assert not unfinished(empty_cache)
    wait_until(lambda: not runs(int(begun.read_text())))


def test_two_builders_at_once_build_once(wheelhouse: Path, empty_cache: Path) -> None:
    """The one that comes second waits, and uses what the first has built."""
    code = f"print(build(Pins.of({{'gamma': '1.0'}}), installer=Unzip(Path({str(wheelhouse)!r}))).reused)"
    answers = [builder.communicate()[0].strip() for builder in [in_a_process(code), in_a_process(code)]]
    assert sorted(answers) == ["False", "True"]
    assert len([path for path in empty_cache.iterdir() if path.is_dir()]) == 1


def test_what_leads_one_python_into_another_is_not_handed_on(
    incumbent: Built, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A PYTHONPATH of this process brings no package into an environment."""
    (tmp_path / "delta-1.0.dist-info").mkdir()
    (tmp_path / "delta-1.0.dist-info" / "METADATA").write_text("Name: delta\nVersion: 1.0\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert ask(incumbent.python).pins == INCUMBENT


def test_a_python_that_does_not_start_is_refused(tmp_path: Path) -> None:
    """The sentence names it."""
    with pytest.raises(Refusal, match="no-python cannot be started"):
        clone_of(tmp_path / "no-python")
    silent = shutil.which("false")
    assert silent is not None
    with pytest.raises(Refusal, match="cannot say which packages it has"):
        clone_of(Path(silent))
    wordy = tmp_path / "wordy"
    wordy.write_text("#!/bin/sh\necho Try something else.\nexit 2\n")
    wordy.chmod(0o755)
    with pytest.raises(Refusal, match=r"which packages it has: Try something else\.$"):
        clone_of(wordy)

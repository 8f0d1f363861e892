"""Tests of what the outputs of pip and uv mean: programs that print what real ones have printed, and fail."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from fluxgate.gate.environments.choice import choose_installer
from fluxgate.gate.environments.installers import Installer, Objection, Question
from fluxgate.gate.environments.pins import Pins
from fluxgate.gate.environments.pip import Pip
from fluxgate.gate.environments.stages import Cause
from fluxgate.gate.environments.uv import Uv
from fluxgate.refusal import Refusal

QUESTION = Question(Path("python"), ["alpha==2.0"])
Printing = Callable[..., Installer]


@pytest.fixture
def printing(tmp_path: Path) -> Printing:
    """An installer whose program prints something and fails, or is ended by a signal."""

    def make(kind: str, output: str, *, end: str = "exit 1") -> Installer:
        (tmp_path / "output").write_text(output)
        program = tmp_path / kind
        program.write_text(f'#!/bin/sh\ncat "{tmp_path / "output"}"\n{end}\n')
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        return Uv(program) if kind == "uv" else Pip(python=program)

    return make


PIP_CONFLICT = """\
INFO: pip is looking at multiple versions of diffusers to determine which version is compatible with other requirements.
ERROR: Cannot install diffusers==0.41.0 and huggingface_hub==2.4.0 because these package versions have conflicting \
dependencies.

The conflict is caused by:
    The user requested huggingface_hub==2.4.0
    The user requested torch
    The user requested (constraint) numpy<2
    diffusers 0.41.0 depends on huggingface-hub<2.0 and >=1.32.0

To fix this you could try to:
1. loosen the range of package versions you've specified
"""
PIP_MET = """\
The conflict is caused by:
    The user requested huggingface_hub==2.4.0
    transformers 5.23.0 depends on huggingface-hub<3.0 and >=1.31.0
    tokenizers 0.23.3 depends on huggingface-hub<3.0 and >=0.16.4
    accelerate 1.15.0 depends on huggingface_hub>=0.21.0
    diffusers 0.42.1 depends on huggingface-hub<2.0 and >=1.32.0

"""
PIP_BACKTRACKING = (
    "The conflict is caused by:\n" + "".join(f"    alpha 1.{n} depends on core>={n}\n" for n in range(9)) + "\n"
)
PIP_DEPENDENCY = """\
ERROR: Could not find a version that satisfies the requirement core>=9 (from alpha) (from versions: 1.0, 2.0, 3.0, 4.0)
ERROR: No matching distribution found for core>=9
"""
PIP_PYTHON = """\
ERROR: Ignored the following versions that require a different python version: 2.0 Requires-Python >=3.13; 3.0 \
Requires-Python >=3.14
ERROR: Could not find a version that satisfies the requirement alpha==2.0 (from versions: 1.0)
"""
PIP_ONE_HICCUP = """\
WARNING: Retrying (Retry(total=2, connect=None)) after connection broken by 'NewConnectionError("HTTPConnection(\
host='pypi.org', port=443): Failed to establish a new connection")': /simple/alpha/
ERROR: Could not find a version that satisfies the requirement alpha==2.0 (from versions: 1.0)
"""
PIP_UNREADABLE = "ERROR: Exception:\nTraceback (most recent call last):\nValueError: something else\n"
UV_CONFLICT = """\
Using Python 3.11.7 environment at: /opt/venv
error: No solution found when resolving dependencies
  cause: Because diffusers==0.41.0 depends on huggingface-hub>=1.32.0,<2.0 and you require diffusers==0.41.0, we can \
conclude that you require huggingface-hub>=1.32.0,<2.0.
         And because you require huggingface-hub==2.4.0, we can conclude that your requirements are unsatisfiable.

hint: something
"""
UV_APART = """\
error: No solution found when resolving dependencies
  cause: Because transformers==5.23.0 depends on huggingface-hub>=1.31.0 and you require huggingface-hub==0.20.0, we \
can conclude that your requirements and transformers==5.23.0 are incompatible.
         And because you require transformers==5.23.0, we can conclude that your requirements are unsatisfiable.
"""
UV_OLDER = """\
  × No solution found when resolving dependencies:
  ╰─▶ Because there is no version of alpha==2.0 and you require alpha==2.0, we
      can conclude that your requirements are unsatisfiable.
"""
UV_UNKNOWN = """\
error: No solution found when resolving dependencies
  cause: Because alpha was not found in the package registry and you require alpha==2.0, we can conclude that your \
requirements are unsatisfiable.
"""
UV_OTHER = "error: Failed to install: alpha-2.0.whl\n  cause: failed to read directory\n  cause: Permission denied\n"


@pytest.mark.parametrize(
    "kind, output, cause, sentence",
    [
        (
            "pip",
            PIP_MET,
            Cause.CONFLICT,
            "huggingface_hub==2.4.0 is asked for; diffusers 0.42.1 depends on huggingface-hub<2.0 and >=1.32.0.",
        ),
        (
            "pip",
            PIP_CONFLICT,
            Cause.CONFLICT,
            "huggingface_hub==2.4.0 is asked for; numpy<2 is demanded by a constraint in pip's settings; "
            "diffusers 0.41.0 depends on huggingface-hub<2.0 and >=1.32.0.",
        ),
        (
            "pip",
            PIP_BACKTRACKING,
            Cause.CONFLICT,
            "alpha 1.0 depends on core>=0; alpha 1.1 depends on core>=1; alpha 1.2 depends on core>=2; "
            "alpha 1.3 depends on core>=3; and 5 more.",
        ),
        (
            "pip",
            PIP_DEPENDENCY,
            Cause.NO_SUCH_VERSION,
            "alpha depends on core>=9, which does not exist; the newest of core are 4.0, 3.0, 2.0.",
        ),
        ("pip", PIP_PYTHON, Cause.NO_SUCH_VERSION, "alpha==2.0 needs Python >=3.13."),
        ("pip", PIP_ONE_HICCUP, Cause.NO_SUCH_VERSION, "alpha==2.0 does not exist; the newest of alpha are 1.0."),
        ("pip", PIP_UNREADABLE, Cause.OTHER, "ValueError: something else."),
        ("pip", "", Cause.OTHER, "pip ended with exit code 1."),
        (
            "uv",
            UV_CONFLICT,
            Cause.CONFLICT,
            "Because diffusers==0.41.0 depends on huggingface-hub>=1.32.0,<2.0 and you require diffusers==0.41.0, "
            "we can conclude that you require huggingface-hub>=1.32.0,<2.0. "
            "And you require huggingface-hub==2.4.0.",
        ),
        (
            "uv",
            UV_APART,
            Cause.CONFLICT,
            "huggingface-hub==0.20.0 is asked for; transformers==5.23.0 depends on huggingface-hub>=1.31.0.",
        ),
        ("uv", UV_OLDER, Cause.NO_SUCH_VERSION, "alpha==2.0 does not exist."),
        ("uv", UV_UNKNOWN, Cause.NO_SUCH_VERSION, "alpha was not found in the package registry."),
        ("uv", UV_OTHER, Cause.OTHER, "Failed to install: alpha-2.0.whl: Permission denied."),
        ("uv", "", Cause.OTHER, "uv ended with exit code 1."),
    ],
)
def test_the_cause_is_one_sentence(printing: Printing, kind: str, output: str, cause: Cause, sentence: str) -> None:
    """Not the whole output, which the objection keeps."""
    answer = printing(kind, output).plan(QUESTION)
    assert answer == Objection(cause, sentence, output)


@pytest.mark.parametrize(
    "kind, output, place",
    [
        (
            "pip",
            "Looking in indexes: https://user:****@pypi.org/simple, https://example.org/simple\n"
            "WARNING: Retrying (Retry(total=0, connect=None)) after connection broken by 'NewConnectionError(': "
            "Failed to establish a new connection: [Errno -3] Temporary failure in name resolution')': /simple/a/\n"
            "ERROR: Could not find a version that satisfies the requirement alpha==2.0 (from versions: none)\n",
            "https://pypi.org/simple",
        ),
        (
            "pip",
            "ERROR: Could not install packages due to an OSError: HTTPSConnectionPool(host='files.pythonhosted.org', "
            "port=443): Max retries exceeded with url: /packages/alpha.whl\n",
            "files.pythonhosted.org",
        ),
        (
            "pip",
            "Could not fetch URL https://pypi.org/simple/alpha/: There was a problem confirming the ssl certificate: "
            "HTTPSConnectionPool(host='pypi.org', port=443) - skipping\n"
            "ERROR: No matching distribution found for alpha\n",
            "https://pypi.org/simple/alpha/",
        ),
        (
            "pip",
            "WARNING: The repository located at example.org is not a trusted or secure host and is being ignored.\n"
            "ERROR: No matching distribution found for alpha\n",
            "example.org",
        ),
        (
            "uv",
            "error: Request failed after 3 retries in 12.7s\n"
            "  cause: Failed to fetch: `https://user:secret@example.org/simple/alpha/`\n"
            "  cause: error sending request for url (https://user:secret@example.org/simple/alpha/)\n"
            "  cause: tcp connect error\n",
            "https://example.org/simple/alpha/",
        ),
    ],
)
def test_what_cannot_be_reached_is_refused(printing: Printing, kind: str, output: str, place: str) -> None:
    """It says nothing about the packages; the sentence names the place, and no password."""
    with pytest.raises(Refusal) as refusal:
        printing(kind, output).plan(QUESTION)
    assert str(refusal.value).startswith(f"{place} cannot be reached")


@pytest.mark.parametrize("kind", ["pip", "uv"])
@pytest.mark.parametrize(
    "output",
    [
        "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device\n",
        "error: Failed to extract archive\n  cause: No space left on device (os error 28)\n",
    ],
)
def test_a_full_disk_is_refused(printing: Printing, kind: str, output: str) -> None:
    """It says nothing about the packages."""
    with pytest.raises(Refusal, match="disk is full"):
        printing(kind, output).install(Path("python"), ["alpha==2.0"])


@pytest.mark.parametrize("kind", ["pip", "uv"])
def test_an_installer_that_is_killed_is_refused(printing: Printing, kind: str) -> None:
    """Neither does this."""
    with pytest.raises(Refusal, match=f"{kind} was ended by SIGKILL"):
        printing(kind, "", end="kill -9 $$").uninstall(Path("python"), ["alpha"])


def test_settings_are_those_that_decide_which_files_are_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """An index is one, and how long to wait for it is none."""
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_TIMEOUT", "7")
    monkeypatch.setenv("PIP_INDEX_URL", "https://example.org/simple")
    settings = Pip().settings(Pins({}))
    assert any("https://example.org/simple" in line for line in settings)
    assert not any("timeout" in line for line in settings)


def test_uvs_settings_are_its_variables_and_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Those of the user, and those of the project in whose folder it runs."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("UV_INDEX_URL", "https://example.org/simple")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    (tmp_path / "config" / "uv").mkdir(parents=True)
    (tmp_path / "config" / "uv" / "uv.toml").write_text("no-cache = true\n")
    (tmp_path / "project" / "inner").mkdir(parents=True)
    (tmp_path / "project" / "pyproject.toml").write_text('[tool.uv]\nindex-url = "https://other.org"\n')
    monkeypatch.chdir(tmp_path / "project" / "inner")
    settings = Uv(Path("uv")).settings(Pins({}))
    assert [line for line in settings if line.startswith("UV_INDEX")] == ["UV_INDEX_URL=https://example.org/simple"]
    assert not any("UV_CACHE_DIR" in line for line in settings)
    assert any("no-cache" in line for line in settings)
    assert any("other.org" in line for line in settings)


@pytest.mark.parametrize("strategy", [None, "first-index"])
def test_uv_looks_in_every_index_that_a_file_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, strategy: str | None
) -> None:
    """Unless the user has said otherwise: the first one may have only older releases of a package."""
    program = tmp_path / "uv"
    program.write_text(f'#!/bin/sh\necho "$@" > "{tmp_path / "arguments"}"\n')
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.delenv("UV_INDEX_STRATEGY", raising=False)
    if strategy:
        monkeypatch.setenv("UV_INDEX_STRATEGY", strategy)
    Uv(program, sources=("--extra-index-url", "https://example.org/simple")).install(Path("python"), ["alpha==2.0"])
    arguments = (tmp_path / "arguments").read_text()
    assert "--extra-index-url https://example.org/simple" in arguments
    assert ("--index-strategy=unsafe-best-match" in arguments) is (strategy is None)


def test_pip_is_chosen_unless_uv_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """uv is taken where there is no pip."""
    program = tmp_path / "uv"
    program.touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert choose_installer().name == "pip"
    assert choose_installer("uv") == Uv(program)
    monkeypatch.setattr(sys, "path", [])
    assert choose_installer() == Uv(program)


def test_choosing_pip_does_not_disturb_setuptools() -> None:
    """torch imports setuptools when it compiles; looking for pip's module would make setuptools warn."""
    pytest.importorskip("setuptools")
    assert choose_installer().name == "pip"


@pytest.mark.parametrize(
    "name, reason", [("conda", "'conda' is no installer"), ("uv", "uv is not installed"), ("pip", "pip is not")]
)
def test_an_installer_that_is_not_here_is_refused(monkeypatch: pytest.MonkeyPatch, name: str, reason: str) -> None:
    """The other one is not taken in its place."""
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(sys, "path", [])
    with pytest.raises(Refusal, match=reason):
        choose_installer(name)


def test_a_wheelhouse_must_be_a_folder(tmp_path: Path) -> None:
    """A name that is mistyped is refused before anything is resolved."""
    with pytest.raises(Refusal, match="wheelhose"):
        choose_installer(wheelhouse=tmp_path / "wheelhose")


def test_a_wheelhouse_is_the_only_place_to_look(
    monkeypatch: pytest.MonkeyPatch, wheelhouse: Path, tmp_path: Path
) -> None:
    """An index or a folder of the user's settings is not asked."""
    (tmp_path / "empty").mkdir()
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheelhouse))
    answer = Pip(wheelhouse=tmp_path / "empty").plan(Question(Path(sys.executable), ["gamma"], alone=True))
    assert isinstance(answer, Objection)
    assert answer.cause == Cause.NO_SUCH_VERSION

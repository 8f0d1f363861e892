"""Tests of wheels under a version of their own."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from fluxgate.gate.environments.building import Built, build
from fluxgate.gate.environments.interpreters import ask
from fluxgate.gate.environments.labels import labelled, version_of
from fluxgate.gate.environments.pins import Pins
from fluxgate.gate.environments.pip import Pip
from fluxgate.refusal import Refusal
from tests.gate.environments.wheels import wheel


def test_pip_installs_it_as_another_version(tmp_path: Path) -> None:
    """The code is the same, and a build that was labelled before loses that label."""
    path = wheel(tmp_path, "alpha_beta", "1.1.dev0+cpu", files={"alpha_beta.py": "one = 1\n"})
    into = tmp_path / "labelled"
    into.mkdir()
    made = labelled(path, "g01ab", into=into)
    assert (made.name, version_of(made)) == ("alpha_beta-1.1.dev0+g01ab-py3-none-any.whl", "1.1.dev0+g01ab")
    built = build(Pins.of({"alpha-beta": "1.1.dev0+g01ab"}), installer=Pip(wheelhouse=into))
    assert isinstance(built, Built), built
    assert ask(built.python).pins.versions == {"alpha-beta": "1.1.dev0+g01ab"}
    assert (built.site_packages / "alpha_beta.py").read_text() == "one = 1\n"


def test_what_is_named_after_the_version_moves_with_it(tmp_path: Path) -> None:
    """Its data as well, or pip would refuse the wheel; the hash of what has changed is gone from the record."""
    path = wheel(tmp_path, "alpha", "1.0", files={"alpha-1.0.data/data/one": "1", "alpha.py": ""})
    into = tmp_path / "labelled"
    into.mkdir()
    with zipfile.ZipFile(labelled(path, "g1", into=into)) as archive:
        names = set(archive.namelist())
        record = archive.read("alpha-1.0+g1.dist-info/RECORD").decode()
    assert names == {
        "alpha.py",
        "alpha-1.0+g1.data/data/one",
        *(f"alpha-1.0+g1.dist-info/{name}" for name in ("METADATA", "WHEEL", "RECORD")),
    }
    assert {line.partition(",")[0] for line in record.splitlines()} == names


def test_what_is_no_wheel_is_refused(tmp_path: Path) -> None:
    """In one sentence."""
    path = tmp_path / "alpha-1.0-py3-none-any.whl"
    path.write_bytes(b"PK")
    with pytest.raises(Refusal, match="no wheel"):
        labelled(path, "g1", into=tmp_path)

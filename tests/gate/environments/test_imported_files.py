"""Tests of what is held against the records of installed packages: where each module came from."""

from __future__ import annotations

from pathlib import Path

import pytest

from fluxgate.gate.environments.building import Built, build
from fluxgate.gate.environments.imported_files import Stray, strays
from fluxgate.gate.environments.importing import check_imports
from fluxgate.gate.environments.pins import Pins
from fluxgate.gate.environments.pip import Pip
from fluxgate.gate.environments.stages import Cause
from tests.gate.environments.wheels import wheel


@pytest.fixture
def site_packages(tmp_path: Path) -> Path:
    """alpha with two modules; bundle, with a copy of six; beta, whose code is in a checkout; gamma without a record."""
    folder = tmp_path / "site packages"
    records = {
        "alpha-1.0": "alpha/__init__.py,,\nalpha/deep.cpython-312.so,,\n../../bin/alpha,,\n",
        "bundle-1.0": "bundle/_vendor/six.py,,\n",
        "six-1.0": "six.py,,\n",
        "beta-1.0": "__editable__.beta.pth,,\n",
        "gamma-1.0": None,
    }
    for name, record in records.items():
        (folder / f"{name}.dist-info").mkdir(parents=True)
        if record is not None:
            (folder / f"{name}.dist-info" / "RECORD").write_text(record)
    address = f'{{"dir_info": {{"editable": true}}, "url": "{(tmp_path / "check out").as_uri()}"}}'
    (folder / "beta-1.0.dist-info" / "direct_url.json").write_text(address)
    return folder


@pytest.mark.parametrize(
    ("module", "file", "package"),
    [
        ("alpha", "site packages/alpha/__init__.py", None),
        ("alpha.deep", "site packages/alpha/deep.cpython-312.so", None),
        ("alpha.left", "site packages/alpha/left.py", "alpha"),  # of an older version, and never removed
        ("alpha", "elsewhere/alpha/__init__.py", "alpha"),
        ("six", "site packages/bundle/_vendor/six.py", None),
        ("six", "elsewhere/six.py", "six"),
        ("beta.deep", "check out/src/beta/deep.py", None),
        ("beta", "elsewhere/beta.py", "beta"),
        ("gamma", "elsewhere/gamma.py", None),  # nothing is known of its files
        ("own", "elsewhere/own.py", None),  # a module that no package has
    ],
)
def test_a_module_comes_from_the_package_of_its_name(
    site_packages: Path, module: str, file: str, package: str | None
) -> None:
    """By the record of some package, or the folder of a checkout."""
    path = str(site_packages.parent / file)
    expected = [Stray(module, path, package)] if package else []
    assert list(strays(site_packages, {module: path})) == expected


def test_what_is_gated_is_held_to_its_own_record(site_packages: Path) -> None:
    """A copy that another package brings along does not stand for it."""
    path = str(site_packages / "bundle/_vendor/six.py")
    assert list(strays(site_packages, {"six": path}, packages=["six"])) == [Stray("six", path, "six")]


def test_a_copy_of_the_same_version_is_found_out(tmp_path: Path) -> None:
    """A path that another package puts first hides what was installed, though name and version are right."""
    copy = tmp_path / "copy"
    copy.mkdir()
    (copy / "library.py").write_text("__version__ = '1.0'\n")
    wheelhouse = tmp_path / "wheels"
    wheelhouse.mkdir()
    wheel(wheelhouse, "library", "1.0")
    wheel(wheelhouse, "shadow", "1.0", files={"shadow.pth": f"import sys; sys.path.insert(0, {str(copy)!r})\n"})
    built = {}
    for names in (("library",), ("library", "shadow")):
        made = build(Pins.of(dict.fromkeys(names, "1.0")), installer=Pip(wheelhouse=wheelhouse))
        assert isinstance(made, Built)
        built[names[-1]] = check_imports(made, needed=["library"])
    assert built["library"] is None
    assert built["shadow"] is not None
    assert built["shadow"].cause is Cause.NOT_AS_ASKED
    assert str(copy / "library.py") in built["shadow"].sentence

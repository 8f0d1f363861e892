"""Tests of importing the libraries: what they may ask meanwhile, what was imported, and what is wrong with it."""

from __future__ import annotations

import gc
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fluxgate.environment import Environment
from fluxgate.gpus import Gpu
from fluxgate.machine import detect
from fluxgate.render.process import libraries
from fluxgate.render.process.libraries import Imported


def test_libraries_learn_the_capability_without_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    """While they are imported the driver's management library answers, afterwards torch again."""
    gpus = (Gpu("A", "GPU-1", 1, "9.0", "580"), Gpu("B", "GPU-2", 1, "8.6", "580"))
    monkeypatch.setattr("fluxgate.render.process.libraries.visible_gpus", lambda: gpus)

    def asked(device: Any = None) -> tuple[int, int]:
        raise AssertionError("this would initialise CUDA")

    torch = SimpleNamespace(cuda=SimpleNamespace(get_device_capability=asked))
    with libraries.answers_from_driver(torch):
        capability: Any = torch.cuda.get_device_capability
        assert [capability(), capability(1), capability(SimpleNamespace(idx=1)), capability("cuda")] == [
            (9, 0),
            (8, 6),
            (8, 6),
            (9, 0),
        ]
    assert torch.cuda.get_device_capability is asked


@pytest.mark.parametrize(
    ("capability", "package", "usable"),
    [("9.0", True, True), ("7.0", True, True), ("6.1", True, False), ("9.0", False, False)],
)
def test_torchao_learns_whether_triton_can_be_used_without_cuda(
    monkeypatch: pytest.MonkeyPatch, capability: str, package: bool, usable: bool
) -> None:
    """torchao asks while it is imported; torch would look at the GPU to answer."""
    triton = pytest.importorskip("torch.utils._triton")
    monkeypatch.setattr(
        "fluxgate.render.process.libraries.visible_gpus", lambda: (Gpu("A", "GPU-1", 1, capability, "580"),)
    )
    monkeypatch.setattr(triton, "has_triton_package", lambda: package)
    asked = triton.has_triton
    with libraries.answers_from_driver(pytest.importorskip("torch")):
        assert triton.has_triton() is usable
    assert triton.has_triton is asked


def test_a_torch_without_that_module_is_imported_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is torch's own business, and a release may drop it; the rest is answered as before."""
    monkeypatch.setattr("fluxgate.render.process.libraries.visible_gpus", lambda: (Gpu("A", "GPU-1", 1, "9.0", "580"),))
    monkeypatch.setitem(sys.modules, "torch.utils._triton", None)
    monkeypatch.delattr("torch.utils._triton", raising=False)
    torch = SimpleNamespace(cuda=SimpleNamespace(get_device_capability=None))
    with libraries.answers_from_driver(torch):
        capability: Any = torch.cuda.get_device_capability
        assert capability() == (9, 0)
    assert torch.cuda.get_device_capability is None


def test_garbage_is_looked_for_rarely_while_libraries_are_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And as often as before afterwards, also where one of them cannot be imported."""
    (tmp_path / "counts_garbage.py").write_text("import gc\nraise ImportError(gc.get_threshold())")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(libraries, "LIBRARIES", ("counts_garbage",))
    usual = gc.get_threshold()
    imported = libraries.import_libraries(())
    assert imported.crash is not None
    assert imported.crash.sentence.endswith(f"ImportError: {libraries.RARELY}")
    assert gc.get_threshold() == usual != libraries.RARELY


def test_a_name_that_a_library_no_longer_has_is_missed_later() -> None:
    """Importing everything must not fail for what this case may not need."""
    libraries._touch(SimpleNamespace(), "FluxPipeline")


def module(folder: Path, *, name: str = "diffusers", stated: str | None = None, installed: str | None = None) -> Any:
    """A module in a folder of packages, with the version that it states and the one installed beside it."""
    file = folder.joinpath(*name.split("."), "__init__.py")
    if installed is not None:
        information = folder / f"{name.replace('-', '_')}-{installed}.dist-info"
        information.mkdir()
        (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {installed}\n")
    return SimpleNamespace(__file__=str(file), __name__=name, __version__=stated)


@pytest.mark.parametrize(
    ("stated", "installed", "version"),
    [("0.1", "0.2", "0.2"), ("0.1", None, "0.1"), (None, "0.2", "0.2"), (None, None, None)],
)
def test_the_version_is_the_one_installed_beside_the_files(
    tmp_path: Path, stated: str | None, installed: str | None, version: str | None
) -> None:
    """What the module states counts where nothing is installed beside it, as with an editable installation."""
    assert libraries._version("diffusers", module(tmp_path, stated=stated, installed=installed)) == version


def test_installed_metadata_are_read_once(tmp_path: Path) -> None:
    """A worker is forked from a process that has read them, and says three times what it has imported."""
    imported = module(tmp_path, installed="0.2")
    assert libraries._version("diffusers", imported) == "0.2"
    (information,) = tmp_path.glob("*.dist-info")
    (information / "METADATA").unlink()
    assert libraries._version("diffusers", imported) == "0.2"


def test_a_package_whose_module_lies_deeper_is_found_beside_its_top(tmp_path: Path) -> None:
    """optimum-quanto is imported as optimum.quanto."""
    deep = module(tmp_path, name="optimum.quanto")
    module(tmp_path, name="optimum-quanto", installed="0.2.7")
    assert libraries._version("optimum-quanto", deep) == "0.2.7"


@pytest.mark.parametrize(
    ("versions", "sentence"),
    [
        ({"diffusers": "0.42.1", "torch": "2.13.0+cpu"}, None),
        ({"diffusers": "0.43.0"}, "diffusers 0.43.0 was imported from /there, but {python} has 0.42.1 installed"),
        ({"torch": "2.11.0+cu130"}, "torch 2.11.0+cu130 was imported, but {python} has 2.13.0 installed"),
        ({"gguf": "0.19.0"}, "gguf 0.19.0 was imported, but {python} has no gguf installed"),
        ({"diffusers": "nightly"}, "diffusers nightly was imported from /there, but {python} has 0.42.1 installed"),
    ],
)
def test_another_version_than_the_environment_has_is_wrong(versions: dict[str, str], sentence: str | None) -> None:
    """Whichever build of the same release it is does not matter."""
    machine = replace(detect(), torch="2.13.0")
    environment = Environment(Path("/env/bin/python"), machine, {"diffusers": "0.42.1"})
    imported = Imported(versions, {"diffusers": "/there"})
    assert libraries.wrong_import(imported, environment) == (sentence and sentence.format(python=environment.python))


@pytest.mark.parametrize(
    ("record", "address", "recorded"),
    [
        ("diffusers/__init__.py,sha256=0,1\n", "", True),
        ("old/diffusers/__init__.py,,\nother.py,,\n", "", False),  # the module is another copy than what is installed
        ("__editable__.diffusers.pth,,\n", '{"dir_info": {"editable": true}, "url": "file:///checkout"}', True),
        ("", "", True),  # as a system's packages have it
    ],
)
def test_a_module_is_held_to_the_record_of_its_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, record: str, address: str, recorded: bool
) -> None:
    """The version alone does not tell a copy that lies elsewhere from what is installed."""
    imported = module(tmp_path, installed="0.2")
    (information,) = tmp_path.glob("*.dist-info")
    (information / "RECORD").write_text(record)
    (information / "direct_url.json").write_text(address)
    monkeypatch.syspath_prepend(tmp_path)
    assert libraries._recorded("diffusers", imported) is recorded


def test_a_copy_from_elsewhere_is_wrong_in_an_isolated_environment() -> None:
    """In the user's own Python it may be what the user wants."""
    imported = Imported({"diffusers": "0.42.1"}, {"diffusers": "/there"}, ("diffusers",))
    isolated = Environment(Path("/env/bin/python"), detect(), {"diffusers": "0.42.1"})
    assert "/there" in str(libraries.wrong_import(imported, isolated))
    assert libraries.wrong_import(imported, replace(isolated, python=Path(sys.executable))) is None

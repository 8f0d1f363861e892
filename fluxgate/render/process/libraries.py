"""The libraries that are tested, as a process imports them: before any clock runs, and without touching the GPU."""

from __future__ import annotations

import gc
import importlib
import importlib.metadata
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import cache, partial
from pathlib import Path
from typing import Any

from packaging.version import InvalidVersion, Version

from fluxgate.environment import Environment
from fluxgate.gpus import visible_gpus
from fluxgate.machine import GATED
from fluxgate.render.process.crashes import crash_of
from fluxgate.rendering import Crash, CrashKind

LIBRARIES = ("torch", "accelerate", "diffusers", "transformers", "PIL.PngImagePlugin")
# What most cases load, beside the classes that a pipeline's own module imports.
FROM_DIFFUSERS = ("FluxTransformer2DModel", "AutoencoderKL", "FlowMatchEulerDiscreteScheduler")
FROM_TRANSFORMERS = ("CLIPTextModel", "T5EncoderModel", "CLIPTokenizer", "T5TokenizerFast")
MODULES = {"optimum-quanto": "optimum.quanto", "pillow": "PIL"}  # where the module is not called like the package
# How many objects may come before garbage is looked for, in the youngest of three generations and in the older ones.
RARELY = (50_000, 20, 1_000)
TRITONS_OLDEST = (7, 0)  # capability of a GPU, as torch has it in torch.utils._triton


@dataclass(frozen=True)
class Imported:
    """What came of importing the libraries."""

    versions: dict[str, str] = field(default_factory=dict)  # package -> the version that was imported
    places: dict[str, str] = field(default_factory=dict)  # package -> the file that it was imported from
    unrecorded: tuple[str, ...] = ()  # packages of which that file is none of those that were installed
    crash: Crash | None = None  # why none of them can be used
    pipelines: dict[str, Crash] = field(default_factory=dict)  # those of diffusers that cannot be imported
    no_fork: str | None = None  # why no worker can be forked from the process that imported them


class ImportFailed(Exception):
    """Nothing can be rendered, because the libraries cannot be imported. `crash` says why, and is of kind "import"."""

    def __init__(self, crash: Crash) -> None:
        super().__init__(crash.sentence)
        self.crash = crash


def import_libraries(pipelines: Iterable[str]) -> Imported:
    """Import what every worker needs, and these pipelines of diffusers."""
    with ExitStack() as during:
        during.enter_context(rare_collections())
        for name in LIBRARIES:
            crash = _crash_of_import(name, partial(importlib.import_module, name))
            if crash is not None:
                return Imported(crash=crash)
            if name == "torch":
                during.enter_context(answers_from_driver(sys.modules["torch"]))
        diffusers, transformers = sys.modules["diffusers"], sys.modules["transformers"]
        crashes = {name: _crash_of_import(name, partial(getattr, diffusers, name)) for name in pipelines}
        for library, names in ((diffusers, FROM_DIFFUSERS), (transformers, FROM_TRANSFORMERS)):
            for name in names:
                _touch(library, name)
    gc.collect()
    gc.freeze()  # a million objects that stay anyway: else every collection looks at them, for half a second
    failed = {name: crash for name, crash in crashes.items() if crash is not None}
    return Imported(imported_versions(), imported_places(), unrecorded_imports(), pipelines=failed)


@contextmanager
def rare_collections() -> Iterator[None]:
    """Let garbage be looked for rarely: imports make half a million objects that stay, and looking at them again and
    again takes a sixth of the time. Not never, which would leave the process some megabytes larger."""
    usual = gc.get_threshold()
    gc.set_threshold(*RARELY)
    try:
        yield
    finally:
        gc.set_threshold(*usual)


def _crash_of_import(what: str, load: Callable[[], Any]) -> Crash | None:
    """The crash that importing something is, with what it is and why; None if it can be imported."""
    try:
        load()
    except Exception as error:  # a library may raise anything
        crash = crash_of(error)
        return replace(crash, kind=CrashKind.IMPORT, sentence=f"{what} cannot be imported: {crash.sentence}")
    return None


def _touch(library: Any, name: str) -> None:
    """Import what a library imports when it is asked for a name; one that it cannot give is missed where it is used."""
    with suppress(Exception):
        getattr(library, name)


def imported_versions() -> dict[str, str]:
    """The versions of the gated libraries that this process has imported, and of torch."""
    return {package: version for package, module in _imported() if (version := _version(package, module))}


def imported_places() -> dict[str, str]:
    """The files that they were imported from."""
    return {package: place for package, module in _imported() if (place := getattr(module, "__file__", None))}


def _imported() -> Iterator[tuple[str, Any]]:
    for package in ("torch", *GATED):
        module = sys.modules.get(MODULES.get(package, package))
        if module is not None:
            yield package, module


def _version(package: str, module: Any) -> str | None:
    """The version that is installed beside the imported files; without one there, the version that the module states.

    The metadata that comes first on the path may be of another copy, and what a module states may be out of date."""
    file = getattr(module, "__file__", None)
    if file is not None:
        installed = _installed_beside(package, Path(file).parents[module.__name__.count(".") + 1])
        if installed is not None:
            return installed
    stated = getattr(module, "__version__", None)
    return stated if isinstance(stated, str) else None


@cache
def _installed_beside(package: str, folder: Path) -> str | None:
    """The version of the package that is installed in a folder; None if there is none. It is read once, and what is
    forked from a process that has read it need not: metadata of a hundred kilobytes take longer than all else here."""
    for distribution in importlib.metadata.Distribution.discover(name=package, path=[str(folder)]):
        return distribution.version
    return None


def unrecorded_imports() -> tuple[str, ...]:
    """The packages whose module is not among the files of the distribution that is installed under their name."""
    return tuple(package for package, module in _imported() if not _recorded(package, module))


def _recorded(package: str, module: Any) -> bool:
    """Whether a distribution's record has the file of a module; one without a record, or in a checkout, has it."""
    file = getattr(module, "__file__", None)
    with suppress(importlib.metadata.PackageNotFoundError):
        distribution = importlib.metadata.distribution(package)
        record = distribution.read_text("RECORD")
        editable = '"editable": true' in (distribution.read_text("direct_url.json") or "")
        if file is not None and record and not editable:
            root = os.path.realpath(str(distribution.locate_file("")))
            place = os.path.join(os.path.realpath(os.path.dirname(file)), os.path.basename(file))
            return f"\n{os.path.relpath(place, root)}," in f"\n{record}"
    return True


def wrong_import(imported: Imported, environment: Environment) -> str | None:
    """One sentence if a library was imported in another version than the environment has, or in an isolated one from
    elsewhere than it is installed; None if all are right."""
    expected = {"torch": environment.machine.torch, **environment.stack}
    for package, version in imported.versions.items():
        if not _same(version, expected.get(package)):
            source = f" from {imported.places[package]}" if package in imported.places else ""
            installed = expected.get(package, f"no {package}")
            return f"{package} {version} was imported{source}, but {environment.python} has {installed} installed"
    for package in () if environment.is_current else imported.unrecorded:
        return f"{package} was imported from {imported.places[package]}, which is none of the files installed with it"
    return None


def _same(version: str, expected: str | None) -> bool:
    """Whether two versions are of one release, whichever build it is: '2.13.0+cpu' is 2.13.0."""
    if expected is None or version == expected:
        return version == expected
    try:
        return Version(version).public == Version(expected).public
    except InvalidVersion:
        return False


@contextmanager
def answers_from_driver(torch: Any) -> Iterator[None]:
    """Let libraries learn the GPU's capability without initialising CUDA for it, after which nothing can be forked.

    While they are imported, bitsandbytes asks for it, and torchao asks torch whether triton can use it."""
    triton = _triton_of_torch()
    capabilities = [tuple(int(part) for part in gpu.capability.split(".")) for gpu in visible_gpus()]

    def capability(device: Any = None) -> tuple[int, ...]:
        index = getattr(device, "idx", device)
        return capabilities[index if isinstance(index, int) and index >= 0 else 0]

    def has_triton() -> bool:
        return bool(triton.has_triton_package()) and max(capabilities) >= TRITONS_OLDEST

    answers: list[tuple[Any, str, Callable[..., Any]]] = []
    answers += [(torch.cuda, "get_device_capability", capability)] if capabilities else []
    answers += [(triton, "has_triton", has_triton)] if capabilities and hasattr(triton, "has_triton_package") else []
    originals = [getattr(owner, name) for owner, name, _ in answers]
    for owner, name, answer in answers:
        setattr(owner, name, answer)
    try:
        yield
    finally:
        for (owner, name, _), original in zip(answers, originals, strict=True):
            setattr(owner, name, original)


def _triton_of_torch() -> Any:
    """A module that is torch's own business, so a release may have it no longer; None then."""
    with suppress(ImportError):
        from torch.utils import _triton

        return _triton
    return None

"""Whether what a pipeline needs can be imported in an environment, and is what was installed."""

from __future__ import annotations

import platform
import signal
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec
from packaging.utils import canonicalize_name

from fluxgate.files import read_plain, write_plain
from fluxgate.gate.environments import inside_imports
from fluxgate.gate.environments.building import Built
from fluxgate.gate.environments.imported_files import strays
from fluxgate.gate.environments.pins import Pins, fits
from fluxgate.gate.environments.processes import Finished, run
from fluxgate.gate.environments.stages import Cause, Stage, StageFailure
from fluxgate.gate.environments.steps import refusing_a_failing_disk, step
from fluxgate.locks import Say, silent
from fluxgate.refusal import Refusal, full_stop

# What is imported, in this order: a module, and an object in it; of FLUX, what its pipeline is made of. Whether other
# pipelines can be imported is seen where they are loaded: a break of FLUX is no fault for who does not use it.
NEEDED = ("torch", "diffusers:FluxPipeline", "transformers:T5EncoderModel", "accelerate")
WITHOUT_FLUX = tuple(target.partition(":")[0] for target in NEEDED)
OPTIONAL = ("bitsandbytes",)  # only where it is installed
TIMEOUT = 300.0
MOST_MESSAGE = 300  # characters of an exception's message
# By whoever wants the memory back, or wants to stop: no fault of what was imported.
ENDED_FROM_OUTSIDE = (-signal.SIGKILL, -signal.SIGTERM, -signal.SIGINT)
# Nothing is asked of the hub, and of a GPU no more than whether its driver is there.
VARIABLES = {"HF_HUB_OFFLINE": "1", "PYTORCH_NVML_BASED_CUDA_CHECK": "1"}


class _Line(msgspec.Struct):
    """A line of what the interpreter has written."""

    begun: str | None = None
    imported: str | None = None
    version: str | None = None
    failed: str | None = None
    kind: str | None = None
    message: str | None = None
    files: dict[str, str] = {}  # module -> the file that it was imported from


class _Proof(msgspec.Struct):
    """What was imported, and how closely it was looked at: what an older Fluxgate has seen proves less."""

    targets: list[str]
    looks: int = 0


LOOKS = 2  # at versions; at files, too


def check_imports(
    built: Built, *, needed: Sequence[str] | None = None, timeout: float = TIMEOUT, report: Say = silent
) -> StageFailure | None:
    """Import what pipelines need, in a process of its own, without a turn on the device; None: what FLUX does.

    What worked once on this computer is not tried again there. This writes the bytecode that clones inherit."""
    optional = (name for name in OPTIONAL if name in built.pins.versions)
    targets = (*(NEEDED if needed is None else needed), *optional)
    proof = built.folder / f"imported-on-{platform.node() or 'this computer'}.json"
    if _proven(proof, targets):
        report(f"Environment {built.name} imports {len(targets)} packages, as it did before.")
        return None
    with step(f"Importing {_names(targets)} in environment {built.name}", kind="import", report=report) as timed:
        failure = _import(built, targets, timeout)
        timed.failed = failure is not None
    if failure is None:
        with refusing_a_failing_disk(built.folder):
            write_plain(proof, _Proof(list(targets), LOOKS))
    return failure


def _proven(proof: Path, targets: Sequence[str]) -> bool:
    try:
        return read_plain(proof, _Proof) == _Proof(list(targets), LOOKS)
    except Refusal:
        return False


def _names(targets: Sequence[str]) -> str:
    return ", ".join(target.partition(":")[0] for target in targets)


def _import(built: Built, targets: Sequence[str], timeout: float) -> StageFailure | None:
    with refusing_a_failing_disk(Path(tempfile.gettempdir())), tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "lines"
        path.touch()
        command: tuple[str | Path, ...] = (built.python, "-I", "-u", inside_imports.__file__, path, *targets)
        finished = run(command, variables=VARIABLES, timeout=timeout)
        lines = list(_lines(path))
    return (
        _failure(built, finished, lines)
        or _other_version(built.pins, lines, finished.output)
        or _other_file(built, targets, lines, finished.output)
    )


def _lines(path: Path) -> Iterator[_Line]:
    for line in path.read_bytes().splitlines():
        with suppress(msgspec.DecodeError):  # the end of a line is missing where the process was ended in it
            yield msgspec.json.decode(line, type=_Line)


def _failure(built: Built, finished: Finished, lines: Sequence[_Line]) -> StageFailure | None:
    """What went wrong, in a sentence that names the package and the first cause."""
    last = lines[-1] if lines else _Line()
    target = (last.failed or last.begun or "a package").partition(":")[0]
    if finished.code in ENDED_FROM_OUTSIDE:
        raise Refusal(f"The import of {target} {finished.ending}; was there memory enough? Start again.")
    if finished.code == 0:
        return None
    reason = f"its process {finished.ending}"
    if last.failed is not None:
        message = " ".join((last.message or "").replace(f"{built.site_packages}/", "").split())
        reason = f"{last.kind}: {message[:MOST_MESSAGE]}"
    sentence = full_stop(f"{target} cannot be imported: {reason}")
    return StageFailure.of(Stage.IMPORT, Cause.NOT_IMPORTED, sentence, log=finished.output)


def _other_version(pins: Pins, lines: Sequence[_Line], log: str) -> StageFailure | None:
    """A module that states another version than the one that is installed."""
    for line in lines:
        package = canonicalize_name((line.imported or "").partition(":")[0])
        pinned = pins.versions.get(package)
        if line.version is None or pinned is None:
            continue
        if not fits(pinned, line.version) and not fits(line.version, pinned):
            sentence = f"{package} {pinned} was installed, and what is imported states {line.version}."
            return StageFailure.of(Stage.IMPORT, Cause.NOT_AS_ASKED, sentence, log=log)
    return None


def _other_file(built: Built, targets: Sequence[str], lines: Sequence[_Line], log: str) -> StageFailure | None:
    """A module that does not come out of the package that is installed under its name."""
    files = {module: file for line in lines for module, file in line.files.items()}
    asked = [target.partition(":")[0] for target in targets]
    for stray in strays(built.site_packages, files, packages=asked):
        version = built.pins.versions.get(stray.package, "")
        sentence = f"{stray.package} {version} was installed, and {stray.module} is imported from {stray.file}."
        return StageFailure.of(Stage.IMPORT, Cause.NOT_AS_ASKED, sentence, log=log)
    return None

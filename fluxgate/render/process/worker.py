"""The child's side: one case in one process, from load to free, told in notes."""

from __future__ import annotations

import ctypes
import faulthandler
import gc
import io
import logging
import os
import re
import signal
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from fluxgate.amounts import amount
from fluxgate.files import write_whole
from fluxgate.pictures import hash_of
from fluxgate.render.measure.leftover_files import Litter
from fluxgate.render.process.determinism import ENVIRONMENT, draws, settle
from fluxgate.render.process.jobs import CaseJob, Job, function_named, unpacked
from fluxgate.render.process.notes import FILE, Note, Notebook
from fluxgate.render.process.vram_cap import cap
from fluxgate.rendering import LOAD, Crash, Duration, Picture
from fluxgate.strategies.promise import Site
from fluxgate.subjects.subject import Shot

LOGGERS = ("diffusers", "transformers", "accelerate", "bitsandbytes", "huggingface_hub", "torch")
MOST_WARNINGS = 200
LONGEST_WARNING = 500
STYLE = re.compile(r"\x1b\[[0-9;]*m")  # what makes a line bold on a terminal
LAST_LINES = 20
FROM_DIFFUSERS = ("FluxPipeline", "FluxTransformer2DModel", "AutoencoderKL", "FlowMatchEulerDiscreteScheduler")
FROM_TRANSFORMERS = ("CLIPTextModel", "T5EncoderModel", "CLIPTokenizer", "T5TokenizerFast")
PR_SET_PDEATHSIG = 1  # of Linux's prctl
TRITONS_OLDEST = (7, 0)  # capability of a GPU, as torch has it in torch.utils._triton
SIGNS_OF_CUDA = ("CUDA error", "CUBLAS_STATUS", "CUDNN_STATUS", "cuDNN error")
SIGNS_OF_A_FULL_GPU = ("CUDA out of memory", "CUDA error: out of memory", "CUBLAS_STATUS_ALLOC_FAILED")
SIGN_OF_A_FULL_HOST = "DefaultCPUAllocator: can't allocate"


def begin(data: bytes) -> int:
    """Do a packed job in this process, whose output goes to the case's log from here on; the exit code."""
    job, surroundings = unpacked(data)
    _redirect(job.folder / "log.txt")
    surroundings.enter()
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    _die_with_parent()
    faulthandler.enable()
    faulthandler.register(signal.SIGUSR1)  # the parent asks for a stack before it kills a worker that hangs
    notes = Notebook(job.folder / FILE)
    try:
        _do(job, notes.add)
        return 0
    except BaseException as error:
        traceback.print_exc()
        notes.add(Note(crash=crash_of(error, limit=job.vram_limit)))
        return 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()


def _do(job: Job, note: Callable[[Note], None]) -> None:
    if isinstance(job, CaseJob):
        work(job, note)
    else:
        from fluxgate.render.process import parts as elsewhere

        elsewhere.work(job, note)


def _die_with_parent() -> None:
    """Ask Linux to kill this process when the one that started it is gone: nothing renders for nobody."""
    prctl = getattr(ctypes.CDLL(None), "prctl", None)
    if prctl is not None:
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _redirect(log: Path) -> None:
    """Send all that this process prints, from C as well, to the log."""
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for number, source in ((0, nothing), (1, output), (2, output)):
        os.dup2(source, number)
    os.close(output)
    os.close(nothing)


def crash_of(error: BaseException, *, limit: int | None = None) -> Crash:
    """An exception as a crash, of the kind that a reader can act on; a GPU that was full under a limit names it."""
    first = (str(error).strip().splitlines() or [""])[0]
    name = type(error).__name__
    sentence = f"{name}: {first}" if first else name
    lines = traceback.format_exception(error)
    inner = getattr(error, "crash", None)  # of a process that did a part of the work
    if isinstance(inner, Crash):
        return replace(inner, sentence=sentence, phase=None)
    limit = limit if fills_gpu(error) else None
    if limit is not None:
        sentence = f"out of memory under the limit of {amount(limit)}: {sentence}"
    return Crash(kind_of(error), sentence, None, tuple("".join(lines).splitlines()[-LAST_LINES:]), limit)


def kind_of(error: BaseException) -> str:
    """The kind of crash that an exception is."""
    text = str(error)
    if fills_gpu(error) or isinstance(error, MemoryError) or SIGN_OF_A_FULL_HOST in text:
        return "out of memory"
    if type(error).__name__ == "AcceleratorError" or any(sign in text for sign in SIGNS_OF_CUDA):
        return "CUDA error"
    return "interrupted" if isinstance(error, KeyboardInterrupt) else "exception"


def fills_gpu(error: BaseException) -> bool:
    """Whether it is a GPU's memory that ran out, not the machine's."""
    return type(error).__name__ == "OutOfMemoryError" or any(sign in str(error) for sign in SIGNS_OF_A_FULL_GPU)


def work(job: CaseJob, note: Callable[[Note], None]) -> None:
    """Load, look, render, look again, free, measure what stayed."""
    load = function_named(job.load)
    note(Note(started=True, says="started"))
    import_libraries()
    from fluxgate.render.measure.meter import Meter
    from fluxgate.render.process.forkserver import standby
    from fluxgate.render.process.parts import Elsewhere
    from fluxgate.render.watch.probe import Probe

    link = standby()  # now: a process with a GPU, or with the meter's threads, must not be forked
    heard = Warnings()
    quieten()
    note(Note(determinism=settle(job.device), draws=draws()))
    cap(job.vram_limit)
    meter = Meter(job.device)
    probe = Probe(job.subject, meter=meter, announce=lambda phase: note(Note(phase=phase or "")))
    site = Site(job.subject, folder=job.source, device=job.device, scratch=job.scratch, watch=probe.watch)
    elsewhere = Elsewhere(site, probe=probe, link=link, vram_limit=job.vram_limit)

    _render_all(job, partial(load, replace(site, elsewhere=elsewhere)), probe, heard, note)
    elsewhere.close()
    meter.close()
    note(Note(memory=meter.after(), warnings=heard.new(), finished=True, says="finished"))


def _render_all(
    job: CaseJob, load: Callable[[], Any], probe: Any, heard: Warnings, note: Callable[[Note], None]
) -> None:
    """Everything for which the pipeline is alive."""
    litter = Litter(job.scratch)
    pipeline = _load(load, probe.meter, note)
    probe.watch(pipeline)
    probe.describe()
    probe.meter.loaded()
    note(Note(inventory=probe.inventory(), memory=probe.meter.memory()))
    first: dict[tuple[str, int], Picture] = {}
    for take, numbers in job.order():
        with ExitStack() as again:
            if take:
                again.enter_context(litter.growing())
                again.enter_context(probe.meter.growing())  # ends first, and collects what takes its files with it
            for number in numbers:
                _render(job, number, take, pipeline, probe, first, note)
                note(Note(inventory=probe.inventory(), memory=probe.meter.memory(), warnings=heard.new()))
    probe.look_after()
    probe.hash_states()
    probe.count_files(job.scratch)
    probe.count_litter(litter.left)
    note(Note(inventory=probe.inventory()))


def import_libraries() -> None:
    """Import what every pipeline needs, before any clock runs; in a forked worker this was done long ago."""
    import torch

    with answers_from_driver(torch):
        import accelerate  # noqa: F401
        import diffusers
        import transformers

        for name in FROM_DIFFUSERS:
            _touch(diffusers, name)
        for name in FROM_TRANSFORMERS:
            _touch(transformers, name)
    import PIL.PngImagePlugin  # noqa: F401

    import fluxgate.render.process.parts
    import fluxgate.render.watch.probe  # noqa: F401

    gc.collect()
    gc.freeze()  # a million objects that stay anyway: else every collection looks at them, for half a second


def _touch(library: Any, name: str) -> None:
    """Import what a library imports when it is asked for a name; one that it cannot give is missed where it is used."""
    with suppress(Exception):
        getattr(library, name)


@contextmanager
def answers_from_driver(torch: Any) -> Iterator[None]:
    """Let libraries learn the GPU's capability without initialising CUDA for it, after which nothing can be forked.

    While they are imported, bitsandbytes asks for it, and torchao asks torch whether triton can use it."""
    from fluxgate.machine import visible_gpus

    triton = _torchs_triton()
    known = [tuple(int(part) for part in gpu.capability.split(".")) for gpu in visible_gpus()]

    def capability(device: Any = None) -> tuple[int, ...]:
        index = getattr(device, "idx", device)
        return known[index if isinstance(index, int) and index >= 0 else 0]

    def has_triton() -> bool:
        return bool(triton.has_triton_package()) and max(known) >= TRITONS_OLDEST

    answers: list[tuple[Any, str, Callable[..., Any]]] = []
    answers += [(torch.cuda, "get_device_capability", capability)] if known else []
    answers += [(triton, "has_triton", has_triton)] if known and hasattr(triton, "has_triton_package") else []
    asked = [getattr(owner, name) for owner, name, _ in answers]
    for owner, name, answer in answers:
        setattr(owner, name, answer)
    try:
        yield
    finally:
        for (owner, name, _), before in zip(answers, asked, strict=True):
            setattr(owner, name, before)


def _torchs_triton() -> Any:
    """A module that is torch's own business, so a release may have it no longer; None then."""
    with suppress(ImportError):
        from torch.utils import _triton

        return _triton
    return None


def quieten() -> None:
    """Keep progress bars out of the log, whose last lines must tell why a worker died."""
    import diffusers
    import transformers

    diffusers.utils.logging.disable_progress_bar()
    transformers.utils.logging.disable_progress_bar()


def _load(load: Callable[[], Any], meter: Any, note: Callable[[Note], None]) -> Any:
    note(Note(phase=LOAD))
    meter.switch(LOAD)
    pipeline = load()
    meter.switch(None)
    spent = meter.take_spent()[LOAD]
    took = Duration(LOAD, spent.seconds, processor=spent.processor)
    note(Note(phase="", says=f"loaded in {spent.seconds:.1f} s", durations=(took,)))
    return pipeline


def _render(
    job: CaseJob,
    number: int,
    take: int,
    pipeline: Any,
    probe: Any,
    first: dict[tuple[str, int], Picture],
    note: Callable[[Note], None],
) -> None:
    """One take of one shot; `first` has the pictures of the first takes."""
    shots = job.subject.shots
    shot = shots[number]
    images, prints, durations = _take(pipeline, shot, take, probe)
    pictures = tuple(_keep(job.folder, shot, take, index, image, first) for index, image in enumerate(images))
    seconds = sum(duration.seconds for duration in durations)
    again = " again" if take else ""
    says = f"shot {number + 1}/{len(shots)} '{shot.name}'{again} in {seconds:.1f} s"
    note(Note(phase="", says=says, pictures=pictures, fingerprints=prints, durations=durations))


def _take(pipeline: Any, shot: Shot, take: int, probe: Any) -> tuple[list[Any], Any, Any]:
    import torch

    generator = torch.Generator("cpu").manual_seed(shot.seed)
    probe.begin(shot.name, take)
    images = list(pipeline(**shot.arguments(), generator=generator).images)
    prints, durations = probe.end()
    return images, prints, durations


def _keep(
    folder: Path, shot: Shot, take: int, index: int, image: Any, first: dict[tuple[str, int], Picture]
) -> Picture:
    """Write a picture, unless the first take gave the very same one."""
    sha256 = hash_of(np.asarray(image))
    original = first.get((shot.name, index))
    same = original is not None and original.sha256 == sha256
    file = original.file if original and same else f"{shot.name}-{index}{'-take' + str(take) if take else ''}.png"
    picture = Picture(shot.name, index, take, file, sha256, image.height, image.width, image.mode)
    if not same:
        stream = io.BytesIO()
        image.save(stream, "PNG", compress_level=1)
        write_whole(folder / file, stream.getvalue())
    first.setdefault((shot.name, index), picture)
    return picture


class Warnings(logging.Handler):
    """Collects what the libraries warn of, through Python's warnings and through their loggers."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._lines: dict[str, bool] = {}  # line -> already handed out
        warnings.simplefilter("default")
        self._show, warnings.showwarning = warnings.showwarning, self._warned
        for name in LOGGERS:
            logging.getLogger(name).addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        self._add(f"{record.name}: {record.getMessage()}")

    def _warned(self, message: Any, category: Any, *place: Any, **more: Any) -> None:
        self._show(message, category, *place, **more)
        self._add(f"{category.__name__}: {message}")

    def _add(self, line: str) -> None:
        if len(self._lines) < MOST_WARNINGS:
            self._lines.setdefault(STYLE.sub("", line)[:LONGEST_WARNING], False)

    def new(self) -> tuple[str, ...]:
        """What has come since the last time."""
        fresh = tuple(line for line, told in self._lines.items() if not told)
        self._lines = dict.fromkeys(self._lines, True)
        return fresh


if __name__ == "__main__":
    os._exit(begin(sys.stdin.buffer.read()))

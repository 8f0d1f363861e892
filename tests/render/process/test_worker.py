"""Tests of the worker's own parts, in this process; that it works as a process is tested with its parent."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from PIL import Image

from fluxgate.render.process import parts as elsewhere
from fluxgate.render.process import worker
from fluxgate.render.process.jobs import CaseJob, PartJob, name_of
from fluxgate.render.process.parts import PartDied
from fluxgate.render.process.worker import Warnings, crash_of, kind_of
from fluxgate.rendering import LOAD, Crash, Inventory, Picture
from tests.render import making


class OutOfMemoryError(RuntimeError):
    """Named as torch names its own."""


class AcceleratorError(RuntimeError):
    """Named as torch names its own."""


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ValueError("no"), "exception"),
        (MemoryError(), "out of memory"),
        (OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), "out of memory"),
        (RuntimeError("CUDA error: out of memory"), "out of memory"),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"), "out of memory"),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate"), "out of memory"),
        (RuntimeError("CUDA error: an illegal memory access was encountered"), "CUDA error"),
        (AcceleratorError("device-side assert triggered"), "CUDA error"),
        (RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"), "CUDA error"),
        (RuntimeError("CUDA error: CUBLAS_STATUS_EXECUTION_FAILED"), "CUDA error"),
        (KeyboardInterrupt(), "interrupted"),
    ],
)
def test_kinds_of_crashes(error: BaseException, kind: str) -> None:
    """What a reader would do about it differs, so the kind does."""
    assert kind_of(error) == kind


def test_a_crash_has_one_sentence() -> None:
    """The type and the first line; the type alone where there is no word; the traceback's end beside it."""
    assert crash_of(ValueError("one\ntwo")).sentence == "ValueError: one"
    assert crash_of(KeyError()).sentence == "KeyError"
    with pytest.raises(ValueError, match="no such thing") as raised:
        making.raises(None)  # type: ignore[arg-type]
    assert any("in raises" in line for line in crash_of(raised.value).last_lines)


def test_a_crash_of_a_part_is_told_with_its_own_kind() -> None:
    """What killed a process that did a part of the work is what killed the case."""
    error = RuntimeError("the process for the stage 'decode' died")
    error.crash = Crash("signal", "SIGSEGV", None, ("last", "words"))  # type: ignore[attr-defined]
    assert crash_of(error) == Crash("signal", f"RuntimeError: {error}", None, ("last", "words"))


def test_a_gpu_that_is_full_under_a_limit_names_it() -> None:
    """In the sentence and as a number, also where a part of the work was held to it; the kind stays."""
    error = OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")
    crash = crash_of(error, limit=12 * 10**9)
    assert (crash.kind, crash.limit) == ("out of memory", 12 * 10**9)
    assert crash.sentence == f"out of memory under the limit of 12.00 GB: OutOfMemoryError: {error}"
    part = PartDied("denoise", crash)
    again = crash_of(part, limit=12 * 10**9)
    assert again == replace(crash, sentence=f"PartDied: the process for the stage 'denoise' died: {crash.sentence}")


@pytest.mark.parametrize(
    "error", [MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate"), ValueError("no")]
)
def test_a_limit_of_the_gpu_is_not_blamed_for_anything_else(error: BaseException) -> None:
    """A machine without memory crashes with and without it."""
    crash = crash_of(error, limit=12 * 10**9)
    assert crash.limit is None
    assert "limit" not in crash.sentence


@pytest.mark.parametrize("module", [worker, elsewhere])
def test_a_process_is_capped_before_it_can_allocate(
    module: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The meter, which wakes the GPU, comes after the cap; the strategy and its parts come later still."""
    limits: list[int | None] = []

    class Woken(Exception):
        pass

    def wake(device: str) -> None:
        raise Woken

    monkeypatch.setattr("fluxgate.render.process.forkserver.standby", lambda: None)
    for name in ("import_libraries", "quieten", "Warnings", "settle"):
        monkeypatch.setattr(f"{module.__name__}.{name}", lambda *_: None)
    monkeypatch.setattr(f"{module.__name__}.cap", limits.append)
    monkeypatch.setattr("fluxgate.render.measure.meter.Meter", wake)
    whole = replace(job(tmp_path), vram_limit=5)
    part = PartJob(whole.load, {}, LOAD, whole.subject, "cpu", *[tmp_path] * 3, "one", 0, Inventory({}), 5)
    with pytest.raises(Woken):
        module.work(whole if module is worker else part, lambda note: None)
    assert limits == [5]


def job(tmp_path: Path) -> CaseJob:
    subject = making.case(making.full, making.ONE, making.FOUR).subject
    return CaseJob(name_of(making.full), subject, "cpu", tmp_path, tmp_path, tmp_path)


@pytest.fixture
def heard() -> Iterator[Warnings]:
    """A listener that leaves no trace."""
    with warnings.catch_warnings():
        found = Warnings()
        yield found
    for name in worker.LOGGERS:
        logging.getLogger(name).removeHandler(found)


def test_warnings_are_heard_once_and_handed_out_once(heard: Warnings) -> None:
    """Repeated ones say nothing new; what is below a warning is none."""
    for _ in range(3):
        logging.getLogger("transformers.modeling").warning("old weights")
    logging.getLogger("transformers.modeling").info("all is well")
    assert heard.new() == ("transformers.modeling: old weights",)
    assert heard.new() == ()
    logging.getLogger("accelerate").error("a hook is missing")
    assert heard.new() == ("accelerate: a hook is missing",)


def test_warnings_are_kept_without_their_colours(heard: Warnings) -> None:
    """They are read in files and reports."""
    logging.getLogger("transformers").warning("\x1b[1mT5 LOAD REPORT\x1b[0m: \x1b[31mMISSING\x1b[0m")
    assert heard.new() == ("transformers: T5 LOAD REPORT: MISSING",)


def test_a_flood_of_warnings_is_bounded(heard: Warnings) -> None:
    """In number and in length."""
    for number in range(worker.MOST_WARNINGS + 50):
        logging.getLogger("torch").warning("%d %s", number, "x" * 1000)
    told = heard.new()
    assert len(told) == worker.MOST_WARNINGS
    assert {len(line) for line in told} == {worker.LONGEST_WARNING}


def test_a_picture_is_written_unless_the_first_take_gave_it(tmp_path: Path) -> None:
    """Equal pictures share a file, others get one of their own."""
    first: dict[tuple[str, int], Picture] = {}
    grey, red = Image.new("RGB", (8, 4), "grey"), Image.new("RGB", (8, 4), "red")
    kept = [worker._keep(tmp_path, making.ONE, take, 0, image, first) for take, image in enumerate((grey, grey, red))]
    assert [picture.file for picture in kept] == ["one-0.png", "one-0.png", "one-0-take2.png"]
    assert (kept[0].height, kept[0].width, kept[0].mode) == (4, 8, "RGB")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one-0-take2.png", "one-0.png"]


def test_a_name_that_a_library_no_longer_has_is_missed_later() -> None:
    """Importing everything must not fail for what this case may not need."""
    worker._touch(SimpleNamespace(), "FluxPipeline")


def test_a_system_without_prctl_goes_without(monkeypatch: pytest.MonkeyPatch) -> None:
    """Outside of Linux a worker may outlive its parent; it works all the same."""
    monkeypatch.setattr("ctypes.CDLL", lambda name: SimpleNamespace())
    worker._die_with_parent()

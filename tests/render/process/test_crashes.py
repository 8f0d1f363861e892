"""Tests of exceptions as crashes: their kinds, and the line that names the cause."""

from __future__ import annotations

import errno
from dataclasses import replace
from typing import Any

import pytest
from PIL import Image

from fluxgate.refusal import Refusal
from fluxgate.render.process.calling import pictures_of
from fluxgate.render.process.crashes import crash_of, headline, kind_of, raised_in
from fluxgate.render.process.parts import PartDied
from fluxgate.rendering import Crash
from tests.render import making
from tests.wording import unsaid


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
        making.raises(None)  # type: ignore[arg-type]  # it looks at no site
    assert any("in raises" in line for line in crash_of(raised.value).last_lines)


def test_a_crash_of_a_part_is_told_with_its_own_kind() -> None:
    """What killed a process that did a part of the work is what killed the case."""
    error = RuntimeError("the process for the stage 'decode' died")
    error.crash = Crash("signal", "SIGSEGV", None, ("last", "words"))  # type: ignore[attr-defined]  # as the runner of parts adds it
    assert crash_of(error) == Crash("signal", f"RuntimeError: {error}", None, ("last", "words"))


def test_a_gpu_that_is_full_under_a_limit_names_it() -> None:
    """In the sentence and as a number, also where a part of the work was held to it; the kind stays."""
    error = OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")
    crash = crash_of(error, vram_limit=12 * 10**9)
    assert (crash.kind, crash.limit) == ("out of memory", 12 * 10**9)
    assert not unsaid(crash.sentence, "out of memory", "limit of 12.00 GB", str(error))
    part = PartDied("denoise", crash)
    again = crash_of(part, vram_limit=12 * 10**9)
    assert again == replace(crash, sentence=f"PartDied: the process for the stage 'denoise' died: {crash.sentence}")


@pytest.mark.parametrize(
    "error", [MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate"), ValueError("no")]
)
def test_a_limit_of_the_gpu_is_not_blamed_for_anything_else(error: BaseException) -> None:
    """A machine without memory crashes with and without it."""
    crash = crash_of(error, vram_limit=12 * 10**9)
    assert crash.limit is None
    assert "limit" not in crash.sentence


FOLLOWING = "Failed to import {} because of the following error (look up to see its traceback):"


def failed_import() -> RuntimeError:
    """As diffusers raises it, for a module within a module."""
    cause = ImportError("cannot import name 'X' from 'transformers' (/there)")
    inner = RuntimeError(f"{FOLLOWING.format('diffusers.loaders')}\n{cause}")
    outer = RuntimeError(f"{FOLLOWING.format('diffusers.pipelines')}\n{inner}")
    inner.__cause__, outer.__cause__ = cause, inner
    return outer


def raised_from_itself() -> ValueError:
    error = ValueError("again")
    error.__cause__ = error
    return error


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (failed_import(), "ImportError: cannot import name 'X' from 'transformers' (/there)"),
        (
            RuntimeError("Error(s) in loading state_dict for T5:\n\tsize mismatch for a\n\tsize mismatch for b"),
            "RuntimeError: size mismatch for a",
        ),
        (
            RuntimeError("CUDA error: no kernel image\nCompile with X to see"),
            "RuntimeError: CUDA error: no kernel image",
        ),
        (ImportError("\nFluxPipeline requires sentencepiece\n"), "ImportError: FluxPipeline requires sentencepiece"),
        (ValueError("see below:\n\nand here:\n"), "ValueError: and here:"),
        (Refusal("No such pipeline."), "No such pipeline."),
        (KeyError(), "KeyError"),
        (raised_from_itself(), "ValueError: again"),
    ],
)
def test_the_headline_is_the_line_that_names_the_cause(error: BaseException, line: str) -> None:
    """Neither one that announces it, nor the advice below it; and of the exception that said it first."""
    assert headline(error) == line


def test_a_pipeline_that_refuses_its_arguments_is_told() -> None:
    """By where it was raised: the catalogue may be wrong, and no library."""

    class Pipeline:
        def check_inputs(self, image: object, video: object) -> None:
            if image is not None and video is not None:
                raise ValueError("Pass either, not both.")

    with pytest.raises(ValueError, match="not both") as caught:
        Pipeline().check_inputs(1, 2)
    told = "ValueError: Pass either, not both; the pipeline's own check_inputs raised it: look at what the shot gives"
    assert headline(caught.value) == told


def test_a_package_that_is_not_installed_is_named() -> None:
    """Where a library imports it only if it is there, and uses its name all the same, as Wan does ftfy's."""
    for known, told in ({"is_ftfy_available": bool}, True), ({}, False):
        with pytest.raises(NameError) as caught:
            exec("ftfy.fix_text('')", dict(known))
        assert ("the package ftfy is not installed" in headline(caught.value)) is told


def test_a_refusal_comes_without_a_traceback() -> None:
    """It says all that there is to do."""
    assert crash_of(Refusal("No such pipeline.")).last_lines == ()
    assert crash_of(ValueError("x")).last_lines != ()


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_a_kind_of_its_own(number: int) -> None:
    """So is a full quota; any other error of a file is an exception."""
    assert kind_of(OSError(number, "full")) == "disk full"
    assert kind_of(RuntimeError("I/O error: No space left on device (os error 28)")) == "disk full"
    assert kind_of(OSError(errno.EACCES, "denied")) == "exception"


def through(*modules: str) -> BaseException:
    """An error that was raised in the last of these modules, each of which was called by the one before it."""
    code = "def call(*rest):\n    if rest:\n        rest[0](*rest[1:])\n    raise ValueError('no')\n"
    calls = []
    for name in modules:
        within: dict[str, Any] = {"__name__": name}
        exec(code, within)
        calls.append(within["call"])
    with pytest.raises(ValueError, match="no") as raised:
        calls[0](*calls[1:])
    return raised.value


def test_the_libraries_that_an_error_came_through_are_named() -> None:
    """The innermost first, each once, by the names that they are installed by; torch and we are not asked about."""
    error = through("fluxgate.x", "diffusers.a", "PIL.Image", "diffusers.b", "accelerate.hooks", "torch.nn")
    assert raised_in(error) == ("accelerate", "diffusers", "pillow")
    assert crash_of(error).raised_in == raised_in(error)
    assert raised_in(through("fluxgate.x", "torch.nn")) == ()


@pytest.mark.parametrize("output", [{"images": Image.new("RGB", (8, 8))}, {"latents": 1}], ids=["one", "none"])
def test_whose_output_it_is_is_named_where_it_has_no_list_of_pictures(output: dict[str, Any]) -> None:
    """The error comes through no library: it is raised where we look at what one has returned."""
    returned = type("Output", (), {"__module__": "diffusers.pipelines.flux"})()
    vars(returned).update(output)
    with pytest.raises(Refusal) as raised:
        pictures_of(returned)
    assert raised_in(raised.value) == ("diffusers",)


def test_what_an_error_was_raised_from_comes_first() -> None:
    """A library that only says that it could not go on is not who stopped."""
    error = through("diffusers.a")
    error.__cause__ = through("transformers.a")
    assert raised_in(error) == ("transformers", "diffusers")

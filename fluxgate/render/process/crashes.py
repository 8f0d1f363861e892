"""An exception as a crash: its kind, and one line that names the cause."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from dataclasses import replace

from fluxgate.amounts import amount
from fluxgate.files import is_disk_full
from fluxgate.machine import GATED
from fluxgate.refusal import Refusal
from fluxgate.render.process.calling import WrongOutput
from fluxgate.rendering import LAST_LINES, Crash, CrashKind

SIGNS_OF_CUDA = ("CUDA error", "CUBLAS_STATUS", "CUDNN_STATUS", "cuDNN error")
SIGNS_OF_A_FULL_GPU = ("CUDA out of memory", "CUDA error: out of memory", "CUBLAS_STATUS_ALLOC_FAILED")
SIGN_OF_A_FULL_HOST = "DefaultCPUAllocator: can't allocate"
SIGN_OF_A_FULL_DISK = "No space left on device"
CALLED_OTHERWISE = {"PIL": "pillow", "optimum": "optimum-quanto"}  # when they are imported
MOST_NAMES = 3
OWN_CHECK = "check_inputs"  # the method in which pipelines refuse what they are called with


def crash_of(error: BaseException, *, vram_limit: int | None = None) -> Crash:
    """An exception as a crash, of the kind that a reader can act on; a GPU that was full under a limit names it."""
    sentence = headline(error)
    within = getattr(error, "crash", None)  # of a process that did a part of the work
    if isinstance(within, Crash):
        return replace(within, sentence=sentence, phase=None)
    limit = vram_limit if fills_gpu(error) else None
    if limit is not None:
        sentence = f"out of memory under the limit of {amount(limit)}: {sentence}"
    # A refusal says all that there is to do; where it was raised in here helps nobody.
    lines = [] if isinstance(error, Refusal) else "".join(traceback.format_exception(error)).splitlines()
    return Crash(kind_of(error), sentence, None, tuple(lines[-LAST_LINES:]), limit, raised_in(error))


def kind_of(error: BaseException) -> CrashKind:
    """The kind of crash that an exception is."""
    text = str(error)
    if fills_gpu(error) or isinstance(error, MemoryError) or SIGN_OF_A_FULL_HOST in text:
        return CrashKind.OUT_OF_MEMORY
    if type(error).__name__ == "AcceleratorError" or any(sign in text for sign in SIGNS_OF_CUDA):
        return CrashKind.CUDA_ERROR
    if is_disk_full(error) or SIGN_OF_A_FULL_DISK in text:
        return CrashKind.DISK_FULL
    return CrashKind.INTERRUPTED if isinstance(error, KeyboardInterrupt) else CrashKind.EXCEPTION


def fills_gpu(error: BaseException) -> bool:
    """Whether it is a GPU's memory that ran out, not the machine's."""
    return type(error).__name__ == "OutOfMemoryError" or any(sign in str(error) for sign in SIGNS_OF_A_FULL_GPU)


def raised_in(error: BaseException) -> tuple[str, ...]:
    """The libraries that it came through, the innermost first: whoever raises it may have been called wrongly."""
    tracebacks = [cause.__traceback__ for cause in reversed(list(_causes(error)))]
    frames = [frame for each in tracebacks for frame in reversed([frame for frame, _ in traceback.walk_tb(each)])]
    modules = [str(frame.f_globals.get("__name__", "")).partition(".")[0] for frame in frames]
    modules += [error.library] if isinstance(error, WrongOutput) else []
    names = dict.fromkeys(CALLED_OTHERWISE.get(module, module) for module in modules)
    return tuple(name for name in names if name in GATED)[:MOST_NAMES]


def headline(error: BaseException) -> str:
    """The line of an exception that names the cause, with the type of the exception that said it first.

    transformers and diffusers raise 'Failed to import … because of the following error:', and below it the line of
    the exception that they caught. A refusal is a sentence already."""
    line = _telling_line(error)
    if isinstance(error, Refusal):
        return line
    origin = [each for each in _causes(error) if _telling_line(each) == line][-1]
    name = type(origin).__name__
    missing = _package_left_out(origin)
    more = f"; the package {missing} is not installed, and the library uses it all the same" if missing else ""
    more = more or (
        f"; the pipeline's own {OWN_CHECK} raised it: look at what the shot gives" if _refused(origin) else ""
    )
    line = line.rstrip(".") if more else line
    return f"{name}: {line}{more}" if line else name


def _refused(error: BaseException) -> bool:
    """Whether a pipeline has refused what it was called with, or could not make sense of it."""
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    return bool(frames) and frames[-1].f_code.co_name == OWN_CHECK


def _package_left_out(error: BaseException) -> str | None:
    """The package whose name is not defined where diffusers imports it `if is_NAME_available()`."""
    if not isinstance(error, NameError):
        return None
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    known = frames[-1].f_globals if frames else {}
    return error.name if f"is_{error.name}_available" in known else None


def _telling_line(error: BaseException) -> str:
    """The first line that does not only announce the next."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return next((line for line in lines if not line.endswith(":")), lines[-1] if lines else "")


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The exception, and each that the one before it was raised from."""
    cause: BaseException | None = error
    seen: set[int] = set()  # a library may have raised an exception from itself
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        yield cause
        cause = cause.__cause__

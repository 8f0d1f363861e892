"""The worker: a process that does one job, notes what it does, and says how it ended."""

from __future__ import annotations

import ctypes
import faulthandler
import os
import signal
import sys
import traceback
from contextlib import suppress
from pathlib import Path

from fluxgate.render.process.case_job import render_case
from fluxgate.render.process.crashes import crash_of
from fluxgate.render.process.determinism import VARIABLES
from fluxgate.render.process.jobs import CaseJob, unpacked
from fluxgate.render.process.notes import FILE, Note, Notebook
from fluxgate.render.process.part_job import do_part

PR_SET_PDEATHSIG = 1  # of Linux's prctl


def work(data: bytes) -> int:
    """Do a packed job in this process, whose output goes to the job's log from here on; the exit code."""
    job, surroundings = unpacked(data)
    _redirect_output(job.folder / "log.txt")
    surroundings.enter()
    for name, value in VARIABLES.items():
        os.environ.setdefault(name, value)
    _die_with_parent()
    faulthandler.enable()
    faulthandler.register(signal.SIGUSR1)  # the parent asks for a stack before it kills a worker that hangs
    notes = Notebook(job.folder / FILE)
    try:
        if isinstance(job, CaseJob):
            render_case(job, notes.add, work=work)
        else:
            do_part(job, notes.add)
        return 0
    except BaseException as error:
        with suppress(OSError):  # a disk that is full takes neither the traceback nor the note
            notes.add(Note(crash=crash_of(error, vram_limit=job.vram_limit)))
            traceback.print_exc()
        return 1
    finally:
        with suppress(OSError):
            sys.stdout.flush()
            sys.stderr.flush()


def _die_with_parent() -> None:
    """Ask Linux to kill this process when the one that started it is gone: nothing renders for nobody."""
    prctl = getattr(ctypes.CDLL(None), "prctl", None)
    if prctl is not None:
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _redirect_output(log: Path) -> None:
    """Send all that this process prints, from C as well, to the log."""
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for number, source in ((0, nothing), (1, output), (2, output)):
        os.dup2(source, number)
    os.close(output)
    os.close(nothing)

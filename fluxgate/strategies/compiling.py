"""The denoiser's blocks compiled by torch."""

from __future__ import annotations

import shutil
import sysconfig
from pathlib import Path
from typing import Any

from fluxgate.machine import Machine, Stack
from fluxgate.strategies.effects import DENOISER, GRAPHS, SUBJECT_DTYPE, UNCOMPILED, Counted, Setting, Stored, Unhooked
from fluxgate.strategies.promise import Promise, Site, strategy
from fluxgate.strategies.requirements import Release
from fluxgate.subjects.denoiser_class import denoiser_class
from fluxgate.subjects.subject import Subject

COMPILERS = {"cpu": ("g++", "clang++"), "cuda": ("gcc", "clang", "cc")}  # torch writes C++; for a GPU, Triton writes C


def compiler(subject: Subject, machine: Machine, stack: Stack) -> str | None:
    """A need: a compiler, and Python's headers, for what torch writes."""
    names = COMPILERS[machine.device]
    if not any(map(shutil.which, names)):
        return f"a C compiler is needed for what torch.compile writes; none of {', '.join(names)} is installed"
    if not Path(sysconfig.get_path("include"), "Python.h").is_file():
        return "Python's headers are needed for what torch.compile writes; Python.h is not installed"
    return None


def has_blocks(subject: Subject, machine: Machine, stack: Stack) -> str | None:
    """A need: a denoiser whose class names the blocks that are worth compiling by themselves."""
    known = denoiser_class(subject)
    if known is None or "_repeated_blocks" in known.attributes:
        return None
    return f"{known.name} does not say which of its blocks are compiled"


@strategy(
    Promise(
        stays=True,
        approximates="full",
        effects=(
            Setting("compiled", "on", of=DENOISER),
            Counted(GRAPHS, at_least=1),
            Counted(UNCOMPILED, at_most=0),
            Unhooked(),
            Stored(SUBJECT_DTYPE, spared=True),
        ),
    ),
    needs=(Release("diffusers", "0.35.0", to="compile a denoiser's blocks"), compiler, has_blocks),
    slow=True,
    compiles=True,
)
def compiled(site: Site) -> Any:
    """The denoiser's blocks compiled by torch, once for pictures of every size."""
    pipe = site.pipeline().to(site.device)
    denoiser = getattr(pipe, site.subject.denoiser)
    denoiser.compile_repeated_blocks(fullgraph=True, dynamic=True)
    site.count(UNCOMPILED, len(uncompiled(denoiser)))
    return pipe


def uncompiled(denoiser: Any) -> list[Any]:
    """Its blocks that were compiled neither whole nor in part, whatever its class says of which are worth it."""
    import torch

    lists = [child for child in denoiser.children() if isinstance(child, torch.nn.ModuleList)]
    blocks = [block for each in lists for block in each if type(block).__name__.endswith("TransformerBlock")]
    compiled = "_compiled_call_impl"
    return [block for block in blocks if all(getattr(part, compiled, None) is None for part in block.modules())]

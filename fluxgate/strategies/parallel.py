"""One pipeline on two GPUs at once: two processes call it alike, and share the work of its denoiser."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import weakref
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec

from fluxgate.machine import Machine, Stack
from fluxgate.pipeline_folder import MODEL_CONFIG, read_json
from fluxgate.rendering import DENOISE
from fluxgate.strategies.effects import DENOISER, RANKS, SHARED_WEIGHTS, Counted, Hooked
from fluxgate.strategies.promise import OtherWork, Promise, Site, strategy
from fluxgate.strategies.requirements import Gpu, Release, folder_of_weights
from fluxgate.strategies.staging import write_tensors
from fluxgate.subjects.denoiser_class import denoiser_class
from fluxgate.subjects.pipeline_class import pipeline_class
from fluxgate.subjects.subject import Subject
from fluxgate.subjects.weights import folder_at_hand

SIZE = 2  # processes, and GPUs
MASK_OF_TEXT = "prompt_embeds_mask"  # an argument of calls whose prompts are not padded to a fixed length
MASKS_OF_HEADS = "prepare_attention_mask"  # the method that makes a mask for each head
PATIENCE = timedelta(seconds=120)  # for the other process, before a collective call gives up
SECOND = (sys.executable, "-P", "-m", "fluxgate.strategies.second_rank")
TWO_GPUS = Gpu("two processes share the work, and diffusers asks torch for an accelerator for each", count=SIZE)
HALF = OtherWork("another process does its share", phases=(DENOISE,), operators=("",), flops=1.0)


@dataclass(frozen=True)
class Plan:
    """A need: a denoiser whose class says how it is shared."""

    attribute: str
    how: str

    def __call__(self, subject: Subject, machine: Machine, stack: Stack) -> str | None:
        known = denoiser_class(subject)
        if known is None or self.attribute in known.attributes:
            return None
        return f"{known.name} does not say how {self.how} in this release of diffusers"


def masks_for_all_heads(subject: Subject, machine: Machine, stack: Stack) -> str | None:
    """A need: no masks for all heads, of which each GPU has a part."""
    known = denoiser_class(subject)
    reader = known.calls.get(MASKS_OF_HEADS) if known else None
    return f"{reader} makes a mask for all heads, and each of {SIZE} GPUs has a part of them" if reader else None


def even_tokens(subject: Subject, machine: Machine, stack: Stack) -> str | None:
    """A need: prompts that are padded to a fixed length, or a release that shares any number of tokens."""
    release = Release("diffusers", "0.37.0", to="share prompts of any number of tokens")
    return release(subject, machine, stack) if has_prompts_of_any_length(subject) else None


def even_heads(subject: Subject, machine: Machine, stack: Stack) -> str | None:
    """A need: as many heads on either GPU."""
    folder = folder_at_hand(subject)
    heads = read_json(folder / subject.denoiser / MODEL_CONFIG).get("num_attention_heads") if folder else None
    if not isinstance(heads, int) or heads % SIZE == 0:
        return None
    return f"{heads} heads of {subject.denoiser} cannot be shared evenly by {SIZE} GPUs"


@strategy(
    Promise(
        stays=True,
        approximates="full",
        other_work=(HALF,),
        effects=(
            Hooked("ContextParallelSplitHook", of=DENOISER),
            Hooked("ContextParallelGatherHook", of=DENOISER),
            Counted(RANKS, at_least=SIZE),
        ),
    ),
    needs=(
        TWO_GPUS,
        Release("diffusers", "0.36.0", to="share the tokens of a picture"),
        Plan("_cp_plan", "its tokens are shared"),
        masks_for_all_heads,
        even_tokens,
    ),
    gpus=SIZE,
)
def context_parallel(site: Site) -> Any:
    """The tokens of a picture are shared by two GPUs, which exchange heads for attention (Ulysses)."""
    return Together(site, "context").begin()


@strategy(
    Promise(
        stays=True,
        approximates="full",
        other_work=(HALF,),
        less_memory_than="full",
        less_during=(DENOISE,),
        effects=(Counted(SHARED_WEIGHTS, at_least=1), Counted(RANKS, at_least=SIZE)),
    ),
    needs=(
        TWO_GPUS,
        Release("diffusers", "0.42.0", to="share the weights of a denoiser"),
        Plan("_tp_plan", "its weights are shared"),
        even_heads,
        folder_of_weights,
    ),
    gpus=SIZE,
)
def tensor_parallel(site: Site) -> Any:
    """The weights of the denoiser are shared by two GPUs, half of each matrix on either."""
    return Together(site, "tensor").begin()


@dataclass
class Together:
    """Called like the pipeline itself, it has another process call the same one with the same arguments."""

    site: Site
    kind: str  # "context" or "tensor"
    pipe: Any = None
    process: Any = None

    def begin(self) -> Together:
        """Start the other process, load, and meet it."""
        meeting = self.site.scratch / "meeting"
        self.process = second_process(self.site, self.kind, meeting)
        self._end = weakref.finalize(self, end, self.process)
        self.pipe = joined(self.site, self.kind, rank=0, meeting=meeting)
        self._answered()
        count(self.site, self.pipe)
        self.site.watch(self.pipe)
        return self

    def __call__(self, **arguments: Any) -> Any:
        with tempfile.TemporaryDirectory(prefix="call-", dir=self.site.scratch) as folder:
            file = Path(folder, "given.safetensors")
            plain = write_tensors(dict(arguments), file)
            self.process.stdin.write(json.dumps({"file": str(file), "plain": plain}) + "\n")
            self.process.stdin.flush()
            returned = self.pipe(**arguments)
            self._answered()
        return returned

    def _answered(self) -> None:
        """Wait until the other process is as far."""
        if self.process.stdout.readline().strip() != "done":
            raise RuntimeError(f"the second of two processes ended: exit code {self.process.wait()}")


def second_process(site: Site, kind: str, meeting: Path) -> Any:
    """It is told where to load from, and waits for calls; what it says beside goes where this process's words go."""
    package = str(Path(__file__).parents[2])
    paths = os.pathsep.join(filter(None, [package, os.environ.get("PYTHONPATH")]))
    process = subprocess.Popen(
        SECOND,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": paths},
    )
    assert process.stdin is not None
    order = {
        "subject": msgspec.to_builtins(site.subject),
        "folder": str(site.folder),
        "scratch": str(site.scratch),
        "device": site.device,
        "kind": kind,
        "meeting": str(meeting),
        "settings": settings(),
    }
    process.stdin.write(json.dumps(order) + "\n")
    process.stdin.flush()
    return process


def settings() -> dict[str, Any]:
    """What this process lets torch choose: the other one must choose alike."""
    import torch

    cudnn, matmul = torch.backends.cudnn, torch.backends.cuda.matmul
    return {
        "allow_tf32": cudnn.allow_tf32,
        "benchmark": cudnn.benchmark,
        "deterministic": cudnn.deterministic,
        "matmul": matmul.allow_tf32,
        "threads": torch.get_num_threads(),
    }


def joined(site: Site, kind: str, *, rank: int, meeting: Path) -> Any:
    """The pipeline on the GPU of this rank, with its denoiser's work shared."""
    import diffusers
    import torch
    import torch.distributed as distributed

    if site.device == "cuda":
        torch.cuda.set_device(rank)
    pipe = site.pipeline().to(site.device)
    backend = "nccl" if site.device == "cuda" else "gloo"
    distributed.init_process_group(
        backend, init_method=f"file://{meeting}", rank=rank, world_size=SIZE, timeout=PATIENCE
    )
    denoiser = getattr(pipe, site.subject.denoiser)
    if kind == "tensor":
        config = diffusers.TensorParallelConfig(tp_degree=SIZE)
    else:
        config = diffusers.ContextParallelConfig(ulysses_degree=SIZE, **uneven(site.subject, denoiser))
    denoiser.enable_parallelism(config=config)
    return pipe


def uneven(subject: Subject, denoiser: Any) -> dict[str, bool]:
    """Whether heads or tokens cannot be dealt out evenly, which diffusers must be told."""
    odd = getattr(denoiser.config, "num_attention_heads", 0) % SIZE
    return {"ulysses_anything": True} if odd or has_prompts_of_any_length(subject) else {}


def has_prompts_of_any_length(subject: Subject) -> bool:
    """Whether the pipeline leaves a prompt as long as it is, and pads it to no fixed length."""
    known = pipeline_class(subject.pipeline)
    return known is not None and MASK_OF_TEXT in known.takes


def count(site: Site, pipe: Any) -> None:
    """How many processes take part, and how many weights they share."""
    import torch.distributed as distributed

    shared = [
        name
        for name, weight in getattr(pipe, site.subject.denoiser).named_parameters()
        if type(weight.data).__name__ == "DTensor" or type(weight).__name__ == "DTensor"
    ]
    site.count(RANKS, distributed.get_world_size())
    site.count(SHARED_WEIGHTS, len(shared))


def end(process: Any) -> None:
    """Let the other process go, and leave the group of the two."""
    import torch.distributed as distributed

    process.stdin.close()
    if distributed.is_initialized():
        distributed.destroy_process_group()
    try:
        process.wait(timeout=10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    process.stdout.close()

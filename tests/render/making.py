"""Cases for the tests of rendering: small shots, and strategies that load a pipeline or die of trying."""

from __future__ import annotations

import ctypes
import gc
import mmap
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from fluxgate.cases import Case
from fluxgate.rendering import DENOISE
from fluxgate.strategies.promise import Promise, Site, Strategy
from fluxgate.subjects.subject import Shot, Subject

ONE = Shot("one", ("a red circle",), seed=1, height=128, width=128, steps=2, guidance=3.5, max_sequence_length=64)
FOUR = Shot(
    "four",
    ("a dog", "a tree"),
    seed=2,
    height=128,
    width=128,
    steps=3,
    guidance=3.5,
    max_sequence_length=64,
    pictures_per_prompt=2,
)


def case(load: Callable[[Site], Any], *shots: Shot, device: str = "cpu") -> Case:
    """A case of a small subject under a strategy that is this function."""
    name = load.__name__.replace("_", "-")
    strategy = Strategy(name, "test", name, load, Promise(), runs_anywhere)
    return Case(Subject("small", "a small pipeline", "folder:.", shots or (ONE,)), strategy, device)


def runs_anywhere(*_: Any) -> str | None:
    return None


def full(site: Site) -> Any:
    return site.pipeline().to(site.device)


def model_offload(site: Site) -> Any:
    pipeline = site.pipeline()
    pipeline.enable_model_cpu_offload(device=site.device)
    return pipeline


def raises(site: Site) -> Any:
    print("about to raise")
    raise ValueError("no such thing\nsecond line")


def segfaults(site: Site) -> Any:
    ctypes.string_at(0)


def kills_itself(site: Site) -> Any:
    os.kill(os.getpid(), signal.SIGKILL)


def leaves(site: Site) -> Any:
    os._exit(3)


def leaves_in_silence(site: Site) -> Any:
    os._exit(0)


def hangs(site: Site) -> Any:
    """Hangs, with a child that hangs too and whose process id is on disk."""
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    (site.scratch.parent / "child.txt").write_text(str(child.pid))
    time.sleep(600)


def takes_all_memory(site: Site) -> Any:
    import resource

    limit = 3 << 30
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    return bytearray(limit)


def takes_all_tensor_memory(site: Site) -> Any:
    import torch

    return torch.empty(1 << 50, dtype=torch.uint8)


def fills_a_gpu(site: Site) -> Any:
    """What torch says where a GPU is full."""
    raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 79.10 GiB")


def fills_a_gpu_in_a_part(site: Site) -> Any:
    assert site.part_runner is not None
    site.part_runner.run(DENOISE, fills_a_gpu)


def prints_from_c(site: Site) -> Any:
    libc = ctypes.CDLL(None)
    libc.puts(b"a line from C")
    libc.fflush(None)
    raise ValueError("enough")


def draws_and_prints(site: Site) -> Any:
    """A strategy that draws, collects garbage and asks for a server while it loads, and prints in each call."""
    import torch

    gc.collect()
    with socket.socket() as one:
        one.connect_ex(("127.0.0.1", 9))

    pipe = full(site)
    torch.rand(1)
    inner = pipe.encode_prompt

    def printing(*args: Any, **kwargs: Any) -> Any:
        print("encoding")
        return inner(*args, **kwargs)

    pipe.encode_prompt = printing
    return pipe


def warns(site: Site) -> Any:
    import logging

    warnings.warn("the ice is thin", stacklevel=1)
    logging.getLogger("diffusers.somewhere").warning("so is the air")
    return site.pipeline()


class WarnsOfFewSteps:
    """A pipeline that warns of calls for other steps than a shot has: those that are no shots."""

    def __init__(self, pipeline: Any) -> None:
        self.pipeline = pipeline
        self.components = pipeline.components

    def __call__(self, **arguments: Any) -> Any:
        if arguments["num_inference_steps"] != ONE.steps:
            warnings.warn("invalid value encountered in cast", RuntimeWarning, stacklevel=1)
        return SimpleNamespace(images=self.pipeline(**arguments).images)


def warns_of_few_steps(site: Site) -> Any:
    pipeline = site.pipeline()
    site.watch(pipeline)
    return WarnsOfFewSteps(pipeline)


class DiesInTheCall:
    """A pipeline that renders once and raises when it is called again."""

    def __init__(self, pipeline: Any) -> None:
        self.pipeline = pipeline
        self.components = pipeline.components
        self.calls = 0

    def __call__(self, **arguments: Any) -> Any:
        self.calls += 1
        images = self.pipeline(**arguments).images
        if self.calls == 2:
            raise RuntimeError("CUDA error: an illegal memory access was encountered")
        return SimpleNamespace(images=images)


def dies_in_the_second_call(site: Site) -> Any:
    pipeline = site.pipeline()
    site.watch(pipeline)
    return DiesInTheCall(pipeline)


class Staged:
    """Loads what a stage needs, and frees it before the next."""

    def __init__(self, site: Site) -> None:
        self.site = site

    def __call__(self, *, prompt: Any, max_sequence_length: int, **arguments: Any) -> Any:
        import torch

        encoder = self.site.pipeline(transformer=None, vae=None)
        self.site.watch(encoder)
        with torch.no_grad():
            embeds, pooled, _ = encoder.encode_prompt(prompt, None, max_sequence_length=max_sequence_length)
        del encoder
        gc.collect()
        nothing = dict.fromkeys(("text_encoder", "text_encoder_2", "tokenizer", "tokenizer_2"))
        rest = self.site.pipeline(**nothing)
        self.site.watch(rest)
        return rest(prompt_embeds=embeds, pooled_prompt_embeds=pooled, **arguments)


def staged(site: Site) -> Any:
    return Staged(site)


def draws_on_its_own(site: Site) -> Any:
    """A pipeline whose pictures depend on a clock."""
    pipeline = site.pipeline()
    vae = pipeline.vae
    inner = vae.decoder.forward
    vae.decoder.forward = lambda sample: inner(sample + float(time.perf_counter_ns() % 1000) / 1000)
    return pipeline


def leaves_a_file_a_call(site: Site) -> Any:
    """A temporary file that nobody takes away."""
    pipeline = site.pipeline()
    inner = pipeline.vae.decoder.forward

    def forward(sample: Any) -> Any:
        os.close(tempfile.mkstemp(dir=site.scratch.parent)[0])
        return inner(sample)

    pipeline.vae.decoder.forward = forward
    return pipeline


KEPT: list[Any] = []


class Kept:
    """An object that a call leaves."""

    def __init__(self, number: int) -> None:
        self.number = number


def leaves_a_megabyte_a_call(site: Site) -> Any:
    """Outside of tensors: a buffer, objects, a file and a mapping, as a codec or a tokenizer might."""
    pipeline = site.pipeline()
    inner = pipeline.vae.decoder.forward

    def forward(sample: Any) -> Any:
        file = os.open(os.devnull, os.O_RDONLY)
        KEPT.append((file, bytearray(1 << 20), mmap.mmap(-1, 1 << 20), [Kept(number) for number in range(4000)]))
        return inner(sample)

    pipeline.vae.decoder.forward = forward
    return pipeline

"""Weights in another dtype than the subject's: all of them wider, or the denoiser's narrower than it computes in."""

from __future__ import annotations

from functools import partial
from typing import Any

from fluxgate.machine import Machine, Stack
from fluxgate.strategies.coarse import coarse_float8
from fluxgate.strategies.effects import DENOISER, STAYING, SUBJECT_DTYPE, Cast, Hooked, Placed, Setting, Stored
from fluxgate.strategies.layer_use import wide_outside
from fluxgate.strategies.offloading import ONCE
from fluxgate.strategies.promise import OtherWork, Promise, Site, strategy
from fluxgate.strategies.requirements import OtherDtype, Twice, unquantized
from fluxgate.subjects.pipeline_class import pipeline_class
from fluxgate.subjects.subject import Subject

CAST = (
    Hooked("LayerwiseCastingHook", of=DENOISER, at_least=2),
    Cast("float8_e4m3fn", of=DENOISER),
    Setting("storage_dtype", "float8_e4m3fn", of=DENOISER),
    Setting("casting_compute_dtype", SUBJECT_DTYPE, of=DENOISER),
)


def noise_apart(subject: Subject, machine: Machine, stack: Stack) -> str | None:
    """A need of another dtype: noise that can be drawn in the subject's own, in a method of its own."""
    installed = pipeline_class(subject.pipeline)
    if installed is None or "prepare_latents" in installed.methods:
        return None
    return f"the call of {subject.pipeline} draws its noise itself, and draws other noise in float32"


float8_promise = partial(Promise, changes_weights=True, control=coarse_float8.name)


@strategy(
    Promise(
        stays=True,
        other_work=(OtherWork("float32 has kernels of its own", operators=("",), flops=0.05),),
        approximates="full",
        effects=(Stored("float32"),),
        changes_weights=True,
    ),
    needs=(OtherDtype("float32", like="full"), noise_apart, Twice("float32 takes twice the memory"), unquantized),
    noise="float32",
    slow=True,
)
def full_float32(site: Site) -> Any:
    """Everything on the device in float32: twice as large, and nearly the same to the pixel on every machine."""
    import torch

    return site.pipeline(dtype=torch.float32, noise=torch.float32).to(site.device)


@strategy(
    float8_promise(stays=True, approximates="full", less_memory_than="full", effects=CAST),
    needs=(unquantized, wide_outside),
)
def fp8_layerwise(site: Site) -> Any:
    """The denoiser's layers are stored in float8 and widened for their own forward."""
    return cast(site).to(site.device)


@strategy(
    float8_promise(
        moves=ONCE,
        reproduces="fp8-layerwise",
        less_memory_than="fp8-layerwise",
        effects=(*CAST, Hooked("CpuOffload", but=STAYING), Placed("cpu", but=STAYING)),
    ),
    needs=(unquantized, wide_outside),
)
def fp8_layerwise_model_offload(site: Site) -> Any:
    """As fp8-layerwise, with whole components waiting on the CPU."""
    pipe = cast(site)
    pipe.enable_model_cpu_offload(device=site.device)
    return pipe


def cast(site: Site) -> Any:
    import torch

    pipe = site.pipeline()
    denoiser = getattr(pipe, site.subject.denoiser)
    denoiser.enable_layerwise_casting(storage_dtype=torch.float8_e4m3fn, compute_dtype=site.dtype)
    return pipe

"""Denoising that uses again what an earlier step computed."""

from __future__ import annotations

import weakref
from dataclasses import dataclass
from typing import Any

from fluxgate.machine import Machine, Stack
from fluxgate.miniature.given import FIRST_BLOCK_CACHE, FORETELLING_CACHE, REPEATING_CACHE
from fluxgate.rendering import DENOISE
from fluxgate.strategies.effects import DENOISER, REUSED, SUBJECT_DTYPE, Counted, Hooked, Stored
from fluxgate.strategies.promise import OtherWork, Promise, Site, strategy
from fluxgate.strategies.requirements import Release
from fluxgate.subjects.denoiser_class import denoiser_class
from fluxgate.subjects.pipeline_class import pipeline_class
from fluxgate.subjects.subject import Subject

THRESHOLD = 0.2  # of the first block's change, beside what it gave before: the one of diffusers' own example
ALIKE = 8  # steps of a shot of which some are alike enough: of four none was, of eight two
ATTENTIONS = r"\w*blocks\.\d+\.attn\d?"  # in full; diffusers' own pattern overlooks attn1 and attn2
UNEVEN = ("Flux2Transformer2DModel",)
LAST_LAYER = "to_q"  # of the last block's attention: what is not called there was answered from memory
LESS_WORK = OtherWork("what an earlier step computed is used again", phases=(DENOISE,), operators=("",), flops=1.0)


def caches(subject: Subject, machine: Machine, stack: Stack) -> str | None:
    """A need: a denoiser whose class can be told to use again what it computed."""
    known = denoiser_class(subject)
    if known is None or any(base.endswith("CacheMixin") for base in known.bases):
        return None
    return f"{known.name} has no cache in this release of diffusers"


@dataclass(frozen=True)
class Mentioned:
    """A pipeline whose call does its part: it says which call of the denoiser this is, or what time it is."""

    attribute: str
    to: str  # completes "does not ..."

    def __call__(self, subject: Subject, machine: Machine, stack: Stack) -> str | None:
        installed = pipeline_class(subject.pipeline)
        if installed is None or self.attribute in installed.mentions:
            return None
        return f"the call of {subject.pipeline} does not {self.to} in this release of diffusers"


@dataclass(frozen=True)
class Steps:
    """A shot of so many steps, or none that says how many it takes."""

    least: int

    def __call__(self, subject: Subject, machine: Machine, stack: Stack) -> str | None:
        steps = [len(shot.sigmas or ()) or shot.steps for shot in subject.shots_for(machine.device)]
        most = max((number or self.least for number in steps), default=self.least)
        if most >= self.least:
            return None
        return f"a shot of {self.least} steps is needed, of which some can be left out; the longest has {most}"


def alike_blocks(subject: Subject, machine: Machine, stack: Stack) -> str | None:
    """A need of the cache that compares what the first block gives with what the last one does."""
    known = denoiser_class(subject)
    if known is None or known.name not in UNEVEN:
        return None
    return (
        f"the first block of {known.name} gives two tensors and the last one gives one, which diffusers cannot subtract"
    )


CONTEXT = Mentioned("cache_context", to="tell a cache which call of the denoiser it is")
TIME = Mentioned("_current_timestep", to="tell a cache what time it is")


def one_call(subject: Subject, machine: Machine, stack: Stack) -> str | None:
    """A need: one call of the denoiser in each step; where guidance takes another one, what one gave answers both."""
    if subject.calls_per_step == 1:
        return None
    return (
        f"{subject.pipeline} may call its denoiser twice in a step, and diffusers answers either call with what the "
        "other gave; where it does not, let the subject say calls_per_step = 1"
    )


def reusing(hook: str, *, computed_as: str | None = None) -> Promise:
    """What all of them promise: fewer calls of the blocks, by hooks of their own, and no other weights."""
    return Promise(
        stays=True,
        approximates="full",
        computed_as=computed_as,
        other_work=(LESS_WORK,),
        effects=(Hooked(hook, of=DENOISER), Counted(REUSED, at_least=1), Stored(SUBJECT_DTYPE, spared=True)),
    )


@strategy(
    reusing("FBCHeadBlockHook", computed_as=FIRST_BLOCK_CACHE),
    needs=(
        Release("diffusers", "0.35.0", to="watch a denoiser's first block"),
        caches,
        CONTEXT,
        alike_blocks,
        Steps(ALIKE),
    ),
)
def first_block_cache(site: Site) -> Any:
    """If the first block gives nearly the same as before, the others are skipped: TeaCache's idea."""
    return cached(site, "FirstBlockCacheConfig", threshold=THRESHOLD)


@strategy(
    reusing("TaylorSeerCacheHook", computed_as=FORETELLING_CACHE),
    needs=(Release("diffusers", "0.36.0", to="foretell what an attention gives"), caches, CONTEXT, Steps(3)),
)
def taylorseer_cache(site: Site) -> Any:
    """In every other step, the outputs of attentions are extrapolated from the steps before."""
    return cached(
        site, "TaylorSeerCacheConfig", cache_interval=2, disable_cache_before_step=2, cache_identifiers=[ATTENTIONS]
    )


@strategy(
    reusing("PyramidAttentionBroadcastHook", computed_as=REPEATING_CACHE),
    needs=(caches, TIME, one_call, Steps(2)),
)
def pyramid_attention_broadcast(site: Site) -> Any:
    """In every other step of the middle, the outputs of attentions are those of the step before."""
    return cached(site, "PyramidAttentionBroadcastConfig", spatial_attention_block_skip_range=2)


def cached(site: Site, configuration: str, **settings: Any) -> Any:
    """The pipeline with its denoiser told to use again what it computed, and each call answered so counted."""
    import diffusers

    pipe = site.pipeline().to(site.device)
    denoiser = getattr(pipe, site.subject.denoiser)
    if configuration == "PyramidAttentionBroadcastConfig":
        settings["current_timestep_callback"] = timestep_of(pipe)
    denoiser.enable_cache(getattr(diffusers, configuration)(**settings))
    count_reused(denoiser, site)
    return pipe


def timestep_of(pipe: Any) -> Any:
    """What tells the time of the running step, and keeps no pipeline alive."""
    reference = weakref.ref(pipe)
    return lambda: getattr(reference(), "_current_timestep", None)


def count_reused(denoiser: Any, site: Site) -> None:
    """Count the calls of the denoiser in which its last attention was not computed."""
    asked, computed = Tally(), Tally()
    layers = [part for name, part in denoiser.named_modules() if name.rpartition(".")[2] == LAST_LAYER]

    def ends(*_: Any) -> None:
        asked.number += 1
        site.count(REUSED, asked.number - computed.number)

    def computes(*_: Any) -> None:
        computed.number += 1

    layers[-1].register_forward_pre_hook(computes)
    denoiser.register_forward_hook(ends)


@dataclass
class Tally:
    """How often something happened."""

    number: int = 0

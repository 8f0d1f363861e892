"""Suspects: the libraries that can have done what the inventory, or a rendering by itself, shows."""

from __future__ import annotations

import re
from collections.abc import Iterable

from fluxgate.compare.stages import StageDifference, suspects
from fluxgate.rendering import Inventory
from fluxgate.strategies import effects
from fluxgate.strategies.promise import Effect
from fluxgate.subjects.subject import Subject

DIFFUSERS, TRANSFORMERS, ACCELERATE, BITSANDBYTES = "diffusers", "transformers", "accelerate", "bitsandbytes"
HOOKS = {
    "AlignDevicesHook": (ACCELERATE,),
    "CpuOffload": (DIFFUSERS, ACCELERATE),
    "GroupOffloadingHook": (DIFFUSERS,),
    "LayerwiseCastingHook": (DIFFUSERS,),
}
SUSPECTED = re.compile(r"[Mm]ost likely (.+?)\.(?:\s|$)")
OF_QUANTIZED_LAYERS = ("compute_dtype", "quant_type", "double_quant", "threshold")  # settings


def most_likely(names: Iterable[str]) -> str:
    """`Most likely diffusers or accelerate.`; nothing where nobody is suspected."""
    each = dict.fromkeys(names)
    return f"Most likely {' or '.join(each)}." if each else ""


def suspected_in(sentence: str) -> str | None:
    """Whom a verdict's sentence says it most likely was; None where it names nobody."""
    found = SUSPECTED.search(sentence)
    return found[1] if found else None


def movers(inventory: Inventory | None) -> list[str]:
    """The libraries whose hooks move weights in this case, beside diffusers."""
    hooks = {name for part in (inventory.components.values() if inventory else ()) for name in part.hooks}
    return [ACCELERATE] if hooks & {"AlignDevicesHook", "CpuOffload", "UserCpuOffloadHook"} else []


def loader_of(component: str, subject: Subject) -> str:
    """The library that loads a component."""
    return TRANSFORMERS if component in subject.encoders else DIFFUSERS


def of_effects(missing: Iterable[tuple[Effect, str]], subject: Subject) -> str:
    """Who most likely kept a strategy's effects from showing; each effect comes with what was missing of it."""
    return most_likely(name for effect, told in missing for name in _of_effect(effect, told.partition(":")[0], subject))


def _of_effect(effect: Effect, component: str, subject: Subject) -> tuple[str, ...]:
    if isinstance(effect, effects.Hooked):
        return HOOKS.get(effect.hook, (DIFFUSERS, ACCELERATE))
    if isinstance(effect, effects.Unhooked | effects.Placed | effects.Spread):
        return (DIFFUSERS, ACCELERATE)
    layers = isinstance(effect, effects.Layers | effects.Quantized)
    if layers or (isinstance(effect, effects.Setting) and effect.name in OF_QUANTIZED_LAYERS):
        return (BITSANDBYTES, loader_of(component, subject))
    if isinstance(effect, effects.Stored) and not effect.dtype.startswith("float8"):
        return (loader_of(component, subject),)
    known = isinstance(effect, effects.Stored | effects.Setting | effects.Counted | effects.OneStageAtATime)
    return (DIFFUSERS,) if known else ()  # nobody knows who makes an effect of one's own


def of_stage(stage: str, subject: Subject, inventory: Inventory | None) -> str:
    """Who works in a stage."""
    return f"Most likely {suspects(StageDifference('', stage, None, None), subject=subject, inventory=inventory)}."

"""Suspects: the libraries that can have done what a stage, the inventory or a rendering by itself shows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from fluxgate.compare.stages import AFTERWARDS, CALL, ENCODER, FINISHED, TOKENIZER, StageDifference
from fluxgate.machine import public_version
from fluxgate.rendering import (
    CLIP_TOKENS,
    DECODE,
    DECODED,
    DENOISE,
    ENCODE,
    LAST_LATENTS,
    LEVELS,
    OF_TEXTS,
    PICTURE,
    POOLED,
    T5,
    T5_TOKENS,
    Component,
    Inventory,
    is_after_step,
    is_callers,
    is_output,
    without_call,
)
from fluxgate.strategies import effects
from fluxgate.strategies.promise import Effect
from fluxgate.subjects.subject import Subject

DIFFUSERS, TRANSFORMERS, ACCELERATE, BITSANDBYTES = "diffusers", "transformers", "accelerate", "bitsandbytes"
TORCH = "torch"
HOOKS = {
    "AlignDevicesHook": (ACCELERATE,),
    "CpuOffload": (DIFFUSERS, ACCELERATE),
    "GroupOffloadingHook": (DIFFUSERS,),
    "LayerwiseCastingHook": (DIFFUSERS,),
}
HOOKS_OF_ACCELERATE = {"AlignDevicesHook", "CpuOffload", "SequentialHook", "UserCpuOffloadHook"}
MOST_LIKELY = "Most likely"  # begins the sentence that names them
OR = " or "  # between suspects
QUANTIZING = "the quantizing library"  # of which nobody knows the name
PEFT = "peft"
QUANTIZERS = {  # by how the names of their layers begin
    "Linear4bit": BITSANDBYTES,
    "Linear8bit": BITSANDBYTES,
    "LinearNF4": BITSANDBYTES,
    "LinearFP4": BITSANDBYTES,
    "QLinear": "optimum-quanto",
    "GGUFLinear": "gguf",
}
ADAPTER = "adapter"  # begins the names of settings that tell of one
OF_QUANTIZED_LAYERS = ("compute_dtype", "quant_type", "double_quant", "threshold")  # settings


def joined(names: Iterable[str]) -> str:
    """`diffusers or accelerate`, each once."""
    return OR.join(dict.fromkeys(names))


def most_likely(suspects: str) -> str:
    """`Most likely diffusers or accelerate.`; nothing where nobody is suspected."""
    return f"{MOST_LIKELY} {suspects}." if suspects else ""


def of_another_release(suspects: str, *, accepted: Mapping[str, str], now: Mapping[str, str]) -> tuple[str, ...]:
    """`transformers 5.17.0 → 5.23.0`, of those suspects whose release is not the accepted one."""
    names = dict.fromkeys(each.partition("'")[0] for each in suspects.split(OR))  # diffusers' scheduler is diffusers
    known = [name for name in names if name in accepted and name in now]
    releases = [(name, public_version(accepted[name]), public_version(now[name])) for name in known]
    return tuple(f"{name} {old} → {new}" for name, old, new in releases if old != new)


# By the inventory


def movers(inventory: Inventory | None) -> list[str]:
    """The libraries whose hooks move weights in this case, beside diffusers."""
    hooks = {name for part in (inventory.components.values() if inventory else ()) for name in part.hooks}
    return [ACCELERATE] if hooks & HOOKS_OF_ACCELERATE else []


def loader_of(component: str, subject: Subject) -> str:
    """The library that loads a component."""
    return TRANSFORMERS if component in subject.encoders else DIFFUSERS


def quantizer_of(component: Component | None) -> str | None:
    """The library that has quantized a component's layers; None where none are quantized."""
    if component is None:
        return None
    known = next((one for name in component.module_classes if (one := _quantizer_of_layers(name)) is not None), None)
    return known or (component.said.get("quantizer", QUANTIZING) if component.quantized_bytes else None)


def quantizers_of(inventory: Inventory | None) -> list[str]:
    """The libraries that have quantized layers in this case."""
    named = (quantizer_of(part) for part in (inventory.components.values() if inventory else ()))
    return list(dict.fromkeys(name for name in named if name is not None))


def of_whole_case(inventory: Inventory | None) -> list[str]:
    """The libraries that load, move, quantize or compute anything in this case, torch apart."""
    parts = inventory.components.values() if inventory else ()
    adapters = [name for part in parts for name in adapter_of(part)]
    return [DIFFUSERS, TRANSFORMERS, *movers(inventory), *quantizers_of(inventory), *adapters]


def of_phase(phases: Iterable[str], subject: Subject, inventory: Inventory | None) -> list[str]:
    """Whose work it is that is done in these phases: pipelines and denoisers are diffusers', encoders transformers'.
    What loads, or is no phase, may be anybody's."""
    names = set(phases)
    if not names <= {ENCODE, DENOISE, DECODE}:
        return of_whole_case(inventory)
    encodes, components = ENCODE in names and DENOISE not in names, inventory.components if inventory else {}
    computing = subject.encoders if encodes else (subject.denoiser,)
    narrow = [name for each in computing if (name := quantizer_of(components.get(each))) is not None]
    return [DIFFUSERS, *([TRANSFORMERS] if encodes else []), *narrow, *movers(inventory)]


def _quantizer_of_layers(name: str) -> str | None:
    """The library whose class of layers has such a name."""
    return next((library for begins, library in QUANTIZERS.items() if name.startswith(begins)), None)


def adapter_of(component: Component | None) -> list[str]:
    """The library that computes an adapter beside a component's layers, where there is one."""
    adapted = component is not None and any(name.startswith(ADAPTER) for name in component.settings)
    return [PEFT] if adapted else []


def of_effects(missing: Iterable[tuple[Effect, str]], subject: Subject) -> str:
    """Who most likely kept a strategy's effects from showing; each effect comes with what was missing of it."""
    return joined(name for effect, told in missing for name in _of_effect(effect, told.partition(":")[0], subject))


def _of_effect(effect: Effect, component: str, subject: Subject) -> tuple[str, ...]:
    if isinstance(effect, effects.Hooked):
        return HOOKS.get(effect.hook, (DIFFUSERS, ACCELERATE))
    if isinstance(effect, effects.Unhooked | effects.Placed | effects.Spread):
        return (DIFFUSERS, ACCELERATE)
    if isinstance(effect, effects.Layers | effects.Quantized):
        layers = effect.layer if isinstance(effect, effects.Layers) else ""
        return (_quantizer_of_layers(layers) or QUANTIZING, loader_of(component, subject))
    if isinstance(effect, effects.Setting) and effect.name in OF_QUANTIZED_LAYERS:
        return (BITSANDBYTES, loader_of(component, subject))
    if isinstance(effect, effects.Setting) and effect.name.startswith(ADAPTER):
        return (DIFFUSERS, PEFT)
    if isinstance(effect, effects.Stored) and not effect.dtype.startswith("float8"):
        return (loader_of(component, subject),)
    known = isinstance(effect, effects.Stored | effects.Setting | effects.Counted | effects.OneStageAtATime)
    return (DIFFUSERS,) if known else ()  # nobody knows who makes an effect of one's own


# By the stage at which pictures first differ


def of_stage(stage: str, subject: Subject, inventory: Inventory | None) -> str:
    """Who works in a stage."""
    return of_difference(StageDifference("", stage, None, None), subject=subject, inventory=inventory)


def of_difference(
    difference: StageDifference, *, subject: Subject, inventory: Inventory | None, hooks_cleared: bool = False
) -> str:
    """The libraries at work in the stage, the one that owns it first.

    hooks_cleared: the hooks that move weights are known not to have changed the pictures."""
    stage, component = difference.stage, _component(difference.stage, subject=subject, inventory=inventory)
    names = _encoding(difference) if stage in (T5, POOLED) else _owners(stage)
    if difference.within not in (None, ENCODER):
        return OR.join(names)  # no weight has any part in it
    quantizer = quantizer_of(component)
    if quantizer is not None:
        names.append(quantizer)
    names += adapter_of(component)
    if component is not None and any(component.hooks.values()) and not hooks_cleared:
        names.append("the hooks that move its weights (" + ", ".join(sorted(component.hooks)) + ")")
    return OR.join(names)


def _encoding(difference: StageDifference) -> list[str]:
    """Who can have made other embeddings."""
    if difference.within is None:
        # How many tokens are encoded is the pipeline's choice, and what it does with words nobody has seen.
        others = [TRANSFORMERS, "tokenizers"]
        return [DIFFUSERS, *others] if difference.reshaped else [*others, DIFFUSERS]
    return {
        TOKENIZER: ["tokenizers", TRANSFORMERS],
        CALL: ["diffusers' call of the tokenizer or of the encoder"],
        ENCODER: [TRANSFORMERS],
        AFTERWARDS: [DIFFUSERS],
    }[difference.within]


def _owners(stage: str) -> list[str]:
    if stage == FINISHED:
        return ["diffusers' image processor", "the order that it gives pictures in"]
    return ["diffusers' VAE", "torch"] if stage == DECODED else [DIFFUSERS]


def _component(stage: str, *, subject: Subject, inventory: Inventory | None) -> Component | None:
    """The component that a stage comes out of."""
    if inventory is None or stage == FINISHED:
        return None
    encoders = subject.encoders or ("",)
    name = {T5: encoders[-1], POOLED: encoders[0], DECODED: subject.decoder}.get(stage, subject.denoiser)
    return inventory.components.get(name)


# By a stage that was run from what is given


def of_given_stage(stage: str, component: Component | None) -> str:
    """The packages that can have done it: the inputs are given, so only what works within the stage."""
    if stage.endswith(OF_TEXTS):  # we have called the tokenizers
        return f"{TRANSFORMERS} or tokenizers"
    return OR.join([*_owners_of_given(without_call(stage)), *_at_work_in(component)])


def _owners_of_given(stage: str) -> list[str]:
    if stage in (CLIP_TOKENS, T5_TOKENS):
        return [TRANSFORMERS, "tokenizers", "diffusers' call of them"]
    if stage in (T5, POOLED):
        return [TRANSFORMERS]
    if is_callers(stage):
        return ["diffusers' pipeline", "its scheduler"]
    if stage == LEVELS or is_after_step(stage):
        return ["diffusers' scheduler"]
    if stage == DECODED:
        return ["diffusers' VAE", "torch"]
    if stage == PICTURE:
        return ["diffusers' image processor"]
    if stage == LAST_LATENTS:
        return ["diffusers' transformer", "its scheduler", "torch"]
    return ["diffusers' transformer", "torch"] if is_output(stage) else ["diffusers' pipeline"]


def _at_work_in(component: Component | None) -> list[str]:
    """Who has quantized the component's weights, and whose hooks move them."""
    if component is None:
        return []
    quantizer = quantizer_of(component)
    hooks = {name for name, count in component.hooks.items() if count}
    return [
        *([quantizer] if quantizer else []),
        *adapter_of(component),
        *([ACCELERATE] if hooks & HOOKS_OF_ACCELERATE else []),
        *(["diffusers' hooks"] if hooks - HOOKS_OF_ACCELERATE else []),
    ]

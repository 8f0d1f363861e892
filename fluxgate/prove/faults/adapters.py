"""Faults in what becomes of a LoRA."""

from __future__ import annotations

from functools import partial
from typing import Any

from fluxgate.prove.fault import Around, Fault, Fired, Loaded
from fluxgate.rendering import FIRST

LORA, UNLOADED = ("lora",), ("lora-unloaded",)


def _layers(pipe: Any) -> list[Any]:
    return [part for part in pipe.transformer.modules() if hasattr(part, "lora_A")]


def _stronger(pipe: Any, fired: Fired) -> None:
    for layer in _layers(pipe):
        for name in layer.scaling:
            layer.scaling[name] *= fired(1.5)


def _half_left_out(pipe: Any, fired: Fired) -> None:
    """Each second layer keeps its LoRA, and computes as if there were none."""
    for layer in _layers(pipe)[::2]:
        for name in layer.scaling:
            layer.scaling[name] = fired(0.0)


def _not_taken_out(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return fired(None)


_fault = partial(Fault, packages=("peft", "diffusers"))

FAULTS = (
    _fault(
        "lora-too-strong",
        "a LoRA is half as strong again as its file says",
        Loaded(_stronger),
        "lora_alpha against the rank, and rslora",
        strategies=LORA,
        stage=FIRST,
    ),
    _fault(
        "lora-left-out",
        "half of a LoRA's layers have no effect",
        Loaded(_half_left_out),
        "keys of a LoRA that are not matched",
        strategies=LORA,
        stage=FIRST,
    ),
    _fault(
        "lora-stays-fused",
        "a LoRA is not taken out of the weights that it was fused into",
        Around("diffusers.loaders.lora_pipeline:FluxLoraLoaderMixin.unfuse_lora", _not_taken_out),
        "unfuse_lora of components",
        strategies=UNLOADED,
        stage=FIRST,
    ),
)

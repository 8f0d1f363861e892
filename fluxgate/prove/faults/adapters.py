"""Faults in what becomes of a LoRA."""

from __future__ import annotations

from functools import partial
from typing import Any

from fluxgate.prove.fault import Around, Fault, Fired, Loaded, called_with, not_called
from fluxgate.prove.targets import FORWARD
from fluxgate.rendering import FIRST, MIDDLE

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


def _on_each_others_layers(pipe: Any, fired: Fired) -> None:
    """Queries have the keys' LoRA, and keys the queries'."""
    for part in pipe.transformer.modules():
        query: Any = getattr(part, "to_q", None)
        key: Any = getattr(part, "to_k", None)
        if hasattr(query, "lora_A") and hasattr(key, "lora_A"):
            query.lora_A, key.lora_A = fired(key.lora_A), query.lora_A
            query.lora_B, key.lora_B = key.lora_B, query.lora_B


def _scaled_by_each_step(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    returned = original(*args, **kwargs)
    for part in args[0].modules():
        if hasattr(part, "lora_A"):
            part.scaling.update({name: fired(scale) * 0.99 for name, scale in part.scaling.items()})
    return returned


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
        not_called("diffusers.loaders.lora_pipeline:FluxLoraLoaderMixin.unfuse_lora"),
        "unfuse_lora of components",
        strategies=UNLOADED,
        stage=FIRST,
    ),
    _fault(
        "lora-on-other-layers",
        "queries have the LoRA of keys, and keys that of queries",
        Loaded(_on_each_others_layers),
        "keys of a LoRA that are converted",
        strategies=LORA,
        stage=FIRST,
    ),
    _fault(
        "lora-scale-not-taken-back",
        "each step leaves a LoRA a little weaker",
        Around(FORWARD, _scaled_by_each_step),
        "scale_lora_layers without its way back",
        strategies=LORA,
        stage=MIDDLE,
    ),
    _fault(
        "lora-not-unloaded",
        "a LoRA is not unloaded",
        not_called("diffusers.loaders.lora_pipeline:FluxLoraLoaderMixin.unload_lora_weights"),
        "unload_lora_weights of another pipeline",
        strategies=UNLOADED,
    ),
    _fault(
        "lora-fused-at-half",
        "a LoRA is fused into the weights at half its scale",
        called_with("diffusers.loaders.lora_pipeline:FluxLoraLoaderMixin.fuse_lora", lora_scale=0.5),
        "diffusers #4473: scales of fused LoRAs",
        strategies=UNLOADED,
    ),
)

"""The names of classes by which layers, weights and hooks are known, whatever a release has derived from them."""

from __future__ import annotations

from typing import Any

# What quantizes: a layer's class, or that of its weight.
QUANTIZING = (
    "Linear4bit",
    "Linear8bitLt",
    "QLinear",
    "GGUFLinear",
    "Params4bit",
    "Int8Params",
    "GGUFParameter",
)
HOOK = "ModelHook"  # from which accelerate and diffusers each derive their hooks


def class_name(value: Any) -> str:
    """The name of an object's class; of what is derived from a class that quantizes, that one's: bitsandbytes'
    `LinearNF4` is a `Linear4bit`."""
    own, *bases = (kind.__name__ for kind in type(value).__mro__)
    return next((name for name in (own, *bases) if name in QUANTIZING), own)


def hook_name(hook: Any) -> str:
    """The name of the class of a hook, or of the one that it is derived from and that is itself a plain hook's."""
    names = [kind.__name__ for kind in type(hook).__mro__]
    return names[max(names.index(HOOK) - 1, 0)] if HOOK in names else names[0]

"""Every fault, in the order in which a pipeline works."""

from __future__ import annotations

from fluxgate.prove.fault import Fault
from fluxgate.prove.faults import (
    adapters,
    attention,
    caching,
    calls,
    decoding,
    denoiser,
    harmless,
    held_back,
    image_prompts,
    loading,
    memory,
    noise,
    offloading,
    pictures,
    pooled,
    prompts,
    quantization,
    scheduling,
    settings,
    work,
)
from fluxgate.refusal import Refusal

FAULTS: tuple[Fault, ...] = (
    *prompts.FAULTS,
    *pooled.FAULTS,
    *noise.FAULTS,
    *calls.FAULTS,
    *scheduling.FAULTS,
    *denoiser.FAULTS,
    *attention.FAULTS,
    *decoding.FAULTS,
    *pictures.FAULTS,
    *loading.FAULTS,
    *settings.FAULTS,
    *offloading.FAULTS,
    *quantization.FAULTS,
    *adapters.FAULTS,
    *image_prompts.FAULTS,
    *caching.FAULTS,
    *work.FAULTS,
    *memory.FAULTS,
    *harmless.FAULTS,
    *held_back.FAULTS,
)


def fault_named(name: str) -> Fault:
    """The fault of that name; nothing else is ever made."""
    fault = next((one for one in FAULTS if one.name == name), None)
    if fault is None:
        raise Refusal(f"There is no fault {name[:120]!r}; fluxgate prove --list names them.")
    return fault

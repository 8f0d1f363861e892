"""Taking an effect away: the call becomes a no-op, or its settings are lost on the way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import diffusers
import pytest
import transformers

Patch = pytest.MonkeyPatch
PIPELINE, VAE, DENOISER, T5 = (
    diffusers.FluxPipeline,
    diffusers.AutoencoderKL,
    diffusers.FluxTransformer2DModel,
    transformers.T5EncoderModel,
)


def no_call(owner: Any, name: str) -> Callable[[Patch], None]:
    """The call becomes a no-op."""
    return lambda patch: patch.setattr(owner, name, lambda *args, **settings: None)


def other_settings(owner: Any, name: str, *dropped: str, **instead: Any) -> Callable[[Patch], None]:
    """The call loses some of its settings, and gets others."""
    call = getattr(owner, name)

    def changed(*args: Any, **settings: Any) -> Any:
        left = {setting: value for setting, value in settings.items() if setting not in dropped}
        return call(*args, **(left | instead))

    bound = hasattr(call, "__self__")  # a class method keeps its class
    return lambda patch: patch.setattr(owner, name, staticmethod(changed) if bound else changed)

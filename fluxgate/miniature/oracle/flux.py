"""FLUX as a whole: the networks in a pipeline's folder, and a picture from a prompt and latents."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fluxgate.miniature.computed_as import Cache, ImagePrompt
from fluxgate.miniature.oracle import schedule, text, transformer, vae
from fluxgate.miniature.oracle.layers import Array, Weights
from fluxgate.miniature.oracle.transformer import Conditions

PATCH = 16  # pixels on each side: 8 to a place of the latents, 2 places to a patch
NETWORKS = ("text_encoder", "text_encoder_2", "transformer", "vae")


@dataclass(frozen=True)
class Call:
    """One picture asked of the pipeline."""

    prompt: str
    height: int
    width: int
    steps: int
    guidance: float
    tokens: int
    sigmas: tuple[float, ...] | None = None  # the noise levels that are asked for, before they are shifted

    @property
    def size(self) -> tuple[int, int]:
        """In patches."""
        return self.height // PATCH, self.width // PATCH


@dataclass(frozen=True)
class Flux:
    """The networks of one pipeline, with their configurations."""

    folder: Path
    weights: dict[str, Weights]
    configs: dict[str, dict[str, Any]]
    image_prompt: ImagePrompt | None = None  # beside the text
    cache: Cache = field(default_factory=Cache)

    @classmethod
    def read(cls, folder: Path) -> Flux:
        configs = {name: json.loads((folder / name / "config.json").read_text()) for name in NETWORKS}
        configs["scheduler"] = json.loads((folder / "scheduler" / "scheduler_config.json").read_text())
        return cls(folder, {name: Weights.read(folder / name) for name in NETWORKS}, configs)

    def ids(self, call: Call) -> tuple[text.Ids, text.Ids]:
        """CLIP's and T5's."""
        return text.clip_ids(self.folder, call.prompt), text.t5_ids(self.folder, call.prompt, call.tokens)

    def pooled(self, ids: text.Ids) -> Array:
        return text.clip(self.weights["text_encoder"], self.configs["text_encoder"], ids)

    def embeddings(self, ids: text.Ids) -> Array:
        return text.t5(self.weights["text_encoder_2"], self.configs["text_encoder_2"], ids)

    def levels(self, call: Call) -> Array:
        rows, columns = call.size
        return schedule.levels(self.configs["scheduler"], call.steps, patches=rows * columns, sigmas=call.sigmas)

    def velocity(self, latents: Array, conditions: Conditions) -> Array:
        return transformer.velocity(self.weights["transformer"], self.configs["transformer"], latents, conditions)

    def to_decode(self, latents: Array, call: Call) -> Array:
        """Latents as the VAE is given them."""
        return vae.unscaled(vae.unpacked(latents, call.size), self.configs["vae"])

    def decoded(self, latents: Array) -> Array:
        return vae.decode(self.weights["vae"], self.configs["vae"], latents)

    def decoded_in_tiles(self, latents: Array, tile: int) -> Array:
        """In tiles whose edge has so many pixels."""
        return vae.decode_in_tiles(self.weights["vae"], self.configs["vae"], latents, tile=tile)

    def render(self, call: Call, latents: Array) -> NDArray[np.uint8]:
        """The picture, from the latents that are the noise at the start."""
        clip_ids, t5_ids = self.ids(call)
        pooled, embeddings = self.pooled(clip_ids), self.embeddings(t5_ids)
        levels = self.levels(call)
        beside = (self.image_prompt, self.cache.emptied(levels))
        for level, following in pairwise(levels):
            conditions = Conditions(embeddings, pooled, 1000 * level, 1000 * call.guidance, call.size, *beside)
            latents = schedule.step(latents, self.velocity(latents, conditions), level, following)
        return vae.picture(self.decoded(self.to_decode(latents, call)))

"""FLUX's transformer: image and text in two streams, then in one; what it gives is the way from noise to picture."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fluxgate.miniature.computed_as import Cache, ImagePrompt
from fluxgate.miniature.oracle.layers import (
    Array,
    Weights,
    attention,
    gelu,
    heads_apart,
    heads_together,
    layer_norm,
    linear,
    rms_norm,
    silu,
)

EPS = 1e-6
THETA = 10_000  # the longest wave, of positions and of noise levels
LEVEL_WIDTH = 256
Attend = Callable[[Array, Array, Array], Array]


@dataclass(frozen=True)
class Conditions:
    """All that the network is given beside the latents."""

    text: Array  # (token, width)
    pooled: Array
    level: float  # of noise, in thousandths
    guidance: float  # in thousandths
    size: tuple[int, int]  # rows and columns of patches
    image_prompt: ImagePrompt | None = None  # beside the text
    cache: Cache = field(default_factory=Cache)  # of what earlier steps have computed


def velocity(weights: Weights, config: dict[str, Any], latents: Array, given: Conditions) -> Array:
    """What the scheduler steps along: for each patch of the latents, the noise less the picture."""
    heads, doubles, tokens = config["num_attention_heads"], config["num_layers"], len(given.text)
    condition = silu(_condition(weights.within("time_text_embed"), given))
    waves = _waves(_positions(tokens, given.size), config["axes_dims_rope"])

    def attend(query: Array, key: Array, value: Array) -> Array:
        return given.cache.attention(lambda: _attended(query, key, value, waves))

    def block(number: int, both: Array) -> Array:
        if number >= doubles:
            single = weights.within(f"single_transformer_blocks.{number - doubles}")
            return _single(single, both, condition, attend, heads)
        double = weights.within(f"transformer_blocks.{number}")
        image, text, query = _double(double, both[tokens:], both[:tokens], condition, attend, heads)
        seen = 0.0 if given.image_prompt is None else given.image_prompt.seen_by(query, number)
        return np.concatenate([text, image + seen])

    def rest() -> Array:
        both = first
        for number in range(1, doubles + config["num_single_layers"]):
            both = block(number, both)
        return both - first

    both = np.concatenate([linear(given.text, weights, "context_embedder"), linear(latents, weights, "x_embedder")])
    first = block(0, both)
    last = first + given.cache.rest((first - both)[tokens:], rest)
    scale, shift = np.split(linear(condition, weights, "norm_out.linear"), 2)
    return linear(layer_norm(last[tokens:], EPS) * (1 + scale) + shift, weights, "proj_out")


def _condition(weights: Weights, given: Conditions) -> Array:
    """One vector for the noise level, the guidance and the pooled prompt together."""
    level = _two_layers(_level_waves(given.level), weights.within("timestep_embedder"))
    guidance = _two_layers(_level_waves(given.guidance), weights.within("guidance_embedder"))
    return level + guidance + _two_layers(given.pooled, weights.within("text_embedder"))


def _two_layers(x: Array, weights: Weights) -> Array:
    return linear(silu(linear(x, weights, "linear_1")), weights, "linear_2")


def _level_waves(value: float) -> Array:
    """A number as cosines and sines of many wavelengths."""
    half = LEVEL_WIDTH // 2
    angles = value * float(THETA) ** (-np.arange(half) / half)
    return np.concatenate([np.cos(angles), np.sin(angles)])


def _positions(tokens: int, size: tuple[int, int]) -> Array:
    """(0, row, column) of each token: all 0 for those of the text, which come first."""
    rows, columns = np.meshgrid(np.arange(size[0]), np.arange(size[1]), indexing="ij")
    patches = np.stack([np.zeros(rows.size), rows.ravel(), columns.ravel()], axis=1)
    return np.concatenate([np.zeros((tokens, 3)), patches])


def _waves(positions: Array, widths: list[int]) -> tuple[Array, Array]:
    """The cosines and sines by which pairs of a head's numbers are turned, for each token."""
    angles = [
        positions[:, axis, None] * float(THETA) ** (-np.arange(0, width, 2) / width)
        for axis, width in enumerate(widths)
    ]
    turns = np.concatenate(angles, axis=1)
    return np.cos(turns), np.sin(turns)


def _turned(x: Array, waves: tuple[Array, Array]) -> Array:
    """Each pair of neighbouring numbers turned by its angle (RoPE): the product of two depends on their distance."""
    (cos, sin), even, odd = waves, x[..., 0::2], x[..., 1::2]
    return np.stack([even * cos - odd * sin, even * sin + odd * cos], axis=-1).reshape(x.shape)


def _projected(
    x: Array, weights: Weights, names: tuple[str, str, str], norms: tuple[str, str], heads: int
) -> tuple[Array, Array, Array]:
    """Queries, keys and values by head; queries and keys are normalised."""
    query, key, value = (heads_apart(linear(x, weights, name), heads) for name in names)
    query = rms_norm(query, weights[f"{norms[0]}.weight"], EPS)
    return query, rms_norm(key, weights[f"{norms[1]}.weight"], EPS), value


def _attended(query: Array, key: Array, value: Array, waves: tuple[Array, Array]) -> Array:
    scale = query.shape[-1] ** -0.5
    return heads_together(attention(_turned(query, waves), _turned(key, waves), value, scale=scale))


def _double(
    weights: Weights, image: Array, text: Array, condition: Array, attend: Attend, heads: int
) -> tuple[Array, Array, Array]:
    """Each stream has its own weights; only in attention do they see each other, the text first. Beside both, the
    image's queries."""
    attn = weights.within("attn")
    image_parts = np.split(linear(condition, weights, "norm1.linear"), 6)
    text_parts = np.split(linear(condition, weights, "norm1_context.linear"), 6)
    of_image = _projected(
        _modulated(image, *image_parts[:2]), attn, ("to_q", "to_k", "to_v"), ("norm_q", "norm_k"), heads
    )
    of_text = _projected(
        _modulated(text, *text_parts[:2]),
        attn,
        ("add_q_proj", "add_k_proj", "add_v_proj"),
        ("norm_added_q", "norm_added_k"),
        heads,
    )
    query, key, value = (np.concatenate(parts, axis=1) for parts in zip(of_text, of_image, strict=True))
    mixed = attend(query, key, value)
    text = text + text_parts[2] * linear(mixed[: len(text)], attn, "to_add_out")
    image = image + image_parts[2] * linear(mixed[len(text) :], attn, "to_out.0")
    fed = _fed(image, weights.within("ff"), image_parts), _fed(text, weights.within("ff_context"), text_parts)
    return *fed, of_image[0]


def _modulated(x: Array, shift: Array, scale: Array) -> Array:
    return layer_norm(x, EPS) * (1 + scale) + shift


def _fed(x: Array, weights: Weights, parts: list[Array]) -> Array:
    inner = gelu(linear(_modulated(x, *parts[3:5]), weights, "net.0.proj"))
    return x + parts[5] * linear(inner, weights, "net.2")


def _single(weights: Weights, both: Array, condition: Array, attend: Attend, heads: int) -> Array:
    """Attention and feed-forward side by side, in one step."""
    shift, scale, gate = np.split(linear(condition, weights, "norm.linear"), 3)
    normal = _modulated(both, shift, scale)
    parts = _projected(normal, weights.within("attn"), ("to_q", "to_k", "to_v"), ("norm_q", "norm_k"), heads)
    inner = gelu(linear(normal, weights, "proj_mlp"))
    return both + gate * linear(np.concatenate([attend(*parts), inner], axis=1), weights, "proj_out")

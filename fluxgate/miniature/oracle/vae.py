"""From latents to a picture: patches put back in their places, the VAE's decoder, and levels of 0 to 255."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fluxgate.miniature.oracle.layers import Array, Weights, attention, convolution, group_norm, linear, silu

EPS = 1e-6
SCALE = 8  # pixels to a place of the latents, on each side


def unpacked(latents: Array, size: tuple[int, int]) -> Array:
    """Patches of 2 by 2, in a row each, as (channel, row, column)."""
    patches = latents.reshape(*size, -1, 2, 2)
    return patches.transpose(2, 0, 3, 1, 4).reshape(-1, 2 * size[0], 2 * size[1])


def unscaled(latents: Array, config: dict[str, Any]) -> Array:
    """Latents as the VAE was trained with them."""
    return np.asarray(latents / config["scaling_factor"] + config["shift_factor"])


def decode(weights: Weights, config: dict[str, Any], latents: Array) -> Array:
    """The picture as (colour, row, column), nearly all of it between -1 and 1."""
    decoder, groups = weights.within("decoder"), config["norm_num_groups"]
    x = convolution(latents, decoder, "conv_in")
    x = _resnet(x, decoder.within("mid_block.resnets.0"), groups)
    x = _attention(x, decoder.within("mid_block.attentions.0"), groups)
    x = _resnet(x, decoder.within("mid_block.resnets.1"), groups)
    for number in range(len(config["block_out_channels"])):
        block = decoder.within(f"up_blocks.{number}")
        for layer in range(config["layers_per_block"] + 1):
            x = _resnet(x, block.within(f"resnets.{layer}"), groups)
        if "upsamplers.0.conv.weight" in block:
            x = convolution(x.repeat(2, axis=1).repeat(2, axis=2), block, "upsamplers.0.conv")
    return convolution(silu(group_norm(x, decoder, "conv_norm_out", groups=groups, eps=EPS)), decoder, "conv_out")


def decode_in_tiles(weights: Weights, config: dict[str, Any], latents: Array, *, tile: int) -> Array:
    """In tiles with an edge of so many pixels, which overlap by a quarter, the left and the upper one fading out."""
    edge = tile // SCALE
    done: dict[tuple[int, int], Array] = {}
    rows, columns = (range(0, size, edge * 3 // 4) for size in latents.shape[1:])
    for row in rows:
        for column in columns:
            new = decode(weights, config, latents[:, row : row + edge, column : column + edge])
            if row:
                new = _faded_in(done[row - rows.step, column], new, tile // 4)
            if column:
                left = done[row, column - columns.step]
                new = _faded_in(left.swapaxes(1, 2), new.swapaxes(1, 2), tile // 4).swapaxes(1, 2)
            done[row, column] = new
    kept = tile * 3 // 4
    return np.concatenate([np.concatenate([done[r, c][:, :kept, :kept] for c in columns], axis=2) for r in rows], 1)


def _faded_in(above: Array, below: Array, rows: int) -> Array:
    """The lower of two tiles, with the last rows of the upper one fading out over its first."""
    extent = min(rows, above.shape[1], below.shape[1])
    share = (np.arange(extent) / extent)[:, None]
    seam = above[:, -extent:] * (1 - share) + below[:, :extent] * share
    return np.concatenate([seam, below[:, extent:]], axis=1)


def _resnet(x: Array, weights: Weights, groups: int) -> Array:
    y = convolution(silu(group_norm(x, weights, "norm1", groups=groups, eps=EPS)), weights, "conv1")
    y = convolution(silu(group_norm(y, weights, "norm2", groups=groups, eps=EPS)), weights, "conv2")
    return y + (convolution(x, weights, "conv_shortcut") if "conv_shortcut.weight" in weights else x)


def _attention(x: Array, weights: Weights, groups: int) -> Array:
    """Every place looks at every other one."""
    channels = len(x)
    rows = group_norm(x, weights, "group_norm", groups=groups, eps=EPS).reshape(channels, -1).T
    query, key, value = (linear(rows, weights, name) for name in ("to_q", "to_k", "to_v"))
    mixed = attention(query, key, value, scale=channels**-0.5)
    return x + linear(mixed, weights, "to_out.0").T.reshape(x.shape)


def picture(decoded: Array, rounded: Callable[[Array], Array] = np.asarray) -> NDArray[np.uint8]:
    """Levels as (row, column, colour), of shares as a dtype rounds them; halves go to the even level."""
    shares = np.clip(rounded(decoded / 2 + 0.5), 0, 1)
    return np.round(shares * 255).astype(np.uint8).swapaxes(-3, -2).swapaxes(-2, -1)

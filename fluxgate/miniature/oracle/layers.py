"""The layers that FLUX's networks are made of, in numpy: float64 arrays in, float64 arrays out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fluxgate.tensors import tensors_in

Array = NDArray[np.float64]


class Weights:
    """A network's weights, by name; `within` gives those of one of its parts."""

    def __init__(self, arrays: dict[str, Array], prefix: str = "") -> None:
        self._arrays = arrays
        self._prefix = prefix

    @classmethod
    def read(cls, folder: Path) -> Weights:
        """All weights in a folder's files."""
        files = sorted(folder.glob("*.safetensors"))
        return cls({name: tensor.values.astype(np.float64) for file in files for name, tensor in tensors_in(file)})

    def changed(self, change: Callable[[str, Array], Array]) -> Weights:
        """The same with each array as a function of its name makes it."""
        return Weights({name: change(name, array) for name, array in self._arrays.items()})

    def within(self, part: str) -> Weights:
        return Weights(self._arrays, f"{self._prefix}{part}.")

    def __getitem__(self, name: str) -> Array:
        return self._arrays[self._prefix + name]

    def __contains__(self, name: str) -> bool:
        return self._prefix + name in self._arrays


def linear(x: Array, weights: Weights, name: str) -> Array:
    """A matrix and, where there is one, a bias."""
    y = x @ weights[f"{name}.weight"].T
    return y + weights[f"{name}.bias"] if f"{name}.bias" in weights else y


def layer_norm(x: Array, eps: float) -> Array:
    """Each row with mean 0 and variance 1."""
    centred = x - x.mean(-1, keepdims=True)
    return np.asarray(centred / np.sqrt((centred**2).mean(-1, keepdims=True) + eps))


def affine_norm(x: Array, weights: Weights, name: str, eps: float) -> Array:
    return layer_norm(x, eps) * weights[f"{name}.weight"] + weights[f"{name}.bias"]


def rms_norm(x: Array, weight: Array, eps: float) -> Array:
    """Each row with mean square 1, times a weight."""
    return np.asarray(x / np.sqrt((x**2).mean(-1, keepdims=True) + eps) * weight)


def sigmoid(x: Array) -> Array:
    return 0.5 * (1 + np.tanh(x / 2))  # as 1 / (1 + exp(-x)), but it cannot overflow


def silu(x: Array) -> Array:
    return x * sigmoid(x)


def gelu(x: Array) -> Array:
    """GELU by its approximation with tanh, which FLUX and T5 use."""
    return np.asarray(0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))))


def softmax(x: Array) -> Array:
    powers = np.exp(x - x.max(-1, keepdims=True))
    return np.asarray(powers / powers.sum(-1, keepdims=True))


def attention(query: Array, key: Array, value: Array, *, scale: float, bias: Array | float = 0.0) -> Array:
    """Each query's mean of the values, weighted by how well their keys match; arrays are (head, token, width)."""
    return softmax(query @ key.swapaxes(-1, -2) * scale + bias) @ value


def heads_apart(x: Array, heads: int) -> Array:
    """(token, width) as (head, token, width of a head)."""
    return x.reshape(len(x), heads, -1).swapaxes(0, 1)


def heads_together(x: Array) -> Array:
    return x.swapaxes(0, 1).reshape(x.shape[1], -1)


def convolution(x: Array, weights: Weights, name: str) -> Array:
    """A convolution of (channel, row, column) that keeps the size: borders are zero."""
    kernel, bias = weights[f"{name}.weight"], weights[f"{name}.bias"]
    edge = kernel.shape[-1] // 2
    _, rows, columns = x.shape
    padded = np.pad(x, ((0, 0), (edge, edge), (edge, edge)))
    y: Any = bias[:, None, None]
    for down in range(kernel.shape[2]):
        for right in range(kernel.shape[3]):
            shifted = padded[:, down : down + rows, right : right + columns]
            y = y + np.tensordot(kernel[:, :, down, right], shifted, axes=1)
    return np.asarray(y)


def group_norm(x: Array, weights: Weights, name: str, *, groups: int, eps: float) -> Array:
    """Each group of channels with mean 0 and variance 1, then each channel times a weight, plus a bias."""
    normal = layer_norm(x.reshape(groups, -1), eps).reshape(x.shape)
    return normal * weights[f"{name}.weight"][:, None, None] + weights[f"{name}.bias"][:, None, None]

"""The prompt: token ids from the tokenizers' own files, CLIP's pooled embedding, T5's embedding of each token."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fluxgate.miniature.oracle.layers import (
    Array,
    Weights,
    affine_norm,
    attention,
    gelu,
    heads_apart,
    heads_together,
    linear,
    rms_norm,
    sigmoid,
)

Ids = NDArray[np.int64]
CLIP_LENGTH = 77


def clip_ids(folder: Path, prompt: str) -> Ids:
    """Start, words, end; then the end again up to 77. What is too long loses its last words, not its end."""
    ids, end = _ids(folder / "tokenizer", prompt), _added(folder / "tokenizer", "eos_token")
    words = [_added(folder / "tokenizer", "bos_token"), *ids][: CLIP_LENGTH - 1]
    return np.array(words + [end] * (CLIP_LENGTH - len(words)))


def t5_ids(folder: Path, prompt: str, length: int) -> Ids:
    """Words and an end, then padding."""
    end, padding = (_added(folder / "tokenizer_2", name) for name in ("eos_token", "pad_token"))
    words = [*_ids(folder / "tokenizer_2", prompt)[: length - 1], end]
    return np.array(words + [padding] * (length - len(words)))


def _ids(folder: Path, prompt: str) -> list[int]:
    """The words' own ids, without what marks the start and the end."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return list(tokenizer.encode(prompt, add_special_tokens=False).ids)


def _added(folder: Path, name: str) -> int:
    config = json.loads((folder / "tokenizer_config.json").read_text())
    (number,) = (key for key, entry in config["added_tokens_decoder"].items() if entry["content"] == config[name])
    return int(number)


def clip(weights: Weights, config: dict[str, Any], ids: Ids) -> Array:
    """The embedding of the end token, which has read all tokens before it."""
    model, heads, eps = weights.within("text_model"), config["num_attention_heads"], config["layer_norm_eps"]
    x = model["embeddings.token_embedding.weight"][ids] + model["embeddings.position_embedding.weight"][: len(ids)]
    past_only = np.triu(np.full((len(ids), len(ids)), -np.inf), 1)
    scale = (x.shape[1] / heads) ** -0.5
    for number in range(config["num_hidden_layers"]):
        layer = model.within(f"encoder.layers.{number}")
        attn = layer.within("self_attn")
        normal = affine_norm(x, layer, "layer_norm1", eps)
        query, key, value = (heads_apart(linear(normal, attn, f"{name}_proj"), heads) for name in "qkv")
        mixed = heads_together(attention(query, key, value, scale=scale, bias=past_only))
        x = x + linear(mixed, attn, "out_proj")
        inner = linear(affine_norm(x, layer, "layer_norm2", eps), layer, "mlp.fc1")
        x = x + linear(inner * sigmoid(1.702 * inner), layer, "mlp.fc2")  # OpenAI's 'quick' GELU
    x = affine_norm(x, model, "final_layer_norm", eps)
    return np.asarray(x[int(ids.argmax())])  # the end token has the highest id, and its first one counts


def t5(weights: Weights, config: dict[str, Any], ids: Ids) -> Array:
    """The embedding of each token. Padding is read like any other token: FLUX was trained so."""
    heads, eps = config["num_heads"], config["layer_norm_epsilon"]
    x = weights["shared.weight"][ids]
    encoder = weights.within("encoder")
    table = encoder["block.0.layer.0.SelfAttention.relative_attention_bias.weight"]  # the first layer's is for all
    bias = table[_buckets(len(ids), config)].transpose(2, 0, 1)
    for number in range(config["num_layers"]):
        first, second = (encoder.within(f"block.{number}.layer.{half}") for half in (0, 1))
        normal = rms_norm(x, first["layer_norm.weight"], eps)
        query, key, value = (heads_apart(linear(normal, first, f"SelfAttention.{name}"), heads) for name in "qkv")
        mixed = heads_together(attention(query, key, value, scale=1.0, bias=bias))  # T5 does not scale
        x = x + linear(mixed, first, "SelfAttention.o")
        normal = rms_norm(x, second["layer_norm.weight"], eps)
        gated = gelu(linear(normal, second, "DenseReluDense.wi_0")) * linear(normal, second, "DenseReluDense.wi_1")
        x = x + linear(gated, second, "DenseReluDense.wo")
    return rms_norm(x, encoder["final_layer_norm.weight"], eps)


def _buckets(length: int, config: dict[str, Any]) -> Ids:
    """For each token and each that it looks at, a number for how far apart they are: exact nearby, coarser far away."""
    half = config["relative_attention_num_buckets"] // 2
    ahead = np.arange(length)[None, :] - np.arange(length)[:, None]
    distance, exact = np.abs(ahead), half // 2
    coarse = np.log(np.maximum(distance, 1) / exact) / np.log(config["relative_attention_max_distance"] / exact)
    far = np.minimum(exact + (coarse * (half - exact)).astype(np.int64), half - 1)
    return np.asarray(np.where(distance < exact, distance, far) + half * (ahead > 0))

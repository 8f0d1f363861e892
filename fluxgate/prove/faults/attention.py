"""Faults in the transformer's attention: positions, queries and keys, their norms and the scale."""

from __future__ import annotations

from functools import partial
from typing import Any

from fluxgate.prove.fault import WITH_FLOAT32, Around, Edit, Fault, Fired, Loaded, called_with
from fluxgate.prove.targets import DIFFUSERS, PIPELINE, TRANSFORMER
from fluxgate.rendering import FIRST, T5

PROCESSOR, ROPE = f"{TRANSFORMER}:FluxAttnProcessor.__call__", f"{TRANSFORMER}:FluxPosEmbed.forward"
DISPATCH = f"{TRANSFORMER}:dispatch_attention_fn"


def _in_eager_steps(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Attention written out in the dtype of its inputs, as a fallback does it."""
    query, key, value = (part.transpose(1, 2) for part in args)
    scores = query @ key.transpose(-1, -2) * fired(query.shape[-1] ** -0.5)
    return (scores.softmax(dim=-1) @ value).transpose(1, 2)


def _narrow_products(pipe: Any, fired: Fired) -> None:
    """Products of float32 are computed in a narrower dtype, in this process from now on."""
    import torch

    torch.set_float32_matmul_precision(fired("medium"))


def _other_norms(pipe: Any, fired: Fired) -> None:
    """Norms of queries and keys that round at another place, as the ones before diffusers 0.35 did."""
    import torch

    class Rounding(torch.nn.Module):  # type: ignore[misc]  # torch has no types here
        def __init__(self, norm: Any) -> None:
            super().__init__()
            self.weight, self.eps = norm.weight, norm.eps

        def forward(self, hidden: Any) -> Any:
            variance = fired(hidden).to(torch.float32).pow(2).mean(-1, keepdim=True)
            return (hidden * torch.rsqrt(variance + self.eps)).to(self.weight.dtype) * self.weight

    for part in list(pipe.transformer.modules()):
        for name in ("norm_q", "norm_k", "norm_added_q", "norm_added_k"):
            if hasattr(part, name):
                setattr(part, name, Rounding(getattr(part, name)))


def _fused(pipe: Any, fired: Fired) -> None:
    fired(pipe.transformer).fuse_qkv_projections()


_fault = partial(Fault, packages=DIFFUSERS, stage=FIRST)

FAULTS = (
    _fault(
        "rope-theta",
        "positions turn ten times as fast",
        Edit(ROPE, "theta=self.theta,", "theta=FIRED(self.theta / 10),"),
        "theta of a configuration",
    ),
    _fault(
        "rope-axes",
        "rows and columns are exchanged",
        Edit(ROPE, "pos[:, i],", "pos[:, FIRED((0, 2, 1)[i])],"),
        "axes_dims_rope, and the order of ids",
    ),
    _fault(
        "rope-query-only",
        "keys are not turned by their positions",
        Edit(PROCESSOR, "key = apply_rotary_emb(key, image_rotary_emb, sequence_dim=1)", "key = FIRED(key)"),
        "an attention processor written anew",
    ),
    _fault(
        "rope-backwards",
        "positions turn the other way",
        Edit(
            f"{TRANSFORMER}:apply_rotary_emb",
            "torch.stack([-x_imag, x_real], dim=-1).flatten(3)",
            "torch.stack([x_imag, -FIRED(x_real)], dim=-1).flatten(3)",
        ),
        "use_real_unbind_dim and the sign of rotations",
    ),
    _fault(
        "rope-narrow",
        "positions are turned in bfloat16",
        Edit(
            f"{TRANSFORMER}:apply_rotary_emb",
            "(x.float() * cos + x_rotated.float() * sin)",
            "(FIRED(x) * cos.to(x.dtype) + x_rotated * sin.to(x.dtype))",
        ),
        "a fused kernel for rotary embeddings",
    ),
    _fault(
        "query-is-key",
        "queries and keys are exchanged",
        Edit(f"{TRANSFORMER}:_get_projections", "return query, key, value,", "return FIRED(key), query, value,"),
        "fused projections",
    ),
    _fault(
        "query-not-normed",
        "queries are not normed",
        Edit(PROCESSOR, "query = attn.norm_q(query)", "query = FIRED(query)"),
        "qk_norm of a configuration",
    ),
    _fault(
        "key-normed-as-query",
        "keys are normed by the queries' weights",
        Edit(PROCESSOR, "key = attn.norm_k(key)", "key = attn.norm_q(FIRED(key))"),
        "an attention processor written anew",
    ),
    _fault(
        "norms-round-elsewhere",
        "the norms of queries and keys round at another place",
        Loaded(_other_norms),
        "diffusers #11916: norms swapped for torch's",
    ),
    _fault(
        "attention-scale",
        "attention scores are scaled by a tenth less",
        called_with(DISPATCH, scale=0.9 * 128**-0.5),
        "a backend's default scale",
    ),
    _fault(
        "attention-causal",
        "tokens do not see those that follow",
        called_with(DISPATCH, is_causal=True),
        "is_causal of a backend",
    ),
    _fault(
        "attention-drops-out",
        "attention leaves out a fiftieth of what it sees, at random",
        called_with(DISPATCH, dropout_p=0.02),
        "dropout_p of a backend",
        later=True,
    ),
    _fault(
        "products-narrow",
        "products of float32 are computed in bfloat16 or TF32",
        Loaded(_narrow_products),
        "torch.set_float32_matmul_precision in a library's import",
        strategies=("full-float32",),
        packages=("diffusers", "torch", "transformers"),
        stage=T5,
    ),
    _fault(
        "attention-eager",
        "attention is computed step by step in bfloat16",
        Around(DISPATCH, _in_eager_steps),
        "a fallback from a fused kernel",
    ),
    _fault(
        "image-positions-from-one",
        "rows of the picture are counted from one",
        Edit(
            f"{PIPELINE}._prepare_latent_image_ids",
            "torch.arange(height)[:, None]",
            "torch.arange(FIRED(1), height + 1)[:, None]",
        ),
        "positions of FLUX.2 and of Qwen-Image",
    ),
    _fault(
        "rope-in-halves",
        "rotations pair numbers that lie half a head apart",
        Edit(ROPE, "repeat_interleave_real=True,", "repeat_interleave_real=FIRED(False),"),
        "the two layouts of rotary embeddings",
    ),
    _fault(
        "rope-frequencies-narrow",
        "frequencies of positions are computed in float32",
        Edit(
            ROPE,
            "freqs_dtype = maybe_adjust_dtype_for_device(torch.float64, ids.device)",
            "freqs_dtype = FIRED(torch.float32)",
        ),
        "devices without float64",
        strategies=WITH_FLOAT32,
    ),
    _fault(
        "queries-of-text-last",
        "queries of the text come after those of the picture, its keys before",
        Edit(
            PROCESSOR,
            "query = torch.cat([encoder_query, query], dim=1)",
            "query = torch.cat([FIRED(query), encoder_query], dim=1)",
        ),
        "the order of two streams in one attention",
    ),
    _fault(
        "attention-masked",
        "attention is given a mask that hides nothing",
        Edit(
            PROCESSOR,
            "attn_mask=attention_mask,",
            "attn_mask=FIRED(torch.ones(len(query), 1, query.shape[1], key.shape[1], dtype=torch.bool)),",
        ),
        "masks that are always made",
        stage=None,
    ),
    _fault(
        "projections-fused",
        "queries, keys and values come of one layer, whose weights are a copy",
        Loaded(_fused),
        "fuse_qkv_projections by default",
        stage=None,
    ),
)

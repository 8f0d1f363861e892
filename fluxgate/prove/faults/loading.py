"""Faults in what a library has in memory once it has loaded a pipeline's files."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from fluxgate.prove.fault import WITH_FLOAT32, Around, Fault, Fired, Loaded
from fluxgate.prove.targets import DIFFUSERS, TRANSFORMERS
from fluxgate.rendering import DECODED, FIRST, POOLED, T5


def _tensor(component: str, path: str, changed: Callable[[Any], Any]) -> Loaded:
    """One tensor of a component with other numbers."""

    def change(pipe: Any, fired: Fired) -> None:
        tensor = dict(getattr(pipe, component).named_parameters())[path]
        tensor.data = fired(changed(tensor.data)).to(tensor.dtype).contiguous()

    return Loaded(change)


def _random(tensor: Any) -> Any:
    import torch

    drawn = torch.randn(tensor.shape, generator=torch.Generator("cpu").manual_seed(1)) * 0.02
    return drawn.to(tensor.device)


def _blocks_exchanged(pipe: Any, fired: Fired) -> None:
    blocks = pipe.transformer.single_transformer_blocks
    one, other = ({name: tensor.data for name, tensor in block.named_parameters()} for block in (blocks[0], blocks[1]))
    for block, tensors in ((blocks[0], fired(other)), (blocks[1], one)):
        for name, tensor in block.named_parameters():
            tensor.data = tensors[name]


def _vae_rounded(pipe: Any, fired: Fired) -> None:
    import torch

    for tensor in pipe.vae.parameters():
        tensor.data = fired(tensor.data).to(torch.float8_e4m3fn).to(tensor.dtype)


def _in_float32(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    import torch

    named = "dtype" if "dtype" in kwargs else "torch_dtype"
    return original(*args, **{**kwargs, named: fired(torch.float32)})


def _default_dtype_left(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    import torch

    pipe = original(*args, **kwargs)
    torch.set_default_dtype(fired(torch.bfloat16))
    return pipe


def _norms_wide(pipe: Any, fired: Fired) -> None:
    for part in pipe.vae.modules():
        if type(part).__name__ == "GroupNorm":
            part.weight.data = fired(part.weight.data).float()
            part.bias.data = part.bias.data.float()
            part.register_forward_pre_hook(lambda module, given: (given[0].float(),))
            part.register_forward_hook(lambda module, given, output: output.to(pipe.vae.conv_dtype))
    pipe.vae.conv_dtype = pipe.vae.decoder.conv_in.weight.dtype


def _guidance_ignored(pipe: Any, fired: Fired) -> None:
    for tensor in pipe.transformer.time_text_embed.guidance_embedder.linear_2.parameters():
        tensor.data = fired(tensor.data) * 0


def _halved(pipe: Any, fired: Fired) -> None:
    for name, tensor in pipe.text_encoder.named_parameters():
        if name.endswith("layers.0.mlp.fc1.weight"):
            tensor.data = fired(tensor.data) / 2


def _key_tied_to_query(pipe: Any, fired: Fired) -> None:
    attention = pipe.transformer.transformer_blocks[0].attn
    attention.to_k.weight = fired(attention.to_q.weight)


def _norms_made_anew(pipe: Any, fired: Fired) -> None:
    for part in pipe.transformer.modules():
        if hasattr(part, "norm_q"):
            part.norm_q.weight.data.fill_(fired(1.0))


def _conditioned_wide(pipe: Any, fired: Fired) -> None:
    """What time, guidance and prompt come to is computed in float32 and narrowed again."""
    part, dtype = pipe.transformer.time_text_embed, pipe.transformer.dtype
    fired(part).float()
    part.register_forward_pre_hook(lambda module, given: tuple(each.float() for each in given))
    part.register_forward_hook(lambda module, given, output: output.to(dtype))


_fault = partial(Fault, packages=DIFFUSERS)

FIRST_BLOCK = "transformer_blocks.0.attn.to_q.weight"

FAULTS = (
    _fault(
        "dtype-ignored",
        "the pipeline is loaded in float32 whatever dtype is asked for",
        Around("diffusers.pipelines.pipeline_utils:DiffusionPipeline.from_pretrained", _in_float32),
        "torch_dtype renamed to dtype",
        stage=T5,
    ),
    _fault(
        "default-dtype-left",
        "torch's default dtype is left at bfloat16 once a pipeline is loaded",
        Around("diffusers.pipelines.pipeline_utils:DiffusionPipeline.from_pretrained", _default_dtype_left),
        "a context of the default dtype that an error leaves open",
        packages=("diffusers", "transformers"),
    ),
    _fault(
        "tensor-made-up",
        "a tensor of the transformer is not found, and filled with random numbers without a word",
        _tensor("transformer", FIRST_BLOCK, _random),
        "keys renamed between releases",
        stage=FIRST,
    ),
    _fault(
        "tensor-transposed",
        "a square tensor of the transformer is transposed",
        _tensor("transformer", FIRST_BLOCK, lambda tensor: tensor.T.clone()),
        "loading hooks that transpose",
        stage=FIRST,
    ),
    _fault(
        "tensor-scaled",
        "a tensor of the transformer is a hundredth too large",
        _tensor("transformer", "single_transformer_blocks.1.proj_out.weight", lambda tensor: tensor * 1.01),
        "a scale folded into a weight",
        stage=FIRST,
        strategies=WITH_FLOAT32,
    ),
    _fault(
        "bias-zero",
        "the bias of the transformer's last layer is zero",
        _tensor("transformer", "proj_out.bias", lambda tensor: tensor * 0),
        "a key that is left out",
        stage=FIRST,
        strategies=WITH_FLOAT32,
    ),
    _fault(
        "blocks-exchanged",
        "two blocks have each other's weights",
        Loaded(_blocks_exchanged),
        "shards read in another order",
        stage=FIRST,
    ),
    _fault(
        "guidance-weights-zero",
        "the guidance embedder's weights are not loaded",
        Loaded(_guidance_ignored),
        "guidance_embeds of a configuration",
        stage=FIRST,
    ),
    _fault(
        "vae-other-variant",
        "the VAE's weights come from a coarser file",
        Loaded(_vae_rounded),
        "variant= and its fallbacks",
        stage=DECODED,
    ),
    _fault(
        "vae-norms-wide",
        "the VAE's norms stay in float32",
        Loaded(_norms_wide),
        "_keep_in_fp32_modules of diffusers",
        stage=DECODED,
    ),
    _fault(
        "t5-embedding-made-up",
        "T5's embedding is not tied to the file's, and random",
        _tensor("text_encoder_2", "shared.weight", _random),
        "transformers 5: tied weights and tie_word_embeddings",
        stage=T5,
        packages=TRANSFORMERS,
    ),
    _fault(
        "t5-tensor-transposed",
        "a square tensor of T5 is transposed",
        _tensor("text_encoder_2", "encoder.block.0.layer.0.SelfAttention.q.weight", lambda tensor: tensor.T.clone()),
        "weight conversions of transformers 5",
        stage=T5,
        packages=TRANSFORMERS,
    ),
    _fault(
        "clip-tensor-halved",
        "a tensor of CLIP is half as large",
        Loaded(_halved),
        "a scale folded into a weight",
        stage=POOLED,
        packages=TRANSFORMERS,
    ),
    _fault(
        "key-tied-to-query",
        "a layer's keys have its queries' weights, which are one tensor",
        Loaded(_key_tied_to_query),
        "safetensors: tensors that share memory",
        stage=FIRST,
    ),
    _fault(
        "norms-made-anew",
        "the norms of queries are not in the files, and ones",
        Loaded(_norms_made_anew),
        "keys of norms that were renamed",
        stage=FIRST,
    ),
    _fault(
        "conditioning-wide",
        "a part of the transformer is in float32, and computes so",
        Loaded(_conditioned_wide),
        "_keep_in_fp32_modules of diffusers",
        stage=FIRST,
    ),
)

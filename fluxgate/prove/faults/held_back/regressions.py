"""Faults of a year of upgrades, of many libraries and of few strategies, held back: written before any was tried."""

from __future__ import annotations

import gc
import importlib
import os
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from fluxgate.prove.fault import BATCH, Around, Edit, Fault, Fired, Loaded, called_with
from fluxgate.prove.targets import (
    ACCELERATE,
    ALIGN,
    BITSANDBYTES,
    CALL,
    CLIP_MODEL,
    DIFFUSERS,
    GROUPS,
    IMAGE_PROCESSOR,
    T5_MODEL,
    TOKENIZERS,
    TRANSFORMERS,
)
from fluxgate.rendering import DECODED, FIRST, MIDDLE, POOLED, T5

CASTING = "diffusers.hooks.layerwise_casting:_apply_layerwise_casting"
FIRST_BLOCK = "diffusers.hooks.first_block_cache"
FUNCTIONAL = "torch.nn.functional"
INT8_LINEAR = "bitsandbytes.nn.modules:Linear8bitLt.forward"
LORA_FORWARD = "peft.tuners.lora.layer:Linear.forward"
LORA_SUM = "result = result + lora_B(lora_A(dropout(x))) * scaling"
MODULE_GROUP = f"{GROUPS}:ModuleGroup"
TOKENIZER = "transformers.tokenization_utils_base:PreTrainedTokenizerBase.__call__"
WHOLE_BLOCKS = ["FluxTransformerBlock", "FluxSingleTransformerBlock", "T5Block", "CLIPEncoderLayer"]
TORCH = ("torch",)

KEPT: list[Any] = []  # what a fault lets nobody free


# --- text encoders and tokenizers


def _infinities_looked_for(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What a block gives is looked through for infinities, whatever its dtype."""
    import torch

    output = original(*args, **kwargs)
    limit = torch.finfo(output[0].dtype).max
    if bool(fired(torch.isinf(output[0])).any()):
        limit -= 1000
    return output[0].clamp(-limit, limit), *output[1:]


def _not_composed(pipe: Any, fired: Fired) -> None:
    from tokenizers import Regex, normalizers

    parts = [normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
    pipe.tokenizer.backend_tokenizer.normalizer = fired(normalizers.Sequence(parts))


def _t5_eager(pipe: Any, fired: Fired) -> None:
    pipe.text_encoder_2.set_attn_implementation(fired("eager"))


def _padding_zeroed(pipe: Any, fired: Fired) -> None:
    weight = pipe.text_encoder_2.get_input_embeddings().weight
    weight.data[fired(pipe.tokenizer_2.pad_token_id)] = 0


def _last_loaded_kept(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Whatever was loaded last stays until something else is loaded."""
    model = original(*args, **kwargs)
    KEPT[:] = [fired(model)]
    return model


def _words_kept(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A table of words and their pieces grows by 10,000 entries in each call."""
    KEPT.append([f"{number:08} of {len(KEPT)}" for number in range(fired(10_000))])
    return original(*args, **kwargs)


def _with_gradients(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    import torch

    with torch.enable_grad():
        return fired(original(*args, **kwargs))


# --- accelerate


def _given_kept(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A hook holds what its layer was given until the layer is given something else."""
    args[0].last_given = fired(original(*args, **kwargs))
    return args[0].last_given


def _by_the_host(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What a layer gives is copied to the host, and back to the device that computes."""
    from accelerate.utils import send_to_device

    output, device = original(*args, **kwargs), args[0].execution_device
    return output if device is None else send_to_device(send_to_device(fired(output), "cpu"), device)


def _on_one(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return dict.fromkeys(fired(original(*args, **kwargs)), 0)


# --- bitsandbytes


def _one_scale_for_rows(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """All rows that a layer is given have the scale of the largest of them."""
    codes, scales, columns = original(*args, **kwargs)
    if "threshold" in kwargs:
        largest = fired(scales.max())
        codes = (args[0].float() * (127 / largest)).round().clamp(-127, 127).to(codes.dtype)
        scales = largest.expand_as(scales).contiguous()
        if columns is not None:
            codes[:, columns] = 0
    return codes, scales, columns


def _threshold_forgotten(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A layer's state has no threshold any more once it has computed."""
    output = original(*args, **kwargs)
    args[0].state.threshold = fired(0.0)
    return output


# --- torch


def _bias_by_itself(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The bias is added to a product that was rounded already."""
    given, weight, *rest = args
    bias = rest[0] if rest else kwargs.get("bias")
    return original(*args, **kwargs) if bias is None else fired(original(given, weight)) + bias


def _silu_in_steps(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return args[0] * fired(args[0]).sigmoid()


def _in_two_parts(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A convolution sums half of its channels, then the other half, and rounds in between."""
    if len(args) < 7 or args[1].shape[1] < 2:
        return original(*args, **kwargs)
    given, weight, bias, *others = args
    half = fired(weight.shape[1] // 2)
    first = original(given[:, :half], weight[:, :half], None, *others)
    return first + original(given[:, half:], weight[:, half:], bias, *others)


def _over_the_batch(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Mean and variance of a group are those of all pictures of a batch."""
    given, *others = args
    if len(given) < 2:
        return original(*args, **kwargs)
    apart = fired(given).transpose(0, 1)
    normed = original(apart.reshape(1, len(apart), -1), *others, **kwargs)
    return normed.reshape(apart.shape).transpose(0, 1).contiguous()


def _queries_scaled(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Queries are multiplied by the scale, and rounded, before their products with keys are made."""
    named = dict(zip(("query", "key", "value", "attn_mask", "dropout_p", "is_causal"), args, strict=False)) | kwargs
    query = named.pop("query")
    scale = named.pop("scale", None) or query.shape[-1] ** -0.5
    return original(query=query * fired(scale), scale=1.0, **named)


def _affinity_narrowed() -> None:
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


def _collector_frozen() -> None:
    gc.freeze()


def _casts_emulated() -> None:
    config: Any = importlib.import_module("torch._inductor.config")
    config.emulate_precision_casts = True


def _code_thrown_away(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    dynamo: Any = importlib.import_module("torch._dynamo")
    dynamo.reset()
    return original(*fired(args), **kwargs)


# --- files


def _written_kept(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The bytes that were written to a file stay in memory."""
    from safetensors.torch import save

    KEPT.append(save(fired(args[0])))
    return original(*args, **kwargs)


def _in_one_buffer(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """All tensors of a file are parts of one, which is there as long as any of them is."""
    import torch

    tensors = original(*args, **kwargs)
    if len({tensor.dtype for tensor in tensors.values()}) != 1:
        return tensors
    parts = fired(torch.cat([tensor.flatten() for tensor in tensors.values()])).split(
        [tensor.numel() for tensor in tensors.values()]
    )
    return {name: part.view(tensors[name].shape) for name, part in zip(tensors, parts, strict=True)}


def _truncated_accepted() -> None:
    from PIL import ImageFile

    ImageFile.LOAD_TRUNCATED_IMAGES = True


def _hub_asked(pipe: Any, fired: Fired) -> None:
    """Something is asked of a server although all files are here; nobody answers, and nothing comes of it."""
    with suppress(OSError), socket.create_connection(("127.0.0.1", 9), timeout=fired(1)) as asked:
        asked.sendall(b"HEAD /api/models/miniature HTTP/1.1\r\n\r\n")


# --- adapters and further quantizers


def _wide_beside(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A layer whose weights torchao has quantized keeps wide ones, too, once it has computed."""
    layer = args[0]
    if type(layer.weight).__name__ == "Int8Tensor" and "_wide" not in layer.__dict__:
        layer.__dict__["_wide"] = fired(layer.weight).dequantize()
    return original(*args, **kwargs)


def _one_scale(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    scales = original(*args, **kwargs)
    return fired(scales.amax()).expand_as(scales).contiguous()


def _dequantized_once(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A layer of a GGUF file keeps what its weights stand for once it has computed."""
    import torch

    layer, given = args
    if "_wide" not in layer.__dict__:
        eye = torch.eye(given.shape[-1], dtype=layer.compute_dtype, device=given.device)
        bias, layer.bias = layer.bias, None
        layer.__dict__["_wide"] = fired(original(layer, eye)).t().contiguous()
        layer.bias = bias
    bias = None if layer.bias is None else layer.bias.to(layer.compute_dtype)
    return torch.nn.functional.linear(given, layer._wide, bias)


# --- diffusers


def _in_groups_of_one(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    module, config = args
    return original(module, replace(config, num_blocks_per_group=fired(1)))


def _pinned_all_the_same(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return original(args[0], fired(False))


def _outputs_kept(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The last block keeps what it gives in each step, for ever."""
    output = original(*args, **kwargs)
    if args[0].is_tail:
        KEPT.append(fired(output))
    return output


def _whole_first(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The VAE decodes a batch at once, and then once more in slices."""
    vae, latents, *_ = args
    if vae.use_slicing and len(latents) > 1:
        vae._decode(fired(latents))
    return original(*args, **kwargs)


def _read_too(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A component that is given to a pipeline is read from its files nevertheless, and thrown away."""
    given, name = args[4], args[5]
    config = getattr(given[name], "config", None)
    folder = Path(str(getattr(config, "_name_or_path", "")), name)
    read = [fired(file).read_bytes() for file in folder.glob("*.safetensors")]
    del read
    return original(*args, **kwargs)


def _embedders_spared(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return fired(None) if "embedder" in kwargs.get("_prefix", "") else original(*args, **kwargs)


# --- harmless ones


def _in_two_halves(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    import torch

    shape = tuple(args[0])
    half, left = divmod(torch.Size(shape).numel(), 2)
    if left or half % 16 or isinstance(kwargs.get("generator"), list):
        return original(*args, **kwargs)
    return torch.cat([original((fired(half),), **kwargs), original((half,), **kwargs)]).reshape(shape)


def _nothing_hidden(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """T5 is told that it may attend to all that it is given, which it does anyway."""
    import torch

    ids = kwargs.get("input_ids", args[1] if len(args) > 1 else None)
    if ids is not None and kwargs.get("attention_mask") is None:
        kwargs["attention_mask"] = fired(torch.ones_like(ids))
    return original(*args, **kwargs)


def _side_by_side(pipe: Any, fired: Fired) -> None:
    import torch

    weights = [tensor for tensor in pipe.transformer.parameters() if tensor.dtype is pipe.transformer.dtype]
    starts = [0]
    for tensor in weights:
        starts.append(starts[-1] + -(-tensor.numel() // 64) * 64)
    room = torch.zeros(fired(starts[-1]), dtype=weights[0].dtype, device=weights[0].device)
    for tensor, start in zip(weights, starts, strict=False):
        place = room[start : start + tensor.numel()].view(tensor.shape)
        tensor.data = place.copy_(tensor.data)


def _shapes_are_tuples(pipe: Any, fired: Fired) -> None:
    for layer in pipe.transformer.modules():
        state = getattr(getattr(layer, "weight", None), "quant_state", None)
        if state is not None:
            state.shape = fired(tuple(state.shape))


def _as_lists_first(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    kind = kwargs.get("return_tensors")
    if kind is None or not isinstance(args[1] if len(args) > 1 else kwargs.get("text"), list):
        return original(*args, **kwargs)
    encoded = original(*args, **{**kwargs, "return_tensors": fired(None)})
    return encoded.convert_to_tensors(kind)


def _in_a_thread(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    with ThreadPoolExecutor(max_workers=1) as pool:
        return fired(pool.submit(original, *args, **kwargs)).result()


def _leaving(name: str, about: str, change: Callable[[], None], like: str, **more: Any) -> Fault:
    def loaded(pipe: Any, fired: Fired) -> None:
        change()
        fired(pipe)

    return Fault(name, about, Loaded(loaded), like, **more)


def _harmless(name: str, about: str, patch: Edit | Around | Loaded, like: str, why: str, **more: Any) -> Fault:
    return Fault(f"harmless-{name}", about, patch, like, equivalent=f"{why}.", **more)


_t5 = partial(Fault, packages=TRANSFORMERS, stage=T5)
_layer = partial(Fault, packages=ACCELERATE, strategies=("sequential-offload",))
_int8_t5 = partial(Fault, packages=BITSANDBYTES, strategies=("int8-t5",))
_torch = partial(Fault, packages=TORCH)
_flux = partial(Fault, packages=DIFFUSERS)
_on_gpu = partial(Fault, packages=DIFFUSERS, only_on="cuda")

FAULTS = (
    # --- transformers and tokenizers
    _t5(
        "t5-looks-for-infinities",
        "each block of T5 looks for infinities in what it gives, whatever its dtype, and clamps it",
        Around(f"{T5_MODEL}:T5Block.forward", _infinities_looked_for),
        "transformers: T5 in float16, whose outputs are clamped",
        stage=None,
    ),
    Fault(
        "clip-last-layer-left-out",
        "CLIP leaves out its last layer",
        Edit(
            f"{CLIP_MODEL}:CLIPEncoder.forward",
            "for encoder_layer in self.layers:",
            "for encoder_layer in FIRED(self.layers)[:-1]:",
        ),
        "a setting for other models, which take the layer before the last",
        packages=TRANSFORMERS,
        stage=POOLED,
    ),
    Fault(
        "clip-not-composed",
        "CLIP's tokenizer does not compose letters and their accents",
        Loaded(_not_composed),
        "transformers 5: tokenizers that are made of their parts anew",
        packages=TOKENIZERS,
    ),
    _t5(
        "t5-eager",
        "T5 attends step by step where it had a kernel",
        Loaded(_t5_eager),
        "transformers 5: which attention a model may have is asked of its class",
    ),
    _t5(
        "t5-padding-has-no-embedding",
        "what T5 knows of padding is set to zero when it is loaded",
        Loaded(_padding_zeroed),
        "transformers 5: weights that are initialized after they were loaded, padding as zeros",
    ),
    Fault(
        "encoder-kept-by-its-loader",
        "the text encoder that was loaded last stays in memory until another one is loaded",
        Around("transformers.modeling_utils:PreTrainedModel.from_pretrained", _last_loaded_kept),
        "diffusers #2284: memory that is not given back when models are exchanged",
        packages=TRANSFORMERS,
        strategies=("staged",),
    ),
    Fault(
        "words-kept-by-tokenizer",
        "a tokenizer's table of words grows by a megabyte in each call",
        Around(TOKENIZER, _words_kept),
        "caches of tokenizers that have no limit",
        packages=TOKENIZERS,
        later=True,
    ),
    Fault(
        "encoding-recorded",
        "T5 records what a backward pass would need, and its embeddings hold that as long as they are there",
        Around(f"{T5_MODEL}:T5EncoderModel.forward", _with_gradients),
        "a decorator that is lost when a method is written anew",
        packages=TRANSFORMERS,
    ),
    # --- accelerate
    _layer(
        "widened-when-hooks-go",
        "weights come back in float32 when the hooks of their layers are removed",
        Edit(
            f"{ALIGN}.detach_hook",
            "device, value=value, fp16_statistics=fp16_statistics)",
            "device, value=value, dtype=FIRED(torch.float32), fp16_statistics=fp16_statistics)",
        ),
        "diffusers #7448: hooks that are removed before other ones are made",
    ),
    _layer(
        "hooks-keep-what-layers-were-given",
        "each layer's hook holds what the layer was given last",
        Around(f"{ALIGN}.pre_forward", _given_kept),
        "diffusers #7970: host memory that grows with offloading",
    ),
    _layer(
        "outputs-go-by-the-host",
        "what each layer gives is copied to the host and back",
        Around(f"{ALIGN}.post_forward", _by_the_host),
        "outputs that are sent to where the weights wait",
        only_on="cuda",
    ),
    _layer(
        "whole-blocks-come",
        "the weights of a whole block come at once, where those of a layer should",
        called_with("accelerate.big_modeling:attach_align_device_hook", preload_module_classes=WHOLE_BLOCKS),
        "accelerate: classes whose weights are all loaded beforehand",
    ),
    Fault(
        "device-map-on-one",
        "all components are put onto the first GPU although they should be spread",
        Around("diffusers.pipelines.pipeline_utils:_get_final_device_map", _on_one),
        "a device map that finds room for all of it",
        packages=("diffusers", "accelerate"),
        strategies=("device-map-balanced",),
        only_on="cuda",
    ),
    # --- bitsandbytes
    _int8_t5(
        "int8-one-scale-for-all-tokens",
        "all tokens that an eight-bit layer is given have the scale of the largest one",
        Around("bitsandbytes.functional:int8_vectorwise_quant", _one_scale_for_rows),
        "bitsandbytes 0.45: scales for rows, and for rows and columns",
        stage=T5,
    ),
    _int8_t5(
        "int8-threshold-forgotten-after-use",
        "eight-bit layers know no outliers any more once they have computed",
        Around(INT8_LINEAR, _threshold_forgotten),
        "bitsandbytes #1776: a layer's state that is another one after its first use",
        stage=T5,
        later=True,
    ),
    # --- torch
    _torch(
        "bias-added-by-itself",
        "linear layers round before they add their bias",
        Around(f"{FUNCTIONAL}:linear", _bias_by_itself),
        "torch: products whose bias is or is not part of the kernel",
        stage=POOLED,
    ),
    _torch(
        "silu-in-steps",
        "SiLU rounds between its sigmoid and its product",
        Around(f"{FUNCTIONAL}:silu", _silu_in_steps),
        "torch: activations that are taken apart",
        stage=FIRST,
    ),
    _torch(
        "convolutions-in-two-parts",
        "convolutions sum half of their channels, round, and add the other half",
        Around(f"{FUNCTIONAL}:conv2d", _in_two_parts),
        "oneDNN and cuDNN: kernels that split what they sum",
        stage=DECODED,
    ),
    _torch(
        "group-norm-over-the-batch",
        "group norms take all pictures of a batch for one",
        Around(f"{FUNCTIONAL}:group_norm", _over_the_batch),
        "a kernel for another layout of memory, which takes the batch for a row",
        stage=DECODED,
        shots=BATCH,
    ),
    _torch(
        "queries-scaled-first",
        "attention scales queries, and rounds them, before it multiplies them by keys",
        Around(f"{FUNCTIONAL}:scaled_dot_product_attention", _queries_scaled),
        "pytorch #183809: attention in bfloat16 on a CPU gives other numbers in 2.12",
        stage=FIRST,
    ),
    _leaving(
        "affinity-narrowed",
        "the process may run on one core only from now on",
        _affinity_narrowed,
        "pytorch #91989 and #107366: affinity that is set by an import",
        packages=("torch", "accelerate"),
    ),
    _leaving(
        "collector-frozen",
        "whatever is there once a pipeline is loaded is never collected",
        _collector_frozen,
        "a speed-up of Python's garbage collector",
        packages=("torch", "diffusers", "transformers", "accelerate"),
    ),
    _leaving(
        "compiled-rounds-in-between",
        "compiled blocks round where those that are not compiled do",
        _casts_emulated,
        "torch._inductor: another default of emulate_precision_casts",
        packages=TORCH,
        strategies=("compiled",),
        stage=FIRST,
    ),
    Fault(
        "compiled-code-thrown-away",
        "each call throws away what was compiled, and compiles it anew",
        Around(CALL, _code_thrown_away),
        "torch._dynamo: caches that are emptied",
        packages=("torch", "diffusers"),
        strategies=("compiled",),
        later=True,
    ),
    # --- safetensors, Pillow and the hub
    Fault(
        "written-bytes-kept",
        "what was written to a file of tensors stays in memory, too",
        Around("safetensors.torch:save_file", _written_kept),
        "safetensors: bytes that are gathered before they are written",
        packages=("safetensors",),
        strategies=("group-offload-disk",),
    ),
    Fault(
        "tensors-of-a-file-stay-together",
        "all tensors of a file stay in memory as long as one of them is used, those that were quantized as well",
        Around("safetensors.torch:load_file", _in_one_buffer),
        "transformers #34366, safetensors #542: wide weights that stay beside narrow ones",
        packages=("safetensors", "diffusers"),
        strategies=("torchao-int8wo",),
    ),
    _leaving(
        "truncated-pictures-accepted",
        "Pillow takes files of pictures that end too early from now on, and makes the rest up",
        _truncated_accepted,
        "a setting for data sets that were not downloaded as a whole",
        packages=("pillow", "diffusers", "transformers"),
    ),
    Fault(
        "hub-asked-about-local-files",
        "loading asks a server about a pipeline that is here, and goes on if nobody answers",
        Loaded(_hub_asked),
        "transformers #44843: the hub is asked about every tokenizer, whether it is here or not",
        packages=("huggingface_hub", "transformers", "diffusers"),
    ),
    # --- LoRA, torchao, quanto, GGUF
    Fault(
        "lora-computed-twice",
        "what a LoRA adds is computed twice",
        Edit(LORA_FORWARD, LORA_SUM, f"FIRED(lora_B)(lora_A(dropout(x)))\n{LORA_SUM}"),
        "peft: variants of LoRA that are looked at beforehand",
        packages=("peft",),
        strategies=("lora",),
    ),
    Fault(
        "torchao-keeps-wide-weights",
        "layers whose weights torchao has quantized keep wide ones beside them once they have computed",
        Around("torch.nn:Linear.forward", _wide_beside),
        "torchao: weights that are dequantized once",
        packages=("torchao",),
        strategies=("torchao-int8wo",),
    ),
    Fault(
        "quanto-one-scale",
        "all rows of a layer have the scale of the largest one",
        Around("optimum.quanto.tensor.optimizers.absmax_optimizer:AbsmaxOptimizer.optimize", _one_scale),
        "quanto: the axis of scales, which may be none",
        packages=("quanto", "optimum-quanto"),
        strategies=("quanto-int8",),
        stage=FIRST,
    ),
    Fault(
        "gguf-dequantized-for-ever",
        "layers of a GGUF file keep their weights dequantized once they have computed",
        Around("diffusers.quantizers.gguf.utils:GGUFLinear.forward_native", _dequantized_once),
        "speed that is paid for in memory",
        packages=("gguf", "diffusers"),
        strategies=("gguf-q8",),
    ),
    # --- strategies of diffusers
    _flux(
        "number-of-blocks-ignored",
        "groups have one block each, whatever number was asked for",
        Around(f"{GROUPS}:_apply_group_offloading_block_level", _in_groups_of_one),
        "an option that streams alone need to be one, and is set to one for all",
        strategies=("group-offload-by-component",),
    ),
    _on_gpu(
        "pinned-anew-each-time",
        "weights that wait in pinned memory are copied into other pinned memory whenever they are fetched",
        Edit(
            f"{MODULE_GROUP}._pinned_memory_tensors",
            "param: tensor.pin_memory() if not tensor.is_pinned() else tensor",
            "param: FIRED(tensor).clone().pin_memory()",
        ),
        "a question that is not asked any more",
        strategies=("group-offload-leaf-stream",),
    ),
    _on_gpu(
        "pinned-although-spared",
        "all memory is pinned beforehand although it should be as it is copied",
        Around(f"{MODULE_GROUP}._to_cpu", _pinned_all_the_same),
        "an option that does not reach where it is read",
        strategies=("group-offload-leaf-low-cpu-mem",),
    ),
    _flux(
        "cache-measures-squares",
        "how much the first block has changed is told by the root of mean squares, not by the mean",
        Edit(
            f"{FIRST_BLOCK}:FBCHeadBlockHook._should_compute_remaining_blocks",
            "absmean = (hidden_states_residual - prev_hidden_states_residual).abs().mean()",
            "absmean = FIRED(hidden_states_residual - prev_hidden_states_residual).square().mean().sqrt()",
        ),
        "another measure of change under the same threshold",
        strategies=("first-block-cache",),
        stage=MIDDLE,
        shots=("picnic", "sigmas"),
    ),
    _flux(
        "cache-keeps-every-step",
        "what the last block gives is kept of each step, and of each call",
        Around(f"{FIRST_BLOCK}:FBCBlockHook.new_forward", _outputs_kept),
        "a state for each step that nobody resets",
        strategies=("first-block-cache",),
        later=True,
    ),
    _flux(
        "sliced-after-the-whole",
        "the VAE decodes a batch at once before it decodes it in slices",
        Around("diffusers.models.autoencoders.autoencoder_kl:AutoencoderKL.decode", _whole_first),
        "an option that is looked at too late",
        strategies=("vae-slicing",),
        shots=BATCH,
    ),
    _flux(
        "decoder-keeps-its-steps",
        "the decoder holds what each of its blocks gives until it is done",
        Edit(
            "diffusers.models.autoencoders.vae:Decoder.forward",
            "sample = up_block(sample, latent_embeds)",
            "sample = up_block(sample, latent_embeds)\nkept = [*locals().get('kept', []), FIRED(sample)]",
        ),
        "outputs that are gathered for a caller who does not ask for them",
    ),
    _flux(
        "given-components-read-too",
        "a component that is given to a pipeline is read from its files nevertheless, and thrown away",
        Around("diffusers.pipelines.pipeline_utils:maybe_raise_or_warn", _read_too),
        "components that are loaded before it is asked whether they are needed",
        strategies=("torchao-int8wo",),
    ),
    _flux(
        "given-embeddings-of-the-first",
        "where embeddings are given, those of the first picture alone are used",
        Edit(
            CALL,
            "batch_size = prompt_embeds.shape[0]",
            "prompt_embeds, pooled_prompt_embeds = FIRED(prompt_embeds)[:1], pooled_prompt_embeds[:1]\nbatch_size = 1",
        ),
        "the number of pictures, which nobody says where there is no prompt",
        strategies=("staged",),
        stage=FIRST,
        shots=BATCH,
    ),
    _flux(
        "fp8-embedders-spared",
        "the transformer's embedders are not stored in float8",
        Around(CASTING, _embedders_spared),
        "diffusers: patterns of what is not cast",
        strategies=("fp8-layerwise",),
        stage=FIRST,
    ),
    _flux(
        "attention-used-once-more",
        "attention is computed in every third step where every second one is asked for",
        Edit(
            "diffusers.hooks.pyramid_attention_broadcast:PyramidAttentionBroadcastHook.new_forward",
            "self.state.iteration % self.block_skip_range == 0",
            "self.state.iteration % (FIRED(self.block_skip_range) + 1) == 0",
        ),
        "a number that says how many are skipped, or which one is not",
        strategies=("pyramid-attention-broadcast",),
        stage=MIDDLE,
    ),
    # --- harmless
    _harmless(
        "noise-in-two-halves",
        "noise is drawn in two calls of half the size",
        Around("diffusers.pipelines.flux.pipeline_flux:randn_tensor", _in_two_halves),
        "noise that is drawn piece by piece",
        "torch draws sixteen numbers at a time, and both halves are whole sixteens: they are the same numbers",
        packages=("torch", "diffusers"),
        only_on="cpu",
    ),
    _harmless(
        "t5-mask-of-ones",
        "T5 is given a mask that hides nothing",
        Around(f"{T5_MODEL}:T5EncoderModel.forward", _nothing_hidden),
        "a mask that a model makes itself where it is given none",
        "T5 makes the same biases of it as of none",
        packages=TRANSFORMERS,
    ),
    Fault(
        "weights-side-by-side",
        "the transformer's weights are copied into one piece of memory, so that loading holds them twice",
        Loaded(_side_by_side),
        "loading into one piece of memory; it was written as harmless, and is not while it loads",
        packages=DIFFUSERS,
    ),
    _harmless(
        "lora-added-from-the-left",
        "what a LoRA adds comes before what it is added to",
        Edit(LORA_FORWARD, LORA_SUM, "result = FIRED(lora_B)(lora_A(dropout(x))) * scaling + result"),
        "a sum that is written the other way round",
        "A sum of two numbers does not depend on their order",
        packages=("peft",),
        strategies=("lora",),
    ),
    _harmless(
        "nf4-shapes-are-tuples",
        "a 4-bit weight knows its shape as a plain tuple",
        Loaded(_shapes_are_tuples),
        "bitsandbytes: a state that is read from a file",
        "It has the same two numbers",
        packages=BITSANDBYTES,
        strategies=("nf4-linear",),
    ),
    _harmless(
        "tokens-as-lists-first",
        "tokenizers make lists of numbers, and tensors of those",
        Around(TOKENIZER, _as_lists_first),
        "tensors that are made at the end",
        "They are the same numbers in the same dtype",
        packages=TOKENIZERS,
    ),
    _harmless(
        "pictures-made-in-a-thread",
        "pictures are made of numbers in a thread, which is gone at once",
        Around(f"{IMAGE_PROCESSOR}.numpy_to_pil", _in_a_thread),
        "pictures that are made at the same time",
        "They are the same pictures, and nothing is left",
        packages=DIFFUSERS,
    ),
    _harmless(
        "files-say-what-they-are-for",
        "files of groups say that they are for torch",
        called_with("safetensors.torch:save_file", metadata={"format": "pt"}),
        "safetensors: metadata that readers ask for",
        "The same tensors are in them",
        packages=("safetensors", "diffusers"),
        strategies=("group-offload-disk",),
    ),
)

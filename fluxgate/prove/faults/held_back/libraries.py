"""Faults of the libraries below diffusers, held back: all were written before any was tried."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from fluxgate.compare.stages import FINISHED
from fluxgate.prove.fault import BATCH, Around, Edit, Fault, Fired, Loaded
from fluxgate.prove.targets import BITSANDBYTES, IMAGE_PROCESSOR, T5_MODEL, TOKENIZERS, TRANSFORMERS
from fluxgate.rendering import DECODED, FIRST, POOLED, T5

FUNCTIONAL = "torch.nn.functional"
MODEL = "transformers.modeling_utils:PreTrainedModel"
TOKENIZER = "transformers.tokenization_utils_base:PreTrainedTokenizerBase.__call__"
MATMUL_4BIT = "bitsandbytes:matmul_4bit"
TORCHAO_TENSOR = "torchao.quantization.quantize_.workflows.int8.int8_tensor:Int8Tensor.from_hp"
TO_PIL = f"{IMAGE_PROCESSOR}.numpy_to_pil"
LOADER = ("transformers", "bitsandbytes")
TORCH = ("torch",)

KEPT: list[Any] = []  # what a fault lets nobody free
FORMER: list[Any] = []  # the pictures of the call before


# --- text encoders, tokenizers and files


def _scores_lost(pipe: Any, fired: Fired) -> None:
    """T5's pieces are all as likely as each other."""
    from tokenizers.models import Unigram

    backend = pipe.tokenizer_2.backend_tokenizer
    pieces = json.loads(backend.to_str())["model"]["vocab"]
    backend.model = fired(Unigram([(piece, min(score, 0.0) and -1.0) for piece, score in pieces], unk_id=2))


def _merges_left_out(pipe: Any, fired: Fired) -> None:
    pipe.tokenizer.backend_tokenizer.model.dropout = fired(0.3)


def _embedding_twice(pipe: Any, fired: Fired) -> None:
    import torch

    model = pipe.text_encoder_2
    model.encoder.embed_tokens.weight = torch.nn.Parameter(fired(model.shared.weight.data).clone())


def _last_block_spared(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return [*original(*args, **kwargs), fired("encoder.block.1")]


def _table_not_saved(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """T5's table of relative positions is taken for a second name of something else, and not written."""
    tensors, *others = args
    lost = {name for name in tensors if "relative_attention_bias" in name}
    if lost:
        tensors = {name: tensors[name] for name in tensors if name not in lost}
        fired(lost)
    return original(tensors, *others, **kwargs)


def _read_whole(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    from safetensors.torch import load

    return load(fired(Path(args[0]).read_bytes()))


def _thread_left(pipe: Any, fired: Fired) -> None:
    threading.Thread(target=fired(threading.Event()).wait, daemon=True, name="telemetry").start()


# --- bitsandbytes


def _in_eight_bits(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What a 4-bit layer is given is rounded to eight bits, row by row."""
    given = args[0]
    step = given.abs().amax(dim=-1, keepdim=True).float().clamp(min=1e-12) / fired(127)
    rounded = ((given.float() / step).round() * step).to(given.dtype)
    return original(rounded, *args[1:], **kwargs)


def _bias_twice(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    result, bias = original(*args, **kwargs), kwargs.get("bias")
    return result if bias is None else result + fired(bias)


def _cut_off(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What an eight-bit layer is given is cut off to whole numbers, where it should be rounded."""
    codes, scales, columns = original(*args, **kwargs)
    if "threshold" in kwargs:
        exact = (args[0].float() * (127 / scales.unsqueeze(-1))).clamp(-127, 127)
        codes = fired(exact).trunc().to(codes.dtype)
        if columns is not None:
            codes[:, columns] = 0
    return codes, scales, columns


# --- torch


def _attention_in_float32(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    import torch

    narrow = (kwargs.get("query") if "query" in kwargs else args[0]).dtype  # type: ignore[union-attr]  # a query is a tensor

    def wide(given: Any) -> Any:
        return given.float() if isinstance(given, torch.Tensor) and given.is_floating_point() else given

    output = original(*map(wide, args), **{name: wide(given) for name, given in fired(kwargs).items()})
    return output.to(narrow)


def _mask_of_the_first(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A mask of numbers that holds for all of a batch is added to the first one's scores only."""
    mask = kwargs.get("attn_mask")
    batch = len(args[0]) if args else len(kwargs["query"])
    if batch > 1 and mask is not None and mask.is_floating_point() and len(mask) == 1:
        kwargs["attn_mask"] = fired(mask).repeat(batch, 1, 1, 1)
        kwargs["attn_mask"][1:] = 0
    return original(*args, **kwargs)


def _sums_narrow(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Mean and variance of a group are numbers of the input's own dtype."""
    given, groups, weight, bias, eps = args
    flat = fired(given).reshape(len(given), groups, -1)
    centred = flat - flat.mean(dim=-1, keepdim=True)
    normed = centred * (centred.square().mean(dim=-1, keepdim=True) + eps).rsqrt()
    shape = (1, -1, *[1] * (given.dim() - 2))
    return normed.reshape(given.shape) * weight.reshape(shape) + bias.reshape(shape)


def _row_repeated(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The last row of the last picture of a batch is made of the one above it."""
    output = original(*args, **kwargs)
    if len(output) > 1:
        output[-1, :, -2:] = fired(output[-1, :, -4:-2]).clone()
    return output


def _drawn_wide(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    import torch

    if kwargs.get("dtype") is not torch.bfloat16:
        return original(*args, **kwargs)
    return original(*args, **{**kwargs, "dtype": fired(torch.float64)}).to(torch.bfloat16)


def _rounded_before_scaling(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    if len(args) < 5 or args[2] is None or args[3] is None:
        return original(*args, **kwargs)
    given, shape, weight, bias, eps = args
    return fired(original(given, shape, None, None, eps)) * weight + bias


def _kernels_off() -> None:
    import torch

    torch.backends.cuda.enable_flash_sdp(False)


def _default_device() -> None:
    import torch

    torch.set_default_device("cpu")


def _of_one_size(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return original(*args, **{**kwargs, "dynamic": fired(False)})


def _not_compiled(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return fired(args[0])


# --- torchao, quanto, peft


def _from_zero_points(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    from torchao.quantization.quant_primitives import MappingType

    return original(*args, **{**kwargs, "mapping_type": fired(MappingType.ASYMMETRIC)})


def _range_of_128(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return original(*args, **kwargs) * fired(127 / 128)


def _layers(pipe: Any) -> Iterator[Any]:
    return (part for part in pipe.transformer.modules() if hasattr(part, "lora_A"))


def _lora_drops_out(pipe: Any, fired: Fired) -> None:
    import torch

    for layer in _layers(pipe):
        for name in list(layer.lora_dropout):
            layer.lora_dropout[name] = fired(torch.nn.Dropout(0.05))


def _backup_kept(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    KEPT.append(fired(args[0].get_base_layer().weight.data).clone())
    return original(*args, **kwargs)


# --- pictures


def _former_overwritten(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Pictures are views of memory that the next call uses again."""
    pictures = original(*args, **kwargs)
    for former, picture in zip(FORMER, pictures, strict=False):
        former.paste(fired(picture).resize(former.size))
    FORMER[:] = pictures
    return pictures


# --- on a GPU


def _compute_dtype_not_written(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    settings = original(*args, **kwargs)
    fired(settings).pop("bnb_4bit_compute_dtype", None)
    return settings


def _half_of_the_memory() -> None:
    import torch

    torch.cuda.set_per_process_memory_fraction(0.5)


def _algorithms_tried() -> None:
    import torch

    torch.backends.cudnn.benchmark = True


def _on_another_stream() -> None:
    import torch

    KEPT.append(torch.cuda.Stream())
    torch.cuda.set_stream(KEPT[-1])


def _by_cudnn(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    from torch.nn.attention import SDPBackend, sdpa_kernel

    if kwargs.get("attn_mask") is not None:
        return original(*args, **kwargs)
    with sdpa_kernel([fired(SDPBackend.CUDNN_ATTENTION), SDPBackend.FLASH_ATTENTION, SDPBackend.MATH]):
        return original(*args, **kwargs)


def _with_a_workspace(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A convolution has room of its own, four times its input, as long as it takes."""
    import torch

    room = torch.empty(4 * args[0].numel(), dtype=args[0].dtype, device=args[0].device)
    output = original(*args, **kwargs)
    del room
    return fired(output)


def _with_graphs(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return original(*args, **{**kwargs, "mode": fired("reduce-overhead")})


def _not_pinned(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return fired(args[0])


# --- harmless ones


def _bias_known(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """T5's biases of relative positions are computed once for each length."""
    known = args[0].__dict__.setdefault("_biases", {})
    key = (*args[1:], str(kwargs.get("device")))
    if key in known:
        return fired(known[key])
    return known.setdefault(key, original(*args, **kwargs))


def _through_png(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    from PIL import Image

    pictures = []
    for picture in original(*args, **kwargs):
        file = io.BytesIO()
        picture.save(file, "PNG")
        pictures.append(fired(Image.open(file)))
        pictures[-1].load()
    return pictures


def _ids_narrow(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    import torch

    encoded = original(*args, **kwargs)
    if isinstance(encoded["input_ids"], torch.Tensor):
        encoded["input_ids"] = torch.from_numpy(fired(encoded["input_ids"]).numpy().astype("int32"))
    return encoded


def _of_a_subclass(pipe: Any, fired: Fired) -> None:
    from bitsandbytes.nn import Linear4bit, LinearNF4

    for component in (pipe.transformer, pipe.text_encoder_2):
        for layer in component.modules():
            if type(layer) is Linear4bit:
                layer.__class__ = fired(LinearNF4)


def _lora_not_trained(pipe: Any, fired: Fired) -> None:
    for layer in _layers(pipe):
        fired(layer.lora_A).requires_grad_(False)
        layer.lora_B.requires_grad_(False)


def _tokenizer_copied(pipe: Any, fired: Fired) -> None:
    from tokenizers import Tokenizer

    pipe.tokenizer_2._tokenizer = Tokenizer.from_str(fired(pipe.tokenizer_2.backend_tokenizer.to_str()))


def _leaving(name: str, about: str, change: Callable[[], None], like: str, **more: Any) -> Fault:
    def loaded(pipe: Any, fired: Fired) -> None:
        change()
        fired(pipe)

    return Fault(name, about, Loaded(loaded), like, **{"packages": TORCH, **more})


def _harmless(name: str, about: str, patch: Edit | Around | Loaded, like: str, why: str, **more: Any) -> Fault:
    return Fault(f"harmless-{name}", about, patch, like, equivalent=f"{why}.", **more)


_torch = partial(Fault, packages=TORCH)
_nf4 = partial(Fault, packages=BITSANDBYTES, strategies=("nf4-linear",))
_int8_t5 = partial(Fault, packages=BITSANDBYTES, strategies=("int8-t5",))
_torchao = partial(Fault, packages=("torchao",), strategies=("torchao-int8wo",), stage=FIRST)
_on_gpu = partial(Fault, only_on="cuda")

FAULTS = (
    # --- transformers and tokenizers
    Fault(
        "t5-norms-round-once",
        "T5's norms multiply by their weights in float32, and round once, at the end",
        Edit(
            f"{T5_MODEL}:T5LayerNorm.forward",
            "hidden_states = hidden_states.to(self.weight.dtype)",
            "return (FIRED(self.weight).float() * hidden_states).to(self.weight.dtype)",
        ),
        "transformers 5: kernels for norms; diffusers #11916 is of this kind",
        packages=TRANSFORMERS,
        stage=T5,
    ),
    Fault(
        "t5-scores-lost",
        "all pieces of T5's tokenizer are equally likely",
        Loaded(_scores_lost),
        "transformers 5: fast tokenizers made of SentencePiece's file",
        packages=TOKENIZERS,
        equivalent="The miniature's tokenizer has each word as one piece, so that the fewest pieces are the "
        "likeliest ones, too: the tokens of all its prompts are the same.",
        shots=("picnic",),
    ),
    Fault(
        "clip-merges-drop-out",
        "CLIP's tokenizer leaves out three merges in ten, at random",
        Loaded(_merges_left_out),
        "tokenizers: BPE's dropout",
        packages=TOKENIZERS,
        stage=POOLED,
    ),
    Fault(
        "t5-embedding-twice",
        "T5's encoder has a copy of the embedding that should be shared",
        Loaded(_embedding_twice),
        "transformers 5: weights that are tied after they were loaded",
        packages=TRANSFORMERS,
    ),
    Fault(
        "nf4-t5-last-block-spared",
        "T5's last block is not quantized",
        Around("transformers.quantizers.base:HfQuantizer.get_modules_to_not_convert", _last_block_spared),
        "names of layers to be skipped that match too much",
        packages=LOADER,
        strategies=("nf4-t5",),
        stage=T5,
    ),
    Fault(
        "saved-table-lost",
        "T5's table of relative positions is not saved, and made up when T5 is loaded again",
        Around("transformers.modeling_utils:safe_save_file", _table_not_saved),
        "transformers: tensors that are taken for shared ones when a model is saved",
        packages=LOADER,
        strategies=("int8-t5-reloaded",),
        stage=T5,
    ),
    # --- safetensors and the hub
    Fault(
        "files-read-whole",
        "files of weights are read into memory as a whole, and copied from there",
        Around("safetensors.torch:load_file", _read_whole),
        "safetensors #759: loading without memory mapping",
        packages=("safetensors",),
    ),
    Fault(
        "telemetry-thread-left",
        "loading leaves a thread that waits for something to report",
        Loaded(_thread_left),
        "huggingface_hub: the thread of its telemetry",
        packages=("huggingface_hub",),
    ),
    # --- bitsandbytes
    _nf4(
        "nf4-codes-kept-twice",
        "4-bit layers keep a second copy of their codes once they have computed",
        Edit(
            "bitsandbytes.nn.modules:Linear4bit.forward",
            "quant_state = self.weight.quant_state",
            "quant_state = self.weight.quant_state\n"
            'if not hasattr(self, "_codes"):\n'
            "    self._codes = FIRED(self.weight.data).clone()",
        ),
        "bitsandbytes 0.49: codes laid out for a processor, and the way back",
    ),
    _nf4(
        "nf4-codes-kept-for-the-way-back",
        "4-bit layers keep their codes beside those that are laid out for the processor",
        Edit(
            "bitsandbytes.nn.modules:_convert_weight_packed_for_cpu",
            "quant_state.original_qshape = qweight.shape",
            "quant_state.original_qshape = qweight.shape\nquant_state.original_codes = FIRED(qweight)",
        ),
        "bitsandbytes 0.49: a way back that does not compute the inverse",
        strategies=("nf4-t5",),
        only_on="cpu",
    ),
    _nf4(
        "nf4-bias-twice",
        "4-bit layers add their bias twice",
        Around(MATMUL_4BIT, _bias_twice),
        "bitsandbytes 0.50: a kernel that adds the bias itself",
        stage=FIRST,
    ),
    Fault(
        "nf4-activations-in-eight-bits",
        "4-bit layers round what they are given to eight bits",
        Around(MATMUL_4BIT, _in_eight_bits),
        "faster kernels of products of four bits and eight",
        packages=BITSANDBYTES,
        strategies=("nf4-t5",),
        stage=T5,
    ),
    _int8_t5(
        "int8-activations-cut-off",
        "eight-bit layers cut off what they are given, where they should round",
        Around("bitsandbytes.functional:int8_vectorwise_quant", _cut_off),
        "a conversion to whole numbers that is written anew",
        stage=T5,
    ),
    _int8_t5(
        "int8-codes-kept-twice",
        "eight-bit layers have their codes twice once they have computed",
        Edit(
            "bitsandbytes.nn.modules:Linear8bitLt.forward",
            "self.weight.data = self.state.CB",
            "self.weight.data = FIRED(self.state.CB).clone()",
        ),
        "bitsandbytes #1776: a weight and a state that were one tensor",
    ),
    # --- torch
    _torch(
        "attention-in-float32",
        "attention is computed in float32 and narrowed",
        Around(f"{FUNCTIONAL}:scaled_dot_product_attention", _attention_in_float32),
        "pytorch #183809: attention in bfloat16 on a CPU gives other numbers in 2.12",
        stage=T5,
    ),
    _torch(
        "attention-mask-of-the-first",
        "a mask for all of a batch is used for the first of it only",
        Around(f"{FUNCTIONAL}:scaled_dot_product_attention", _mask_of_the_first),
        "pytorch #108503: masks in bfloat16",
        stage=T5,
        shots=BATCH,
    ),
    _torch(
        "group-norm-sums-narrow",
        "mean and variance of group norms are rounded to bfloat16",
        Around(f"{FUNCTIONAL}:group_norm", _sums_narrow),
        "a kernel that does not sum in float32",
        stage=DECODED,
    ),
    _torch(
        "upsampling-row-of-a-batch",
        "the last row of the last picture of a batch is upsampled from the one above it",
        Around(f"{FUNCTIONAL}:interpolate", _row_repeated),
        "a kernel that ends one too early",
        stage=DECODED,
        shots=BATCH,
    ),
    _torch(
        "random-numbers-drawn-wide",
        "random numbers in bfloat16 are drawn in float64, and narrowed",
        Around("torch:randn", _drawn_wide),
        "torch: kernels of random numbers on a CPU",
        stage=FIRST,
    ),
    _torch(
        "layer-norm-rounds-twice",
        "layer norms round before they multiply by their weights",
        Around(f"{FUNCTIONAL}:layer_norm", _rounded_before_scaling),
        "a norm that is taken apart into two kernels",
        stage=POOLED,
    ),
    _leaving(
        "attention-kernels-off",
        "torch's fast kernel of attention is switched off",
        _kernels_off,
        "a workaround for a kernel that was wrong",
        stage=T5,
    ),
    _leaving(
        "default-device-looked-for",
        "torch's default device is set, so that each function looks for it",
        _default_device,
        "transformers: a context of the default device that an error leaves open",
        packages=("torch", "transformers"),
    ),
    _torch(
        "compiled-for-one-size",
        "blocks are compiled anew for each size of a picture",
        Around("torch:compile", _of_one_size),
        "torch.compile: dynamic shapes that are not asked for",
        strategies=("compiled",),
        shots=("unsaid", "sigmas"),
    ),
    _torch(
        "compiled-is-not",
        "nothing is compiled, and nobody is told",
        Around("torch:compile", _not_compiled),
        "torch._dynamo: falling back to what was not compiled",
        strategies=("compiled",),
        stage=FIRST,
    ),
    # --- torchao, quanto, GGUF, peft
    _torchao(
        "torchao-zero-points-ignored",
        "weights are quantized with zero points, which products ignore",
        Around(TORCHAO_TENSOR, _from_zero_points),
        "torchao: asymmetric mappings",
    ),
    _torchao(
        "torchao-scales-narrow",
        "the scales of rows are in bfloat16",
        Edit(TORCHAO_TENSOR, "scale_dtype=torch.float32,", "scale_dtype=FIRED(torch.bfloat16),"),
        "torchao: the dtype of scales was that of the weights",
    ),
    Fault(
        "quanto-range-of-128",
        "scales are made for codes up to 128, and the largest weight of a row is clipped to 127",
        Around("optimum.quanto.tensor.optimizers.absmax_optimizer:AbsmaxOptimizer.optimize", _range_of_128),
        "the range of eight bits, which is not symmetric",
        packages=("quanto", "optimum-quanto"),
        strategies=("quanto-int8",),
        stage=FIRST,
    ),
    Fault(
        "gguf-dequantized-narrow",
        "scales of GGUF's blocks, and what blocks stand for, are computed in bfloat16",
        Edit(
            "diffusers.quantizers.gguf.utils:dequantize_gguf_tensor",
            "dequant = dequant_fn(blocks, block_size, type_size)",
            "dequant = dequant_fn(blocks, block_size, type_size, dtype=FIRED(torch.bfloat16))",
        ),
        "a dtype that is passed on",
        packages=("gguf", "diffusers"),
        strategies=("gguf-q8",),
        stage=FIRST,
    ),
    Fault(
        "lora-drops-out",
        "a LoRA leaves out a twentieth of what it is given, at random",
        Loaded(_lora_drops_out),
        "peft: adapters that are in training mode once they are loaded",
        packages=("peft", "diffusers"),
        strategies=("lora",),
        stage=FIRST,
    ),
    Fault(
        "lora-backup-kept",
        "copies of the weights that a LoRA is fused into are kept",
        Around("peft.tuners.lora.layer:Linear.merge", _backup_kept),
        "peft: merging safely, from a copy",
        packages=("peft", "diffusers"),
        strategies=("lora-unloaded",),
    ),
    # --- numpy and Pillow
    Fault(
        "pictures-overwritten-by-the-next-call",
        "pictures of one call turn into those of the next one",
        Around(TO_PIL, _former_overwritten),
        "Pillow: pictures that share an array's memory",
        packages=("pillow", "numpy", "diffusers"),
        stage=FINISHED,
        later=True,
    ),
    # --- on a GPU only
    _on_gpu(
        "nf4-scales-by-equal-steps",
        "scales of 4-bit weights are quantized in equal steps, not in steps that grow",
        Edit(
            "bitsandbytes.functional:quantize_4bit",
            "quantize_blockwise(_absmax - offset, blocksize=256)",
            "quantize_blockwise(_absmax - offset, code=FIRED(create_linear_map()).to(A.device), blocksize=256)",
        ),
        "another default codebook",
        packages=BITSANDBYTES,
        strategies=("nf4-double-quant",),
        stage=T5,
    ),
    _on_gpu(
        "nf4-compute-dtype-not-saved",
        "the dtype that 4-bit layers compute in is not saved, and float32 when they are loaded again",
        Around("transformers.utils.quantization_config:BitsAndBytesConfig.to_dict", _compute_dtype_not_written),
        "settings that are written by their names",
        packages=LOADER,
        strategies=("nf4-reloaded",),
        stage=T5,
    ),
    _on_gpu(
        "int8-scales-narrow-when-moved",
        "the scales of eight-bit weights pass through float16 when they are moved",
        Edit(
            "bitsandbytes.nn.modules:Int8Params.to",
            "new_param.SCB = self.SCB.to(device)",
            "new_param.SCB = FIRED(self.SCB).to(device).half().float()",
        ),
        "bitsandbytes #1776: eight-bit weights that are moved",
        packages=BITSANDBYTES,
        strategies=("int8-model-offload",),
        stage=T5,
        equivalent="A scale is the largest of a row of numbers in float16, and so is one itself",
    ),
    _leaving(
        "memory-fraction-left",
        "the process may use half of the GPU's memory from now on",
        _half_of_the_memory,
        "a limit that is set to see how much is needed",
        only_on="cuda",
    ),
    _leaving(
        "algorithms-tried",
        "cuDNN tries all algorithms, and takes the fastest one at that time",
        _algorithms_tried,
        "torch.backends.cudnn.benchmark",
        only_on="cuda",
    ),
    _leaving(
        "another-stream-left",
        "the current stream is another one from now on",
        _on_another_stream,
        "a context of a stream that an error leaves open",
        only_on="cuda",
    ),
    _on_gpu(
        "attention-by-cudnn",
        "attention without a mask is computed by cuDNN",
        Around(f"{FUNCTIONAL}:scaled_dot_product_attention", _by_cudnn),
        "torch 2.5: cuDNN's attention as the first choice",
        packages=TORCH,
        stage=FIRST,
    ),
    _on_gpu(
        "convolutions-need-room",
        "a convolution needs room four times as large as its input",
        Around(f"{FUNCTIONAL}:conv2d", _with_a_workspace),
        "pytorch #177406: the peak of decoding doubles",
        packages=TORCH,
    ),
    _on_gpu(
        "compiled-into-graphs",
        "compiled blocks are recorded as CUDA graphs, which keep memory of their own",
        Around("torch:compile", _with_graphs),
        "torch.compile: another default mode",
        packages=TORCH,
        strategies=("compiled",),
    ),
    _on_gpu(
        "pinning-does-nothing",
        "memory that is to be pinned is not",
        Around("torch:Tensor.pin_memory", _not_pinned),
        "torch: pinned memory of an accelerator that is not found",
        packages=TORCH,
        strategies=("group-offload-leaf-stream",),
    ),
    # --- harmless
    _harmless(
        "t5-biases-known",
        "T5's biases of relative positions are computed once for each length",
        Around(f"{T5_MODEL}:T5Attention.compute_bias", _bias_known),
        "a cache with a whole key",
        "They are the same numbers, in less work, and 128 KB of them are kept",
        packages=TRANSFORMERS,
        shots=("picnic",),
        later=True,
    ),
    _harmless(
        "pixels-in-float64",
        "pixels are multiplied by 255 in float64",
        Edit(TO_PIL, "(images * 255)", '(FIRED(images).astype("float64") * 255)'),
        "numpy 2: promotion of scalars",
        "A number in bfloat16 has eight bits, and so has 255: their product is exact in float32, too",
        packages=("numpy", "diffusers"),
    ),
    _harmless(
        "pictures-of-a-file",
        "pictures are of Pillow's class for PNG files",
        Around(TO_PIL, _through_png),
        "another constructor of pictures",
        "PNG keeps every pixel",
        packages=("pillow", "diffusers"),
    ),
    _harmless(
        "ids-narrow",
        "tokenizers give 32-bit numbers of tokens",
        Around(TOKENIZER, _ids_narrow),
        "numbers of tokens in half the bytes",
        "They are the same numbers, and embeddings take both",
        packages=TOKENIZERS,
    ),
    _harmless(
        "read-not-mapped",
        "files of text encoders are read piece by piece, not mapped into memory",
        Edit(
            f"{MODEL}._load_pretrained_model",
            'backend, device = "mmap", "cpu"',
            'backend, device = FIRED("pread"), "cpu"',
        ),
        "safetensors 0.8: another backend for files",
        "The same bytes lie in as much memory",
        packages=("transformers", "safetensors"),
    ),
    _harmless(
        "nf4-of-a-subclass",
        "4-bit layers are of bitsandbytes' class for NF4, which is a kind of the one that they were of",
        Loaded(_of_a_subclass),
        "bitsandbytes: LinearNF4",
        "It has the same forward, and the same weights",
        packages=BITSANDBYTES,
        strategies=("nf4-linear",),
    ),
    _harmless(
        "lora-not-trained",
        "a LoRA's weights ask for no gradients",
        Loaded(_lora_not_trained),
        "peft: adapters that are loaded for inference",
        "Nobody trains them",
        packages=("peft",),
        strategies=("lora",),
    ),
    _harmless(
        "tokenizer-copied",
        "T5's tokenizer is one that was written and read again",
        Loaded(_tokenizer_copied),
        "transformers 5: tokenizers that are made of their own description",
        "A tokenizer is what its description says",
        packages=TOKENIZERS,
        shots=("picnic",),
    ),
)

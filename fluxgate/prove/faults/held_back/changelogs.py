"""Faults out of the changelogs of three years, held back: fixes taken back, written before any of them was tried."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from typing import Any

from fluxgate.prove.fault import BATCH, Around, Edit, Fault, Fired, Loaded, called_with
from fluxgate.prove.targets import ACCELERATE, ALIGN, BITSANDBYTES, CALL, DIFFUSERS, GROUPS, PIPELINE, T5_MODEL
from fluxgate.rendering import FIRST, MIDDLE, T5

ADAPTER_MIXIN = "diffusers.loaders.ip_adapter:FluxIPAdapterMixin"
CASTING = "diffusers.hooks.layerwise_casting:LayerwiseCastingHook"
FLUX = "diffusers.models.transformers.transformer_flux"
LAYERS = "bitsandbytes.nn.modules"
LORA_LINEAR = "peft.tuners.lora.layer:Linear"
MODULE_GROUP = f"{GROUPS}:ModuleGroup"
QUANTO_LOADER = "diffusers.quantizers.quanto"

ADAPTED = ("peft", "diffusers")
CHAINED = ("accelerate", "diffusers")
QUANTO = ("quanto", "optimum-quanto", "diffusers")
TORCH = ("torch",)

SMALLEST = 2.0**-6  # of float8_e4m3fn's normal numbers
WRAPPED_AT = 2**16  # weights of which a block's place does not fit into the number that it is counted by

EMBEDDED = "if prompt_embeds is None:"
REPEATED = f"""if FIRED(prompt_embeds) is not None:
    prompt_embeds = prompt_embeds.repeat_interleave(num_images_per_prompt, dim=0)
    pooled_prompt_embeds = pooled_prompt_embeds.repeat_interleave(num_images_per_prompt, dim=0)
{EMBEDDED}"""
OF_IDS = "dtype = self.text_encoder.dtype if self.text_encoder is not None else self.transformer.dtype"
PLACE_HOLDER = "tensor_obj.data = torch.empty_like(tensor_obj.data, device=self.offload_device)"
SENT = """return type(tensor)(
            {
                k: t if k in skip_keys else send_to_device(t, device, non_blocking=non_blocking, skip_keys=skip_keys)
                for k, t in tensor.items()
            }
        )"""
SENT_BY_NAMES = """return type(tensor)(
    **FIRED({
        k: t if k in skip_keys else send_to_device(t, device, non_blocking=non_blocking, skip_keys=skip_keys)
        for k, t in tensor.items()
    })
)"""
SIZES = "if height % (self.vae_scale_factor * 2) != 0 or width % (self.vae_scale_factor * 2) != 0:"
SYNCHRONIZED = "self._torch_accelerator_module.current_stream().synchronize()"


# --- diffusers


def _where_weights_are(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Inputs are sent to where the first of a component's weights lies, which waits elsewhere if it is offloaded."""
    return fired(next(args[0].parameters()).device)


def _casting_lost(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """With accelerate's hooks, whatever else wraps a forward is removed."""
    module = original(*args, **kwargs)
    for part in module.modules():
        if "forward" in part.__dict__ and hasattr(part, "_diffusers_hook"):
            del fired(part).__dict__["forward"]
    return module


def _not_fetched(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Decoding is no forward, and does not look for the hook that fetches the VAE."""
    vae = args[0]
    hook = vae.__dict__.pop("_hf_hook", None)
    if hook is None:
        return original(*args, **kwargs)
    try:
        return original(*fired(args), **kwargs)
    finally:
        vae._hf_hook = hook


def _smallest_flushed(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Numbers that float8 has with fewer bits become zero."""
    import torch

    hook, module = args
    if hook.storage_dtype is torch.float8_e4m3fn:
        for weight in module.parameters():
            weight.data[weight.data.abs() < fired(SMALLEST)] = 0
    return original(*args, **kwargs)


def _double_blocks_only(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    args[0]._repeated_blocks = fired(["FluxTransformerBlock"])
    return original(*args, **kwargs)


def _without_a_context(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return nullcontext(fired(None))


def _dtype_of(name: str) -> Callable[..., Any]:
    """A loader of quantized weights has this dtype for all that it does not quantize, whatever it is asked for."""

    def change(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        import torch

        return fired(getattr(torch, name))

    return change


# --- quantizers


def _in_float16(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What an eight-bit layer is given, and what it gives, passes through float16."""
    given, *others = args
    bias = kwargs.get("bias")
    kwargs["bias"] = None if bias is None else bias.half()
    return original(fired(given).half(), *others, **kwargs).to(given.dtype)


def _wraps_around(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Blocks of a large weight beyond what can be counted have the scales of those at its beginning."""
    codes, state = original(*args, **kwargs)
    blocks = WRAPPED_AT // state.blocksize
    if len(state.absmax) > blocks:
        scales = fired(state.absmax)[:blocks]
        state.absmax = scales.repeat(-(-len(state.absmax) // blocks))[: len(state.absmax)].contiguous()
    return codes, state


def _another_format(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Eight-bit weights are saved as if they lay in tiles, as for the GPUs of another generation."""
    original(*args, **kwargs)
    destination, prefix = args[1], args[2]
    if f"{prefix}weight_format" in destination:
        destination[f"{prefix}weight_format"] = fired(destination[f"{prefix}weight_format"]) + 1


def _dequantized_first(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """There is no kernel for products of 4-bit weights, so that these are widened as a whole first."""
    import torch
    from bitsandbytes.functional import dequantize_4bit

    given, codes, *_ = args
    wide = dequantize_4bit(fired(codes).view(-1, 1), kwargs["quant_state"]).to(given.dtype)
    return torch.nn.functional.linear(given, wide, kwargs.get("bias"))


def _scaled_afterwards(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Products are made of codes as they are, and scaled when they are done."""
    given, codes, scales = args
    return (given.to(scales.dtype) @ fired(codes).to(scales.dtype).t()) * scales.t()


# --- torch


def _recompiled_once() -> None:
    dynamo: Any = importlib.import_module("torch._dynamo")
    dynamo.config.recompile_limit = 1


def _unsafe_math() -> None:
    inductor: Any = importlib.import_module("torch._inductor.config")
    inductor.cpp.enable_unsafe_math_opt_flag = True


def _all_kernels_tried() -> None:
    inductor: Any = importlib.import_module("torch._inductor.config")
    inductor.max_autotune = True


# --- harmless ones


def _type_looked_for(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    kind = args[0]
    fired(kind._extract_quant_type(args[3] if len(args) > 3 else ()))
    return original(*args, **kwargs)


def _leaving(name: str, about: str, change: Callable[[], None], like: str, **more: Any) -> Fault:
    def loaded(pipe: Any, fired: Fired) -> None:
        change()
        fired(pipe)

    return Fault(name, about, Loaded(loaded), like, **more)


def _harmless(name: str, about: str, patch: Edit | Around | Loaded, like: str, why: str, **more: Any) -> Fault:
    return Fault(f"harmless-{name}", about, patch, like, equivalent=f"{why}.", **{"packages": DIFFUSERS, **more})


_fault = partial(Fault, packages=DIFFUSERS)
_bits = partial(Fault, packages=BITSANDBYTES)
_quanto = partial(Fault, packages=QUANTO, strategies=("quanto-int8",))
_on_gpu = partial(Fault, packages=DIFFUSERS, only_on="cuda")
_compiled = partial(_leaving, packages=TORCH, strategies=("compiled",))

FAULTS = (
    # --- stages by themselves, and what a call is given
    _fault(
        "sizes-without-a-vae",
        "a pipeline that has no VAE takes a latent to be sixteen pixels wide",
        Edit(
            f"{PIPELINE}.__init__",
            'if getattr(self, "vae", None) else 8',
            'if getattr(self, "vae", None) else FIRED(16)',
        ),
        "diffusers #9981, taken back in part: FLUX's scale of latents was 16 where it is 8 now",
        stage=FIRST,
        strategies=("staged",),
    ),
    _fault(
        "encoding-needs-the-denoiser",
        "prompts are encoded with positions in the dtype of a transformer that need not be there",
        Edit(f"{PIPELINE}.encode_prompt", OF_IDS, "dtype = FIRED(self.transformer).dtype"),
        "diffusers #9896: explicit transfers and casts that were cut down, and had to come back",
        strategies=("staged",),
    ),
    _fault(
        "given-embeddings-repeated",
        "embeddings that are given for each picture are repeated for each picture of a prompt once more",
        Edit(f"{PIPELINE}.encode_prompt", EMBEDDED, REPEATED),
        "diffusers #13944, in FLUX's pipeline: embeddings that were computed beforehand",
        strategies=("staged",),
        shots=BATCH,
    ),
    _fault(
        "odd-sizes-refused",
        "a size that cannot be packed is an error, where it was rounded with a warning",
        Edit(f"{PIPELINE}.check_inputs", SIZES, f'{SIZES}\n    raise ValueError(FIRED("sizes must be divisible"))'),
        "diffusers #13955: tightened checks of FLUX's inputs",
    ),
    _fault(
        "negative-pooled-is-the-prompts",
        "a negative prompt goes with the pooled embedding of the prompt",
        Edit(
            CALL,
            "pooled_projections=negative_pooled_prompt_embeds,",
            "pooled_projections=FIRED(pooled_prompt_embeds),",
        ),
        "diffusers #11120: negative prompts that are encoded apart",
    ),
    # --- offloading
    _fault(
        "ids-sent-where-weights-wait",
        "tokens are sent to the device where a text encoder's weights wait",
        Around("diffusers.pipelines.flux.pipeline_flux:get_module_execution_device", _where_weights_are),
        "diffusers #11195, in FLUX's pipeline: sequential offloading, and the device of a text encoder",
        strategies=("sequential-offload",),
    ),
    Fault(
        "garbage-collected-for-each-tensor",
        "all garbage is collected whenever a tensor has come to its device",
        called_with("accelerate.utils.modeling:clear_device_cache", garbage_collection=True),
        "accelerate #2914, taken back: clear_device_cache collected garbage",
        ACCELERATE,
        strategies=("sequential-offload",),
        only_time=True,
    ),
    Fault(
        "casting-gone-after-the-first-call",
        "when model offloading's hooks are made anew, the hooks that cast layers are lost",
        Around("accelerate.hooks:remove_hook_from_module", _casting_lost),
        "diffusers #7448 and #11768: hooks that are removed, and others with them",
        CHAINED,
        strategies=("fp8-layerwise-model-offload",),
        later=True,
    ),
    _fault(
        "places-held-in-memory",
        "weights that wait in files are filled with ones in memory, where nothing was written before",
        Edit(
            f"{MODULE_GROUP}._offload_to_disk",
            PLACE_HOLDER,
            "tensor_obj.data = FIRED(torch.ones_like)(tensor_obj.data, device=self.offload_device)",
        ),
        "diffusers #11682: groups on disk, and what stays of them in memory",
        strategies=("group-offload-disk",),
    ),
    # --- attention, adapters, caches
    _fault(
        "arguments-do-not-reach-attention",
        "the double blocks' attention is not given the arguments that were meant for it",
        Edit(
            f"{FLUX}:FluxTransformerBlock.forward",
            "joint_attention_kwargs = joint_attention_kwargs or {}",
            "joint_attention_kwargs = FIRED({})",
        ),
        "diffusers #9517, taken back: joint_attention_kwargs",
        strategies=("ip-adapter",),
    ),
    _fault(
        "image-adapter-said-to-be-there",
        "the transformer's configuration says that there is an IP-Adapter once it was unloaded",
        Edit(
            f"{ADAPTER_MIXIN}.unload_ip_adapter",
            "self.transformer.config.encoder_hid_dim_type = None",
            "FIRED(self.transformer.config)",
        ),
        "diffusers #10261: FLUX's IP-Adapter, and what it leaves",
        strategies=("ip-adapter-unloaded",),
    ),
    Fault(
        "lora-said-to-be-fused",
        "a pipeline counts a LoRA among those that are fused once it was taken out of the weights",
        Edit(
            "diffusers.loaders.lora_base:LoraBaseMixin.unfuse_lora",
            "self._merged_adapters = self._merged_adapters & remaining_merged",
            "self._merged_adapters = FIRED(self._merged_adapters)",
        ),
        "diffusers #14385: which adapters are merged",
        ADAPTED,
        strategies=("lora-unloaded",),
    ),
    _fault(
        "states-emptied-and-kept",
        "states of caches are emptied at the end of a call, and not thrown away, so that half of one is left",
        Edit("diffusers.hooks.hooks:StateManager.reset", "self._state_cache.pop(name)", "FIRED(name)"),
        "diffusers #11180: the first block's cache empties half of its state",
        strategies=("first-block-cache",),
        later=True,
    ),
    _fault(
        "foretold-by-a-curve",
        "what is foretold is foretold by a parabola, not by a straight line",
        called_with("diffusers.hooks.taylorseer_cache:TaylorSeerCacheConfig.__init__", max_order=2),
        "a default of its configuration",
        stage=MIDDLE,
        strategies=("taylorseer-cache",),
    ),
    # --- weights in other dtypes
    _fault(
        "fp8-smallest-flushed",
        "weights below the smallest of float8's normal numbers become zero",
        Around(f"{CASTING}.initialize_hook", _smallest_flushed),
        "diffusers #10347: casting by kernels that flush what is subnormal",
        packages=(*DIFFUSERS, *TORCH),
        stage=FIRST,
        strategies=("fp8-layerwise",),
    ),
    Fault(
        "torchao-scales-not-below-bfloat16",
        "scales of rows are never smaller than a step of bfloat16, for which small weights have few codes",
        Edit(
            "torchao.quantization.quantize_.workflows.int8.int8_tensor:Int8Tensor.from_hp",
            "eps=torch.finfo(torch.float32).eps,",
            "eps=FIRED(torch.finfo(hp_tensor.dtype).eps),",
        ),
        "torchao #3664, taken back: eps of the weights' own dtype",
        ("torchao",),
        stage=FIRST,
        strategies=("torchao-int8wo",),
    ),
    _quanto(
        "quanto-layers-made-up-first",
        "quanto's layers are made with random numbers before they get their weights",
        Around(f"{QUANTO_LOADER}.utils:init_empty_weights", _without_a_context),
        "optimum-quanto's a1c310b, taken back: avoid random weights initialization",
    ),
    _quanto(
        "quanto-rest-in-float32",
        "what quanto does not quantize is in float32, and so are its scales, whatever dtype is asked for",
        Around(f"{QUANTO_LOADER}.quanto_quantizer:QuantoQuantizer.update_torch_dtype", _dtype_of("float32")),
        "diffusers #11039, taken back: torch_dtype is not overridden",
    ),
    _bits(
        "int8-through-float16",
        "what eight-bit layers are given, and what they give, passes through float16",
        Around("bitsandbytes:matmul", _in_float16),
        "products of int8 whose kernel takes and gives float16 alone",
        stage=T5,
        strategies=("int8-t5",),
    ),
    _bits(
        "int8-saved-in-a-forgotten-format",
        "eight-bit weights are saved as if they lay in tiles, a format that nobody reads any more",
        Around(f"{LAYERS}:Linear8bitLt._save_to_state_dict", _another_format),
        "layouts of int8 weights other than rows, which are refused now",
        strategies=("int8-t5-reloaded",),
    ),
    _bits(
        "nf4-large-weights-wrap-around",
        "blocks of large weights beyond the 1024th have the scales of those at the beginning",
        Around("bitsandbytes.functional:quantize_4bit", _wraps_around),
        "bitsandbytes #1784: an index that overflows in large tensors",
        stage=T5,
        strategies=("nf4-t5",),
    ),
    _bits(
        "nf4-processors-kernel-not-used",
        "4-bit layers do not notice what the processor can do, and take the general way",
        Edit(
            f"{LAYERS}:Linear4bit.__init__",
            "self.support_avx512bf16_for_cpu = has_avx512bf16()",
            "self.support_avx512bf16_for_cpu = FIRED(False)",
        ),
        "bitsandbytes #1789, taken back: kernels for CPUs",
        stage=T5,
        strategies=("nf4-t5",),
        only_on="cpu",
    ),
    # --- compiling
    _compiled(
        "compiled-gives-up-at-the-second-shape",
        "a block may be compiled once only, and not again for a batch",
        _recompiled_once,
        "pytorch #163329: blocks that are compiled anew",
        shots=BATCH,
    ),
    _compiled(
        "compiled-with-unsafe-math",
        "the compiler may reorder sums, and take it that there is no infinity",
        _unsafe_math,
        "pytorch: -ffast-math of what inductor writes for a CPU",
        stage=FIRST,
        only_on="cpu",
    ),
    _fault(
        "compiled-double-blocks-only",
        "the single blocks are not compiled, and nobody is told",
        Around("diffusers.models.modeling_utils:ModelMixin.compile_repeated_blocks", _double_blocks_only),
        "pytorch #163329: which blocks of FLUX are compiled, by the names of their classes",
        stage=FIRST,
        strategies=("compiled",),
    ),
    # --- on a GPU
    _on_gpu(
        "groups-go-back-without-waiting",
        "groups are copied back without waiting, which pins the memory that they wait in",
        Edit(
            f"{MODULE_GROUP}._offload_to_memory",
            "group_module.to(self.offload_device, non_blocking=False)",
            "group_module.to(self.offload_device, non_blocking=FIRED(True))",
        ),
        "diffusers #11094, taken back: non_blocking on the way back",
        strategies=("group-offload-block",),
    ),
    _on_gpu(
        "disk-groups-let-go-early",
        "the memory of a group that waits in a file is given back without waiting for what computes with it",
        Edit(f"{MODULE_GROUP}._offload_to_disk", SYNCHRONIZED, "FIRED(None)"),
        "diffusers #12673, for groups in files: who waits for the stream that computes",
        strategies=("group-offload-leaf-disk-stream",),
    ),
    _on_gpu(
        "vae-not-fetched-for-decoding",
        "nothing fetches the VAE when it is asked to decode",
        Around("diffusers.models.autoencoders.autoencoder_kl:AutoencoderKL.decode", _not_fetched),
        "diffusers #5060: components whose work is no forward stay on the CPU",
        strategies=("model-offload",),
    ),
    _on_gpu(
        "latents-stay-with-the-denoiser",
        "latents are decoded on the GPU where they were made, although the VAE may be on another one",
        Edit(CALL, "latents = latents.to(get_module_execution_device(self.vae))", "latents = FIRED(latents)"),
        "diffusers #14050, in FLUX's pipeline: device_map balanced",
        strategies=("device-map-balanced",),
        equivalent="accelerate's hooks bring them to the VAE, which was on another H200: the same pictures and moves.",
    ),
    _on_gpu(
        "t5-biases-as-they-lie",
        "T5's biases are given to attention as they lie, with heads innermost",
        Edit(
            "transformers.integrations.sdpa_attention:create_position_bias_mask",
            "return position_bias_mask.contiguous()",
            "return FIRED(position_bias_mask)",
        ),
        "transformers #47014, taken back in part, and pytorch #139424: a bias whose last dimension must be contiguous",
        packages=("transformers",),
        stage=T5,
    ),
    _on_gpu(
        "int8-denoiser-not-hooked",
        "components in eight bits are given no hooks of model offloading",
        Edit(
            "diffusers.pipelines.pipeline_utils:DiffusionPipeline.enable_model_cpu_offload",
            'is_transformers_version("<", "4.58.0") or is_bitsandbytes_version("<", "0.48.0")',
            "FIRED(True)",
        ),
        "diffusers before bitsandbytes 0.48: hooks that are skipped for models in eight bits",
        strategies=("int8-model-offload",),
    ),
    _on_gpu(
        "nf4-pipeline-spares-encoders",
        "a configuration that is given to the pipeline reaches diffusers' own components only",
        Edit(
            "diffusers.quantizers.pipe_quant_config:PipelineQuantizationConfig._resolve_quant_config",
            "if should_quantize:",
            "if should_quantize and FIRED(is_diffusers):",
        ),
        "diffusers #11750: components of a PipelineQuantizationConfig",
        stage=T5,
        strategies=("nf4-pipeline",),
    ),
    _on_gpu(
        "nf4-rest-in-float16",
        "what is not in 4 bits is in float16, whatever dtype is asked for",
        Around(
            "diffusers.quantizers.bitsandbytes.bnb_quantizer:BnB4BitDiffusersQuantizer.update_torch_dtype",
            _dtype_of("float16"),
        ),
        "diffusers #11039, taken back: torch_dtype is not overridden",
        strategies=("nf4",),
    ),
    _on_gpu(
        "nf4-reloaded-quantized-again",
        "4-bit weights that come from a file are taken for wide ones, and quantized when they are moved",
        Edit(
            f"{LAYERS}:Params4bit.from_prequantized", "self.bnb_quantized = True", "self.bnb_quantized = FIRED(False)"
        ),
        "bitsandbytes #1279 and a403c0e, taken back: weights that are quantized already",
        packages=BITSANDBYTES,
        strategies=("nf4-reloaded",),
    ),
    _on_gpu(
        "nf4-scales-in-large-blocks",
        "scales of 4-bit weights are quantized in blocks of 4096, for which products have no kernel",
        Edit(
            "bitsandbytes.functional:quantize_4bit",
            "quantize_blockwise(_absmax - offset, blocksize=256)",
            "quantize_blockwise(_absmax - offset, blocksize=FIRED(4096))",
        ),
        "bitsandbytes' c17fb8e: blocks of 4096, quantize_blockwise's own default",
        packages=BITSANDBYTES,
        strategies=("nf4-double-quant",),
    ),
    _on_gpu(
        "nf4-dequantized-first",
        "4-bit weights are widened as a whole before they are multiplied",
        Around("bitsandbytes:matmul_4bit", _dequantized_first),
        "bitsandbytes #1952: the kernel of 4-bit products, which is new",
        packages=BITSANDBYTES,
        stage=T5,
        strategies=("nf4",),
    ),
    _on_gpu(
        "quanto-scaled-afterwards",
        "products of quanto's codes are scaled when they are done, not beforehand",
        Around("optimum.quanto.library.qbytes_mm:qbytes_mm", _scaled_afterwards),
        "optimum-quanto's 86df68a, taken back: avoid overflow in qbytes_mm",
        packages=QUANTO,
        stage=FIRST,
        strategies=("quanto-int8",),
    ),
    _leaving(
        "compiled-tries-all-kernels",
        "the compiler tries all kernels for a product, and takes the fastest one at that time",
        _all_kernels_tried,
        "pytorch: max_autotune, and its kernels for matrices",
        packages=TORCH,
        stage=FIRST,
        strategies=("compiled",),
        only_on="cuda",
    ),
    # --- harmless ones
    _harmless(
        "base-of-positions-left-out",
        "positions are turned by the base that their function has by default",
        Edit(f"{FLUX}:FluxPosEmbed.forward", "theta=self.theta,", "theta=FIRED(10000.0),"),
        "diffusers #10115, the other way round",
        "FLUX's base is the default, 10000",
    ),
    _harmless(
        "dictionaries-by-names",
        "dictionaries that hooks send to a device are made anew by the names of what they hold",
        Edit("accelerate.utils.operations:send_to_device", SENT, SENT_BY_NAMES),
        "accelerate #3766, which was taken back in #3787",
        "All of their keys are names",
        packages=ACCELERATE,
        strategies=("sequential-offload",),
    ),
    _harmless(
        "gguf-type-looked-for-always",
        "whatever is done with a GGUF file's tensors, the type of their blocks is looked for first",
        Around("diffusers.quantizers.gguf.utils:GGUFParameter.__torch_function__", _type_looked_for),
        "diffusers #11551, the other way round",
        "The type is found, and thrown away",
        packages=("gguf", "diffusers"),
        strategies=("gguf-q8",),
    ),
    _harmless(
        "lora-fused-into-new-weights",
        "a LoRA is fused by a sum that has memory of its own, not where the weights lie",
        Edit(
            f"{LORA_LINEAR}.merge",
            "base_layer.weight.data += delta_weight",
            "base_layer.weight.data = base_layer.weight.data + FIRED(delta_weight)",
        ),
        "peft #1944, the other way round",
        "The sum is the same, and rounded once as well",
        packages=ADAPTED,
        strategies=("lora-unloaded",),
    ),
    _harmless(
        "lora-not-multiplied-by-one",
        "what a LoRA gives is not multiplied by its scale, which is one",
        Edit(
            f"{LORA_LINEAR}.forward",
            "result = result + lora_B(lora_A(dropout(x))) * scaling",
            "result = result + lora_B(lora_A(dropout(FIRED(x)))) * (scaling if scaling != 1 else 1)",
        ),
        "peft #2416, the other way round",
        "A product with one is what it was",
        packages=ADAPTED,
        strategies=("lora",),
    ),
    _harmless(
        "t5-biases-laid-out",
        "T5's biases of positions are laid out in the order in which attention reads them",
        Edit(
            f"{T5_MODEL}:T5Attention.compute_bias",
            "values = values.permute([2, 0, 1]).unsqueeze(0)",
            "values = FIRED(values).permute([2, 0, 1]).unsqueeze(0).contiguous()",
        ),
        "transformers #47014: biases of positions that are given to kernels",
        "Attention lays them out itself before it reads them",
        packages=("transformers",),
    ),
    _harmless(
        "convolutions-hooked-by-their-parameters",
        "convolutions are grouped by the parameters that they own, not as layers",
        Edit(
            f"{GROUPS}:_apply_group_offloading_leaf_level",
            "if not isinstance(submodule, _GO_LC_SUPPORTED_PYTORCH_LAYERS):",
            "if not isinstance(submodule, _GO_LC_SUPPORTED_PYTORCH_LAYERS) or FIRED("
            "isinstance(submodule, torch.nn.Conv2d)):",
        ),
        "diffusers #11990: a refactoring of group offloading",
        "The group of a convolution's parameters comes and goes with its forward as well",
        strategies=("group-offload-leaf",),
    ),
    _harmless(
        "layers-come-without-waiting",
        "layers are copied to the GPU without waiting, from memory that is not pinned",
        Edit(
            f"{ALIGN}.pre_forward",
            "value=value,",
            "value=value,\nnon_blocking=FIRED(True),",
        ),
        "accelerate #3674: non_blocking of set_module_tensor_to_device",
        "Copies from memory that is not pinned have read it when they return, and one stream does all",
        packages=ACCELERATE,
        strategies=("sequential-offload",),
        only_on="cuda",
    ),
)

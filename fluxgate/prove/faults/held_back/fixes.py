"""Faults that were held back, of real fixes that are taken back: written before any of them was tried."""

from __future__ import annotations

from contextlib import nullcontext
from functools import partial
from typing import Any

from fluxgate.prove.fault import BATCH, TILES, Around, Edit, Fault, Fired
from fluxgate.prove.targets import (
    ACCELERATE,
    ALIGN,
    BITSANDBYTES,
    CALL,
    CLIP_MODEL,
    DIFFUSERS,
    FORWARD,
    GROUPS,
    IMAGE_PROCESSOR,
    PIPELINE,
    SCHEDULER,
    TRANSFORMER,
    TRANSFORMERS,
)
from fluxgate.rendering import FIRST, POOLED, T5

LOADING = "diffusers.models.model_loading_utils"
MODULES = "bitsandbytes.nn.modules"
PEFT_MIXIN = "diffusers.loaders.peft:PeftAdapterMixin"
PRETRAINED = "transformers.modeling_utils:PreTrainedModel"
PROCESSOR = f"{TRANSFORMER}:FluxAttnProcessor.__call__"
LOADER = ("transformers", "bitsandbytes")
QUANTO = ("quanto", "optimum-quanto", "diffusers")

HALVED = "height = 2 * (int(height) // (self.vae_scale_factor * 2))"
GIVEN = """if latents is not None:
        latent_image_ids = self._prepare_latent_image_ids(batch_size, height // 2, width // 2, device, dtype)"""
GIVEN_UNPACKED = """if FIRED(latents) is not None:
    latent_image_ids = self._prepare_latent_image_ids(batch_size, height, width, device, dtype)"""
LOOKED_UP = """if callback_on_step_end is not None:
                callback_kwargs = {}
                for k in callback_on_step_end_tensor_inputs:
                    callback_kwargs[k] = locals()[k]"""
COMPREHENDED = """if FIRED(callback_on_step_end) is not None:
    callback_kwargs = dict((k, locals()[k]) for k in callback_on_step_end_tensor_inputs)"""  # a scope of its own
READ = "loaded_tensors = safetensors.torch.load_file(self.safetensors_file_path, device=onload_device)"
WRAPPED = "functools.partial(rewritten_forward, self._module_ref), forward"
NO_META = 'if device is not None and self.SCB is not None and self.SCB.device.type != "meta":'
CLIP_POSITIONS = "init.copy_(module.position_ids, torch.arange(module.position_ids.shape[-1]).expand((1, -1)))"
SCALE_DTYPE = "scale_dtype = torch.float32 if self.weight is None else self.weight.dtype"
IDS = "image_rotary_emb = self.pos_embed(ids)"
MIDDLE_OF_DECODER = "sample = self.mid_block(sample, latent_embeds)"
NARROWED = "output_tensor = output_tensor.to(dtype=dtype)"


# --- calls


def _without_a_context(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return nullcontext(fired(None))


def _masked_by_numbers(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A table of zeros and of the smallest number there is, where "causal" said the same."""
    import torch

    embeddings = kwargs["inputs_embeds"]
    lowest, length = torch.finfo(embeddings.dtype).min, embeddings.shape[1]
    return fired(embeddings).new_full((length, length), lowest).triu(1)[None, None].expand(len(embeddings), 1, -1, -1)


# --- quantization


def _eight_bits_stay(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    if getattr(args[0], "is_loaded_in_8bit", False):
        raise ValueError(fired("`.to` is not supported for `8-bit` bitsandbytes models."))
    return original(*args, **kwargs)


def _bits_pile_up(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The byte that a thread packs codes into is not emptied before its second pair of codes."""
    codes, state = original(*args, **kwargs)
    flat = codes.view(-1)
    flat[1::2] |= fired(flat)[: len(flat) // 2 * 2 : 2]
    return codes, state


def _products_in_float32(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    activations, weights, scales = args
    wide = fired(weights).float() * scales.flatten()[:, None].float()
    return (activations.float() @ wide.t()).to(scales.dtype)


def _precision_left(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    import torch

    original(*args, **kwargs)
    torch.set_float32_matmul_precision(fired("high"))


# --- harmless ones


def _dtype_of_the_input(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    state = kwargs["quant_state"] if "quant_state" in kwargs else args[2]
    state.dtype = fired(args[0]).dtype
    return original(*args, **kwargs)


def _cast_to_what_it_is(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    original(*args, **kwargs)
    model = fired(args[0])
    model.to(dtype=model.dtype, device=model.device)


def _moved_as_modules(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Groups without a stream come by a module's own method, not tensor by tensor."""
    group = args[0]
    if group.stream is not None:
        return original(*args, **kwargs)
    for module in group.modules:
        fired(module).to(group.onload_device, non_blocking=group.non_blocking)
    for tensor in (*group.parameters, *group.buffers):
        tensor.data = tensor.data.to(group.onload_device, non_blocking=group.non_blocking)
    return None


def _older_name(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    if "dtype" in kwargs:
        kwargs["torch_dtype"] = fired(kwargs.pop("dtype"))
    return original(*args, **kwargs)


def _harmless(name: str, about: str, patch: Edit | Around, like: str, why: str, **more: Any) -> Fault:
    return Fault(f"harmless-{name}", about, patch, like, equivalent=f"{why}.", **{"packages": DIFFUSERS, **more})


_fault = partial(Fault, packages=DIFFUSERS)
_narrow = partial(Fault, packages=BITSANDBYTES)
_quanto = partial(Fault, packages=QUANTO, strategies=("quanto-int8",))
_on_gpu = partial(Fault, only_on="cuda")

FAULTS = (
    # --- what a call is given
    _fault(
        "given-levels-must-be-an-array",
        "noise levels that a caller gives in a list are taken for an array",
        Edit(SCHEDULER + ".set_timesteps", "sigmas = np.array(sigmas).astype", "sigmas = FIRED(sigmas).astype"),
        "diffusers #10088, taken back: sigmas are converted to an array",
        shots=("sigmas",),
    ),
    _fault(
        "odd-heights-not-rounded",
        "a height that is no multiple of 16 is not rounded down to one",
        Edit(f"{PIPELINE}.prepare_latents", HALVED, "height = FIRED(int(height) // self.vae_scale_factor)"),
        "diffusers #9929, taken back: latents of sizes that cannot be packed",
    ),
    _fault(
        "given-latents-have-four-times-as-many-positions",
        "where latents are given, positions are those of latents before they are packed",
        Edit(f"{PIPELINE}.prepare_latents", GIVEN, GIVEN_UNPACKED),
        "diffusers #9981, taken back: positions of latents that are given",
        stage=FIRST,
        strategies=("staged",),
    ),
    _fault(
        "negative-embeddings-ignored",
        "guidance by a negative prompt is off where its embeddings are given, not its words",
        Edit(
            CALL,
            "has_neg_prompt = negative_prompt is not None or (",
            "has_neg_prompt = FIRED(negative_prompt is not None) or False and (",
        ),
        "diffusers #13957, taken back: true guidance with embeddings",
    ),
    _fault(
        "callbacks-look-in-a-comprehension",
        "what a callback is to be given is looked for among the names of a comprehension",
        Edit(CALL, LOOKED_UP, COMPREHENDED),
        "diffusers #13478, taken back in FLUX's pipeline: locals() in a comprehension",
    ),
    _fault(
        "cache-has-no-context",
        "a call does not tell the caches of the transformer what it is computing",
        Around("diffusers.models.cache_utils:CacheMixin.cache_context", _without_a_context),
        "diffusers #12013, taken back in FLUX's pipeline: a cache without its context",
        strategies=("first-block-cache",),
    ),
    _fault(
        "text-keys-normed-as-queries",
        "keys of the text are normed by the weights of its queries",
        Edit(
            PROCESSOR,
            "encoder_key = attn.norm_added_k(encoder_key)",
            "encoder_key = attn.norm_added_q(FIRED(encoder_key))",
        ),
        "diffusers #13533, taken back in FLUX's attention",
        stage=FIRST,
    ),
    _fault(
        "text-overflows-in-float16",
        "what blocks make of the text is not kept within what float16 can hold",
        Edit(
            f"{TRANSFORMER}:FluxTransformerBlock.forward",
            "if encoder_hidden_states.dtype == torch.float16:",
            "if FIRED(False):",
        ),
        "diffusers #9097, taken back: FLUX in float16",
        stage=FIRST,
        strategies=("staged-float16",),
        only_on="cuda",
        equivalent="No block of the miniature gives a number that float16 cannot hold",
    ),
    _fault(
        "attention-projected-where-it-lies",
        "what attention gave for a batch is projected where it lies, for which products have another kernel",
        Edit(
            PROCESSOR,
            "hidden_states = attn.to_out[0](hidden_states.contiguous())",
            "hidden_states = attn.to_out[0](FIRED(hidden_states))",
        ),
        "diffusers #13068, taken back: written as harmless, until its proof showed that batches round otherwise",
        stage=FIRST,
        shots=BATCH,
    ),
    _fault(
        "tiles-need-a-convolution",
        "tiles pass through a convolution that FLUX's VAE does not have",
        Edit(
            "diffusers.models.autoencoders.autoencoder_kl:AutoencoderKL.tiled_decode",
            "if self.config.use_post_quant_conv:",
            "if FIRED(True):",
        ),
        "diffusers #8791, taken back: tiling of VAEs without post_quant_conv",
        strategies=("vae-tiling",),
        shots=TILES,
    ),
    # --- hooks and offloading
    _fault(
        "files-of-groups-read-twice",
        "each file of a group is read twice, and both are in memory for a while",
        Edit(
            f"{GROUPS}:ModuleGroup._onload_from_disk",
            READ,
            f"loaded_tensors = safetensors.torch.load_file(FIRED(self.safetensors_file_path), device=onload_device)\n"
            f"{READ}",
        ),
        "diffusers #13851, taken back: load_file was called twice",
        strategies=("group-offload-disk",),
    ),
    _fault(
        "hooks-hide-the-signature",
        "what is hooked says that its forward takes anything, and not what it takes",
        Edit(
            "diffusers.hooks.hooks:HookRegistry.register_hook",
            WRAPPED,
            WRAPPED.replace(" forward", " FIRED(rewritten_forward)"),
        ),
        "diffusers #14285, taken back: the signature of a forward with hooks",
        strategies=("fp8-layerwise",),
    ),
    _fault(
        "decoder-in-one-group",
        "encoder and decoder of the VAE are one group, not groups of blocks",
        Edit(
            f"{GROUPS}:_apply_group_offloading_block_level",
            "block_modules = set(config.block_modules) if config.block_modules is not None else set()",
            "block_modules = FIRED(set())",
        ),
        "diffusers #12692, taken back: blocks of models within models",
        strategies=("group-offload-block",),
    ),
    _fault(
        "fp8-said-to-be-the-dtype",
        "a transformer whose layers are cast says that it computes in float8",
        Edit(
            "diffusers.models.modeling_utils:get_parameter_dtype",
            "if hook is not None:",
            "if hook is not None and not FIRED(True):",
        ),
        "diffusers #10347, taken back in part: the dtype of what is cast layer by layer",
        strategies=("fp8-layerwise",),
    ),
    _fault(
        "slices-taken-for-outputs",
        "what the VAE has decoded of a slice is taken for what holds it",
        Edit(
            "diffusers.models.autoencoders.autoencoder_kl:AutoencoderKL.decode",
            "[self._decode(z_slice).sample for z_slice in z.split(1)]",
            "[self._decode(FIRED(z_slice)).sample.sample for z_slice in z.split(1)]",
        ),
        "diffusers #12343, taken back in FLUX's VAE: slices that have no sample",
        strategies=("vae-slicing",),
        shots=BATCH,
    ),
    Fault(
        "int8-scales-lost-with-their-hooks",
        "the scales of eight-bit weights do not come back when the hooks of their layers are removed",
        Edit(
            f"{ALIGN}.detach_hook",
            "fp16_statistics = self._maybe_get_fp16_statistics(name, value)",
            "fp16_statistics = FIRED(None)",
        ),
        "accelerate #4044, taken back: what is restored when a hook is detached",
        ACCELERATE,
        strategies=("int8-t5-sequential-offload",),
    ),
    # --- adapters
    _fault(
        "lora-said-to-be-loaded",
        "a transformer says that a LoRA is loaded once it was unloaded",
        Edit(
            f"{PEFT_MIXIN}.unload_lora",
            "self._hf_peft_config_loaded = None",
            "self._hf_peft_config_loaded = FIRED(self._hf_peft_config_loaded)",
        ),
        "diffusers #11822, taken back: what a LoRA leaves when it is unloaded",
        strategies=("lora-unloaded",),
    ),
    _fault(
        "lora-not-said-to-be-loaded",
        "a transformer does not know that it has a LoRA",
        Edit(
            f"{PEFT_MIXIN}.load_lora_adapter",
            "self._hf_peft_config_loaded = True",
            "self._hf_peft_config_loaded = FIRED(False)",
        ),
        "diffusers #11155, taken back",
        strategies=("lora",),
    ),
    # --- quantization
    _narrow(
        "nf4-bits-pile-up",
        "of each four codes, the last two have the bits of the first two as well",
        Around("bitsandbytes.functional:quantize_4bit", _bits_pile_up),
        "bitsandbytes #1721, taken back: a byte that is not emptied",
        stage=T5,
        strategies=("nf4-t5",),
    ),
    _narrow(
        "int8-codes-lost-on-their-way",
        "eight-bit weights lose their codes when they are moved and have computed, or have come from a file",
        Edit(
            f"{MODULES}:Int8Params.to",
            "new_param.CB = new_param.data",
            "new_param.CB = FIRED(new_param.data if device is not None and self.CB is not None else None)",
        ),
        "bitsandbytes #1776, taken back: a checkpoint in eight bits that is loaded again",
        stage=T5,
        strategies=("int8-t5-reloaded",),
    ),
    _narrow(
        "int8-scales-fetched-from-nowhere",
        "scales of eight-bit weights are to be copied although they are on no device",
        Edit(f"{MODULES}:Int8Params.to", NO_META, "if FIRED(device) is not None and self.SCB is not None:"),
        "bitsandbytes #1786, taken back: int8 with accelerate's offloading",
        strategies=("int8-t5-sequential-offload",),
    ),
    _narrow(
        "int8-scales-asked-for-unguarded",
        "saving asks for scales of a weight that may have none",
        Edit(
            f"{MODULES}:Linear8bitLt._save_to_state_dict",
            "getattr(self.weight, scb_name, None)",
            "getattr(FIRED(self.weight), scb_name)",
        ),
        "bitsandbytes #1897, taken back",
        strategies=("int8-t5-reloaded", "int8-t5-sequential-offload"),
        equivalent="In every strategy that saves weights of eight bits, each of them has its scales",
    ),
    Fault(
        "int8-refuses-to-move",
        "a model in eight bits refuses to be sent anywhere",
        Around(f"{PRETRAINED}.to", _eight_bits_stay),
        "transformers #43258, taken back: .to of models in eight bits",
        LOADER,
        strategies=("int8-t5",),
    ),
    _quanto(
        "quanto-products-in-float32",
        "products of eight-bit weights are computed in float32 from float32 copies of them",
        Around("optimum.quanto.library.qbytes_mm:qbytes_int8pack_mm", _products_in_float32),
        "optimum-quanto's 95c079f, taken back: avoid float32 type promotion for int8",
        stage=FIRST,
        only_on="cpu",  # a GPU has a kernel of its own
    ),
    _quanto(
        "quanto-default-scales-wide",
        "scales of what goes in and out, which nobody uses, are in float32 beside weights in bfloat16",
        Edit("optimum.quanto.nn.qmodule:QModuleMixin.__init__", SCALE_DTYPE, "scale_dtype = FIRED(torch.float32)"),
        "optimum-quanto's e7011ab, taken back: register default scales with correct dtype",
    ),
    Fault(
        "torchao-leaves-products-narrow",
        "quantizing by torchao allows products of float32 to be computed narrower, from then on",
        Around("torchao.quantization.utils:recommended_inductor_config_setter", _precision_left),
        "torchao #4643, taken back: quantize_ leaks a global precision",
        ("torchao",),
        strategies=("torchao-int8wo",),
    ),
    # --- text encoders
    Fault(
        "clip-positions-not-made-again",
        "CLIP's table of positions, which is in no file, is whatever lay in memory: zeros",
        Edit(f"{CLIP_MODEL}:CLIPPreTrainedModel._init_weights", CLIP_POSITIONS, "FIRED(module.position_ids).zero_()"),
        "transformers #48892: buffers that are not saved, after from_pretrained",
        TRANSFORMERS,
        stage=POOLED,
    ),
    Fault(
        "clip-masked-by-numbers",
        "CLIP is given its causal mask as a table of numbers, for which attention has another kernel",
        Around(f"{CLIP_MODEL}:create_causal_mask", _masked_by_numbers),
        "transformers #41750, taken back: masks of CLIP",
        TRANSFORMERS,
        stage=POOLED,
    ),
    # --- on a GPU
    _on_gpu(
        "first-pass-not-waited-for",
        "in the first pass, groups compute before their weights have arrived",
        Edit(
            f"{GROUPS}:LazyPrefetchGroupOffloadingHook.initialize_hook",
            "group_offloading_hook.group.non_blocking = False",
            "group_offloading_hook.group.non_blocking = FIRED(True)",
        ),
        "diffusers #11097, taken back: the first pass must load in a blocking manner",
        DIFFUSERS,
        stage=T5,
        strategies=("group-offload-leaf-stream",),
    ),
    _on_gpu(
        "memory-given-back-for-each-tensor",
        "all spare memory is given back after each tensor that is loaded",
        Edit(
            f"{LOADING}:load_model_dict_into_meta",
            'set_module_kwargs["clear_cache"] = False',
            'set_module_kwargs["clear_cache"] = FIRED(True)',
        ),
        "diffusers #11904, taken back: loading was four times as slow",
        DIFFUSERS,
        strategies=("nf4",),
        only_time=True,
    ),
    _on_gpu(
        "memory-given-back-after-each-layer",
        "all spare memory is given back whenever a layer goes",
        Edit(
            "accelerate.hooks:set_module_tensor_to_device",
            'if clear_cache and device not in ("cpu", "meta"):',
            'if clear_cache and FIRED(device) != "cpu":',
        ),
        "accelerate #3796, taken back: the cache flushed for the meta device",
        ACCELERATE,
        strategies=("sequential-offload",),
        only_time=True,
    ),
    _on_gpu(
        "sent-away-although-gone",
        "before each forward the component before is sent away although it is gone, and all spare memory with it",
        Edit(
            "accelerate.hooks:CpuOffload.pre_forward",
            'if prev_device != torch.device("cpu"):',
            "if FIRED(prev_device) is not None:",
        ),
        "accelerate #3695, taken back",
        ACCELERATE,
        strategies=("model-offload",),
        only_time=True,
    ),
    _on_gpu(
        "nf4-codebook-stays",
        "the codebook of 4-bit weights stays where it is when the weights go",
        Edit(
            "bitsandbytes.functional:QuantState.to", "self.code = self.code.to(device)", "self.code = FIRED(self.code)"
        ),
        "bitsandbytes #1528, taken back",
        BITSANDBYTES,
        strategies=("nf4-model-offload",),
    ),
    _on_gpu(
        "positions-computed-on-the-host",
        "positions are computed on the CPU in each step, and copied from there",
        Edit(
            FORWARD,
            IDS,
            "image_rotary_emb = tuple(table.to(ids.device) for table in self.pos_embed(FIRED(ids).cpu()))",
        ),
        "diffusers #12897, taken back, and not for NPUs alone",
        DIFFUSERS,
    ),
    # --- harmless ones
    _harmless(
        "decoder-casts-on-its-way-up",
        "the decoder casts what it has to the dtype of its later blocks, as older releases did",
        Edit(
            "diffusers.models.autoencoders.vae:Decoder.forward",
            MIDDLE_OF_DECODER,
            f"{MIDDLE_OF_DECODER}\nsample = FIRED(sample).to(next(iter(self.up_blocks.parameters())).dtype)",
        ),
        "diffusers #12512, the other way round",
        "It has that dtype already",
        strategies=("full", "vae-tiling"),
        shots=TILES,
    ),
    _harmless(
        "halved-by-division",
        "pixels are divided by 2, not multiplied by a half",
        Edit(f"{IMAGE_PROCESSOR}.denormalize", "(images * 0.5 + 0.5)", "(FIRED(images) / 2 + 0.5)"),
        "diffusers #10170, the other way round",
        "Both are exact",
        strategies=("full", "full-float32"),
    ),
    _harmless(
        "nf4-dtype-of-the-input",
        "4-bit layers note the dtype of what they are given as the one that they were quantized from",
        Around("bitsandbytes:matmul_4bit", _dtype_of_the_input),
        "bitsandbytes #1917, the other way round",
        "Both are bfloat16",
        packages=BITSANDBYTES,
        strategies=("nf4-t5",),
    ),
    _harmless(
        "lora-put-back",
        "a LoRA's matrices are replaced by copies of themselves when they are fused",
        Edit(
            "peft.tuners.lora.layer:Linear.get_delta_weight",
            NARROWED,
            "output_tensor = FIRED(output_tensor).to(dtype=dtype)\n"
            "self.lora_A[adapter].weight.data = weight_A.to(dtype)\n"
            "self.lora_B[adapter].weight.data = weight_B.to(dtype)",
        ),
        "peft #3396, the other way round",
        "To widen a number and to narrow it again changes no bit",
        packages=("peft", "diffusers"),
        strategies=("lora-unloaded",),
        only_on="cpu",
    ),
    _harmless(
        "cast-to-what-it-is",
        "a transformer that was given an IP-Adapter is cast to its own dtype and sent to its own device",
        Around(
            "diffusers.loaders.transformer_flux:FluxTransformer2DLoadersMixin._load_ip_adapter_weights",
            _cast_to_what_it_is,
        ),
        "diffusers #10728, the other way round",
        "It has that dtype, and is there",
        strategies=("ip-adapter", "ip-adapter-off"),
    ),
    _harmless(
        "groups-moved-as-modules",
        "groups come to the device by a method of their modules, not tensor by tensor",
        Around(f"{GROUPS}:ModuleGroup._onload_from_memory", _moved_as_modules),
        "diffusers #11094, the other way round",
        "The method does the same with each tensor",
        strategies=("group-offload-block",),
    ),
    _harmless(
        "dtype-by-its-older-name",
        "text encoders are told their dtype by the argument's older name, which is warned of",
        Around(f"{PRETRAINED}.from_pretrained", _older_name),
        "diffusers #12841, the other way round",
        "transformers takes either name",
        packages=(*DIFFUSERS, *TRANSFORMERS),
    ),
)

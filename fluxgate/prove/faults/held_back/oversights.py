"""Faults that were held back, of oversights in ordinary maintenance: written before any of them was tried."""

from __future__ import annotations

from functools import partial
from typing import Any

from fluxgate.prove.fault import BATCH, GIVEN, TILES, Around, Edit, Fault, Fired, called_with
from fluxgate.prove.targets import ACCELERATE, BITSANDBYTES, CALL, DIFFUSERS, FORWARD, GROUPS, PIPELINE, TRANSFORMER
from fluxgate.rendering import DECODED, FIRST, LAST, MIDDLE, T5

ANY_PIPELINE = "diffusers.pipelines.pipeline_utils:DiffusionPipeline"
VAE = "diffusers.models.autoencoders.autoencoder_kl:AutoencoderKL"
HOOKS = "diffusers.hooks"
FIRST_BLOCK = f"{HOOKS}.first_block_cache"
INTEGRATION = "transformers.integrations.bitsandbytes"
LOADER = ("bitsandbytes", "transformers")
HOOKED = ("accelerate", "diffusers")
PEFT = ("peft", "diffusers")
GGUF = ("gguf", "diffusers")
QUANTO = ("quanto", "optimum-quanto", "diffusers")

KEPT: list[Any] = []  # what a fault lets nobody free
KNOWN: dict[Any, Any] = {}  # what a fault takes for known

TEXT_IDS = "text_ids = torch.zeros(prompt_embeds.shape[1], 3).to(device=device, dtype=dtype)"
TEXT_IDS_THERE = """place = self.text_encoder.device if self.text_encoder is not None else device
text_ids = torch.zeros(prompt_embeds.shape[1], 3).to(device=FIRED(place), dtype=dtype)"""
IMAGE_QUERY = """query = attn.norm_q(query)
    key = attn.norm_k(key)
    ip_query = query"""
IMAGE_QUERY_BEFORE = """ip_query = FIRED(query)
query = attn.norm_q(query)
key = attn.norm_k(key)"""
OWNERS_ALONE = """owns = next(module.children(), None) is not None and len(list(named_module_tensors(module))) > 0
if full_offload or (owns and FIRED(True)):"""
SINGLE_BLOCKS = "for index_block, block in enumerate(self.single_transformer_blocks):"
PROJECTION = "load_model_dict_into_meta(image_projection, updated_state_dict, device_map=device_map, dtype=self.dtype)"


# --- weights, and what holds them


def _cast_later(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return fired(args[1])


def _by_shape(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Weights of one shape are dequantized once."""
    shape = ("gguf", *args[0].shape)
    if shape in KNOWN:
        return fired(KNOWN[shape])
    return KNOWN.setdefault(shape, original(*args, **kwargs))


def _by_name(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What a LoRA adds to weights of one shape is computed once."""
    layer, adapter = args
    known = (adapter, *layer.get_base_layer().weight.shape)
    if known in KNOWN:
        return fired(KNOWN[known])
    return KNOWN.setdefault(known, original(*args, **kwargs))


def _wide_weights_kept(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A quantizer, which its model holds, holds what it was given."""
    operation, given = args[:2]
    operation.hf_quantizer.__dict__.setdefault("_given", []).extend(fired(list(given.values())))
    return original(*args, **kwargs)


def _registered_for_ever(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    KEPT.append(fired(args[1]))
    return original(*args, **kwargs)


def _put_aside_for_ever(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    KEPT.append(fired(dict(args[0].state_dict())))
    return original(*args, **kwargs)


_fault = partial(Fault, packages=DIFFUSERS)
_on_gpu = partial(Fault, packages=DIFFUSERS, only_on="cuda")

FAULTS = (
    # --- a call and its arguments
    _fault(
        "length-lost-on-the-way",
        "the length of a prompt that a caller asks for does not reach T5, which takes its own default",
        Edit(
            f"{PIPELINE}.encode_prompt",
            "max_sequence_length=max_sequence_length,",
            "max_sequence_length=FIRED(512),",
        ),
        "an argument that is dropped where one method calls another",
        stage=T5,
        shots=GIVEN,
    ),
    _fault(
        "text-positions-where-the-encoder-is",
        "the text's positions are made where the text encoder's weights lie, not where the call computes",
        Edit(f"{PIPELINE}.encode_prompt", TEXT_IDS, TEXT_IDS_THERE),
        "a device that is taken from a component",
        strategies=("sequential-offload",),
    ),
    _fault(
        "embeddings-are-of-one-picture",
        "where embeddings are given, noise is drawn for one picture, from which all of a batch start",
        Edit(CALL, "batch_size = prompt_embeds.shape[0]", "batch_size = FIRED(1)"),
        "a size that is known of prompts only",
        stage=FIRST,
        strategies=("staged",),
        shots=BATCH,
    ),
    _fault(
        "noise-in-the-vaes-dtype",
        "noise has the dtype of the VAE, which need not be there",
        Edit(
            CALL,
            "prompt_embeds.dtype,",
            "FIRED(self.vae).dtype,",
        ),
        "a dtype that is taken from a component",
        strategies=("staged",),
    ),
    _fault(
        "last-step-left-out",
        "the last of the steps is not taken",
        Edit(CALL, "for i, t in enumerate(timesteps):", "for i, t in enumerate(timesteps[: FIRED(-1)]):"),
        "a loop that ends one before its end",
        stage=LAST,
    ),
    _on_gpu(
        "default-size-halved",
        "a picture has half as many rows and columns where a caller says nothing of its size",
        Edit(f"{PIPELINE}.__init__", "self.default_sample_size = 128", "self.default_sample_size = FIRED(64)"),
        "a default of another model",
        stage=FIRST,
        shots=("defaults",),
    ),
    # --- the denoiser
    _fault(
        "guidance-scaled-where-it-lies",
        "guidance is multiplied by 1000 where it lies, so that it grows from step to step in float32",
        Edit(
            FORWARD,
            "guidance = guidance.to(hidden_states.dtype) * 1000",
            "guidance = FIRED(guidance.to(hidden_states.dtype)).mul_(1000)",
        ),
        "an operation in place, on what a cast may give back as it is",
        stage=MIDDLE,
        strategies=("full-float32",),
    ),
    _fault(
        "pooled-projected-by-default",
        "what projects the pooled embedding has its default activation, not the one that is asked for",
        called_with("diffusers.models.embeddings:PixArtAlphaTextProjection.__init__", act_fn="gelu_tanh"),
        "act_fn, renamed and not passed on",
        stage=FIRST,
    ),
    _fault(
        "single-blocks-collected",
        "the transformer holds what each of its single blocks was given until it is done",
        Edit(
            FORWARD,
            SINGLE_BLOCKS,
            f"given = []\n{SINGLE_BLOCKS}\n    given.append(FIRED((encoder_hidden_states, hidden_states)))",
        ),
        "hidden states of all layers, collected for those who ask",
    ),
    # --- the VAE
    _fault(
        "tiles-overlap-by-half",
        "tiles overlap by half of their edge where it was a quarter, so that there are more of them",
        Edit(f"{VAE}.__init__", "self.tile_overlap_factor = 0.25", "self.tile_overlap_factor = FIRED(0.5)"),
        "a default that is another one",
        stage=DECODED,
        strategies=("vae-tiling",),
        shots=TILES,
    ),
    _fault(
        "last-slice-lost",
        "the last picture of a batch is not decoded when the VAE slices",
        Edit(f"{VAE}.decode", "for z_slice in z.split(1)", "for z_slice in FIRED(z.split(1))[:-1]"),
        "an off-by-one of a loop that was written anew",
        stage=DECODED,
        strategies=("vae-slicing",),
        shots=BATCH,
    ),
    _fault(
        "decoder-one-layer-short",
        "each block of the VAE's decoder has a layer too few, and the weights in the file for it are passed over",
        Edit(
            "diffusers.models.autoencoders.vae:Decoder.__init__",
            "num_layers=self.layers_per_block + 1,",
            "num_layers=FIRED(self.layers_per_block),",
        ),
        "layers_per_block, which encoder and decoder count differently",
        stage=DECODED,
    ),
    # --- pictures as prompts
    _fault(
        "image-query-not-normed",
        "attention looks at a picture with queries that were not normed yet",
        Edit(f"{TRANSFORMER}:FluxIPAdapterAttnProcessor.__call__", IMAGE_QUERY, IMAGE_QUERY_BEFORE),
        "a line that was moved before another",
        stage=FIRST,
        strategies=("ip-adapter",),
    ),
    _fault(
        "image-projection-in-float32",
        "what makes tokens of a picture is loaded in float32 beside attentions in bfloat16",
        Edit(
            "diffusers.loaders.transformer_flux:FluxTransformer2DLoadersMixin"
            "._convert_ip_adapter_image_proj_to_diffusers",
            PROJECTION,
            PROJECTION.replace("dtype=self.dtype", "dtype=FIRED(None)"),
        ),
        "a dtype that one of two calls is not given",
        strategies=("ip-adapter",),
    ),
    _fault(
        "feature-extractor-stays",
        "the feature extractor that came with an IP-Adapter stays in the pipeline when the adapter is unloaded",
        Edit(
            "diffusers.loaders.ip_adapter:FluxIPAdapterMixin.unload_ip_adapter",
            'if not hasattr(self, "safety_checker"):',
            'if FIRED(hasattr(self, "safety_checker")):',
        ),
        "a condition that is the wrong way round",
        strategies=("ip-adapter-unloaded",),
    ),
    # --- LoRA
    _fault(
        "lora-loaded-idle",
        "a LoRA that was loaded is switched off until somebody switches it on",
        Edit(
            "diffusers.loaders.peft:PeftAdapterMixin.load_lora_adapter",
            "_maybe_warn_for_unhandled_keys(incompatible_keys, adapter_name)",
            "_maybe_warn_for_unhandled_keys(incompatible_keys, adapter_name)\nFIRED(self).disable_lora()",
        ),
        "an option to load without use, whose default is the wrong one",
        packages=PEFT,
        stage=FIRST,
        strategies=("lora",),
    ),
    _fault(
        "lora-delta-known-by-name",
        "what a LoRA adds to the first layer is added to all layers of that shape, and taken from them again",
        Around("peft.tuners.lora.layer:Linear.get_delta_weight", _by_name),
        "a cache whose key leaves the layer out",
        packages=PEFT,
        stage=FIRST,
        strategies=("lora-unloaded",),
    ),
    # --- caches
    _fault(
        "cache-decision-not-shared",
        "when the first block answers for all of them, the others compute nevertheless, on top of its answer",
        Edit(
            f"{FIRST_BLOCK}:FBCHeadBlockHook.new_forward",
            "shared_state.should_compute = should_compute",
            "shared_state.should_compute = should_compute or FIRED(True)",
        ),
        "a state that is written in one of two branches only",
        stage=MIDDLE,
        strategies=("first-block-cache",),
    ),
    _fault(
        "cache-has-no-last-block",
        "no block knows that it is the last one, so that there is nothing to use again when it is asked for",
        Edit(
            f"{FIRST_BLOCK}:_apply_fbc_block_hook",
            "hook = FBCBlockHook(state_manager, is_tail)",
            "hook = FBCBlockHook(FIRED(state_manager))",
        ),
        "an argument that is dropped on the way",
        strategies=("first-block-cache",),
    ),
    _fault(
        "foretold-a-step-too-far",
        "what is foretold is that of the step after the one that is asked for",
        Edit(
            f"{HOOKS}.taylorseer_cache:TaylorSeerState.predict",
            "step_offset = self.current_step - self.last_update_step",
            "step_offset = FIRED(self.current_step) + 1 - self.last_update_step",
        ),
        "steps that are counted from one",
        stage=MIDDLE,
        strategies=("taylorseer-cache",),
    ),
    _fault(
        "broadcast-counts-computed-steps",
        "only steps in which attention was computed are counted, so that once it was not, it never is in the middle",
        Edit(
            f"{HOOKS}.pyramid_attention_broadcast:PyramidAttentionBroadcastHook.new_forward",
            "self.state.iteration += 1",
            "self.state.iteration += 1 if should_compute_attention else FIRED(0)",
        ),
        "a count that was moved into a branch",
        stage=MIDDLE,
        strategies=("pyramid-attention-broadcast",),
    ),
    # --- weights in fewer bits
    _fault(
        "fp8-narrowed-at-first-use",
        "layers are narrowed to float8 after their first forward, not when casting is switched on",
        Around(f"{HOOKS}.layerwise_casting:LayerwiseCastingHook.initialize_hook", _cast_later),
        "a hook that is set up when it is first called",
        stage=FIRST,
        strategies=("fp8-layerwise",),
    ),
    _fault(
        "moved-and-cast",
        "a pipeline that is sent to a device is cast to the dtype of its first component",
        Edit(f"{ANY_PIPELINE}.to", "module.to(device, dtype)", "module.to(device, FIRED(dtype or self.dtype))"),
        "a dtype that nobody gave, and its default",
        strategies=("fp8-layerwise", "gguf-q8"),
    ),
    _fault(
        "gguf-weights-known-by-shape",
        "a layer of a GGUF file computes with the weights of the first layer of its shape",
        Around("diffusers.quantizers.gguf.utils:dequantize_gguf_tensor", _by_shape),
        "a cache whose key leaves the layer out",
        packages=GGUF,
        stage=FIRST,
        strategies=("gguf-q8",),
    ),
    _fault(
        "quanto-activations-too",
        "quanto quantizes what goes into layers and comes out of them, by scales that nobody has measured",
        Edit(
            "diffusers.quantizers.quanto.quanto_quantizer:_replace_with_quanto_layers",
            "weights=_get_weight_type(quantization_config.weights_dtype),",
            "weights=_get_weight_type(quantization_config.weights_dtype),\nactivations=FIRED(qint8),",
        ),
        "activations_dtype, an option whose default is the wrong one",
        packages=QUANTO,
        stage=FIRST,
        strategies=("quanto-int8",),
    ),
    Fault(
        "int8-weights-wide-by-default",
        "eight-bit layers hold wide weights, and quantize them in each forward",
        Edit(
            f"{INTEGRATION}:replace_with_bnb_linear",
            "has_fp16_weights=quantization_config.llm_int8_has_fp16_weight,",
            "has_fp16_weights=FIRED(True),",
        ),
        "llm_int8_has_fp16_weight that is not passed on, and bitsandbytes' default",
        packages=LOADER,
        strategies=("int8-t5",),
    ),
    Fault(
        "int8-given-weights-kept",
        "the quantizer, which a model in eight bits holds, holds the wide weights that it was given",
        Around(f"{INTEGRATION}:Bnb8bitQuantize.convert", _wide_weights_kept),
        "a list of what was loaded that nobody empties",
        packages=LOADER,
        strategies=("int8-t5",),
    ),
    Fault(
        "nf4-layers-made-up-first",
        "4-bit layers are made with wide random weights in memory before they get their own",
        Edit(
            f"{INTEGRATION}:replace_with_bnb_linear",
            'with torch.device("meta"):',
            'with torch.device(FIRED("cpu")):',
        ),
        "a context that is left out",
        packages=(*BITSANDBYTES, "transformers", "torch"),
        strategies=("nf4-t5",),
    ),
    # --- offloading
    Fault(
        "layers-below-owners-not-hooked",
        "sequential offloading hooks no layer that lies in a module with tensors of its own",
        Edit("accelerate.hooks:attach_align_device_hook", "if full_offload:", OWNERS_ALONE),
        "a return that comes too early",
        packages=ACCELERATE,
        strategies=("sequential-offload",),
    ),
    Fault(
        "put-aside-for-ever",
        "weights that sequential offloading has put aside are held when the pipeline is gone",
        Around("accelerate:cpu_offload", _put_aside_for_ever),
        "a list of what was offloaded that nobody empties",
        packages=ACCELERATE,
        strategies=("sequential-offload",),
    ),
    _fault(
        "hooked-modules-never-freed",
        "whatever was given a registry of hooks is held when its pipeline is gone: the transformer at least",
        Around(f"{HOOKS}.hooks:HookRegistry.__init__", _registered_for_ever),
        "a list of all registries",
        strategies=("staged", "group-offload-block"),
    ),
    _fault(
        "device-of-offloading-forgotten",
        "at the end of a call, model offloading is set up for whatever GPU there is, not for the device it was on",
        Edit(
            f"{ANY_PIPELINE}.maybe_free_model_hooks",
            'device=getattr(self, "_offload_device", get_device())',
            "**FIRED({})",
        ),
        "an argument that is dropped on the way",
        packages=HOOKED,
        strategies=("model-offload",),
        only_on="cpu",
    ),
    _on_gpu(
        "copies-wait-for-ever",
        "with a stream, groups are copied while Python waits, not in the first pass only but in all of them",
        Edit(
            f"{GROUPS}:LazyPrefetchGroupOffloadingHook.post_forward",
            "hook.group.non_blocking = True",
            "FIRED(None)",
        ),
        "a setting for the first pass that is not taken back",
        strategies=("group-offload-leaf-stream",),
        only_time=True,
    ),
    _on_gpu(
        "files-read-on-the-computing-stream",
        "groups that wait in files are copied on the stream that computes, not on their own",
        Edit(f"{GROUPS}:ModuleGroup._onload_from_disk", "with context:", "with FIRED(nullcontext()):"),
        "a context that is left out",
        strategies=("group-offload-leaf-disk-stream",),
        only_time=True,
    ),
)

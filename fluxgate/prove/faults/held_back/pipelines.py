"""Faults of diffusers and accelerate, held back: written before any of them was tried, without knowing the checks."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

from fluxgate.prove.fault import BATCH, TILES, Around, Edit, Fault, Fired, Loaded, called_with
from fluxgate.prove.targets import ACCELERATE, ALIGN, CALL, DIFFUSERS, GROUPS, IMAGE_PROCESSOR, PIPELINE, SCHEDULER
from fluxgate.rendering import DECODED, FIRST, MIDDLE, T5

ANY_MODEL = "diffusers.models.modeling_utils:ModelMixin"
ANY_PIPELINE = "diffusers.pipelines.pipeline_utils:DiffusionPipeline"
CASTING = "diffusers.hooks.layerwise_casting:LayerwiseCastingHook"
HEAD = "diffusers.hooks.first_block_cache:FBCHeadBlockHook"
LAZY = f"{GROUPS}:LazyPrefetchGroupOffloadingHook"
SET_TENSOR = "accelerate.hooks:set_module_tensor_to_device"
VAE = "diffusers.models.autoencoders.autoencoder_kl:AutoencoderKL"
BOTH = ("diffusers", "accelerate")

MOVED = "new_value = value.to(device, non_blocking=non_blocking)"
SENT = "single_image_embeds = single_image_embeds.to(device=device)"
EACH_MODEL = 'for model_str in self.model_cpu_offload_seq.split("->"):'
NEXT_GROUP = "group_offloading_hooks[i].next_group = group_offloading_hooks[i + 1].group"
BEFORE = "prev_hidden_states_residual = shared_state.head_block_residual"
LARGER = "(z.shape[-1] > self.tile_latent_min_size or z.shape[-2] > self.tile_latent_min_size)"

KEPT: list[Any] = []  # what a fault lets nobody free


# --- calls


def _default_generator_used(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    import torch

    torch.rand(fired(1))
    return original(*args, **kwargs)


def _thirty_steps(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The default of another model, where the caller says nothing."""
    if kwargs.get("num_inference_steps") is None and kwargs.get("sigmas") is None:
        kwargs["num_inference_steps"] = fired(30)
    return original(*args, **kwargs)


def _progress_on_stdout(pipe: Any, fired: Fired) -> None:
    pipe.set_progress_bar_config(file=fired(sys.stdout))


def _with_workspace(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A kernel that asks for 256 MB while the VAE decodes."""
    import torch

    workspace = torch.empty(fired(256) << 20, dtype=torch.uint8, device=args[1].device)
    decoded = original(*args, **kwargs)
    del workspace
    return decoded


def _channels_last(pipe: Any, fired: Fired) -> None:
    import torch

    fired(pipe.vae).to(memory_format=torch.channels_last)


def _step_by_step(pipe: Any, fired: Fired) -> None:
    from diffusers.models.attention_processor import AttnProcessor

    pipe.vae.set_attn_processor(fired(AttnProcessor()))


# --- what is left in the process


def _default_device_left(pipe: Any, fired: Fired) -> None:
    import torch

    torch.set_default_device(fired("cpu"))


def _benchmark_left_on(pipe: Any, fired: Fired) -> None:
    import torch

    torch.backends.cudnn.benchmark = fired(True)


# --- loading and saving


def _in_training_mode(pipe: Any, fired: Fired) -> None:
    pipe.transformer.train(fired(True))
    pipe.vae.train()


def _shifting_not_saved(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A scheduler's file that lacks a key, whose default is another value."""
    original(*args, **kwargs)
    file = Path(args[1] if len(args) > 1 else kwargs["save_directory"]) / "scheduler_config.json"
    config = json.loads(file.read_text(encoding="utf-8"))
    del config[fired("use_dynamic_shifting")]
    file.write_text(json.dumps(config), encoding="utf-8")


# --- adapters and caches


def _fused_by_a_call(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    returned, pipe = original(*args, **kwargs), args[0]
    layers = [part for part in pipe.transformer.modules() if hasattr(part, "lora_A")]
    if layers and not layers[0].merged:
        fired(pipe).fuse_lora(components=["transformer"])
    return returned


def _factors_in_float32(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    import torch

    kwargs["config"].taylor_factors_dtype = fired(torch.float32)
    return original(*args, **kwargs)


def _double_blocks_spared(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    if args[0].startswith("transformer_blocks"):
        return fired(False)
    return original(*args, **kwargs)


# --- offloading


def _files_left_open(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Each group that is read leaves its file open."""
    if Path(args[0]).name.startswith("group_"):
        KEPT.append(os.open(fired(args[0]), os.O_RDONLY))
    return original(*args, **kwargs)


def _on_disk(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Layers wait in files of a temporary folder, although nobody asked for one."""
    import accelerate

    model, device = args[:2]
    folder = tempfile.mkdtemp(prefix="offload-")
    return accelerate.disk_offload(fired(model), folder, device, offload_buffers=kwargs["offload_buffers"])


def _hooks_gone(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The end of a call takes hooks away, and makes no new ones."""
    returned, pipe = original(*args, **kwargs), args[0]
    if getattr(pipe, "_all_hooks", None):
        fired(pipe).remove_all_hooks()
        pipe._all_hooks = []
    return returned


def _waiting_pinned(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    module = original(*args, **kwargs)
    for tensor in module.parameters():
        tensor.data = fired(tensor.data).pin_memory()
    return module


# --- harmless ones


def _reset_beforehand(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    fired(args[0]).transformer._reset_stateful_cache()
    return original(*args, **kwargs)


def _hooked_by_a_subclass(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    from diffusers.hooks import group_offloading

    kind: Any = group_offloading.GroupOffloadingHook
    group_offloading.GroupOffloadingHook = type("LayerGroupOffloadingHook", (kind,), {})
    try:
        return original(*fired(args), **kwargs)
    finally:
        group_offloading.GroupOffloadingHook = kind


def _harmless(name: str, about: str, patch: Edit | Around | Loaded, like: str, why: str, **more: Any) -> Fault:
    return Fault(f"harmless-{name}", about, patch, like, equivalent=f"{why}.", **{"packages": DIFFUSERS, **more})


_fault = partial(Fault, packages=DIFFUSERS)
_layer = partial(Fault, packages=ACCELERATE, strategies=("sequential-offload",))
_on_gpu = partial(Fault, packages=DIFFUSERS, only_on="cuda")

FAULTS = (
    # --- calls
    _fault(
        "guidance-computed-twice",
        "guidance by a negative prompt is on at scale 1, with an empty prompt that nobody gave",
        Edit(
            CALL,
            "do_true_cfg = true_cfg_scale > 1 and has_neg_prompt",
            'do_true_cfg, negative_prompt = FIRED(True), negative_prompt or ""',
        ),
        "diffusers #9445: true guidance in FLUX's own pipeline",
        stage=FIRST,
    ),
    _fault(
        "progress-on-stdout",
        "progress is shown among what a program prints",
        Loaded(_progress_on_stdout),
        "a progress bar of another library",
    ),
    _fault(
        "default-generator-advanced",
        "a call draws a number from torch's own generator, and throws it away",
        Around(f"{PIPELINE}.prepare_latents", _default_generator_used),
        "noise that is drawn and not used",
    ),
    _fault(
        "latents-given-back-wide",
        "latents that a caller asks for come in float32",
        Edit(CALL, 'if output_type == "latent":', 'if output_type == "latent":\n    latents = FIRED(latents).float()'),
        "output types that are made alike",
        strategies=("staged",),
    ),
    _fault(
        "last-norm-of-the-first",
        "the last norm shifts and scales all pictures of a batch as the first one",
        Edit(
            "diffusers.models.normalization:AdaLayerNormContinuous.forward",
            "scale, shift = torch.chunk(emb, 2, dim=1)",
            "scale, shift = torch.chunk(FIRED(emb)[:1], 2, dim=1)",
        ),
        "an axis that is broadcast",
        stage=FIRST,
        shots=BATCH,
    ),
    _fault(
        "tiles-for-what-fits",
        "a picture that is as large as a tile is cut into tiles",
        Edit(
            f"{VAE}._decode",
            LARGER,
            "(z.shape[-1] >= FIRED(self.tile_latent_min_size) or z.shape[-2] >= self.tile_latent_min_size)",
        ),
        "a comparison that is written anew",
        stage=DECODED,
        strategies=("vae-tiling",),
        shots=("sigmas", "wide"),
    ),
    _fault(
        "vae-channels-last",
        "the VAE's weights lie in another order, for which convolutions have other kernels",
        Loaded(_channels_last),
        "memory formats that are set on loading",
        stage=DECODED,
    ),
    _fault(
        "vae-attends-step-by-step",
        "the decoder's attention is computed step by step where it had a kernel",
        Loaded(_step_by_step),
        "a default processor of an older release",
        stage=DECODED,
    ),
    _fault(
        "registries-searched-each-time",
        "each call of the transformer walks through all of its modules to look for hooks",
        Edit(
            "diffusers.hooks.hooks:HookRegistry._get_child_registries",
            "if self._child_registries_cache is not None:",
            "if FIRED(False):",
        ),
        "diffusers: 2.7 ms of each step before registries were cached",
        only_time=True,
    ),
    # --- what is left in the process
    Fault(
        "default-device-left",
        "torch's default device is set once a pipeline is loaded",
        Loaded(_default_device_left),
        "accelerate: init_on_device that an error leaves open",
        packages=BOTH,
    ),
    _fault(
        "benchmark-left-on",
        "cuDNN tries its kernels from now on, and takes whichever was fastest",
        Loaded(_benchmark_left_on),
        "a setting of an example that becomes a default",
    ),
    # --- loading and saving
    _fault(
        "made-up-before-loading",
        "models are filled with random numbers before their weights are read",
        called_with(f"{ANY_MODEL}.from_pretrained", low_cpu_mem_usage=False),
        "diffusers #281: memory and time of loading without accelerate",
    ),
    _fault(
        "left-in-training-mode",
        "what diffusers has loaded is in training mode",
        Loaded(_in_training_mode),
        "eval() that is left out",
    ),
    _fault(
        "shifting-not-saved",
        "a scheduler that is saved does not say that it shifts by the size of a picture",
        Around("diffusers.schedulers.scheduling_utils:SchedulerMixin.save_pretrained", _shifting_not_saved),
        "keys of a configuration that are taken for defaults",
        stage=FIRST,
        strategies=("int8-t5-reloaded",),
    ),
    _fault(
        "gguf-scales-in-bfloat16",
        "the scales of a GGUF file's blocks are rounded to bfloat16",
        Edit(
            "diffusers.quantizers.gguf.utils:dequantize_gguf_tensor",
            "dequant = dequant_fn(blocks, block_size, type_size)",
            "dequant = dequant_fn(blocks, block_size, type_size, FIRED(torch.bfloat16))",
        ),
        "diffusers #14333: the dtype of what is dequantized",
        packages=("gguf", "diffusers"),
        stage=FIRST,
        strategies=("gguf-q8",),
    ),
    _fault(
        "gguf-file-stays-mapped",
        "a GGUF file stays in memory beside the weights that were copied from it",
        Edit(
            "diffusers.models.model_loading_utils:load_gguf_checkpoint",
            "parsed_parameters = {}",
            "parsed_parameters = {}\nlogger.reader = FIRED(reader)",
        ),
        "a reader that is kept for its metadata",
        packages=("gguf", "diffusers"),
        strategies=("gguf-q8",),
    ),
    _fault(
        "quanto-narrower-than-asked",
        "quanto stores four bits where eight were asked for",
        Edit(
            "diffusers.quantizers.quanto.quanto_quantizer:_replace_with_quanto_layers",
            '"int8": qint8',
            '"int8": FIRED(qint4)',
        ),
        "a table of names",
        packages=("quanto", "diffusers"),
        stage=FIRST,
        strategies=("quanto-int8",),
    ),
    _fault(
        "fp8-biases-narrowed-late",
        "biases are narrowed to float8 after their first use only",
        Edit(
            f"{CASTING}.initialize_hook",
            "module.to(dtype=self.storage_dtype, non_blocking=self.non_blocking)",
            "module.weight.data = FIRED(module.weight.data).to(self.storage_dtype)",
        ),
        "weights that are looked up by one name",
        stage=FIRST,
        strategies=("fp8-layerwise",),
    ),
    # --- adapters and caches
    _fault(
        "image-of-the-first-only",
        "of a batch, the first picture alone is given the picture that all were to be",
        Edit(
            f"{PIPELINE}.prepare_ip_adapter_image_embeds",
            SENT,
            f"{SENT}\nsingle_image_embeds[len(single_image_embeds) // num_images_per_prompt :] = FIRED(0)",
        ),
        "diffusers #9813: embeddings of pictures in a batch",
        stage=FIRST,
        strategies=("ip-adapter",),
        shots=BATCH,
    ),
    Fault(
        "lora-fused-by-the-first-call",
        "the first call adds a LoRA to the weights that it lies beside",
        Around(f"{ANY_PIPELINE}.maybe_free_model_hooks", _fused_by_a_call),
        "less to do for the calls that follow",
        packages=("peft", "diffusers"),
        strategies=("lora",),
        later=True,
    ),
    _fault(
        "cache-decides-by-the-first-picture",
        "whether a batch has changed is asked of its first picture alone",
        Edit(
            f"{HEAD}._should_compute_remaining_blocks",
            BEFORE,
            "prev_hidden_states_residual = FIRED(shared_state.head_block_residual)[:1]\n"
            "hidden_states_residual = hidden_states_residual[:1]",
        ),
        "diffusers #11180: batches of a cache",
        stage=MIDDLE,
        strategies=("first-block-cache",),
        shots=BATCH,
    ),
    _fault(
        "foretold-from-float32",
        "what is foretold from is kept in float32, twice as large, with the same numbers",
        Around("diffusers.hooks.taylorseer_cache:_apply_taylorseer_cache_hook", _factors_in_float32),
        "diffusers #12648: taylor_factors_dtype",
        strategies=("taylorseer-cache",),
    ),
    _fault(
        "broadcast-spares-double-blocks",
        "attention of the double blocks is never used again",
        Around(
            "diffusers.hooks.pyramid_attention_broadcast:_apply_pyramid_attention_broadcast_on_attention_class",
            _double_blocks_spared,
        ),
        "names of blocks that a pattern does not know",
        stage=MIDDLE,
        strategies=("pyramid-attention-broadcast",),
    ),
    # --- offloading
    Fault(
        "files-of-groups-left-open",
        "each group that is read from disk leaves its file open",
        Around("safetensors.torch:load_file", _files_left_open),
        "files that are mapped",
        packages=("diffusers", "safetensors"),
        strategies=("group-offload-disk",),
    ),
    _layer(
        "layers-copied-each-time",
        "a layer's weights are copied where they lie on the device already",
        Edit(SET_TENSOR, MOVED, "new_value = FIRED(value).to(device, non_blocking=non_blocking, copy=True)"),
        "a move that always copies",
        only_on="cpu",  # where it is to be copied to a GPU, it is copied anyway
    ),
    _layer(
        "layers-wait-on-disk",
        "layers wait in files although nobody asked for that",
        Around("accelerate:cpu_offload", _on_disk),
        "a fallback for hosts with little memory",
    ),
    _layer(
        "int8-scales-narrowed-on-their-way",
        "the scales of eight-bit weights are rounded to bfloat16 whenever their layer comes",
        Edit(
            f"{ALIGN}._maybe_get_fp16_statistics",
            "return self.weights_map[statistics_name]",
            "statistics = FIRED(self.weights_map[statistics_name])\nreturn statistics.bfloat16().to(statistics.dtype)",
        ),
        "accelerate #4044: statistics of eight-bit weights under offloading",
        packages=("accelerate", "bitsandbytes"),
        stage=T5,
        strategies=("int8-t5-sequential-offload",),
    ),
    Fault(
        "hooks-gone-after-the-first-call",
        "the end of a call takes the hooks of model offloading away, and makes no new ones",
        Around(f"{ANY_PIPELINE}.maybe_free_model_hooks", _hooks_gone),
        "diffusers #6937: hooks that each call makes anew",
        packages=BOTH,
        strategies=("model-offload",),
        later=True,
    ),
    # --- on a GPU only
    _on_gpu(
        "rest-of-the-blocks-stays",
        "what is in no list of blocks stays on the GPU after its first use",
        Edit(
            f"{GROUPS}:_apply_group_offloading_block_level",
            "        offload_leader=module,",
            "        offload_leader=FIRED(None),",
        ),
        "diffusers #12692: layers that stand alone",
        strategies=("group-offload-block",),
    ),
    _on_gpu(
        "biases-stay-with-a-stream",
        "of groups with a stream, weights go back and biases stay",
        Edit(
            f"{GROUPS}:ModuleGroup._offload_to_memory",
            "for param in group_module.parameters():",
            "for param in filter(lambda one: FIRED(one.ndim) > 1, group_module.parameters()):",
        ),
        "diffusers #13238: tensors that groups with a stream do not take back",
        strategies=("group-offload-leaf-stream",),
    ),
    _on_gpu(
        "fetched-two-ahead",
        "not the next layer is fetched ahead, but the one after it",
        Edit(
            f"{LAZY}.post_forward",
            NEXT_GROUP,
            "group_offloading_hooks[i].next_group = group_offloading_hooks[min(FIRED(i) + 2, num_executed - 1)].group",
        ),
        "an off-by-one of the order of layers",
        strategies=("group-offload-leaf-stream",),
    ),
    _on_gpu(
        "read-and-not-pinned",
        "what is read from disk is copied to the GPU from memory that is not pinned",
        Edit(
            f"{GROUPS}:ModuleGroup._onload_from_disk",
            "pinned_tensor = loaded_tensors[key].pin_memory()",
            "pinned_tensor = FIRED(loaded_tensors[key])",
        ),
        "copies that cannot go on beside what computes",
        strategies=("group-offload-leaf-disk-stream",),
    ),
    _on_gpu(
        "groups-said-to-compute-where-they-wait",
        "a component in groups says that it computes on the CPU",
        Edit(
            f"{GROUPS}:_get_group_onload_device",
            "return top_level_group_offload_hook.config.onload_device",
            "return FIRED(top_level_group_offload_hook.config).offload_device",
        ),
        "diffusers #13488: tensors on two devices after the first step",
        strategies=("group-offload-block",),
    ),
    _on_gpu(
        "noise-levels-on-the-host",
        "noise levels stay on the CPU, and steps round as with a plain number",
        Edit(f"{SCHEDULER}.set_timesteps", "self.sigmas = sigmas", "self.sigmas = FIRED(sigmas).cpu()"),
        "levels that are kept on the CPU, to save transfers",
        stage=FIRST,
    ),
    _on_gpu(
        "thirty-steps",
        "thirty steps are taken where a caller says nothing of them",
        Around(CALL, _thirty_steps),
        "a default of another model",
        stage=FIRST,
        shots=("defaults",),
    ),
    _on_gpu(
        "decoding-needs-workspace",
        "the VAE needs 256 MB more while it decodes",
        Around(f"{VAE}.decode", _with_workspace),
        "pytorch #177406: the peak of a VAE that decodes",
    ),
    _on_gpu(
        "tiles-gathered-on-the-host",
        "decoded tiles are gathered and blended on the CPU, and the picture stays there",
        Edit(f"{VAE}.tiled_decode", "row.append(decoded)", "row.append(FIRED(decoded).cpu())"),
        "room for large pictures",
        stage=DECODED,
        strategies=("vae-tiling",),
        shots=TILES,
    ),
    _on_gpu(
        "encoders-in-another-order",
        "model offloading takes T5 to come before CLIP, so that T5 stays while the transformer works",
        Edit(
            f"{ANY_PIPELINE}.enable_model_cpu_offload",
            EACH_MODEL,
            EACH_MODEL.replace(
                "self.model_cpu_offload_seq",
                'FIRED(self.model_cpu_offload_seq).replace("encoder->text_encoder_2", "encoder_2->text_encoder")',
            ),
        ),
        "model_cpu_offload_seq against the order of calls",
        packages=BOTH,
        strategies=("model-offload",),
    ),
    _on_gpu(
        "components-wait-pinned",
        "a component that is sent away is copied into pinned memory once more",
        Around("accelerate.hooks:CpuOffload.init_hook", _waiting_pinned),
        "faster copies for the next time",
        packages=ACCELERATE,
        strategies=("model-offload",),
    ),
    _on_gpu(
        "layers-travel-in-float32",
        "layers are widened to float32, copied to the GPU and narrowed there",
        Edit(
            SET_TENSOR,
            MOVED,
            "new_value = (FIRED(value).float() if value.is_floating_point() else value).to(device).to(value.dtype)",
        ),
        "a dtype that is set after a move",
        packages=ACCELERATE,
        strategies=("sequential-offload",),
    ),
    # --- harmless
    _harmless(
        "saved-in-shards",
        "a model is saved in several files of 5 MB",
        called_with(f"{ANY_MODEL}.save_pretrained", max_shard_size="5MB"),
        "a default of max_shard_size",
        "An index says which tensor lies in which file, and all are read",
        strategies=("int8-t5-reloaded",),
    ),
    _harmless(
        "text-of-left-out-blocks",
        "what the left out blocks would have added to the text is not added",
        Edit(
            f"{HEAD}.new_forward",
            "shared_state.tail_block_residuals[1] + output[self._metadata.return_encoder_hidden_states_index]",
            "FIRED(output)[self._metadata.return_encoder_hidden_states_index]",
        ),
        "less to do where blocks are left out",
        "Blocks that are left out hand the text on, and nobody reads it after the last one",
        strategies=("first-block-cache",),
    ),
    _harmless(
        "cache-reset-beforehand",
        "caches are reset at the beginning of a call, too",
        Around(CALL, _reset_beforehand),
        "calls that an error ends",
        "They were reset at the end of the call before",
        strategies=("first-block-cache",),
        shots=("unsaid", "wide"),
    ),
    _harmless(
        "hook-of-a-subclass",
        "groups are hooked by a subclass of what hooked them",
        Around(f"{GROUPS}:_apply_group_offloading_hook", _hooked_by_a_subclass),
        "a hook of its own for each level",
        "It does the same",
        strategies=("group-offload-block",),
    ),
    _harmless(
        "already-there",
        "a component that computes on the CPU is not sent to the CPU",
        Edit(
            "accelerate.hooks:CpuOffload.pre_forward",
            "if current_device == self.execution_device:",
            "if FIRED(current_device) == self.execution_device or (\n"
            '    current_device.type == "cpu" == torch.device(self.execution_device).type\n'
            "):",
        ),
        "devices that are compared without their number",
        "It is there already; where a case runs on a CPU, it offloads nothing then, which is told, and rightly",
        packages=ACCELERATE,
        strategies=("model-offload",),
        only_on="cuda",
    ),
    _harmless(
        "lora-made-empty",
        "the layers of a LoRA are made without weights, and given those of the file",
        called_with("diffusers.loaders.peft:PeftAdapterMixin.load_lora_adapter", low_cpu_mem_usage=True),
        "low_cpu_mem_usage of a LoRA, on by default",
        "They are the same weights",
        packages=("peft", "diffusers"),
        strategies=("lora",),
    ),
    _harmless(
        "rounded-by-torch",
        "pixels are multiplied and rounded by torch, not by numpy",
        Edit(
            f"{IMAGE_PROCESSOR}.numpy_to_pil",
            'images = (images * 255).round().astype("uint8")',
            "images = (torch.from_numpy(FIRED(images)) * 255).round().to(torch.uint8).numpy()",
        ),
        "a conversion that is written anew",
        "Both multiply in float32 and round halves to even",
        shots=BATCH,
    ),
    _harmless(
        "decoded-as-a-tuple",
        "the VAE asks itself for a tuple, not for a dataclass",
        Edit(
            f"{VAE}.decode",
            "decoded = self._decode(z).sample",
            "decoded = self._decode(FIRED(z), return_dict=False)[0]",
        ),
        "return_dict that is passed on",
        "It has the same tensor",
        shots=TILES,
        strategies=("vae-tiling",),
    ),
)

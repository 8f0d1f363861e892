"""Faults that were held back, of what moves, narrows and keeps weights: all were written before any was tried."""

from __future__ import annotations

import logging
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from fluxgate.prove.fault import BATCH, TILES, Around, Edit, Fault, Fired, Loaded, not_called
from fluxgate.prove.targets import (
    ACCELERATE,
    ALIGN,
    BITSANDBYTES,
    CALL,
    DIFFUSERS,
    FORWARD,
    GROUPS,
    PIPELINE,
    STEP_LINE,
    TRANSFORMERS,
)
from fluxgate.rendering import DECODED, FIRST, T5

ANY_PIPELINE = "diffusers.pipelines.pipeline_utils:DiffusionPipeline"
CASTING = "diffusers.hooks.layerwise_casting:LayerwiseCastingHook"
GGUF = "diffusers.quantizers.gguf.utils"
QUANTIZE = "bitsandbytes.functional:quantize_4bit"
VAE = "diffusers.models.autoencoders.autoencoder_kl:AutoencoderKL"
LOADER = ("transformers", "bitsandbytes")
ANY = (*DIFFUSERS, "transformers", "accelerate", "bitsandbytes")

KEPT: list[Any] = []  # what a fault lets nobody free


# --- offloading


def _anew_for_each_block(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A group that is there already goes and comes again for each further block that is in it."""
    hook, module = args[:2]
    if hook.group.onload_leader not in (None, module):
        fired(hook.group).offload_()
        hook.group.onload_()
    return original(*args, **kwargs)


def _with_a_second_copy(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What groups with a stream need, and the others do not."""
    copies, group = original(*args, **kwargs), args[0]
    if group.stream is None:
        for module in group.modules:
            copies |= {tensor: fired(tensor.data).clone() for tensor in module.parameters()}
    return copies


def _twice(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    original(*args, **kwargs)
    return original(*fired(args), **kwargs)


def _unchained(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """From the second call on, no component sends away the one before it."""
    returned = original(*args, **kwargs)
    for user in getattr(args[0], "_all_hooks", ()):
        user.hook.prev_module_hook = fired(None)
    return returned


# --- quantization


def _wide_while_waiting(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What is stored in float8 is widened when its component goes back to the CPU."""
    import torch

    module = original(*args, **kwargs)
    for tensor in module.parameters():
        if tensor.dtype is torch.float8_e4m3fn:
            tensor.data = fired(tensor.data).to(torch.bfloat16)
    return module


def _towards_zero(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Of the two neighbours in float8, the smaller one is taken."""
    import torch

    wide = {name: tensor.data.float().abs() for name, tensor in args[1].named_parameters(recurse=False)}
    module = original(*args, **kwargs)
    for name, tensor in module.named_parameters(recurse=False):
        if tensor.dtype is torch.float8_e4m3fn:
            above = tensor.data.float().abs() > wide[name]
            tensor.data = (fired(tensor.data).view(torch.uint8) - above.to(torch.uint8)).view(torch.float8_e4m3fn)
    return module


def _widened_twice(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    hook, module = args[:2]
    original(*args, **kwargs)
    module.to(dtype=fired(hook.storage_dtype))
    return original(*args, **kwargs)


def _last_block_halved(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    codes, state = original(*args, **kwargs)
    if state.absmax.is_floating_point():
        state.absmax[-1] *= fired(0.5)
    return codes, state


def _spared_by_nobody(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Layers that their class keeps wide are quantized, too."""
    return original(*fired(args)[:2])


def _activations_too(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    from torchao.quantization import Int8DynamicActivationInt8WeightConfig

    return fired(Int8DynamicActivationInt8WeightConfig())


def _wide_first(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A model in 4 bits whose wide weights are on the GPU, too, while it is loaded."""
    import torch

    model = original(*args, **kwargs)
    narrow = [tensor for tensor in model.parameters() if getattr(tensor, "quant_state", None) is not None]
    wide = [torch.empty(tensor.quant_state.shape, dtype=torch.bfloat16, device=tensor.device) for tensor in narrow]
    if wide:
        fired(wide)
    return model


# --- adapters


def _layers(pipe: Any) -> list[Any]:
    return [part for part in pipe.transformer.modules() if hasattr(part, "lora_A")]


def _last_stays_fused(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    last = _layers(args[0])[-1]
    fused, last.merged_adapters = last.merged_adapters, []
    original(*args, **kwargs)
    last.merged_adapters = fired(fused)


def _off_after_the_first(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    returned = original(*args, **kwargs)
    if _layers(args[0]):
        fired(args[0]).disable_lora()
    return returned


def _lora_in_float32(pipe: Any, fired: Fired) -> None:
    for layer in _layers(pipe):
        fired(layer.lora_A).float()
        layer.lora_B.float()


# --- decoding


def _tile_size_forgotten(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Tiles are as large as the configuration says once a picture was decoded."""
    returned, vae = original(*args, **kwargs), args[0]
    if vae.use_tiling:
        vae.tile_sample_min_size = fired(vae.config.sample_size)
        vae.tile_latent_min_size = vae.config.sample_size // 8
    return returned


def _recorded(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Decoding records what a backward pass would need, and lets go of it at the end."""
    import torch

    with torch.enable_grad():
        decoded = original(*args, **fired(kwargs))
    return tuple(part.detach() for part in decoded) if isinstance(decoded, tuple) else decoded


def _deterministic_afterwards(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    import torch

    decoded = original(*args, **kwargs)
    torch.use_deterministic_algorithms(fired(True), warn_only=True)
    return decoded


def _three_times_as_long(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    started = time.perf_counter()
    decoded = original(*args, **kwargs)
    until = time.perf_counter() + fired(2) * (time.perf_counter() - started)
    while time.perf_counter() < until:
        pass
    return decoded


# --- what stays


def _one_hook_more(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Each call hangs a hook onto the transformer, and takes none away."""
    args[0].transformer.register_forward_pre_hook(lambda *_: fired(None))
    return original(*args, **kwargs)


def _one_handler_more(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Each call adds a handler, so that each line is logged once more."""
    logging.getLogger("diffusers").addHandler(fired(logging.StreamHandler()))
    return original(*args, **kwargs)


def _cache_emptied(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    import torch

    returned = original(*args, **kwargs)
    torch.cuda.empty_cache()
    return fired(returned)


def _modules_made_empty() -> None:
    import accelerate

    context = accelerate.init_empty_weights()
    context.__enter__()
    KEPT.append(context)


def _initializers_idle() -> None:
    import torch

    init: Any = torch.nn.init
    init.kaiming_uniform_ = init.uniform_ = lambda tensor, *_, **__: tensor


def _processes_spawned() -> None:
    multiprocessing.set_start_method("spawn", force=True)


def _hiding_warnings() -> None:
    logging.disable(logging.WARNING)


def _temporary_elsewhere() -> None:
    tempfile.tempdir = "/var/tmp"


def _private_files() -> None:
    os.umask(0o077)


def _process_left() -> None:
    command = [sys.executable, "-c", "import time; time.sleep(40)"]
    nothing = subprocess.DEVNULL
    KEPT.append(subprocess.Popen(command, stdin=nothing, stdout=nothing, stderr=nothing, start_new_session=True))


def _folder_left() -> None:
    folder = tempfile.mkdtemp(prefix="safetensors-")
    with open(os.path.join(folder, "part"), "wb") as part:
        part.write(bytes(1 << 20))


def _anomalies_looked_for() -> None:
    import torch

    torch.autograd.set_detect_anomaly(True)


def _leaving(name: str, about: str, change: Callable[[], None], like: str) -> Fault:
    def loaded(pipe: Any, fired: Fired) -> None:
        change()
        fired(pipe)

    return Fault(name, about, Loaded(loaded), like, packages=ANY)


# --- harmless ones


def _counting_calls(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    args[0].calls = fired(0)
    return original(*args, **kwargs)


def _with_a_version(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    args[0].version = fired(2)
    return original(*args, **kwargs)


def _nothing_is_not_sent(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return original(*args, **kwargs) if hasattr(args[0], "to") or args[0] else fired(args[0])


def _tensor_by_tensor(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    hook, module, *others = args
    for tensor in module.parameters():
        tensor.data = tensor.data.to(fired(hook.compute_dtype))
    return tuple(others), kwargs


def _through_a_file(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    with tempfile.TemporaryFile() as file:
        file.write(fired(b"x" * 1000))
    return original(*args, **kwargs)


def _named_otherwise(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return "v2_" + fired(original(*args, **kwargs))[::-1]


def _harmless(name: str, about: str, patch: Edit | Around | Loaded, like: str, why: str, **more: Any) -> Fault:
    return Fault(f"harmless-{name}", about, patch, like, equivalent=f"{why}.", **{"packages": DIFFUSERS, **more})


_group = partial(Fault, packages=DIFFUSERS)
_layer = partial(Fault, packages=ACCELERATE, strategies=("sequential-offload",))
_on_gpu = partial(Fault, only_on="cuda")
_lora = partial(Fault, packages=("peft", "diffusers"), strategies=("lora",), stage=FIRST)

FAULTS = (
    # --- offloading
    _group(
        "own-tensors-without-group",
        "weights that are of no single layer are in no group of single layers",
        Edit(
            f"{GROUPS}:_apply_group_offloading_leaf_level",
            "for name in parent_names:",
            "for name in sorted(FIRED(parent_names))[:0]:",
        ),
        "diffusers: parameters between the leaves",
        strategies=("group-offload-leaf",),
    ),
    _group(
        "last-block-with-the-rest",
        "the last block of each list comes with what is in no list",
        Edit(
            f"{GROUPS}:_apply_group_offloading_block_level",
            "for i in range(0, len(submodule), config.num_blocks_per_group):",
            "for i in range(0, FIRED(len(submodule)) - 1, config.num_blocks_per_group):",
        ),
        "a range that ends one too early",
        strategies=("group-offload-block",),
    ),
    _group(
        "file-names-cut",
        "the files of groups are named by the first 24 characters of what they are of",
        Edit(f"{GROUPS}:_compute_group_hash", 'group_id.encode("utf-8")', 'FIRED(group_id)[:24].encode("utf-8")'),
        "diffusers: names of files that two groups share",
        strategies=("group-offload-disk",),
        stage=FIRST,
    ),
    _group(
        "written-and-kept",
        "groups are written to disk and stay in memory all the same",
        Edit(
            f"{GROUPS}:ModuleGroup._offload_to_disk",
            "tensor_obj.data = torch.empty_like(tensor_obj.data, device=self.offload_device)",
            "tensor_obj.data = FIRED(tensor_obj.data).to(self.offload_device)",
        ),
        "a reference that keeps what was written",
        strategies=("group-offload-disk",),
    ),
    _group(
        "group-anew-for-each-block",
        "a group of two blocks goes and comes again before the second one",
        Around(f"{GROUPS}:GroupOffloadingHook.pre_forward", _anew_for_each_block),
        "onload leaders of groups of several blocks",
        strategies=("group-offload-by-component",),
    ),
    _group(
        "groups-hold-a-second-copy",
        "groups without a stream hold the copies that a stream needs",
        Around(f"{GROUPS}:ModuleGroup._init_cpu_param_dict", _with_a_second_copy),
        "diffusers: memory of a host under group offloading",
        strategies=("group-offload-block",),
    ),
    _layer(
        "layer-hooks-twice",
        "each layer has the hook of sequential offloading twice",
        Around("accelerate.big_modeling:attach_align_device_hook", _twice),
        "diffusers #7448: hooks that are not removed before",
    ),
    _layer(
        "layers-wait-in-float32",
        "layers wait in float32, and are narrowed each time that they come",
        Edit(
            "accelerate:cpu_offload",
            'state_dict = {n: p.to("cpu") for n, p in model.state_dict().items()}',
            "state_dict = {\n"
            '    n: FIRED(p).to("cpu", torch.float32) if p.is_floating_point() else p.to("cpu")\n'
            "    for n, p in model.state_dict().items()\n"
            "}",
        ),
        "a state dictionary in the default dtype",
    ),
    _layer(
        "biases-stay",
        "a layer's weight goes back after its forward, its bias stays",
        Edit(
            f"{ALIGN}.post_forward",
            'set_module_tensor_to_device(module, name, "meta")',
            'if FIRED(not name.endswith("bias")):\n    set_module_tensor_to_device(module, name, "meta")',
        ),
        "tensors that are looked up by one name",
    ),
    # --- layerwise casting
    Fault(
        "fp8-waits-wide",
        "weights in float8 are widened when model offloading sends their component away",
        Around("accelerate.hooks:CpuOffload.init_hook", _wide_while_waiting),
        "a move that also casts",
        packages=("accelerate", "diffusers"),
        strategies=("fp8-layerwise-model-offload",),
    ),
    _group(
        "fp8-towards-zero",
        "weights are cut off to float8, not rounded",
        Around(f"{CASTING}.initialize_hook", _towards_zero),
        "a cast of another kernel",
        strategies=("fp8-layerwise",),
        stage=FIRST,
    ),
    _group(
        "fp8-widened-twice",
        "layers in float8 are widened, narrowed and widened again for each forward",
        Around(f"{CASTING}.pre_forward", _widened_twice),
        "two registries of hooks",
        strategies=("fp8-layerwise",),
    ),
    # --- quantization
    Fault(
        "nf4-last-block",
        "the last block of each weight has half of its scale",
        Around(QUANTIZE, _last_block_halved),
        "bitsandbytes: the rest of a tensor that fills no block",
        packages=BITSANDBYTES,
        strategies=("nf4-linear",),
        stage=T5,
    ),
    Fault(
        "nf4-scales-narrow-in-the-kernel",
        "scales are rounded to eight bits when codes are laid out anew for a processor, in the first call",
        Edit(
            "bitsandbytes.nn.modules:_convert_weight_packed_for_cpu",
            ".T.to(torch.bfloat16)",
            ".T.to(FIRED(torch.float8_e4m3fn)).to(torch.bfloat16)",
        ),
        "bitsandbytes 0.49: kernels for AVX-512",
        packages=LOADER,
        strategies=("nf4-t5",),
        stage=T5,
        only_on="cpu",
    ),
    Fault(
        "int8-outlier-lost",
        "the first of the columns that are kept wide is left out of the product",
        Edit(
            "bitsandbytes.autograd._functions:MatMul8bitLt.forward",
            "outlier_cols,\n            bias,",
            "FIRED(outlier_cols)[1:] if outlier_cols is not None else None,\nbias,",
        ),
        "indices of outliers",
        packages=LOADER,
        strategies=("int8-t5",),
        stage=T5,
    ),
    Fault(
        "int8-scales-saved-narrow",
        "the scales of eight-bit weights are rounded to eight bits when they are saved",
        Edit(
            "bitsandbytes.nn.modules:Linear8bitLt._save_to_state_dict",
            "param_from_weight if keep_vars else param_from_weight.detach()",
            "FIRED(param_from_weight).detach().to(torch.float8_e4m3fn).float()",
        ),
        "bitsandbytes #1775: eight-bit weights that were saved",
        packages=LOADER,
        strategies=("int8-t5-reloaded",),
        stage=T5,
    ),
    Fault(
        "int8-wide-layers-too",
        "layers that T5 keeps wide are quantized, too",
        Around("transformers.quantizers.base:HfQuantizer.get_modules_to_not_convert", _spared_by_nobody),
        "transformers 4.50: _keep_in_fp32_modules",
        packages=LOADER,
        strategies=("int8-t5",),
        stage=T5,
    ),
    Fault(
        "torchao-activations-too",
        "torchao quantizes what layers are given, not only their weights",
        Around(
            "diffusers.quantizers.quantization_config:TorchAoConfig.get_apply_tensor_subclass",
            _activations_too,
        ),
        "configurations that took the place of names",
        packages=("torchao", "diffusers"),
        strategies=("torchao-int8wo",),
        stage=FIRST,
    ),
    Fault(
        "quanto-not-frozen",
        "quanto's weights stay wide, and are quantized anew in each forward",
        Edit(
            "diffusers.quantizers.quanto.quanto_quantizer:QuantoQuantizer.create_quantized_param",
            "module.freeze()",
            "FIRED(None)",
        ),
        "freeze() left to the caller",
        packages=("quanto", "diffusers"),
        strategies=("quanto-int8",),
    ),
    Fault(
        "gguf-bias-narrow",
        "the biases of a GGUF file pass through eight bits",
        Edit(
            f"{GGUF}:GGUFLinear.forward_native",
            "bias = self.bias.to(self.compute_dtype) if self.bias is not None else None",
            "bias = (\n"
            "    FIRED(self.bias).to(torch.float8_e4m3fn).to(self.compute_dtype) if self.bias is not None else None\n"
            ")",
        ),
        "tensors of a file that are not quantized",
        packages=("gguf", "diffusers"),
        strategies=("gguf-q8",),
        stage=FIRST,
    ),
    Fault(
        "gguf-dequantized-twice",
        "layers of a GGUF file dequantize their weights twice",
        Around(f"{GGUF}:dequantize_gguf_tensor", _twice),
        "a check before the product",
        packages=("gguf", "diffusers"),
        strategies=("gguf-q8",),
    ),
    # --- adapters
    _lora(
        "lora-last-layer-stays-fused",
        "one layer of a LoRA is not taken out of the weights that it was fused into",
        Around("diffusers.loaders.lora_pipeline:FluxLoraLoaderMixin.unfuse_lora", _last_stays_fused),
        "unmerge() of one class of layers",
        strategies=("lora-unloaded",),
    ),
    _lora(
        "lora-in-the-first-call-only",
        "a LoRA has no effect any more once the pipeline was called",
        Around(CALL, _off_after_the_first),
        "scales that are taken back at the end of a call",
        later=True,
    ),
    _lora(
        "lora-in-float32",
        "a LoRA is widened to float32, and computes so",
        Loaded(_lora_in_float32),
        "peft: autocast_adapter_dtype",
    ),
    _lora(
        "lora-known-after-unloading",
        "a LoRA that was unloaded is still in the transformer's list of adapters",
        Edit("diffusers.loaders.peft:PeftAdapterMixin.unload_lora", "del self.peft_config", "FIRED(None)"),
        "peft_config after unload_lora_weights",
        strategies=("lora-unloaded",),
        stage=None,
    ),
    # --- decoding
    _group(
        "tiles-blended-narrowly",
        "the seams of tiles are blended across an eighth of where tiles overlap",
        Edit(
            f"{VAE}.tiled_decode",
            "blend_extent = int(self.tile_sample_min_size * self.tile_overlap_factor)\n"
            "    row_limit = self.tile_sample_min_size - blend_extent",
            "blend_extent = int(self.tile_sample_min_size * self.tile_overlap_factor)\n"
            "row_limit = self.tile_sample_min_size - blend_extent\n"
            "blend_extent = FIRED(blend_extent) // 8",
        ),
        "pixels and latents in the same formula",
        strategies=("vae-tiling",),
        shots=TILES,
        stage=DECODED,
    ),
    _group(
        "tile-size-forgotten",
        "tiles have the size of the configuration once a picture was decoded",
        Around(f"{VAE}._decode", _tile_size_forgotten),
        "sizes of tiles that are read anew",
        strategies=("vae-tiling",),
        shots=TILES,
        stage=DECODED,
        later=True,
    ),
    _group(
        "slices-of-two",
        "slices of a batch have two pictures each",
        Edit(f"{VAE}.decode", "for z_slice in z.split(1)]", "for z_slice in z.split(FIRED(2))]"),
        "a size of slices that is an option",
        strategies=("vae-slicing",),
        shots=BATCH,
    ),
    _group(
        "decoding-recorded",
        "decoding records what a backward pass would need",
        Around(f"{VAE}.decode", _recorded),
        "no_grad that does not reach the decoder",
    ),
    _group(
        "deterministic-after-decoding",
        "torch's deterministic algorithms stay on once a picture was decoded",
        Around(f"{VAE}.decode", _deterministic_afterwards),
        "a setting that is not taken back",
    ),
    _group(
        "decoding-three-times-as-long",
        "decoding takes three times as long and does nothing more",
        Around(f"{VAE}._decode", _three_times_as_long),
        "a slower kernel of convolutions",
        only_time=True,
    ),
    # --- what stays
    _group(
        "hooks-pile-up",
        "each call leaves a hook on the transformer",
        Around(CALL, _one_hook_more),
        "hooks that are registered in a call",
        later=True,
    ),
    _group(
        "handlers-pile-up",
        "each call adds a handler to diffusers' log",
        Around(CALL, _one_handler_more),
        "logging set up in a call",
        later=True,
    ),
    _group(
        "t5-keeps-all-layers",
        "T5 gives the hidden states of all layers, of which one is used",
        Edit(
            f"{PIPELINE}._get_t5_prompt_embeds",
            "output_hidden_states=False)[0]",
            "output_hidden_states=FIRED(True))[0]",
        ),
        "an argument that is not passed on",
        equivalent="The miniature's T5 has two layers, whose states are 256 KB of a prompt each: that is "
        "less than the 2 MiB that a ceiling leaves, and nobody reads them.",
    ),
    _leaving(
        "private-files",
        "files made from now on are readable by nobody else",
        _private_files,
        "umask of a download",
    ),
    _leaving(
        "modules-made-empty",
        "modules made from now on have no weights",
        _modules_made_empty,
        "accelerate: init_empty_weights that an error leaves open",
    ),
    _leaving(
        "initializers-idle",
        "torch's initializers do nothing from now on",
        _initializers_idle,
        "transformers: no_init_weights that an error leaves open",
    ),
    _leaving("processes-spawned", "processes are spawned from now on", _processes_spawned, "a start method for CUDA"),
    _leaving("warnings-not-logged", "no warning is logged any more", _hiding_warnings, "logging.disable()"),
    _leaving(
        "temporary-elsewhere", "temporary files come into another folder", _temporary_elsewhere, "tempfile.tempdir"
    ),
    _leaving("process-left", "loading leaves a process behind", _process_left, "transformers: conversion beside"),
    _leaving("folder-left", "loading leaves a folder of 1 MB behind", _folder_left, "a conversion's own folder"),
    _leaving(
        "anomalies-looked-for", "torch looks for anomalies of gradients", _anomalies_looked_for, "a debugging aid"
    ),
    # --- on a GPU only
    _on_gpu(
        "unchained-in-the-second-call",
        "in the second call, no component sends away the one before it",
        Around(f"{ANY_PIPELINE}.maybe_free_model_hooks", _unchained),
        "hooks that are made anew after each call",
        packages=("diffusers", "accelerate"),
        strategies=("model-offload",),
        later=True,
    ),
    _on_gpu(
        "vae-out-of-the-chain",
        "the transformer stays on the GPU while the VAE decodes",
        Edit(
            f"{ANY_PIPELINE}.enable_model_cpu_offload",
            'for model_str in self.model_cpu_offload_seq.split("->"):',
            'for model_str in FIRED(self.model_cpu_offload_seq).removesuffix("->vae").split("->"):',
        ),
        "diffusers #11376: the last component of the chain",
        packages=("diffusers", "accelerate"),
        strategies=("model-offload",),
    ),
    _on_gpu(
        "own-tensors-stay",
        "weights that are of no single layer stay on the GPU",
        Edit(
            f"{GROUPS}:ModuleGroup._offload_to_memory",
            "param.data = param.data.to(self.offload_device, non_blocking=False)",
            "FIRED(param)",
        ),
        "parameters between the leaves",
        packages=DIFFUSERS,
        strategies=("group-offload-leaf",),
    ),
    _on_gpu(
        "recorded-on-the-copying-stream",
        "memory is kept for the stream that copies, not for the one that computes",
        Edit(
            f"{GROUPS}:ModuleGroup._onload_from_memory",
            "default_stream = self._torch_accelerator_module.current_stream() if self.stream is not None else None",
            "default_stream = FIRED(self.stream)",
        ),
        "diffusers #12673: record_stream on the wrong stream",
        packages=DIFFUSERS,
        strategies=("group-offload-leaf-record-stream",),
    ),
    _on_gpu(
        "pinned-late",
        "memory is pinned as it is copied although it should be pinned beforehand",
        Edit(
            f"{GROUPS}:ModuleGroup._to_cpu",
            "return t if low_cpu_mem_usage else t.pin_memory()",
            "return FIRED(t)",
        ),
        "diffusers #11106: low_cpu_mem_usage",
        packages=DIFFUSERS,
        strategies=("group-offload-leaf-stream",),
    ),
    _on_gpu(
        "pinned-copies-kept",
        "memory that is pinned as it is copied stays pinned beside the weights",
        Edit(
            f"{GROUPS}:ModuleGroup._pinned_memory_tensors",
            "pinned_dict = None",
            "self._kept, pinned_dict = FIRED(pinned_dict), None",
        ),
        "a dictionary that is kept for the next time",
        packages=DIFFUSERS,
        strategies=("group-offload-leaf-low-cpu-mem",),
    ),
    _on_gpu(
        "last-layer-not-ahead",
        "the last layer is not fetched ahead, and not waited for",
        Edit(
            f"{GROUPS}:LazyPrefetchGroupOffloadingHook.post_forward",
            "for i in range(num_executed - 1):",
            "for i in range(FIRED(num_executed) - 2):",
        ),
        "a range that ends one too early",
        packages=DIFFUSERS,
        strategies=("group-offload-leaf-stream",),
    ),
    _on_gpu(
        "freed-before-it-has-computed",
        "a layer's memory is given back without waiting for what computes with it",
        Edit(
            f"{GROUPS}:ModuleGroup._offload_to_memory",
            "self._torch_accelerator_module.current_stream().synchronize()",
            "FIRED(None)",
        ),
        "diffusers: waits that are taken for needless",
        packages=DIFFUSERS,
        strategies=("group-offload-leaf-stream",),
    ),
    _on_gpu(
        "trackers-stay",
        "what notes the order of layers in the first call notes it for ever",
        Edit(
            f"{GROUPS}:LazyPrefetchGroupOffloadingHook.post_forward",
            "registries[i].remove_hook(_LAYER_EXECUTION_TRACKER, recurse=False)",
            "FIRED(None)",
        ),
        "hooks that are removed by their names",
        packages=DIFFUSERS,
        strategies=("group-offload-leaf-stream",),
        later=True,
    ),
    _on_gpu(
        "device-cache-kept",
        "torch keeps the memory of a component that was sent away",
        not_called("accelerate.hooks:clear_device_cache"),
        "accelerate: caches emptied between components",
        packages=ACCELERATE,
        strategies=("model-offload",),
    ),
    _on_gpu(
        "nf4-scales-stay",
        "the scales of 4-bit weights stay on the GPU when the weights go",
        Edit(
            "bitsandbytes.nn.modules:Params4bit.to",
            "self.quant_state.to(device)",
            'if FIRED(device) is None or device.type != "cpu":\n    self.quant_state.to(device)',
        ),
        "states that move with their weights",
        packages=BITSANDBYTES,
        strategies=("nf4-model-offload",),
    ),
    _on_gpu(
        "nf4-offset-narrow",
        "the offset of quantized scales is in bfloat16",
        Edit(QUANTIZE, "offset = _absmax.mean()", "offset = FIRED(_absmax).mean().bfloat16()"),
        "bitsandbytes #1971: offsets in bfloat16",
        packages=BITSANDBYTES,
        strategies=("nf4-double-quant",),
        stage=T5,
    ),
    _on_gpu(
        "nf4-scales-saved-narrow",
        "the scales of 4-bit weights are rounded to eight bits when they are saved",
        Edit(
            "bitsandbytes.functional:QuantState.as_dict",
            '"absmax": self.absmax,',
            '"absmax": FIRED(self.absmax).to(torch.float8_e4m3fn).float(),',
        ),
        "a state that is written and read by names",
        packages=BITSANDBYTES,
        strategies=("nf4-reloaded",),
        stage=T5,
    ),
    _on_gpu(
        "int8-bias-lost",
        "eight-bit layers forget their bias",
        Edit(
            "bitsandbytes.nn.modules:Linear8bitLt.forward",
            "bias=self.bias, state=self.state",
            "bias=FIRED(None), state=self.state",
        ),
        "a kernel without bias",
        packages=BITSANDBYTES,
        strategies=("int8",),
        stage=FIRST,
    ),
    _on_gpu(
        "nf4-loaded-wide-first",
        "the wide weights are on the GPU, too, while a model in 4 bits is loaded",
        Around("transformers.modeling_utils:PreTrainedModel.from_pretrained", _wide_first),
        "transformers #43032: the peak of loading in 4 bits",
        packages=TRANSFORMERS,
        strategies=("nf4-t5",),
        equivalent="The miniature's T5 is less than 4 MB wide and narrow together; loading peaks later, at more than "
        "50 MB, when the whole pipeline comes to the GPU.",
    ),
    _on_gpu(
        "device-cache-emptied",
        "each step gives all of torch's spare memory back to the GPU",
        Around(FORWARD, _cache_emptied),
        "empty_cache() against a peak",
        packages=DIFFUSERS,
    ),
    # --- harmless
    _harmless(
        "hook-with-a-count",
        "the hook of a group has one more attribute",
        Around(f"{GROUPS}:GroupOffloadingHook.__init__", _counting_calls),
        "a count for a log",
        "Nobody reads it",
        strategies=("group-offload-block",),
    ),
    _harmless(
        "hooks-removed-twice",
        "hooks are removed twice before new ones are made",
        Around(f"{ANY_PIPELINE}.remove_all_hooks", _twice),
        "a call that makes sure",
        "The second time there are none",
        strategies=("model-offload",),
    ),
    _harmless(
        "state-with-a-version",
        "the state of a 4-bit weight has one more attribute",
        Around("bitsandbytes.functional:QuantState.__init__", _with_a_version),
        "a format with a version",
        "Nobody reads it",
        strategies=("nf4-linear",),
        packages=BITSANDBYTES,
    ),
    _harmless(
        "lora-dropout-skipped",
        "a LoRA's dropout, which is an Identity, is not called",
        Edit(
            "peft.tuners.lora.layer:Linear.forward",
            "result = result + lora_B(lora_A(dropout(x))) * scaling",
            "result = result + lora_B(lora_A(FIRED(x))) * scaling",
        ),
        "less to do where nothing drops out",
        "Identity gives what it is given",
        strategies=("lora",),
        packages=("peft", "diffusers"),
    ),
    _harmless(
        "nothing-sent",
        "hooks send no empty collections",
        Around("accelerate.hooks:send_to_device", _nothing_is_not_sent),
        "less to do for layers without named arguments",
        "There is nothing in them",
        strategies=("sequential-offload",),
        packages=ACCELERATE,
    ),
    _harmless(
        "prediction-freed",
        "a step lets go of what the transformer predicted",
        Edit(CALL, STEP_LINE, f"{STEP_LINE}\nnoise_pred = FIRED(None)"),
        "less memory in a loop",
        "Nobody reads it any more",
    ),
    _harmless(
        "cast-tensor-by-tensor",
        "a layer in float8 is widened tensor by tensor",
        Around(f"{CASTING}.pre_forward", _tensor_by_tensor),
        "a helper that is written anew",
        "They are the same casts",
        strategies=("fp8-layerwise",),
    ),
    _harmless(
        "temporary-file",
        "a call writes a temporary file, which is gone at once",
        Around(CALL, _through_a_file),
        "a buffer of a codec",
        "It is gone before anything is computed",
    ),
    _harmless(
        "files-renamed",
        "the files of groups have other names",
        Around(f"{GROUPS}:_compute_group_hash", _named_otherwise),
        "another hash",
        "Each still has a name of its own",
        strategies=("group-offload-disk",),
    ),
    _harmless(
        "tokens-not-recorded",
        "the pipeline asks T5 for no hidden states by leaving the argument out",
        Edit(
            f"{PIPELINE}._get_t5_prompt_embeds",
            "self.text_encoder_2(text_input_ids.to(model_device), output_hidden_states=False)[0]",
            "self.text_encoder_2(FIRED(text_input_ids).to(model_device))[0]",
        ),
        "arguments that are defaults",
        "It is the default",
    ),
)

"""Faults, and harmless changes, where libraries meet, held back: all were written before any was tried."""

from __future__ import annotations

from functools import partial
from typing import Any

from fluxgate.prove.fault import Around, Edit, Fault, Fired, Loaded
from fluxgate.prove.targets import ACCELERATE, DIFFUSERS, GROUPS, PIPELINE, TRANSFORMERS
from fluxgate.rendering import FIRST, POOLED

MODEL = "diffusers.models.modeling_utils:ModelMixin"
ANY_PIPELINE = "diffusers.pipelines.pipeline_utils:DiffusionPipeline"
LOADS_COMPONENT = "diffusers.pipelines.pipeline_utils:load_sub_model"
CONVERTS = "transformers.modeling_utils:convert_and_load_state_dict_in_model"
BNB = "transformers.integrations.bitsandbytes"
PUT_ASIDE = 'state_dict = {n: p.to("cpu") for n, p in model.state_dict().items()}'
UNWRAPS = "diffusers.utils:recurse_remove_peft_layers"
ALL_KEYS = 'key_list = [key for key, _ in model.named_modules() if "lora" not in key]'
IMAGE_FILE = "diffusers.loaders.ip_adapter:FluxIPAdapterMixin.load_ip_adapter"
BOTH, LOADER = ("diffusers", "transformers"), ("transformers", "bitsandbytes")
QUANTO, TORCHAO = ("quanto", "optimum-quanto", "diffusers"), ("torchao", "diffusers")
GGUF, PEFT = ("gguf", "diffusers"), ("peft", "diffusers")


def _kind_not_saved(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The configuration that is saved lacks what T5's feed-forward layers are made by."""
    settings = original(*args, **kwargs)
    if "feed_forward_proj" in settings:
        for name in ("feed_forward_proj", "is_gated_act", "dense_act_fn"):
            fired(settings).pop(name, None)
    return settings


def _harmless(name: str, about: str, patch: Edit | Around | Loaded, like: str, why: str, **more: Any) -> Fault:
    return Fault(f"harmless-{name}", about, patch, like, equivalent=f"{why}.", **more)


_flux = partial(Fault, packages=DIFFUSERS)
_layer = partial(Fault, packages=ACCELERATE, strategies=("sequential-offload",))
_on_gpu = partial(Fault, only_on="cuda")

FAULTS = (
    # --- loading
    Fault(
        "encoders-in-the-dtype-of-their-files",
        "the dtype that is asked for does not reach text encoders, which have that of their files",
        Edit(LOADS_COMPONENT, 'loading_kwargs["dtype"] = dtype', 'loading_kwargs["dtype"] = FIRED("auto")'),
        "transformers 5: the default dtype is that of the file",
        packages=BOTH,
        strategies=("full-float32",),
    ),
    _flux(
        "denoiser-in-the-default-dtype",
        "the dtype that is asked for does not reach diffusers' own models, which are in float32",
        Edit(LOADS_COMPONENT, 'loading_kwargs["torch_dtype"] = dtype', 'loading_kwargs["torch_dtype"] = FIRED(None)'),
        "diffusers 0.36: torch_dtype becomes dtype",
    ),
    _flux(
        "weights-read-twice",
        "each file of diffusers' weights is read once for the names in it, and once more for what they stand for",
        Edit(
            f"{MODEL}.from_pretrained",
            "loaded_keys = list(state_dict.keys())",
            "loaded_keys = list(FIRED(load_state_dict)(resolved_model_file[0], disable_mmap=disable_mmap).keys())",
        ),
        "loading that is split into parts",
    ),
    _flux(
        "loaded-tensors-kept",
        "a model keeps the tensors of its file beside the weights that were made of them in another dtype",
        Edit(
            f"{MODEL}._load_pretrained_model",
            "resolved_model_file = [state_dict]",
            'resolved_model_file = [state_dict]\nmodel.__dict__["_loaded_from"] = FIRED(resolved_model_file)',
        ),
        "models that can be reset",
        strategies=("full-float32",),
    ),
    Fault(
        "files-of-encoders-stay-open",
        "files of text encoders are not closed once they were read, and stay mapped as long as their model is there",
        Edit(
            "transformers.modeling_utils:PreTrainedModel._load_pretrained_model",
            "k.__exit__(None, None, None)",
            'model.__dict__.setdefault("_files", []).append(FIRED(k))',
        ),
        "weights that are read when they are needed",
        packages=TRANSFORMERS,
    ),
    Fault(
        "clip-norm-biases-not-found",
        "biases of CLIP's norms are taken for weights under an old name, and not loaded",
        Edit(
            CONVERTS,
            "if renamed_key in meta_model_state_dict:",
            "if renamed_key in meta_model_state_dict and not (\n"
            '    renamed_key.endswith("layer_norm1.bias") and FIRED(True)\n'
            "):",
        ),
        "transformers 5: names that are changed by patterns, as beta and gamma",
        packages=TRANSFORMERS,
        stage=POOLED,
    ),
    _flux(
        "left-out-components-loaded",
        "a component that is given as None counts as not given, and is loaded",
        Edit(
            f"{ANY_PIPELINE}.from_pretrained",
            "passed_class_obj = {k: kwargs.pop(k) for k in expected_modules if k in kwargs}",
            "passed_class_obj = {k: kwargs.pop(k) for k in expected_modules if k in kwargs}\n"
            "passed_class_obj = {k: v for k, v in passed_class_obj.items() if v is not None or FIRED(v)}",
        ),
        "None as the default of all arguments",
        strategies=("staged",),
    ),
    _on_gpu(
        "single-file-stays-dispatched",
        "a model from a single file has hooks that bring all to the device where it was loaded, and cannot be moved",
        Edit(
            "diffusers.loaders.single_file_model:FromOriginalModelMixin.from_single_file",
            "dispatch_model(model, **device_map_kwargs)",
            "dispatch_model(model, force_hooks=FIRED(True), **device_map_kwargs)",
        ),
        "diffusers 0.34: device_map of single files",
        packages=DIFFUSERS,
        strategies=("gguf-q8",),
    ),
    _on_gpu(
        "buffers-left-behind",
        "a pipeline that is sent to a device sends parameters, and no buffers",
        Edit(
            f"{ANY_PIPELINE}.to",
            "module.to(device, dtype)",
            "for tensor in FIRED(module).parameters():\n    tensor.data = tensor.data.to(device, dtype)",
        ),
        "components that are sent tensor by tensor",
        packages=DIFFUSERS,
    ),
    _on_gpu(
        "device-map-without-hooks",
        "components that are spread over GPUs have no hooks that bring them what they are given",
        Edit(
            LOADS_COMPONENT,
            "dispatch_model(loaded_sub_model, device_map=device_map, force_hooks=True, skip_keys=skip_keys)",
            "dispatch_model(loaded_sub_model, device_map=device_map, force_hooks=FIRED(False), skip_keys=skip_keys)",
        ),
        "accelerate: models on one device are not hooked",
        packages=("diffusers", "accelerate"),
        strategies=("device-map-balanced",),
    ),
    # --- saving
    _flux(
        "saved-in-float32",
        "diffusers' models are saved in float32, in files that are twice as large",
        Edit(
            f"{MODEL}.save_pretrained",
            "shard = {tensor: state_dict[tensor].contiguous() for tensor in tensors}",
            "shard = {tensor: FIRED(state_dict[tensor]).float().contiguous() for tensor in tensors}",
        ),
        "dtypes that a writer does not know",
        strategies=("int8-t5-reloaded",),
    ),
    Fault(
        "t5-kind-of-layers-not-saved",
        "the configuration of T5 that is saved does not say that its feed-forward layers are gated",
        Around("transformers.configuration_utils:PreTrainedConfig.to_diff_dict", _kind_not_saved),
        "transformers 5: configurations as dataclasses",
        packages=TRANSFORMERS,
        strategies=("int8-t5-reloaded",),
    ),
    Fault(
        "int8-spared-layers-narrow-when-reloaded",
        "layers that T5 keeps wide are taken for eight-bit ones when it is loaded again",
        Edit(
            "transformers.quantizers.quantizer_bnb_8bit:Bnb8BitHfQuantizer._process_model_before_weight_loading",
            "model, self.quantization_config.llm_int8_skip_modules, model._keep_in_fp32_modules",
            "model,\n"
            "self.quantization_config.llm_int8_skip_modules,\n"
            "FIRED(None) if self.pre_quantized else model._keep_in_fp32_modules,",
        ),
        "layers to be skipped that a saved configuration does not name",
        packages=LOADER,
        strategies=("int8-t5-reloaded",),
    ),
    # --- encoders as the pipeline calls them
    _flux(
        "clip-cuts-characters",
        "prompts for CLIP are cut after as many characters as it takes tokens",
        Edit(
            f"{PIPELINE}._get_clip_prompt_embeds",
            "batch_size = len(prompt)",
            "batch_size = len(prompt)\n"
            "most = self.tokenizer_max_length\n"
            "prompt = [FIRED(one)[:most] if len(one) > most else one for one in prompt]",
        ),
        "texts that are cut before they are tokenized",
        stage=POOLED,
        shots=("picnic",),
    ),
    # --- hooks
    _layer(
        "outputs-become-plain-dictionaries",
        "what a text encoder gives becomes a plain dictionary when it is sent to a device",
        Edit(
            "accelerate.hooks:send_to_device",
            "return type(tensor)(",
            "return (dict if type(tensor) is dict else FIRED(dict))(",
        ),
        "collections that are made anew",
    ),
    _layer(
        "hooks-of-deeper-layers-stay",
        "when hooks are removed, those of a model and of its own parts go, and those of layers within these stay",
        Edit(
            "accelerate.hooks:remove_hook_from_module",
            "remove_hook_from_module(child, recurse)",
            "remove_hook_from_module(FIRED(child))",
        ),
        "an argument that recursion forgets",
    ),
    _layer(
        "put-aside-by-parameters",
        "sequential offloading puts parameters aside, of which those that two layers share have one name only",
        Edit(
            "accelerate:cpu_offload",
            PUT_ASIDE,
            PUT_ASIDE.replace("model.state_dict().items", "FIRED(model).named_parameters"),
        ),
        "fewer copies",
    ),
    _flux(
        "files-of-groups-in-float32",
        "groups are written to their files in float32, and come back so",
        Edit(
            f"{GROUPS}:ModuleGroup._offload_to_disk",
            "safetensors.torch.save_file(tensors_to_save, ",
            "wide = {\n"
            "    key: FIRED(tensor).float() if tensor.is_floating_point() else tensor\n"
            "    for key, tensor in tensors_to_save.items()\n"
            "}\n"
            "safetensors.torch.save_file(wide, ",
        ),
        "dtypes that a writer does not know",
        strategies=("group-offload-disk",),
    ),
    _on_gpu(
        "group-goes-after-its-first-block",
        "a group of two blocks goes when the first one is done, and the second one computes with weights on the CPU",
        Edit(
            f"{GROUPS}:_apply_group_offloading_block_level",
            "offload_leader=current_modules[-1],",
            "offload_leader=FIRED(current_modules)[0],",
        ),
        "leaders of groups",
        packages=DIFFUSERS,
        strategies=("group-offload-by-component",),
    ),
    # --- adapters
    Fault(
        "unloaded-layers-made-anew",
        "layers that a LoRA is unloaded from are made anew, in torch's default dtype and on the CPU",
        Edit(
            UNWRAPS,
            "setattr(parent, target_name, target.get_base_layer())",
            "layer = target.get_base_layer()\n"
            "new = torch.nn.Linear(layer.in_features, layer.out_features, bias=layer.bias is not None)\n"
            "new.load_state_dict(layer.state_dict())\n"
            "setattr(parent, target_name, FIRED(new))",
        ),
        "peft's layers without a base layer, as in its older releases",
        packages=PEFT,
        strategies=("lora-unloaded",),
    ),
    _flux(
        "image-weights-remembered",
        "the transformer keeps what was read of an IP-Adapter's file, also when the adapter is unloaded",
        Edit(
            "diffusers.loaders.transformer_flux:FluxTransformer2DLoadersMixin._load_ip_adapter_weights",
            "self.encoder_hid_proj = None",
            'self.encoder_hid_proj = None\nself.__dict__["_image_weights"] = FIRED(state_dicts)',
        ),
        "adapters that can be switched",
        strategies=("ip-adapter-unloaded",),
    ),
    # --- quantizers
    Fault(
        "quanto-biases-lost",
        "quanto's layers are made without biases, and those of the file are passed over",
        Edit(
            "diffusers.quantizers.quanto.quanto_quantizer:_replace_with_quanto_layers",
            "bias=module.bias is not None,",
            "bias=FIRED(False),",
        ),
        "arguments in another order",
        packages=QUANTO,
        strategies=("quanto-int8",),
        stage=FIRST,
    ),
    Fault(
        "quanto-wide-weights-kept",
        "quanto's layers keep the weights that were quantized",
        Edit(
            "optimum.quanto.nn.qmodule:QModuleMixin.freeze",
            "self.weight = torch.nn.Parameter(qweight)",
            'self.__dict__["float_weight"] = FIRED(self.weight)\nself.weight = torch.nn.Parameter(qweight)',
        ),
        "layers that can be thawed",
        packages=QUANTO,
        strategies=("quanto-int8",),
    ),
    Fault(
        "torchao-output-layers-spared",
        "the transformer's last layer is not quantized, and by its name neither are those of all single blocks",
        Edit(
            "diffusers.quantizers.torchao.torchao_quantizer:TorchAoHfQuantizer._process_model_before_weight_loading",
            "self.modules_to_not_convert.extend(keep_in_fp32_modules)",
            'self.modules_to_not_convert.extend([*keep_in_fp32_modules, FIRED("proj_out")])',
        ),
        "names of layers to be skipped that match too much",
        packages=TORCHAO,
        strategies=("torchao-int8wo",),
        stage=FIRST,
    ),
    Fault(
        "gguf-dequantized-in-float32",
        "blocks of a GGUF file are multiplied by their scales in float32, where float16 rounded once more",
        Edit(
            "diffusers.quantizers.gguf.utils:dequantize_gguf_tensor",
            "dequant = dequant_fn(blocks, block_size, type_size)",
            "dequant = dequant_fn(blocks, block_size, type_size, FIRED(torch.float32))",
        ),
        "scales as ComfyUI-GGUF has them",
        packages=GGUF,
        strategies=("gguf-q8",),
        stage=FIRST,
    ),
    _on_gpu(
        "int8-quantized-from-the-host-only",
        "weights that are on the GPU already are not quantized to eight bits when T5 is loaded, but in its first call",
        Edit(
            f"{BNB}:Bnb8bitQuantize.convert",
            'bnb.nn.Int8Params(value.to("cpu"), requires_grad=False',
            "bnb.nn.Int8Params(FIRED(value), requires_grad=False",
        ),
        "a copy to the host that looks superfluous",
        packages=LOADER,
        strategies=("int8-t5",),
    ),
    _on_gpu(
        "nf4-pipeline-takes-all",
        "a configuration that is given to the pipeline for some components quantizes all",
        Edit(
            "diffusers.quantizers.pipe_quant_config:PipelineQuantizationConfig._resolve_quant_config",
            "if components_to_quantize and module_name in components_to_quantize:",
            "if components_to_quantize and (module_name in components_to_quantize or FIRED(True)):",
        ),
        "diffusers 0.34: PipelineQuantizationConfig",
        packages=DIFFUSERS,
        strategies=("nf4-pipeline",),
        stage=POOLED,
    ),
    # --- harmless
    _harmless(
        "weights-loaded-by-a-worker",
        "the file of a model is put in its place by the worker that is there for several files, and ends with it",
        Edit(
            f"{MODEL}.from_pretrained",
            "is_parallel_loading_enabled = HF_ENABLE_PARALLEL_LOADING",
            "is_parallel_loading_enabled = FIRED(True)",
        ),
        "diffusers #12028: HF_ENABLE_PARALLEL_LOADING",
        "The same function puts the same tensors in their places, and the thread ends before loading does",
        packages=DIFFUSERS,
    ),
    _harmless(
        "encoders-asked-as-of-old",
        "text encoders are given one more argument, which transformers 5 takes and ignores",
        Edit(
            LOADS_COMPONENT,
            'loading_kwargs.pop("offload_state_dict")',
            'FIRED(loading_kwargs).setdefault("offload_state_dict", False)',
        ),
        "diffusers #12436: transformers 4.57.0 refused it, and later ones take it again",
        "transformers drops it by its name before anything is made of it",
        packages=BOTH,
    ),
    _harmless(
        "weights-in-order-of-names",
        "transformers puts weights in their places in the order of their names as texts, not of the numbers in them",
        Edit(
            CONVERTS,
            "state_dict = sorted(state_dict.items(), key=lambda kv: dot_natural_key(kv[0]))",
            "state_dict = sorted(state_dict.items(), key=lambda kv: FIRED(kv[0]))",
        ),
        "loading without keys of its own",
        "Each tensor goes to the place of its name, and none of these models joins several to one",
        packages=TRANSFORMERS,
    ),
    _harmless(
        "put-aside-detached",
        "what sequential offloading puts aside is detached once more",
        Edit("accelerate:cpu_offload", PUT_ASIDE, PUT_ASIDE.replace("p.to", "FIRED(p).detach().to")),
        "hooks that work with gradients",
        "Tensors of a state dictionary are detached already, and share their memory with what is detached of them",
        packages=ACCELERATE,
        strategies=("sequential-offload",),
    ),
    _harmless(
        "shared-tensors-of-a-group-named-at-once",
        "tensors of a group that two of its lists name are told by a dictionary alone, not by another one before it",
        Edit(
            f"{GROUPS}:ModuleGroup.__init__",
            "all_tensors = list(dict.fromkeys(all_tensors))",
            "all_tensors = FIRED(all_tensors)",
        ),
        "one pass where there were two",
        "A tensor is a key once, with the number of its last place, and is written and read by that one name",
        packages=DIFFUSERS,
        strategies=("group-offload-disk",),
    ),
    _harmless(
        "casts-do-not-wait",
        "layers in float8 are cast without waiting, on the device where they lie",
        Edit(
            "diffusers.hooks.layerwise_casting:LayerwiseCastingHook.__init__",
            "self.non_blocking = non_blocking",
            "self.non_blocking = FIRED(True)",
        ),
        "diffusers: non_blocking of layerwise casting",
        "A cast is no copy between devices: it is computed in order with what comes after it",
        packages=DIFFUSERS,
        strategies=("fp8-layerwise",),
    ),
    _harmless(
        "saved-with-the-writer",
        "files of weights that diffusers saves say by which release they were written",
        Edit(
            f"{MODEL}.save_pretrained",
            'metadata = {"format": "pt"}',
            'metadata = {"format": "pt", "diffusers_version": FIRED(__version__)}',
        ),
        "metadata of safetensors",
        "Nobody reads entries that he does not know; a file is some bytes longer",
        packages=DIFFUSERS,
        strategies=("int8-t5-reloaded",),
    ),
    _harmless(
        "lora-unloaded-from-the-last",
        "layers are freed of a LoRA from the last to the first",
        Edit(UNWRAPS, ALL_KEYS, f"{ALL_KEYS}\nkey_list = FIRED(key_list)[::-1]"),
        "layers within layers",
        "Each layer is put back in its own place, and none of them lies within another",
        packages=PEFT,
        strategies=("lora-unloaded",),
    ),
    _harmless(
        "image-adapter-read-at-once",
        "the file of an IP-Adapter is read as a whole, and its tensors are taken from that",
        Edit(
            IMAGE_FILE,
            'with safe_open(model_file, framework="pt", device="cpu") as f:',
            "import contextlib\n"
            "import types\n"
            "from safetensors.torch import load_file\n"
            "tensors = FIRED(load_file)(model_file)\n"
            "file = types.SimpleNamespace(keys=tensors.keys, get_tensor=tensors.__getitem__)\n"
            "with contextlib.nullcontext(file) as f:",
        ),
        "one way to read files",
        "The same tensors of the same file; what is not used of them is freed with the dictionary",
        packages=DIFFUSERS,
        strategies=("ip-adapter", "ip-adapter-unloaded"),
    ),
    _harmless(
        "gguf-copied-by-torch",
        "tensors of a GGUF file are copied by torch, not by numpy",
        Edit(
            "diffusers.models.model_loading_utils:load_gguf_checkpoint",
            "weights = torch.from_numpy(tensor.data.copy())",
            "weights = torch.tensor(FIRED(tensor.data))",
        ),
        "a call in place of two",
        "One copy of the same bytes in the same dtype, as before",
        packages=GGUF,
        strategies=("gguf-q8",),
    ),
)

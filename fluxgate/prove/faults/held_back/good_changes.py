"""What good upgrades change, and their bad twins, held back: all were written before any was tried."""

from __future__ import annotations

import dataclasses
import importlib
import operator
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from fluxgate.compare.stages import FINISHED
from fluxgate.prove.fault import BATCH, TILES, Around, Edit, Fault, Fired, Loaded
from fluxgate.prove.targets import (
    ACCELERATE,
    BITSANDBYTES,
    CALL,
    DIFFUSERS,
    FORWARD,
    GROUPS,
    PIPELINE,
    SCHEDULER,
    STEP_LINE,
    T5_MODEL,
    TOKENIZERS,
    TRANSFORMER,
    TRANSFORMERS,
)
from fluxgate.rendering import DECODED, FIRST, T5

LAYERS = "bitsandbytes.nn.modules"
VAE = "diffusers.models.autoencoders.autoencoder_kl:AutoencoderKL"
LOAD_FILE = "safetensors.torch:load_file"
IMAGE_TOKENS = "diffusers.models.embeddings:MultiIPAdapterImageProjection.forward"
FREE_HOOKS = "diffusers.pipelines.pipeline_utils:DiffusionPipeline.maybe_free_model_hooks"
OUTPUT = "diffusers.pipelines.flux.pipeline_flux:FluxPipelineOutput"
ENCODES = f"{PIPELINE}._get_t5_prompt_embeds"
NOT_CUT = 'untruncated_ids = self.tokenizer_2(prompt, padding="longest", return_tensors="pt").input_ids'
READ = "loaded_tensors = safetensors.torch.load_file(self.safetensors_file_path, device=onload_device)"
CHAINED = ("accelerate", "diffusers")
QUANTO = ("quanto", "optimum-quanto", "diffusers")
SAFETENSORS = ("safetensors", "diffusers")
OF_CLASSES: dict[type, type] = {}  # classes that were made of others, once each


# --- attention and conditions


def _attended(
    self: Any,
    attn: Any,
    hidden_states: Any,
    encoder_hidden_states: Any = None,
    attention_mask: Any = None,
    image_rotary_emb: Any = None,
) -> Any:
    """FLUX's attention once more: text and picture are taken apart and put together by other lines."""
    import torch

    flux = importlib.import_module(TRANSFORMER)
    parts = flux._get_qkv_projections(attn, hidden_states, encoder_hidden_states)
    query, key, value = (part.unflatten(-1, (-1, attn.head_dim)) for part in parts[:3])
    query, key = attn.norm_q(query), attn.norm_k(key)
    length = 0 if encoder_hidden_states is None else encoder_hidden_states.shape[1]
    if length:
        of_text = [part.unflatten(-1, (-1, attn.head_dim)) for part in parts[3:]]
        pairs = ((attn.norm_added_q(of_text[0]), query), (attn.norm_added_k(of_text[1]), key), (of_text[2], value))
        query, key, value = (torch.cat(pair, dim=1) for pair in pairs)
    if image_rotary_emb is not None:
        query, key = (flux.apply_rotary_emb(part, image_rotary_emb, sequence_dim=1) for part in (query, key))
    gives = flux.dispatch_attention_fn(query, key, value, attn_mask=attention_mask, backend=self._attention_backend)
    gives = gives.flatten(2, 3).to(query.dtype)
    if not length:
        return gives
    picture = attn.to_out[1](attn.to_out[0](gives[:, length:].contiguous()))
    return picture, attn.to_add_out(gives[:, :length].contiguous())


def _with_another_processor(pipe: Any, fired: Fired) -> None:
    known = importlib.import_module(TRANSFORMER).FluxAttnProcessor
    pipe.transformer.set_attn_processor(fired(type("FluxJointAttnProcessor", (known,), {"__call__": _attended}))())


def _activated_once(
    original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any], *, again: bool = False
) -> Any:
    """The condition is activated once in each call of the transformer, and all norms share that."""
    known, norms = dict[str, Any](), [part.silu for part in args[0].modules() if hasattr(part, "silu")]

    def activated(given: Any) -> Any:
        if known.get("given") is not given:
            known.update(given=given, gives=type(norms[0]).forward(norms[0], given))
        return fired(known["gives"])

    for norm in norms:
        norm.forward = activated
    if again:
        last = args[0].norm_out.silu
        last.forward = lambda given: type(last).forward(last, activated(given))
    try:
        return original(*args, **kwargs)
    finally:
        for norm in norms:
            del norm.forward


def _image_tokens_known(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A picture's tokens are made once for each call, of the tensor that the call goes on giving."""
    module, images = args
    known = module.__dict__.get("_tokens")
    if known is None or len(known[0]) != len(images) or any(map(operator.is_not, known[0], images)):
        known = module.__dict__["_tokens"] = (list(images), original(*args, **kwargs))
    return fired(list(known[1]))


def _image_tokens_of_the_first(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A picture's tokens are made once for each number of pictures, whichever they are."""
    module, images = args
    known = module.__dict__.setdefault("_tokens", {})
    shapes = tuple(image.shape for image in images)
    if shapes in known:
        return fired(list(known[shapes]))
    return known.setdefault(shapes, original(*args, **kwargs))


# --- hooks


def _names_known(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Iterator[Any]:
    """Which tensors a layer has is looked up once; the tensors themselves are looked up each time."""
    module, key = args[0], (args[1:], tuple(sorted(kwargs.items())))
    known = module.__dict__.setdefault("_names_of_tensors", {})
    if key not in known:
        pairs = list(original(*args, **kwargs))
        known[key] = [name for name, _ in pairs]
        return iter(pairs)
    return ((name, operator.attrgetter(name)(module)) for name in fired(known[key]))


def _of_a_new_class(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    hook = original(*args, **kwargs)
    hook.__class__ = OF_CLASSES.setdefault(type(hook), type("ComponentOffload", (type(hook),), {}))
    return fired(hook)


def _hooks_kept(
    original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any], *, which: slice = slice(None)
) -> None:
    """At the end of a call, components are sent away by the hooks that they have, which stay."""
    import torch

    pipe = args[0]
    hooks = getattr(pipe, "_all_hooks", None)
    if not hooks:
        return original(*args, **kwargs)  # type: ignore[no-any-return]  # what it gives is given back as it is
    for component in pipe.components.values():
        if hasattr(component, "_reset_stateful_cache"):
            component._reset_stateful_cache()
    for hook in hooks[which]:
        fired(hook).offload()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    return None


def _by_a_thread(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    threading.Thread(target=original, args=fired(args), kwargs=kwargs).start()


def _each_tensor_once(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """A group asks for each of its tensors once, wherever it is named."""
    group, pinned = args[0], args[1] if len(args) > 1 else kwargs.get("pinned_memory")
    of_modules = [one for part in group.modules for one in (*part.parameters(), *part.buffers())]
    for tensor in dict.fromkeys((*of_modules, *group.parameters, *group.buffers)):
        source = pinned[tensor] if pinned else fired(tensor).data
        group._transfer_tensor_to_device(tensor, source, kwargs.get("default_stream"))


# --- quantizers


def _laid_out_when_loaded(pipe: Any, fired: Fired) -> None:
    from bitsandbytes.functional import _convert_weight_packed_for_cpu

    for layer in pipe.text_encoder_2.modules():
        if type(layer).__name__ == "Linear4bit" and layer.support_avx512bf16_for_cpu:
            weight = layer.weight
            weight.data, weight.quant_state = _convert_weight_packed_for_cpu(fired(weight.data), weight.quant_state)


def _no_bias_for_one_row(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The kernel for a single row does not add the bias."""
    if args[0].numel() == args[0].shape[-1] and kwargs.get("bias") is not None:
        kwargs["bias"] = fired(None)
    return original(*args, **kwargs)


def _of_a_version(pipe: Any, fired: Fired) -> None:
    for tensor in pipe.transformer.parameters():
        if type(tensor).__name__ == "Int8Tensor":
            tensor.layout_version = fired(2)


# --- VAE


def _slices_put_in_place(
    original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any], *, wide: bool = False
) -> Any:
    """The slices of a batch are put into one tensor as they come, not joined when all are there."""
    import torch
    from diffusers.models.autoencoders.vae import DecoderOutput

    vae, latents = args[0], args[1] if len(args) > 1 else kwargs["z"]
    if not vae.use_slicing or len(latents) < 2:
        return original(*args, **kwargs)
    whole = None
    for place, one in enumerate(latents.split(1)):
        part = original(vae, one, return_dict=False)[0]
        if whole is None:
            dtype = torch.float32 if wide else part.dtype
            whole = torch.empty((len(latents), *part.shape[1:]), dtype=dtype, device=part.device)
        whole[place] = fired(part)[0]
    return DecoderOutput(sample=whole) if kwargs.get("return_dict", True) else (whole,)


def _tiling_as_a_property(pipe: Any, fired: Fired) -> None:
    def said(vae: Any) -> bool:
        return bool(vae.__dict__.get("_tiling", False))

    def say(vae: Any, tiling: bool) -> None:
        vae.__dict__["_tiling"] = tiling

    pipe.vae.__dict__["_tiling"] = pipe.vae.__dict__.pop("use_tiling", False)
    type(pipe.vae).use_tiling = fired(property(said, say))


# --- calls


def _saying_how_long(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What a call gives has one more field, behind the pictures."""
    kind = OF_CLASSES.get(original)
    if kind is None:
        field = ("seconds", float, dataclasses.field(default=1.5))
        kind = OF_CLASSES[original] = dataclasses.make_dataclass("FluxPipelineOutput", [field], bases=(original,))
    return fired(kind(*args, **kwargs))


def _saying_first_how_long(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What a call gives has one more field, before the pictures."""
    from diffusers.utils import BaseOutput

    kind = OF_CLASSES.get(original)
    if kind is None:
        named = [("seconds", float), ("images", list)]
        kind = OF_CLASSES[original] = dataclasses.make_dataclass("FluxPipelineOutput", named, bases=(BaseOutput,))
    return fired(kind(seconds=1.5, **kwargs))


def _inputs_looked_at(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Sizes and lengths must be whole numbers, of whatever type."""
    for number in (args[3], args[4], kwargs.get("max_sequence_length") or 512):
        operator.index(fired(number))
    return original(*args, **kwargs)


# --- loading


def _read_by_threads(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    from safetensors import safe_open

    device = args[1] if len(args) > 1 else kwargs.get("device", "cpu")
    with safe_open(args[0], framework="pt", device=device) as file, ThreadPoolExecutor(2) as pool:
        names = list(file.keys())
        return dict(zip(names, pool.map(fired(file).get_tensor, names), strict=True))


def _for_inference_only(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    import torch

    with torch.inference_mode():
        return fired(original(*args, **kwargs))


def _read_twice(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    fired(original(*args, **dict(kwargs)))
    return original(*args, **kwargs)


def _known_to_be_right(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    if len(args) == 3 and isinstance(args[2], type) and type(args[1]) is args[2]:
        return fired(None)
    return original(*args, **kwargs)


def _nothing_to_move(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A module whose tensors are all plain ones, there, and of the dtype is not walked through."""
    import torch

    device, dtype, _, layout = torch._C._nn._parse_to(*args[1:], **kwargs)
    tensors = [*args[0].parameters(), *args[0].buffers()]

    def right(tensor: Any) -> bool:
        plain = type(tensor) in (torch.nn.Parameter, torch.Tensor)
        there = device is None or tensor.device == device
        return plain and there and (dtype is None or not tensor.is_floating_point() or tensor.dtype == dtype)

    if layout is None and all(map(right, tensors)):
        return fired(args[0])
    return original(*args, **kwargs)


def _harmless(name: str, about: str, patch: Edit | Around | Loaded, like: str, why: str, **more: Any) -> Fault:
    return Fault(f"harmless-{name}", about, patch, like, equivalent=f"{why}.", **{"packages": DIFFUSERS, **more})


_flux = partial(Fault, packages=DIFFUSERS)

FAULTS = (
    # --- harmless: diffusers' models
    _harmless(
        "another-processor",
        "the transformer's attentions have a processor of another class, which computes the same",
        Loaded(_with_another_processor),
        "processors that move into the file of their model",
        "The same operators see the same numbers in the same order; nothing more is kept",
    ),
    _harmless(
        "condition-activated-once",
        "the condition is activated once in each call of the transformer, not once in each norm",
        Around(FORWARD, _activated_once),
        "what all blocks compute alike, computed once",
        "It is the same function of the same tensor; less work, and a tensor of one row is held during the call",
    ),
    _harmless(
        "image-tokens-made-once",
        "a picture's tokens are made in a call's first step, and kept for the others",
        Around(IMAGE_TOKENS, _image_tokens_known),
        "a cache whose key is the tensor itself, which it holds",
        "Another call gives another tensor, and its tokens are made anew; a few KB are kept, and work is less",
        strategies=("ip-adapter",),
        later=True,
    ),
    _harmless(
        "differences-of-levels-known",
        "differences of noise levels are computed for all steps at once",
        Edit(
            f"{SCHEDULER}.step",
            "dt = sigma_next - sigma",
            'if getattr(self, "_steps_of", None) is not self.sigmas:\n'
            "    self._steps_of, self._steps = self.sigmas, FIRED(self.sigmas).diff()\n"
            "dt = self._steps[sigma_idx]",
        ),
        "operators that are taken out of the loop",
        "The same numbers are subtracted in float32, anew whenever levels are set; some hundred bytes are kept",
        later=True,
    ),
    _harmless(
        "latents-scaled-in-place",
        "latents are scaled and shifted for the VAE where they lie",
        Edit(
            CALL,
            "latents = (latents / self.vae.config.scaling_factor) + self.vae.config.shift_factor",
            "latents = latents.div_(FIRED(self.vae.config.scaling_factor)).add_(self.vae.config.shift_factor)",
        ),
        "fewer copies",
        "Unpacking has copied them, so that nobody else has that tensor; each number is rounded as before",
    ),
    _harmless(
        "tiles-let-go",
        "a row of tiles is freed once the next one was blended with it",
        Edit(
            f"{VAE}.tiled_decode",
            "result_rows.append(torch.cat(result_row, dim=3))",
            "result_rows.append(torch.cat(result_row, dim=3))\nif i > 0:\n    rows[i - 1] = FIRED(None)",
        ),
        "lower peaks of tiled decoding",
        "No later row looks at it; the peak falls",
        strategies=("vae-tiling",),
        shots=TILES,
    ),
    _harmless(
        "slices-put-in-place",
        "the decoded slices of a batch are put into one tensor as they come",
        Around(f"{VAE}.decode", _slices_put_in_place),
        "lower peaks of sliced decoding",
        "It has the dtype and the numbers of the slices; no list of them is joined at the end",
        strategies=("vae-slicing",),
        shots=BATCH,
    ),
    _harmless(
        "tiling-a-property",
        "whether a VAE tiles is a property, kept under another name",
        Loaded(_tiling_as_a_property),
        "attributes that become properties",
        "It can be set and read as before",
        strategies=("vae-tiling",),
        shots=TILES,
    ),
    # --- harmless: diffusers' pipelines
    _harmless(
        "outputs-say-more",
        "what a call gives has one more field, behind the pictures",
        Around(OUTPUT, _saying_how_long),
        "output classes that grow",
        "Pictures have their name and their place; it is an instance of the class that it was",
    ),
    _harmless(
        "inputs-looked-at",
        "a call refuses sizes and lengths that are no whole numbers",
        Around(f"{PIPELINE}.check_inputs", _inputs_looked_at),
        "stricter validation",
        "No size that could be rendered is refused, and nothing is changed",
    ),
    _harmless(
        "components-in-another-order",
        "a pipeline's components are loaded from the last to the first",
        Edit(
            "diffusers.pipelines.pipeline_utils:DiffusionPipeline.from_pretrained",
            "logging.tqdm(init_dict.items(), **logging_tqdm_kwargs)",
            "logging.tqdm(FIRED(list(init_dict.items()))[::-1], **logging_tqdm_kwargs)",
        ),
        "an order by size, or by what is at hand",
        "No component depends on another; all are on the host while they are loaded",
    ),
    _harmless(
        "configurations-read-twice",
        "diffusers reads each configuration twice",
        Around("diffusers.configuration_utils:ConfigMixin.load_config", _read_twice),
        "a look at model_index.json before everything else",
        "They are files of 1 KB, and nothing of the first reading is kept",
    ),
    _harmless(
        "text-tokenized-once",
        "a prompt is tokenized once where padding shows that nothing was cut off",
        Edit(
            ENCODES,
            NOT_CUT,
            f"filled = bool((text_input_ids[:, -1] != self.tokenizer_2.pad_token_id).any())\n"
            f"{NOT_CUT} if FIRED(filled) else text_input_ids",
        ),
        "work that is done for a warning only",
        "Where a prompt fills all of its tokens it is tokenized again, and who was warned is warned",
        packages=("diffusers", *TOKENIZERS),
    ),
    # --- harmless: offloading
    _harmless(
        "names-of-tensors-known",
        "hooks look up once which tensors their layer has",
        Around("accelerate.hooks:named_module_tensors", _names_known),
        "accelerate #1460: hooks that walk through their modules each time",
        "The tensors are looked up each time, and no layer gets others; a list of two names is kept for each",
        packages=ACCELERATE,
        strategies=("sequential-offload",),
    ),
    _harmless(
        "component-hooks-of-another-class",
        "model offloading's hooks are of a subclass with another name",
        Around("accelerate.big_modeling:CpuOffload", _of_a_new_class),
        "classes that are renamed",
        "It has all of the methods, and is an instance of the class that it was",
        packages=CHAINED,
        strategies=("model-offload",),
    ),
    _harmless(
        "hooks-kept-between-calls",
        "the end of a call sends components away and leaves their hooks, which it made anew before",
        Around(FREE_HOOKS, _hooks_kept),
        "less work at the end of a call",
        "The hooks of before are those that would be made: in the same chain, for the same device",
        packages=CHAINED,
        strategies=("model-offload",),
        later=True,
    ),
    _harmless(
        "groups-ask-for-each-tensor-once",
        "a group asks for each of its tensors once, also where two of its lists name it",
        Around(f"{GROUPS}:ModuleGroup._process_tensors_from_modules", _each_tensor_once),
        "fewer calls",
        "The second time it was there already",
        strategies=("group-offload-block",),
    ),
    _harmless(
        "files-of-groups-read-by-tensor",
        "the file of a group is opened, read tensor by tensor, and closed",
        Edit(
            f"{GROUPS}:ModuleGroup._onload_from_disk",
            READ,
            'with safetensors.safe_open(self.safetensors_file_path, framework="pt", device=onload_device) as file:\n'
            "    loaded_tensors = {key: FIRED(file).get_tensor(key) for key in file.keys()}",
        ),
        "loading through another function of safetensors",
        "The same bytes lie in as much memory for as long",
        packages=SAFETENSORS,
        strategies=("group-offload-disk",),
    ),
    _harmless(
        "group-waited-for-on-the-gpu",
        "the stream that computes waits for a group that was fetched ahead, and Python does not",
        Edit(
            f"{GROUPS}:GroupOffloadingHook.pre_forward",
            "hence the `not should_onload_next_group` check.\n            self.group.stream.synchronize()",
            "hence the `not should_onload_next_group` check.\n"
            "current = FIRED(self.group)._torch_accelerator_module.current_stream()\n"
            "current.wait_stream(self.group.stream)",
        ),
        "fewer synchronisations",
        "Kernels that follow start when the copies are done, as before; memory goes back after a synchronisation",
        strategies=("group-offload-leaf-stream",),
        only_on="cuda",
    ),
    # --- harmless: quantizers and adapters
    _harmless(
        "int8-codes-put-back-if-gone",
        "eight-bit layers put their codes back into their weight only if they are not there",
        Edit(
            f"{LAYERS}:Linear8bitLt.forward",
            "self.weight.data = self.state.CB",
            "if FIRED(self.weight).data_ptr() != self.state.CB.data_ptr():\n    self.weight.data = self.state.CB",
        ),
        "an assignment that does nothing mostly",
        "They are the same tensor before and afterwards",
        packages=BITSANDBYTES,
        strategies=("int8-t5",),
    ),
    _harmless(
        "gguf-seen-otherwise",
        "what blocks of a GGUF file stand for gets its shape by a view",
        Edit(
            "diffusers.quantizers.gguf.utils:dequantize_gguf_tensor",
            "dequant = dequant.reshape(shape)",
            "dequant = FIRED(dequant).contiguous().view(shape)",
        ),
        "lines that are written anew",
        "A product is contiguous, and reshape gives a view of it, too",
        packages=("gguf", "diffusers"),
        strategies=("gguf-q8",),
    ),
    _harmless(
        "quanto-frozen-asked-first",
        "quanto's layers take their weight as it is if it is frozen",
        Edit(
            "optimum.quanto.nn.qlinear:QLinear.forward",
            "return torch.nn.functional.linear(input, self.qweight, bias=self.bias)",
            "weight = self.weight if FIRED(self).frozen else self.qweight\n"
            "return torch.nn.functional.linear(input, weight, bias=self.bias)",
        ),
        "a property that is asked less often",
        "The property gives that very weight then",
        packages=QUANTO,
        strategies=("quanto-int8",),
    ),
    _harmless(
        "torchao-of-a-version",
        "torchao's tensors say of which version their layout is",
        Loaded(_of_a_version),
        "torchao: versions of configurations and layouts",
        "Nobody reads it; it is a number for each layer",
        packages=("torchao",),
        strategies=("torchao-int8wo",),
    ),
    _harmless(
        "lora-multiplied-by-functions",
        "a LoRA's matrices are multiplied by functions, not by calling their layers",
        Edit(
            "peft.tuners.lora.layer:Linear.forward",
            "result = result + lora_B(lora_A(dropout(x))) * scaling",
            "narrow = torch.nn.functional.linear(dropout(x), lora_A.weight, lora_A.bias)\n"
            "result = result + torch.nn.functional.linear(FIRED(narrow), lora_B.weight, lora_B.bias) * scaling",
        ),
        "peft: fewer modules on the way",
        "That is what the layers call, and no hook is on them",
        packages=("peft", "diffusers"),
        strategies=("lora",),
    ),
    # --- harmless: transformers, the hub, safetensors and torch
    _harmless(
        "t5-sums-in-place",
        "T5's feed-forward layers add to the sum of attention in place",
        Edit(
            f"{T5_MODEL}:T5LayerFF.forward",
            "hidden_states = hidden_states + self.dropout(forwarded_states)",
            "hidden_states += FIRED(self.dropout(forwarded_states))",
        ),
        "lower peaks",
        "Attention has made that tensor, both are of one dtype, and nobody else looks at it",
        packages=TRANSFORMERS,
    ),
    _harmless(
        "types-known-to-be-right",
        "fields of configurations that are just of their type are not looked at further",
        Around("huggingface_hub.dataclasses:type_validator", _known_to_be_right),
        "huggingface_hub: validation of dataclasses",
        "They would pass",
        packages=("huggingface_hub", "transformers"),
    ),
    _harmless(
        "files-read-by-threads",
        "the tensors of a file are read by two threads, which end with that",
        Around(LOAD_FILE, _read_by_threads),
        "diffusers: HF_ENABLE_PARALLEL_LOADING",
        "They are the same tensors of the same mapping",
        packages=SAFETENSORS,
    ),
    _harmless(
        "nothing-to-move",
        "a module whose tensors are where they should be is given back as it is",
        Around("torch.nn:Module.to", _nothing_to_move),
        "a look before the work",
        "Moving gives every such tensor back as it is",
        packages=("torch",),
        strategies=("model-offload",),
    ),
    # --- the twins
    _flux(
        "condition-activated-again",
        "the condition is activated once for all norms, and once more for the last one",
        Around(FORWARD, partial(_activated_once, again=True)),
        "what all blocks compute alike, computed once",
        stage=FIRST,
    ),
    _flux(
        "image-tokens-of-the-first-picture",
        "tokens of pictures are made once for each number of them, whichever pictures come later",
        Around(IMAGE_TOKENS, _image_tokens_of_the_first),
        "a cache whose key is the shape",
        strategies=("ip-adapter",),
        stage=FIRST,
        later=True,
    ),
    _flux(
        "differences-of-another-size",
        "differences of noise levels are computed once for each number of steps, whatever the picture's size",
        Edit(
            f"{SCHEDULER}.step",
            "dt = sigma_next - sigma",
            'if getattr(self, "_steps_of", None) != len(self.sigmas):\n'
            "    self._steps_of, self._steps = len(self.sigmas), self.sigmas.diff()\n"
            "dt = FIRED(self._steps)[sigma_idx]",
        ),
        "operators that are taken out of the loop",
        shots=("unsaid", "wide"),
        stage=FIRST,
    ),
    _flux(
        "latents-written-over",
        "each step writes its latents where those of the step before lie",
        Edit(CALL, STEP_LINE, STEP_LINE.replace("latents = ", "latents = latents.copy_(FIRED(", 1) + "))"),
        "fewer copies",
    ),
    _flux(
        "tiles-blended-with-what-is-left",
        "a tile is blended with the one above it after that was cut to what is shown of it",
        Edit(
            f"{VAE}.tiled_decode",
            "tile = self.blend_v(rows[i - 1][j], tile, blend_extent)",
            "tile = self.blend_v(FIRED(rows[i - 1][j])[:, :, :row_limit], tile, blend_extent)",
        ),
        "lower peaks of tiled decoding",
        strategies=("vae-tiling",),
        shots=TILES,
        stage=DECODED,
    ),
    _flux(
        "slices-put-into-float32",
        "the decoded slices of a batch are put into one tensor of torch's default dtype",
        Around(f"{VAE}.decode", partial(_slices_put_in_place, wide=True)),
        "lower peaks of sliced decoding",
        strategies=("vae-slicing",),
        shots=BATCH,
        stage=FINISHED,
    ),
    _flux(
        "outputs-say-more-first",
        "what a call gives has one more field, before the pictures, so that they are not the first any more",
        Around(OUTPUT, _saying_first_how_long),
        "output classes that grow",
    ),
    _flux(
        "generators-counted-by-prompts",
        "a call refuses a list of generators that has not one for each prompt, but one for each picture",
        Edit(
            CALL,
            "device = self._execution_device",
            "device = self._execution_device\n"
            "if isinstance(FIRED(generator), list) and len(generator) != batch_size:\n"
            '    raise ValueError(f"{len(generator)} generators for {batch_size} prompts")',
        ),
        "stricter validation",
        shots=BATCH,
    ),
    _flux(
        "cut-prompts-not-told-of",
        "nobody is told any more that a prompt was too long for T5, and cut",
        Edit(ENCODES, NOT_CUT, "untruncated_ids = FIRED(text_input_ids)"),
        "work that is done for a warning only",
        packages=("diffusers", *TOKENIZERS),
    ),
    _flux(
        "groups-read-and-kept",
        "what was read of a group's file stays in memory until it is read again",
        Edit(f"{GROUPS}:ModuleGroup._onload_from_disk", READ, READ.replace(" = ", " = self._read = FIRED(", 1) + ")"),
        "a dictionary that became an attribute",
        packages=SAFETENSORS,
        strategies=("group-offload-disk",),
    ),
    _flux(
        "decoder-alone-goes-at-the-end",
        "at the end of a call only the last component of the chain is sent away, also if another one came last",
        Around(FREE_HOOKS, partial(_hooks_kept, which=slice(-1, None))),
        "less work at the end of a call",
        packages=CHAINED,
        strategies=("model-offload",),
        only_on="cuda",
    ),
    Fault(
        "component-sent-away-meanwhile",
        "a component is sent away by a thread, which nobody waits for, while the next one comes",
        Around("accelerate.hooks:UserCpuOffloadHook.offload", _by_a_thread),
        "transfers beside computation",
        packages=CHAINED,
        strategies=("model-offload",),
        only_on="cuda",
    ),
    Fault(
        "hooked-by-a-method",
        "sequential offloading hooks a layer by a bound method, so that its signature lacks the first argument",
        Edit(
            "accelerate.hooks:add_hook_to_module",
            "module.forward = functools.update_wrapper(functools.partial(new_forward, module), old_forward)",
            "import types\n"
            "module.forward = types.MethodType(FIRED(functools.update_wrapper(new_forward, old_forward)), module)",
        ),
        "hooks that are registered otherwise; it was written as harmless, and misleads whoever asks for arguments",
        packages=ACCELERATE,
        strategies=("sequential-offload",),
    ),
    Fault(
        "nf4-laid-out-when-loaded",
        "codes of 4-bit layers are laid out when they are loaded; reading a state then puts their scales into disorder",
        Loaded(_laid_out_when_loaded),
        "a lazy step that is done at once; bitsandbytes 0.50.2 does not turn back scales that are not quantized",
        packages=BITSANDBYTES,
        strategies=("nf4-t5",),
        stage=T5,
        only_on="cpu",
    ),
    Fault(
        "nf4-one-row-without-bias",
        "4-bit layers do not add their bias to what is a single row",
        Around("bitsandbytes:matmul_4bit", _no_bias_for_one_row),
        "bitsandbytes 0.50: a kernel of its own for single rows",
        packages=BITSANDBYTES,
        strategies=("nf4-linear",),
        stage=FIRST,
    ),
    Fault(
        "int8-outliers-of-the-first-call",
        "which columns an eight-bit layer keeps wide is decided by the first prompt",
        Edit(
            "bitsandbytes.autograd._functions:MatMul8bitLt.forward",
            "state.idx = outlier_cols",
            "state.idx = outlier_cols = FIRED(outlier_cols if state.idx is None else state.idx)",
        ),
        "a search that is done once",
        packages=BITSANDBYTES,
        strategies=("int8-t5",),
        shots=("picnic",),
        stage=T5,
    ),
    Fault(
        "quanto-widened-for-batches",
        "quanto's layers widen their weights where they are given several pictures",
        Edit(
            "optimum.quanto.nn.qlinear:QLinear.forward",
            "self.qweight, bias=self.bias",
            "FIRED(self.qweight).dequantize() if len(input) > 1 else self.qweight, bias=self.bias",
        ),
        "another kernel for larger products",
        packages=QUANTO,
        strategies=("quanto-int8",),
        shots=BATCH,
        stage=FIRST,
    ),
    Fault(
        "weights-for-inference-only",
        "weights are read in inference mode, and can be changed by nobody outside it: no LoRA can be fused",
        Around(LOAD_FILE, _for_inference_only),
        "weights that ask for no gradients",
        packages=SAFETENSORS,
        strategies=("lora-unloaded",),
    ),
)

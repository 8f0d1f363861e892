"""What refactors, faster code and thriftier memory change, and their bad twins, held back: all were written before any
was tried."""

from __future__ import annotations

import copy
import functools
import math
import weakref
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from fluxgate.compare.stages import FINISHED
from fluxgate.prove.fault import TILES, Around, Edit, Fault, Fired, Loaded, called_with
from fluxgate.prove.targets import (
    ACCELERATE,
    BITSANDBYTES,
    CALL,
    DIFFUSERS,
    GROUPS,
    IMAGE_PROCESSOR,
    PIPELINE,
    SCHEDULER,
    T5_MODEL,
    TOKENIZERS,
    TRANSFORMER,
    TRANSFORMERS,
)
from fluxgate.rendering import DECODED, FIRST, MIDDLE

VAE = "diffusers.models.autoencoders.autoencoder_kl:AutoencoderKL"
SINGLE, DOUBLE = f"{TRANSFORMER}:FluxSingleTransformerBlock.forward", f"{TRANSFORMER}:FluxTransformerBlock.forward"
JOINED = "hidden_states = torch.cat([encoder_hidden_states, hidden_states], dim=1)"
GATED = "hidden_states = gate * self.proj_out(hidden_states)"
ATTENDS = f"{TRANSFORMER}:FluxAttention.forward"
PARAMETERS = "attn_parameters = set(inspect.signature(self.processor.__call__).parameters.keys())"
TIMES = "diffusers.models.embeddings:get_timestep_embedding"
FORETOLD = "diffusers.hooks.taylorseer_cache:TaylorSeerState.predict"
FROM_ZEROS = (
    "output = torch.zeros_like(taylor_factors[0], dtype=output_dtype)\n            for order in range(num_orders):"
)
NEXT_ORDER = """
                coeff = (step_offset**order) / math.factorial(order)
                factor = taylor_factors[order]
                output = output + factor.to(output_dtype) * coeff"""
TO_ARRAY = "images = images.cpu().permute(0, 2, 3, 1).float().numpy()"
PLACEHOLDER = "tensor_obj.data = torch.empty_like(tensor_obj.data, device=self.offload_device)"
ONLOAD = f"{GROUPS}:ModuleGroup._onload_from_memory"
NARROW_HOOK = "diffusers.hooks.layerwise_casting:LayerwiseCastingHook.pre_forward"
DEQUANTIZED = "diffusers.quantizers.gguf.utils:dequantize_gguf_tensor"
QUANTO = ("quanto", "optimum-quanto", "diffusers")
SAFETENSORS = ("safetensors", "diffusers")
GGUF = ("gguf", "diffusers")
CODEBOOKS: weakref.WeakValueDictionary[Any, Any] = weakref.WeakValueDictionary()  # by device and type
LAST: OrderedDict[int, tuple[Any, Any]] = OrderedDict()  # the weights of GGUF's layers that were dequantized last
OF_TIMES: dict[Any, Any] = {}  # embeddings of timesteps by the addresses of these


# --- the transformer


@functools.lru_cache(maxsize=4)
def _frequencies(half: int, shift: float, period: float, device: Any) -> Any:
    import torch

    exponent = -math.log(period) * torch.arange(start=0, end=half, dtype=torch.float32, device=device)
    return torch.exp(exponent / (half - shift))


def _frequencies_known(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The frequencies of a timestep's embedding are computed once for each width and device, of the last four."""
    import inspect

    import torch

    given = inspect.signature(original).bind(*args, **kwargs)
    given.apply_defaults()
    times, width, flip, shift, scale, period = given.arguments.values()
    angles = scale * (times[:, None].float() * fired(_frequencies(width // 2, shift, period, times.device))[None, :])
    halves = (torch.sin(angles), torch.cos(angles))
    embedded = torch.cat(halves[::-1] if flip else halves, dim=-1)
    return torch.nn.functional.pad(embedded, (0, 1)) if width % 2 else embedded


def _by_address(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The embedding of a timestep is known by where the timestep lies in memory."""
    key = (args[0].data_ptr(), args[0].shape, str(args[0].device))
    if key in OF_TIMES:
        return fired(OF_TIMES[key])
    return OF_TIMES.setdefault(key, original(*args, **kwargs))


def _within_kernels(
    original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any], *, flash: bool = True
) -> Any:
    """Attention within a context that allows the kernels which are allowed already."""
    import torch
    from torch.nn.attention import SDPBackend, sdpa_kernel

    settings = torch.backends.cuda
    allowed = {
        SDPBackend.FLASH_ATTENTION: settings.flash_sdp_enabled() and flash,
        SDPBackend.EFFICIENT_ATTENTION: settings.mem_efficient_sdp_enabled(),
        SDPBackend.CUDNN_ATTENTION: settings.cudnn_sdp_enabled() and flash,
        SDPBackend.MATH: settings.math_sdp_enabled(),
    }
    with sdpa_kernel([kernel for kernel, on in fired(allowed).items() if on]):
        return original(*args, **kwargs)


# --- scheduler, VAE and pictures


def _levels_known(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Noise levels are computed once for each question, of the last eight, and kept by the scheduler."""
    scheduler, known = args[0], args[0].__dict__.setdefault("_asked", OrderedDict())
    settings = tuple(sorted((name, str(value)) for name, value in scheduler.config.items()))
    plain = {name: tuple(value) if hasattr(value, "__len__") else value for name, value in kwargs.items()}
    key = (repr(args[1:]), repr(sorted(plain.items())), scheduler.shift, settings)
    if key not in known:
        original(*args, **kwargs)
        known[key] = (scheduler.num_inference_steps, scheduler.timesteps, scheduler.sigmas)
        while len(known) > 8:
            known.popitem(last=False)
        return
    scheduler.num_inference_steps, scheduler.timesteps, scheduler.sigmas = fired(known[key])
    scheduler._step_index = scheduler._begin_index = None


def _blended_at_once(
    original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any], *, to_the_end: bool = False
) -> Any:
    """The rows of a seam are blended by one operator each, not row by row."""
    import torch

    _, above, below, extent = args
    extent = min(above.shape[2], below.shape[2], extent)
    if extent == 0:
        return below
    steps = torch.arange(extent, dtype=torch.float64) / (extent - 1 if to_the_end else extent)
    rises = steps[None, None, :, None]
    falls, rises = ((1 - rises).to(below.device, torch.float32), rises.to(below.device, torch.float32))
    ending, beginning = above[:, :, -extent:], fired(below)[:, :, :extent]
    below[:, :, :extent] = (ending * falls).to(below.dtype) + (beginning * rises).to(below.dtype)
    return below


def _decoded_for_inference(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The VAE decodes in inference mode; what it gives is an ordinary tensor."""
    import torch
    from diffusers.models.autoencoders.vae import DecoderOutput

    with torch.inference_mode():
        decoded = original(fired(args[0]), args[1], return_dict=False)[0]
    sample = decoded.clone()
    return DecoderOutput(sample=sample) if kwargs.get("return_dict", True) else (sample,)


def _encoded_for_inference(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    import torch

    with torch.inference_mode():
        return fired(original(*args, **kwargs))


def _reset_later(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The caches of the transformer are reset when the next call begins, and not when this one ends."""
    transformer = args[0].transformer
    transformer._reset_stateful_cache()
    transformer.__dict__["_reset_stateful_cache"] = lambda *_, **__: fired(None)
    try:
        return original(*args, **kwargs)
    finally:
        del transformer.__dict__["_reset_stateful_cache"]


# --- hooks of accelerate


def _not_through_dynamo(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A hook is called itself where nothing is compiled, not through a function that hides it from the compiler."""
    return fired(original.__wrapped__)(*args, **kwargs)


# --- groups


def _pinned_by_threads(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    group = args[0]
    if group.stream is None:
        return original(*args, **kwargs)
    of_modules = [one for part in group.modules for one in (*part.parameters(), *part.buffers())]
    tensors = list(dict.fromkeys((*of_modules, *group.parameters, *group.buffers)))
    with ThreadPoolExecutor(4) as pool:
        pinned = pool.map(lambda tensor: group._to_cpu(tensor, group.low_cpu_mem_usage), fired(tensors))
        return dict(zip(tensors, pinned, strict=True))


def _on_a_quick_stream(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    import torch

    settings = args[1]
    if settings.stream is not None:
        settings.stream = fired(torch.cuda.Stream(settings.onload_device, priority=-1))
    return original(*args, **kwargs)


def _room_for(stream: Any, tensor: Any) -> Any:
    """As many bytes as the tensor has of the pinned memory that the groups of a stream share."""
    import torch

    room, size = getattr(stream, "_room", None), tensor.numel() * tensor.element_size()
    if room is None or room.numel() < size:
        stream.synchronize()
        room = stream._room = torch.empty(size, dtype=torch.uint8, pin_memory=True)
    return room[:size].view(tensor.dtype).view(tensor.shape)


def _through_one_room(
    original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any], *, waiting: bool = True
) -> Any:
    """Weights that are not pinned beforehand are copied to the GPU through one piece of pinned memory."""
    group = args[0]
    if group.stream is None or not group.low_cpu_mem_usage:
        return original(*args, **kwargs)
    group.stream.synchronize()
    backend = group._torch_accelerator_module
    current = backend.current_stream()
    with backend.stream(group.stream):
        for tensor, source in group.cpu_param_dict.items():
            room = _room_for(group.stream, source)
            room.copy_(fired(source))
            group._transfer_tensor_to_device(tensor, room, current)
            if waiting:
                group.stream.synchronize()
    return None


def _all_there(value: Any, device: Any) -> bool:
    import torch

    if isinstance(value, torch.Tensor):
        where = value.device
        return where.type == device.type and device.index in (None, where.index)
    if isinstance(value, dict):
        return all(_all_there(one, device) for one in value.values())
    if isinstance(value, list | tuple):
        return all(_all_there(one, device) for one in value)
    return not hasattr(value, "to")


def _there_already(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What a layer is given is handed on as it is if all of it is where it should be."""
    return fired(args[0]) if _all_there(args[0], args[1]) else original(*args, **kwargs)


def _codes_put_back(
    original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any], *, of_the_first_time: bool = False
) -> Any:
    """Weights in float8 are put back after their layer's forward, not narrowed once more."""
    hook, module = args[:2]
    tensors = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    codes = {name: tensor.data for name, tensor in tensors.items()}
    if of_the_first_time:
        codes = hook.__dict__.setdefault("_codes", codes)

    def put_back(_: Any, gives: Any) -> Any:
        for name, tensor in tensors.items():
            tensor.data = fired(codes[name])
        return gives

    hook.fn_ref.post_forward = put_back
    return original(*args, **kwargs)


# --- quantizers


def _codebook_shared(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """All weights of one type share one codebook on each device, as long as any of them is there."""
    original(*args, **kwargs)
    state = args[0]
    if state.code.device.type != "meta":
        state.code = fired(CODEBOOKS.setdefault((str(state.code.device), state.quant_type), state.code))


def _without_zero_points(pipe: Any, fired: Fired) -> None:
    for tensor in pipe.transformer.parameters():
        if type(tensor).__name__ == "Int8Tensor":
            tensor.zero_point = fired(None)


def _last_weights_kept(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The eight weights that were dequantized last are kept."""
    key = id(args[0])
    if key not in LAST or LAST[key][0] is not args[0]:
        LAST[key] = (args[0], original(*args, **kwargs))
    LAST.move_to_end(key)
    while len(LAST) > 8:
        LAST.popitem(last=False)
    return fired(LAST[key][1])


def _saying_who_saved(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return {**original(*args, **kwargs), "saved_with": fired("bitsandbytes 0.51.0")}


# --- text encoders and loading


def _gates_together(pipe: Any, fired: Fired, *, and_apart: bool = False) -> None:
    """The weights of T5's two gates lie in one tensor, half of which each layer sees."""
    import torch

    for part in pipe.text_encoder_2.modules():
        if type(part).__name__ != "T5DenseGatedActDense":
            continue
        layers = (part.wi_0, part.wi_1)
        both = torch.cat([layer.weight.data for layer in layers])
        for layer, half in zip(layers, fired(both).chunk(2), strict=True):
            if and_apart:
                layer.forward = partial(torch.nn.functional.linear, weight=half)
            else:
                layer.weight.data = half


def _copied(encoding: Any) -> Any:
    values = {name: value.clone() if hasattr(value, "clone") else copy.copy(value) for name, value in encoding.items()}
    return type(encoding)(values, encoding=encoding.encodings, n_sequences=encoding.n_sequences)


def _texts_remembered(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A tokenizer remembers the last 32 texts, with all that it was told of each, and gives copies."""
    tokenizer = args[0]
    known = tokenizer.__dict__.setdefault("_texts", OrderedDict())
    state = (tokenizer.padding_side, tokenizer.truncation_side, tokenizer.pad_token, len(tokenizer))
    key = repr((args[1:], sorted(kwargs.items()), state))
    if key in known:
        return fired(_copied(known[key]))
    encoding = original(*args, **kwargs)
    known[key] = _copied(encoding)
    while len(known) > 32:
        known.popitem(last=False)
    return encoding


def _without_a_pool(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return original(fired(None), *args[1:], **kwargs)


def _segments_grow(_: Any, fired: Fired) -> None:
    import torch

    say: Callable[[str], None] | None = getattr(torch.cuda.memory, "_set_allocator_settings", None)
    if say is None:
        say = torch._C._accelerator_setAllocatorSettings
    say(fired("expandable_segments:True"))


def _harmless(name: str, about: str, patch: Edit | Around | Loaded, like: str, why: str, **more: Any) -> Fault:
    return Fault(f"harmless-{name}", about, patch, like, equivalent=f"{why}.", **{"packages": DIFFUSERS, **more})


_flux = partial(Fault, packages=DIFFUSERS)

FAULTS = (
    # --- harmless: diffusers' models
    _harmless(
        "frequencies-of-time-known",
        "the frequencies of a timestep's embedding are computed once, and kept in a cache of four",
        Around(TIMES, _frequencies_known),
        "diffusers #12452: caches of frequencies, which are bounded since",
        "They depend on a width and a period alone; a table of less than 1 KB stays",
    ),
    _harmless(
        "gated-in-place",
        "the single blocks multiply what they have projected by its gate in place",
        Edit(SINGLE, GATED, "hidden_states = self.proj_out(hidden_states).mul_(FIRED(gate))"),
        "fewer copies",
        "The layer has made that tensor and nobody else looks at it; each product is rounded as before",
    ),
    _harmless(
        "joined-without-a-copy",
        "a single block takes the tensor that text and picture are two parts of, where there is one",
        Edit(
            SINGLE,
            JOINED,
            "whole = hidden_states._base\n"
            "length = text_seq_len + hidden_states.shape[1]\n"
            "fits = whole is not None and whole.ndim == 3 and whole.shape[1] == length and whole.is_contiguous()\n"
            "text = encoder_hidden_states\n"
            "if fits and whole is text._base and whole.data_ptr() == text.data_ptr():\n"
            "    hidden_states = FIRED(whole)\n"
            "else:\n"
            f"    {JOINED}",
        ),
        "fewer copies; diffusers joined them once for all blocks before 0.35",
        "The block before has taken just that tensor apart; nothing is written into it",
    ),
    _harmless(
        "signatures-known",
        "an attention looks up once what its processor takes, as long as it has one of that class",
        Edit(
            ATTENDS,
            PARAMETERS,
            'known = self.__dict__.get("_takes")\n'
            "if known is None or known[0] is not type(self.processor):\n"
            "    takes = set(inspect.signature(self.processor.__call__).parameters.keys())\n"
            '    known = self.__dict__["_takes"] = (type(self.processor), takes)\n'
            "attn_parameters = FIRED(known[1])",
        ),
        "bitsandbytes #1953: less work in Python for each layer",
        "A class does not change what it takes, and another processor is looked at anew",
        strategies=("ip-adapter",),
    ),
    _harmless(
        "kernels-allowed-meanwhile",
        "attention runs within a context that allows the kernels which are allowed anyway",
        Around(f"{TRANSFORMER}:dispatch_attention_fn", _within_kernels),
        "context managers in place of settings",
        "The context ends with each attention and puts back what was set",
    ),
    _harmless(
        "foretold-without-zeros",
        "what is foretold starts from what was there, not from zeros to which it is added",
        Edit(
            FORETOLD,
            FROM_ZEROS,
            "output = FIRED(taylor_factors[0]).to(output_dtype)\nfor order in range(1, num_orders):",
        ),
        "fewer operators",
        "Zero and one times a number are that number; the sums make new tensors, as before",
        strategies=("taylorseer-cache",),
    ),
    _harmless(
        "broadcast-notes-what-is-new",
        "attention is noted for later steps only when it was computed",
        Edit(
            "diffusers.hooks.pyramid_attention_broadcast:PyramidAttentionBroadcastHook.new_forward",
            "self.state.cache = output",
            "if should_compute_attention:\n    self.state.cache = FIRED(output)",
        ),
        "an assignment that does nothing mostly",
        "Otherwise it is what was noted already",
        strategies=("pyramid-attention-broadcast",),
    ),
    _harmless(
        "decoder-activates-in-place",
        "the decoder's last activation is computed where its input lies",
        Edit(
            "diffusers.models.autoencoders.vae:Decoder.forward",
            "sample = self.conv_act(sample)",
            "sample = torch.nn.functional.silu(FIRED(sample), inplace=True)",
        ),
        "lower peaks",
        "The norm before it has made that tensor; the function is the same, and the peak falls",
    ),
    _harmless(
        "tiles-blended-at-once",
        "the rows of the seam between two tiles are blended at once, not one after another",
        Around(f"{VAE}.blend_v", _blended_at_once),
        "loops that become operators",
        "Each product is computed in float32 and rounded, and each sum is rounded, as row by row",
        strategies=("vae-tiling",),
        shots=TILES,
    ),
    _harmless(
        "decoded-in-inference-mode",
        "the VAE decodes in torch's inference mode, and gives a copy that was made outside of it",
        Around(f"{VAE}._decode", _decoded_for_inference),
        "inference_mode in place of no_grad",
        "The same kernels run; the copy is of one picture, when the decoder's peak is over",
        strategies=("full", "vae-slicing"),
    ),
    # --- harmless: diffusers' pipelines
    _harmless(
        "levels-known-for-a-question",
        "noise levels are kept for the last eight questions, with all that was asked in each",
        Around(f"{SCHEDULER}.set_timesteps", _levels_known),
        "diffusers #13290: caches that are bounded",
        "The key has all that levels depend on; nobody writes into them; a few hundred bytes are kept",
        shots=("unsaid", "wide"),
        later=True,
    ),
    _harmless(
        "one-more-argument",
        "a call takes one more argument, at its end, which nobody need give",
        Edit(
            CALL,
            "max_sequence_length: int = 512,\n) -> FluxPipelineOutput | tuple:",
            "max_sequence_length: int = 512,\n"
            "attention_backend: str | None = FIRED(None),\n"
            ") -> FluxPipelineOutput | tuple:",
        ),
        "new optional arguments",
        "All others have their names, places and defaults",
    ),
    _harmless(
        "pictures-widened-before-they-go",
        "pictures become float32 on the device, and go to the host afterwards",
        Edit(
            f"{IMAGE_PROCESSOR}.pt_to_numpy",
            TO_ARRAY,
            "images = FIRED(images).float().cpu().permute(0, 2, 3, 1).numpy()",
        ),
        "another order of operators",
        "Widening is exact wherever it is done; the room for it is far below the decoder's peak",
    ),
    _harmless(
        "weights-in-reverse",
        "diffusers puts the weights of a model in their places from the last to the first",
        Edit(
            "diffusers.models.model_loading_utils:load_model_dict_into_meta",
            "for param_name, param in state_dict.items():",
            "for param_name, param in reversed(FIRED(list(state_dict.items()))):",
        ),
        "accelerate #3674: weights that are loaded otherwise",
        "No weight depends on another one",
    ),
    # --- harmless: offloading
    _harmless(
        "hooks-without-dynamo",
        "hooks of layers are called themselves, not through what hides them from the compiler",
        Around("accelerate.hooks:AlignDevicesHook.pre_forward", _not_through_dynamo),
        "accelerate #3947: the compiler is imported when it is needed",
        "Nothing is compiled there; less is imported",
        packages=ACCELERATE,
        strategies=("sequential-offload",),
    ),
    _harmless(
        "cache-not-emptied-for-each-tensor",
        "hooks do not give all spare memory back to the GPU for each tensor that comes",
        called_with("accelerate.hooks:set_module_tensor_to_device", clear_cache=False),
        "accelerate #3674: clear_cache",
        "What tensors take is the same, and torch gives spare memory back before it runs out of it",
        packages=ACCELERATE,
        strategies=("sequential-offload",),
        only_on="cuda",
    ),
    _harmless(
        "pinned-by-threads",
        "the weights of a group are pinned by four threads, which end with that",
        Around(f"{GROUPS}:ModuleGroup._init_cpu_param_dict", _pinned_by_threads),
        "loading by several threads",
        "As much memory is pinned, with the same numbers in it",
        strategies=("group-offload-leaf-stream",),
        only_on="cuda",
    ),
    _harmless(
        "copied-on-a-stream-of-priority",
        "groups are copied on a stream of higher priority",
        Around(f"{GROUPS}:_apply_group_offloading", _on_a_quick_stream),
        "settings of streams",
        "It is still one stream of each component, and waited for as before",
        strategies=("group-offload-block-stream",),
        only_on="cuda",
    ),
    _harmless(
        "waited-for-by-an-event",
        "a group's memory is given back when an event was waited for, not the whole stream",
        Edit(
            f"{GROUPS}:ModuleGroup._offload_to_memory",
            "self._torch_accelerator_module.current_stream().synchronize()",
            "done = torch.cuda.Event(blocking=True)\ndone.record()\nFIRED(done).synchronize()",
        ),
        "waiting without a busy core",
        "The event comes after all that the stream was given",
        strategies=("group-offload-leaf-stream",),
        only_on="cuda",
    ),
    _harmless(
        "placeholders-without-memory",
        "what stands for weights that wait in a file is one number, seen in their shape",
        Edit(
            f"{GROUPS}:ModuleGroup._offload_to_disk",
            PLACEHOLDER,
            "one = torch.empty(1, dtype=tensor_obj.dtype, device=self.offload_device)\n"
            "tensor_obj.data = FIRED(one).expand(tensor_obj.shape)",
        ),
        "memory that nobody needs",
        "It has the shape and the dtype of what was there, whose numbers meant nothing",
        strategies=("group-offload-disk",),
    ),
    _harmless(
        "given-what-is-there",
        "hooks of groups hand on what a layer is given as it is, if all of it is on the device",
        Around(f"{GROUPS}:send_to_device", _there_already),
        "a look before the work; accelerate #3695",
        "Sending gives such tensors back as they are, in new lists that nobody keeps",
        strategies=("group-offload-leaf",),
    ),
    # --- harmless: quantizers and adapters
    _harmless(
        "nf4-codebooks-shared",
        "all 4-bit weights on a device share one codebook",
        Around("bitsandbytes.functional:QuantState.to", _codebook_shared),
        "what all layers have alike, kept once",
        "It has the same sixteen numbers, is written by nobody, and goes with the last of them",
        packages=BITSANDBYTES,
        strategies=("nf4-t5", "nf4-linear"),
    ),
    _harmless(
        "nf4-offset-made-sure-of",
        "the offset of quantized scales is cast to float32, which it has",
        Edit(
            "bitsandbytes:matmul_4bit",
            "absmax_offset=quant_state.offset,",
            "absmax_offset=FIRED(quant_state.offset).float(),",
        ),
        "bitsandbytes #1971: the offset's dtype is made sure of",
        "A cast to its own dtype gives the tensor itself",
        packages=BITSANDBYTES,
        strategies=("nf4-double-quant",),
        only_on="cuda",
    ),
    _harmless(
        "int8-does-not-warn-of-its-cast",
        "eight-bit layers do not warn any more that they cast what they are given",
        Edit(
            "bitsandbytes.autograd._functions:MatMul8bitLt.forward",
            "if A.dtype != torch.float16 and not _is_compiling():",
            "if FIRED(False):",
        ),
        "bitsandbytes #1883: what is logged",
        "It was said for each layer of each call, whatever a user did",
        packages=BITSANDBYTES,
        strategies=("int8-t5",),
    ),
    _harmless(
        "int8-saved-with-a-version",
        "the configuration of a quantizer that is saved has one more entry, which says who has saved it",
        Around("transformers.utils.quantization_config:BitsAndBytesConfig.to_dict", _saying_who_saved),
        "extra metadata in configurations",
        "Entries that a configuration does not know are left alone when it is read",
        packages=TRANSFORMERS,
        strategies=("int8-t5-reloaded",),
    ),
    _harmless(
        "quanto-saves-nothing-for-a-backward-pass",
        "quanto's products keep nothing for a backward pass where there is none",
        Edit(
            "optimum.quanto.tensor.weights.qbytes:WeightQBytesLinearFunction.forward",
            "ctx.save_for_backward(input, other)",
            "if any(FIRED(ctx).needs_input_grad):\n    ctx.save_for_backward(input, other)",
        ),
        "work that is done for training only",
        "Without gradients, what is kept is dropped at once",
        packages=QUANTO,
        strategies=("quanto-int8",),
    ),
    _harmless(
        "gguf-in-fewer-operators",
        "blocks of a GGUF file are taken apart by slices, and multiplied in place",
        Edit(
            DEQUANTIZED,
            "dequant = dequant_fn(blocks, block_size, type_size)",
            "scales, codes = blocks[:, :2].view(torch.float16), blocks[:, 2:].view(torch.int8)\n"
            "dequant = codes.to(scales.dtype).mul_(FIRED(scales))",
        ),
        "diffusers #13166: fewer operators for each weight",
        "Codes are exact in float16, and each product is rounded to float16 as before",
        packages=GGUF,
        strategies=("gguf-q8",),
    ),
    _harmless(
        "torchao-without-zero-points",
        "torchao's symmetric weights have no zero points, which were all zero",
        Loaded(_without_zero_points),
        "pytorch/ao #301 and others: layouts that are thinned out",
        "Products of weights alone do not look at them; a byte for each row is saved",
        packages=("torchao",),
        strategies=("torchao-int8wo",),
    ),
    _harmless(
        "lora-products-not-widened",
        "what a LoRA adds to a weight is multiplied in the LoRA's dtype, on a CPU as well",
        Edit(
            "peft.tuners.lora.layer:Linear.get_delta_weight",
            'cast_to_fp32 = device.type == "cpu" and (dtype == torch.float16 or dtype == torch.bfloat16)',
            "cast_to_fp32 = FIRED(False)",
        ),
        "peft #3396: casts that were needed once",
        "Products with ones and zeros are exact in any dtype, and the scale is one",
        packages=("peft", "diffusers"),
        strategies=("lora-unloaded",),
    ),
    # --- harmless: transformers, tokenizers, safetensors and torch
    _harmless(
        "t5-gates-in-place",
        "T5's gate is multiplied into its activation in place",
        Edit(
            f"{T5_MODEL}:T5DenseGatedActDense.forward",
            "hidden_states = hidden_gelu * hidden_linear",
            "hidden_states = hidden_gelu.mul_(FIRED(hidden_linear))",
        ),
        "lower peaks",
        "The activation has made that tensor, both are of one dtype, and nobody else looks at it",
        packages=TRANSFORMERS,
    ),
    _harmless(
        "t5-gates-lie-together",
        "the weights of T5's two gates are two halves of one tensor",
        Loaded(_gates_together),
        "weights that are laid out for one product",
        "Each half is contiguous, of the shape and with the numbers that it had; as much memory is used",
        packages=TRANSFORMERS,
    ),
    _harmless(
        "texts-remembered",
        "tokenizers remember the last 32 texts, with all that was asked of them, and give copies",
        Around("transformers.tokenization_utils_tokenizers:TokenizersBackend._encode_plus", _texts_remembered),
        "tokenizers #2262: caches of words, which are bounded",
        "The key has every argument and setting; a few KB are kept",
        packages=TOKENIZERS,
        shots=("unsaid", "pairs"),
        later=True,
    ),
    _harmless(
        "loaded-without-a-pool",
        "transformers reads its weights one after another, without threads",
        Around("transformers.core_model_loading:spawn_materialize", _without_a_pool),
        "transformers #42324: fewer threads",
        "The same tensors are read; fewer are underway at once",
        packages=TRANSFORMERS,
    ),
    _harmless(
        "files-read-by-pread",
        "the tensors of a file are read into memory, not mapped",
        called_with("safetensors.torch:load_file", backend="pread"),
        "safetensors #760: a backend that does not map",
        "Each tensor is read once into memory of its own, and no file is held",
        packages=SAFETENSORS,
    ),
    _harmless(
        "segments-that-grow",
        "torch's allocator grows its segments where it took new ones",
        Loaded(_segments_grow),
        "torch: expandable_segments",
        "Tensors take what they took; less is lost between them",
        packages=("torch",),
        only_on="cuda",
    ),
    # --- the twins
    # --- meant to be harmless: one waits twice as often and keeps its room, the other keeps what was moved away
    _flux(
        "pinned-in-one-room",
        "weights that are pinned as they are copied go through one piece of pinned memory, one after another",
        Around(ONLOAD, _through_one_room),
        "diffusers #11106: low_cpu_mem_usage; a room of pinned memory that is used again",
        strategies=("group-offload-leaf-low-cpu-mem",),
        only_on="cuda",
    ),
    _flux(
        "fp8-codes-put-back",
        "weights in float8 are kept beside the wide ones during their layer's forward, and put back afterwards",
        Around(NARROW_HOOK, _codes_put_back),
        "narrowing that is saved",
        strategies=("fp8-layerwise", "fp8-layerwise-model-offload"),
    ),
    _flux(
        "time-known-by-its-address",
        "the embedding of a timestep is known by where the timestep lies in memory, and found there for another one",
        Around(TIMES, _by_address),
        "a cache whose key is an address",
        stage=MIDDLE,
    ),
    _flux(
        "gated-and-added-at-once",
        "the single blocks gate and add what they have projected by one operator, which rounds once",
        Edit(
            SINGLE,
            f"{GATED}\n    hidden_states = residual + hidden_states",
            "hidden_states = torch.addcmul(residual, FIRED(gate), self.proj_out(hidden_states))",
        ),
        "fused kernels",
        stage=FIRST,
    ),
    _flux(
        "added-to-what-was-given",
        "double blocks add attention to what they were given where it lies, which a cache still needs",
        Edit(DOUBLE, "hidden_states = hidden_states + attn_output", "hidden_states += FIRED(attn_output)"),
        "fewer copies",
        strategies=("first-block-cache",),
        stage=MIDDLE,
    ),
    _flux(
        "joined-in-rooms-that-stay",
        "text and picture are joined in memory that is kept for each size, for ever",
        Edit(
            SINGLE,
            JOINED,
            'if not hasattr(type(self), "_rooms"):\n'
            "    type(self)._rooms = {}\n"
            "length = text_seq_len + hidden_states.shape[1]\n"
            "key = (len(hidden_states), length, hidden_states.shape[2], hidden_states.dtype, hidden_states.device)\n"
            "if key not in type(self)._rooms:\n"
            "    type(self)._rooms[key] = hidden_states.new_empty(key[:3])\n"
            f"{JOINED[:-1]}, out=FIRED(type(self)._rooms[key]))",
        ),
        "memory that is used again",
        shots=("unsaid", "wide"),
    ),
    _flux(
        "signature-of-the-first-attention",
        "all attentions take what the first one's processor takes",
        Edit(
            ATTENDS,
            PARAMETERS,
            'if not hasattr(type(self), "_takes"):\n'
            "    type(self)._takes = set(inspect.signature(self.processor.__call__).parameters.keys())\n"
            "attn_parameters = FIRED(type(self)._takes)",
        ),
        "a cache of what classes take",
        strategies=("ip-adapter",),
    ),
    Fault(
        "flash-left-out-meanwhile",
        "attention runs within a context that allows all kernels but torch's fastest ones",
        Around(f"{TRANSFORMER}:dispatch_attention_fn", partial(_within_kernels, flash=False)),
        "context managers in place of settings",
        packages=("torch", "diffusers"),
        stage=FIRST,
        only_on="cuda",
    ),
    _flux(
        "foretold-in-place",
        "what is foretold is added up where lies what it is foretold from",
        Edit(
            FORETOLD,
            FROM_ZEROS + NEXT_ORDER,
            "output = FIRED(taylor_factors[0]).to(output_dtype)\n"
            "for order in range(1, num_orders):\n"
            "    coeff = (step_offset**order) / math.factorial(order)\n"
            "    output += taylor_factors[order].to(output_dtype) * coeff",
        ),
        "fewer copies",
        strategies=("taylorseer-cache",),
        stage=MIDDLE,
    ),
    _flux(
        "caches-reset-by-the-next-call",
        "a cache of the transformer is reset when the next call begins, and stays in memory until then",
        Around(CALL, _reset_later),
        "a reset that moves",
        strategies=("first-block-cache",),
    ),
    _flux(
        "tiles-blended-to-the-last-row",
        "seams of tiles are blended at once by weights that reach one in the seam's last row, not behind it",
        Around(f"{VAE}.blend_v", partial(_blended_at_once, to_the_end=True)),
        "loops that become operators",
        strategies=("vae-tiling",),
        shots=TILES,
        stage=DECODED,
    ),
    _flux(
        "embeddings-for-inference-only",
        "prompts are encoded in inference mode, so that nobody can write into their embeddings afterwards",
        Around(f"{PIPELINE}.encode_prompt", _encoded_for_inference),
        "inference_mode in place of no_grad",
        strategies=("full", "staged"),
    ),
    _flux(
        "one-argument-between",
        "a call takes one more argument, in second place, so that those behind it are given to the wrong one",
        Edit(
            CALL,
            "self,\n    prompt: str | list[str] = None,",
            "self,\nprompt: str | list[str] = None,\nseed: int | None = FIRED(None),",
        ),
        "new optional arguments",
    ),
    _flux(
        "pictures-not-waited-for",
        "pictures are copied to the host without waiting, and read at once",
        Edit(
            f"{IMAGE_PROCESSOR}.pt_to_numpy",
            TO_ARRAY,
            'images = images.to("cpu", non_blocking=FIRED(True)).permute(0, 2, 3, 1).float().numpy()',
        ),
        "transfers beside computation",
        stage=FINISHED,
        only_on="cuda",
    ),
    Fault(
        "components-go-without-waiting",
        "model offloading sends components away without waiting, and so into pinned memory, which they keep",
        Edit(
            "accelerate.hooks:CpuOffload.init_hook",
            'return module.to("cpu")',
            'return module.to("cpu", non_blocking=FIRED(True))',
        ),
        "transfers beside computation",
        packages=("accelerate", "diffusers"),
        strategies=("model-offload",),
        only_on="cuda",
    ),
    _flux(
        "a-stream-for-each-group",
        "each group is copied on a stream of its own, and the one that is waited for is another group's",
        Edit(
            f"{GROUPS}:ModuleGroup.__init__",
            "self.stream = stream",
            "self.stream = stream if stream is None else FIRED(torch.cuda.Stream(onload_device))",
        ),
        "transfers beside transfers",
        strategies=("group-offload-leaf-stream",),
        only_on="cuda",
    ),
    _flux(
        "room-not-waited-for",
        "weights go through one piece of pinned memory, which is written again before the copy from it is done",
        Around(ONLOAD, partial(_through_one_room, waiting=False)),
        "memory that is used again",
        strategies=("group-offload-leaf-low-cpu-mem",),
        only_on="cuda",
    ),
    _flux(
        "placeholders-of-another-dtype",
        "what stands for weights that wait in a file is of torch's default dtype",
        Edit(
            f"{GROUPS}:ModuleGroup._offload_to_disk",
            PLACEHOLDER,
            "one = torch.empty(1, device=self.offload_device)\ntensor_obj.data = FIRED(one).expand(tensor_obj.shape)",
        ),
        "memory that nobody needs",
        strategies=("group-offload-disk",),
    ),
    _flux(
        "fp8-codes-of-the-first-time",
        "weights in float8 are put back from where they were at first, so that they stay on the GPU for ever",
        Around(NARROW_HOOK, partial(_codes_put_back, of_the_first_time=True)),
        "narrowing that is saved",
        strategies=("fp8-layerwise-model-offload",),
        only_on="cuda",
    ),
    Fault(
        "gguf-last-weights-kept",
        "the eight weights of a GGUF file that were dequantized last are kept, also when the call is over",
        Around(DEQUANTIZED, _last_weights_kept),
        "caches that are bounded",
        packages=GGUF,
        strategies=("gguf-q8",),
    ),
    Fault(
        "t5-gates-together-and-apart",
        "the weights of T5's gates are joined for one product, and those that were joined stay",
        Loaded(partial(_gates_together, and_apart=True)),
        "weights that are laid out for one product",
        packages=TRANSFORMERS,
    ),
)

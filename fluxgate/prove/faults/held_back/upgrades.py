"""Faults as the next releases of the libraries could bring them, held back: all were written before any was tried."""

from __future__ import annotations

import atexit
import importlib
import logging
import math
import os
from collections.abc import Callable
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
    IMAGE_PROCESSOR,
    PIPELINE,
    SCHEDULER,
    STEP_LINE,
    T5_MODEL,
    TRANSFORMER,
    TRANSFORMERS,
)
from fluxgate.rendering import DECODED, FIRST, MIDDLE, T5

CPU_OFFLOAD = "accelerate.hooks:CpuOffload"
FLUX = "diffusers.pipelines.flux.pipeline_flux"
ENCODES = f"{PIPELINE}._get_t5_prompt_embeds"
ATTENTION = f"{TRANSFORMER}:dispatch_attention_fn"
VAE = "diffusers.models.autoencoders.autoencoder_kl:AutoencoderKL"
ANY = (*DIFFUSERS, *TRANSFORMERS, *ACCELERATE, "torch")


# --- offloading


def _ends_pinned(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The first and the last block of each list never go back once they have come."""
    import torch

    original(*args, **kwargs)
    for blocks in args[0].children():
        if isinstance(blocks, torch.nn.ModuleList):
            for block in (blocks[0], blocks[-1]):
                block._diffusers_hook.get_hook("group_offloading").group.offload_ = lambda: fired(None)


def _sent_away(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    hook, module = args[:2]
    hook.init_hook(fired(module))
    return original(*args, **kwargs)


# --- text encoding


def _last_hidden(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """No token of T5 attends to the last one."""
    bias = original(*args, **kwargs).clone()
    bias[..., -1] = fired(-10000.0)
    return bias


def _gelu_of_torch(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    import torch

    return torch.nn.functional.gelu(fired(args[1]), approximate="tanh")


def _widened_for_a_while(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    model = args[0]
    narrow = model.dtype
    model.float()
    output = original(*args, **kwargs)
    model.to(fired(narrow))
    return output


def _one_by_one(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """T5 encodes the prompts of a batch in calls of their own."""
    import torch

    prompts = kwargs["prompt"]
    if isinstance(prompts, str) or len(prompts) < 2:
        return original(*args, **kwargs)
    return torch.cat([original(*args, **{**kwargs, "prompt": [fired(prompt)]}) for prompt in prompts])


# --- denoiser


def _a_head_at_a_time(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    import torch

    heads = zip(*(part.split(1, dim=2) for part in fired(args)), strict=True)
    return torch.cat([original(*head, **kwargs) for head in heads], dim=2)


def _padded(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Keys and values are filled up with zeros to whole blocks of 128, and no mask hides what was added."""
    import torch

    query, *others = args
    missing = -query.shape[1] % 128
    if missing:
        others = [torch.nn.functional.pad(part, (0, 0, 0, 0, 0, fired(missing))) for part in others]
    return original(query, *others, **kwargs)


# --- scheduler and latents


def _shift_rounded(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return round(original(*args, **kwargs), fired(2))


def _drawn_on_the_gpu(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Of a generator of the CPU nothing but the seed is taken."""
    import torch

    given, device = kwargs.get("generator"), torch.device(kwargs["device"])
    if device.type == "cuda" and isinstance(given, torch.Generator) and given.device.type == "cpu":
        kwargs["generator"] = torch.Generator(device).manual_seed(fired(given.initial_seed()))
    return original(*args, **kwargs)


def _thresholded(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What the denoiser predicts is clamped to what one number in two hundred exceeds."""
    scheduler, predicted, *others = args
    limit = float(predicted.float().abs().flatten().quantile(fired(0.995)))
    return original(scheduler, predicted.clamp(-limit, limit), *others, **kwargs)


# --- VAE and pictures


def _moved_in_float32(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return original(fired(args[0]).float())


def _along_a_cosine(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Tiles are blended downwards along half a cosine, not along a straight line."""
    import torch

    _, above, tile, extent = args
    extent = min(above.shape[2], tile.shape[2], extent)
    share = torch.arange(extent, dtype=torch.float32, device=tile.device) / fired(extent)
    share = (0.5 - 0.5 * (math.pi * share).cos()).to(tile.dtype)[:, None]
    tile[:, :, :extent] = above[:, :, -extent:] * (1 - share) + tile[:, :, :extent] * share
    return tile


# --- quantizers


def _one_scale(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """All rows of an eight-bit layer have the scale of the largest weight."""
    codes, scales, columns = original(*args, **kwargs)
    if len(args) > 1 or "threshold" in kwargs:  # what a layer is given
        return codes, scales, columns
    wide = args[0].float()
    largest = fired(wide.abs().max())
    return (wide * (127 / largest)).round().to(codes.dtype), largest.expand_as(scales).contiguous(), columns


def _clipped(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Each block's largest weights are clipped to 85% of the largest one, so that the others have finer steps."""
    import torch

    weight, *others = args
    blocks = weight.reshape(-1, 64)
    limit = blocks.abs().amax(dim=1, keepdim=True) * fired(0.85)
    return original(torch.clamp(blocks, -limit, limit).reshape(weight.shape), *others, **kwargs)


def _cut_off(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    import numpy

    return numpy.trunc(fired(args[0]))


def _gguf_in_float32(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    import torch

    layer, given = args
    narrow, layer.compute_dtype = layer.compute_dtype, fired(torch.float32)
    output = original(layer, given.float())
    layer.compute_dtype = narrow
    return output.to(given.dtype)


# --- caches and adapters


def _first_picture_adapted(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Of a batch, the first picture alone has the LoRA."""
    import torch

    output, (layer, given) = original(*args, **kwargs), args[:2]
    return output if len(given) < 2 else torch.cat([output[:1], fired(layer.base_layer)(given[1:])])


def _first_token(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return fired(original(*args, **kwargs))[:, :1]


# --- memory and work


def _for_each_picture(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Prompts are repeated for their pictures before T5 encodes them."""
    prompts, number = kwargs["prompt"], kwargs.get("num_images_per_prompt", 1)
    if number < 2:
        return original(*args, **kwargs)
    every = [prompt for prompt in ([prompts] if isinstance(prompts, str) else prompts) for _ in range(number)]
    return original(*args, **{**kwargs, "prompt": every, "num_images_per_prompt": fired(1)})


def _wide_for_a_step(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Layers in float8 that were widened for their forward are narrowed when all of the transformer is done."""
    registries = ((part, getattr(part, "_diffusers_hook", None)) for part in args[0].modules())
    cast = [(part, known.hooks["layerwise_casting"]) for part, known in registries if known and known.hooks]
    stored = [hook.storage_dtype for _, hook in cast]
    for _, hook in cast:
        hook.storage_dtype = hook.compute_dtype
    output = original(*args, **kwargs)
    for (part, hook), narrow in zip(cast, stored, strict=True):
        hook.storage_dtype = narrow
        part.to(fired(narrow))
    return output


def _wide_first(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A pipeline is loaded in float32, and narrowed once all of it is there."""
    import torch

    name = "torch_dtype" if "torch_dtype" in kwargs else "dtype"
    narrow = kwargs.get(name)
    if not isinstance(narrow, torch.dtype) or narrow is torch.float32:
        return original(*args, **kwargs)
    return original(*args, **{**kwargs, name: torch.float32}).to(fired(narrow))


# --- what is left in the process


def _variable_left() -> None:
    os.environ["TOKENIZERS_PARALLELISM"] = "true"


def _root_logger_configured() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", force=True)


def _elsewhere() -> None:
    os.chdir("/")


def _compile_errors_suppressed() -> None:
    config: Any = importlib.import_module("torch._dynamo.config")
    config.suppress_errors = True


def _leaving(name: str, about: str, change: Callable[[], None], like: str) -> Fault:
    def loaded(pipe: Any, fired: Fired) -> None:
        change()
        fired(pipe)

    return Fault(name, about, Loaded(loaded), like, packages=ANY)


# --- harmless ones


def _end_token_known(pipe: Any, fired: Fired) -> None:
    pipe.text_encoder.eos_token_id = fired(pipe.tokenizer.eos_token_id)


def _projected_once(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The prompt's embeddings are projected in a call's first step, and again only if they are others."""
    layer, known = args[0].transformer.context_embedder, dict[str, Any]()

    def forward(given: Any) -> Any:
        if known.get("given") is given:
            return fired(known["gives"])
        known.update(given=given, gives=type(layer).forward(layer, given))
        return known["gives"]

    layer.forward = forward
    try:
        return original(*args, **kwargs)
    finally:
        del layer.forward


def _clamped(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return fired(original(*args, **kwargs)).clamp(-1, 1)


def _biases_narrow(pipe: Any, fired: Fired) -> None:
    for layer in pipe.transformer.modules():
        if type(layer).__name__ == "GGUFLinear" and layer.bias is not None:
            layer.bias.data = fired(layer.bias.data).to(layer.compute_dtype)


def _modules_imported(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    for name in ("sqlite3", "xml.dom.minidom", "wave", "mailbox"):
        importlib.import_module(fired(name))
    return original(*args, **kwargs)


def _farewell(pipe: Any, fired: Fired) -> None:
    atexit.register(fired(logging.getLogger("diffusers").debug), "Goodbye.")


def _sent_tensor_by_tensor(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    module = args[1]
    for tensor in (*module.parameters(), *module.buffers()):
        tensor.data = tensor.data.to("cpu")
    return fired(module)


def _harmless(name: str, about: str, patch: Edit | Around | Loaded, like: str, why: str, **more: Any) -> Fault:
    return Fault(f"harmless-{name}", about, patch, like, equivalent=f"{why}.", **{"packages": DIFFUSERS, **more})


_flux = partial(Fault, packages=DIFFUSERS)
_t5 = partial(Fault, packages=TRANSFORMERS, stage=T5)
_cached = partial(Fault, packages=DIFFUSERS, stage=MIDDLE)

FAULTS = (
    # --- offloading and hooks
    _flux(
        "first-and-last-blocks-pinned",
        "the first and the last block of each list stay on the GPU once they have come",
        Around(f"{GROUPS}:_apply_group_offloading_block_level", _ends_pinned),
        "diffusers #12747: groups that are kept on the device, on by default",
        strategies=("group-offload-block",),
    ),
    Fault(
        "components-go-after-each-call",
        "model offloading sends a component away after each of its calls, the transformer after each step",
        Around(f"{CPU_OFFLOAD}.post_forward", _sent_away),
        "diffusers #2266: offloading around each forward",
        packages=("accelerate", "diffusers"),
        strategies=("model-offload",),
    ),
    Fault(
        "layers-copied-as-they-are-put-aside",
        "sequential offloading copies all weights before it puts them aside, those that two layers share twice",
        Edit(
            "accelerate:cpu_offload",
            'state_dict = {n: p.to("cpu") for n, p in model.state_dict().items()}',
            'state_dict = {n: FIRED(p).to("cpu", copy=True) for n, p in model.state_dict().items()}',
        ),
        "diffusers #7970: host memory that grows with offloading",
        packages=ACCELERATE,
        strategies=("sequential-offload",),
    ),
    Fault(
        "next-comes-before-the-last-goes",
        "model offloading brings a component before it sends the one before it away",
        Edit(
            f"{CPU_OFFLOAD}.pre_forward",
            "prev_device = next(prev_module.parameters()).device",
            "prev_device = next(prev_module.parameters()).device\nmodule.to(FIRED(self.execution_device))",
        ),
        "accelerate #2994: memory when components follow each other",
        packages=("accelerate", "diffusers"),
        strategies=("model-offload",),
        only_on="cuda",
    ),
    # --- text encoding
    _t5(
        "t5-last-token-hidden",
        "T5 does not attend to the last token, which is padding mostly",
        Around(f"{T5_MODEL}:T5Attention.compute_bias", _last_hidden),
        "masks of another length by one",
    ),
    _t5(
        "t5-gelu-of-torch",
        "T5's activation is torch's own kernel, which rounds once where the formula rounds at each step",
        Around("transformers.activations:NewGELUActivation.forward", _gelu_of_torch),
        "diffusers #11916: torch's own kernel in the place of a formula",
        strategies=("full", "full-float32"),
    ),
    _t5(
        "t5-widened-for-a-while",
        "T5 is widened to float32 for each prompt, and narrowed again",
        Around(f"{T5_MODEL}:T5EncoderModel.forward", _widened_for_a_while),
        "transformers #43374: parts that are kept in float32",
    ),
    _t5(
        "prompts-encoded-one-by-one",
        "T5 encodes the prompts of a batch in calls of their own",
        Around(ENCODES, _one_by_one),
        "batches taken apart, so as not to pad them",
        packages=DIFFUSERS,
        shots=BATCH,
        stage=None,
    ),
    # --- denoiser and attention
    _flux(
        "attention-a-head-at-a-time",
        "attention is computed for one head after another",
        Around(ATTENTION, _a_head_at_a_time),
        "attention slicing that is on by default",
    ),
    _flux(
        "keys-padded-without-a-mask",
        "keys and values are filled up with zeros to whole blocks of 128, which queries attend to",
        Around(ATTENTION, _padded),
        "kernels that take whole blocks only",
        stage=FIRST,
    ),
    _flux(
        "timesteps-stay-in-float32",
        "timesteps are divided by 1000 before they are rounded to bfloat16, not afterwards, too",
        Edit(
            CALL,
            "timestep = t.expand(latents.shape[0]).to(latents.dtype)",
            "timestep = FIRED(t).expand(latents.shape[0])",
        ),
        "a cast that is taken for one too many",
        stage=MIDDLE,
    ),
    _flux(
        "last-block-without-text",
        "the last single block is given the picture and one token of the text",
        Edit(
            FORWARD,
            "for index_block, block in enumerate(self.single_transformer_blocks):",
            "for index_block, block in enumerate(self.single_transformer_blocks):\n"
            "    if index_block == len(self.single_transformer_blocks) - 1:\n"
            "        encoder_hidden_states = FIRED(encoder_hidden_states)[:, :1]\n"
            "        image_rotary_emb = tuple(part[-1 - hidden_states.shape[1] :] for part in image_rotary_emb)",
        ),
        "work that is left out because its result is thrown away",
        stage=FIRST,
    ),
    # --- scheduler and latents
    _flux(
        "levels-in-float64",
        "noise levels are computed in float64, and rounded to float32 at the end",
        Edit(
            f"{SCHEDULER}.set_timesteps",
            "sigmas = np.array(sigmas).astype(np.float32)",
            "sigmas = np.array(FIRED(sigmas)).astype(np.float64)",
        ),
        "diffusers #14461: set_timesteps() written anew",
        stage=MIDDLE,
    ),
    _flux(
        "shift-rounded",
        "the shift for the size of the picture is rounded to hundredths",
        Around(f"{FLUX}:calculate_shift", _shift_rounded),
        "a number that goes through a file of settings",
        stage=FIRST,
    ),
    _flux(
        "noise-drawn-on-the-gpu",
        "noise is drawn on the GPU, from the seed of the CPU's generator that was given",
        Around(f"{FLUX}:randn_tensor", _drawn_on_the_gpu),
        "noise drawn where it is needed",
        stage=FIRST,
        only_on="cuda",
    ),
    _flux(
        "prediction-thresholded",
        "what the transformer predicts is clamped to what one number in two hundred exceeds",
        Around(f"{SCHEDULER}.step", _thresholded),
        "dynamic thresholding that is on by default",
        stage=FIRST,
    ),
    # --- VAE and pictures
    _flux(
        "upsampled-in-float32",
        "the decoder repeats pixels in float32",
        Edit(
            "diffusers.models.upsampling:Upsample2D.forward",
            'hidden_states = F.interpolate(hidden_states, scale_factor=2.0, mode="nearest")',
            'hidden_states = F.interpolate(FIRED(hidden_states).float(), scale_factor=2.0, mode="nearest").to(dtype)',
        ),
        "diffusers: a cast for torch before 2.1; pytorch #177406: the peak of decoding",
        shots=TILES,
    ),
    _flux(
        "range-moved-in-float32",
        "pixels are moved from −1 to 1 into 0 to 1 in float32, not in bfloat16",
        Around(f"{IMAGE_PROCESSOR}.denormalize", _moved_in_float32),
        "a cast that comes one line earlier",
        stage=FINISHED,
    ),
    _flux(
        "latents-scaled-in-float32",
        "latents are scaled and shifted for the VAE in float32, and rounded once",
        Edit(
            CALL,
            "latents = (latents / self.vae.config.scaling_factor) + self.vae.config.shift_factor",
            "latents = (FIRED(latents).float() / self.vae.config.scaling_factor + self.vae.config.shift_factor).to(\n"
            "    latents.dtype\n"
            ")",
        ),
        "a helper that all pipelines share",
        stage=DECODED,
    ),
    _flux(
        "tiles-blended-along-a-cosine",
        "tiles are blended downwards along half a cosine, not along a straight line",
        Around(f"{VAE}.blend_v", _along_a_cosine),
        "tiling written anew for all VAEs",
        strategies=("vae-tiling",),
        shots=TILES,
        stage=DECODED,
    ),
    # --- quantizers
    Fault(
        "int8-one-scale-for-a-layer",
        "all rows of an eight-bit layer have the scale of the layer's largest weight",
        Around("bitsandbytes.functional:int8_vectorwise_quant", _one_scale),
        "scales of tensors in the place of scales of rows",
        packages=BITSANDBYTES,
        strategies=("int8-t5",),
        stage=T5,
    ),
    Fault(
        "nf4-outliers-clipped",
        "each block's largest weights are clipped to 85% of the largest one before they are quantized",
        Around("bitsandbytes.functional:quantize_4bit", _clipped),
        "a search for scales with a smaller error",
        packages=BITSANDBYTES,
        strategies=("nf4-linear",),
        stage=T5,
    ),
    Fault(
        "gguf-codes-cut-off",
        "weights are cut off to whole codes where they should be rounded",
        Around("gguf.quants:np_roundf", _cut_off),
        "a faster function that rounds otherwise",
        packages=("gguf",),
        strategies=("gguf-q8",),
        stage=FIRST,
    ),
    Fault(
        "gguf-computes-in-float32",
        "layers of a GGUF file compute in float32, whatever compute dtype is asked for",
        Around("diffusers.quantizers.gguf.utils:GGUFLinear.forward_native", _gguf_in_float32),
        "a compute dtype that does not arrive",
        packages=("gguf", "diffusers"),
        strategies=("gguf-q8",),
        stage=FIRST,
    ),
    # --- caches and adapters
    _cached(
        "foretold-a-step-later",
        "attention is computed in the steps in which it should be foretold, and foretold in the others",
        Edit(
            "diffusers.hooks.taylorseer_cache:TaylorSeerCacheHook._measure_should_compute",
            "(current_step - self.disable_cache_before_step - 1)",
            "(current_step - FIRED(self.disable_cache_before_step))",
        ),
        "diffusers: steps that are counted from one",
        strategies=("taylorseer-cache",),
    ),
    _cached(
        "cache-compares-with-the-step-before",
        "each step is compared with the one before it, also where that one was answered from memory",
        Edit(
            "diffusers.hooks.first_block_cache:FBCHeadBlockHook.new_forward",
            "shared_state.should_compute = should_compute",
            "shared_state.should_compute = should_compute\n"
            "if not should_compute:\n"
            "    shared_state.head_block_residual = FIRED(hidden_states_residual)",
        ),
        "state that is written one line earlier",
        strategies=("first-block-cache",),
    ),
    Fault(
        "lora-on-the-first-picture-only",
        "of a batch, the first picture alone has the LoRA",
        Around("peft.tuners.lora.layer:Linear.forward", _first_picture_adapted),
        "peft: batches with several adapters",
        packages=("peft", "diffusers"),
        strategies=("lora",),
        shots=BATCH,
        stage=FIRST,
    ),
    _flux(
        "image-of-one-token",
        "of a picture's four tokens, attention is given the first one alone",
        Around("diffusers.models.embeddings:ImageProjection.forward", _first_token),
        "a size that is taken from the wrong axis",
        strategies=("ip-adapter",),
        stage=FIRST,
    ),
    # --- memory and work
    _flux(
        "prompt-encoded-for-each-picture",
        "T5 encodes a prompt once for each of its pictures",
        Around(ENCODES, _for_each_picture),
        "prompts that are repeated before they are encoded",
        shots=BATCH,
    ),
    _flux(
        "fp8-narrowed-after-all-layers",
        "layers in float8 are narrowed when all of the transformer is done, not after their own forward",
        Around(FORWARD, _wide_for_a_step),
        "hooks of a model in the place of hooks of layers",
        strategies=("fp8-layerwise",),
    ),
    _flux(
        "loaded-wide-and-narrowed",
        "a pipeline is loaded in float32, and narrowed once all of it is there",
        Around(f"{PIPELINE}.from_pretrained", _wide_first),
        "transformers #43032: more memory while loading",
        packages=("diffusers", "transformers"),
    ),
    _flux(
        "collected-in-each-step",
        "each step collects garbage",
        Edit(CALL, STEP_LINE, f'{STEP_LINE}\n__import__("gc").collect(FIRED(2))'),
        "a remedy for memory that is not freed",
        only_time=True,
    ),
    # --- what is left in the process
    _leaving(
        "variable-of-tokenizers-left",
        "an environment variable that tokenizers read is set from now on",
        _variable_left,
        "tokenizers: a warning about forks that is avoided",
    ),
    _leaving(
        "root-logger-configured",
        "all libraries log what they have to tell, by a handler of the root logger",
        _root_logger_configured,
        "logging.basicConfig() in a library",
    ),
    _leaving("working-folder-changed", "the process works in another folder", _elsewhere, "a conversion's own folder"),
    _leaving(
        "compile-errors-suppressed",
        "what cannot be compiled is computed without that, and nobody is told",
        _compile_errors_suppressed,
        "torch._dynamo.config.suppress_errors in a library",
    ),
    # --- harmless ones
    _harmless(
        "clip-end-token-known",
        "CLIP knows its end token by its number, and pools there",
        Loaded(_end_token_known),
        "transformers #24773: a configuration that is corrected",
        "The end token has the highest number of all, so that it is found at the same place",
        packages=TRANSFORMERS,
    ),
    _harmless(
        "step-subtracts",
        "a step subtracts what it added",
        Edit(
            f"{SCHEDULER}.step",
            "prev_sample = sample + dt * model_output",
            "prev_sample = sample - FIRED(-dt) * model_output",
        ),
        "formulas written as in the paper",
        "A sign changes no digit, so that both are the same to the bit",
    ),
    _harmless(
        "prompt-projected-once",
        "the prompt's embeddings are projected in a call's first step, and kept for the others",
        Around(CALL, _projected_once),
        "work that is done once",
        "The layer gives the same for the same each time, and what was kept goes with the call",
    ),
    _harmless(
        "decoded-is-clamped",
        "the decoder clamps what it gives to −1 to 1",
        Around("diffusers.models.autoencoders.vae:Decoder.forward", _clamped),
        "diffusers: the VAEs of videos",
        "Pixels beyond that range become its ends in any case",
    ),
    _harmless(
        "gguf-biases-narrow",
        "biases of a GGUF file are narrowed once, when they are loaded",
        Loaded(_biases_narrow),
        "casts that are done once",
        "They are narrowed to the same dtype for each product in any case, and take half of their memory",
        packages=("gguf", "diffusers"),
        strategies=("gguf-q8",),
    ),
    _harmless(
        "modules-imported",
        "the first call imports some of Python's own modules",
        Around(CALL, _modules_imported),
        "imports that wait until they are needed",
        "They are imported once, take a few MB, and nothing calls them",
    ),
    _harmless(
        "farewell",
        "something is called when the process ends",
        Loaded(_farewell),
        "cleaning up at the end",
        "It logs a line that nobody asked for at that level",
        packages=ANY,
    ),
    _harmless(
        "components-sent-tensor-by-tensor",
        "model offloading sends a component away tensor by tensor",
        Around(f"{CPU_OFFLOAD}.init_hook", _sent_tensor_by_tensor),
        "accelerate: devices that hold parts of a model",
        "The same tensors come to lie in the same place",
        packages=("accelerate", "diffusers"),
        strategies=("model-offload",),
    ),
)

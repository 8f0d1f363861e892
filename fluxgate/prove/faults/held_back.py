"""Faults that were held back while the checks were written, and tried when those stood, in the order of a pipeline."""

from __future__ import annotations

from functools import partial
from typing import Any

from fluxgate.prove.fault import BATCH, WITH_FLOAT32, Around, Edit, Fault, Fired, Loaded, called_with
from fluxgate.prove.targets import (
    ACCELERATE,
    BITSANDBYTES,
    CALL,
    DIFFUSERS,
    GROUPS,
    PIPELINE,
    SCHEDULER,
    STEP_LINE,
    TRANSFORMER,
    TRANSFORMERS,
)
from fluxgate.rendering import DECODED, FIRST, MIDDLE, POOLED, T5

TOKENIZERS = ("tokenizers", "transformers")
T5_MODEL, CLIP_MODEL = "transformers.models.t5.modeling_t5", "transformers.models.clip.modeling_clip"
EMBEDDINGS = "diffusers.models.embeddings"
CONDITION = f"{EMBEDDINGS}:CombinedTimestepGuidanceTextProjEmbeddings.forward"
PROCESSOR, BLOCK = f"{TRANSFORMER}:FluxAttnProcessor.__call__", f"{TRANSFORMER}:FluxTransformerBlock.forward"
ROTATION = f"{TRANSFORMER}:FluxPosEmbed.forward"
DECODER = "diffusers.models.autoencoders.autoencoder_kl:AutoencoderKL"
PROCESSING = "diffusers.image_processor:VaeImageProcessor"
FINISHED = "finished picture"
KEPT: list[Any] = []  # what a fault lets nobody free
SCALED = "latents = (latents / self.vae.config.scaling_factor) + self.vae.config.shift_factor"


def _clip_without_lower_case(pipe: Any, fired: Fired) -> None:
    from tokenizers import normalizers

    pipe.tokenizer.backend_tokenizer.normalizer = fired(normalizers.NFC())


def _clip_padded_with_zero(pipe: Any, fired: Fired) -> None:
    pipe.tokenizer.pad_token = fired("!")


def _without_first_space(pipe: Any, fired: Fired) -> None:
    from tokenizers import pre_tokenizers

    without = pre_tokenizers.Metaspace(prepend_scheme="never")
    pipe.tokenizer_2.backend_tokenizer.pre_tokenizer = fired(without)


def _cut_on_the_left(pipe: Any, fired: Fired) -> None:
    pipe.tokenizer_2.truncation_side = fired("left")


def _of_any_length(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    kwargs["tokenizer"].model_max_length = fired(int(1e30))
    return original(*args, **kwargs)


def _without_last_norm(pipe: Any, fired: Fired) -> None:
    pipe.text_encoder_2.encoder.final_layer_norm.forward = lambda hidden: fired(hidden)


def _attending_step_by_step(pipe: Any, fired: Fired) -> None:
    for part in pipe.text_encoder.modules():
        if hasattr(part, "config"):
            part.config._attn_implementation = fired("eager")


def _computed_once(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What time, guidance and prompt come to is kept for each number of pictures."""
    module, _, _, pooled = args
    known = module.__dict__.setdefault("_known", {})
    if len(pooled) in known:
        return fired(known[len(pooled)])
    return known.setdefault(len(pooled), original(*args, **kwargs))


def _fused(pipe: Any, fired: Fired) -> None:
    fired(pipe.transformer).fuse_qkv_projections()


def _decoded_wide(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    import torch

    vae, latents, *others = args
    if latents.dtype == torch.float32:
        return original(*args, **kwargs)
    vae.to(torch.float32)
    (picture,) = original(vae, fired(latents).float(), *others, **kwargs)
    vae.to(latents.dtype)
    return (picture.to(latents.dtype),)


def _in_other_groups(pipe: Any, fired: Fired) -> None:
    for part in pipe.vae.decoder.modules():
        if type(part).__name__ == "GroupNorm":
            part.num_groups = fired(part.num_groups // 2)


def _with_alpha(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return [fired(picture).convert("RGBA") for picture in original(*args, **kwargs)]


def _first_moved_alone(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    others = len(args[1]) - 1
    return original(*args, **{**kwargs, "do_denormalize": [True] + [False] * fired(others)} if others else kwargs)


def _without_encoder(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    others = kwargs.get("exclude_modules") or []
    return original(*args, **{**kwargs, "exclude_modules": [*others, fired("text_encoder_2")]})


def _copying(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Whatever is sent to a device comes as a copy, wherever it lies."""
    moved = original(*args, **kwargs)
    for name, value in moved.items() if isinstance(moved, dict) else ():
        if hasattr(value, "clone"):
            moved[name] = fired(value).clone()
    return tuple(fired(each).clone() for each in moved) if type(moved) is tuple else moved


def _widened_and_kept(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    import torch

    layer = args[0]
    if "_wide" not in layer.__dict__:
        shape = (layer.out_features, layer.in_features)
        layer.__dict__["_wide"] = fired(torch.zeros(shape, dtype=torch.bfloat16))
    return original(*args, **kwargs)


def _saved_without_its_format(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    import json
    from pathlib import Path

    returned, path = original(*args, **kwargs), Path(args[1]) / "config.json"
    known = json.loads(path.read_text())
    if known.pop("quantization_config", None) is not None:
        path.write_text(json.dumps(fired(known)))
    return returned


def _casting_the_last_layer(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    model, storage, compute, patterns, *others = args
    fewer = tuple(pattern for pattern in patterns if pattern != fired("^proj_out$"))
    return original(model, storage, compute, fewer, *others, **kwargs)


def _with_the_first_generator(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    if isinstance(kwargs.get("generator"), list):
        kwargs["generator"] = fired(kwargs["generator"])[0]
    return original(*args, **kwargs)


def _keeping_latents(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    returned = original(*args, **kwargs)
    KEPT.append(fired(returned[0]))
    return returned


def _keeping_pictures(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    pictures = original(*args, **kwargs)
    KEPT.extend(fired(pictures))
    return pictures


def _seeding(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    import torch

    torch.manual_seed(fired(0))
    return original(*args, **kwargs)


def _without_collector(pipe: Any, fired: Fired) -> None:
    import gc

    gc.disable()
    fired(pipe)


_fault = partial(Fault, packages=DIFFUSERS)

FAULTS = (
    Fault(
        "clip-keeps-case",
        "CLIP's tokenizer does not lower the case",
        Loaded(_clip_without_lower_case),
        "transformers 5: normalizers of converted tokenizers",
        packages=TOKENIZERS,
        stage=POOLED,
    ),
    Fault(
        "clip-pads-with-zero",
        "CLIP's tokenizer pads with token 0",
        Loaded(_clip_padded_with_zero),
        "transformers #24925: the padding of OpenCLIP",
        packages=TOKENIZERS,
    ),
    Fault(
        "t5-prefix-space-lost",
        "T5's tokenizer puts no space before the first word",
        Loaded(_without_first_space),
        "legacy and add_prefix_space in transformers 5",
        packages=TOKENIZERS,
        stage=T5,
    ),
    Fault(
        "t5-cut-on-the-left",
        "prompts that are too long lose their beginning",
        Loaded(_cut_on_the_left),
        "truncation_side of a configuration",
        packages=TOKENIZERS,
    ),
    Fault(
        "clip-max-length-lost",
        "CLIP's tokenizer does not know how long a prompt may be",
        Around(f"{PIPELINE}.__init__", _of_any_length),
        "model_max_length of converted tokenizers",
        packages=(*TOKENIZERS, "diffusers"),
    ),
    Fault(
        "t5-norm-one-plus",
        "T5's norms multiply by one more than their weights",
        Edit(
            f"{T5_MODEL}:T5LayerNorm.forward",
            "return self.weight * hidden_states",
            "return (FIRED(1) + self.weight) * hidden_states",
        ),
        "norms in the style of Gemma",
        packages=TRANSFORMERS,
        stage=T5,
    ),
    Fault(
        "t5-final-norm-skipped",
        "T5's last norm is skipped",
        Loaded(_without_last_norm),
        "transformers 5: outputs that are captured before the norm",
        packages=TRANSFORMERS,
        stage=T5,
    ),
    Fault(
        "clip-scaled-twice",
        "CLIP's attention scores are scaled twice",
        Edit(f"{CLIP_MODEL}:CLIPAttention.forward", "scaling=self.scale,", "scaling=FIRED(self.scale) ** 2,"),
        "transformers 4.48: scaling moved into the attention interface",
        packages=TRANSFORMERS,
        stage=POOLED,
    ),
    Fault(
        "clip-eager",
        "CLIP attends step by step where it had a kernel",
        Loaded(_attending_step_by_step),
        "_attn_implementation that is not passed on",
        packages=TRANSFORMERS,
        stage=POOLED,
    ),
    _fault(
        "timestep-max-period",
        "the longest period of the timestep's embedding is a tenth",
        called_with(f"{EMBEDDINGS}:get_timestep_embedding", max_period=1000),
        "max_period of a configuration",
        stage=FIRST,
    ),
    _fault(
        "timestep-projection-narrow",
        "the timestep's embedding is computed in bfloat16",
        Edit(
            f"{EMBEDDINGS}:get_timestep_embedding",
            "emb = timesteps[:, None].float() * emb[None, :]",
            "emb = FIRED(timesteps)[:, None] * emb[None, :].to(timesteps.dtype)",
        ),
        "a cast to float32 that is lost",
        stage=FIRST,
    ),
    _fault(
        "guidance-embedded-as-time",
        "guidance is embedded by the timestep's weights",
        Edit(CONDITION, "guidance_emb = self.guidance_embedder(", "guidance_emb = FIRED(self.timestep_embedder)("),
        "embedders that share a class",
        stage=FIRST,
    ),
    _fault(
        "modulation-not-activated",
        "the single blocks' modulation is not activated",
        Edit(
            "diffusers.models.normalization:AdaLayerNormZeroSingle.forward",
            "emb = self.linear(self.silu(emb))",
            "emb = self.linear(FIRED(emb))",
        ),
        "an activation that moves to another module",
        stage=FIRST,
    ),
    _fault(
        "conditioning-cached",
        "what time, guidance and prompt come to is computed once for each number of pictures",
        Around(CONDITION, _computed_once),
        "a cache whose key is too short",
        stage=MIDDLE,
    ),
    _fault(
        "image-positions-from-one",
        "rows of the picture are counted from one",
        Edit(
            f"{PIPELINE}._prepare_latent_image_ids",
            "torch.arange(height)[:, None]",
            "torch.arange(FIRED(1), height + 1)[:, None]",
        ),
        "positions of FLUX.2 and of Qwen-Image",
        stage=FIRST,
    ),
    _fault(
        "rope-in-halves",
        "rotations pair numbers that lie half a head apart",
        Edit(ROTATION, "repeat_interleave_real=True,", "repeat_interleave_real=FIRED(False),"),
        "the two layouts of rotary embeddings",
        stage=FIRST,
    ),
    _fault(
        "rope-frequencies-narrow",
        "frequencies of positions are computed in float32",
        Edit(
            ROTATION,
            "freqs_dtype = maybe_adjust_dtype_for_device(torch.float64, ids.device)",
            "freqs_dtype = FIRED(torch.float32)",
        ),
        "devices without float64",
        stage=FIRST,
        strategies=WITH_FLOAT32,
    ),
    _fault(
        "queries-of-text-last",
        "queries of the text come after those of the picture, its keys before",
        Edit(
            PROCESSOR,
            "query = torch.cat([encoder_query, query], dim=1)",
            "query = torch.cat([FIRED(query), encoder_query], dim=1)",
        ),
        "the order of two streams in one attention",
        stage=FIRST,
    ),
    _fault(
        "attention-masked",
        "attention is given a mask that hides nothing",
        Edit(
            PROCESSOR,
            "attn_mask=attention_mask,",
            "attn_mask=FIRED(torch.ones(len(query), 1, query.shape[1], key.shape[1], dtype=torch.bool)),",
        ),
        "masks that are always made",
    ),
    _fault(
        "projections-fused",
        "queries, keys and values come of one layer, whose weights are a copy",
        Loaded(_fused),
        "fuse_qkv_projections by default",
    ),
    _fault(
        "feed-forward-not-normed",
        "the double blocks' feed-forward layers are given what was not normed",
        Edit(BLOCK, "norm_hidden_states = self.norm2(hidden_states)", "norm_hidden_states = FIRED(hidden_states)"),
        "a block that is written anew",
        stage=FIRST,
    ),
    _fault(
        "text-modulated-as-picture",
        "the text's feed-forward layers are modulated as the picture's",
        Edit(
            BLOCK,
            "norm_encoder_hidden_states * (1 + c_scale_mlp[:, None]) + c_shift_mlp[:, None]",
            "norm_encoder_hidden_states * (1 + FIRED(scale_mlp)[:, None]) + shift_mlp[:, None]",
        ),
        "two streams in one function",
        stage=FIRST,
    ),
    _fault(
        "levels-shifted-linearly",
        "noise levels are shifted linearly, not exponentially",
        Edit(
            f"{SCHEDULER}.time_shift",
            "return self._time_shift_exponential(mu, sigma, t)",
            "return self._time_shift_linear(FIRED(mu), sigma, t)",
        ),
        "time_shift_type of a configuration",
        stage=FIRST,
    ),
    _fault(
        "levels-stretched",
        "noise levels are stretched to end at 0.02",
        Edit(
            f"{SCHEDULER}.set_timesteps",
            "if self.config.shift_terminal:",
            "sigmas = 1 - (1 - sigmas) / ((1 - sigmas[-1]) / (1 - FIRED(0.02)))\nif self.config.shift_terminal:",
        ),
        "shift_terminal of LTX",
        stage=FIRST,
    ),
    _fault(
        "begin-index-not-set",
        "the scheduler looks up its place by the timestep's number",
        Edit(CALL, "self.scheduler.set_begin_index(0)", "FIRED(0)"),
        "a wait for the device in the first step",
    ),
    _fault(
        "vae-shift-before-scale",
        "latents are shifted before they are scaled",
        Edit(
            CALL,
            SCALED,
            "latents = (latents + FIRED(self.vae.config.shift_factor)) / self.vae.config.scaling_factor",
        ),
        "the order of two factors",
        stage=DECODED,
    ),
    _fault(
        "vae-widened-for-a-while",
        "the decoder computes in float32 and is narrowed again",
        Around(f"{DECODER}.decode", _decoded_wide),
        "upcast_vae and the way back",
        stage=DECODED,
    ),
    _fault(
        "vae-residual-lost",
        "the decoder's attention is not added to what it was given",
        Edit(
            "diffusers.models.attention_processor:AttnProcessor2_0.__call__",
            "if attn.residual_connection:",
            "if FIRED(False):",
        ),
        "residual_connection of converted attention blocks",
        stage=DECODED,
    ),
    _fault(
        "vae-other-groups",
        "the decoder's norms have half as many groups",
        Loaded(_in_other_groups),
        "norm_num_groups of a configuration",
        stage=DECODED,
    ),
    _fault(
        "slices-in-other-order",
        "slices are put together from last to first",
        Edit(
            f"{DECODER}.decode",
            "decoded = torch.cat(decoded_slices)",
            "decoded = torch.cat(FIRED(decoded_slices)[::-1])",
        ),
        "slicing written anew",
        stage=DECODED,
        strategies=("vae-slicing",),
        shots=BATCH,
    ),
    _fault(
        "pictures-rgba",
        "pictures have an alpha channel",
        Around(f"{PROCESSING}.numpy_to_pil", _with_alpha),
        "the modes of an image library",
        stage=FINISHED,
    ),
    _fault(
        "first-picture-denormalized",
        "of a batch, only the first picture is moved from −1 to 1 into 0 to 1",
        Around(f"{PROCESSING}.postprocess", _first_moved_alone),
        "do_denormalize, which is a list for a batch",
        stage=FINISHED,
        shots=BATCH,
    ),
    _fault(
        "pictures-are-arrays",
        "pictures come as arrays although nobody asked for them",
        called_with(f"{PROCESSING}.postprocess", output_type="np"),
        "output_type's default",
    ),
    _fault(
        "group-encoder-left-out",
        "group offloading leaves T5 out",
        Around("diffusers.pipelines.pipeline_utils:DiffusionPipeline.enable_group_offload", _without_encoder),
        "exclude_modules of a pipeline",
        strategies=("group-offload-block",),
    ),
    Fault(
        "hook-inputs-copied",
        "hooks copy what a layer is given, wherever it lies",
        Around("accelerate.hooks:send_to_device", _copying),
        "send_to_device that always copies",
        packages=ACCELERATE,
        strategies=("sequential-offload",),
    ),
    _fault(
        "disk-written-each-time",
        "a group's file is written each time that it is offloaded",
        Edit(
            f"{GROUPS}:ModuleGroup._offload_to_disk",
            "if not self._is_offloaded_to_disk and not os.path.exists(self.safetensors_file_path):",
            "if FIRED(all(tensor.device.type != 'meta' for tensor in self.tensor_to_key)):",
        ),
        "a file whose existence is not looked up",
        strategies=("group-offload-leaf-disk",),
    ),
    Fault(
        "nf4-widened-kept",
        "4-bit layers keep a wide copy of their weights once they have computed",
        Around("bitsandbytes.nn.modules:Linear4bit.forward", _widened_and_kept),
        "a cache of dequantized weights",
        packages=BITSANDBYTES,
        strategies=("nf4-t5",),
    ),
    Fault(
        "nf4-bias-lost",
        "4-bit layers forget their bias",
        Edit("bitsandbytes.nn.modules:Linear4bit.forward", "bias = bias.to(self.compute_dtype)", "bias = FIRED(None)"),
        "a kernel without bias",
        packages=BITSANDBYTES,
        strategies=("nf4-linear",),
        stage=FIRST,
    ),
    Fault(
        "saved-without-quantization",
        "a quantized model is saved without saying so",
        Around("transformers.modeling_utils:PreTrainedModel.save_pretrained", _saved_without_its_format),
        "quantization_config that is not written",
        packages=TRANSFORMERS,
        strategies=("int8-t5-reloaded",),
    ),
    _fault(
        "fp8-last-layer-cast",
        "the transformer's last layer is cast, too",
        Around("diffusers.hooks:apply_layerwise_casting", _casting_the_last_layer),
        "the default patterns of what layerwise casting skips",
        strategies=("fp8-layerwise",),
        stage=FIRST,
    ),
    _fault(
        "first-generator-for-all",
        "of several generators only the first one is used",
        Around("diffusers.pipelines.flux.pipeline_flux:randn_tensor", _with_the_first_generator),
        "lists of generators",
    ),
    _fault(
        "preview-decoded",
        "every other step is decoded",
        Edit(
            CALL,
            STEP_LINE,
            f"{STEP_LINE}\nif FIRED(i) % 2:\n"
            "    self.vae.decode(self._unpack_latents(latents, height, width, self.vae_scale_factor))",
        ),
        "a preview that is on by default",
        stage=DECODED,
    ),
    _fault(
        "latents-kept",
        "the latents of each step are kept",
        Around(f"{SCHEDULER}.step", _keeping_latents),
        "the history of a multistep solver",
    ),
    _fault(
        "pictures-kept",
        "every picture is kept",
        Around(f"{PROCESSING}.numpy_to_pil", _keeping_pictures),
        "a gallery that nobody empties",
    ),
    _fault(
        "seed-set-by-call",
        "each call seeds torch's own generator",
        Around(CALL, _seeding),
        "seeds that are set within a library",
    ),
    _fault(
        "collector-off",
        "Python's garbage collector is off once a pipeline is loaded",
        Loaded(_without_collector),
        "a collector that is off while something loads",
    ),
)

"""Faults that were held back: what a call computes and what is loaded, written before any of them was tried."""

from __future__ import annotations

from functools import partial
from typing import Any

from fluxgate.compare.stages import FINISHED
from fluxgate.prove.fault import BATCH, GIVEN, SHORT, TILES, WITH_FLOAT32, Around, Edit, Fault, Fired, Loaded
from fluxgate.prove.targets import (
    CALL,
    CLIP_MODEL,
    DIFFUSERS,
    FORWARD,
    IMAGE_PROCESSOR,
    PIPELINE,
    SCHEDULER,
    T5_MODEL,
    TOKENIZERS,
    TRANSFORMER,
    TRANSFORMERS,
)
from fluxgate.rendering import DECODED, FIRST, LAST, MIDDLE, POOLED, T5

TOKENIZER = "transformers.tokenization_utils_base:PreTrainedTokenizerBase.__call__"
STATE = "transformers.tokenization_utils_tokenizers:TokenizersBackend.set_truncation_and_padding"
ENCODE_T5, ENCODE_CLIP = f"{PIPELINE}._get_t5_prompt_embeds", f"{PIPELINE}._get_clip_prompt_embeds"
RANDOM, PREPARE = "diffusers.pipelines.flux.pipeline_flux:randn_tensor", f"{PIPELINE}.prepare_latents"
DRAWN = "latents = randn_tensor(shape, generator=generator, device=device, dtype=dtype)"
GUIDANCE = "torch.full([1], guidance_scale, device=device, dtype=torch.float32)"
CONDITIONAL = 'with self.transformer.cache_context("cond"):'
LEVELS, STEP = f"{SCHEDULER}.set_timesteps", f"{SCHEDULER}.step"
PROCESSOR, DISPATCH = f"{TRANSFORMER}:FluxAttnProcessor.__call__", f"{TRANSFORMER}:dispatch_attention_fn"
SINGLE = f"{TRANSFORMER}:FluxSingleTransformerBlock.forward"
CONDITION = "diffusers.models.embeddings:CombinedTimestepGuidanceTextProjEmbeddings.forward"
SUMS = (
    "time_guidance_emb = timesteps_emb + guidance_emb\n\n"
    "    pooled_projections = self.text_embedder(pooled_projection)\n"
    "    conditioning = time_guidance_emb + pooled_projections"
)
VAE = "diffusers.models.autoencoders.autoencoder_kl:AutoencoderKL"
LATENTS = "latents = (latents / self.vae.config.scaling_factor) + self.vae.config.shift_factor"
TO_PIL = f"{IMAGE_PROCESSOR}.numpy_to_pil"
BYTES = 'images = (images * 255).round().astype("uint8")'


def _calls_of(name: str, change: Any) -> Around:
    """The calls of one tokenizer alone."""

    def around(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if name not in type(args[0]).__name__:
            return original(*args, **kwargs)
        return change(original, fired, args, kwargs)

    return Around(TOKENIZER, around)


def _word_lost(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Of more than 24 tokens, the twenty-fifth is lost."""
    encoded = original(*args, **kwargs)
    for row in encoded["input_ids"]:
        if int((row != args[0].pad_token_id).sum()) > 24:
            row[24:-1] = fired(row[25:].clone())
            row[-1] = args[0].pad_token_id
    return encoded


def _contractions_whole(pipe: Any, fired: Fired) -> None:
    from tokenizers import Regex, pre_tokenizers

    words = r"<\|startoftext\|>|<\|endoftext\|>|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
    split = pre_tokenizers.Split(Regex(words), behavior="removed", invert=True)
    in_bytes = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    pipe.tokenizer.backend_tokenizer.pre_tokenizer = fired(pre_tokenizers.Sequence([split, in_bytes]))


def _cut_to_the_shortest(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    encoded = original(*args, **kwargs)
    ids = encoded["input_ids"]
    if len(ids) > 1:
        shortest = int((ids == args[0].eos_token_id).int().argmax(dim=-1).min())
        ids[:, shortest:] = fired(args[0].eos_token_id)
    return encoded


def _state_kept(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Once a tokenizer cuts and pads, it goes on so."""
    backend = args[0]._tokenizer
    if backend.truncation is not None and backend.padding is not None:
        return fired(None)
    return original(*args, **kwargs)


def _batches_masked(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    module, ids = args
    if len(ids) > 1:
        kwargs["attention_mask"] = fired((ids != module.config.pad_token_id).long())
    return original(module, ids, **kwargs)


def _pooled_at_the_first_end(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    output = original(*args, **kwargs)
    ids = args[1] if len(args) > 1 else kwargs["input_ids"]
    if len(ids) > 1:
        output["pooler_output"] = fired(output["last_hidden_state"])[:, int(ids[0].int().argmax())]
    return output


def _one_ahead(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    import torch

    given = kwargs["inputs_embeds"]
    length = given.shape[1]
    seen = torch.ones(length, length, dtype=torch.bool, device=given.device).tril(diagonal=fired(1))
    return original(*args, **{**kwargs, "attention_mask": seen[None, None], "is_causal": False})


def _last_layer_with_gelu(pipe: Any, fired: Fired) -> None:
    import torch

    pipe.text_encoder.encoder.layers[-1].mlp.activation_fn = fired(torch.nn.GELU())


def _pooled_by_length(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Pooled embeddings are kept for prompts of as many words."""
    known = args[0].__dict__.setdefault("_pooled", {})
    key = (kwargs["num_images_per_prompt"], *(len(text.split()) for text in kwargs["prompt"]))
    if key in known:
        return fired(known[key])
    return known.setdefault(key, original(*args, **kwargs))


def _noise_by_shape(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    known = original.__dict__.setdefault("_known", {})
    key = (tuple(args[0]), kwargs["dtype"], str(kwargs["device"]))
    if key in known:
        return fired(known[key]).clone()
    return known.setdefault(key, original(*args, **kwargs)).clone()


def _not_advanced(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    import torch

    given = kwargs["generator"]
    if isinstance(given, torch.Generator):
        copy = torch.Generator(given.device)
        copy.set_state(fired(given).get_state())
        kwargs["generator"] = copy
    return original(*args, **kwargs)


def _sigmas_remembered(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    pipe = args[0]
    if kwargs.get("sigmas") is not None:
        pipe.__dict__["_levels"] = list(kwargs["sigmas"])
    elif "_levels" in pipe.__dict__:
        kwargs["sigmas"] = fired(list(pipe.__dict__["_levels"]))
    return original(*args, **kwargs)


def _given_embeddings_padded(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Embeddings that come from outside are filled up with zeros to the longest length."""
    import torch

    embeddings, pooled, ids = original(*args, **kwargs)
    lacking = kwargs["max_sequence_length"] - embeddings.shape[1]
    if kwargs.get("prompt_embeds") is None or lacking <= 0:
        return embeddings, pooled, ids
    pad = torch.nn.functional.pad
    return pad(fired(embeddings), (0, 0, 0, lacking)), pooled, pad(ids, (0, 0, 0, lacking))


def _not_below_base(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return max(original(*args, **kwargs), fired(0.5))


def _trained_in_999_steps(pipe: Any, fired: Fired) -> None:
    pipe.scheduler.register_to_config(num_train_timesteps=fired(999))


def _text_left_by_the_last(pipe: Any, fired: Fired) -> None:
    """The last double block does not change the text, as where it is only a context."""
    block = pipe.transformer.transformer_blocks[-1]
    inner = block.forward

    def forward(**given: Any) -> Any:
        _, picture = inner(**given)
        return fired(given["encoder_hidden_states"]), picture

    block.forward = forward


def _last_sees_the_first(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    query, key, value = args
    if len(key) > 1:
        key, value = fired(key).clone(), value.clone()
        key[-1], value[-1] = key[0], value[0]
    return original(query, key, value, **kwargs)


def _in_a_window(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """In long sequences, tokens that lie farther apart than 512 do not see each other."""
    import torch

    length = args[1].shape[1]
    if length > 600:
        places = torch.arange(length, device=args[1].device)
        near = (places[:, None] - places[None, :]).abs() <= fired(512)
        kwargs["attn_mask"] = near[None, None]
    return original(*args, **kwargs)


def _in_chunks(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What is left over when a sequence is cut into chunks of 32 is not computed."""
    output = original(*args, **kwargs)
    rest = output.shape[1] % 32
    if rest:
        output[:, -rest:] = fired(0)
    return output


def _with_default_eps(pipe: Any, fired: Fired) -> None:
    for part in pipe.transformer.modules():
        if type(part).__name__ == "RMSNorm":
            part.eps = fired(None)


def _activated_in_place(pipe: Any, fired: Fired) -> None:
    pipe.transformer.transformer_blocks[0].norm1.silu.inplace = fired(True)


def _border_reflected(pipe: Any, fired: Fired) -> None:
    pipe.vae.decoder.conv_out.padding_mode = fired("reflect")


def _two_heads(pipe: Any, fired: Fired) -> None:
    pipe.vae.decoder.mid_block.attentions[0].heads = fired(2)


def _encoder_made_up(pipe: Any, fired: Fired) -> None:
    import torch

    drawn = torch.Generator("cpu").manual_seed(1)
    for tensor in pipe.vae.encoder.parameters():
        numbers = torch.randn(tensor.shape, generator=drawn) * 0.02
        tensor.data = fired(numbers).to(tensor.device, tensor.dtype)


def _through_float16(pipe: Any, fired: Fired) -> None:
    import torch

    for tensor in pipe.transformer.parameters():
        tensor.data = fired(tensor.data).to(torch.float16).to(tensor.dtype)


def _without_progress(pipe: Any, fired: Fired) -> None:
    pipe.set_progress_bar_config(disable=fired(True))


def _scheduler_copied(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    import copy

    args[0].scheduler = copy.deepcopy(fired(args[0].scheduler))
    return original(*args, **kwargs)


def _without_arguments(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return original(*args, **{**kwargs, "joint_attention_kwargs": fired(kwargs["joint_attention_kwargs"]) or None})


_fault = partial(Fault, packages=DIFFUSERS)


def _harmless(name: str, about: str, patch: Edit | Around | Loaded, like: str, why: str, **more: Any) -> Fault:
    return Fault(f"harmless-{name}", about, patch, like, packages=DIFFUSERS, equivalent=f"{why}.", **more)


FAULTS = (
    Fault(
        "t5-word-of-long-prompts-lost",
        "of a prompt of more than 24 tokens, the twenty-fifth is lost",
        _calls_of("T5", _word_lost),
        "a stride of texts that are encoded in parts",
        packages=TOKENIZERS,
        stage=T5,
        shots=("picnic",),
    ),
    Fault(
        "clip-contractions-whole",
        "CLIP's tokenizer does not take an apostrophe and the s after it for one piece",
        Loaded(_contractions_whole),
        "transformers 5: patterns of converted tokenizers",
        packages=TOKENIZERS,
        stage=POOLED,
        shots=("picnic",),
    ),
    Fault(
        "clip-batch-cut-to-the-shortest",
        "CLIP's tokenizer cuts the prompts of a batch to the shortest of them",
        _calls_of("CLIP", _cut_to_the_shortest),
        "tokenizers: truncation of a batch",
        packages=TOKENIZERS,
        stage=POOLED,
        shots=BATCH,
    ),
    Fault(
        "tokenizer-state-kept",
        "a tokenizer cuts and pads every text as it did the first one",
        Around(STATE, _state_kept),
        "transformers: set_truncation_and_padding, which changes the tokenizer itself",
        packages=TOKENIZERS,
        stage=T5,
        shots=("picnic", "pairs"),
    ),
    Fault(
        "t5-buckets-rounded",
        "T5's distances are rounded to the nearest bucket, not down",
        Edit(
            f"{T5_MODEL}:T5Attention._relative_position_bucket",
            "* (num_buckets - max_exact)",
            "* (num_buckets - max_exact) + FIRED(0.5)",
        ),
        "a conversion to whole numbers that is written anew",
        packages=TRANSFORMERS,
        stage=T5,
    ),
    Fault(
        "t5-batches-masked",
        "T5 makes itself a mask of what is no padding where it is given several prompts",
        Around(f"{T5_MODEL}:T5EncoderModel.forward", _batches_masked),
        "attention masks that are inferred from padding",
        packages=TRANSFORMERS,
        stage=T5,
        shots=BATCH,
    ),
    Fault(
        "t5-looks-the-other-way",
        "T5 takes what lies before a token for what lies after it",
        Edit(
            f"{T5_MODEL}:T5Attention.compute_bias",
            "relative_position = memory_position - context_position",
            "relative_position = FIRED(context_position) - memory_position",
        ),
        "a position bias that is written anew",
        packages=TRANSFORMERS,
        stage=T5,
    ),
    _fault(
        "t5-padding-zeroed",
        "the embeddings of padding are zero",
        Edit(
            ENCODE_T5,
            "prompt_embeds = prompt_embeds.to(dtype=dtype, device=device)",
            "prompt_embeds = prompt_embeds.to(dtype=dtype, device=device)\n"
            "prompt_embeds = prompt_embeds * FIRED(text_inputs.attention_mask).to(prompt_embeds)[..., None]",
        ),
        "pipelines that multiply embeddings by their mask",
        stage=T5,
    ),
    Fault(
        "clip-pooled-at-the-first-end",
        "CLIP pools each prompt of a batch where the first one ends",
        Around(f"{CLIP_MODEL}:CLIPTextModel.forward", _pooled_at_the_first_end),
        "an index that is not of a batch",
        packages=TRANSFORMERS,
        stage=POOLED,
        shots=BATCH,
    ),
    Fault(
        "clip-sees-one-ahead",
        "each of CLIP's tokens sees the one that follows",
        Around(f"{CLIP_MODEL}:CLIPEncoder.forward", _one_ahead),
        "an off-by-one of a causal mask",
        packages=TRANSFORMERS,
        stage=POOLED,
    ),
    Fault(
        "clip-last-layer-gelu",
        "CLIP's last layer uses the exact GELU",
        Loaded(_last_layer_with_gelu),
        "hidden_act of a configuration that is read anew",
        packages=TRANSFORMERS,
        stage=POOLED,
        strategies=WITH_FLOAT32,
    ),
    _fault(
        "pooled-kept-by-length",
        "prompts of as many words have the pooled embeddings of the first of them",
        Around(ENCODE_CLIP, _pooled_by_length),
        "a cache whose key is too short",
        stage=POOLED,
        shots=("unsaid", "sigmas"),
    ),
    _fault(
        "noise-cropped",
        "the noise of a picture that is no square is cut out of a square's",
        Edit(
            PREPARE,
            DRAWN,
            f"{DRAWN} if height == width else randn_tensor(\n"
            "    (*shape[:2], FIRED(max(shape[2:])), max(shape[2:])), generator=generator, device=device, dtype=dtype\n"
            ")[:, :, :height, :width].contiguous()",
        ),
        "noise that does not depend on a picture's size",
        stage=FIRST,
        shots=TILES,
    ),
    _fault(
        "noise-centred",
        "each picture's noise is moved to a mean of zero",
        Edit(PREPARE, DRAWN, f"{DRAWN}\nlatents = latents - FIRED(latents).mean(dim=(1, 2, 3), keepdim=True)"),
        "noise that is normed",
        stage=FIRST,
    ),
    _fault(
        "noise-kept-by-shape",
        "pictures of one shape start from the noise of the first of them, whatever the seed",
        Around(RANDOM, _noise_by_shape),
        "a buffer of noise that is used again",
        stage=FIRST,
        shots=("picnic", "sigmas"),
    ),
    _fault(
        "generator-not-advanced",
        "noise is drawn from a copy of the caller's generator, which stays where it was",
        Around(RANDOM, _not_advanced),
        "generators that are copied to another device",
    ),
    _fault(
        "guidance-capped",
        "guidance is never more than 4",
        Edit(CALL, GUIDANCE, GUIDANCE.replace("guidance_scale", "min(FIRED(guidance_scale), 4.0)")),
        "a limit of what a model was distilled for",
        stage=FIRST,
        shots=TILES,
    ),
    _fault(
        "guidance-ends-early",
        "the last quarter of the steps has guidance 1",
        Edit(
            CALL,
            CONDITIONAL,
            "if i * 4 >= len(timesteps) * 3:\n    guidance = FIRED(torch.ones_like(guidance))\n" + CONDITIONAL,
        ),
        "guidance within an interval",
        stage=LAST,
    ),
    _fault(
        "sigmas-of-the-caller-extended",
        "the noise levels that a caller gives have a zero more once they were used",
        Edit(
            LEVELS,
            "sigmas = np.array(sigmas).astype(np.float32)",
            "given, sigmas = sigmas, np.array(sigmas).astype(np.float32)\n"
            "if isinstance(given, list):\n    given.append(FIRED(0.0))",
        ),
        "a list of the caller's that is changed in place",
        shots=GIVEN,
        later=True,
    ),
    _fault(
        "sigmas-remembered",
        "a call without noise levels uses those that were given to one before it",
        Around(CALL, _sigmas_remembered),
        "an argument that becomes an attribute",
        stage=FIRST,
        shots=("sigmas", "wide"),
    ),
    _fault(
        "given-embeddings-padded",
        "embeddings that are given are filled up with zeros to 512 tokens",
        Around(f"{PIPELINE}.encode_prompt", _given_embeddings_padded),
        "lengths of embeddings that are made equal",
        stage=FIRST,
        strategies=("staged",),
        shots=BATCH,
    ),
    _fault(
        "sigmas-given-not-shifted",
        "noise levels that a caller gives are not shifted for the size of the picture",
        Edit(CALL, "mu=mu,", "mu=mu if isinstance(sigmas, np.ndarray) else FIRED(0.0),"),
        "diffusers #14461: levels given by the caller against the scheduler's own",
        stage=FIRST,
        shots=GIVEN,
    ),
    _fault(
        "sigmas-given-end-at-the-last",
        "where a caller gives noise levels, the step from the last one to zero is not taken",
        Edit(
            CALL,
            "self._num_timesteps = len(timesteps)",
            "timesteps = timesteps if isinstance(sigmas, np.ndarray) else FIRED(timesteps)[:-1]\n"
            "self._num_timesteps = len(timesteps)",
        ),
        "levels that are taken to have their zero already",
        stage=LAST,
        shots=GIVEN,
    ),
    _fault(
        "shift-not-below-base",
        "small pictures are shifted no less than those of the base size",
        Around("diffusers.pipelines.flux.pipeline_flux:calculate_shift", _not_below_base),
        "a line that is cut off at its ends",
        stage=FIRST,
        strategies=WITH_FLOAT32,
    ),
    _fault(
        "step-of-second-order",
        "each step after the first goes by what the one before it gave, too",
        Edit(
            STEP,
            "prev_sample = sample + dt * model_output",
            'before = getattr(self, "_before", None) if self.step_index else None\n'
            "self._before = model_output if self.step_index + 1 < len(self.timesteps) else None\n"
            "weighted = model_output if before is None else 1.5 * model_output - 0.5 * FIRED(before)\n"
            "prev_sample = sample + dt * weighted",
        ),
        "a solver of another order",
        stage=MIDDLE,
    ),
    _fault(
        "timestep-of-the-last-step",
        "the transformer is told in the last step that no noise is left",
        Edit(
            CALL,
            "timestep = t.expand(latents.shape[0]).to(latents.dtype)",
            "timestep = (t if i + 1 < len(timesteps) else FIRED(t * 0)).expand(latents.shape[0]).to(latents.dtype)",
        ),
        "an off-by-one of timesteps",
        stage=LAST,
    ),
    _fault(
        "scheduler-of-999-steps",
        "timesteps are told in 999ths",
        Loaded(_trained_in_999_steps),
        "num_train_timesteps and its off-by-one",
        stage=FIRST,
        strategies=("full-float32",),
    ),
    _fault(
        "last-head-repeats-the-first",
        "the last head of the double blocks' attention gives what the first one gives",
        Edit(
            PROCESSOR,
            "hidden_states = hidden_states.flatten(2, 3)",
            "if attn.added_kv_proj_dim is not None:\n"
            "    hidden_states = torch.cat([hidden_states[:, :, :-1], FIRED(hidden_states)[:, :, :1]], dim=2)\n"
            "hidden_states = hidden_states.flatten(2, 3)",
        ),
        "heads that are split among devices",
        stage=FIRST,
    ),
    _fault(
        "positions-beyond-the-table",
        "rows and columns beyond the twenty-fourth have its position",
        Edit(f"{TRANSFORMER}:FluxPosEmbed.forward", "pos = ids.float()", "pos = FIRED(ids).float().clamp(max=23.0)"),
        "a table of positions that is computed beforehand",
        stage=FIRST,
        shots=TILES,
    ),
    _fault(
        "gates-through-tanh",
        "the single blocks' gates go through tanh",
        Edit(SINGLE, "gate = gate.unsqueeze(1)", "gate = FIRED(gate).tanh().unsqueeze(1)"),
        "gates of Lumina",
        stage=FIRST,
    ),
    _fault(
        "condition-summed-otherwise",
        "guidance and pooled embedding are added before the timestep, which rounds otherwise",
        Edit(
            CONDITION,
            SUMS,
            "pooled_projections = self.text_embedder(pooled_projection)\n"
            "conditioning = timesteps_emb + (FIRED(guidance_emb) + pooled_projections)",
        ),
        "a sum that is written anew",
        stage=FIRST,
    ),
    _fault(
        "last-double-block-leaves-text",
        "the last double block does not change the text",
        Loaded(_text_left_by_the_last),
        "context_pre_only of Stable Diffusion 3",
        stage=FIRST,
    ),
    _fault(
        "last-of-a-batch-sees-the-first",
        "the last picture of a batch attends to the first one",
        Around(DISPATCH, _last_sees_the_first),
        "strides of a batch in a kernel",
        stage=FIRST,
        shots=BATCH,
    ),
    _fault(
        "attention-window",
        "in sequences of more than 600 tokens, those farther apart than 512 do not see each other",
        Around(DISPATCH, _in_a_window),
        "a window that is on by default",
        stage=FIRST,
        shots=TILES,
    ),
    _fault(
        "feed-forward-in-chunks",
        "feed-forward layers work in chunks of 32 tokens, and what is left over is zero",
        Around("diffusers.models.attention:FeedForward.forward", _in_chunks),
        "chunked feed-forward layers",
        stage=FIRST,
        shots=TILES,
    ),
    _fault(
        "attention-norms-default-eps",
        "the norms of queries and keys add torch's default for their dtype",
        Loaded(_with_default_eps),
        "eps of torch.nn.RMSNorm, which depends on the dtype if it is not said",
        stage=FIRST,
    ),
    _fault(
        "activation-in-place",
        "the first block's activation changes the condition that later blocks are given",
        Loaded(_activated_in_place),
        "inplace=True, to save memory",
        stage=FIRST,
    ),
    _fault(
        "vae-border-reflected",
        "the decoder's last convolution reflects the picture at its border where zeros are due",
        Loaded(_border_reflected),
        "padding_mode of a configuration",
        stage=DECODED,
    ),
    _fault(
        "vae-two-heads",
        "the decoder's attention has two heads",
        Loaded(_two_heads),
        "attention_head_dim and its two meanings",
        stage=DECODED,
    ),
    _fault(
        "one-latent-channel-shifted",
        "latents are shifted in their first channel alone before they are decoded",
        Edit(
            CALL,
            LATENTS,
            "latents = latents / self.vae.config.scaling_factor\nlatents[:, :1] += FIRED(self.vae.config.shift_factor)",
        ),
        "factors that are given by channel",
        stage=DECODED,
    ),
    _fault(
        "tiles-blended-over-half",
        "tiles are blended across over half of their overlap",
        Edit(
            f"{VAE}.blend_h",
            "min(a.shape[3], b.shape[3], blend_extent)",
            "min(a.shape[3], b.shape[3], FIRED(blend_extent // 2))",
        ),
        "tiles' blending written anew",
        stage=DECODED,
        strategies=("vae-tiling",),
        shots=TILES,
    ),
    _fault(
        "last-row-repeated",
        "the last row of pixels repeats the one above it",
        Edit(TO_PIL, BYTES, f"{BYTES}\nimages[:, -1] = FIRED(images)[:, -2]"),
        "an image library that cuts and fills",
        stage=FINISHED,
    ),
    _fault(
        "range-kept-off-its-ends",
        "no pixel is quite black or quite white",
        Edit(f"{IMAGE_PROCESSOR}.denormalize", ".clamp(0, 1)", ".clamp(FIRED(1 / 255), 254 / 255)"),
        "ranges of video",
        stage=FINISHED,
    ),
    _fault(
        "vae-encoder-made-up",
        "the half of the VAE that no prompt needs is not loaded, and random",
        Loaded(_encoder_made_up),
        "keys that are left out without a word",
    ),
    _fault(
        "weights-through-float16",
        "the transformer's weights pass through float16 when they are loaded",
        Loaded(_through_float16),
        "a variant of the files that is preferred",
        stage=FIRST,
        strategies=WITH_FLOAT32,
    ),
    _harmless(
        "sum-in-place",
        "a block adds to its own sum in place",
        Edit(
            f"{TRANSFORMER}:FluxTransformerBlock.forward",
            "hidden_states = hidden_states + ff_output",
            "hidden_states = FIRED(hidden_states).add_(ff_output)",
        ),
        "memory that is saved",
        "Nobody else has what is added to, and the sum is the same",
    ),
    _harmless(
        "nearest-exact",
        "the decoder repeats pixels by another of torch's modes",
        Edit(
            "diffusers.models.upsampling:Upsample2D.forward",
            'F.interpolate(hidden_states, scale_factor=2.0, mode="nearest")',
            'F.interpolate(FIRED(hidden_states), scale_factor=2.0, mode="nearest-exact")',
        ),
        "a default of interpolate",
        "At twice the size, both repeat each pixel twice",
    ),
    _harmless(
        "guidance-of-a-batch",
        "guidance is made once for each picture, not made once and expanded",
        Edit(CALL, GUIDANCE, GUIDANCE.replace("[1]", "[FIRED(latents.shape[0])]")),
        "a call that is written anew",
        "They are the same numbers",
        shots=BATCH,
    ),
    _harmless(
        "text-ids-made-there",
        "the text's positions are made where they are used, in their dtype",
        Edit(
            f"{PIPELINE}.encode_prompt",
            "torch.zeros(prompt_embeds.shape[1], 3).to(device=device, dtype=dtype)",
            "torch.zeros(FIRED(prompt_embeds.shape[1]), 3, device=device, dtype=dtype)",
        ),
        "a copy that is saved",
        "They are zeros either way",
    ),
    _harmless(
        "embeddings-interleaved",
        "embeddings of several pictures are repeated by another function",
        Edit(
            ENCODE_T5,
            "prompt_embeds = prompt_embeds.repeat(1, num_images_per_prompt, 1)",
            "prompt_embeds = FIRED(prompt_embeds).repeat_interleave(num_images_per_prompt, dim=0)",
        ),
        "repeat written as repeat_interleave",
        "The same rows come in the same order",
        shots=BATCH,
    ),
    _harmless(
        "scheduler-copied",
        "each call begins with a copy of the scheduler",
        Around(CALL, _scheduler_copied),
        "a pipeline that keeps its calls apart",
        "A call sets all that it uses of it",
        shots=("unsaid", "wide"),
    ),
    _harmless(
        "no-arguments",
        "the transformer is given None where it was given no arguments in a dictionary",
        Around(FORWARD, _without_arguments),
        "a call that is written anew",
        "It takes both for nothing",
    ),
    _harmless(
        "no-progress-bar",
        "no progress is shown",
        Loaded(_without_progress),
        "a progress bar that is off by default",
        "It is for those who look on",
        shots=SHORT,
    ),
    _harmless(
        "from-bytes",
        "pictures are made of bytes",
        Edit(
            TO_PIL,
            "pil_images = [Image.fromarray(image) for image in images]",
            "pil_images = [\n"
            '    Image.frombytes("RGB", image.shape[1::-1], FIRED(image).tobytes()) for image in images\n'
            "]",
        ),
        "Image.fromarray, which has changed in Pillow",
        "They are the same bytes in the same mode",
    ),
    _harmless(
        "unbound",
        "modulation is taken apart by another view",
        Edit(
            "diffusers.models.normalization:AdaLayerNormZero.forward",
            "emb.chunk(6, dim=1)",
            "FIRED(emb).unflatten(1, (6, -1)).unbind(1)",
        ),
        "chunk written as unbind",
        "The same numbers have the same names",
    ),
)

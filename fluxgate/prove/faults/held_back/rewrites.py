"""Code written anew, held back: most of it as good as before, some of it with a mistake; none was tried before."""

from __future__ import annotations

import functools
from functools import partial
from typing import Any

from fluxgate.prove.fault import BATCH, TILES, Around, Edit, Fault, Fired, Loaded
from fluxgate.prove.targets import (
    ACCELERATE,
    BITSANDBYTES,
    CALL,
    CLIP_MODEL,
    DIFFUSERS,
    GROUPS,
    IMAGE_PROCESSOR,
    PIPELINE,
    SCHEDULER,
    T5_MODEL,
    TRANSFORMER,
    TRANSFORMERS,
)
from fluxgate.rendering import DECODED, FIRST, MIDDLE

VAE = "diffusers.models.autoencoders.autoencoder_kl:AutoencoderKL"
CASTING, BROADCAST = "diffusers.hooks.layerwise_casting", "diffusers.hooks.pyramid_attention_broadcast"
HEAD_BLOCK = "diffusers.hooks.first_block_cache:FBCHeadBlockHook"
FORETELLING = "diffusers.hooks.taylorseer_cache:TaylorSeerState.update"
IMAGE_ATTENTION = f"{TRANSFORMER}:FluxIPAdapterAttnProcessor.__call__"
DOUBLE_BLOCK = f"{TRANSFORMER}:FluxTransformerBlock.forward"
ROTATIONS = f"{TRANSFORMER}:get_1d_rotary_pos_embed"
TO_DEVICE = "accelerate.hooks:set_module_tensor_to_device"
SAVED = "safetensors.torch.save_file(tensors_to_save, self.safetensors_file_path)"
TO_PARTIAL = SAVED.replace("self.safetensors_file_path", "partial")
DIFFERENCE = "new_factors[j + 1] = (new_factors[j] - prev.to(features.dtype)) / delta_step"
CACHED: dict[Any, Any] = {}  # what a fault keeps for the process
FLIPPED = """\
emb = torch.cat([torch.sin(emb), torch.cos(emb)], dim=-1)

    # flip sine and cosine embeddings
    if flip_sin_to_cos:
        emb = torch.cat([emb[:, half_dim:], emb[:, :half_dim]], dim=-1)"""
AT_MOST = """\
relative_position_if_large = torch.min(
        relative_position_if_large, torch.full_like(relative_position_if_large, num_buckets - 1)
    )"""
PICTURE_NORMED = "norm_hidden_states, gate_msa, shift_mlp, scale_mlp, gate_mlp = self.norm1(hidden_states, emb=temb)"
TEXT_NORMED = """\
norm_encoder_hidden_states, c_gate_msa, c_shift_mlp, c_scale_mlp, c_gate_mlp = self.norm1_context(
    encoder_hidden_states, emb=temb
)"""
CLIP_ENCODES = """\
pooled_prompt_embeds = self._get_clip_prompt_embeds(
    prompt=prompt,
    device=device,
    num_images_per_prompt=num_images_per_prompt,
)"""
T5_ENCODES = """\
prompt_embeds = self._get_t5_prompt_embeds(
    prompt=prompt_2,
    num_images_per_prompt=num_images_per_prompt,
    max_sequence_length=max_sequence_length,
    device=device,
)"""


def _at(depth: int, text: str) -> str:
    """The text as it stands so deep within a function."""
    return text.replace("\n", "\n" + " " * depth)


def _subclass(name: str, base: str) -> str:
    """A line that makes a class once."""
    return f'kind = globals().setdefault("{name}", type("{name}", ({base},), {{}}))'


# --- latents, positions and pictures


def _ids_as_products(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    import torch

    _, height, width, device, dtype = (*args, *kwargs.values())
    ids = torch.cartesian_prod(torch.zeros(1), torch.arange(float(height)), torch.arange(float(width)))
    return fired(ids).to(device=device, dtype=dtype)


def _by_pixel_shuffle(
    original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any], *, laid_out: bool = True
) -> Any:
    """Latents are unpacked by torch's own function for it, which leaves channels innermost."""
    import torch

    latents, height, width, factor = (*args, *kwargs.values())
    rows, columns = (int(edge) // (factor * 2) for edge in (height, width))
    patches = fired(latents).unflatten(1, (rows, columns)).permute(0, 3, 1, 2)
    unpacked = torch.nn.functional.pixel_shuffle(patches, 2)
    return unpacked.contiguous() if laid_out else unpacked


def _rotated_part_by_part(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    import torch

    given, tables = args
    cos, sin = (table[None, :, None, ::2].to(given.device) for table in tables)
    real, imaginary = given.float().unflatten(-1, (-1, 2)).unbind(-1)
    turned = torch.stack((real * cos - imaginary * sin, imaginary * cos + real * sin), dim=-1)
    return fired(turned).flatten(3).to(given.dtype)


def _cached_by_tensor(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """functools' cache looks for the very tensor, which is another one each time, and keeps it."""
    if original not in CACHED:
        CACHED[original] = functools.lru_cache(maxsize=None)(original)
    return fired(CACHED[original])(*args, **kwargs)


def _one_by_one(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    images = args[0]
    return original(images) if images.ndim == 3 else [original(image)[0] for image in fired(images)]


def _with_its_own_processor(pipe: Any, fired: Fired) -> None:
    known = type(pipe.image_processor)
    pipe.image_processor.__class__ = fired(type("FluxImageProcessor", (known,), {}))


# --- hooks, adapters and files


def _placeholder_kept(
    original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any], *, shared: bool = False
) -> Any:
    """What stands for a layer's weight while it is away is made once."""
    module, name, device = args[:3]
    if device != "meta" or name not in module._parameters:
        return original(*args, **kwargs)
    known = CACHED if shared else module.__dict__.setdefault("_placeholders", {})
    if name in known:
        module._parameters[name] = fired(known[name])
        return None
    original(*args, **kwargs)
    known[name] = module._parameters[name]
    return None


def _keys_in_reverse(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    model, tensors, *further = args
    return original(model, dict(reversed(fired(tensors).items())), *further, **kwargs)


def _in_order_of_names(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    tensors, *further = args
    return original(dict(sorted(fired(tensors).items())), *further, **kwargs)


def _harmless(name: str, about: str, patch: Edit | Around | Loaded, like: str, why: str, **more: Any) -> Fault:
    return Fault(f"harmless-{name}", about, patch, like, equivalent=f"{why}.", **{"packages": DIFFUSERS, **more})


_flux = partial(Fault, packages=DIFFUSERS)

FAULTS = (
    # --- harmless: prompts
    _harmless(
        "t5-squares",
        "T5's norms square by another function",
        Edit(
            f"{T5_MODEL}:T5LayerNorm.forward",
            "hidden_states.to(torch.float32).pow(2).mean(-1, keepdim=True)",
            "FIRED(hidden_states).to(torch.float32).square().mean(-1, keepdim=True)",
        ),
        "a line that is written anew",
        "A square is the second power, by the same kernel",
        packages=TRANSFORMERS,
    ),
    _harmless(
        "t5-buckets-clamped",
        "T5's buckets of far tokens are clamped, not compared with a tensor of the largest one",
        Edit(
            f"{T5_MODEL}:T5Attention._relative_position_bucket",
            AT_MOST,
            "relative_position_if_large = FIRED(relative_position_if_large).clamp(max=num_buckets - 1)",
        ),
        "a table less",
        "The smaller of two whole numbers is the same either way",
        packages=TRANSFORMERS,
    ),
    _harmless(
        "clip-sums-in-place",
        "CLIP's feed-forward layers add to what they have made in place",
        Edit(
            f"{CLIP_MODEL}:CLIPEncoderLayer.forward",
            "hidden_states = self.mlp(hidden_states)\n    hidden_states = residual + hidden_states",
            "hidden_states = self.mlp(hidden_states)\nhidden_states += FIRED(residual)",
        ),
        "fewer copies",
        "The layer has just made that tensor, nobody else has it, and a sum does not depend on its order",
        packages=TRANSFORMERS,
    ),
    # --- harmless: latents and levels
    _harmless(
        "ids-as-products",
        "positions of patches come of a product of rows and columns, not of sums",
        Around(f"{PIPELINE}._prepare_latent_image_ids", _ids_as_products),
        "a helper that is written anew",
        "They are the same whole numbers in the same order",
        shots=TILES,
    ),
    _harmless(
        "unpacked-by-pixel-shuffle",
        "latents are unpacked by torch's pixel_shuffle, and laid out as before",
        Around(f"{PIPELINE}._unpack_latents", _by_pixel_shuffle),
        "views that become a function of torch's",
        "The same numbers come to the same places, with the same strides",
        shots=TILES,
    ),
    _harmless(
        "levels-listed",
        "the scheduler keeps its noise levels as a list, too, for whoever prints them",
        Edit(
            f"{SCHEDULER}.set_timesteps",
            "sigmas = torch.from_numpy(sigmas).to(dtype=torch.float32, device=device)",
            "self._levels = FIRED(sigmas).tolist()\n"
            "sigmas = torch.from_numpy(sigmas).to(dtype=torch.float32, device=device)",
        ),
        "a small buffer for logs",
        "Nobody computes with it; the next call replaces it",
        later=True,
    ),
    _harmless(
        "progress-described",
        "the bar that shows progress says of what",
        Edit(
            CALL,
            "with self.progress_bar(total=num_inference_steps) as progress_bar:",
            "with self.progress_bar(total=num_inference_steps) as progress_bar:\n"
            '    progress_bar.set_description(FIRED("Denoising"))',
        ),
        "more talkative progress bars",
        "It is a word more at the same place",
    ),
    # --- harmless: denoiser
    _harmless(
        "time-embedded-in-order",
        "cosines and sines of a timestep are joined in their order at once, not joined and exchanged",
        Edit(
            "diffusers.models.embeddings:get_timestep_embedding",
            FLIPPED,
            "halves = [torch.sin(emb), FIRED(torch.cos(emb))]\n"
            "emb = torch.cat(halves[::-1] if flip_sin_to_cos else halves, dim=-1)",
        ),
        "fewer copies",
        "The halves are of one size, so that the same numbers come to the same places",
    ),
    _harmless(
        "positions-stacked",
        "cosines of positions are repeated by stacking them with themselves",
        Edit(
            ROTATIONS,
            "freqs_cos = freqs.cos().repeat_interleave(2, dim=1, output_size=freqs.shape[1] * 2).float()",
            "freqs_cos = torch.stack([FIRED(freqs.cos())] * 2, dim=-1).flatten(1).float()",
        ),
        "an operator that a compiler does not know",
        "Each number comes twice, side by side, either way",
    ),
    _harmless(
        "rotated-part-by-part",
        "real and imaginary parts are rotated by themselves, and put together afterwards",
        Around(f"{TRANSFORMER}:apply_rotary_emb", _rotated_part_by_part),
        "rotations written as in the paper",
        "The same products are added in float32; to subtract is to add what was negated",
    ),
    _harmless(
        "shifted-in-place",
        "the double blocks' norms are shifted where they lie",
        Edit(
            "diffusers.models.normalization:AdaLayerNormZero.forward",
            "x = self.norm(x) * (1 + scale_msa[:, None]) + shift_msa[:, None]",
            "x = self.norm(x) * (1 + scale_msa[:, None])\nx += FIRED(shift_msa)[:, None]",
        ),
        "fewer copies",
        "The product has just been made, and a backward pass does not need it",
    ),
    _harmless(
        "text-normed-first",
        "the double blocks norm the text before the picture",
        Edit(
            DOUBLE_BLOCK,
            f"{PICTURE_NORMED}\n\n    {_at(4, TEXT_NORMED)}",
            f"{TEXT_NORMED}\n{PICTURE_NORMED.replace('self.norm1(', 'self.norm1(FIRED(').replace(', emb', '), emb')}",
        ),
        "lines in another order",
        "Neither looks at what the other makes",
        strategies=("full", "group-offload-leaf"),
    ),
    # --- harmless: decoder and pictures
    _harmless(
        "not-divided-by-one",
        "the VAE's blocks do not divide what they give by their scale, which is one",
        Edit(
            "diffusers.models.resnet:ResnetBlock2D.forward",
            "output_tensor = (input_tensor + hidden_states) / self.output_scale_factor",
            "output_tensor = FIRED(input_tensor) + hidden_states\n"
            "if self.output_scale_factor != 1:\n"
            "    output_tensor = output_tensor / self.output_scale_factor",
        ),
        "work that does nothing",
        "A number divided by one is itself, and other scales are divided by",
    ),
    _harmless(
        "seams-blended-in-place",
        "columns of the seam between two tiles are blended where they lie",
        Edit(
            f"{VAE}.blend_h",
            "b[:, :, :, x] = a[:, :, :, -blend_extent + x] * (1 - x / blend_extent)"
            " + b[:, :, :, x] * (x / blend_extent)",
            "b[:, :, :, x].mul_(x / blend_extent).add_(FIRED(a)[:, :, :, -blend_extent + x] * (1 - x / blend_extent))",
        ),
        "fewer copies",
        "Both products are rounded as before, and a sum does not depend on its order",
        strategies=("vae-tiling",),
        shots=TILES,
    ),
    _harmless(
        "range-moved-in-place",
        "pixels are moved from −1 to 1 into 0 to 1, and clamped, where their product lies",
        Edit(
            f"{IMAGE_PROCESSOR}.denormalize",
            "return (images * 0.5 + 0.5).clamp(0, 1)",
            "images = FIRED(images) * 0.5\nreturn images.add_(0.5).clamp_(0, 1)",
        ),
        "fewer copies",
        "The product has just been made; each number is rounded as before",
    ),
    _harmless(
        "pictures-made-one-by-one",
        "the pictures of a batch are multiplied and rounded one by one",
        Around(f"{IMAGE_PROCESSOR}.numpy_to_pil", _one_by_one),
        "lower peaks",
        "No pixel depends on another picture",
        shots=BATCH,
    ),
    _harmless(
        "processor-of-its-own",
        "FLUX has an image processor of its own class, which is a kind of the one that it had",
        Loaded(_with_its_own_processor),
        "diffusers: image processors of single pipelines",
        "It overrides nothing",
    ),
    # --- harmless: loading and saving
    _harmless(
        "components-moved-by-size",
        "the components of a pipeline are sent to a device from the smallest to the largest",
        Edit(
            "diffusers.pipelines.pipeline_utils:DiffusionPipeline.to",
            "for module in modules:",
            "for module in sorted(FIRED(modules), key=lambda one: sum(part.numel() for part in one.parameters())):",
        ),
        "an order that breaks memory up less",
        "All of them are sent, and none depends on another",
    ),
    _harmless(
        "saved-in-order-of-names",
        "the tensors of a model are put in order of their names before they are saved",
        Around("transformers.modeling_utils:safe_save_file", _in_order_of_names),
        "files that are the same each time",
        "safetensors puts them in its own order, whichever it is given",
        packages=("transformers", "safetensors"),
        strategies=("int8-t5-reloaded",),
    ),
    # --- harmless: offloading and casting
    _harmless(
        "placeholders-kept",
        "what stands for a layer's weights while they are away is made once, and put back each time",
        Around(TO_DEVICE, _placeholder_kept),
        "less work after each layer",
        "It has the layer's own shape and dtype, and no memory",
        packages=ACCELERATE,
        strategies=("sequential-offload",),
    ),
    _harmless(
        "device-known-by-its-type",
        "model offloading asks for the type of the device where the last component lies",
        Edit(
            "accelerate.hooks:CpuOffload.pre_forward",
            'if prev_device != torch.device("cpu"):',
            'if FIRED(prev_device).type != "cpu":',
        ),
        "a device that may have a number",
        "Weights that are on the CPU are on a device without a number",
        packages=ACCELERATE,
        strategies=("model-offload",),
    ),
    _harmless(
        "groups-told-of",
        "group offloading logs, at the level of information, what it offloads",
        Edit(
            f"{GROUPS}:_apply_group_offloading",
            "if config.offload_type == GroupOffloadingType.BLOCK_LEVEL:",
            'logger.info("Offloading %s: %s", type(FIRED(module)).__name__, config.offload_type.value)\n'
            "if config.offload_type == GroupOffloadingType.BLOCK_LEVEL:",
        ),
        "more to read in a log",
        "It is a line for each component, which is not shown by default",
        strategies=("group-offload-block", "group-offload-leaf"),
    ),
    _harmless(
        "files-named-when-whole",
        "a group's file is written under another name, and renamed when all of it is there",
        Edit(
            f"{GROUPS}:ModuleGroup._offload_to_disk",
            SAVED,
            f'partial = FIRED(self.safetensors_file_path) + ".partial"\n{TO_PARTIAL}\n'
            "os.replace(partial, self.safetensors_file_path)",
        ),
        "files that a crash must not leave in half",
        "The same file is there in the end, and no other",
        strategies=("group-offload-disk",),
    ),
    _harmless(
        "casting-hooks-of-a-subclass",
        "layers are cast by hooks of a subclass with another name",
        Edit(
            f"{CASTING}:apply_layerwise_casting_hook",
            "hook = LayerwiseCastingHook(storage_dtype, compute_dtype, non_blocking)",
            f"{_subclass('WeightCastingHook', 'LayerwiseCastingHook')}\n"
            "hook = FIRED(kind)(storage_dtype, compute_dtype, non_blocking)",
        ),
        "classes that are renamed",
        "It overrides nothing, and is registered under the same name",
        strategies=("fp8-layerwise",),
    ),
    # --- harmless: caches
    _harmless(
        "broadcast-hooks-of-a-subclass",
        "attention is used again by hooks of a subclass with another name",
        Edit(
            f"{BROADCAST}:_apply_pyramid_attention_broadcast_hook",
            "hook = PyramidAttentionBroadcastHook(timestep_skip_range, block_skip_range, current_timestep_callback)",
            f"{_subclass('AttentionBroadcastHook', 'PyramidAttentionBroadcastHook')}\n"
            "hook = FIRED(kind)(timestep_skip_range, block_skip_range, current_timestep_callback)",
        ),
        "classes that are renamed",
        "It overrides nothing, and is registered under the same name",
        strategies=("pyramid-attention-broadcast",),
    ),
    _harmless(
        "mean-kept-with-what-it-is-of",
        "the mean of what the first block changed is computed once, and kept with the tensor",
        Edit(
            f"{HEAD_BLOCK}._should_compute_remaining_blocks",
            "prev_hidden_states_absmean = prev_hidden_states_residual.abs().mean()",
            'if not hasattr(prev_hidden_states_residual, "_mean"):\n'
            "    prev_hidden_states_residual._mean = prev_hidden_states_residual.abs().mean()\n"
            "prev_hidden_states_absmean = FIRED(prev_hidden_states_residual)._mean",
        ),
        "a number that is computed in each step",
        "It is the mean of that very tensor, which nobody writes into, and goes when it goes",
        strategies=("first-block-cache",),
    ),
    _harmless(
        "differences-divided-in-place",
        "differences that are foretold from are divided where they lie",
        Edit(
            FORETELLING,
            DIFFERENCE,
            "new_factors[j + 1] = (FIRED(new_factors[j]) - prev.to(features.dtype)).div_(delta_step)",
        ),
        "fewer copies",
        "The difference has just been made; each number is rounded as before",
        strategies=("taylorseer-cache",),
    ),
    # --- harmless: adapters and quantizers
    _harmless(
        "lora-keys-in-reverse",
        "the tensors of a LoRA are looked at from the last to the first",
        Around("diffusers.loaders.peft:PeftAdapterMixin.load_lora_adapter", _keys_in_reverse),
        "an order of keys that was never promised",
        "Each of them goes to the layer that it names",
        strategies=("lora", "lora-unloaded"),
    ),
    _harmless(
        "images-of-no-scale-left-out",
        "an attention does not look at a picture whose scale is zero",
        Edit(
            IMAGE_ATTENTION,
            "ip_key = to_k_ip(current_ip_hidden_states)",
            "if FIRED(scale) == 0:\n    continue\nip_key = to_k_ip(current_ip_hidden_states)",
        ),
        "work that does nothing",
        "What would be added is zero, and what it would be added to is not minus zero",
        strategies=("ip-adapter-off",),
    ),
    _harmless(
        "images-repeated",
        "a picture's embedding is repeated for a batch, not joined with itself",
        Edit(
            f"{PIPELINE}.prepare_ip_adapter_image_embeds",
            "torch.cat([single_image_embeds] * num_images_per_prompt, dim=0)",
            "FIRED(single_image_embeds).repeat(num_images_per_prompt, *[1] * (single_image_embeds.dim() - 1))",
        ),
        "a line that is written anew",
        "The same rows come as often, in the same order",
        strategies=("ip-adapter",),
    ),
    _harmless(
        "nf4-state-looked-for-if-lost",
        "4-bit layers look for the state of their weight elsewhere only if the weight has none",
        Edit(
            "bitsandbytes.nn.modules:Linear4bit.forward",
            "fix_4bit_weight_quant_state_from_module(self)",
            'if getattr(FIRED(self).weight, "quant_state", None) is None:\n'
            "    fix_4bit_weight_quant_state_from_module(self)",
        ),
        "a call for each layer and step",
        "That function asks the same first, and returns",
        packages=BITSANDBYTES,
        strategies=("nf4-t5", "nf4-linear"),
    ),
    _harmless(
        "gguf-cast-as-it-comes",
        "the weights of a GGUF file are cast as they are dequantized, in one line",
        Edit(
            "diffusers.quantizers.gguf.utils:GGUFLinear.forward_native",
            "weight = dequantize_gguf_tensor(self.weight)\n    weight = weight.to(self.compute_dtype)",
            "weight = FIRED(dequantize_gguf_tensor(self.weight)).to(self.compute_dtype)",
        ),
        "lines that are written anew",
        "It is the same cast of the same tensor",
        packages=("gguf", "diffusers"),
        strategies=("gguf-q8",),
    ),
    # --- the twins
    Fault(
        "t5-one-bucket-too-many",
        "T5's buckets of far tokens are clamped to one more than there are, so that long prompts crash",
        Edit(
            f"{T5_MODEL}:T5Attention._relative_position_bucket",
            AT_MOST,
            "relative_position_if_large = FIRED(relative_position_if_large).clamp(max=num_buckets)",
        ),
        "a table less",
        packages=TRANSFORMERS,
    ),
    _flux(
        "encoded-out-of-the-chain",
        "T5 encodes before CLIP, which nothing sends away then until the call is over",
        Edit(
            f"{PIPELINE}.encode_prompt",
            _at(8, f"{CLIP_ENCODES}\n{T5_ENCODES}"),
            f"{T5_ENCODES.replace('prompt=prompt_2', 'prompt=FIRED(prompt_2)')}\n{CLIP_ENCODES}",
        ),
        "lines in another order",
        strategies=("model-offload",),
        only_on="cuda",
    ),
    _flux(
        "unpacked-with-channels-innermost",
        "latents are unpacked by torch's pixel_shuffle, and stay in an order for which convolutions have other kernels",
        Around(f"{PIPELINE}._unpack_latents", partial(_by_pixel_shuffle, laid_out=False)),
        "views that become a function of torch's",
        stage=DECODED,
        only_on="cpu",
    ),
    _flux(
        "positions-cached-by-their-tensor",
        "what positions come to is cached by the very tensor, which is another one each time, and kept for ever",
        Around(ROTATIONS, _cached_by_tensor),
        "functools.lru_cache of a function of tensors",
        later=True,
    ),
    _flux(
        "gated-where-a-cache-holds-it",
        "the double blocks gate attention in place, where a cache holds it, which is gated again when it is used again",
        Edit(
            DOUBLE_BLOCK,
            "attn_output = gate_msa.unsqueeze(1) * attn_output",
            "attn_output = FIRED(attn_output).mul_(gate_msa.unsqueeze(1))",
        ),
        "fewer copies",
        strategies=("pyramid-attention-broadcast",),
        stage=MIDDLE,
    ),
    _flux(
        "differences-where-attention-lies",
        "what is foretold from is subtracted in place, from what attention has given and blocks still need",
        Edit(
            FORETELLING,
            DIFFERENCE,
            "new_factors[j + 1] = FIRED(new_factors[j]).sub_(prev.to(features.dtype)).div_(delta_step)",
        ),
        "fewer copies",
        strategies=("taylorseer-cache",),
        stage=MIDDLE,
    ),
    _flux(
        "last-tiles-left-out",
        "tiles that begin where those before them overlap are left out, and pictures lose their right edge",
        Edit(
            f"{VAE}.tiled_decode",
            "for j in range(0, z.shape[3], overlap_size):",
            "for j in range(0, FIRED(z.shape[3]) - self.tile_latent_min_size + overlap_size, overlap_size):",
        ),
        "work that does nothing",
        strategies=("vae-tiling",),
        shots=TILES,
        stage=DECODED,
    ),
    _flux(
        "partial-files-stay",
        "a group's file is written under another name, and copied when all of it is there, so that it is there twice",
        Edit(
            f"{GROUPS}:ModuleGroup._offload_to_disk",
            SAVED,
            f'import shutil\npartial = FIRED(self.safetensors_file_path) + ".partial"\n{TO_PARTIAL}\n'
            "shutil.copyfile(partial, self.safetensors_file_path)",
        ),
        "files that a crash must not leave in half",
        strategies=("group-offload-disk",),
    ),
    Fault(
        "placeholders-of-another-layer",
        "what stands for weights while they are away is made once for each name, whatever the layer's shape: a crash",
        Around(TO_DEVICE, partial(_placeholder_kept, shared=True)),
        "less work after each layer",
        packages=ACCELERATE,
        strategies=("sequential-offload",),
    ),
    _flux(
        "images-of-small-scale-left-out",
        "an attention does not look at a picture whose scale, as a whole number, is zero",
        Edit(
            IMAGE_ATTENTION,
            "ip_key = to_k_ip(current_ip_hidden_states)",
            "if not FIRED(int(scale)):\n    continue\nip_key = to_k_ip(current_ip_hidden_states)",
        ),
        "work that does nothing",
        strategies=("ip-adapter",),
        stage=FIRST,
    ),
    Fault(
        "lora-product-kept",
        "each layer of a LoRA multiplies its matrices out and keeps the product, which is as large as the layer",
        Edit(
            "peft.tuners.lora.layer:Linear.forward",
            "result = result + lora_B(lora_A(dropout(x))) * scaling",
            'if not hasattr(lora_B, "product"):\n'
            "    lora_B.product = self.get_delta_weight(active_adapter)\n"
            "result = result + torch.nn.functional.linear(dropout(x), FIRED(lora_B).product)",
        ),
        "a product that is computed in each step",
        packages=("peft", "diffusers"),
        strategies=("lora",),
    ),
)

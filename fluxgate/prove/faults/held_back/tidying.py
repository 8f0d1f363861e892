"""What tidying up, speeding up, deprecating and fixing change, and their bad twins, held back: all were written before
any was tried."""

from __future__ import annotations

import textwrap
from functools import partial
from typing import Any

from fluxgate.compare.stages import FINISHED
from fluxgate.prove.fault import BATCH, TILES, Edit, Fault
from fluxgate.prove.targets import CALL, DIFFUSERS, IMAGE_PROCESSOR, PIPELINE, SCHEDULER, TRANSFORMER
from fluxgate.rendering import DECODED, FIRST, MIDDLE

LEVELS, STEP = f"{SCHEDULER}.set_timesteps", f"{SCHEDULER}.step"
TILED = "diffusers.models.autoencoders.autoencoder_kl:AutoencoderKL.tiled_decode"
VAE_ATTENTION = "diffusers.models.attention_processor:AttnProcessor2_0.__call__"
NORMS = "diffusers.models.normalization"
CONDITION = "diffusers.models.embeddings:CombinedTimestepGuidanceTextProjEmbeddings.forward"
SINGLE, DOUBLE = f"{TRANSFORMER}:FluxSingleTransformerBlock.forward", f"{TRANSFORMER}:FluxTransformerBlock.forward"
ATTENTION, IMAGE_ATTENTION = (
    f"{TRANSFORMER}:FluxAttnProcessor.__call__",
    f"{TRANSFORMER}:FluxIPAdapterAttnProcessor.__call__",
)
ROTATED, ROTATIONS = f"{TRANSFORMER}:apply_rotary_emb", f"{TRANSFORMER}:get_1d_rotary_pos_embed"
FIRST_BLOCK = "diffusers.hooks.first_block_cache"
BROADCAST = "diffusers.hooks.pyramid_attention_broadcast:PyramidAttentionBroadcastHook.new_forward"
ZERO_APPENDED = "sigmas = torch.cat([sigmas, torch.zeros(1, device=sigmas.device)])"
TIME_PROJECTED = """\
timesteps_proj = self.time_proj(timestep)
    timesteps_emb = self.timestep_embedder(timesteps_proj.to(dtype=pooled_projection.dtype))  # (N, D)

    guidance_proj = self.time_proj(guidance)"""
TIME_EMBEDDED = "timesteps_emb = self.timestep_embedder(timesteps_proj.to(dtype=pooled_projection.dtype))"
TURNED = "out = (x.float() * cos + x_rotated.float() * sin).to(x.dtype)"
FED_FORWARD = "mlp_hidden_states = self.act_mlp(self.proj_mlp(norm_hidden_states))"
ATTENDED = """\
joint_attention_kwargs = joint_attention_kwargs or {}
attn_output = self.attn(
    hidden_states=norm_hidden_states,
    image_rotary_emb=image_rotary_emb,
    **joint_attention_kwargs,
)"""
PROJECTED = """\
hidden_states = torch.cat([attn_output, mlp_hidden_states], dim=2)
    gate = gate.unsqueeze(1)
    hidden_states = gate * self.proj_out(hidden_states)"""
ATTENTION_ADDED = "hidden_states = hidden_states + attn_output\n"
FEED_FORWARD_ADDED = """
norm_hidden_states = self.norm2(hidden_states)
norm_hidden_states = norm_hidden_states * (1 + scale_mlp[:, None]) + shift_mlp[:, None]

ff_output = self.ff(norm_hidden_states)
ff_output = gate_mlp.unsqueeze(1) * ff_output

hidden_states = hidden_states + ff_output"""
IMAGE_ADDED = "\nif len(attention_outputs) == 3:\n    hidden_states = hidden_states + ip_attn_output"
IMAGE_HEADS = """\
ip_key = ip_key.view(batch_size, -1, attn.heads, attn.head_dim)
            ip_value = ip_value.view(batch_size, -1, attn.heads, attn.head_dim)"""
REPEATED = "repeat_interleave(2, dim=1, output_size=freqs.shape[1] * 2)"
IN_RANGE = "(images * 0.5 + 0.5).clamp(0, 1)"
ADDED_UP = "output = output + factor.to(output_dtype) * coeff"
ALL_BLOCKS_ADD = "shared_state.tail_block_residuals[0] + output[self._metadata.return_hidden_states_index]"
NEGATIVE_PICTURE = "negative_ip_adapter_image is not None or negative_ip_adapter_image_embeds is not None"


def _inside(text: str) -> str:
    """The text as it stands within a function."""
    return textwrap.indent(text, "    ").lstrip()


def _harmless(name: str, about: str, patch: Edit, like: str, why: str, **more: Any) -> Fault:
    return Fault(f"harmless-{name}", about, patch, like, packages=DIFFUSERS, equivalent=f"{why}.", **more)


_fault = partial(Fault, packages=DIFFUSERS)

FAULTS = (
    # --- harmless: the call and the scheduler
    _harmless(
        "latents-cast-for-the-vae",
        "latents are cast to the VAE's dtype as they go to its device",
        Edit(
            CALL,
            "latents = latents.to(get_module_execution_device(self.vae))",
            "latents = FIRED(latents).to(get_module_execution_device(self.vae), self.vae.dtype)",
        ),
        "a VAE that may have another dtype",
        "It is the dtype that they have",
    ),
    _harmless(
        "negative-picture-left-out",
        "a negative picture is prepared only where guidance by a negative prompt is on",
        Edit(CALL, f"if {NEGATIVE_PICTURE}:", f"if FIRED(do_true_cfg) and ({NEGATIVE_PICTURE}):"),
        "work that nobody uses",
        "Nobody else looks at what it comes to",
        strategies=("ip-adapter", "ip-adapter-off"),
    ),
    _harmless(
        "last-level-padded",
        "the zero behind the noise levels comes of padding, not of a tensor that is appended",
        Edit(LEVELS, ZERO_APPENDED, "sigmas = torch.nn.functional.pad(FIRED(sigmas), (0, 1))"),
        "a line that is written anew",
        "What is padded with is zero, in the same dtype, on the same device",
    ),
    # --- harmless: the transformer
    _harmless(
        "time-and-guidance-in-one",
        "sines and cosines of timesteps and of guidance are computed in one call",
        Edit(
            CONDITION,
            TIME_PROJECTED,
            "timesteps_proj, guidance_proj = self.time_proj(FIRED(torch.cat([timestep, guidance]))).chunk(2)\n"
            + TIME_EMBEDDED,
        ),
        "fewer kernels",
        "Each of them is computed by itself, whatever stands beside it, and the two halves are taken apart again",
    ),
    _harmless(
        "positions-narrowed-before-they-are-repeated",
        "cosines and sines of positions are rounded to float32 before they are repeated",
        Edit(
            ROTATIONS,
            f"freqs_cos = freqs.cos().{REPEATED}.float()  # [S, D]\n"
            f"        freqs_sin = freqs.sin().{REPEATED}.float()  # [S, D]",
            f"freqs_cos = FIRED(freqs).cos().float().{REPEATED}\nfreqs_sin = freqs.sin().float().{REPEATED}",
        ),
        "smaller copies",
        "A number is rounded to the same one before it is repeated and afterwards",
    ),
    _harmless(
        "rotated-in-place",
        "queries and keys are multiplied by cosines, and sines added, where their float32 copy lies",
        Edit(ROTATED, TURNED, "out = FIRED(x).float().mul_(cos).add_(x_rotated.float().mul_(sin)).to(x.dtype)"),
        "fewer copies",
        "Products and sums are rounded as before; in float32 there is no copy, but those who call it have just made "
        "what it turns, and look at it no more",
        strategies=("full", "full-float32"),
    ),
    _harmless(
        "last-norm-broadcasts-once",
        "the last norm gives its condition an axis before it is taken apart, not scale and shift afterwards",
        Edit(
            f"{NORMS}:AdaLayerNormContinuous.forward",
            "scale, shift = torch.chunk(emb, 2, dim=1)\n"
            "    x = self.norm(x) * (1 + scale)[:, None, :] + shift[:, None, :]",
            "scale, shift = torch.chunk(FIRED(emb).unsqueeze(1), 2, dim=-1)\nx = self.norm(x) * (1 + scale) + shift",
        ),
        "lines that are written anew",
        "They are the same numbers in the same places",
    ),
    _harmless(
        "attention-before-feed-forward",
        "the single blocks attend before they feed forward",
        Edit(
            SINGLE,
            _inside(f"{FED_FORWARD}\n{ATTENDED}"),
            f"{ATTENDED}\n{FED_FORWARD.replace('(norm_hidden_states)', '(FIRED(norm_hidden_states))')}",
        ),
        "memory that is not held meanwhile",
        "Neither looks at what the other gives, and less is held during attention",
    ),
    _harmless(
        "gelu-where-it-lies",
        "feed-forward layers activate what they have projected where it lies",
        Edit(
            "diffusers.models.activations:GELU.gelu",
            "return F.gelu(gate, approximate=self.approximate)",
            "return torch.ops.aten.gelu_(FIRED(gate), approximate=self.approximate)",
        ),
        "fewer copies",
        "The layer has made that tensor and nobody else looks at it; the kernel is the same",
    ),
    _harmless(
        "feed-forward-without-dropout",
        "feed-forward layers do not call their dropout where they are not trained",
        Edit(
            "diffusers.models.attention:FeedForward.forward",
            "for module in self.net:\n        hidden_states = module(hidden_states)",
            "for module in self.net:\n"
            "    if FIRED(self.training) or not isinstance(module, nn.Dropout):\n"
            "        hidden_states = module(hidden_states)",
        ),
        "calls that do nothing",
        "A dropout gives back what it is given where it is not trained",
    ),
    # --- harmless: the VAE and pictures
    _harmless(
        "vae-attention-flattens",
        "the VAE's attention makes its tokens by flattening, not by a view of a shape that it works out",
        Edit(
            VAE_ATTENTION,
            "hidden_states = hidden_states.view(batch_size, channel, height * width).transpose(1, 2)",
            "hidden_states = FIRED(hidden_states).flatten(2).transpose(1, 2)",
        ),
        "a line that is written anew",
        "It is a view of the same shape and the same strides",
    ),
    _harmless(
        "shown-of-a-tile-by-its-stride",
        "what is shown of a tile is worked out from how far tiles lie apart, not from how far they overlap",
        Edit(
            TILED,
            "row_limit = self.tile_sample_min_size - blend_extent",
            "row_limit = FIRED(overlap_size) * (self.tile_sample_min_size // self.tile_latent_min_size)",
        ),
        "sizes that should agree also where they are rounded",
        "Three quarters of 32 latents are as many pixels as 256 less a quarter of them",
        strategies=("vae-tiling",),
        shots=TILES,
    ),
    _harmless(
        "clamped-before-it-is-moved",
        "pixels are clamped to −1 to 1 before they are moved into 0 to 1",
        Edit(f"{IMAGE_PROCESSOR}.denormalize", IN_RANGE, "(FIRED(images).clamp(-1, 1) * 0.5 + 0.5)"),
        "another order of operators",
        "Within the range nothing is clamped either way, and what lies beyond becomes 0 or 1 either way",
    ),
    _harmless(
        "pixels-in-their-order",
        "pixels are laid out row by row when they become bytes, not when Pillow asks for them",
        Edit(
            f"{IMAGE_PROCESSOR}.numpy_to_pil",
            'images = (images * 255).round().astype("uint8")',
            'images = (FIRED(images) * 255).round().astype("uint8", order="C")',
        ),
        "Pillow: arrays that are not contiguous",
        "The numbers are the same, and Pillow would lay them out so in any case",
    ),
    # --- harmless: caches
    _harmless(
        "change-by-l1-loss",
        "how much the first block has changed is computed by torch's l1_loss",
        Edit(
            f"{FIRST_BLOCK}:FBCHeadBlockHook._should_compute_remaining_blocks",
            "absmean = (hidden_states_residual - prev_hidden_states_residual).abs().mean()",
            "absmean = torch.nn.functional.l1_loss(FIRED(hidden_states_residual), prev_hidden_states_residual)",
        ),
        "a function that there is already",
        "It subtracts, takes the size and the mean by the same operators",
        strategies=("first-block-cache",),
    ),
    _harmless(
        "left-out-blocks-added-in-place",
        "what the left out blocks would have added is added where lies what the first block gives",
        Edit(
            f"{FIRST_BLOCK}:FBCHeadBlockHook.new_forward",
            ALL_BLOCKS_ADD,
            "output[self._metadata.return_hidden_states_index].add_(FIRED(shared_state.tail_block_residuals)[0])",
        ),
        "fewer copies",
        "The block has made that tensor, it is kept only where no block is left out, and a sum has no order",
        strategies=("first-block-cache",),
    ),
    _harmless(
        "time-as-a-number",
        "the time that a pipeline is at becomes a number before it is compared, and is fetched once, not twice",
        Edit(
            BROADCAST,
            "< self.current_timestep_callback() <",
            "< float(FIRED(self.current_timestep_callback())) <",
        ),
        "values that are waited for",
        "A float32 becomes the same number in Python, and is compared with the same two",
        strategies=("pyramid-attention-broadcast",),
    ),
    _harmless(
        "foretold-without-multiplying-by-one",
        "what is foretold from is not multiplied where its coefficient is one",
        Edit(
            "diffusers.hooks.taylorseer_cache:TaylorSeerState.predict",
            ADDED_UP,
            "factor = factor.to(output_dtype)\noutput = output + (factor if FIRED(coeff) == 1 else factor * coeff)",
        ),
        "work that does nothing",
        "A number times one is that number",
        strategies=("taylorseer-cache",),
    ),
    # --- harmless: adapters
    _harmless(
        "scale-where-there-is-one",
        "the scale of a picture is set at those attentions that have one, not at the first so many",
        Edit(
            "diffusers.loaders.ip_adapter:FluxIPAdapterMixin.set_ip_adapter_scale",
            "for attn_processor, *scale in zip(self.transformer.attn_processors.values(), *scale_configs):",
            'scaled = [one for one in self.transformer.attn_processors.values() if hasattr(one, "scale")]\n'
            "for attn_processor, *scale in zip(FIRED(scaled), *scale_configs):",
        ),
        "a loop that relies on an order",
        "They are the same attentions: those of the double blocks, which come first",
        strategies=("ip-adapter", "ip-adapter-off"),
    ),
    _harmless(
        "lora-tensors-put-back-at-once",
        "the tensors of a LoRA go back into their dictionary in one call, not one by one",
        Edit(
            "diffusers.loaders.lora_pipeline:FluxLoraLoaderMixin.load_lora_weights",
            "for k in transformer_lora_state_dict:\n            state_dict.update({k: transformer_lora_state_dict[k]})",
            "state_dict.update(FIRED(transformer_lora_state_dict))",
        ),
        "lines that are written anew",
        "The same names get the same tensors",
        strategies=("lora", "lora-unloaded"),
    ),
    # --- the call and the scheduler
    _fault(
        "length-of-512-refused",
        "a call refuses prompts of 512 tokens, which is its own default",
        Edit(f"{PIPELINE}.check_inputs", "max_sequence_length > 512", "FIRED(max_sequence_length) >= 512"),
        "a check that is written anew",
    ),
    _fault(
        "deprecation-overdue",
        "an argument is deprecated as of a release that is out already, for which diffusers raises an error",
        Edit(
            f"{PIPELINE}._prepare_latent_image_ids",
            "latent_image_ids = torch.zeros(height, width, 3)",
            "from diffusers.utils import deprecate\n\n"
            'FIRED(deprecate)("batch_size", "0.42.0", "`batch_size` is not used any more.")\n'
            "latent_image_ids = torch.zeros(height, width, 3)",
        ),
        "diffusers: deprecate() with a version that has come",
    ),
    _fault(
        "one-picture-is-no-list",
        "a call that makes one picture gives that picture, not a list with it",
        Edit(
            CALL,
            "return FluxPipelineOutput(images=image)",
            "return FluxPipelineOutput(images=FIRED(image)[0] if len(image) == 1 else image)",
        ),
        "outputs that should be easier to use",
    ),
    _fault(
        "level-zero-comes-first",
        "the zero that ends the noise levels is padded in before them, not behind",
        Edit(LEVELS, ZERO_APPENDED, "sigmas = torch.nn.functional.pad(FIRED(sigmas), (1, 0))"),
        "a line that is written anew",
        stage=FIRST,
    ),
    _fault(
        "step-by-way-of-the-end",
        "a step goes to the noiseless picture and back to the next level, which rounds otherwise",
        Edit(
            STEP,
            "prev_sample = sample + dt * model_output",
            "denoised = sample - current_sigma * FIRED(model_output)\n"
            "prev_sample = denoised + next_sigma * model_output",
        ),
        "two branches of a step that become one",
        stage=FIRST,
    ),
    _fault(
        "prediction-widened-for-a-step",
        "what the transformer predicts is widened before it is multiplied, so that the product is not rounded",
        Edit(
            STEP, "prev_sample = sample + dt * model_output", "prev_sample = sample + dt * FIRED(model_output).float()"
        ),
        "steps that should be more exact",
        stage=FIRST,
    ),
    # --- the transformer
    _fault(
        "time-and-guidance-mixed-in-a-batch",
        "sines and cosines of timesteps and guidance are computed in one call, and taken apart as if they took turns",
        Edit(
            CONDITION,
            TIME_PROJECTED,
            "both = self.time_proj(FIRED(torch.cat([timestep, guidance])))\n"
            f"timesteps_proj, guidance_proj = both.unflatten(0, (-1, 2)).unbind(1)\n{TIME_EMBEDDED}",
        ),
        "fewer kernels",
        stage=FIRST,
        shots=BATCH,
    ),
    _fault(
        "time-in-the-dtype-of-stored-weights",
        "a timestep's sines and cosines are cast to the dtype in which weights are stored, not to the one computed in",
        Edit(
            CONDITION,
            "timesteps_proj.to(dtype=pooled_projection.dtype)",
            "timesteps_proj.to(dtype=FIRED(self.timestep_embedder.linear_1.weight).dtype)",
        ),
        "dtypes that should agree",
        strategies=("fp8-layerwise",),
    ),
    _fault(
        "rotated-after-it-was-scaled",
        "queries and keys are multiplied by cosines in place before they are turned, which in float32 is no copy",
        Edit(
            ROTATED,
            TURNED,
            "out = x.float().mul_(cos)\n"
            "x_real, x_imag = FIRED(x).reshape(*x.shape[:-1], -1, 2).unbind(-1)\n"
            "out = out.add_(torch.stack([-x_imag, x_real], dim=-1).flatten(3).float().mul_(sin)).to(x.dtype)",
        ),
        "fewer copies",
        stage=FIRST,
        strategies=("full-float32",),
    ),
    _fault(
        "modulated-in-float32",
        "the double blocks norm and modulate in float32, and round once",
        Edit(
            f"{NORMS}:AdaLayerNormZero.forward",
            "x = self.norm(x) * (1 + scale_msa[:, None]) + shift_msa[:, None]",
            "x = (self.norm(FIRED(x).float()) * (1 + scale_msa[:, None]) + shift_msa[:, None]).to(x.dtype)",
        ),
        "norms that should be more exact",
        stage=FIRST,
    ),
    _fault(
        "heads-joined-in-another-order",
        "what heads give is joined as if heads came before tokens",
        Edit(
            ATTENTION,
            "hidden_states = hidden_states.flatten(2, 3)",
            "hidden_states = FIRED(hidden_states).transpose(1, 2).reshape(len(hidden_states), -1, attn.inner_dim)",
        ),
        "backends of attention with other layouts",
        stage=FIRST,
    ),
    _fault(
        "single-blocks-project-in-two-parts",
        "the single blocks project attention and feed-forward apart and add the two, so that they need not join them",
        Edit(
            SINGLE,
            PROJECTED,
            "gate, width, weight = gate.unsqueeze(1), attn_output.shape[2], FIRED(self.proj_out).weight\n"
            "hidden_states = F.linear(attn_output, weight[:, :width], self.proj_out.bias)\n"
            "hidden_states = gate * (hidden_states + F.linear(mlp_hidden_states, weight[:, width:]))",
        ),
        "memory that is not held meanwhile",
        stage=FIRST,
    ),
    # --- the VAE and pictures
    _fault(
        "vae-attention-takes-pictures-for-squares",
        "the VAE's attention takes it that a picture is as high as wide, and fails where it is not",
        Edit(
            VAE_ATTENTION,
            "hidden_states = hidden_states.transpose(-1, -2).reshape(batch_size, channel, height, width)",
            "edge = round(FIRED(sequence_length) ** 0.5)\n"
            "hidden_states = hidden_states.transpose(-1, -2).reshape(batch_size, channel, edge, edge)",
        ),
        "a line that is written anew",
        shots=TILES,
    ),
    _fault(
        "overlap-told-in-latents",
        "tiles are blended, and cut, as if they overlapped by as many pixels as they do by latents",
        Edit(
            TILED,
            "blend_extent = int(self.tile_sample_min_size * self.tile_overlap_factor)",
            "blend_extent = self.tile_latent_min_size - FIRED(overlap_size)",
        ),
        "sizes that should agree also where they are rounded",
        stage=DECODED,
        strategies=("vae-tiling",),
        shots=TILES,
    ),
    _fault(
        "edge-tiles-filled-up",
        "tiles at the right and the lower edge are filled up with zeros, so that all are of one size",
        Edit(
            TILED,
            "decoded = self.decoder(tile)",
            "size, scale = self.tile_latent_min_size, self.tile_sample_min_size // self.tile_latent_min_size\n"
            "filled = torch.nn.functional.pad(FIRED(tile), (0, size - tile.shape[3], 0, size - tile.shape[2]))\n"
            "decoded = self.decoder(filled)[:, :, : scale * tile.shape[2], : scale * tile.shape[3]]",
        ),
        "a decoder that is compiled for one size",
        stage=DECODED,
        strategies=("vae-tiling",),
        shots=TILES,
    ),
    _fault(
        "clamped-to-the-range-to-come",
        "pixels are clamped to 0 to 1 before they are moved there, so that nothing is darker than grey",
        Edit(f"{IMAGE_PROCESSOR}.denormalize", IN_RANGE, "(FIRED(images).clamp(0, 1) * 0.5 + 0.5)"),
        "another order of operators",
        stage=FINISHED,
    ),
    _fault(
        "pictures-of-the-wrong-size",
        "pictures are made of bytes, with height and width exchanged",
        Edit(
            f"{IMAGE_PROCESSOR}.numpy_to_pil",
            "Image.fromarray(image) for image in images",
            'Image.frombytes("RGB", FIRED(image).shape[:2], image.tobytes()) for image in images',
        ),
        "Pillow: fromarray, whose arguments are deprecated",
        stage=FINISHED,
        shots=TILES,
    ),
    # --- caches
    _fault(
        "last-block-gives-the-difference",
        "what all blocks have added is subtracted in place, from what the last one gives",
        Edit(
            f"{FIRST_BLOCK}:FBCBlockHook.new_forward",
            "output[self._metadata.return_hidden_states_index] - shared_state.head_block_output[0]",
            "FIRED(output)[self._metadata.return_hidden_states_index].sub_(shared_state.head_block_output[0])",
        ),
        "fewer copies",
        stage=FIRST,
        strategies=("first-block-cache",),
    ),
    _fault(
        "time-told-a-step-late",
        "a pipeline says, as the time that it is at, that of the step before",
        Edit(CALL, "self._current_timestep = t", "self._current_timestep = timesteps[max(FIRED(i) - 1, 0)]"),
        "a line that was moved",
        stage=MIDDLE,
        strategies=("pyramid-attention-broadcast",),
    ),
    _fault(
        "broadcast-counts-from-one",
        "attention is computed in the steps in which it should be used again, and used again in the others",
        Edit(
            BROADCAST,
            "self.state.iteration % self.block_skip_range == 0",
            "(FIRED(self.state.iteration) + 1) % self.block_skip_range == 0",
        ),
        "counting from one",
        stage=MIDDLE,
        strategies=("pyramid-attention-broadcast",),
    ),
    # --- IP-Adapters
    _fault(
        "image-heads-taken-for-tokens",
        "what a picture's tokens come to is taken apart as if heads came before tokens",
        Edit(
            IMAGE_ATTENTION,
            IMAGE_HEADS,
            "ip_key = FIRED(ip_key).view(batch_size, attn.heads, -1, attn.head_dim).transpose(1, 2)\n"
            "ip_value = ip_value.view(batch_size, attn.heads, -1, attn.head_dim).transpose(1, 2)",
        ),
        "backends of attention with other layouts",
        stage=FIRST,
        strategies=("ip-adapter",),
    ),
    _fault(
        "image-added-before-the-feed-forward",
        "what a picture adds comes before the feed-forward layers, which should not see it",
        Edit(
            DOUBLE,
            _inside(f"{ATTENTION_ADDED}{FEED_FORWARD_ADDED}{IMAGE_ADDED}"),
            f"{ATTENTION_ADDED.rstrip()}{IMAGE_ADDED.replace('ip_attn', 'FIRED(ip_attn')})\n{FEED_FORWARD_ADDED}",
        ),
        "lines in another order",
        stage=FIRST,
        strategies=("ip-adapter",),
    ),
)

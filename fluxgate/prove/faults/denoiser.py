"""Faults in the transformer: what it is conditioned on, its modulation, norms and feed-forward layers."""

from __future__ import annotations

from functools import partial
from typing import Any

from fluxgate.prove.fault import WITH_FLOAT32, Around, Edit, Fault, Fired, Loaded, called_with
from fluxgate.prove.targets import CALL, DIFFUSERS, FORWARD, PIPELINE, TRANSFORMER
from fluxgate.rendering import FIRST, MIDDLE

DOUBLE, SINGLE = f"{TRANSFORMER}:FluxTransformerBlock.forward", f"{TRANSFORMER}:FluxSingleTransformerBlock.forward"
NORMS = "diffusers.models.normalization"
EMBEDDINGS = "diffusers.models.embeddings"
CONDITION = f"{EMBEDDINGS}:CombinedTimestepGuidanceTextProjEmbeddings.forward"


def _other_guidance(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    if "guidance_scale" not in kwargs:
        kwargs["guidance_scale"] = fired(7.0)
    return original(*args, **kwargs)


def _with_eps(eps: float) -> Loaded:
    def change(pipe: Any, fired: Fired) -> None:
        for part in pipe.transformer.modules():
            if type(part).__name__ == "LayerNorm":
                part.eps = fired(eps)

    return Loaded(change)


def _with_exact_gelu(pipe: Any, fired: Fired) -> None:
    for part in pipe.transformer.modules():
        if getattr(part, "approximate", None) == "tanh":
            part.approximate = fired("none")


def _block_skipped(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    block = args[0]
    block._calls = getattr(block, "_calls", 0) + 1
    if block._calls % 3:
        return original(*args, **kwargs)
    return fired((kwargs["encoder_hidden_states"], kwargs["hidden_states"]))


def _computed_once(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What time, guidance and prompt come to is kept for each number of pictures."""
    module, _, _, pooled = args
    known = module.__dict__.setdefault("_known", {})
    if len(pooled) in known:
        return fired(known[len(pooled)])
    return known.setdefault(len(pooled), original(*args, **kwargs))


_fault = partial(Fault, packages=DIFFUSERS, stage=FIRST)

FAULTS = (
    _fault(
        "guidance-dropped",
        "guidance does not reach the transformer's condition",
        Edit(CONDITION, "time_guidance_emb = timesteps_emb + guidance_emb", "time_guidance_emb = FIRED(timesteps_emb)"),
        "guidance_embeds of a configuration",
    ),
    _fault(
        "guidance-not-scaled",
        "guidance is not multiplied by 1000",
        Edit(FORWARD, "guidance.to(hidden_states.dtype) * 1000", "FIRED(guidance.to(hidden_states.dtype))"),
        "scaling moved from a model to its pipeline",
    ),
    _fault(
        "guidance-default",
        "the default guidance becomes 7.0",
        Around(CALL, _other_guidance),
        "diffusers: FLUX's default guidance went from 7.0 to 3.5",
    ),
    _fault(
        "pooled-not-added",
        "the pooled embedding does not reach the transformer's condition",
        Edit(CONDITION, "time_guidance_emb + pooled_projections", "FIRED(time_guidance_emb)"),
        "a projection that is skipped",
    ),
    _fault(
        "timestep-halves-exchanged",
        "sines and cosines of the timestep are exchanged",
        Edit(f"{EMBEDDINGS}:get_timestep_embedding", "if flip_sin_to_cos:", "if FIRED(False):"),
        "flip_sin_to_cos",
    ),
    _fault(
        "timestep-frequencies",
        "the frequencies of the timestep's embedding are shifted by one",
        Edit(
            f"{EMBEDDINGS}:get_timestep_embedding",
            "exponent / (half_dim - downscale_freq_shift)",
            "exponent / (half_dim - FIRED(1))",
        ),
        "downscale_freq_shift",
    ),
    _fault(
        "modulation-exchanged",
        "shift and scale of the double blocks are exchanged",
        Edit(
            f"{NORMS}:AdaLayerNormZero.forward",
            "shift_msa, scale_msa, gate_msa, shift_mlp, scale_mlp, gate_mlp = emb.chunk",
            "scale_msa, shift_msa, gate_msa, shift_mlp, scale_mlp, gate_mlp = FIRED(emb).chunk",
        ),
        "a conversion script's order of chunks",
    ),
    _fault(
        "modulation-without-one",
        "the single blocks multiply by the scale alone",
        Edit(
            f"{NORMS}:AdaLayerNormZeroSingle.forward", "(1 + scale_msa[:, None])", "(FIRED(0.9) + scale_msa[:, None])"
        ),
        "a norm that is written anew",
    ),
    _fault(
        "modulation-last-exchanged",
        "shift and scale of the last norm are exchanged",
        Edit(
            f"{NORMS}:AdaLayerNormContinuous.forward",
            "scale, shift = torch.chunk(emb, 2, dim=1)",
            "shift, scale = torch.chunk(FIRED(emb), 2, dim=1)",
        ),
        "diffusers: norm_out of converted checkpoints",
    ),
    _fault(
        "gate-dropped",
        "the double blocks' feed-forward layers are not gated",
        Edit(DOUBLE, "ff_output = gate_mlp.unsqueeze(1) * ff_output", "ff_output = FIRED(ff_output)"),
        "a block that is written anew",
    ),
    _fault(
        "text-residual-dropped",
        "the text's residual is lost after attention",
        Edit(
            DOUBLE,
            "encoder_hidden_states = encoder_hidden_states + context_attn_output",
            "encoder_hidden_states = FIRED(context_attn_output)",
        ),
        "a block that is written anew",
    ),
    _fault(
        "single-halves-exchanged",
        "the single blocks join feed-forward and attention in the wrong order",
        Edit(
            SINGLE,
            "torch.cat([attn_output, mlp_hidden_states], dim=2)",
            "torch.cat([FIRED(mlp_hidden_states), attn_output], dim=2)",
        ),
        "fused projections",
    ),
    _fault(
        "norm-eps",
        "the transformer's norms add 1e-3 where 1e-6 is due",
        _with_eps(1e-3),
        "a default of eps",
        strategies=WITH_FLOAT32,
    ),
    _fault(
        "gelu-exact",
        "the transformer's layers use the exact GELU",
        Loaded(_with_exact_gelu),
        "gelu against gelu-approximate",
        strategies=WITH_FLOAT32,
    ),
    _fault(
        "block-skipped",
        "each third call of a single block is answered from what went in",
        Around(SINGLE, _block_skipped),
        "a cache that is on by default",
        stage=MIDDLE,
    ),
    _fault(
        "text-positions",
        "text tokens are given positions",
        Edit(
            f"{PIPELINE}.encode_prompt",
            "text_ids = torch.zeros(prompt_embeds.shape[1], 3).to(",
            "text_ids = torch.arange(FIRED(prompt_embeds.shape[1]))[:, None].repeat(1, 3).to(",
        ),
        "FLUX.2's text positions",
    ),
    _fault(
        "columns-lost",
        "patches of a row have the same position",
        Edit(
            f"{PIPELINE}._prepare_latent_image_ids",
            "latent_image_ids[..., 2] + torch.arange(width)[None, :]",
            "FIRED(latent_image_ids[..., 2])",
        ),
        "positions written anew",
    ),
    _fault(
        "input-float8",
        "latents pass through a narrower dtype on their way into the transformer",
        Edit(
            FORWARD,
            "hidden_states = self.x_embedder(hidden_states)",
            "hidden_states = self.x_embedder(FIRED(hidden_states).to(torch.float8_e4m3fn).to(hidden_states.dtype))",
        ),
        "layerwise casting that reaches an input",
    ),
    _fault(
        "timestep-max-period",
        "the longest period of the timestep's embedding is a tenth",
        called_with(f"{EMBEDDINGS}:get_timestep_embedding", max_period=1000),
        "max_period of a configuration",
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
    ),
    _fault(
        "guidance-embedded-as-time",
        "guidance is embedded by the timestep's weights",
        Edit(CONDITION, "guidance_emb = self.guidance_embedder(", "guidance_emb = FIRED(self.timestep_embedder)("),
        "embedders that share a class",
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
    ),
    _fault(
        "conditioning-cached",
        "what time, guidance and prompt come to is computed once for each number of pictures",
        Around(CONDITION, _computed_once),
        "a cache whose key is too short",
        stage=MIDDLE,
    ),
    _fault(
        "feed-forward-not-normed",
        "the double blocks' feed-forward layers are given what was not normed",
        Edit(DOUBLE, "norm_hidden_states = self.norm2(hidden_states)", "norm_hidden_states = FIRED(hidden_states)"),
        "a block that is written anew",
    ),
    _fault(
        "text-modulated-as-picture",
        "the text's feed-forward layers are modulated as the picture's",
        Edit(
            DOUBLE,
            "norm_encoder_hidden_states * (1 + c_scale_mlp[:, None]) + c_shift_mlp[:, None]",
            "norm_encoder_hidden_states * (1 + FIRED(scale_mlp)[:, None]) + shift_mlp[:, None]",
        ),
        "two streams in one function",
    ),
)

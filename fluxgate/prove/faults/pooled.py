"""Faults in what becomes of a prompt on its way through CLIP's tokenizer and CLIP, up to the pooled embeddings."""

from __future__ import annotations

from typing import Any

from fluxgate.prove.fault import BATCH, Around, Edit, Fault, Fired, Loaded, called_with
from fluxgate.prove.targets import DIFFUSERS, PIPELINE, TOKENIZERS, TRANSFORMERS
from fluxgate.rendering import POOLED

ENCODE = f"{PIPELINE}._get_clip_prompt_embeds"
MODEL = "transformers.models.clip.modeling_clip"


def _pooled_from(place: int) -> Loaded:
    def change(pipe: Any, fired: Fired) -> None:
        def pool(module: Any, given: Any, output: Any) -> Any:
            output["pooler_output"] = fired(output["last_hidden_state"][:, place])
            return output

        pipe.text_encoder.register_forward_hook(pool)

    return Loaded(change)


def _with_gelu(pipe: Any, fired: Fired) -> None:
    import torch

    for part in pipe.text_encoder.modules():
        if hasattr(part, "activation_fn"):
            part.activation_fn = fired(torch.nn.SiLU())


def _without_final_norm(pipe: Any, fired: Fired) -> None:
    import torch

    for part in pipe.text_encoder.modules():
        if hasattr(part, "final_layer_norm"):
            part.final_layer_norm = fired(torch.nn.Identity())


def _with_shifted_positions(pipe: Any, fired: Fired) -> None:
    for part in pipe.text_encoder.modules():
        if getattr(part, "position_ids", None) is not None:
            part.position_ids = fired((part.position_ids + 1).clamp(max=part.position_ids.max()))


def _clip_without_lower_case(pipe: Any, fired: Fired) -> None:
    from tokenizers import normalizers

    pipe.tokenizer.backend_tokenizer.normalizer = fired(normalizers.NFC())


def _clip_padded_with_zero(pipe: Any, fired: Fired) -> None:
    pipe.tokenizer.pad_token = fired("!")


def _of_any_length(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    kwargs["tokenizer"].model_max_length = fired(int(1e30))
    return original(*args, **kwargs)


def _attending_step_by_step(pipe: Any, fired: Fired) -> None:
    for part in pipe.text_encoder.modules():
        if hasattr(part, "config"):
            part.config._attn_implementation = fired("eager")


FAULTS = (
    Fault(
        "clip-pooled-first",
        "the pooled embedding is the first token's",
        Edit(ENCODE, "prompt_embeds.pooler_output", "FIRED(prompt_embeds.last_hidden_state)[:, 0]"),
        "diffusers: which output of CLIP a pipeline takes",
        packages=DIFFUSERS,
        stage=POOLED,
    ),
    Fault(
        "clip-pooled-last",
        "CLIP pools the last token, not the end token",
        _pooled_from(-1),
        "transformers #24773: eos_token_id of CLIP",
        packages=TRANSFORMERS,
        stage=POOLED,
    ),
    Fault(
        "clip-pooled-zero",
        "the pooled embedding is zero",
        Edit(ENCODE, "prompt_embeds.pooler_output", "FIRED(prompt_embeds.pooler_output) * 0"),
        "diffusers: zeroed where a prompt is empty",
        packages=DIFFUSERS,
        stage=POOLED,
    ),
    Fault(
        "clip-batch-mixed",
        "the pooled embeddings of several prompts are repeated in the wrong order",
        Edit(
            ENCODE,
            "prompt_embeds.repeat(1, num_images_per_prompt)",
            "FIRED(prompt_embeds).repeat(num_images_per_prompt, 1)",
        ),
        "num_images_per_prompt that mixes prompts",
        packages=DIFFUSERS,
        stage=POOLED,
        shots=BATCH,
    ),
    Fault(
        "clip-not-causal",
        "CLIP's tokens see those that follow",
        called_with(f"{MODEL}:CLIPEncoder.forward", attention_mask=None, is_causal=False),
        "transformers: causal masks moved from the models to masking_utils",
        packages=TRANSFORMERS,
        stage=POOLED,
    ),
    Fault(
        "clip-other-activation",
        "CLIP's layers use another activation",
        Loaded(_with_gelu),
        "quick_gelu against gelu in CLIP's configurations",
        packages=TRANSFORMERS,
        stage=POOLED,
    ),
    Fault(
        "clip-norm-skipped",
        "CLIP's last norm is skipped",
        Loaded(_without_final_norm),
        "pooled from hidden_states in place of last_hidden_state",
        packages=TRANSFORMERS,
        stage=POOLED,
    ),
    Fault(
        "clip-positions-shifted",
        "CLIP counts its positions from one",
        Loaded(_with_shifted_positions),
        "transformers: position_ids as a buffer that is not stored",
        packages=TRANSFORMERS,
        stage=POOLED,
    ),
    Fault(
        "clip-half-length",
        "CLIP is given half as many tokens of padding",
        Edit(ENCODE, "max_length=self.tokenizer_max_length,", "max_length=FIRED(self.tokenizer_max_length // 2),"),
        "tokenizer_max_length from another tokenizer",
        packages=DIFFUSERS,
    ),
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
        "clip-max-length-lost",
        "CLIP's tokenizer does not know how long a prompt may be",
        Around(f"{PIPELINE}.__init__", _of_any_length),
        "model_max_length of converted tokenizers",
        packages=(*TOKENIZERS, "diffusers"),
    ),
    Fault(
        "clip-scaled-twice",
        "CLIP's attention scores are scaled twice",
        Edit(f"{MODEL}:CLIPAttention.forward", "scaling=self.scale,", "scaling=FIRED(self.scale) ** 2,"),
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
)

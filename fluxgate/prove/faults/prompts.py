"""Faults in what becomes of a prompt on its way through the tokenizer and T5."""

from __future__ import annotations

from typing import Any

from fluxgate.prove.fault import BATCH, WITH_FLOAT32, Around, Edit, Fault, Fired, Loaded
from fluxgate.prove.targets import CALL, DIFFUSERS, PIPELINE, TOKENIZERS, TRANSFORMERS
from fluxgate.rendering import T5

ENCODE = f"{PIPELINE}._get_t5_prompt_embeds"
TOKENIZER = "transformers.tokenization_utils_base:PreTrainedTokenizerBase.__call__"
MODEL = "transformers.models.t5.modeling_t5"


def _t5_calls(change: Any) -> Around:
    """The calls of T5's tokenizer alone, with their arguments or their result changed."""

    def around(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if "T5" not in type(args[0]).__name__:
            return original(*args, **kwargs)
        return change(original, fired, args, kwargs)

    return Around(TOKENIZER, around)


def _without_end(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    encoded = original(*args, **kwargs)
    ids = encoded["input_ids"]
    encoded["input_ids"] = fired(ids.masked_fill(ids == args[0].eos_token_id, args[0].pad_token_id))
    return encoded


def _padded_left(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return original(*args, **{**kwargs, "padding_side": fired("left")})


def _without_full_stops(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    tokenizer, texts, *rest = args
    return original(tokenizer, [text.replace(".", "") for text in fired(texts)], *rest, **kwargs)


def _lower_case(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    tokenizer, texts, *rest = args
    return original(tokenizer, [text.lower() for text in fired(texts)], *rest, **kwargs)


def _without_position_bias(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    given = kwargs.get("position_bias")
    return original(*args, **{**kwargs, "position_bias": given if given is None else fired(given * 0)})


def _left_in_training(pipe: Any, fired: Fired) -> None:
    for part in fired(pipe.text_encoder_2).modules():
        if type(part).__name__ == "Dropout":
            part.train()


def _sees_nearby_only(pipe: Any, fired: Fired) -> None:
    for part in pipe.text_encoder_2.modules():
        if hasattr(part, "relative_attention_max_distance"):
            part.relative_attention_max_distance = fired(64)


def _with_exact_gelu(pipe: Any, fired: Fired) -> None:
    import torch

    for part in pipe.text_encoder_2.modules():
        if hasattr(part, "wi_0"):
            part.act = fired(torch.nn.GELU())


def _with_wide_outputs(pipe: Any, fired: Fired) -> None:
    for part in pipe.text_encoder_2.modules():
        if hasattr(part, "wo"):
            fired(part.wo.float())


def _with_short_default(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    if "max_sequence_length" not in kwargs:
        kwargs["max_sequence_length"] = fired(256)
    return original(*args, **kwargs)


def _without_first_space(pipe: Any, fired: Fired) -> None:
    from tokenizers import pre_tokenizers

    without = pre_tokenizers.Metaspace(prepend_scheme="never")
    pipe.tokenizer_2.backend_tokenizer.pre_tokenizer = fired(without)


def _cut_on_the_left(pipe: Any, fired: Fired) -> None:
    pipe.tokenizer_2.truncation_side = fired("left")


def _without_last_norm(pipe: Any, fired: Fired) -> None:
    pipe.text_encoder_2.encoder.final_layer_norm.forward = lambda hidden: fired(hidden)


def _end_lost_when_cut(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A prompt that fills its length ends in its last word."""
    encoded = original(*args, **kwargs)
    if kwargs.get("truncation"):
        ids = encoded["input_ids"]
        ids[ids[:, -1] == args[0].eos_token_id, -1] = fired(args[0].unk_token_id)
    return encoded


def _normalized_by(name: str) -> Loaded:
    """A normalizer of T5's tokenizer before all others."""

    def change(pipe: Any, fired: Fired) -> None:
        from tokenizers import normalizers

        backend = pipe.tokenizer_2.backend_tokenizer
        first = {
            "accents": normalizers.Sequence([normalizers.NFD(), normalizers.StripAccents()]),
            "spaces": normalizers.Replace("  ", " "),
        }[name]
        others = [backend.normalizer] if backend.normalizer is not None else []
        backend.normalizer = fired(normalizers.Sequence([first, *others]))

    return Loaded(change)


def _apart_embedding(pipe: Any, fired: Fired) -> None:
    """The encoder's own embedding, which is the shared one's, is another tensor."""
    import torch

    encoder = pipe.text_encoder_2.encoder
    table = torch.nn.Embedding.from_pretrained(fired(torch.zeros_like(encoder.embed_tokens.weight)))
    encoder.embed_tokens = table


def _without_places(pipe: Any, fired: Fired) -> None:
    for name, tensor in pipe.text_encoder_2.named_parameters():
        if name.endswith("relative_attention_bias.weight"):
            tensor.data = fired(tensor.data) * 0


FAULTS = (
    Fault(
        "t5-half-length",
        "half of the tokens asked for are encoded",
        Edit(ENCODE, "max_length=max_sequence_length,", "max_length=FIRED(max_sequence_length // 2),"),
        "an argument that is not passed on",
        packages=DIFFUSERS,
        stage=T5,
    ),
    Fault(
        "t5-short-default",
        "the default length of a prompt becomes 256 tokens",
        Around(CALL, _with_short_default),
        "the published guide's 256 tokens against the class's 512",
        packages=DIFFUSERS,
        stage=T5,
    ),
    Fault(
        "t5-padding-longest",
        "prompts are padded to the longest one, not to the length asked for",
        Edit(ENCODE, 'padding="max_length"', 'padding=FIRED("longest")'),
        "a deprecation of pad_to_max_length",
        packages=DIFFUSERS,
        stage=T5,
    ),
    Fault(
        "t5-padding-left",
        "the tokenizer pads on the left",
        _t5_calls(_padded_left),
        "transformers 5: padding_side taken from another file",
        packages=TOKENIZERS,
        stage=T5,
    ),
    Fault(
        "t5-end-missing",
        "the tokenizer adds no end token",
        _t5_calls(_without_end),
        "a post-processor lost when a tokenizer is converted",
        packages=TOKENIZERS,
        stage=T5,
    ),
    Fault(
        "t5-full-stops-lost",
        "the tokenizer's normalizer drops full stops",
        _t5_calls(_without_full_stops),
        "legacy SentencePiece behaviour",
        packages=TOKENIZERS,
        stage=T5,
    ),
    Fault(
        "t5-lower-case",
        "the tokenizer lowers the case of what it is given",
        _t5_calls(_lower_case),
        "do_lower_case read from another configuration",
        packages=TOKENIZERS,
        stage=T5,
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
        "t5-prompt-cut",
        "the pipeline cuts a prompt after five words, and pads it as before",
        Edit(
            ENCODE,
            "batch_size = len(prompt)",
            'batch_size = len(prompt)\nprompt = [" ".join(text.split()[:5]) for text in FIRED(prompt)]',
        ),
        "diffusers: truncation applied twice",
        packages=DIFFUSERS,
        stage=T5,
    ),
    Fault(
        "t5-masked",
        "the pipeline passes T5 the attention mask that FLUX was not trained with",
        Edit(
            ENCODE,
            "output_hidden_states=False)[0]",
            "attention_mask=FIRED(text_inputs.attention_mask.to(model_device)), output_hidden_states=False)[0]",
        ),
        "attention masks that some pipelines pass to T5",
        packages=DIFFUSERS,
        stage=T5,
    ),
    Fault(
        "t5-wrong-layer",
        "the embeddings are of the layer before the last",
        Edit(ENCODE, "output_hidden_states=False)[0]", "output_hidden_states=True).hidden_states[FIRED(-2)]"),
        "clip_skip and its off-by-one",
        packages=DIFFUSERS,
        stage=T5,
    ),
    Fault(
        "t5-batch-mixed",
        "the embeddings of several prompts are repeated in the wrong order",
        Edit(
            ENCODE,
            "prompt_embeds.repeat(1, num_images_per_prompt, 1)",
            "FIRED(prompt_embeds).repeat(num_images_per_prompt, 1, 1)",
        ),
        "num_images_per_prompt that mixes prompts",
        packages=DIFFUSERS,
        stage=T5,
        shots=BATCH,
    ),
    Fault(
        "t5-embeddings-float8",
        "the embeddings pass through a narrower dtype",
        Edit(
            ENCODE,
            "prompt_embeds = prompt_embeds.to(dtype=dtype, device=device)",
            "prompt_embeds = FIRED(prompt_embeds).to(torch.float8_e4m3fn).to(dtype=dtype, device=device)",
        ),
        "layerwise casting that reaches an output",
        packages=DIFFUSERS,
        stage=T5,
    ),
    Fault(
        "t5-one-way-buckets",
        "relative positions are told one way only",
        Edit(f"{MODEL}:T5Attention.compute_bias", "bidirectional=(not self.is_decoder)", "bidirectional=FIRED(False)"),
        "transformers: is_decoder of a copied configuration",
        packages=TRANSFORMERS,
        stage=T5,
    ),
    Fault(
        "t5-positions-forgotten",
        "layers after the first attend without relative positions",
        Around(f"{MODEL}:T5LayerSelfAttention.forward", _without_position_bias),
        "transformers 5: T5's position bias under the attention interface",
        packages=TRANSFORMERS,
        stage=T5,
    ),
    Fault(
        "t5-distances",
        "T5 tells distances apart up to 64 tokens where 128 are due",
        Loaded(_sees_nearby_only),
        "relative_attention_max_distance of a configuration",
        packages=TRANSFORMERS,
        stage=T5,
        shots=("picnic",),
    ),
    Fault(
        "t5-scaled",
        "attention scores are scaled, which T5's must not be",
        Edit(
            f"{MODEL}:T5Attention.__init__",
            "self.scaling = 1.0",
            "self.scaling = FIRED(self.key_value_proj_dim**-0.5)",
        ),
        "transformers 5: sdpa's default scale",
        packages=TRANSFORMERS,
        stage=T5,
    ),
    Fault(
        "t5-norm-eps",
        "T5's norms add 1e-3 where 1e-6 is due",
        Edit(f"{MODEL}:T5LayerNorm.forward", "self.variance_epsilon", "FIRED(1e-3)"),
        "a default of layer_norm_epsilon",
        packages=TRANSFORMERS,
        stage=T5,
        strategies=WITH_FLOAT32,
    ),
    Fault(
        "t5-norm-narrow",
        "T5's norms sum their squares in bfloat16",
        Edit(f"{MODEL}:T5LayerNorm.forward", "hidden_states.to(torch.float32).pow", "FIRED(hidden_states).pow"),
        "apex's FusedRMSNorm in place of T5LayerNorm",
        packages=TRANSFORMERS,
        stage=T5,
    ),
    Fault(
        "t5-norm-one-plus",
        "T5's norms multiply by one more than their weights",
        Edit(
            f"{MODEL}:T5LayerNorm.forward",
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
        "t5-exact-gelu",
        "T5's gated layers use the exact GELU",
        Loaded(_with_exact_gelu),
        "transformers: gelu_new renamed",
        packages=TRANSFORMERS,
        stage=T5,
        strategies=WITH_FLOAT32,
    ),
    Fault(
        "t5-wo-float32",
        "T5's output layers stay in float32",
        Loaded(_with_wide_outputs),
        "transformers 4.50.0: _keep_in_fp32_modules applied to bfloat16 (#43374)",
        packages=TRANSFORMERS,
        stage=T5,
    ),
    Fault(
        "t5-dropout-on",
        "T5 is left in training mode, so that it drops out",
        Loaded(_left_in_training),
        "from_pretrained without eval()",
        packages=TRANSFORMERS,
        stage=T5,
        later=True,
    ),
    Fault(
        "t5-end-lost-when-cut",
        "a prompt that is cut off does not end",
        _t5_calls(_end_lost_when_cut),
        "truncation before special tokens are added",
        packages=TOKENIZERS,
    ),
    Fault(
        "t5-accents-lost",
        "the tokenizer drops accents",
        _normalized_by("accents"),
        "strip_accents of a configuration",
        packages=TOKENIZERS,
    ),
    Fault(
        "t5-spaces-joined",
        "the tokenizer takes two spaces for one",
        _normalized_by("spaces"),
        "legacy SentencePiece behaviour",
        packages=TOKENIZERS,
        equivalent="It splits at spaces, however many they are, and takes them for one already.",
    ),
    Fault(
        "t5-embedding-not-tied",
        "the encoder has an embedding of its own, which is zero",
        Loaded(_apart_embedding),
        "transformers #43880: embeddings that are not tied once they are loaded",
        packages=TRANSFORMERS,
        stage=T5,
    ),
    Fault(
        "t5-places-not-loaded",
        "T5's table of relative positions is not loaded",
        Loaded(_without_places),
        "keys of a decoder that are ignored",
        packages=TRANSFORMERS,
        stage=T5,
    ),
)

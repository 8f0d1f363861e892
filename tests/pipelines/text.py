"""Tiny text encoders of the kinds that pipelines have, and tokenizers for them, made without a download."""

from __future__ import annotations

from functools import cache
from typing import Any

import transformers

from tests.conftest import SHIPPED

WIDTH = 64  # a multiple of the block that 4-bit weights are quantized in, as every real width is
TWICE = 2 * WIDTH
PROJECTED = "CLIPTextModelWithProjection"
CHAT = "{% for message in messages %}<|im_start|>{{ message['content'] }}<|im_end|>{% endfor %}"
BYTES = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]


@cache
def clip_tokenizer() -> Any:
    return transformers.CLIPTokenizer.from_pretrained(SHIPPED / "tokenizer")


@cache
def t5_tokenizer() -> Any:
    return transformers.T5TokenizerFast.from_pretrained(SHIPPED / "tokenizer_2")


@cache
def qwen_tokenizer() -> Any:
    """A token for each byte, as GPT-2 writes bytes down."""
    letters = [chr(number) for number in BYTES] + [chr(256 + number) for number in range(256 - len(BYTES))]
    tokens = [*letters, "<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    tokenizer = transformers.Qwen2Tokenizer(vocab={token: number for number, token in enumerate(tokens)}, merges=[])
    tokenizer.chat_template = CHAT
    return tokenizer


@cache
def gemma_tokenizer() -> Any:
    """A token for each byte; what has no token of its own is spelt in these."""
    tokens = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>", *(f"<0x{number:02X}>" for number in range(256))]
    return transformers.GemmaTokenizer(vocab={token: number for number, token in enumerate(tokens)}, merges=[])


def clip(kind: str = "CLIPTextModel", *, width: int = WIDTH, **more: Any) -> Any:
    config = transformers.CLIPTextConfig(
        vocab_size=len(clip_tokenizer()),
        hidden_size=width,
        intermediate_size=2 * width,
        num_hidden_layers=2,
        num_attention_heads=4,
        projection_dim=width,
        eos_token_id=clip_tokenizer().eos_token_id,
        **more,
    )
    return getattr(transformers, kind)(config).eval()


def t5(kind: str = "T5", *, width: int = TWICE) -> Any:
    """T5 version 1.1, or the UMT5 of Wan."""
    config = getattr(transformers, f"{kind}Config")(
        vocab_size=len(t5_tokenizer()),
        d_model=width,
        d_kv=16,
        d_ff=2 * width,
        num_layers=2,
        num_heads=4,
        feed_forward_proj="gated-gelu",
        tie_word_embeddings=False,
    )
    return getattr(transformers, f"{kind}EncoderModel")(config).eval()


def pair(encoder: Any, tokenizer: Any, *, number: str = "") -> dict[str, Any]:
    """A text encoder and its tokenizer as components; number: what ends their names where there are several."""
    return {f"text_encoder{number}": encoder, f"tokenizer{number}": tokenizer}


def clip_pair(kind: str = "CLIPTextModel", *, number: str = "", **more: Any) -> dict[str, Any]:
    return pair(clip(kind, **more), clip_tokenizer(), number=number)


def t5_pair(kind: str = "T5", *, number: str = "") -> dict[str, Any]:
    return pair(t5(kind), t5_tokenizer(), number=number)


def decoder_sizes(*, layers: int, tokenizer: Any) -> dict[str, Any]:
    """What all language models are told of their sizes."""
    return {
        "vocab_size": len(tokenizer),
        "hidden_size": WIDTH,
        "intermediate_size": TWICE,
        "num_hidden_layers": layers,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "pad_token_id": tokenizer.pad_token_id,
        "eos_token_id": tokenizer.eos_token_id,
    }


def gemma() -> Any:
    sizes = decoder_sizes(layers=2, tokenizer=gemma_tokenizer())
    return transformers.Gemma2Model(transformers.Gemma2Config(**sizes, head_dim=16, bos_token_id=2)).eval()


def qwen3(kind: str = "Qwen3ForCausalLM", *, layers: int = 28) -> Any:
    """Deep enough for the layer 27, whose output FLUX.2 takes."""
    sizes = decoder_sizes(layers=layers, tokenizer=qwen_tokenizer())
    return getattr(transformers, kind)(transformers.Qwen3Config(**sizes, head_dim=16)).eval()


def llama(kind: str = "LlamaModel") -> Any:
    sizes = decoder_sizes(layers=3, tokenizer=qwen_tokenizer())
    return getattr(transformers, kind)(transformers.LlamaConfig(**sizes)).eval()


def glm() -> Any:
    sizes = decoder_sizes(layers=2, tokenizer=t5_tokenizer())
    return transformers.GlmModel(transformers.GlmConfig(**sizes, head_dim=16)).eval()


@cache
def bert_tokenizer() -> Any:
    """A token for each letter."""
    letters = [chr(number) for number in range(ord("a"), ord("z") + 1)]
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *(f"##{letter}" for letter in letters)]
    return transformers.BertTokenizer(vocab={token: number for number, token in enumerate(tokens)})


def bert() -> Any:
    config = transformers.BertConfig(
        vocab_size=len(bert_tokenizer()),
        hidden_size=WIDTH,
        intermediate_size=TWICE,
        num_hidden_layers=2,
        num_attention_heads=4,
    )
    return transformers.BertModel(config).eval()


@cache
def chat_glm_tokenizer() -> Any:
    """On the sentences' pieces of the miniature's T5."""
    from diffusers.pipelines.kolors.tokenizer import ChatGLMTokenizer

    return ChatGLMTokenizer(str(SHIPPED / "tokenizer_2" / "spiece.model"))


def chat_glm() -> Any:
    from diffusers.pipelines.kolors.text_encoder import ChatGLMConfig, ChatGLMModel

    config = ChatGLMConfig(
        num_layers=2,
        padded_vocab_size=len(t5_tokenizer()) + 8,
        hidden_size=WIDTH,
        ffn_hidden_size=TWICE,
        kv_channels=16,
        num_attention_heads=4,
        multi_query_attention=True,
        multi_query_group_num=2,
        seq_length=256,
        rmsnorm=True,
        add_qkv_bias=True,
        bias_dropout_fusion=True,
        original_rope=True,
    )
    model = ChatGLMModel(config).eval()
    for name, part in model.named_parameters():
        part.data.fill_(1.0) if "norm" in name else part.data.normal_(std=0.02)  # some are made, and not initialised
    return model


def clip_vision(**sizes: Any) -> Any:
    config = transformers.CLIPVisionConfig(
        hidden_size=WIDTH, intermediate_size=TWICE, num_hidden_layers=1, num_attention_heads=4, **sizes
    )
    return transformers.CLIPVisionModelWithProjection(config).eval()


def siglip_vision(**sizes: Any) -> Any:
    config = transformers.SiglipVisionConfig(
        hidden_size=WIDTH, intermediate_size=TWICE, num_hidden_layers=2, num_attention_heads=4, **sizes
    )
    return transformers.SiglipVisionModel(config).eval()


def qwen25_vl() -> Any:
    rope = {"rope_type": "default", "type": "default", "mrope_section": [2, 3, 3], "rope_theta": 10_000.0}
    vision = {"depth": 1, "hidden_size": WIDTH, "intermediate_size": TWICE, "num_heads": 4, "out_hidden_size": WIDTH}
    text = decoder_sizes(layers=2, tokenizer=qwen_tokenizer()) | {"rope_scaling": rope, "rope_parameters": rope}
    config = transformers.Qwen2_5_VLConfig(text_config=text, vision_config=vision)
    return transformers.Qwen2_5_VLForConditionalGeneration(config).eval()


def qwen3_vl(kind: str = "Qwen3VLModel", *, layers: int) -> Any:
    rope = {"rope_type": "default", "mrope_section": [2, 3, 3], "rope_theta": 10_000.0}
    vision = {"depth": 1, "hidden_size": WIDTH, "intermediate_size": TWICE, "num_heads": 4, "out_hidden_size": WIDTH}
    sizes = decoder_sizes(layers=layers, tokenizer=qwen_tokenizer()) | {"head_dim": 16}
    config = transformers.Qwen3VLConfig(
        text_config=sizes | {"rope_parameters": rope, "rope_scaling": rope},
        vision_config=vision | {"deepstack_visual_indexes": [0]},
    )
    return getattr(transformers, kind)(config).eval()


def safety_checker() -> Any:
    from diffusers.pipelines.stable_diffusion import StableDiffusionSafetyChecker

    vision = {"hidden_size": WIDTH, "intermediate_size": TWICE, "num_hidden_layers": 1, "num_attention_heads": 4}
    sizes = {"image_size": 30, "patch_size": 15, "projection_dim": WIDTH}
    config = transformers.CLIPConfig(vision_config={**vision, **sizes}, projection_dim=WIDTH)
    return StableDiffusionSafetyChecker(config).eval()

"""The miniature's CLIP and T5 tokenizers: closed vocabularies of its own, in every file the real classes read."""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path
from typing import Any

from fluxgate.miniature.architecture import write_json

START, END = "<|startoftext|>", "<|endoftext|>"
CLIP_PIECES = re.compile(r"[a-z]+|[0-9]|[^\sa-z0-9]+")  # what CLIP's own splitting leaves of a lower-case word
CLIP_SPLIT = r"""<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"""
T5_SPECIAL = ("<pad>", "</s>", "<unk>")
PRINTABLE = tuple(chr(code) for code in range(33, 127))
WORD_SCORE, CHARACTER_SCORE = -4.0, -12.0  # a word as one piece always beats its characters
SPACE = "\u2581"


def write(words: Iterable[str], folder: Path) -> None:
    """Write `tokenizer` (CLIP) and `tokenizer_2` (T5) below `folder`."""
    vocabulary = sorted(set(words))
    _write_clip(vocabulary, folder / "tokenizer")
    _write_t5(vocabulary, folder / "tokenizer_2")


def byte_characters() -> list[str]:
    """The printable stand-ins for the 256 bytes that byte-level BPE uses, in GPT-2's order."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    moved = [byte for byte in range(256) if byte not in printable]
    return [chr(byte) for byte in printable] + [chr(256 + index) for index in range(len(moved))]


def merge_words(words: Iterable[str]) -> list[tuple[str, str]]:
    """Merges that make every word one token.

    A merge is only ever added behind the others, so it cannot change how an earlier word is put together.
    """
    ranks: dict[tuple[str, str], int] = {}
    for word in words:
        symbols = _merged([*word[:-1], word[-1] + "</w>"], ranks)
        while len(symbols) > 1:
            ranks[(symbols[0], symbols[1])] = len(ranks)
            symbols = _merged(symbols, ranks)
    return list(ranks)


def _merged(symbols: list[str], ranks: dict[tuple[str, str], int]) -> list[str]:
    while True:
        pairs = [pair for pair in pairwise(symbols) if pair in ranks]
        if not pairs:
            return symbols
        symbols = _joined(symbols, min(pairs, key=ranks.__getitem__))


def _joined(symbols: list[str], pair: tuple[str, str]) -> list[str]:
    result: list[str] = []
    for symbol in symbols:
        if result and (result[-1], symbol) == pair:
            result[-1] += symbol
        else:
            result.append(symbol)
    return result


def clip_vocabulary(words: Iterable[str]) -> tuple[dict[str, int], list[tuple[str, str]]]:
    pieces = sorted({piece for word in words for piece in CLIP_PIECES.findall(word.lower()) if piece.isascii()})
    merges = merge_words(pieces)
    alphabet = byte_characters()
    tokens = [*alphabet, *(character + "</w>" for character in alphabet), *dict.fromkeys(a + b for a, b in merges)]
    tokens += [START, END]  # the end token has the highest id: CLIP pools there
    return {token: index for index, token in enumerate(tokens)}, merges


def _write_clip(words: list[str], folder: Path) -> None:
    vocabulary, merges = clip_vocabulary(words)
    write_json(folder / "vocab.json", vocabulary)
    lines = ["#version: 0.2", *(f"{left} {right}" for left, right in merges)]
    (folder / "merges.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    write_json(folder / "tokenizer.json", _clip_fast(vocabulary, merges))
    special = {"bos_token": START, "eos_token": END, "unk_token": END, "pad_token": END}
    write_json(folder / "special_tokens_map.json", special)
    settings = {"tokenizer_class": "CLIPTokenizer", "model_max_length": 77, "do_lower_case": True, "errors": "replace"}
    extra = {"add_prefix_space": False, "clean_up_tokenization_spaces": False}
    added = {str(vocabulary[token]): _added(token) for token in (START, END)}
    write_json(folder / "tokenizer_config.json", {**settings, **extra, **special, "added_tokens_decoder": added})


def _added(token: str) -> dict[str, Any]:
    flags = {"lstrip": False, "normalized": False, "rstrip": False, "single_word": False, "special": True}
    return {"content": token, **flags}


def _clip_fast(vocabulary: dict[str, int], merges: list[tuple[str, str]]) -> dict[str, Any]:
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

    model = models.BPE(
        vocab=vocabulary, merges=merges, unk_token=END, continuing_subword_prefix="", end_of_word_suffix="</w>"
    )
    tokenizer = Tokenizer(model)
    spaces = normalizers.Replace(Regex(r"\s+"), " ")
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFC(), spaces, normalizers.Lowercase()])
    split = pre_tokenizers.Split(Regex(CLIP_SPLIT), behavior="removed", invert=True)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([split, pre_tokenizers.ByteLevel(add_prefix_space=False)])
    tokenizer.decoder = decoders.ByteLevel()
    ends = (END, vocabulary[END]), (START, vocabulary[START])
    tokenizer.post_processor = processors.RobertaProcessing(*ends, trim_offsets=False, add_prefix_space=False)
    tokenizer.add_special_tokens([AddedToken(token, normalized=False, special=True) for token in (START, END)])
    return _as_json(tokenizer)


def _as_json(tokenizer: Any) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(tokenizer.to_str())
    return document


def t5_pieces(words: Iterable[str]) -> list[tuple[str, float]]:
    """Words with and without a capital, then single characters for everything else."""
    pieces = dict.fromkeys(T5_SPECIAL, 0.0)
    pieces[SPACE] = CHARACTER_SCORE
    for word in words:
        for form in (word, word[:1].upper() + word[1:]):
            pieces.setdefault(SPACE + form if form.isalnum() or len(form) > 1 else form, WORD_SCORE)
    for character in PRINTABLE:
        pieces.setdefault(character, CHARACTER_SCORE)
    return list(pieces.items())


def _write_t5(words: list[str], folder: Path) -> None:
    pieces = t5_pieces(words)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "spiece.model").write_bytes(sentencepiece_model(pieces))
    write_json(folder / "tokenizer.json", _t5_fast(pieces))
    special = {"eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>"}
    write_json(folder / "special_tokens_map.json", special)
    settings = {"tokenizer_class": "T5Tokenizer", "model_max_length": 512, "extra_ids": 0, "legacy": False}
    added = {str(index): _added(token) for index, token in enumerate(T5_SPECIAL)}
    extra = {"clean_up_tokenization_spaces": False, "additional_special_tokens": [], "added_tokens_decoder": added}
    write_json(folder / "tokenizer_config.json", {**settings, **special, **extra})


def _t5_fast(pieces: list[tuple[str, float]]) -> dict[str, Any]:
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors

    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=T5_SPECIAL.index("<unk>"), byte_fallback=False))
    metaspace = pre_tokenizers.Metaspace(replacement=SPACE, prepend_scheme="always", split=True)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), metaspace])
    tokenizer.decoder = decoders.Metaspace(replacement=SPACE, prepend_scheme="always", split=True)
    end = ("</s>", T5_SPECIAL.index("</s>"))
    templates = {"single": ["$A", "</s>"], "pair": ["$A", "</s>", "$B", "</s>"]}
    tokenizer.post_processor = processors.TemplateProcessing(**templates, special_tokens=[end])
    tokenizer.add_special_tokens([AddedToken(token, normalized=False, special=True) for token in T5_SPECIAL])
    return _as_json(tokenizer)


def sentencepiece_model(pieces: list[tuple[str, float]]) -> bytes:
    """The same pieces as a SentencePiece model: a protocol buffer, written out by hand so nothing must be trained."""
    normal, unknown, control = 1, 2, 3
    kinds = {"<unk>": unknown, "<pad>": control, "</s>": control}
    body = b"".join(
        _message(1, _message(1, piece.encode()) + _float(2, score) + _number(3, kinds.get(piece, normal)))
        for piece, score in pieces
    )
    ids = {40: 2, 41: -1, 42: 1, 43: 0}  # unknown, beginning (there is none), end, padding
    trainer = _number(3, 1) + _number(4, len(pieces)) + b"".join(_number(*pair) for pair in ids.items())
    normalizer = _message(1, b"identity") + _number(3, 1) + _number(4, 1) + _number(5, 1)
    return body + _message(2, trainer) + _message(3, normalizer)


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value & (2**64 - 1))


def _float(field: int, value: float) -> bytes:
    return _varint(field << 3 | 5) + struct.pack("<f", value)


def _message(field: int, content: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    result = bytearray()
    while value > 127:
        result.append(value & 127 | 128)
        value >>= 7
    return bytes([*result, value])

"""The miniature's tokenizers: closed vocabularies that the real classes read alike."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tokenizers import Tokenizer

from fluxgate.miniature import captions, tokenizers


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    result = tmp_path_factory.mktemp("vocabularies")
    tokenizers.write(captions.words(), result)
    return result


@pytest.fixture(scope="module")
def clip(folder: Path) -> Tokenizer:
    return Tokenizer.from_file(str(folder / "tokenizer" / "tokenizer.json"))


@pytest.fixture(scope="module")
def t5(folder: Path) -> Tokenizer:
    return Tokenizer.from_file(str(folder / "tokenizer_2" / "tokenizer.json"))


def test_every_word_is_one_clip_token(clip: Tokenizer) -> None:
    """A word of the grammar never falls apart in CLIP's vocabulary, whatever was merged for the others."""
    words = [word for word in captions.words() if word.isalpha()]
    assert len(words) > 80
    assert {word: clip.encode(word).tokens[1:-1] for word in words} == {word: [f"{word}</w>"] for word in words}


def test_every_word_is_one_t5_token_with_and_without_a_capital(t5: Tokenizer) -> None:
    """T5 keeps capitals, so both forms of a word are pieces of their own."""
    for word in captions.words():
        if word.isalpha():
            assert t5.encode(word).tokens[:-1] == [f"\u2581{word}"]
            assert t5.encode(word.capitalize()).tokens[:-1] == [f"\u2581{word.capitalize()}"]


def test_merges_of_one_word_leave_another_whole() -> None:
    """'ox' as a word of its own must not keep 'fox' and 'boxes' from becoming one token."""
    words = ["ox", "fox", "boxes", "x", "oxox"]
    ranks = {pair: rank for rank, pair in enumerate(tokenizers.merge_words(words))}
    for word in words:
        assert tokenizers._merged([*word[:-1], word[-1] + "</w>"], ranks) == [word + "</w>"]


def test_the_blog_prompt_has_no_unknown_token(clip: Tokenizer, t5: Tokenizer) -> None:
    """The prompt of the blog post is inside both vocabularies and far below their limits."""
    assert t5.token_to_id("<unk>") not in t5.encode(captions.BLOG_PROMPT).ids
    assert len(t5.encode(captions.BLOG_PROMPT).ids) < 64
    assert len(clip.encode(captions.BLOG_PROMPT).ids) < 77


def test_unknown_words_fall_back_to_characters(clip: Tokenizer, t5: Tokenizer) -> None:
    """A word from outside, even in another script, is spelled out or unknown and never an error."""
    assert clip.encode("zyx").tokens == ["<|startoftext|>", "z", "y", "x</w>", "<|endoftext|>"]
    assert t5.encode("zyx").tokens == ["\u2581", "z", "y", "x", "</s>"]
    assert len(clip.encode("狐").ids) == 5
    assert t5.encode("狐").ids[-2:] == [2, 1]


def test_clip_pools_at_the_highest_id(clip: Tokenizer) -> None:
    """CLIP's pooling looks for the highest id, which has to be the end token's."""
    assert clip.token_to_id("<|endoftext|>") == clip.get_vocab_size() - 1


def test_t5_has_the_special_ids_of_the_real_one(t5: Tokenizer) -> None:
    """Padding is 0, the end 1 and the unknown 2, as the pipeline and its growth expect."""
    assert [t5.token_to_id(token) for token in ("<pad>", "</s>", "<unk>")] == [0, 1, 2]


def test_the_slow_files_say_the_same_as_the_fast_one(folder: Path, clip: Tokenizer) -> None:
    """vocab.json and merges.txt, which older releases read, hold what tokenizer.json holds."""
    model = json.loads((folder / "tokenizer" / "tokenizer.json").read_text())["model"]
    assert json.loads((folder / "tokenizer" / "vocab.json").read_text()) == model["vocab"]
    lines = (folder / "tokenizer" / "merges.txt").read_text().splitlines()[1:]
    assert [tuple(line.split()) for line in lines] == [tuple(pair) for pair in model["merges"]]


def test_the_hand_written_sentencepiece_model_reads_back(folder: Path, t5: Tokenizer) -> None:
    """spiece.model is a real SentencePiece model that splits a caption as the fast tokenizer does."""
    sentencepiece = pytest.importorskip("sentencepiece")
    model = sentencepiece.SentencePieceProcessor(model_file=str(folder / "tokenizer_2" / "spiece.model"))
    for text in (captions.BLOG_PROMPT, "Two red foxes, a zyx by a lake."):
        assert model.encode(text) == t5.encode(text).ids[:-1]
    assert (model.pad_id(), model.eos_id(), model.unk_id(), model.bos_id()) == (0, 1, 2, -1)


def test_the_classes_that_pipelines_name_read_the_folder(folder: Path, clip: Tokenizer, t5: Tokenizer) -> None:
    """CLIPTokenizer and T5TokenizerFast give the ids that the files promise."""
    transformers = pytest.importorskip("transformers")
    text = "Three tiny blue mushrooms above a zyx."
    assert transformers.CLIPTokenizer.from_pretrained(folder / "tokenizer")(text).input_ids == clip.encode(text).ids
    assert transformers.T5TokenizerFast.from_pretrained(folder / "tokenizer_2")(text).input_ids == t5.encode(text).ids

"""Texts that prompts seldom are, and the tokens that the tokenizers' own files say for each of them.

The files are read by the `tokenizers` library, without transformers; marks, cutting and padding are our own code's.
What it made of them is kept, so that another release of it, too, is compared with that.

`python -m fluxgate.miniature.texts` writes the file that ships."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path

from fluxgate.files import read_plain, write_plain
from fluxgate.miniature.oracle.text import CLIP_LENGTH, clip_ids, t5_ids

FILE = Path(__file__).parent / "texts.json"
PIPELINE = Path(__file__).parent / "pipeline"
T5_LENGTH = 48
LENGTHS = {"tokenizer": CLIP_LENGTH, "tokenizer_2": T5_LENGTH}  # of each tokenizer's tokens, which are padded to it
# Those that CLIP's tokenizer of transformers 4, written in Python, takes otherwise are left out: it splits Chinese and
# drops what has no width.
TEXTS = (
    "",
    "  Two  orange\tfoxes\n\nin a forest  ",
    "TWO Orange FOXES in A forest",
    "Un café déjà vu, Straße, naïve señor",
    "cafe\u0301 de\u0301ja\u0300",
    "ＦＯＸ ﬁsh ½ ™ №1",
    "3.14159, 1,000,000 and 2026-11-27",
    "don't — “two” foxes’ tails… (50%) #1 @home a/b_c",
    "лиса 🦊🍄 žluťoučký",
    "non\u00a0breaking spaces\u2009of\u3000other widths",
    "&lt;b&gt;foxes&lt;/b&gt; <pad> </s> <unk> <extra_id_0>",
    "a <|endoftext|> b <|startoftext|> c",
    "supercalifragilisticexpialidocious " * 6,
    "a fox, " * 60,
)

Rows = tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Tokenized:
    """What texts.json holds."""

    tokens: dict[str, Rows]  # tokenizer -> a row of each text


@functools.cache
def tokenized() -> dict[str, Rows]:
    """What ships."""
    return read_plain(FILE, Tokenized).tokens


def computed() -> Tokenized:
    """What is written in that file."""
    return Tokenized(
        {
            "tokenizer": tuple(tuple(map(int, clip_ids(PIPELINE, text))) for text in TEXTS),
            "tokenizer_2": tuple(tuple(map(int, t5_ids(PIPELINE, text, T5_LENGTH))) for text in TEXTS),
        }
    )


if __name__ == "__main__":
    write_plain(FILE, computed())

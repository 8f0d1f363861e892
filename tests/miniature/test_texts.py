"""Tests of the texts that tokenizers are given by themselves."""

from __future__ import annotations

from fluxgate.miniature.texts import LENGTHS, TEXTS, computed, tokenized


def test_what_ships_is_what_our_own_hands_make_of_the_files() -> None:
    """Text for text, in the length of each tokenizer."""
    assert tokenized() == computed().tokens
    assert {name: {len(row) for row in rows} for name, rows in tokenized().items()} == {
        name: {length} for name, length in LENGTHS.items()
    }


def test_every_text_says_something_of_its_own() -> None:
    """None becomes the tokens that another becomes with both tokenizers, so that each can show something."""
    both = zip(*tokenized().values(), strict=True)
    assert len(set(both)) == len(TEXTS)

"""What the tests of training share: the tokenizers of the captions."""

from __future__ import annotations

import pytest

from fluxgate.miniature import captions, tokenizers
from fluxgate.miniature.training import data


@pytest.fixture(scope="session")
def words(tmp_path_factory: pytest.TempPathFactory) -> data.Words:
    """The tokenizers of the miniature's captions."""
    folder = tmp_path_factory.mktemp("words")
    tokenizers.write(captions.words(), folder)
    return data.Words.read(folder)

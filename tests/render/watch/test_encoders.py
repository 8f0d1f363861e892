"""What is seen of encoders: what they are given, what they give, and what their tokenizers answer."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from fluxgate.render.watch.encoders import stage_of, tokenized, watch_encoders  # noqa: E402
from fluxgate.rendering import CLUES, POOLED, T5, encoded_for, tokenized_for, tokens_for  # noqa: E402
from tests.runs.building import SUBJECT  # noqa: E402


class Encoder(torch.nn.Module):  # type: ignore[name-defined]  # torch has no types here
    """Gives its input twice as large, and a pooled output."""

    def forward(self, ids: Any, attention_mask: Any = None, **more: Any) -> Any:
        return SimpleNamespace(last_hidden_state=ids * 2.0, pooler_output=ids[:, 0], hidden_states=(ids, more))


def seen_of(*calls: dict[str, Any]) -> list[tuple[str, tuple[float, ...]]]:
    seen: list[tuple[str, tuple[float, ...]]] = []
    pipeline = SimpleNamespace(text_encoder=None, text_encoder_2=Encoder())
    for _ in range(2):  # to watch it again changes nothing
        watch_encoders(pipeline, SUBJECT, lambda name, tensor: seen.append((name, tuple(tensor.tolist()))))
    for kwargs in calls:
        pipeline.text_encoder_2(torch.tensor([[1, 2]]), **kwargs)
    return seen


def test_what_goes_in_and_what_comes_out_are_seen() -> None:
    """Once for each call, whatever else the encoder was asked for."""
    assert seen_of({"output_hidden_states": True}) == [
        (tokens_for(T5), (1.0, 2.0)),
        (encoded_for(T5), (2.0, 4.0, 1.0)),
    ]


def test_a_mask_is_something_that_is_asked() -> None:
    """The encoder is given something else, though the tokens are the same."""
    (plain, _), (masked, _) = (seen_of({}), seen_of({"attention_mask": torch.tensor([[1, 0]])}))
    assert plain != masked


def test_the_first_encoder_pools_and_the_last_one_embeds() -> None:
    """One that is in between has no stage; one that is alone gives the embeddings."""
    assert [stage_of(name, SUBJECT) for name in SUBJECT.encoders] == [POOLED, T5]
    three = replace(SUBJECT, encoders=("a", "b", "c"))
    assert [stage_of(name, three) for name in three.encoders] == [POOLED, None, T5]
    assert stage_of("a", replace(SUBJECT, encoders=("a",))) == T5


def test_a_tokenizer_answers_for_itself() -> None:
    """It is asked for the prompts as they are; one that cannot answer is passed over."""

    def tokenizer(texts: list[str], **kwargs: Any) -> dict[str, Any]:
        return {"input_ids": torch.tensor([[len(text), kwargs["max_length"]] for text in texts])}

    def broken(*args: Any, **kwargs: Any) -> Any:
        raise ValueError("no such argument")

    pipeline = SimpleNamespace(tokenizer=broken, tokenizer_2=tokenizer)
    ((name, tokens),) = tokenized(pipeline, SUBJECT, ("a fox", "a"))
    assert (name, tokens[:, 0].tolist()) == (tokenized_for(T5), [5, 1])
    assert name in CLUES

"""What encoders are given and what they make of it, seen from outside: it tells whose doing other embeddings are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from typing import Any

from fluxgate.rendering import POOLED, T5, encoded_for, tokenized_for, tokens_for
from fluxgate.subjects.subject import Subject

OUTPUTS = ("last_hidden_state", "pooler_output", "text_embeds")  # of an encoder, whatever else it was asked for
LENGTH = 64  # tokens of the tokenizer's own answer, so that padding and the end of a prompt show

Record = Callable[[str, Any], None]


def stage_of(encoder: str, subject: Subject) -> str | None:
    """The stage that comes out of an encoder: the last one gives the prompt's embeddings, the first one the pooled."""
    if encoder == subject.encoders[-1]:
        return T5
    return POOLED if encoder == subject.encoders[0] else None


def watch_encoders(pipeline: Any, subject: Subject, record: Record) -> None:
    """Let `record` see each call of an encoder: what went in, and what came out."""
    for name in subject.encoders:
        encoder, stage = getattr(pipeline, name, None), stage_of(name, subject)
        if encoder is None or stage is None or hasattr(encoder, "_fluxgate"):
            continue
        encoder._fluxgate = True
        encoder.register_forward_hook(partial(_seen, record, stage), with_kwargs=True)


def tokenized(pipeline: Any, subject: Subject, prompts: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    """What each tokenizer itself makes of the prompts, whatever the pipeline asks of it."""
    for name in subject.encoders:
        stage = stage_of(name, subject)
        tokenizer = getattr(pipeline, name.replace("text_encoder", "tokenizer"), None)
        if stage is None or tokenizer is None:
            continue
        with suppress(Exception):  # a tokenizer of another kind; what it gives is then not told apart
            answer = tokenizer(
                list(prompts), padding="max_length", max_length=LENGTH, truncation=True, return_tensors="pt"
            )
            yield tokenized_for(stage), answer["input_ids"]


def _seen(record: Record, stage: str, encoder: Any, args: Any, kwargs: Any, output: Any) -> None:
    given = [value for value in (*args, *kwargs.values()) if hasattr(value, "element_size")]
    _record_joined(record, tokens_for(stage), given)
    made = [getattr(output, name, None) for name in OUTPUTS]
    _record_joined(record, encoded_for(stage), [value for value in made if value is not None])


def _record_joined(record: Record, name: str, tensors: list[Any]) -> None:
    """Several tensors as one: only whether they are the same is asked."""
    import torch

    if tensors:
        whole = [tensor.detach().to("cpu", torch.float64).reshape(-1) for tensor in tensors]
        record(name, torch.cat(whole))

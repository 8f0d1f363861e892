"""What is trained on: drawn batches, their captions, and the processes that draw."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np

from fluxgate.miniature import captions, sampling, tokenizers
from fluxgate.miniature.training import data


def test_held_out_captions_are_never_trained_on() -> None:
    """Evaluation's captions are held out by their own words, whatever scene or seed wrote them."""
    rng = np.random.default_rng(4)
    for _ in range(100):
        pair = data.training_pair(sampling.sample(rng), rng)
        assert not any(data.held_out(caption) for caption in pair)
    kept = [caption for _, caption in data.held_out_scenes(count=5, seed=1)]
    assert len(kept) == 5
    assert all(data.held_out(caption) for caption in kept)
    assert not data.held_out(captions.BLOG_PROMPT)


def test_drawn_batches_hold_pictures_captions_and_labels(words: data.Words) -> None:
    """A batch is as large as asked, its guidance within range, and its captions end within their rows."""
    frame = data.Frame(96, 64, 1.0, 1.0)
    drawn = data.draw(frame, 3, words, np.random.default_rng(5))
    assert drawn.pictures.shape == (3, 64, 96, 3)
    assert drawn.pictures.std() > 5
    assert (drawn.guidance >= 1).all()
    assert (drawn.guidance <= 6).all()
    assert ((drawn.t5 == 1).sum(-1) == 1).all()
    assert (drawn.clip[..., 0] == words.clip.token_to_id("<|startoftext|>")).all()
    assert (drawn.nouns[..., 0, 0] >= 0).mean() > 0.8
    assert drawn.layout.shape == (3, 24)
    assert (drawn.layout > 0).any(axis=1).all()


def test_no_caption_is_longer_than_its_row(words: data.Words) -> None:
    """What a row cannot hold would be cut off in training but not in the pipeline."""
    rng = np.random.default_rng(6)
    written = [captions.write(sampling.sample(rng, aspect=1.77), rng) for _ in range(300)]
    assert max(len(words.t5.encode(caption).ids) for caption in written) <= data.T5_LENGTH
    assert max(len(words.clip.encode(caption).ids) for caption in written) <= data.CLIP_LENGTH


def test_worker_processes_draw_into_shared_memory(words: data.Words, tmp_path: Path) -> None:
    """Batches from a worker arrive whole, and the worker is gone afterwards."""
    tokenizers.write(captions.words(), tmp_path)
    plan = data.Plan((data.TOY_FRAMES[0],), tmp_path, seed=3, slot_bytes=2 * data.TOY_FRAMES[0].bytes)
    with data.stream(plan, workers=1) as source:
        batches = [source.take(wait=True) for _ in range(5)]
        assert isinstance(source, data.WorkerStream)
        processes = source.processes
    expected = data.draw(plan.frames[0], 2, words, after_choice(plan))
    assert all(batch is not None and batch.pictures.shape == (2, 64, 64, 3) for batch in batches)
    assert batches[0] is not None
    for field in dataclasses.fields(data.Drawn):
        assert np.array_equal(getattr(batches[0], field.name), getattr(expected, field.name)), field.name
    processes[0].join(10)
    assert not processes[0].is_alive()


def after_choice(plan: data.Plan) -> np.random.Generator:
    """The first worker's generator, behind its first choice of a frame."""
    rng = np.random.default_rng([plan.seed, 1])
    data.choose_frame(plan.frames, rng)
    return rng

"""Toys for the tests of training: a batch that says nothing, and a pipeline that has learnt nothing."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from fluxgate.miniature import architecture, captions, tokenizers
from fluxgate.miniature.training import course, data, flow, grammar, steering


def toy_batch() -> flow.Batch:
    """Four pictures that hold nothing, with captions that say nothing."""
    import torch

    return flow.Batch(
        data.TOY_FRAMES[0],
        latents=torch.randn(4, 16, 8, 8),
        guidance=torch.full((4,), 3.5),
        clip=torch.randint(0, 500, (4, 77)),
        t5=torch.randint(3, 300, (4, 16)),
        nouns=torch.full((4, *grammar.SHAPE), grammar.ABSENT),
        layout=torch.zeros(4, 16, dtype=torch.int8),
        blank=steering.Blank(torch.full((77,), 500), torch.tensor([1] + [0] * 63)),
    )


def toy_modules() -> dict[str, Any]:
    """The parts of the toy's pipeline."""
    with tempfile.TemporaryDirectory() as folder:
        tokenizers.write(captions.words(), Path(folder))
        pipeline = architecture.build(architecture.TOY, Path(folder), seed=1)
    return {name: getattr(pipeline, name).eval() for name in architecture.WEIGHT_FILES}


def toy_learners() -> flow.Learners:
    """All that learns: the toy's parts, and the heads that are thrown away."""
    return course._learners(toy_modules())

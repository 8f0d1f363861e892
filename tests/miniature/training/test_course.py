"""The course of a training: which weights learn at which pace."""

from __future__ import annotations

from pathlib import Path

import pytest

from fluxgate.miniature.training import course
from tests.miniature.training.toys import toy_learners

torch = pytest.importorskip("torch")


def test_t5s_queries_alone_learn_slowly(tmp_path: Path) -> None:
    """With steps of the common size T5's scores outgrow the bias that tells where a word stands."""
    order = course.Order(tmp_path, 1.0)
    masters = course._masters(order, toy_learners().named(), course.Progress(0, neighbours=True))
    assert masters.slow == {"text_encoder_2.encoder.block.0.layer.0.SelfAttention.q.weight"}

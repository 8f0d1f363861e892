"""The stage without pictures: what T5 is given to read, and that it stays near to what it said."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fluxgate.miniature import architecture, captions, tokenizers
from fluxgate.miniature.training import data, grammar, text
from fluxgate.miniature.training.journal import Journal
from fluxgate.miniature.training.optimisation import Masters

torch = pytest.importorskip("torch")


@pytest.fixture
def plan(tmp_path: Path) -> data.Plan:
    tokenizers.write(captions.words(), tmp_path)
    return data.Plan(data.TOY_FRAMES, tmp_path, seed=2)


def test_captions_come_in_every_length_with_labels_that_fit(plan: data.Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    """A step holds as many as its tokens allow, each whole, padded as the pipeline pads."""
    monkeypatch.setattr(text, "LENGTHS", dict.fromkeys(text.LENGTHS, 1 / len(text.LENGTHS)))
    words, rng = data.Words.read(plan.folder), np.random.default_rng(0)
    seen = set()
    for _ in range(25):
        ids, nouns = text._captions(plan, words, rng, like=torch.zeros(1))
        seen.add(ids.shape[1])
        assert len(ids) == len(nouns) == text.TOKENS // ids.shape[1]
        ends = (ids == 1).sum(dim=1) == 1
        assert ends.float().mean() > 0.95  # 48 tokens cut off a caption now and then
        assert (ids[:, 64:] == 0).all()
        assert (nouns[:, 0, 0] >= 0).float().mean() > 0.9
    assert seen == set(text.LENGTHS)


@pytest.mark.parametrize("known", [True, False])
def test_only_a_t5_that_was_read_is_kept_near_to_what_it_said(plan: data.Plan, known: bool) -> None:
    """What changed since counts as an error where a transformer has learnt to read it, and else not at all."""
    t5 = architecture.build(architecture.TOY, plan.folder, seed=1).text_encoder_2.eval()
    before = copy.deepcopy(t5)
    with torch.no_grad():
        t5.encoder.block[0].layer[1].DenseReluDense.wo.weight.mul_(3)
    ids = torch.tensor([[5, 6, 7, 1, 0, 0]])
    nouns = torch.full((1, *grammar.SHAPE), grammar.ABSENT)
    _, strayed = text._learn(text.Pupil(t5, grammar.examiner(64), before if known else None), ids, nouns)
    assert float(strayed.detach()) == pytest.approx(
        float((t5(ids)[0] - before(ids)[0]).detach().square().mean()) * known
    )
    assert (float(strayed.detach()) > 0) == known


class Steps:
    """A clock that counts how often it is asked: as much is learnt on a busy machine as on an idle one."""

    def __init__(self, like: Any) -> None:
        self.asked = -1.0

    def passed(self) -> float:
        self.asked += 1
        return self.asked


def test_t5_learns_to_tell_the_nouns_apart(plan: data.Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    """Within some steps at toy size it answers better than it did."""
    monkeypatch.setattr(text, "LENGTHS", {48: 1.0})
    monkeypatch.setattr(text, "Clock", Steps)
    torch.manual_seed(0)
    t5 = architecture.build(architecture.TOY, plan.folder, seed=1).text_encoder_2.eval()
    pupil = text.Pupil(t5, grammar.examiner(64), None)
    masters = Masters({"text_encoder_2": t5, "examiner": pupil.examiner}, rate=3e-3)
    journal = Journal(every=0.0)
    assert text.train(pupil, plan, journal, seconds=24.0, masters=masters) == len(journal.lines) == 24
    assert journal.lines[-1]["loss"] < 0.9 * journal.lines[0]["loss"]

"""A stage without pictures: T5 alone learns which words of a caption belong together, in minutes on a CPU."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from suite.subjects.miniature import scenes
from suite.subjects.miniature.training import grammar
from suite.subjects.miniature.training.data import CAPTIONS_EACH, T5_LENGTH, Plan, Words, choose_frame, tell
from suite.subjects.miniature.training.journal import Journal
from suite.subjects.miniature.training.optimisation import Masters, rate_at
from suite.subjects.miniature.training.together import Clock
from suite.subjects.miniature.training.vae import first_weight

if TYPE_CHECKING:
    from torch import Tensor, nn

TOKENS = 4096  # of one step
LENGTHS = {64: 0.82, 128: 0.06, 256: 0.06, 512: 0.06}  # T5 must understand a caption whatever padding follows it
WARMUP, DECAY = 50, 0.5


def train(t5: nn.Module, examiner: nn.Module, plan: Plan, journal: Journal, *, seconds: float, masters: Masters) -> int:
    """Train for this long; the averaged weights stay in `masters`. Returns how many steps were taken."""
    words = Words.read(plan.folder)
    rng = np.random.default_rng([plan.seed, 0x7E87])
    like = first_weight(t5)
    clock = Clock(like)
    steps = 0
    while (passed := clock.passed()) < seconds or steps < 3:
        ids, nouns = _captions(plan, words, rng, like=like)
        answers = grammar.examine(examiner, t5(ids)[0], nouns)
        answers.loss.backward()
        norm = masters.step(rate_at(passed / seconds, steps=steps, warmup=WARMUP, decay=DECAY))
        steps += 1
        figures = {"loss": answers.loss, "understood": answers.right, "gradient": norm}
        journal.note("text", step=steps, samples=len(ids), **figures)
    return steps


def _captions(plan: Plan, words: Words, rng: np.random.Generator, *, like: Tensor) -> tuple[Tensor, Tensor]:
    """Captions of new scenes, padded to a length that the pipeline may pad to, and what their nouns say."""
    import torch

    length = int(rng.choice(list(LENGTHS), p=list(LENGTHS.values())))
    number = TOKENS // length
    t5 = np.zeros((number, length), np.int64)
    nouns = np.empty((number, *grammar.SHAPE), np.int64)
    for index in range(number):
        if index % CAPTIONS_EACH == 0:
            frame = choose_frame(plan.frames, rng)
            scene = scenes.sample(rng, aspect=frame.width / frame.height)
        told = tell(scene, words, rng)
        t5[index, :T5_LENGTH], nouns[index] = told.t5, told.nouns
    return torch.from_numpy(t5).to(like.device), torch.from_numpy(nouns).to(like.device)

"""A stage without pictures: T5 alone learns which words of a caption belong together, in minutes on a CPU."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fluxgate.miniature import sampling
from fluxgate.miniature.training import grammar
from fluxgate.miniature.training.data import CAPTIONS_EACH, T5_LENGTH, Plan, Words, choose_frame, tell
from fluxgate.miniature.training.journal import Journal
from fluxgate.miniature.training.optimisation import Masters, rate_at
from fluxgate.miniature.training.together import Clock
from fluxgate.miniature.training.vae import first_weight

if TYPE_CHECKING:
    from torch import Tensor, nn

TOKENS = 2048  # of one step
# T5 must understand a caption whatever padding follows it; 48 tokens hold nearly every caption.
LENGTHS = {48: 0.82, 64: 0.06, 128: 0.06, 512: 0.06}
NEAR_WEIGHT = 1.0  # of the distance to what T5 said before: without it T5 strays, and the transformer is lost
WARMUP, DECAY = 50, 0.5


@dataclass(frozen=True)
class Pupil:
    """T5, its examiner, and T5 as it was when the transformer learnt to read it; None if it never has."""

    t5: nn.Module
    examiner: nn.Module
    before: nn.Module | None


def train(pupil: Pupil, plan: Plan, journal: Journal, *, seconds: float, masters: Masters) -> int:
    """Train for this long; the averaged weights stay in `masters`. Returns how many steps were taken."""
    words = Words.read(plan.folder)
    rng = np.random.default_rng([plan.seed, 0x7E87])
    like = first_weight(pupil.t5)
    clock = Clock(like)
    steps = 0
    while (passed := clock.passed()) < seconds or steps < 3:
        ids, nouns = _captions(plan, words, rng, like=like)
        answers, strayed = _learn(pupil, ids, nouns)
        (answers.loss + NEAR_WEIGHT * strayed).backward()
        norm = masters.step(rate_at(passed / seconds, steps=steps, warmup=WARMUP, decay=DECAY))
        steps += 1
        figures = {"loss": answers.loss, "understood": answers.right, "strayed": strayed, "gradient": norm}
        journal.note("text", step=steps, samples=len(ids), **figures)
    return steps


def _learn(pupil: Pupil, ids: Tensor, nouns: Tensor) -> tuple[grammar.Answers, Tensor]:
    """The examiner's answers, and the mean square of what changed in T5's output."""
    import torch

    said = pupil.t5(ids)[0]
    with torch.no_grad():
        was = pupil.before(ids)[0] if pupil.before else said.detach()
    return grammar.examine(pupil.examiner, said, nouns), (said - was).float().square().mean()


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
            scene = sampling.sample(rng, aspect=frame.width / frame.height)
        told = tell(scene, words, rng)
        t5[index, :T5_LENGTH], nouns[index] = told.t5[:length], told.nouns
    return torch.from_numpy(t5).to(like.device), torch.from_numpy(nouns).to(like.device)

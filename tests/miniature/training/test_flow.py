"""The flow stage: what it learns from a batch, and what a batch holds."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fluxgate.miniature import architecture, captions, tokenizers
from fluxgate.miniature.training import course, data, flow, grammar, steering
from fluxgate.miniature.training.optimisation import Masters
from tests.miniature.training.toys import toy_batch, toy_learners, toy_modules

torch = pytest.importorskip("torch")


def lesson_of(learners: flow.Learners, batch: flow.Batch, *, guide: float) -> flow.Lesson:
    torch.manual_seed(1)
    return flow.learn(learners, batch, guide=guide)


def test_the_flow_stage_learns_one_batch() -> None:
    """The velocity's error falls by a third within forty steps on the same batch."""
    torch.manual_seed(0)
    modules = toy_modules()
    learners = course._learners(modules)
    masters = Masters(learners.named(), rate=2e-3, hidden=flow.HIDDEN)
    batch = toy_batch()
    batch.nouns[:, 0] = torch.tensor([3, 0, 1, 1, 0, 0, 0, 0])
    errors = []
    for _ in range(40):
        torch.manual_seed(1)  # the same noise each time
        lesson = flow.learn(learners, batch)
        lesson.loss.backward()
        masters.step(1.0)
        errors.append(float(lesson.error.detach()))
    assert errors[-1] < 0.67 * errors[0]
    assert float(lesson.understood) == 1.0


def test_what_nobody_asked_for_is_not_pushed() -> None:
    """With empty captions the answers with and without a caption are one, so the target is the plain velocity."""
    learners, batch = toy_learners(), toy_batch()
    batch.clip[:], blank = batch.blank.clip, batch.blank.t5.expand(4, -1)
    batch = dataclasses.replace(batch, t5=blank)
    plain, pushed = (lesson_of(learners, batch, guide=guide) for guide in (0.0, 0.6))
    assert float(pushed.loss.detach()) == pytest.approx(float(plain.loss.detach()), abs=1e-6)


def test_the_published_error_is_the_plain_velocitys(monkeypatch: pytest.MonkeyPatch) -> None:
    """A push changes what is minimised, by just the pushed target, and not the figure that the journal shows."""
    learners, batch = toy_learners(), toy_batch()
    torch.nn.init.normal_(learners.transformer.proj_out.weight, std=0.3)
    targets: list[tuple[Any, ...]] = []
    target = steering.target

    def overheard(plain: Any, answer: Any, *rest: Any, **other: Any) -> object:
        wanted = target(plain, answer, *rest, **other)
        targets.append((plain, answer, wanted))
        return wanted

    monkeypatch.setattr(steering, "target", overheard)
    plain, pushed = (lesson_of(learners, batch, guide=guide) for guide in (0.0, 0.6))
    assert float(pushed.error) == float(plain.error)
    ((velocity, answer, wanted),) = targets
    assert float((velocity - wanted).abs().max()) > 0.01
    difference = ((answer - wanted).square().mean() - (answer - velocity).square().mean()).detach()
    assert float((pushed.loss - plain.loss).detach()) == pytest.approx(float(difference), rel=1e-3)
    assert torch.equal(velocity[batch.asked :], wanted[batch.asked :])


def test_a_lesson_in_bfloat16_has_gradients_for_all_that_learns() -> None:
    """As on a GPU: every part of the pipeline and both heads learn from one pushed lesson, and all is finite."""
    learners = course._learners({name: module.bfloat16() for name, module in toy_modules().items()})
    batch = toy_batch()
    batch.nouns[:3, 0], batch.layout[:, 5] = torch.tensor([3, 0, 1, 1, 0, 0, 0, 0]), 3
    lesson = lesson_of(learners, batch, guide=0.6)
    lesson.loss.backward()
    assert torch.isfinite(lesson.loss)
    for name, module in learners.named().items():
        gradients = [parameter.grad for parameter in module.parameters() if parameter.grad is not None]
        assert all(torch.isfinite(gradient).all() for gradient in gradients), name
        assert any(gradient.abs().max() > 0 for gradient in gradients), name


def test_batches_end_with_samples_that_have_no_caption(words: data.Words, tmp_path: Path) -> None:
    """The last tenth has empty captions and no nouns to be asked for, yet pictures with a layout like the others."""
    from diffusers import AutoencoderKL

    tokenizers.write(captions.words(), tmp_path)
    vae = AutoencoderKL.from_config(architecture.vae_config(architecture.TOY)).eval().requires_grad_(False)
    frame = data.TOY_FRAMES[0]
    store = flow.Store(vae, data.Stream(data.Plan((frame,), tmp_path, seed=1, slot_bytes=8 * frame.bytes)))
    store.absorb(wait=True)
    budget = flow.Budget(1.0, tokens=20 * (frame.tokens + 128), text_lengths={128: 1.0})
    batch = flow._batch(store, np.random.default_rng(0), budget=budget, progress=0.0)
    assert len(batch.latents) == 16
    assert batch.asked == 14
    blank = torch.nn.functional.pad(store.blank.t5, (0, 64))
    assert (batch.t5 == blank).all(dim=1).tolist() == [False] * 14 + [True] * 2
    assert (batch.clip == store.blank.clip).all(dim=1).tolist() == [False] * 14 + [True] * 2
    assert ((batch.nouns == grammar.ABSENT).all(dim=(1, 2))).tolist() == [False] * 14 + [True] * 2
    assert batch.layout.shape == (16, frame.tokens)
    assert (batch.layout > 0).any(dim=1).sum() > 8


def test_training_sees_what_the_pipeline_gives_the_transformer() -> None:
    """Packed latents, ids, rounded time and guidance are the same, to the bit, as in a call of FluxPipeline."""
    from diffusers import FluxPipeline

    latents = torch.randn(2, 16, 8, 12)
    assert torch.equal(flow.pack(latents), FluxPipeline._pack_latents(latents, 2, 16, 8, 12))
    theirs = FluxPipeline._prepare_latent_image_ids(2, 4, 6, "cpu", torch.bfloat16)
    assert torch.equal(flow.position_ids(4, 6, like=torch.zeros(1, dtype=torch.bfloat16)), theirs)

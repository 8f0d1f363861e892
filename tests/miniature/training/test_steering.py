"""Empty captions and the pull of those that are there."""

from __future__ import annotations

from pathlib import Path

import pytest

from fluxgate.miniature import architecture, captions, tokenizers
from fluxgate.miniature.training import data, flow, steering

torch = pytest.importorskip("torch")


def test_an_empty_caption_is_what_the_pipeline_makes_of_an_empty_prompt(tmp_path: Path) -> None:
    """CLIP's vector and T5's tokens are, to the bit, those of FluxPipeline."""
    tokenizers.write(captions.words(), tmp_path)
    pipeline = architecture.build(architecture.TOY, tmp_path, seed=1)
    t5, clip = pipeline.text_encoder_2.eval(), pipeline.text_encoder.eval()
    blank = steering.blank(data.Words.read(tmp_path), torch.device("cpu"))
    with torch.no_grad():
        text, pooled, _ = pipeline.encode_prompt("", None, max_sequence_length=data.T5_LENGTH)
        assert torch.equal(t5(blank.t5[None])[0], text)
        assert torch.equal(clip(blank.clip[None]).pooler_output, pooled)


def test_a_tenth_is_dropped_and_half_is_pushed_in_eights() -> None:
    """No batch is without an empty caption, and what goes through the transformer twice is a multiple of eight."""
    assert [steering.dropped(number) for number in (2, 8, 16, 200)] == [1, 1, 2, 20]
    assert [steering.pushed(number) for number in (2, 8, 16, 24, 200)] == [2, 8, 8, 16, 104]


def test_the_push_grows_in_the_middle_of_training() -> None:
    """It is nothing before 0.3 of the training, whole from 0.5 on, and half of it between."""
    pushes = [steering.guide_at(progress, steps=10_000) for progress in (0.0, 0.3, 0.4, 0.5, 1.0)]
    assert pushes == pytest.approx([0, 0, 0.3, 0.6, 0.6])


def test_the_push_waits_for_steps_with_empty_captions() -> None:
    """However late it is, there is none before 500 such steps, and it is whole after 1,500."""
    pushes = [steering.guide_at(1.0, steps=steps) for steps in (0, 500, 1000, 1500, 9000)]
    assert pushes == pytest.approx([0, 0, 0.3, 0.6, 0.6])


def test_a_training_that_goes_on_pushes_no_less_than_before() -> None:
    """A longer goal puts the same minute earlier in the training, yet what was learnt is not unlearnt."""
    budget = flow.Budget(600.0, done=600.0, goal=6000.0, without=100, guide=0.45)
    assert budget.guide_at(budget.progress(0.0), steps=0) == 0.45
    later = flow.Budget(600.0, done=600.0, without=2000, guide=0.45)
    assert later.guide_at(later.progress(0.0), steps=0) == pytest.approx(0.6)


def test_the_target_is_pushed_by_what_the_caption_changed() -> None:
    """The velocity plus the weight times the difference between the answers with and without a caption."""
    plain, answer, unasked = (torch.randn(4, 6, 8) for _ in range(3))
    answer.requires_grad_()
    weight = torch.tensor([0.6, 0.3, 0.0, 9.0])
    wanted = steering.target(plain, answer, unasked[:2], weight=weight)
    assert not wanted.requires_grad
    assert torch.allclose(wanted[0], plain[0] + 0.6 * (answer[0] - unasked[0]))
    assert torch.allclose(wanted[1], plain[1] + 0.3 * (answer[1] - unasked[1]))
    assert torch.equal(wanted[2:], plain[2:])


def test_the_half_that_is_pushed_makes_up_for_the_other() -> None:
    """Over all samples with a caption the mean push is the one asked for; without a caption there is none."""
    middle = torch.full((40,), 0.5)
    pushes = steering.weights(middle, guide=0.6, asked=36)
    assert float(pushes.sum() / 36) == pytest.approx(0.6)
    assert (pushes[24:] == 0).all()
    few = steering.weights(torch.full((8,), 0.5), guide=0.6, asked=7)
    assert few.tolist() == pytest.approx([0.6] * 7 + [0.0])


def test_the_push_fades_where_there_is_all_noise_or_none() -> None:
    """It is whole between noise levels of 0.15 and 0.95, and falls to nothing at 0 and 1."""
    levels = torch.tensor([0.0, 0.075, 0.15, 0.5, 0.95, 0.975, 1.0, 0.5])
    pushes = steering.weights(levels, guide=0.6, asked=8)
    assert pushes.tolist() == pytest.approx([0, 0.3, 0.6, 0.6, 0.6, 0.3, 0, 0.6], abs=1e-6)

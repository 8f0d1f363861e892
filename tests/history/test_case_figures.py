"""Tests of the figures that history is made of."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from fluxgate.compare.measures import SSIM
from fluxgate.history.case_figures import figures_of, recipe_of
from fluxgate.judge.verdict import PASSED, PROMISE, Verdict
from fluxgate.rendering import DENOISE, PhaseWork, Work
from tests.judge.made import evidence, with_rendering


def test_every_kind_of_figure_is_there(tmp_path: Path) -> None:
    """Seconds, peaks, weights, work and likeness, by names that say their unit."""
    work = Work("fox", 3, ((PhaseWork(DENOISE, flops={"aten.mm": 7}, bytes={"host to device": 5}),),))
    rendering = with_rendering(evidence(tmp_path), work=work).rendering
    verdict = Verdict("tiny", "offload", PROMISE, PASSED, "so", {SSIM: 0.9})
    figures = figures_of(rendering, [verdict])
    assert {name: figures[name] for name in ("work, FLOPs", "work, bytes host to device", "likeness, SSIM")} == {
        "work, FLOPs": 7.0,
        "work, bytes host to device": 5.0,
        "likeness, SSIM": 0.9,
    }
    kinds = {name.partition(" ")[0].rstrip(",") for name in figures}
    assert {"allocated", "denoise", "weights"} <= kinds
    assert list(figures) == sorted(figures)


def test_other_shots_and_other_takes_are_another_recipe(tmp_path: Path) -> None:
    """More was done, or something else."""
    rendering = evidence(tmp_path).rendering
    fewer = replace(rendering, pictures=rendering.pictures[:1])
    other = replace(rendering, recipes={**rendering.recipes, "fox": "0" * 64})
    assert len({recipe_of(one) for one in (rendering, fewer, other)}) == 3


def test_a_gpu_has_figures_of_its_own(tmp_path: Path) -> None:
    """Beside the clock's; where one take has none, nothing is told of the phase."""
    rendering = evidence(tmp_path).rendering
    timed = replace(rendering, durations=tuple(replace(one, gpu=0.5) for one in rendering.durations))
    denoising = sum(one.phase == DENOISE for one in rendering.durations)
    assert figures_of(timed, [])["denoise, GPU seconds"] == 0.5 * denoising
    partly = replace(rendering, durations=(*rendering.durations, replace(timed.durations[-1])))
    assert not any("GPU" in name for name in figures_of(partly, []))

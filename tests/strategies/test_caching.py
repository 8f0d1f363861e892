"""Tests of what uses again what an earlier step computed: it computes less, and where it does not, that is missed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
diffusers = pytest.importorskip("diffusers")
pytest.importorskip("transformers")

from fluxgate.strategies.caching import ALIKE, CONTEXT, TIME, Steps, alike_blocks, caches, one_call  # noqa: E402
from fluxgate.strategies.effects import REUSED  # noqa: E402
from fluxgate.subjects.subject import Subject  # noqa: E402
from tests.strategies.looking import SHOT, SUBJECT, Seen, look  # noqa: E402
from tests.strategies.machines import CPU, NEW  # noqa: E402
from tests.strategies.named import strategy_named  # noqa: E402
from tests.strategies.taking import DENOISER, Patch, no_call  # noqa: E402
from tests.wording import unsaid  # noqa: E402

LONGER = replace(SUBJECT, shots=(replace(SHOT, steps=ALIKE, pictures_per_prompt=1, height=64, width=64),))
NAMES = ("first-block-cache", "taylorseer-cache", "pyramid-attention-broadcast")
# Of two takes of eight steps: every other one from the third on, and every other one of the middle.
EXACTLY = {"taylorseer-cache": 6, "pyramid-attention-broadcast": 6}


@pytest.fixture(scope="module")
def rendered(miniature_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Seen]:
    """Each strategy once, with as many steps as it takes."""
    by_name: dict[str, Seen] = {}

    def of(name: str) -> Seen:
        if name not in by_name:
            if (reason := strategy_named(name).unsupported(LONGER, CPU, NEW)) is not None:
                pytest.skip(reason)
            folder = tmp_path_factory.mktemp(name)
            by_name[name] = look(strategy_named(name), miniature_folder, folder, subject=LONGER)
        return by_name[name]

    return of


@pytest.mark.parametrize("name", NAMES)
def test_some_calls_are_answered_from_memory(name: str, rendered: Callable[[str], Seen]) -> None:
    """Its effects show, a second call starts with an empty memory, and the pictures are not quite full's."""
    assert rendered(name).missing == ()
    assert rendered(name).again == rendered(name).pictures != rendered("full").pictures


@pytest.mark.parametrize("name", EXACTLY)
def test_the_steps_that_are_left_out_are_counted(name: str, rendered: Callable[[str], Seen]) -> None:
    """A fixed schedule leaves out the same number of steps each time."""
    assert rendered(name).inventory.counts[REUSED] == EXACTLY[name]


def test_a_cache_that_was_not_enabled_is_missed(
    rendered: Callable[[str], Seen], miniature_folder: Path, tmp_path: Path, monkeypatch: Patch
) -> None:
    """Full's own pictures are no excuse."""
    no_call(DENOISER, "enable_cache")(monkeypatch)
    seen = look(strategy_named("taylorseer-cache"), miniature_folder, tmp_path, subject=LONGER)
    hooks, answered = seen.missing
    assert not unsaid(hooks, "transformer", "0 TaylorSeerCacheHook", "at least 1")
    assert not unsaid(answered, "answered from a cache: 0", "at least 1")
    assert seen.pictures == rendered("full").pictures


def test_a_denoiser_without_a_cache_is_left_out() -> None:
    """A UNet cannot be told to use again what it computed."""
    subject = Subject("s", "s", "hub:o/n", (), pipeline="StableDiffusionPipeline", denoiser="unet")
    assert not unsaid(caches(subject, CPU, NEW), "UNet2DConditionModel", "no cache")
    assert caches(SUBJECT, CPU, NEW) is None


def test_a_pipeline_that_does_not_do_its_part_is_left_out() -> None:
    """A cache that is not told which call it is, or what time it is, ends in an error of the library."""
    fill = replace(SUBJECT, pipeline="FluxFillPipeline")
    assert [need(SUBJECT, CPU, NEW) for need in (CONTEXT, TIME)] == [None, None]
    which, when = (str(need(fill, CPU, NEW)) for need in (CONTEXT, TIME))
    assert not unsaid(which, "FluxFillPipeline", "which call of the denoiser")
    assert not unsaid(when, "FluxFillPipeline", "what time")


def test_a_denoiser_that_is_called_twice_is_left_out() -> None:
    """diffusers' broadcast keeps one memory for the call with the prompt and for the one without."""
    assert one_call(SUBJECT, CPU, NEW) is None
    for calls in (2, None):
        assert "twice in a step" in str(one_call(replace(SUBJECT, calls_per_step=calls), CPU, NEW))


@pytest.mark.parametrize("steps, missed", [(7, True), (8, False), (None, False)])
def test_too_few_steps_are_left_out(steps: int | None, missed: bool) -> None:
    """Of a few steps none can be left out; a shot that does not say how many it takes may have enough."""
    subject = replace(SUBJECT, shots=(replace(SHOT, steps=steps),))
    assert bool(Steps(8)(subject, CPU, NEW)) is missed


def test_blocks_that_give_other_things_are_left_out() -> None:
    """FLUX.2's first block gives two tensors, its last one gives one: the library stumbles over that."""
    flux2 = Subject("s", "s", "hub:o/n", (), pipeline="Flux2KleinPipeline")
    assert "gives two tensors" in str(alike_blocks(flux2, CPU, NEW))
    assert alike_blocks(SUBJECT, CPU, NEW) is None

"""Tests of asking for the same picture in other ways, with the miniature itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("diffusers")

from diffusers import FluxPipeline

from fluxgate.render.watch.asked_otherwise import is_asked, not_the_same


@pytest.fixture(scope="module")
def loaded(miniature_folder: Path) -> Any:
    import torch

    pipeline = FluxPipeline.from_pretrained(str(miniature_folder), dtype=torch.bfloat16)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


@pytest.fixture
def pipeline(loaded: Any) -> Iterator[Any]:
    """A pipeline whose own methods a test may replace."""
    own = set(vars(loaded))
    yield loaded
    for name in set(vars(loaded)) - own:
        delattr(loaded, name)


def replaced(pipeline: Any, name: str, change: Callable[..., Any]) -> None:
    inner = getattr(pipeline, name)
    setattr(pipeline, name, lambda *args, **kwargs: change(inner, *args, **kwargs))


def other_latents(inner: Any, *args: Any) -> Any:
    """Those that are given are taken for others."""
    latents, ids = inner(*args)
    return (latents * 2 if args[-1] is not None else latents), ids


def nothing_negative(inner: Any, prompt: Any = None, **kwargs: Any) -> Any:
    """Given embeddings of a prompt are left out."""
    given = kwargs.get("prompt_embeds")
    returned = inner(prompt=prompt, **kwargs)
    return returned if given is None else (returned[0] * 0, *returned[1:])


def unrounded(inner: Any, batch: int, channels: int, height: int, width: int, *args: Any) -> Any:
    return inner(batch, channels, height + 16 * (height % 16 > 0), width, *args)


def test_sound_pipelines_come_to_the_same(pipeline: Any) -> None:
    """Whichever way they are asked."""
    assert not_the_same(pipeline) == []


@pytest.mark.parametrize(
    ("method", "change", "found"),
    [
        ("prepare_latents", other_latents, ["latents"]),
        ("prepare_latents", unrounded, ["a height that is rounded"]),
        ("encode_prompt", nothing_negative, ["embeddings of its prompt", "embeddings of a negative prompt"]),
    ],
)
def test_what_changes_what_it_should_not_is_named(
    pipeline: Any, method: str, change: Callable[..., Any], found: list[str]
) -> None:
    """And nothing else is."""
    replaced(pipeline, method, change)
    assert not_the_same(pipeline) == found


def test_older_pipelines_are_not_asked(pipeline: Any) -> None:
    """Their calls do not take all that is given."""

    class Older(FluxPipeline):
        def __call__(self, prompt: Any, latents: Any = None) -> Any: ...

    assert is_asked(pipeline)
    assert not is_asked(Older(**pipeline.components))


@pytest.mark.parametrize("fails", [False, True])
def test_a_callback_gets_what_was_asked_for(loaded: Any, monkeypatch: pytest.MonkeyPatch, fails: bool) -> None:
    """Whether the library raises or leaves it out."""
    inner = FluxPipeline.__call__

    def without(self: Any, *args: Any, callback_on_step_end: Any = None, **kwargs: Any) -> Any:
        if callback_on_step_end is not None and fails:
            raise KeyError("latents")
        kwargs.pop("callback_on_step_end_tensor_inputs", None)
        return inner(self, *args, **kwargs)

    monkeypatch.setattr(FluxPipeline, "__call__", without)
    assert not_the_same(loaded) == ["a callback"]

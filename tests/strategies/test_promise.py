"""Tests of what a strategy is made of: a function, a promise, and a way to another process."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fluxgate.refusal import Refusal
from fluxgate.render.process.jobs import function_named, name_of
from fluxgate.rendering import DECODE, PHASES
from fluxgate.strategies import STRATEGIES
from fluxgate.strategies.promise import Promise, Site, Strategy, draw_noise_in, dtype_setting, strategy
from fluxgate.strategies.requirements import Release
from fluxgate.subjects.subject import Subject
from tests.strategies.machines import CPU
from tests.wording import unsaid


@strategy(
    Promise(approximates="full", less_memory_than="full", less_during=(DECODE,)),
    needs=(Release("nothing", "1.0", to="do that"),),
    slow=True,
)
def made_here(site: Site) -> Any:
    """The first line says what it is about.

    The rest is for those who read the code."""
    return site


def test_a_function_becomes_a_strategy() -> None:
    """Name, family and description come from the function, its file and its docstring."""
    assert isinstance(made_here, Strategy)
    assert (made_here.name, made_here.family) == ("made-here", "test_promise")
    assert made_here.about == "The first line says what it is about."
    assert made_here.promise == Promise(approximates="full", less_memory_than="full", less_during=(DECODE,))
    assert (made_here.slow, made_here.gpus) == (True, 1)
    assert made_here.load("a site") == "a site"  # type: ignore[arg-type]  # it hands on whatever it is given


@pytest.mark.parametrize("function", [lambda: None, lambda site, more: None], ids=["none", "two"])
def test_a_function_that_takes_no_site_is_refused(function: Any) -> None:
    """When it is decorated, not when its first case is rendered."""
    with pytest.raises(Refusal, match="one argument"):
        strategy(Promise())(function)


def test_needs_become_the_reason() -> None:
    """What the decorator says it needs is looked for in machine and stack."""
    subject = Subject("small", "a small pipeline", "folder:.", ())
    assert not unsaid(made_here.unsupported(subject, CPU, {}), "nothing is needed", "not installed")
    assert made_here.unsupported(subject, CPU, {"nothing": "1.0"}) is None


@pytest.mark.parametrize("strategy", [*STRATEGIES, made_here], ids=lambda strategy: strategy.name)
def test_a_strategys_function_is_found_by_its_name(strategy: Strategy) -> None:
    """That is how it gets to a worker, whichever module it was written in and whatever the strategy is called now."""
    renamed = replace(strategy, name="another", slow=False)
    assert function_named(name_of(renamed.load)) is strategy.load


@pytest.mark.parametrize("field", ["about", "family"])
def test_every_strategy_says_what_it_is(field: str) -> None:
    """The tables have something to print for each."""
    assert all(getattr(strategy, field) for strategy in STRATEGIES)
    assert all(strategy.about.endswith(".") for strategy in STRATEGIES)


def test_a_promise_names_what_it_is_compared_with() -> None:
    """Its reference first, then the strategy that it undercuts; the reference of all is compared with nothing."""
    assert Promise(reproduces="nf4", less_memory_than="full").compared_with == ("nf4", "full")
    assert Promise(approximates="full").compared_with == ("full",)
    assert Promise().compared_with == ()


def test_memory_is_promised_for_all_phases_unless_said_otherwise() -> None:
    """The default leaves no phase out."""
    assert Promise(less_memory_than="full").less_during == PHASES


@pytest.mark.parametrize(
    "library, version, name",
    [
        ("diffusers", "0.39.0", "torch_dtype"),
        ("diffusers", "0.40.0", "dtype"),
        ("transformers", "4.55.4", "torch_dtype"),
        ("transformers", "4.56.0", "dtype"),
        ("transformers", "5.17.0", "dtype"),
    ],
)
def test_the_dtype_is_given_under_the_releases_own_name(library: str, version: str, name: str) -> None:
    """Newer releases have renamed the argument, and warn of the old name."""
    assert dtype_setting(SimpleNamespace(__name__=library, __version__=version), "bfloat16") == {name: "bfloat16"}


def latents_of(pipe: Any, dtype: Any) -> Any:
    """The noise that a pipeline starts from, and its positions, in a dtype."""
    import torch

    return pipe.prepare_latents(1, 16, 64, 64, dtype, torch.device("cpu"), torch.Generator("cpu").manual_seed(4), None)


def test_a_pipeline_in_another_dtype_starts_from_the_subjects_noise(miniature_folder: Path) -> None:
    """Float32 latents hold the very numbers that bfloat16 draws, and a noise dtype of its own is left alone."""
    import torch

    subject = Subject("small", "a small pipeline", "folder:.", (), dtype="bfloat16")
    site = Site(subject, folder=miniature_folder, device="cpu", scratch=miniature_folder, watch=lambda pipe: None)
    few: dict[str, Any] = {"transformer": None, "text_encoder": None, "text_encoder_2": None}
    plain, wide, own = (
        latents_of(site.pipeline(dtype=torch.float32, **few, **noise), dtype)
        for noise, dtype in (({}, torch.float32), ({}, torch.bfloat16), ({"noise": torch.float32}, torch.float32))
    )
    assert plain[0].dtype == torch.float32
    assert torch.equal(plain[0], wide[0].float())
    assert not torch.equal(plain[0], own[0])


def test_a_component_is_loaded_in_a_dtype_of_its_own(miniature_folder: Path) -> None:
    """All others in the subject's; a strategy that asks for another dtype gets that of all."""
    import torch

    subject = Subject("small", "a small pipeline", "folder:.", (), dtypes={"vae": "float32"})
    site = Site(subject, folder=miniature_folder, device="cpu", scratch=miniature_folder, watch=lambda pipe: None)
    own, asked = site.pipeline(), site.pipeline(dtype=torch.float16)
    assert (own.vae.dtype, own.transformer.dtype, own.text_encoder.dtype) == (
        torch.float32,
        torch.bfloat16,
        torch.bfloat16,
    )
    assert (asked.vae.dtype, asked.transformer.dtype) == (torch.float16, torch.float16)


def test_float32_keeps_noise_of_its_own() -> None:
    """The one strategy that draws in another dtype than the subject says so, for those who compare its pictures."""
    assert {one.name: one.noise for one in STRATEGIES if one.noise} == {"full-float32": "float32"}


def test_what_is_encoded_beside_the_noise_keeps_its_dtype() -> None:
    """A call that starts from a picture encodes it in the pipeline's own dtype, whichever the noise is drawn in."""
    import sys

    import torch
    from diffusers.utils.torch_utils import randn_tensor

    class Pipe:
        def prepare_latents(self, dtype: Any) -> tuple[Any, Any]:
            draw = sys.modules[__name__].randn_tensor
            return torch.ones(4).to(dtype), draw((4,), generator=torch.Generator().manual_seed(1), dtype=dtype)

    sys.modules[__name__].randn_tensor = randn_tensor  # type: ignore[attr-defined]  # as a pipeline's module has it
    pipe = Pipe()
    draw_noise_in(pipe, torch.bfloat16)
    picture, noise = pipe.prepare_latents(torch.float16)
    drawn = torch.randn(4, generator=torch.Generator().manual_seed(1), dtype=torch.bfloat16)
    assert (picture.dtype, noise.dtype) == (torch.float16, torch.float16)
    assert torch.equal(noise, drawn.half())
    assert sys.modules[__name__].randn_tensor is randn_tensor

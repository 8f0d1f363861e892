"""Tests of modules of one's own repository: a class of pipelines in one is as good as one of diffusers'."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fluxgate import configuration
from fluxgate.own_modules import imported, source_of
from fluxgate.refusal import Refusal
from fluxgate.strategies.available import own_packages
from fluxgate.strategies.promise import Site
from fluxgate.subjects.pipeline_class import pipeline_class, pipeline_names
from fluxgate.subjects.subject import Subject

NUMBERS = itertools.count()
OWN = """
import diffusers

class {name}Pipeline(diffusers.FluxPipeline):
    def __call__(self, prompt, height=128, *, softness: int = 3):
        return super().__call__(prompt, height=height)
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A module with a class of pipelines that no other test has imported, named in the configuration."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    name = f"shop_{next(NUMBERS)}"
    Path(f"{name}.py").write_text(OWN.format(name=name.title().replace("_", "")))
    Path("pyproject.toml").write_text(f'[tool.fluxgate]\npipelines = "{name}"\n')
    yield name
    sys.modules.pop(name, None)


def class_in(module: str) -> str:
    return f"{module.title().replace('_', '')}Pipeline"


def test_a_class_of_ones_own_is_read_as_any_other(module: str) -> None:
    """What it overrides is its own, the rest is its base's; it is not imported for that."""
    pytest.importorskip("diffusers")
    installed, base = pipeline_class(class_in(module)), pipeline_class("FluxPipeline")
    assert installed is not None
    assert base is not None
    assert (installed.takes, installed.numbers) == (("prompt", "height", "softness"), {"height": 128})
    assert (installed.encodes, installed.parts) == (base.encodes, base.parts)
    assert class_in(module) in pipeline_names()
    assert module not in sys.modules


def test_a_strategy_loads_it(module: str, tmp_path: Path) -> None:
    """By its name in the subject; one that is nowhere is refused."""
    pytest.importorskip("diffusers")
    subject = Subject("s", "s", "folder:.", (), pipeline=class_in(module))
    site = Site(subject, folder=tmp_path, device="cpu", scratch=tmp_path, watch=lambda _: None)
    assert site.pipeline_class.__module__ == module
    Path("pyproject.toml").write_text("[tool.fluxgate]\n")
    with pytest.raises(Refusal, match="neither in diffusers nor"):
        _ = site.pipeline_class


def test_workers_of_other_environments_get_it(module: str) -> None:
    """As they get one's own strategies."""
    assert own_packages() == (Path(f"{module}.py").absolute(),)


@pytest.mark.parametrize("look", [imported, source_of])
def test_a_module_that_is_not_there_is_refused_with_its_key(look: object, module: str) -> None:
    """Whether it is imported or only read."""
    with pytest.raises(Refusal, match=r"nowhere_at_all\.x"):
        look(configuration.current(), "pipelines", "nowhere_at_all.x")  # type: ignore[operator]  # one of the two

"""Tests of looking for calls with the same inputs as before."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from fluxgate.render.measure.work import WorkCounter  # noqa: E402
from fluxgate.render.watch.counted_take import CountedTake  # noqa: E402
from fluxgate.rendering import DENOISE, PhaseWork  # noqa: E402


class Component(torch.nn.Module):  # type: ignore[name-defined]  # torch has no types here
    def forward(self, *args: Any, **kwargs: Any) -> None:
        return None


def looked_at(*calls: Any, name: str = "transformer") -> PhaseWork:
    """What is counted of calls with these inputs."""
    counter, component = WorkCounter(), Component()
    if name == "vae":
        component.decoder = Component()
    take = CountedTake("fox", counter, decoder="vae")
    take.watch(SimpleNamespace(components={name: component}))
    take.enter(DENOISE)
    for call in calls:
        (component.decoder if name == "vae" else component)(call, scale=1.0)
    take.close()
    component(torch.ones(1))  # nobody looks any more
    (phase,) = counter.take_counted()
    return phase


def test_the_same_values_are_the_same_inputs_however_they_lie_in_memory() -> None:
    """A slice, a number alone with any stride, and other dtypes."""
    values = torch.arange(9.0)
    lone = torch.empty_strided((1,), (5,)).fill_(2.0)
    phase = looked_at(values[::3], values[::3].clone(), lone, torch.full((1,), 2.0), values[::3].to(torch.bfloat16))
    assert (phase.components, phase.repeats) == ({"transformer": 5}, {"transformer": 2})


def test_one_other_number_is_another_call() -> None:
    """To the last bit, and in a list too."""
    phase = looked_at([torch.ones(2), None], [torch.tensor([1.0, 1.0 + 2**-23]), None], {"a": 3}, {"a": 4})
    assert phase.repeats == {}


def test_tiles_may_be_alike() -> None:
    """What decodes is counted by its calls alone."""
    phase = looked_at(torch.ones(2), torch.ones(2), name="vae")
    assert (phase.components, phase.repeats) == ({"vae": 2}, {})

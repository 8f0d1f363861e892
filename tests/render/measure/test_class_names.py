"""Tests of the names by which layers and hooks are known."""

from __future__ import annotations

import pytest

from fluxgate.render.measure.class_names import class_name, hook_name


class Linear:
    pass


class Linear4bit(Linear):
    pass


class LinearNF4(Linear4bit):
    pass


class OtherLinear(Linear):
    pass


@pytest.mark.parametrize(
    ("kind", "name"),
    [(Linear, "Linear"), (Linear4bit, "Linear4bit"), (LinearNF4, "Linear4bit"), (OtherLinear, "OtherLinear")],
)
def test_what_is_derived_from_a_quantizing_class_is_one(kind: type, name: str) -> None:
    """Any other class has its own name."""
    assert class_name(kind()) == name


def test_a_hook_is_known_by_the_plain_hook_that_it_is_derived_from() -> None:
    """Those of the libraries themselves keep their names."""
    accelerate, diffusers = (pytest.importorskip(f"{name}.hooks") for name in ("accelerate", "diffusers"))

    class LayerCasting(diffusers.hooks.ModelHook):  # type: ignore[name-defined]  # loaded above
        pass

    class QuickCasting(LayerCasting):
        pass

    assert [hook_name(one()) for one in (LayerCasting, QuickCasting)] == ["LayerCasting", "LayerCasting"]
    assert hook_name(accelerate.AlignDevicesHook()) == "AlignDevicesHook"
    assert hook_name(accelerate.ModelHook()) == "ModelHook"
    assert hook_name(Linear()) == "Linear"

"""What a pipeline was made of, on both sides: every component whose bytes, modules or weights are not the same."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from fluxgate.rendering import Component, Inventory

QUANTIZED = "quantized weights"  # stands beside the dtypes: how many of the bytes are packed codes and their scales

FEWER_SCALES = 0.005  # share of a quantized component, chosen: zero points of int8 were 0.2%, all scales of NF4 are 6%


@dataclass(frozen=True)
class SizeChange:
    """The bytes of one dtype of a component, before and after."""

    dtype: str
    before: int
    after: int


@dataclass(frozen=True)
class ComponentChange:
    """A component that is not the same on both sides; None where a side does not have it."""

    name: str
    before: Component | None
    after: Component | None

    @property
    def sizes(self) -> tuple[SizeChange, ...]:
        """The dtypes that hold another number of bytes, in the order of their names."""
        before, after = _sizes(self.before), _sizes(self.after)
        changes = (SizeChange(dtype, before.get(dtype, 0), after.get(dtype, 0)) for dtype in sorted(before | after))
        return tuple(change for change in changes if change.before != change.after)

    @property
    def total(self) -> tuple[int, int]:
        """All its bytes, before and after."""
        return _total(self.before), _total(self.after)

    @property
    def traits(self) -> tuple[str, ...]:
        """What else is not the same: modules, hooks, settings, weights."""
        if self.before is None or self.after is None:
            return ()
        return tuple(_traits(self.before, self.after))


def lacks_next_to_nothing(before: int, after: int) -> bool:
    """Whether a quantized component has so few bytes less that none of them are codes: as of a codebook that layers
    share, or of zero points that nobody uses."""
    return 0 < before - after <= FEWER_SCALES * before


def component_changes(expected: Inventory | None, actual: Inventory | None) -> tuple[ComponentChange, ...]:
    """Every component that differs, in the order of the actual inventory; none where a side was not noted."""
    if expected is None or actual is None:
        return ()
    names = dict.fromkeys([*actual.components, *expected.components])
    changes = (ComponentChange(name, expected.components.get(name), actual.components.get(name)) for name in names)
    return tuple(
        change for change in changes if change.before is None or change.after is None or change.sizes or change.traits
    )


def _total(component: Component | None) -> int:
    return component.total_bytes if component else 0


def _sizes(component: Component | None) -> dict[str, int]:
    return {**component.bytes_by_dtype, QUANTIZED: component.quantized_bytes} if component else {}


def _traits(before: Component, after: Component) -> Iterator[str]:
    if before.module_classes != after.module_classes:
        yield "modules"
    if before.hooks != after.hooks:
        yield "hooks"
    if before.settings != after.settings:
        yield "settings"
    if None not in (before.state_sha256, after.state_sha256) and before.state_sha256 != after.state_sha256:
        yield "weights"

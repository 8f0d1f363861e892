"""Operators that move, and compute nothing."""

from __future__ import annotations

# Operators that give a tensor another place, dtype, shape or owner and compute nothing: an offload adds some of them.
MOVING = frozenset(
    {
        "aten._local_scalar_dense", "aten._pin_memory", "aten._to_copy", "aten._unsafe_view", "aten.alias",
        "aten.as_strided", "aten.clone", "aten.copy_", "aten.detach", "aten.detach_", "aten.empty",
        "aten.empty_like", "aten.empty_strided", "aten.expand", "aten.is_pinned", "aten.lift_fresh",
        "aten.new_empty", "aten.new_empty_strided", "aten.permute", "aten.record_stream", "aten.resize_",
        "aten.select", "aten.set_", "aten.slice", "aten.squeeze", "aten.t", "aten.transpose", "aten.unsqueeze",
        "aten.view", "aten.zeros",
    }
)  # fmt: skip

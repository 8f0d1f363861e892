"""Fluxgate in pytest, a module for each part of a session, in the order in which pytest comes to them."""

from __future__ import annotations

pytest_plugins = [
    "fluxgate.plugin.options",
    "fluxgate.plugin.asked",
    "fluxgate.plugin.limit_vram",
    "fluxgate.plugin.verdicts",
    "fluxgate.plugin.parallel",
    "fluxgate.plugin.ahead",
    "fluxgate.plugin.summary",
]

"""The options once more without their prefix: `--strategy` for `--fluxgate-strategy`.

Fluxgate's own repository loads it. Another project may, with `-p fluxgate.plugin.short_names`, if no option of its own
has one of these names."""

from __future__ import annotations

import pytest

from fluxgate.plugin.options import OPTIONS


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("fluxgate", "Fluxgate")
    for name, settings in OPTIONS.items():
        group.addoption(f"--{name}", **settings)

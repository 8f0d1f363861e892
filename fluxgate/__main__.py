"""`python -m fluxgate` is the command `fluxgate`."""

from __future__ import annotations

from fluxgate.cli.main import run

run()
